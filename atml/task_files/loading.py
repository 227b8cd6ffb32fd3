"""Files of ``search_spaces/`` and ``objectives/``: executed, hashed, their parts taken and guarded."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import os
import sys
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from atml.data import text
from atml.errors import AtmlError, TaskFileError
from atml.source_hash import source_hash

KNOWN_AS = {
    "cfc800ff6d313312": "2c6c3b9c41ff38be",  # objectives/afib.py since it knows "O"
    "1498f1e3c62ac8e3": "03a4ade7582259c1",  # its labels
    "3cdb0939a0d1bd0b": "2c6c3b9c41ff38be",  # objectives/afib.py since it has objectives
    "6871e2ff83e6d1b4": "03a4ade7582259c1",  # its labels
    "6bffe25ea0e2796f": "2c6c3b9c41ff38be",  # objectives/afib.py since it has a contest total
    "9d5119fabde3f991": "03a4ade7582259c1",  # its labels
    "0be1f6af7d06e55f": "b5ed91787e3175cb",  # objectives/defib.py since it names a gate and more objectives
    "ba93008ad3faee76": "8f02638482ad1921",  # its labels
    "6d69974583bccec3": "b5ed91787e3175cb",  # objectives/defib.py since contests' totals are among them
    "e153ded3e43c461d": "8f02638482ad1921",  # its labels
    "b24c36c50f88124e": "3b32d100054d6745",  # objectives/rhythm.py since it has more objectives
}
"""Hashes of built-in files, and of parts of them, by what an earlier version calls them.

An entry stands here where the code changed and the trials of every study and the labels of every export made
with the earlier file would be the same.
"""


def execute(path: Path) -> tuple[ModuleType, ast.Module, str]:
    """Execute the file and return its module, its syntax tree, and the hash of its code.

    Raises TaskFileError for a file that can't be read, is no Python, or raises.
    """
    try:
        tree = ast.parse(text.read(path))
        code_hash = _known(source_hash(tree))
    except (OSError, ValueError) as error:
        raise TaskFileError(f"{path} can't be read: {error}") from error
    except SyntaxError as error:
        raise TaskFileError(f"{path}, line {error.lineno}: {error.msg}") from error
    module_name = f"_atml_room_{hashlib.sha256(os.fsencode(path)).hexdigest()[:12]}_{code_hash}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Registered before it runs: dataclasses under `from __future__ import annotations` look it up.
    sys.modules[module_name] = module
    try:
        # Not by the loader, which would leave bytecode beside a person's file.
        exec(compile(tree, str(path), "exec"), vars(module))
    except Exception as error:
        del sys.modules[module_name]
        raise TaskFileError(f"{path}{_line(error, path)} raises {type(error).__name__}: {error}") from error
    return module, tree, code_hash


def hash_of_file(path: Path) -> str | None:
    """Return the hash of a file's code as `execute` does, without running it; None where it is broken."""
    try:
        return _known(source_hash(ast.parse(text.read(path))))
    except (OSError, ValueError, SyntaxError):
        return None


def hash_of(tree: ast.Module, names: Iterable[str]) -> str:
    """Return the hash of what ``names`` are in a file, and of everything in the file that they depend on."""
    homes: dict[str, list[ast.stmt]] = {}
    for statement in tree.body:
        for node in ast.walk(statement):
            bound = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            if bound or isinstance(node, ast.FunctionDef | ast.ClassDef):
                name = node.id if isinstance(node, ast.Name) else node.name  # type: ignore[attr-defined]
                homes.setdefault(name, []).append(statement)
            elif isinstance(node, ast.alias):
                homes.setdefault(node.asname or node.name, []).append(statement)
    needed: set[int] = set()
    waiting, seen = list(names), set(names)
    while waiting:
        for statement in homes.get(waiting.pop(), ()):
            needed.add(tree.body.index(statement))
            used = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)} - seen
            seen |= used
            waiting += used
    return _known(source_hash([tree.body[index] for index in sorted(needed)]))


def _known(digest: str) -> str:
    return KNOWN_AS.get(digest, digest)


def part(module: ModuleType, path: Path, name: str, kind: Any) -> Any:
    """Return ``name`` of a file; raises TaskFileError where it is not there, or not of ``kind``."""
    if not hasattr(module, name):
        raise TaskFileError(
            f"{path} has no {name}; see the built-in file of the same folder for what it holds"
        )
    found = getattr(module, name)
    if not isinstance(found, kind) or isinstance(found, bool):
        wanted = getattr(kind, "__name__", None) or " or ".join(k.__name__ for k in kind)
        raise TaskFileError(f"{path}: {name} is {found!r}, not a {wanted.lower()}")
    return found


def guarded(function: Callable[..., Any], path: Path, name: str, kind: type | None) -> Callable[..., Any]:
    """Return ``function`` with whatever it raises, or returns of a wrong type, said as a TaskFileError."""

    def call(*arguments: Any) -> Any:
        try:
            result = function(*arguments)
        except AtmlError:
            raise
        except Exception as error:
            line = _line(error, path)
            message = f"{path}{line}: {name}() raises {type(error).__name__}: {error}"
            raise TaskFileError(message) from error
        if kind is float:
            try:
                result = float(result)
            except (TypeError, ValueError):
                raise TaskFileError(f"{path}: {name}() returns {result!r}, not a number") from None
        elif kind is not None and not isinstance(result, kind):
            raise TaskFileError(f"{path}: {name}() returns {result!r}, not a {kind.__name__}")
        return result

    return call


def summary(function: Callable[..., Any], otherwise: str) -> str:
    """Take the first sentence of a docstring as the name of what a function computes."""
    text = (function.__doc__ or otherwise).strip().split("\n\n")[0]
    name = " ".join(text.split()).split(", higher is better")[0].rstrip(".")
    # "ICCAD", "F-beta" and "F1" stay what they are.
    return name[:1].lower() + name[1:] if name[1:2].islower() or name[1:2] == " " else name


def _line(error: BaseException, path: Path) -> str:
    """Name the last line of ``path`` in the traceback, as ", line 12"."""
    line, step = None, error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == str(path):
            line = step.tb_lineno
        step = step.tb_next
    return f", line {line}" if line is not None else ""


def optional(module: ModuleType, path: Path, name: str) -> float | None:
    """Return a number that a file may leave out."""
    return float(part(module, path, name, (int, float))) if hasattr(module, name) else None


def flag(module: ModuleType, path: Path, name: str) -> bool:
    """Return what a file says, True or False; False where it leaves the name out."""
    found = getattr(module, name, False)
    if not isinstance(found, bool):
        raise TaskFileError(f"{path}: {name} is {found!r}; write True or False")
    return found


def are_texts(found: Any) -> bool:
    """Whether a constant is a list of texts."""
    return (
        not isinstance(found, str)
        and isinstance(found, Collection)
        and all(isinstance(one, str) for one in found)
    )
