from __future__ import annotations

import os

import numpy as np
import pytest
import scipy.io

import atml.data
from atml.data import file_tree
from atml.data.formats import matlab_struct
from atml.data.labelling import judge, settle
from atml.errors import DataError, InputError
from atml.tasks.task import Task

TASK = Task(name="defib", classes=("no shock", "shock"), positive=1, sampling_rate=250, window=1000)
LABEL = {"VF": 1, "VT": 1, "N": 0, "AFIB": 0}.get
RHYTHMS = ["VF", "N", "VT", "AFIB"] * 3


@pytest.fixture
def made(tmp_path):
    """Write a file of 12 segments; a field None is taken away."""

    def write(path=tmp_path / "cut_pub_4sec.mat", samples=1000, variable="data", **other):
        random = np.random.default_rng(0)
        fields = {
            "pat_ID": [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3],
            "name": [f"cu{at:02}" for at in range(12)],
            "s_ns": [int(LABEL(rhythm) or 0) for rhythm in RHYTHMS],
            "r_type": RHYTHMS,
            "s_ecg": [random.normal(size=(1, samples)) for _ in range(12)],
            "source": ["cudb"] * 6 + ["vfdb"] * 6,
            "train": [1] * 8 + [0] * 4,
            **other,
        }
        fields = {name: values for name, values in fields.items() if values is not None}
        data = np.empty((1, 12), dtype=[(name, object) for name in fields])
        for name, values in fields.items():
            for at in range(12):
                data[0, at][name] = values[at]
        scipy.io.savemat(path, {variable: data})
        return path

    return write


def test_a_set_given_beside_it_may_hold_the_same_patients(made, tmp_path):
    rng = np.random.default_rng(1)
    folders = []
    for name in ("vfdb", "cu-ventricular-tachyarrhythmia-database-1.0.0", "others"):
        folders.append(tmp_path / f"{name}.npz")
        np.savez(folders[-1], x=rng.normal(size=(8, 1000)), y=[0, 1] * 4, subject=["a", "b"] * 4)
    options = {"task": TASK, "label": LABEL, "cache": tmp_path / "cache"}
    path = made()
    notes = [note for note in atml.data.open([*folders, path], **options).notes if "same patients" in note]
    assert [note.split(", given beside it: ")[0] for note in notes] == [
        "segments of cudb may be of the same patients as cu-ventricular-tachyarrhythmia-database-1.0.0",
        "segments of vfdb may be of the same patients as vfdb",
    ]
    for paths in (path, [path, folders[2]], folders):
        assert not any("same patients" in note for note in atml.data.open(paths, **options).notes)


def read(path, split="train", task=TASK):
    return matlab_struct.read(path, split, task, LABEL)


def test_splits_and_subjects_are_the_files_own(made):
    path = made()
    assert matlab_struct.MatlabStruct.recognises(path) and matlab_struct.splits(path) == ("train", "test")
    train, test = read(path), read(path, "test")
    assert train.files.subject.tolist() == [*"11112222"] and test.files.subject.tolist() == [*"3333"]
    assert train.files.rhythm.tolist() == RHYTHMS[:8] and train.files.given.tolist() == [1, 0] * 4
    assert test.files.place.tolist() == ["row 8", "row 9", "row 10", "row 11"]
    stored = scipy.io.loadmat(path)["data"][0]
    wanted = np.stack([stored[at]["s_ecg"] for at in range(8)])
    np.testing.assert_allclose(np.concatenate(train.blocks), wanted, rtol=1e-6)
    assert train.notes == ["segments come from cudb (6), vfdb (6)"] and train.faults == []


def test_without_train_it_is_bare(made):
    path = made(train=None)
    assert matlab_struct.splits(path) == () and len(read(path, "test").owner) == 12
    assert "no field 'train' inside: nothing separates train from test" in read(path, "test").notes


def test_a_split_that_is_not_there(made):
    path = made(train=[1] * 12)
    assert matlab_struct.splits(path) == ("train",)
    with pytest.raises(DataError, match=r"no test split in .*: it holds train only"):
        read(path, "test")


def test_the_other_coding_is_found_and_said(made):
    parsed = read(made(s_ns=[1 - int(LABEL(rhythm)) for rhythm in RHYTHMS]))
    assert parsed.files.given.tolist() == [1, 0] * 4
    assert any("s_ns is 0 for shock" in note for note in parsed.notes)
    assert settle(parsed.path, parsed.files, TASK, LABEL, "train")[0].tolist() == [1, 0] * 4


@pytest.mark.parametrize("flip", [False, True])
def test_labels_that_contradict_the_rhythms_are_refused(made, flip):
    codes = [int(LABEL(rhythm)) for rhythm in RHYTHMS]
    codes[9] = 1 - codes[9]
    path = made(s_ns=[1 - code for code in codes] if flip else codes)
    with pytest.raises(
        DataError, match=r"row 9: s_ns [01] with r_type 'AFIB|row 9: s_ns [01] with r_type 'N'"
    ):
        read(path)


def test_an_unknown_rhythm_is_kept_by_name_and_asked_nothing(made):
    parsed = read(made(r_type=["odd", *RHYTHMS[1:]], s_ns=[0, *(int(LABEL(r)) for r in RHYTHMS[1:])]))
    y, notes = settle(parsed.path, parsed.files, TASK, LABEL, "train")
    assert y[0] == -1 and parsed.files.rhythm[0] == "odd"
    assert any("unknown to the task: 'odd' (1)" in note for note in notes)


def test_a_missing_patient_is_called_by_name(made):
    path = made(pat_ID=[1, np.nan, [], *[2] * 9])
    parsed = read(path)
    assert parsed.files.subject.tolist() == ["1", "cu01", "cu02", *"22222"]
    assert any("2 segments have no pat_ID" in note and "cu01, cu02" in note for note in parsed.notes)
    assert read(made(pat_ID=None)).files.subject[0] == "cu00"
    with pytest.raises(DataError, match=r"row 0 has neither pat_ID nor name"):
        read(made(pat_ID=None, name=None))


def test_older_files_call_the_source_otherwise(made):
    assert read(made(source=None, o_ddbb=["mitdb"] * 12)).notes == ["segments come from mitdb (12)"]


def test_segments_are_cut_into_shorter_windows_and_resampled(made):
    short = Task(name="defib", classes=("a", "b"), positive=1, sampling_rate=125, window=250)
    parsed = read(made(), task=short)
    assert np.concatenate(parsed.blocks).shape == (16, 1, 250) and parsed.owner.tolist()[:3] == [0, 0, 1]


def test_windows_longer_than_the_segments_are_refused(made):
    long = Task(name="defib", classes=("a", "b"), positive=1, sampling_rate=250, window=2000)
    parsed = read(made(), task=long)
    with pytest.raises(
        DataError, match=r"row 0: 1000 samples at 250 Hz .* fewer than the task's window of 2000"
    ):
        judge(parsed)


def test_a_segment_that_is_no_row_of_numbers_is_a_fault(made):
    signal = [np.random.default_rng(at).normal(size=(1, 1000)) for at in range(12)]
    parsed = read(made(s_ecg=["text", np.zeros((2, 500)), np.full((1, 1000), np.nan), *signal[3:]]))
    assert [(fault.kind, fault.file) for fault in parsed.faults] == [
        ("signal", "row 0"),
        ("signal", "row 1"),
        ("not finite", "row 2"),
    ]


def test_two_leads_are_more_than_there_are(made):
    task = Task(name="defib", classes=("a", "b"), positive=1, sampling_rate=250, window=1000, leads=2)
    with pytest.raises(DataError, match="has one lead"):
        read(made(), task=task)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"s_ns": None}, "no field 's_ns'; it has pat_ID, name, r_type"),
        ({"r_type": None}, "no field 'r_type'"),
        ({"s_ns": [2] * 12}, "row 0: s_ns is 2, neither 0 nor 1"),
        ({"s_ns": [[]] * 12}, "row 0: s_ns is .*neither 0 nor 1"),
        ({"train": [1, 5, *[0] * 10]}, "row 1: train is 5, neither 0 nor 1"),
        ({"variable": "other"}, "holds no 'data'"),
    ],
)
def test_fields_of_another_kind_are_refused(made, other, says):
    with pytest.raises(DataError, match=says):
        read(made(**other))


def test_files_that_are_no_such_file(made, tmp_path):
    path = made()
    whole = path.read_bytes()
    for length in (0, 50, 200, len(whole) // 2):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"can't read .*is it complete"):
            read(path)
    path.write_bytes(whole[:128])
    with pytest.raises(DataError, match="holds no 'data'"):
        read(path)
    path.write_text("not MATLAB at all, but long enough to look at\n" * 20)
    with pytest.raises(DataError, match="can't read"):
        read(path)
    scipy.io.savemat(path, {"data": np.zeros((3, 3))})
    with pytest.raises(DataError, match="must be a row of structs, not float64"):
        read(path)
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\x89HDF\r\n\x1a\n" + bytes(500))
    with pytest.raises(InputError, match=r"can't read .*is it complete|pip install 'atml\[hdf5\]'"):
        read(path)
    assert not matlab_struct.MatlabStruct.recognises(tmp_path) and not matlab_struct.MatlabStruct.recognises(
        tmp_path / "none.mat"
    )


def test_the_identity_changes_with_content(made):
    path = made()
    before = file_tree.identity(path)
    assert file_tree.identity(path) == before
    os.utime(path, (1, 1))
    assert file_tree.identity(path) != before


def test_one_record_of_another_set_names_its_folder(tmp_path):
    scipy.io.savemat(tmp_path / "A00001.mat", {"val": np.zeros((1, 10))})
    (tmp_path / "REFERENCE.csv").write_text("A00001,N\n")
    with pytest.raises(DataError, match="give its folder, "):
        read(tmp_path / "A00001.mat")
