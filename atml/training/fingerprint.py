"""Which code trains: what two machines must have alike before their trials can be compared.

Optuna's search over machines is only worth something if a config and a seed mean the same on each. What a
trial's value depends on, besides data, folds and the task's own files, is a part of this package and torch.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from atml.source_hash import written

TRAINS = (
    *("ecg/beats.py", "ecg/changes.py", "ecg/resampling.py", "metrics", "tasks", "data/dataset.py"),
    *("data/folds.py", "training/agreement.py"),
    *(
        "models",
        "training/augmentation.py",
        "training/batches.py",
        "training/losses.py",
        "training/optimizers.py",
        "training/goal.py",
        "training/label_losses.py",
        "training/page_augmentation.py",
    ),
    *("training/loop.py", "training/learner.py", "training/cross_validation.py", "paper"),
)
"""Modules, and folders of them, that a trial's value depends on."""

SAME_AS = {
    "55d62ebab6ccb9d1": "8bf514d7ab8c2570",
    "bf7ce49ffec30fad": "8bf514d7ab8c2570",
    "253c55f5445096a1": "8bf514d7ab8c2570",
    "4e7501c428cabddd": "8bf514d7ab8c2570",
    "eedf8913f74d7cb3": "8bf514d7ab8c2570",
}
"""Digests of earlier versions whose code trains the same configs to the same bits, by the digest of today's.

The first is that of version 0.1. Whoever changes what a training computes takes the entries out; whoever
does not, and only moves or renames code, writes the new digest beside them.
"""


@functools.cache
def _here() -> tuple[tuple[str, str], ...]:
    torch = ".".join(metadata.version("torch").split(".")[:2])
    modules = _hash(Path(__file__).parents[1])
    return ("atml", metadata.version("atml")), ("modules", modules), ("torch", torch)


def here() -> dict[str, str]:
    """Return what trains here: "atml" (its version), "modules" (a digest of `TRAINS`), "torch" (2.13).

    Read once a process, so it is what runs, as far as files change later than they are loaded.
    """
    return dict(_here())


def _hash(package: Path) -> str:
    """Digest the code of `TRAINS`: comments, docstrings, and where a module lies are of no account."""
    whole = hashlib.sha256()
    for name in TRAINS:
        path = package / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else (path,):
            tree = _Bare().visit(ast.parse(file.read_text(encoding="utf-8")))
            whole.update(f"{written(tree)}\n".encode())
    return whole.hexdigest()[:16]


def _as_today(code: Mapping[str, str]) -> dict[str, str]:
    modules = code.get("modules")
    return {**code, "modules": SAME_AS.get(modules, modules)} if modules is not None else dict(code)


class _Bare(ast.NodeTransformer):
    """Leaves out texts that stand alone."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if isinstance(node.value, ast.Constant) else node


def differences(there: Mapping[str, str], here: Mapping[str, str], at: str, now: str) -> str:
    """Say in what two differ, such as "torch 2.12 there and 2.13 here"; "" where they are the same."""
    there, here = _as_today(there), _as_today(here)
    if there == here:
        return ""
    named = [
        f"{name} {there.get(name)} {at} and {here.get(name)} {now}"
        for name in ("atml", "torch")
        if there.get(name) != here.get(name)
    ]
    if there.get("modules") != here.get("modules"):
        one, other = (str(code.get("modules"))[:8] for code in (there, here))
        named.append(f"the modules that train {one} {at} and {other} {now}")
    return ", ".join(named)
