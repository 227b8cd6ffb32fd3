"""The house stands as drawn: layers import downward, heavy packages stay where they belong."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

import atml

PACKAGE = Path(atml.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

# From the bottom up: a package imports itself and those above it in this list. The façade, `atml/__init__`,
# loads its names when they are first used and stands outside.
PACKAGES = (
    "errors", "arrays", "watching", "listening", "source_hash", "metrics", "formatting", "tasks", "ecg",
    "pages", "digitising", "data", "page_sets", "models", "training", "paper", "evaluation", "artifacts",
    "device", "task_files", "regions", "storage", "scoring", "preflight", "searching", "comparison",
    "promotion", "report", "annotating", "dashboard", "library", "serving", "cli", "__main__",
)  # fmt: skip

ONLY = {
    "optuna": ("atml.searching", "atml.storage", "atml.dashboard"),
    "torch": (
        "atml.models",
        "atml.training",
        "atml.paper",
        "atml.artifacts.export",
        "atml.artifacts.backends",
        "atml.searching.workers",
        "atml.searching.task_check",
    ),
    "onnxruntime": ("atml.artifacts.model", "atml.scoring"),
    "sqlalchemy": ("atml.storage",),
}


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer_of(module: str) -> int:
    if module == "atml":
        return -1
    package = module.split(".")[1]
    assert package in PACKAGES, f"{module} has no layer; give its package one"
    return PACKAGES.index(package)


NAMES = {name_of(p) for p in MODULES}


@functools.cache
def imports(path: Path) -> frozenset[str]:
    """Every module that a file imports; names taken from a package count as its modules where they are."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & NAMES
            found.update(inner or {node.module})
    return frozenset(found)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_downward(path: Path) -> None:
    module = name_of(path)
    if module == "atml":
        return
    upward = [i for i in imports(path) if i.split(".")[0] == "atml" and layer_of(i) > layer_of(module)]
    assert not upward, f"{module} imports {upward}, which come after it"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_heavy_packages_stay_where_they_belong(path: Path) -> None:
    module = name_of(path)
    for package, homes in ONLY.items():
        if any(i.split(".")[0] == package for i in imports(path)):
            assert any(module == home or module.startswith(home + ".") for home in homes), (
                f"{module} imports {package}; it belongs to {homes}"
            )


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Modules that import each other, directly or by way of others; each group by itself, sorted."""
    reached: dict[str, set[str]] = {}
    for start in graph:
        todo, seen = list(graph[start]), set()
        while todo:
            if (module := todo.pop()) not in seen:
                seen.add(module)
                todo += graph[module]
        reached[start] = seen
    groups = {tuple(sorted({m for m in graph if m in reached[n] and n in reached[m]})) for n in graph}
    return sorted(list(group) for group in groups if group)


def test_circles_are_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}, "e": set()}) == [["a", "b", "c"]]
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []


def test_no_module_imports_one_that_imports_it() -> None:
    """Under `TYPE_CHECKING` and inside functions too: a reader meets both modules at once all the same."""
    # The façade names everything for type checkers and loads it when it is used: it stands outside.
    inside = NAMES - {"atml"}
    found = circles(
        {name_of(p): set(imports(p) & inside - {name_of(p)}) for p in MODULES if name_of(p) in inside}
    )
    assert found == []


def test_public_names_are_there() -> None:
    for name in atml.__all__:
        assert getattr(atml, name) is not None
    with pytest.raises(AttributeError, match="nothing_such"):
        _ = atml.nothing_such


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from atml.cli import run; code = run(['search', '--help']);"
        "heavy = {'torch', 'optuna', 'sqlalchemy', 'onnxruntime', 'scipy', 'numpy'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_modules_are_of_a_size_to_read() -> None:
    lines = {name_of(p): len(p.read_text(encoding="utf-8").splitlines()) for p in MODULES}
    long = {name: n for name, n in lines.items() if n > 400}
    assert not long, f"over 400 lines: {long}; would two modules with their own names be clearer?"


def test_every_package_is_installed() -> None:
    told = (PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8")
    packages = {name_of(path) for path in MODULES if path.name == "__init__.py"}
    missing = sorted(name for name in packages if f'"{name}"' not in told)
    assert not missing, f"pyproject.toml does not list {missing}"
