"""Every section of docs/extending.md is run as it stands, in a folder of its own."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from atml.models.families import FAMILIES
from atml.tasks.targets import TARGETS
from tests import terminal

REPO = Path(__file__).resolve().parent.parent
TEXT = (REPO / "docs" / "extending.md").read_text(encoding="utf-8")
SECTIONS = {
    part.splitlines()[0]: re.findall(r"^```(python|sh)\n(.*?)^```", part, re.MULTILINE | re.DOTALL)
    for part in TEXT.split("\n## ")[1:]
}
DATA, TASK = "Some data to work on", "A task"


def is_file(block: str) -> re.Match[str] | None:
    return re.match(r"# (\w+/\w+\.py)\n", block)


@pytest.fixture
def _listed() -> Iterator[None]:
    """Take out of the dicts what files of a search put there."""
    before = [(place, dict(place)) for place in (TARGETS, FAMILIES)]
    yield
    for place, held in before:
        place.clear()
        place.update(held)


def ran(where: Path, language: str, block: str) -> str:
    """Run a block, or write the file that it is, and return what it prints."""
    if file := is_file(block):
        (where / file[1]).parent.mkdir(exist_ok=True)
        (where / file[1]).write_text(block, encoding="utf-8")
        return ""
    if language == "sh":
        return "".join(map(functools.partial(typed, where), block.splitlines()))
    return program(where, sys.executable, "-W", "error", "-c", block)


def typed(where: Path, line: str) -> str:
    """Run a line of a shell; ours in this process."""
    if not line.startswith("atml "):
        return program(where, "bash", "-ec", line)
    words = program(where, "bash", "-c", f"printf '%s\\n' {line}").splitlines()[1:]
    done = terminal.run(where, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def program(where: Path, *words: str) -> str:
    """Run another program, and return what it prints."""
    done = subprocess.run(
        words,
        cwd=where,
        env={**os.environ, "PYTHONPATH": str(REPO)},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.usefixtures("_listed")
@pytest.mark.parametrize("title", [title for title in SECTIONS if title != DATA])
def test_a_section_runs(title: str, tmp_path: Path) -> None:
    # The task's files serve several sections; its search belongs to its own.
    task = [block for block in SECTIONS[TASK] if title != TASK and is_file(block[1])]
    printed = "".join(ran(tmp_path, *block) for block in [*SECTIONS[DATA], *task, *SECTIONS[title]])
    if any(language == "sh" for language, _ in SECTIONS[title]):
        exported = list(tmp_path.glob("exports/*/*/model.onnx"))
        # The winner, and beside it the default that it is compared with where that qualifies.
        assert 1 <= len(exported) <= 2, printed


def test_there_is_a_section_for_each_extension_point() -> None:
    rows = re.findall(r"^\| (an? [\w ]+) \|", TEXT, re.MULTILINE)
    assert [row.capitalize() for row in rows] == [title for title in SECTIONS if title != DATA]
