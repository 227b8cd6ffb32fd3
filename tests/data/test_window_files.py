"""Windows in HDF5, MATLAB's version 7.3 and Parquet: the arrays of an ``.npz``, by other libraries."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atml.data.dataset import Dataset
from atml.data.formats.detection import kind_of, name_of
from atml.errors import DataError, MissingExtraError
from atml.tasks.task import Task

h5py = pytest.importorskip("h5py", reason="no h5py; pip install 'atml[hdf5]'")
pyarrow = pytest.importorskip("pyarrow", reason="no pyarrow; pip install 'atml[parquet]'")
parquet = pytest.importorskip("pyarrow.parquet", reason="no pyarrow; pip install 'atml[parquet]'")

Opened = Callable[..., Dataset]
X = np.round(np.random.default_rng(0).normal(0, 0.5, (6, 100)), 3)
SUBJECT = ["A", "A", "B", "B", "C", "\N{LATIN SMALL LETTER E WITH ACUTE}"]
RHYTHM = ["N", "AFIB"] * 3
SPLIT = ["train"] * 4 + ["test"] * 2


def matlab(path: Path, fill: Callable[[Any], None]) -> Path:
    """Write a file as MATLAB's version 7.3 has it: HDF5 behind a header of 512 bytes."""
    with h5py.File(path, "w", userblock_size=512) as file:
        fill(file)
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")
    return path


def text(file: Any, name: str, value: str) -> Any:
    item = file.create_dataset(name, data=np.array([list(value.encode("utf-16-le")[::2])], np.uint16).T)
    item.attrs["MATLAB_class"] = np.bytes_("char")
    return item


def number(file: Any, name: str, value: np.ndarray) -> Any:
    """Store a matrix as MATLAB does, transposed."""
    item = file.create_dataset(name, data=np.atleast_2d(value).T)
    item.attrs["MATLAB_class"] = np.bytes_("double")
    return item


def cell(file: Any, name: str, values: list[str]) -> None:
    """A column of cells, each a text."""
    parts = [text(file, f"#refs#/{name}{at}", value).ref for at, value in enumerate(values)]
    item = file.create_dataset(name, data=np.array([parts], h5py.ref_dtype))
    item.attrs["MATLAB_class"] = np.bytes_("cell")


def windows(file: Any) -> None:
    number(file, "x", X)
    cell(file, "subject", [*SUBJECT[:5], "D"])
    cell(file, "rhythm", RHYTHM)
    number(file, "fs", np.array(50.0))


def structs(file: Any) -> None:
    group = file.create_group("data")
    group.attrs["MATLAB_class"] = np.bytes_("struct")
    columns: dict[str, list[Any]] = {name: [] for name in ("pat_ID", "s_ns", "r_type", "s_ecg")}
    for row in range(4):
        place = f"#refs#/{row}"
        columns["pat_ID"].append(number(file, f"{place}p", np.array(row // 2 + 1.0)).ref)
        columns["s_ns"].append(number(file, f"{place}s", np.array(row % 2 + 0.0)).ref)
        columns["r_type"].append(text(file, f"{place}r", RHYTHM[row]).ref)
        columns["s_ecg"].append(number(file, f"{place}x", np.repeat(X[row : row + 1], 5, axis=1)).ref)
    for name, references in columns.items():
        group.create_dataset(name, data=np.array([references], h5py.ref_dtype))


def test_matlab_7_3_arrays_are_those_of_an_npz(opened: Opened, tmp_path: Path) -> None:
    file = matlab(tmp_path / "set.mat", windows)
    assert kind_of(file) == "hdf5"
    found = opened(file)
    np.testing.assert_allclose(found.x[:, 0], X, atol=1e-6)
    assert found.subject.tolist() == ["A", "A", "B", "B", "C", "D"] and found.rhythm.tolist() == RHYTHM
    assert found.y.tolist() == [0, 1] * 3 and name_of(file) == "set"


def test_the_struct_of_matlab_7_3_is_that_of_the_versions_before(opened: Opened, tmp_path: Path) -> None:
    file = matlab(tmp_path / "set.mat", structs)
    assert kind_of(file) == "matlab"
    found = opened(file)
    assert found.subject.tolist() == ["1", "1", "2", "2"] and found.rhythm.tolist() == RHYTHM[:4]
    assert found.y.tolist() == [0, 1, 0, 1] and found.x.shape == (4, 1, 100)


def test_a_file_of_matlab_with_neither_is_refused(opened: Opened, tmp_path: Path) -> None:
    file = matlab(tmp_path / "set.mat", lambda file: number(file, "val", X))
    with pytest.raises(DataError, match=r"set\.mat holds no 'data'"):
        opened(file)


def test_hdf5_has_splits_attributes_and_leads(opened: Opened, tmp_path: Path, task: Task) -> None:
    with h5py.File(tmp_path / "set.hdf5", "w") as file:
        file["signals"] = np.stack([X, -X], axis=1)
        file["labels"] = np.array([0, 1] * 3)
        file["subject_id"] = SUBJECT
        file["split"] = np.array(SPLIT, "S5")
        file.attrs["fs"] = 50
        file.create_group("other")
    two = dataclasses.replace(task, leads=2)
    train, test = (opened(tmp_path / "set.hdf5", split=split, task=two) for split in ("train", "test"))
    np.testing.assert_allclose(train.x, np.stack([X, -X], axis=1)[:4], atol=1e-6)
    assert test.subject.tolist() == SUBJECT[4:] and test.y.tolist() == [0, 1] and not test.bare


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_text_may_be_bytes_in_either_kind(opened: Opened, tmp_path: Path, encoding: str) -> None:
    """Two people whose names differ beyond ASCII must not become one."""
    names = [*SUBJECT[:4], "\N{LATIN SMALL LETTER E WITH GRAVE}", SUBJECT[5]]
    raw = [name.encode(encoding) for name in names]
    with h5py.File(tmp_path / "set.h5", "w") as file:
        file["x"] = X
        file["rhythm"] = np.array(RHYTHM, "S4")
        file.create_dataset("subject", data=np.array(raw, object), dtype=h5py.string_dtype())
    rhythm = [name.encode() for name in RHYTHM]
    table(tmp_path / "set.parquet", subject=pyarrow.array(raw, pyarrow.binary()), rhythm=rhythm)
    for ending in ("h5", "parquet"):
        found = opened(tmp_path / f"set.{ending}")
        assert (found.subject.tolist(), found.rhythm.tolist()) == (names, RHYTHM)


def table(path: Path, **changed: Any) -> Path:
    columns = {"x": X.tolist(), "rhythm": RHYTHM, "subject": SUBJECT, **changed}
    kept = {name: values for name, values in columns.items() if values is not None}
    parquet.write_table(pyarrow.table(kept), path)
    return path


def test_parquet_in_lists_in_columns_and_in_several_files(opened: Opened, tmp_path: Path) -> None:
    lists = opened(table(tmp_path / "set.parquet", split=SPLIT, sampling_rate=[50] * 6))
    np.testing.assert_allclose(lists.x[:, 0], X[:4], atol=1e-6)
    assert lists.subject.tolist() == SUBJECT[:4] and lists.y.tolist() == [0, 1, 0, 1]
    wide = {str(at): X[:, at] for at in range(100)}
    other = opened(table(tmp_path / "wide.parquet", x=None, **wide))
    np.testing.assert_allclose(other.x[:, 0], X, atol=1e-6)
    folder = tmp_path / "parts"
    folder.mkdir()
    for part in range(2):
        at = slice(3 * part, 3 * part + 3)
        categories = pyarrow.array(RHYTHM[at]).dictionary_encode()
        table(folder / f"{part}.parquet", x=X[at].tolist(), rhythm=categories, subject=SUBJECT[at])
    both = opened(folder)
    np.testing.assert_array_equal(both.x, other.x)
    assert both.subject.tolist() == SUBJECT and both.rhythm.tolist() == RHYTHM
    fixed = pyarrow.FixedSizeListArray.from_arrays(np.stack([X, -X], axis=1).ravel(), 100)
    leads = pyarrow.FixedSizeListArray.from_arrays(fixed, 2)
    with pytest.raises(DataError, match="has 2 leads where task 'af' has 1"):
        opened(table(tmp_path / "two.parquet", x=leads))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"x": [*X[:5].tolist(), None]}, r"row 5: x is empty"),
        ({"x": [*X[:5].tolist(), [1.0]]}, r"row 5: x has 1 values where row 0 has 100"),
        ({"x": ["a"] * 6}, r"x in .* holds string, not lists of numbers"),
        ({"subject": ["A", None, "B", "B", "C", "C"]}, r"row 1: has no subject"),
        ({"rhythm": None, "y": [0, 1, None, 1, 0, 1]}, r"y in .* must be class numbers"),
        ({"rhythm": None}, r"has no array 'y'; it needs x, y \(or rhythm\).*; there are subject, x"),
        ({"patient": SUBJECT}, r"holds 'subject' twice, also as 'patient': leave one out"),
        (
            {"sampling_rate": [50, 50, 50, 50, 50, 100]},
            r"must be one number of Hz, 1 or more, not \[50, 100\]",
        ),
    ],
)
def test_what_is_wrong_with_parquet_is_one_line(
    opened: Opened, tmp_path: Path, changed: dict[str, Any], says: str
) -> None:
    with pytest.raises(DataError, match=says) as caught:
        opened(table(tmp_path / "set.parquet", **changed))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ending", ["h5", "parquet", "mat"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_file_that_is_cut_is_refused(opened: Opened, tmp_path: Path, ending: str, share: float) -> None:
    file = tmp_path / f"set.{ending}"
    if ending == "parquet":
        table(file)
    elif ending == "mat":
        matlab(file, structs)
    else:
        with h5py.File(file, "w") as made:
            made["x"], made["y"], made["subject"] = X, np.array([0, 1] * 3), SUBJECT
    os.truncate(file, int(share * file.stat().st_size))
    with pytest.raises(DataError, match=r"can't read .*; is it complete") as caught:
        opened(file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("ending", "module"), [("h5", "h5py"), ("parquet", "pyarrow.parquet")])
def test_without_the_package_the_extra_is_named(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, module: str
) -> None:
    (tmp_path / f"set.{ending}").write_bytes(b"")
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'atml\[(hdf5|parquet)\]'"):
        opened(tmp_path / f"set.{ending}")
