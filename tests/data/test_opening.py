"""WFDB folders and MATLAB files through atml.data.open and inspect, alone and beside other sets."""

from __future__ import annotations

import dataclasses
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io

import atml.data
from atml.data.episode import labelled
from atml.data.stretch import Stretch
from atml.data.windowing import Recording
from atml.data.windowing import episodes as cut_episodes
from atml.errors import DataError
from atml.scoring.time_to_decision import measure
from atml.tasks.task import Task

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # pandas deprecates what wfdb calls while it is imported
    import wfdb

pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame")  # what wfdb asks of pandas

SHOCK = {"VT", "VF", "VFIB", "VFL"}
CALM = {"N", "AFIB", "SR"}


@pytest.fixture
def task(task):
    """Give windows of 2 s at 250 Hz."""
    return dataclasses.replace(
        task, name="defib", classes=("no shock", "shock"), sampling_rate=250, window=500
    )


@pytest.fixture
def label():
    return lambda rhythm: 1 if rhythm in SHOCK else 0 if rhythm in CALM else None


@pytest.fixture
def seen(task, label):
    def call(*paths, **options):
        return atml.data.inspect(paths, **{"task": task, "label": label, **options})

    return call


Record = Callable[..., Path]


@pytest.fixture
def record(tmp_path) -> Record:
    """Write one record of a WFDB folder: rhythms by the second they begin at, two leads of noise."""

    def write(
        folder: str,
        name: str,
        rhythms=((0, "N"), (20, "VT")),
        *,
        rate=250,
        seconds=40,
        leads=("MLII", "V1"),
    ) -> Path:
        root = tmp_path / folder
        root.mkdir(exist_ok=True)
        signal = np.random.default_rng([*folder.encode(), *name.encode()]).normal(
            0, 0.3, (seconds * rate, len(leads))
        )
        wfdb.wrsamp(
            name,
            fs=rate,
            units=["mV"] * len(leads),
            sig_name=list(leads),
            p_signal=signal,
            fmt=["16"] * len(leads),
            write_dir=str(root),
        )
        wfdb.wrann(
            name,
            "atr",
            np.array([int(at * rate) for at, _ in rhythms]),
            symbol=["+"] * len(rhythms),
            aux_note=[f"({rhythm}" for _, rhythm in rhythms],
            write_dir=str(root),
        )
        with (root / "RECORDS").open("a") as listed:
            listed.write(f"{name}\n")
        return root

    return write


@pytest.fixture
def icd(tmp_path):
    """Write a contest set of published length: 1250 samples, 5 s at 250 Hz; two of each rhythm a subject."""
    for split, people in (("train", ("S1", "S2")), ("test", ("S3",))):
        folder = tmp_path / "icd" / f"{split}_data"
        folder.mkdir(parents=True)
        for subject in people:
            for number, rhythm in enumerate(("SR", "VT") * 2):
                values = np.random.default_rng([*subject.encode(), number]).normal(size=1250)
                (folder / f"{subject}-{rhythm}-{number}.txt").write_text(
                    "\n".join(map("{:.6f}".format, values))
                )
    return tmp_path / "icd"


@pytest.fixture
def matlab(tmp_path):
    """Write the published struct: a 4-s segment each, shockable or not, of train or test."""

    def write(rhythms=("VF", "N") * 4, s_ns=None, name="cut.mat"):
        kind = [
            ("pat_ID", "O"),
            ("name", "O"),
            ("s_ns", "O"),
            ("r_type", "O"),
            ("s_ecg", "O"),
            ("source", "O"),
            ("train", "O"),
        ]
        rows = np.zeros((1, len(rhythms)), dtype=kind)
        for at, rhythm in enumerate(rhythms):
            values = np.random.default_rng([9, at]).normal(0, 0.3, (1, 1000))
            shock = int(rhythm in SHOCK) if s_ns is None else s_ns[at]
            rows[0, at] = (at // 2, f"seg{at}", shock, rhythm, values, "vfdb", int(at < 4))
        scipy.io.savemat(tmp_path / name, {"data": rows})
        return tmp_path / name

    return write


# A WFDB folder alone.


def test_a_folder_of_records_is_windows_of_one_rhythm_by_record(record, opened):
    folder = record("set", "a")
    record("set", "b", ((0, "N"), (10.5, "VFL"), (30, "N")))
    found = opened(folder)
    assert found.x.shape[1:] == (1, 500) and isinstance(found.x, np.memmap) and found.bare
    assert set(found.subject) == {"a", "b"} and found.name == "set" and found.sampling_rate == 250
    counts = {
        (s, r): int(((found.subject == s) & (found.rhythm == r)).sum())
        for s, r in set(zip(found.subject.tolist(), found.rhythm.tolist(), strict=True))
    }
    assert counts == {("a", "N"): 10, ("a", "VT"): 10, ("b", "N"): 5 + 5, ("b", "VFL"): 9}
    np.testing.assert_array_equal(found.y, [int(rhythm in SHOCK) for rhythm in found.rhythm])
    held = wfdb.rdrecord(str(folder / "a")).p_signal[:500, 0]
    np.testing.assert_allclose(found.x[0, 0], held, atol=1e-6)


def test_either_split_is_all_of_it_but_for_who_is_left_out(record, opened):
    for name in ("a", "b", "c"):
        folder = record("set", name)
    train, test = opened(folder, leave_out=["c"]), opened(folder, split="test", leave_out=["set/a", "b"])
    assert set(train.subject) == {"a", "b"} and set(test.subject) == {"c"}
    assert any("1 subjects left out, with 20 windows: c" in note for note in train.notes)


def test_the_lead_is_chosen_by_name_or_number(record, opened):
    folder = record("set", "a")
    first = opened(folder)
    assert opened(folder, leads=["MLII"]).fingerprint == opened(folder, leads=["0"]).fingerprint
    assert opened(folder, leads=["0"]).fingerprint == first.fingerprint
    second = opened(folder, leads=["V1"])
    assert second.fingerprint == opened(folder, leads=["ECG,1"]).fingerprint != first.fingerprint
    with pytest.raises(
        DataError, match=r"a\.hea: has no lead 'aVF'; its leads are 0 MLII, 1 V1; see `atml data"
    ):
        opened(folder, leads=["aVF"])


def test_seconds_are_accounted_for_in_a_note(record, opened):
    folder = record("set", "a", ((3, "N"), (10, "NOISE"), (19, "VT")))
    (note,) = (note for note in opened(folder).notes if "windows" in note)
    assert note == (
        "13 windows of one rhythm each hold 26 s of 40 s; left out: noise 9 s, no rhythm annotated 3 s, "
        "rest of a stretch 2 s"
    )


def test_a_record_at_another_rate_is_resampled(record, opened):
    folder = record("set", "a", rate=360)
    found = opened(folder)
    assert found.x.shape == (20, 1, 500) and found.sampling_rate == 250


def test_an_option_that_is_of_no_use_is_refused(record, opened, icd):
    folder = record("set", "a")
    with pytest.raises(DataError, match=r"--sampling-rate 360: .*set tells its own rate; leave it out"):
        opened(folder, sampling_rate=360)
    with pytest.raises(DataError, match=r"--lead MLII: only recordings .* have leads to choose from"):
        opened(icd, leads=["MLII"])
    assert len(opened(folder, icd, leads=["MLII"])) == 20 + 16


def test_rhythms_that_no_list_knows_are_left_out_and_named(record, opened, seen):
    folder = record("set", "a", ((0, "N"), (10, "XYZ"), (20, "VT")))
    found = opened(folder)
    assert set(found.rhythm) == {"N", "VT"}
    assert "5 windows left out, of rhythms unknown to the task: 'XYZ' (5)" in found.notes
    part = seen(folder).splits[0].subjects[0]
    assert part.windows == {"no shock": 5, "shock": 10}
    assert part.seconds == {"N": 10.0, "VT": 20.0, "XYZ": 10.0}
    assert part.kept == {"N": 10.0, "VT": 20.0} and part.left_out == {"rhythm 'XYZ' unknown": 10.0}


def test_unknown_rhythms_alone_are_refused(record, opened, seen):
    folder = record("set", "a", ((0, "XYZ"), (20, "ABC")))
    message = r"holds no class of the classes no shock, shock, rhythms unknown .* are 'ABC', 'XYZ'"
    with pytest.raises(DataError, match=message):
        opened(folder)
    assert "holds no class" in seen(folder).splits[0].refusal


def test_what_is_wrong_with_a_record_is_listed_and_stops(record, opened, seen):
    folder = record("set", "a")
    record("set", "b")
    whole = (folder / "b.dat").read_bytes()
    (folder / "b.dat").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(
        DataError, match=r"b\.dat: holds 5000 samples a lead where b\.hea says 10000"
    ) as caught:
        opened(folder)
    assert "\n" not in str(caught.value)
    found = seen(folder)
    assert [fault.file for fault in found.faults] == ["b.dat"] and "b.dat" in found.splits[0].refusal
    assert [part.name for part in found.splits[0].subjects] == ["a"]


# Beside other sets.


def test_an_archive_and_a_folder_of_records_are_one_set(record, opened, icd, tmp_path):
    folder = record("wide", "S1", rate=360)
    shutil.make_archive(str(tmp_path / "zipped"), "zip", icd)
    found = opened(tmp_path / "zipped.zip", folder)
    assert set(found.subject) == {"zipped/S1", "zipped/S2", "wide/S1"}
    assert found.x.shape == (16 + 20, 1, 500) and not found.bare and isinstance(found.x, np.memmap)
    assert found.fingerprint == opened(folder, tmp_path / "zipped.zip").fingerprint
    test = opened(tmp_path / "zipped.zip", folder, split="test", leave_out=["wide/S1"])
    assert set(test.subject) == {"zipped/S3"}
    assert any(note.startswith("wide: 1 subjects left out, with 20 windows") for note in test.notes)


def test_two_folders_are_bare_and_inspected_as_two(record, opened, seen):
    folders = [record("one", "a", ((0, "N"),)), record("two", "a", ((0, "VT"),))]
    found = opened(*folders)
    assert found.bare and set(found.subject) == {"one/a", "two/a"} and len(found) == 40
    with pytest.raises(DataError, match="holds only 'no shock'"):
        opened(folders[0])
    looked = seen(*folders)
    assert looked.refusal.startswith("only subject one/a has windows of 'no shock', too few for 2 folds")
    assert [part.refusal for part in looked.splits] == ["", ""]
    assert [row.record for split in looked.splits for row in split.records] == ["a", "a"]


def test_the_same_recording_in_two_sets_is_told(record, opened, seen, tmp_path):
    folder = record("one", "a")
    record("two", "b")
    for ending in ("hea", "dat", "atr"):
        shutil.copy(folder / f"a.{ending}", tmp_path / "two")
    with (tmp_path / "two" / "RECORDS").open("a") as listed:
        listed.write("a\n")
    assert any(
        "20 windows are the same in two sets, for example one/a at 0:00 and two/a at 0:00" in note
        for note in opened(folder, tmp_path / "two").notes
    )
    faults = seen(folder, tmp_path / "two").faults
    assert len(faults) == 20 and {fault.kind for fault in faults} == {"duplicate"}


# MATLAB files.


def test_a_matlab_file_is_opened_alone_and_beside_records(record, opened, seen, matlab):
    path = matlab()
    train, test = opened(path), opened(path, split="test")
    assert len(train) == len(test) == 8 and train.name == "cut" and not train.bare  # 4 s are two windows each
    assert set(train.subject) == {"0", "1"} and set(test.subject) == {"2", "3"}
    np.testing.assert_array_equal(train.y, train.rhythm == "VF")
    both = opened(path, record("set", "a"))
    assert {"cut/0", "cut/1", "set/a"} == set(both.subject) and len(both) == 8 + 20
    assert [part.name for part in seen(path).splits] == ["train", "test"] and seen(path).faults == ()


def test_the_coding_of_a_matlab_file_is_told_by_its_rhythms_anew_for_other_labels(opened, matlab):
    path = matlab(s_ns=[0, 1] * 4)
    assert any("s_ns is 0 for shock" in note for note in opened(path).notes)
    found = opened(path, label={"VF": 0, "N": 1}.get)
    np.testing.assert_array_equal(found.y, found.rhythm == "N")


def test_a_matlab_file_that_contradicts_itself_is_refused(record, opened, seen, matlab):
    path = matlab(s_ns=[1, 0, 1, 0, 1, 1, 1, 0])
    for paths in ((path,), (record("set", "a"), path)):
        with pytest.raises(DataError, match=r"cut\.mat row 5: s_ns 1 with r_type 'N'.*: mend the file"):
            opened(*paths)


# Episodes.


def test_episodes_of_records_have_what_was_before_and_the_names_of_opening(record, task, label):
    folders = [
        record("one", "a", ((0, "N"), (10, "XYZ"), (20, "VT"))),
        record("two", "b", ((0, "VF"), (39, "N"))),
    ]
    found = atml.data.episodes(folders, task=task, label=label, leave_out=["two/a"])
    what = [(item.subject, item.rhythm, item.label, item.onset, item.x.shape) for item in found]
    assert what == [
        ("one/a", "N", 0, 0, (1, 2500)),
        ("one/a", "VT", 1, 500, (1, 5500)),
        ("two/b", "VF", 1, 0, (1, 39 * 250)),
    ]
    alone = atml.data.episodes(folders[0], task=task, label=label)
    assert {item.subject for item in alone} == {"a"}
    assert atml.data.episodes(folders[0], task=task, label=label, leave_out=["one/a"]) == ()


def test_nothing_of_its_own_class_lies_before_an_episode(record, task, label):
    """Windows are 2 s: of 10 s of VF, the second before it is calm, and what is before that is not seen."""
    rhythms = ((0, "N"), (10, "VT"), (11, "N"), (12, "VF"), (22, "VT"), (32, "N"))
    folder = record("one", "a", rhythms, rate=360)
    found = {(item.rhythm, item.label): item for item in atml.data.episodes(folder, task=task, label=label)}
    calm, vf, vt = found["N", 0], found["VF", 1], found["VT", 1]
    assert (vf.onset, vf.x.shape) == (250, (1, 250 + 2500))
    assert (vt.onset, vt.x.shape) == (0, (1, 2500))  # a shock was due already
    assert calm.onset == 500 and calm.before == ()
    unknown = atml.data.episodes(folder, task=task, label=lambda name: {"VF": 1, "VT": 0}.get(name))
    assert {item.rhythm: item.onset for item in unknown} == {"VF": 500, "VT": 500}


def test_who_needs_half_of_a_window_calls_nothing_earlier(tmp_path, task, label):
    """Shockable signal is 1 and calm signal 0: what a window holds is its mean."""
    rate = task.sampling_rate
    rhythms = [("N", 10), ("VF", 6), ("N", 9), ("VT", 1.5), ("N", 0.5), ("VF", 6), ("VFL", 1.9), ("VF", 8)]
    ends = np.cumsum([seconds for _, seconds in rhythms])
    x = np.repeat([float(label(name) or 0) for name, _ in rhythms], [int(s * rate) for _, s in rhythms])
    stretches = [
        Stretch(int((end - seconds) * rate), int(end * rate), name, "")
        for (name, seconds), end in zip(rhythms, ends, strict=True)
    ]
    recording = Recording("a", "a", rate, x[None].astype(np.float32), stretches)
    table = {name: label(name) for name, _ in rhythms}
    found = [labelled(item, table) for item in cut_episodes(recording, task)]
    half = measure(found, lambda windows: (windows.mean(axis=(1, 2)) >= 0.5).astype(np.int64), task)
    seen = {moment.seconds: (moment.episodes, moment.by_then) for moment in half.positive if moment.episodes}
    # Before the second lies half a second of calm, before the third nothing but what is shockable too.
    assert half.episodes[0] == 3 and half.onsets[0] == 2
    assert seen.pop(0.5) == (1, 0.0) and seen.pop(1.0) == (1, 1.0) and seen.pop(1.5) == (2, 1.0)
    assert set(seen.values()) == {(3, 1.0), (1, 1.0)}


def test_separate_segments_longer_than_the_window_are_episodes(icd, matlab, task, label, tmp_path):
    x = np.random.default_rng(3).normal(size=(4, 1500))
    np.savez(tmp_path / "long.npz", x=x, y=[0, 1, 0, 1], subject=list("abcd"), sampling_rate=500)
    for path, count, samples in ((icd, 4, 1250), (matlab(), 4, 1000), (tmp_path / "long.npz", 4, 750)):
        found = atml.data.episodes(path, task=task, label=label)
        assert [item.x.shape for item in found] == [(1, samples)] * count
        assert {item.onset for item in found} == {0} and sorted(item.label for item in found) == [0, 0, 1, 1]
        longer = dataclasses.replace(task, window=samples)
        assert atml.data.episodes(path, task=longer, label=label) == ()


def test_the_samples_of_an_episode_are_those_of_the_file(icd, task, label):
    (first, *_) = atml.data.episodes(icd, task=task, label=label)
    values = np.loadtxt(icd / "test_data" / "S3-SR-0.txt")
    assert (first.subject, first.rhythm) == ("S3", "SR")
    np.testing.assert_allclose(first.x[0], values, rtol=1e-6)


def test_a_segment_that_can_not_be_read_stops_and_is_named(icd, task, label):
    (icd / "test_data" / "S3-SR-0.txt").write_text("x")
    with pytest.raises(DataError, match=r"S3-SR-0\.txt: line 1: 'x' is not a number"):
        atml.data.episodes(icd, task=task, label=label)


# The real ones, where they are at hand.


def test_the_real_sets_open_together_whole_and_apart(real_data, label):
    paths = [real_data / name for name in ("vfdb", "mitdb", "iccad2022.zip")]
    if missing := [path.name for path in paths if not path.exists()]:
        pytest.skip(f"no {', '.join(missing)} in {real_data}")
    task = Task(name="defib", classes=("no shock", "shock"), positive=1, sampling_rate=250, window=1000)
    shock = {"VT", "VF", "VFIB", "VFL", "VFb", "VFt"}
    found = atml.data.open(paths, task=task, label=lambda rhythm: int(rhythm in shock))
    counts = {path.stem: int(np.char.startswith(found.subject, f"{path.stem}/").sum()) for path in paths}
    assert counts["iccad2022"] == 3821 and sum(counts.values()) == len(found.x)
    people = np.unique(found.subject)
    assert [int(np.char.startswith(people, f"{path.stem}/").sum()) for path in paths] == [22, 8, 24]
    assert np.isfinite(found.x).all() and not found.bare
    for name in ("vfdb", "mitdb"):
        (note,) = (note for note in found.notes if note.startswith(f"{name}: ") and "one rhythm" in note)
        assert f"{counts[name]:,} windows of one rhythm each hold {4 * counts[name]} s" in note


def test_seconds_of_the_real_records_add_up(real_data, label):
    for name, hours in (("vfdb", 22 * 35 / 60), ("mitdb", 8 * 30.1 / 60)):
        if not (real_data / name).is_dir():
            pytest.skip(f"no {name} in {real_data}")
        task = Task(name="defib", classes=("no shock", "shock"), positive=1, sampling_rate=250, window=1000)
        found = atml.data.inspect(real_data / name, task=task, label=lambda rhythm: int(rhythm == "VT"))
        (split,) = found.splits
        assert found.faults == () and split.bare
        for part in (*split.subjects, split.total):
            assert sum(part.seconds.values()) == pytest.approx(
                sum(part.kept.values()) + sum(part.left_out.values()), abs=0.1
            )
            assert sum(part.kept.values()) == pytest.approx(4 * part.usable, abs=0.1)
        assert sum(split.total.seconds.values()) == pytest.approx(hours * 3600, rel=0.01)


# What is not quite a set.


def test_records_further_down_in_an_archive_or_one_file_alone_are_pointed_at(record, opened, tmp_path):
    folder = record("set", "a")
    shutil.make_archive(str(tmp_path / "zipped"), "zip", folder)
    (tmp_path / "outer").mkdir()
    folder.rename(tmp_path / "outer" / "1.0.0")
    for path, message in (
        (tmp_path / "outer", r"there are records in 1\.0\.0: give that folder"),
        (tmp_path / "zipped.zip", r"it holds a\.hea: unpack it and give the folder"),
        (tmp_path / "outer" / "1.0.0" / "a.hea", r"a\.hea is one file of a WFDB record: give its folder, "),
    ):
        with pytest.raises(DataError, match=message):
            opened(path)
