"""An export that version 0.1.0 wrote, and a folder for searches whose trials take no time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import atml
from tests import tiny

REPO = Path(__file__).resolve().parents[2]
MADE = REPO / "tests" / "fixtures" / "v0.1"


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the folder that version 0.1.0 wrote: data, task files, exports."""
    where = tmp_path_factory.mktemp("earlier") / "v0.1"
    shutil.copytree(MADE, where, ignore=shutil.ignore_patterns("making", "studies.db"))
    return where


@pytest.fixture(scope="module")
def model(earlier: Path) -> atml.Model:
    return atml.load(earlier / "exports" / "small" / "97-91-t0138")


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with tiny nets and little data."""
    where = tiny.folder(tmp_path / "work")
    monkeypatch.chdir(where)
    return where


Python = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def python(small: Path) -> Python:
    """Run a program in the working directory: a file, or what ``stdin`` says."""

    def run(*arguments: object, stdin: str | None = None, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=small,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
            env={**environment(), **more},
        )

    return run


def environment() -> dict[str, str]:
    """The environment of programs that import this checkout, wherever they run."""
    return {**os.environ, "PYTHONPATH": str(REPO), "PYTHONUNBUFFERED": "1"}
