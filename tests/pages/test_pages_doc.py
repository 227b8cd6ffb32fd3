"""What docs/pages.md says holds: its commands run, its ranges are those that are drawn from."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

import atml
from atml.pages.conditions import APART, CONDITIONS
from atml.pages.wear_ranges import DEGRADATIONS, KINDS
from tests.terminal import run

pytest.importorskip("PIL.Image", reason="Pillow is not installed here")
DOC = (Path(atml.__file__).parents[1] / "docs" / "pages.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", DOC, re.MULTILINE | re.DOTALL)
SHELL = next(block for kind, block in BLOCKS if not kind)
PYTHON, OPENING = (block for kind, block in BLOCKS if kind == "python" and "PAGES" in block)


def tiny(line: str) -> list[str]:
    line = re.sub(r"--(hearts|pages|size) \S+ ?", "", line)
    return [*shlex.split(line)[1:], "--hearts", "1", "--pages", "4", "--size", "192x256"]


def test_commands_and_example_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for line in SHELL.splitlines():
        assert line.startswith("atml data make pages")
        done = run(tmp_path, *tiny(line))
        assert done.returncode == 0, (line, done.stderr)
    monkeypatch.chdir(tmp_path)
    found: dict[str, object] = {}
    exec(PYTHON, found)
    where = found["where"]
    assert isinstance(where, np.ndarray) and (where > 0).all() and (where < [256, 192]).all()


def test_pages_are_opened_as_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make = "data make pages --out PAGES --hearts 12 --pages 1 --kind clean --layout 3x4 --size 120x160"
    assert run(tmp_path, *make.split()).returncode == 0
    monkeypatch.setenv("ATML_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    found: dict[str, object] = {}
    exec(OPENING, found)
    assert "(12, 3, 96, 128) uint8" in capsys.readouterr().out
    has_af = found["has_af"]
    assert isinstance(has_af, np.ndarray) and 0 < has_af.sum() < 12
    done = run(tmp_path, *"data inspect PAGES --task pages".split())  # too few hearts, as it says
    assert done.returncode == 2 and "12 clean" in done.stdout and "too few for 5 folds" in done.stderr


def test_ranges_are_those_that_are_drawn_from() -> None:
    rows = dict(re.findall(r"^\| (\w+)[:,][^|]*\| (.*) \|$", DOC, re.MULTILINE))
    for name in DEGRADATIONS:
        cells = [cell.strip() for cell in rows[name].split("|")]
        for kind, cell in zip(("scan", "mild", "photo"), cells, strict=True):
            one = KINDS[kind].get(name)
            chance = "" if one is None or one.chance == 1 else f"{100 * one.chance:.0f}%: "
            assert cell == ("" if one is None else f"{chance}{one.low:g} to {one.high:g}"), (name, kind)


def test_labels_are_all_explained() -> None:
    for name in CONDITIONS:
        assert f"| `{name}` |" in DOC
    together = DOC.split("What no heart has together:")[1].split("Each page")[0]
    assert all(name in together or name.startswith("STE") for pair in APART for name in pair)
