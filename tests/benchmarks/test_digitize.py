"""Figures of reading pages: what has a line, and sets that are there already."""

from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from atml.digitising.signal_rules import PictureMatch

PROGRAM = Path(__file__).resolve().parents[2] / "benchmarks" / "digitize.py"


def test_stains_and_creases_have_lines_of_their_own() -> None:
    names = runpy.run_path(str(PROGRAM))
    wave = np.tile(np.sin(np.arange(500) / 9), (12, 1))
    good = PictureMatch.of(wave, 0.9 * wave, 500)
    bad = PictureMatch.of(wave, 0 * wave, 500)
    page = names["Page"]("scan", "6x2", frozenset({"stain", "noise"}), good, good, False, 1.0)
    creased = replace(page, kind="photo", degradations=frozenset({"crease"}), found=bad, refused=True)
    found = {line[0]: line[1:5] for line in names["lines"]([page, page, creased])}
    assert list(found) == ["scan", "photo", "with a stain", "with a crease", "6x2", "all"]
    assert found["with a stain"] == ["2", "0", "20.00", "20.00"] == found["scan"]
    assert found["with a crease"] == ["1", "1", "0.00", "0.00"]
    assert found["all"][:2] == ["3", "1"]


def test_a_set_that_is_there_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["digitize.py", "--data", str(tmp_path)])
    with pytest.raises(SystemExit, match="holds no pages: give a folder that atml data make pages"):
        runpy.run_path(str(PROGRAM), run_name="__main__")
