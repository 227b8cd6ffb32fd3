from __future__ import annotations

import json
import math
import shutil

import numpy as np
import pytest

import atml.data
from atml import tables
from atml.data import Fault
from atml.errors import DataError


@pytest.fixture
def seen(task, label):
    def call(path, **options):
        return atml.data.inspect(path, task=task, label=label, **options)

    return call


def kinds(inspection):
    return {(fault.kind, fault.file.split("/")[-1]) for fault in inspection.faults}


def test_a_sound_set_has_counts_and_no_faults(contest, seen):
    found = seen(contest)
    assert found.faults == () and found.name == "contest"
    train, test = found.splits
    assert (train.name, train.refusal, train.notes) == ("train", "", ())
    assert [part.name for part in train.subjects] == ["S1", "S11", "S2"]
    assert train.total.files == train.total.segments == 24
    assert train.total.rhythms == {"AFIB": 12, "N": 12} and train.total.classes == {"AF": 12, "other": 12}
    assert train.total.lengths == {100: 24} and train.total.dropped == {}
    assert train.subjects[1].rhythms == {"AFIB": 4, "N": 4} and train.subjects[1].files == 8
    assert test.total.files == 8 and [part.name for part in test.subjects] == ["S3", "S4"]


def test_amplitudes_are_those_of_the_files(contest, seen):
    part = seen(contest).splits[0].subjects[0]
    values = np.concatenate([np.loadtxt(path) for path in (contest / "train_data").glob("S1-*")])
    assert part.low == pytest.approx(values.min()) and part.high == pytest.approx(values.max())


def test_every_fault_is_listed_and_none_raises(contest, seen, put):
    train = contest / "train_data"
    put(train, "S1-AFIB-90.txt", "1.0\n" * 42)
    put(train, "S1-AFIB-91.txt", "1.0\nx\n")
    put(train, "S1-AFIB-92.txt", "nan\n" + "1.0\n" * 99)
    put(train, "S2-N-93.txt", "3.5\n" * 100)
    put(train, "S2-VT-94.txt")
    put(train, "odd.txt")
    put(contest / "test_data", "S11-N-95.txt")
    shutil.copy(train / "S2-N-2.txt", contest / "test_data" / "S3-N-96.txt")
    shutil.copy(train / "S2-N-2.txt", train / "S2-N-97.txt")  # the same subject and split: no leak
    found = seen(contest)
    assert kinds(found) == {
        ("length", "S1-AFIB-90.txt"),
        ("text", "S1-AFIB-91.txt"),
        ("not finite", "S1-AFIB-92.txt"),
        ("flat", "S2-N-93.txt"),
        ("name", "odd.txt"),
        ("overlap", "S11"),
        ("duplicate", "S3-N-96.txt"),
    }
    assert Fault("text", "train_data/S1-AFIB-91.txt", "line 2: 'x' is no number") in found.faults
    train, test = found.splits
    assert train.refusal.startswith(
        f"{contest / 'train_data' / 'odd.txt'}: is not SUBJECT-LABEL-INDEX.txt (2 more"
    )
    assert test.refusal == ""
    assert train.total.dropped == {
        "flat": 1,
        "length": 1,
        "name": 1,
        "not finite": 1,
        "rhythm 'VT' unknown": 1,
        "text": 1,
    }
    assert train.total.files == 30 and train.total.segments == 25
    assert train.total.classes == {"AF": 15, "other": 14, "unknown": 1}
    by_name = {part.name: part for part in train.subjects}
    assert by_name["S1"].dropped == {"length": 1, "not finite": 1, "text": 1}
    assert by_name["S1"].lengths == {42: 1, 100: 9}
    assert by_name["S2"].dropped == {"flat": 1, "rhythm 'VT' unknown": 1}
    assert by_name["S11"].dropped == {}


def test_what_opening_says_is_what_inspection_foretells(contest, seen, put, task, label, tmp_path):
    def opened():
        try:
            return ("", atml.data.open(contest, task=task, label=label, cache=tmp_path / "cache").notes)
        except DataError as error:
            return (str(error), None)

    def foretold():
        split = seen(contest).splits[0]
        return (split.refusal, None if split.refusal else split.notes)

    for values in ("nan\n" * 100, "1.0\n" * 7):
        assert foretold() == opened()
        put(contest / "train_data", f"S1-N-{len(values)}.txt", values)
    assert foretold() == opened() != ("", ())


def test_an_index_that_contradicts_is_a_fault(contest, seen):
    (contest / "data_indices").mkdir()
    names = sorted(path.name for path in (contest / "train_data").iterdir())
    lines = [f"{int('AFIB' in name)},{name}" for name in names]
    lines[3] = (
        lines[3].translate(
            str.maketrans("01", "10"),
        )
        if lines[3][0] in "01"
        else lines[3]
    )
    lines[3] = f"{1 - int('AFIB' in names[3])},{names[3]}"
    (contest / "data_indices" / "train_indice.csv").write_text("label,Filename\n" + "\n".join(lines))
    (contest / "train_data").rename(contest / "segments")
    shutil.rmtree(contest / "test_data")
    found = seen(contest)
    assert kinds(found) == {("label", names[3])}
    assert "labelled" in found.splits[0].refusal


def test_files_that_cannot_be_read_have_no_range(contest, seen, put):
    for path in (contest / "train_data").iterdir():
        path.write_text("?")
    found = seen(contest)
    part = found.splits[0].total
    assert math.isnan(part.low) and math.isnan(part.high) and part.lengths == {} and part.segments == 0
    written = json.dumps(tables.inspection(found), allow_nan=False)  # JSON has no NaN
    assert json.loads(written)["splits"][0]["total"]["low"] is None


def test_another_rate_is_counted_as_stored(contest, seen, put):
    for path in contest.rglob("*.txt"):
        put(path.parent, path.name, "\n".join(map(str, np.random.default_rng(1).normal(size=450))))
    found = seen(contest, sampling_rate=90)
    assert found.splits[0].total.lengths == {450: 24} and found.splits[0].total.segments == 48


@pytest.mark.parametrize("split", [True, False])
def test_an_npz_is_seen_too(tmp_path, seen, split):
    arrays = {
        "x": np.random.default_rng(0).normal(size=(8, 100)),
        "y": np.tile([0, 1], 4),
        "subject": np.repeat(["a", "b"], 4),
        "rhythm": np.array(["N", "AFIB"] * 3 + ["AFIB", "AFIB"]),
    }
    arrays["x"][2] = 0
    if split:
        arrays["split"] = np.repeat(["train", "test"], 4)
    np.savez(tmp_path / "set.npz", **arrays)
    found = seen(tmp_path / "set.npz")
    assert [part.name for part in found.splits] == (["train", "test"] if split else ["train"])
    assert {(fault.kind, fault.file) for fault in found.faults} == {("flat", "row 2"), ("label", "row 6")}
    assert sum(part.total.files for part in found.splits) == 8


def test_nothing_to_look_at_is_an_error(tmp_path, seen):
    with pytest.raises(DataError, match="no such file or folder"):
        seen(tmp_path / "nowhere")
