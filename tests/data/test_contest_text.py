"""Layouts and names, through atml.data.open."""

from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import atml.data
from atml.data.formats.contest_text import split_name
from atml.errors import DataError


@pytest.fixture
def opened(task, label, tmp_path):
    """Open with a cache of one's own."""

    def call(path, split="train", **options):
        options = {"task": task, "label": label, "cache": tmp_path / "cache", **options}
        return atml.data.open(path, split=split, **options)

    return call


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("S1-AFIB-0.txt", ("S1", "AFIB")),
        ("a/train_data/S11-N-12.txt", ("S11", "N")),
        ("S47--3.txt", ("S47", "")),
        ("S1-AFIB.txt", None),
        ("S1-AFIB-0-1.txt", None),
        ("-AFIB-0.txt", None),
        ("S1-AFIB-.txt", None),
        ("S1-AFIB-0 (1).txt", None),
        ("S1-AFIB-\u0660.txt", None),
        ("notes.txt", None),
    ],
)
def test_names_are_split_on_dashes(name, parts):
    assert split_name(name) == parts


@given(st.text(max_size=12).filter(lambda text: "/" not in text))
def test_any_name_splits_or_not(stem):
    parts = split_name(f"{stem}.txt")
    if parts is not None:
        assert stem.startswith(f"{parts[0]}-{parts[1]}-") and stem.count("-") == 2


@pytest.mark.parametrize("down", ["", "set/"])
def test_two_folders_at_the_top_or_one_down(contest, opened, tmp_path, down):
    if down:
        (tmp_path / "outer").mkdir()
        shutil.move(contest, tmp_path / "outer" / "set")
        contest = tmp_path / "outer"
    train, test = opened(contest), opened(contest, "test")
    assert (len(train), len(test)) == (24, 8)
    assert set(train.subject) == {"S1", "S11", "S2"} and set(test.subject) == {"S3", "S4"}
    assert train.x.shape == (24, 1, 100) and train.x.dtype == np.float32
    assert train.y.dtype == np.int64 and train.sampling_rate == 50
    np.testing.assert_array_equal(train.y, (train.rhythm == "AFIB").astype(int))
    assert train.notes == () and not train.synthetic


def test_values_rows_and_names_belong_together(contest, opened, signal):
    found = opened(contest)
    names = sorted(path.name for path in (contest / "train_data").iterdir())
    for row, name in enumerate(names):
        subject, rhythm, _ = name.split("-")
        assert (found.subject[row], found.rhythm[row]) == (subject, rhythm)
        np.testing.assert_array_equal(found.x[row, 0], signal(*name.encode()).astype(np.float32))


def indexed(contest, rows=None):
    """Turn the two-folder layout into one folder and data_indices."""
    root = contest.parent / "indexed"
    (root / "segments").mkdir(parents=True)
    (root / "data_indices").mkdir()
    for split in ("train", "test"):
        lines = ["label,Filename"]
        for path in sorted((contest / f"{split}_data").iterdir()):
            shutil.copy(path, root / "segments")
            lines.append(f"{int('AFIB' in path.name)},{path.name}")
        (root / "data_indices" / f"{split}_indice.csv").write_text("\r\n".join(lines) + "\r\n")
    return root


def test_one_folder_with_indices_is_the_same_data(contest, opened):
    root = indexed(contest)
    for split in ("train", "test"):
        assert opened(root, split).fingerprint == opened(contest, split).fingerprint


def test_an_index_that_contradicts_the_rhythm_is_named(contest, opened):
    root = indexed(contest)
    index = root / "data_indices" / "train_indice.csv"
    index.write_text(index.read_text().replace("1,S11-AFIB-3.txt", "0,S11-AFIB-3.txt"))
    with pytest.raises(DataError, match=r"S11-AFIB-3\.txt: labelled 0, but rhythm 'AFIB' is 'AF'"):
        opened(root)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "1,S9-AFIB-1.txt",
            r"S9-AFIB-1\.txt: is not there, but line 26 of data_indices/train_indice\.csv .*; put it back or"
            r" take it out of data_indices/train_indice.csv, or see",
        ),
        ("yes,S1-AFIB-1.txt", "line 26: label 'yes' is neither 0 nor 1; mend that line, or see"),
        ("1,S1-AFIB-1.txt", r"line 26: lists S1-AFIB-1\.txt again"),
        ("1,odd.txt", "in line 26 of .* is not SUBJECT-LABEL-INDEX.txt"),
        ("1", "line 26"),
    ],
)
def test_a_bad_line_of_an_index_is_named(contest, opened, line, message):
    root = indexed(contest)
    with (root / "data_indices" / "train_indice.csv").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(DataError, match=message):
        opened(root)


@pytest.mark.parametrize("text", ["", "label,Filename\n", "a,b\n1,2\n", "\xff\xfe"])
def test_a_file_that_is_no_index_is_named(contest, opened, text):
    root = indexed(contest)
    (root / "data_indices" / "train_indice.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=r"train_indice\.csv"):
        opened(root)


def test_a_bare_folder_is_either_split_and_says_so(contest, opened):
    whole = opened(contest, "test")
    bare = opened(contest / "test_data", "test")
    assert bare.fingerprint == whole.fingerprint
    assert bare.bare and not whole.bare
    assert any("nothing separates train from test" in note for note in bare.notes)


def test_a_folder_with_train_only_has_no_test(contest, opened):
    shutil.rmtree(contest / "test_data")
    with pytest.raises(DataError, match=r"no test split in .*: it holds train only"):
        opened(contest, "test")


def test_several_folders_without_a_known_name_are_refused(contest, opened):
    (contest / "train_data").rename(contest / "a")
    (contest / "test_data").rename(contest / "b")
    with pytest.raises(DataError, match=r"several folders of .* \(a, b\)"):
        opened(contest)


def test_an_empty_rhythm_counts_and_is_told(contest, opened, put):
    put(contest / "train_data", "S47--0.txt")
    found = opened(contest)
    assert found.y[found.rhythm == ""].tolist() == [0]
    assert any(note.startswith("1 windows have an empty rhythm, taken for 'other'") for note in found.notes)


def test_an_unknown_rhythm_is_left_out_and_told(contest, opened, put, tmp_path):
    before = opened(contest)
    for number in range(3):
        put(contest / "train_data", f"S2-SVTA-{number}.txt")
    found = opened(contest)
    assert len(found) == 24 and "SVTA" not in found.rhythm
    assert any(
        "3 windows left out, of rhythms unknown to the task: 'SVTA' (3)" in note for note in found.notes
    )
    assert found.fingerprint == before.fingerprint
    assert isinstance(found.x, np.memmap)


def test_label_decides_anew_over_the_same_cache(contest, opened):
    found = opened(contest, label={"AFIB": 0, "N": 1}.get)
    np.testing.assert_array_equal(found.y, (found.rhythm == "N").astype(int))
    assert found.fingerprint != opened(contest).fingerprint


def test_a_label_that_is_no_class_is_refused(contest, opened):
    with pytest.raises(DataError, match=r"label\('AFIB'\) of task 'af' is 2"):
        opened(contest, label={"AFIB": 2, "N": 0}.get)


def test_one_class_only_is_refused(contest, opened):
    for path in contest.rglob("*-AFIB-*"):
        path.unlink()
    with pytest.raises(DataError, match="holds only 'other' of the classes other, AF"):
        opened(contest)


def test_no_known_rhythm_at_all_is_refused_and_named(contest, opened):
    with pytest.raises(DataError, match=r"holds no class .* unknown to the task are 'AFIB', 'N'"):
        opened(contest, label=lambda rhythm: None)


def test_a_subject_in_both_splits_is_told(contest, opened, put):
    put(contest / "test_data", "S11-N-90.txt")
    assert any("1 subject is in train and in test: S11" in note for note in opened(contest).notes)


def test_what_systems_and_people_leave_behind_is_ignored(contest, opened):
    before = opened(contest).fingerprint
    for name in ("train_data/.DS_Store", "train_data/README.txt", "train_data/labels.csv", "LICENSE"):
        (contest / name).write_text("nothing of ours")
    (contest / "__MACOSX" / "train_data").mkdir(parents=True)
    (contest / "__MACOSX" / "train_data" / "._S1-N-0.txt").write_bytes(b"\0\5\26\7")
    (contest / "train_data" / "._S1-N-0.txt").write_bytes(b"\0\5\26\7")
    (contest / "train_data" / "extra").mkdir()
    assert opened(contest).fingerprint == before


def test_segments_outside_the_splits_are_told(contest, opened, put):
    put(contest / "more", "S7-N-0.txt")
    assert any("1 segments belong to no split" in note for note in opened(contest).notes)


# What is wrong with files.


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("S1-AFIB-99.txt", "1.0\n" * 99, r"S1-AFIB-99\.txt: 99 samples where the task's window has 100"),
        ("S1-AFIB-99.txt", "1.0\n" * 101, r"S1-AFIB-99\.txt: 101 samples"),
        ("S1-AFIB-99.txt", "1.0\n" * 50 + "mV\n", r"S1-AFIB-99\.txt: line 51: 'mV' is not a number"),
        ("S1-AFIB-99.txt", "", r"S1-AFIB-99\.txt: holds no number"),
        ("S1AFIB99.txt", None, r"S1AFIB99\.txt: is not SUBJECT-LABEL-INDEX\.txt"),
    ],
)
def test_a_damaged_file_stops_and_is_named_with_the_way_out(contest, opened, put, name, values, message):
    put(contest / "train_data", name, values)
    with pytest.raises(DataError, match=message) as caught:
        opened(contest)
    assert "\n" not in str(caught.value)
    assert f"remove it, or see `atml data inspect {contest}`" in str(caught.value)
    assert len(opened(contest, "test")) == 8  # the other split is not to blame


def test_a_link_to_nothing_stops(contest, opened):
    (contest / "train_data" / "S1-N-77.txt").symlink_to(contest / "gone.txt")
    with pytest.raises(DataError, match=r"S1-N-77\.txt: No such file"):
        opened(contest)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["nan"] + ["1.0"] * 99, "not finite"),
        (["1.0", "2.0"] * 49 + ["1", "-inf"], "not finite"),
        (["1.0"] * 99 + ["1e300"], "not finite"),
        (["0.25"] * 100, "flat"),
    ],
)
def test_not_finite_and_flat_segments_are_left_out_and_told(contest, opened, put, values, kind):
    before = opened(contest)
    put(contest / "train_data", "S1-AFIB-98.txt", "\n".join(values))
    found = opened(contest)
    assert found.notes == (f"1 of 25 windows left out, {kind}: train_data/S1-AFIB-98.txt",)
    assert found.fingerprint == before.fingerprint
    assert np.isfinite(found.x).all()


def test_too_many_faulty_segments_are_refused(contest, opened, put):
    for number in range(2):
        put(contest / "train_data", f"S1-AFIB-{90 + number}.txt", "0.0\n" * 100)
    assert len(opened(contest)) == 24  # 2 of 26
    put(contest / "train_data", "S1-AFIB-92.txt", "0.0\n" * 100)
    with pytest.raises(DataError, match=r"3 of 27 windows .* too many to leave out"):
        opened(contest)


def test_the_same_samples_in_two_subjects_are_told(contest, opened):
    shutil.copy(contest / "train_data" / "S1-AFIB-1.txt", contest / "train_data" / "S2-AFIB-77.txt")
    shutil.copy(contest / "train_data" / "S1-AFIB-1.txt", contest / "train_data" / "S1-AFIB-78.txt")
    notes = opened(contest).notes
    assert len(notes) == 1 and notes[0].startswith("1 windows are the same in two subjects")
    assert "S2-AFIB-77.txt" in notes[0]


# Other rates.


def rewrite(contest, samples, rate):
    """Give every segment ``samples`` of a 3-Hz tone sampled at ``rate``."""
    for number, path in enumerate(sorted(contest.rglob("*.txt"))):
        t = np.arange(samples) / rate
        path.write_text("\n".join(map(str, (1 + number / 10) * np.sin(2 * np.pi * 3 * t))))


def test_files_at_another_rate_are_resampled(contest, opened):
    rewrite(contest, 200, 100)
    with pytest.raises(DataError, match=r"200 samples where the task's window has 100.*--sampling-rate"):
        opened(contest)
    found = opened(contest, sampling_rate=100)
    assert found.x.shape == (24, 1, 100) and found.sampling_rate == 50
    t = np.arange(100) / 50
    gain = (
        found.x[:, 0, 20:80]
        @ np.sin(2 * np.pi * 3 * t)[20:80]
        / (np.sin(2 * np.pi * 3 * t)[20:80] ** 2).sum()
    )
    np.testing.assert_allclose(gain, 1 + np.arange(8, 32) / 10, rtol=0.02)  # test_data sorts before


def test_long_segments_are_cut_into_adjacent_windows(contest, opened):
    rewrite(contest, 250, 50)
    found = opened(contest, sampling_rate=50)
    assert len(found) == 48
    assert any("24 segments cut into 48 adjacent windows" in note for note in found.notes)
    joined = np.concatenate([found.x[0, 0], found.x[1, 0]])
    first = sorted((contest / "train_data").iterdir())[0]
    np.testing.assert_allclose(joined, np.loadtxt(first)[:200], rtol=1e-6)
    assert (found.subject[0::2] == found.subject[1::2]).all()


def test_segments_too_short_at_their_rate_are_named(contest, opened):
    rewrite(contest, 100, 100)
    with pytest.raises(
        DataError, match="100 samples at 100 Hz are 50 at 50 Hz, fewer than the task's window of 100"
    ):
        opened(contest, sampling_rate=100)


def test_one_missing_sample_leaves_out_its_segment_when_resampled(contest, opened):
    rewrite(contest, 200, 100)
    path = contest / "train_data" / "S1-AFIB-1.txt"
    path.write_text("nan\n" + "\n".join(path.read_text().split()[1:]))
    found = opened(contest, sampling_rate=100)
    assert len(found) == 23 and "1 of 24 windows left out, not finite" in found.notes[1]


@pytest.mark.parametrize("rate", [0, -250])
def test_an_impossible_rate_is_refused(contest, opened, rate):
    with pytest.raises(DataError, match=f"sampling rate of {rate} Hz"):
        opened(contest, sampling_rate=rate)


def test_text_has_one_lead(contest, opened, task):
    with pytest.raises(DataError, match="has one lead, the task 2"):
        opened(contest, task=dataclasses.replace(task, leads=2))


def test_an_unknown_split_is_refused(contest, opened):
    with pytest.raises(DataError, match="unknown split 'validation'"):
        opened(contest, "validation")


# Windows of another length than the published segments of 1250 samples: 5 s at 250 Hz.


def timed(task, rate, window):
    return dataclasses.replace(task, sampling_rate=rate, window=window)


def test_a_published_segment_is_5_s_at_250_hz_and_gives_shorter_windows(contest, opened, task, signal):
    rewrite(contest, 1250, 250)
    found = opened(contest, task=timed(task, 250, 500))  # 2 s: two of them, and 1 s is left
    assert found.x.shape == (48, 1, 500)
    first = np.loadtxt(min((contest / "train_data").iterdir()))
    np.testing.assert_allclose(found.x[:2, 0].ravel(), first[:1000], rtol=1e-6)
    assert "segments of 1250 samples are taken for 5 s at 250 Hz, and cut into 2 windows of 2 s" in str(
        found.notes
    )


def test_a_window_of_4_s_is_one_a_segment_and_says_what_is_lost(contest, opened, task):
    rewrite(contest, 1250, 250)
    found = opened(contest, task=timed(task, 250, 1000))
    assert found.x.shape == (24, 1, 1000)
    assert found.notes == (
        "segments of 1250 samples are taken for 5 s at 250 Hz, and cut into 1 window of 4 s; "
        "the last 1 s is not used",
    )
    assert opened(contest, task=timed(task, 250, 1250)).notes == ()  # exactly one window: nothing to say


def test_a_published_segment_is_brought_to_the_rate_of_the_task(contest, opened, task):
    rewrite(contest, 1250, 250)
    assert opened(contest, task=timed(task, 125, 625)).x.shape == (24, 1, 625)


def test_a_window_longer_than_a_published_segment_names_the_option(contest, opened, task):
    rewrite(contest, 1250, 250)
    with pytest.raises(DataError, match=r"less than the task's window of 8 s: give --window 5 or less"):
        opened(contest, task=timed(task, 250, 2000))
    assert len(opened(contest, task=timed(task, 250, 1250)).y)
    # So does one of a rate that is given; the sample that rounding would add is not named.
    with pytest.raises(
        DataError, match=r"fewer than the task's window of 1500: give --window 4\.166 or less"
    ):
        opened(contest, task=timed(task, 250, 1500), sampling_rate=300)
    assert len(opened(contest, task=timed(task, 250, int(4.166 * 250)), sampling_rate=300).y)


@pytest.mark.parametrize("samples", [1249, 1000])
def test_no_other_length_is_guessed_at(contest, opened, task, samples):
    rewrite(contest, samples, 250)
    with pytest.raises(DataError, match=rf"{samples} samples where the task's window has 500"):
        opened(contest, task=timed(task, 250, 500))
