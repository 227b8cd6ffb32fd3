"""Who is who: however names are spelled, nobody is two people, and nobody goes missing between splits."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import atml.data
from atml.data import folds
from atml.data.dataset import Dataset
from atml.data.subjects import matching, person, same_subject
from atml.errors import DataError
from atml.tasks.task import Task

Opened = Callable[..., Dataset]
ACUTE = "P\N{LATIN SMALL LETTER E WITH ACUTE}"
SPELLED = ["P1", "P1 ", "P2", "p2", ACUTE, "Pe\N{COMBINING ACUTE ACCENT}"]


def npz(file: Path, subject: object, **other: object) -> Path:
    n = len(np.asarray(subject))
    x = np.random.default_rng(0).normal(size=(n, 100))
    np.savez(file, **{"x": x, "y": np.arange(n) % 2, "subject": subject, **other})  # type: ignore[arg-type]
    return file


def test_spellings_of_one_name_are_one_person(opened: Opened, tmp_path: Path) -> None:
    found = opened(npz(tmp_path / "set.npz", np.array([*SPELLED, "P4", "P4"])))
    assert found.subject.tolist() == ["P1", "P1", "P2", "P2", ACUTE, ACUTE, "P4", "P4"]
    (note,) = [note for note in found.notes if "one subject" in note]
    assert "'P1' and 'P1 '" in note and "'P2' and 'p2'" in note
    for fold in folds(found.y, found.subject, 2, 0):
        people = [{person(name) for name in found.subject[rows]} for rows in (fold.train, fold.held_out)]
        assert not people[0] & people[1]


def test_names_are_compared_by_what_spellings_have_in_common() -> None:
    assert same_subject("vfdb/p2", "P2 ") and not same_subject("p2", "p22")
    assert matching(["p1", "P3"], ["P1 "]).tolist() == [True, False]


def test_one_person_in_both_splits_is_told_however_spelled(task: Task, label: object, tmp_path: Path) -> None:
    split = ["train", "train", "test", "test"]
    file = npz(tmp_path / "set.npz", np.array(["A", "B", "a ", "C"]), split=np.array(split))
    faults = atml.data.inspect(file, task=task, label=label).faults  # type: ignore[arg-type]
    assert [(fault.kind, fault.file) for fault in faults] == [("overlap", "A")]


@pytest.mark.parametrize(
    ("subject", "says"),
    [
        (np.array(["A", "", "B", "B"]), "row 1: has no subject, only ''"),
        (np.array([1.0, np.nan, 2.0, 2.0]), "row 1: has no subject, only 'nan'"),
        (np.array(["A", "None", "B", "B"]), "row 1: has no subject, only 'None'"),
        (np.array(["A", None, "B", "B"], object), r"array of Python objects, .*astype\(str\)"),
        (np.array(["2020-01-01"] * 4, "datetime64[D]"), r"subject in .* is datetime64\[D\]; save it as text"),
    ],
)
def test_rows_of_nobody_are_refused(opened: Opened, tmp_path: Path, subject: object, says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        opened(npz(tmp_path / "set.npz", subject))
    assert "\n" not in str(caught.value) and "complete" not in str(caught.value)


def test_names_may_be_bytes_of_any_encoding(opened: Opened, tmp_path: Path) -> None:
    names = np.array([name.encode(code) for name in ("M\xfcller", "Ana") for code in ("utf-8", "latin-1")])
    found = opened(npz(tmp_path / "set.npz", names))
    assert found.subject.tolist() == ["M\xfcller", "M\xfcller", "Ana", "Ana"]


def test_rows_of_neither_split_are_told(opened: Opened, tmp_path: Path) -> None:
    split = np.array(["Train", "train ", "val", "val", "TEST", "test"])
    file = npz(tmp_path / "set.npz", np.array([*"AABBCC"]), split=split)
    for name, subject in (("train", "A"), ("test", "C")):
        found = opened(file, split=name)
        assert set(found.subject.tolist()) == {subject} and not found.bare
        assert "2 rows of split 'val' are in neither train nor test, and left out" in found.notes


def test_backslashes_in_an_archive_are_slashes(
    opened: Opened, put: Callable[..., Path], tmp_path: Path
) -> None:
    """As Windows' own archiver writes them: the test split must not be trained on."""
    folder = tmp_path / "set"
    for split, people in (("train_data", (1, 2)), ("test_data", (3,))):
        for subject in people:
            for number, rhythm in enumerate(("N", "AFIB")):
                put(folder / split, f"S{subject}-{rhythm}-{number}.txt")
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for file in sorted(folder.rglob("*.txt")):
            info = zipfile.ZipInfo(str(file.relative_to(tmp_path)))
            info.filename = info.filename.replace("/", "\\")
            archive.writestr(info, file.read_bytes())
    for split, people in (("train", {"S1", "S2"}), ("test", {"S3"})):
        found = opened(tmp_path / "set.zip", split=split)
        assert set(found.subject.tolist()) == people and not found.bare
        np.testing.assert_array_equal(found.x, opened(folder, split=split).x)
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "train_data\\S1-N-0.txt").write_text("1\n")
    with pytest.raises(DataError, match=r"has a backslash in its name, .*: give the archive itself"):
        opened(tmp_path / "flat")
