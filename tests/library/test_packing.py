"""A study after `mv`, and in an archive on another machine: what it says and does is the same."""

from __future__ import annotations

import html
import json
import shutil
import sqlite3
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import tiny
from tests.terminal import run

SEARCH = ("--trials", 2, "--folds", 2, "--finalists", 1, "--repeats", 1, "--workers", 1, "--study", "s")


def good(where: Path, *words: object) -> subprocess.CompletedProcess[str]:
    done = run(where, *words)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tiny.folder(tmp_path_factory.mktemp("searched") / "here")
    good(where, "search", "--task", "afib", "--data", "data.npz", *SEARCH)
    (export,) = where.glob("exports/s/*")
    good(where, "score", export, "--data", "data.npz")
    return where


@pytest.fixture
def here(searched: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy whose paths all name a folder that is no more."""
    shutil.copytree(searched, tmp_path / "here")
    shutil.move(searched, searched.with_name("hidden"))
    try:
        yield tmp_path / "here"
    finally:
        shutil.move(searched.with_name("hidden"), searched)


def report_of(where: Path) -> str:
    return html.unescape((where / "reports/s/index.html").read_text(encoding="utf-8"))


def best(where: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(good(where, "best", "--json").stdout)
    return found


def test_a_study_that_was_moved(here: Path) -> None:
    (export,) = here.glob("exports/s/*")
    assert best(here)[0]["folder"] == str(export)
    good(here, "report", "--no-figures")
    page = report_of(here)
    assert "can't be opened any more" not in page and "test, first evaluation" in page
    good(here, "compare", "s", "--published", "autotuneml")
    assert "same" in good(here, "run", "--trial", 0, "s").stdout
    assert "2 of 2 trials" in good(here, "worker", "--study", "s").stdout
    good(here, "best", "export", "s", "--top", 1)


def test_task_files_that_are_gone_are_read_from_the_study(here: Path) -> None:
    for folder in ("search_spaces", "objectives"):
        shutil.rmtree(here / folder)
    good(here, "report", "--no-figures")
    page = report_of(here)
    assert "can't be used any more" not in page and "can't be opened any more" not in page


def test_an_archive_works_where_it_is_unpacked(here: Path, tmp_path: Path) -> None:
    before = best(here)
    said = good(here, "study", "pack", "s").stdout
    assert "s.tar.gz" in said and "1 export" in said and "no ECG" in said
    elsewhere = tmp_path / "elsewhere"
    with tarfile.open(here / "s.tar.gz") as archive:
        assert not [name for name in archive.getnames() if "data" in name]
        archive.extractall(elsewhere, filter="data")
    shutil.move(here, tmp_path / "away")
    there = elsewhere / "s"
    after = best(there)
    assert Path(after[0]["folder"]).is_relative_to(there) and after[0]["folder"] != before[0]["folder"]
    assert [{**row, "folder": None} for row in after] == [{**row, "folder": None} for row in before]
    assert str(tmp_path).encode() not in (there / "studies.db").read_bytes()
    good(there, "compare", "s", "--published", "autotuneml")
    assert "test, first evaluation" in report_of(there)
    refused = run(there, "run", "--trial", 0, "s")
    assert refused.returncode == 2 and "--data" in refused.stderr
    data = tmp_path / "away" / "data.npz"
    assert "same" in good(there, "run", "--trial", 0, "s", "--data", data).stdout
    good(there, "search", "--task", "afib", "--data", data, "--study", "s", "--trials", 3, "--workers", 1)


def test_no_window_of_ecg_is_in_an_archive(here: Path, tmp_path: Path) -> None:
    good(here, "study", "pack", "s", "--out", "packed.tar.gz")
    with tarfile.open(here / "packed.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    page = report_of(tmp_path / "packed")
    assert "the data can't be opened any more" in page
    with sqlite3.connect(tmp_path / "packed/studies.db") as db:
        assert db.execute("SELECT count(*) FROM atml_predictions").fetchone()[0] > 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("other",), "no study 'other'"),
        (("s", "--out", "s.zip"), "--out s.zip: give a name that ends in .tar.gz"),
        (("s", "--out", "no/s.tar.gz"), "no such folder"),
        (("s", "--out", "there.tar.gz"), "there.tar.gz is there already; name another with --out"),
    ],
)
def test_mistakes_leave_nothing_behind(
    words: tuple[str, ...], said: str, searched: Path, tmp_path: Path
) -> None:
    shutil.copy(searched / "studies.db", tmp_path)
    (tmp_path / "there.tar.gz").write_text("")
    before = sorted(path.name for path in tmp_path.iterdir())
    done = run(tmp_path, "study", "pack", *words)
    assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1
    assert [n for n in sorted(path.name for path in tmp_path.iterdir()) if "studies" not in n] == [
        name for name in before if "studies" not in name
    ]
