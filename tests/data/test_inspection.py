from __future__ import annotations

import io
import json
import math
import shutil

import numpy as np
import pytest
import rich.console

import atml.data
from atml.cli import data as command
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
    assert train.total.files == train.total.usable == 24
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
    assert Fault("text", "train_data/S1-AFIB-91.txt", "line 2: 'x' is not a number") in found.faults
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
    assert train.total.files == 30 and train.total.usable == 25
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
    assert math.isnan(part.low) and math.isnan(part.high) and part.lengths == {} and part.usable == 0
    written = json.dumps(command.as_json(found), allow_nan=False)  # JSON has no NaN
    assert json.loads(written)["splits"][0]["total"]["low"] is None


def test_another_rate_is_counted_as_stored(contest, seen, put):
    for path in contest.rglob("*.txt"):
        put(path.parent, path.name, "\n".join(map(str, np.random.default_rng(1).normal(size=450))))
    found = seen(contest, sampling_rate=90)
    assert found.splits[0].total.lengths == {450: 24} and found.splits[0].total.usable == 48


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


def shown(found, width):
    console = rich.console.Console(width=width, record=True, file=io.StringIO())
    console.print(command.table(found))
    return console.export_text()


def test_several_sets_are_seen_together(contest, seen, put, tmp_path):
    for number in range(4):
        put(tmp_path / "bare", f"S1-N-{number + 40}.txt")
    put(tmp_path / "bare", "S1-VT-48.txt")
    shutil.copy(contest / "test_data" / "S3-N-2.txt", tmp_path / "bare" / "S7-N-0.txt")
    put(tmp_path / "bare", "S7-N-1.txt", "0.0\n" * 100)
    found = seen([contest, tmp_path / "bare"])
    assert found.name == "contest+bare"
    assert [(part.set, part.name, part.bare) for part in found.splits] == [
        ("contest", "train", False),
        ("contest", "test", False),
        ("bare", "train", True),
    ]
    assert set(found.faults) == {
        Fault("flat", "bare/S7-N-1.txt", "every sample is 0"),
        Fault("duplicate", "bare/S7-N-0.txt", "the same samples as contest/test_data/S3-N-2.txt"),
    }
    # One class only in one of them is no reason to refuse, more than a tenth of it faulty is.
    assert found.refusal == "" and [bool(part.refusal) for part in found.splits] == [False, False, True]
    assert "1 of 7 windows in" in found.splits[2].refusal
    text = shown(found, 100)
    assert "contest, test: 2 subjects" in text and "\nbare: 2 subjects" in text
    assert json.loads(json.dumps(command.as_json(found)))["splits"][2]["set"] == "bare"


def test_sets_that_hold_one_class_together_would_be_refused(contest, seen, put, tmp_path):
    for name in ("one", "two"):
        put(tmp_path / name, f"S1-N-{len(name)}{ord(name[0])}.txt")
    found = seen([tmp_path / "one", tmp_path / "two"])
    assert found.refusal.endswith("two (train) holds only 'other' of the classes other, AF")
    assert [part.refusal for part in found.splits] == ["", ""]
    assert "would refuse them" in shown(found, 200)
    assert seen([tmp_path / "one", contest]).refusal == ""


def test_what_a_search_does_not_need_is_no_reason_to_refuse_and_what_it_lacks_is(
    contest, seen, put, tmp_path
):
    shutil.copytree(contest, tmp_path / "other", copy_function=shutil.copy)
    for folder in (contest, tmp_path / "other"):
        for file in (folder / "test_data").glob("*-AFIB-*"):
            file.unlink()
    both = seen([contest, tmp_path / "other"])
    assert both.refusals == []
    assert seen(contest).refusals == [] and "`atml score` would refuse it" in shown(seen(contest), 200)
    shutil.rmtree(contest / "train_data")
    for paths in (contest, [contest, tmp_path / "other"]):
        assert [text.partition(" in ")[0] for text in seen(paths).refusals] == ["no train split"]


def test_looking_at_nothing_or_at_one_set_twice_is_an_error(contest, seen):
    with pytest.raises(DataError, match="no data set to inspect"):
        seen([])
    with pytest.raises(DataError, match="is given twice"):
        seen([contest, contest])


@pytest.mark.parametrize("width", [60, 100, 200])
def test_the_table_has_a_column_a_class_and_none_that_is_empty(contest, seen, put, width):
    lines = shown(seen(contest), width).splitlines()
    assert lines[1].split()[:5] == ["subject", "files", "usable", "AF", "other"]
    assert "dropped" not in lines[1] and all(len(line) <= width for line in lines)
    assert any(line.split()[:5] == ["all", "24", "24", "12", "12"] for line in lines)
    put(contest / "train_data", "S2-VT-1.txt")
    lines = shown(seen(contest), 200).splitlines()
    assert lines[1].split()[3:6] == ["AF", "other", "unknown"] and "would be dropped" in lines[1]
    assert any("1 rhythm 'VT' unknown" in line for line in lines)


def test_a_subject_without_a_range_has_a_dash(contest, seen):
    for path in (contest / "train_data").glob("S11-*"):
        path.write_text("?")
    (line,) = (line for line in shown(seen(contest), 100).splitlines() if line.startswith("S11"))
    assert " - " in line and "nan" not in line


def test_a_flood_of_faults_is_cut_short_in_print_alone(contest, seen):
    for path in (contest / "train_data").iterdir():
        shutil.copy(path, contest / "test_data" / path.name.replace("S", "S9"))
    for number in range(20):
        (contest / "train_data" / f"S1-N-7{number}.txt").write_text("?")
    found = seen(contest)
    lines = shown(found, 100).splitlines()
    assert sum(line.startswith("duplicate") for line in lines) == 24
    for number in range(20, 40):
        (contest / "train_data" / f"S1-N-7{number}.txt").write_text("?")
    found = seen(contest)
    lines = [line for line in shown(found, 100).splitlines() if line.startswith("text")]
    assert len(lines) == 31 and "and 10 more" in lines[-1] and "--json lists them all" in lines[-1]
    assert sum(fault["kind"] == "text" for fault in command.as_json(found)["faults"]) == 40
