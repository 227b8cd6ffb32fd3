"""Windows round beats: where they lie, what they are called, and what is left out of them."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from atml import data
from atml.data import beat_windows
from atml.data.beat_windows import FLUTTER, NO_BEAT, Beats, gather, names
from atml.data.formats.annotations import Marks
from atml.data.rates import rate_of, resampled
from atml.data.synthetic import ectopy
from atml.ecg import qrs
from atml.errors import DataError
from atml.tasks.task import Task
from tests.beats import BEATS, label, write

REAL = Path(os.environ.get("ATML_TEST_DATA", Path(__file__).parents[3] / "shared" / "data")) / "mitdb"


def marks(**at):
    """Annotations by symbol: ``N=(100, 200)``; brackets are called ``begin`` and ``end``."""
    signs = {"begin": "[", "end": "]"}
    each = sorted((sample, signs.get(name, name)) for name, samples in at.items() for sample in samples)
    count = len(each)
    return Marks(
        np.array([sample for sample, _ in each], np.int64),
        [symbol for _, symbol in each],
        np.zeros(count, np.int64),
        [""] * count,
    )


def at_rate(recording, rate):
    """The same heart, recorded at another rate."""
    x = resampled(recording.x.astype(np.float64), recording.rate, rate).astype(np.float32)
    sample = np.round(recording.marks.sample * (rate / float(recording.rate))).astype(np.int64)
    return dataclasses.replace(
        recording, x=x, rate=rate, marks=dataclasses.replace(recording.marks, sample=sample)
    )


@pytest.fixture(scope="module")
def heart():
    return next(ectopy.recordings(BEATS, "train"))


def test_a_window_ends_a_while_after_its_beat():
    task = dataclasses.replace(BEATS, sampling_rate=10, window=6, after_beat=0.3)
    x = np.arange(40, dtype=np.float32).reshape(2, 20)
    found = gather(x, [8, 0, 19], task)
    assert found.shape == (3, 2, 6)
    assert found[0, 0].tolist() == [6, 7, 8, 9, 10, 11], "two before, the beat, three after"
    assert found[1, 1].tolist() == [20, 20, 20, 21, 22, 23], "before the beginning its first sample"
    assert found[2, 0].tolist() == [17, 18, 19, 19, 19, 19], "after the end its last one"
    assert gather(x[:, 5:15], [8], task, first=5, samples=20).tolist() == found[:1].tolist()


@pytest.mark.parametrize("rate", [125, 128, 250, 360, 500, rate_of(249.89)])
def test_beats_and_windows_are_those_of_the_whole_signal(heart, rate):
    recording = heart if rate == 125 else at_rate(heart, rate)
    beats = Beats(recording.x, recording.rate, BEATS)
    whole = recording.x if rate == 125 else resampled(recording.x.astype(np.float64), rate, 125)
    assert beats.at.tolist() == qrs.detect(whole[0, : beats.samples], 125).tolist()
    cut = np.concatenate(list(beats.windows()))
    want = gather(whole.astype(np.float32)[:, : beats.samples], beats.at, BEATS)
    assert cut.shape == want.shape and np.abs(cut - want).max() < 5e-4
    known = recording.marks.sample[(recording.marks.sample > 2 * rate)]
    nearest = np.abs(beats.sample[:, None] - known).min(axis=0)
    assert np.mean(nearest < 0.05 * float(rate)) > 0.98, "sample numbers are those of the recording"


def test_windows_come_in_blocks_of_the_same_content(heart, monkeypatch):
    beats = Beats(heart.x, 125, BEATS)
    whole = np.concatenate(list(beats.windows()))
    monkeypatch.setattr(beat_windows, "BLOCK", 7)
    blocks = list(beats.windows())
    assert max(map(len, blocks)) == 7 and (np.concatenate(blocks) == whole).all()


def test_missing_samples_are_missing_in_windows_and_are_no_beats(heart):
    x = heart.x.copy()
    x[:, 5000:6250] = np.nan
    beats = Beats(x, 125, BEATS)
    inside = (beats.at > 5010) & (beats.at < 6240)
    assert not inside.any()
    holed = ~np.isfinite(np.concatenate(list(beats.windows()))).all(axis=(1, 2))
    last = beats.at + BEATS.samples_after_beat
    assert holed.tolist() == ((last >= 5000) & (last - BEATS.window + 1 < 6250)).tolist()
    assert 0 < holed.sum() < 20


def test_given_beats_are_taken_as_they_are(heart):
    beats = Beats(at_rate(heart, 360).x, 360, BEATS, np.array([360, 720, 1000]))
    assert beats.sample.tolist() == [360, 720, 1000] and beats.at.tolist() == [125, 250, 347]


def test_detected_beats_get_the_names_of_annotated_ones():
    known = marks(N=(100, 400, 1900), V=(700,), F=(1000,), begin=(1200,), end=(1600,))
    found, missed = names(np.array([102, 250, 395, 710, 1001, 1300, 1500, 1898]), known, 250)
    assert found == ["N", NO_BEAT, "N", "V", "F", FLUTTER, FLUTTER, "N"] and missed == 0
    assert names(np.array([102]), known, 250)[1] == 4
    assert names(np.empty(0, np.int64), known, 250) == ([], 5)


def test_beats_inside_flutter_are_no_beats():
    inside = marks(N=(100, 500), begin=(300,))
    assert beat_windows.annotated(inside)[0].tolist() == [100], "what nothing closes goes on"


def test_a_folder_opens_as_windows_round_beats(tmp_path):
    recordings = list(islice(ectopy.recordings(BEATS, "train"), 3))
    folder = write(tmp_path / "set", [at_rate(one, 250) for one in recordings])
    found = data.open(folder, task=BEATS, label=label, cache=tmp_path / "cache")
    assert found.x.shape[1:] == (1, BEATS.window)
    assert set(found.rhythm.tolist()) == {"N", "A", "V"}
    assert found.y.tolist() == [label(symbol) for symbol in found.rhythm.tolist()]
    assert set(found.subject.tolist()) == set(found.record.tolist()) == {"train0", "train1", "train2"}
    annotated = sum(len(one.marks.sample) for one in recordings)
    assert len(found) > 0.99 * annotated
    told = next(note for note in found.notes if "found by the detector" in note)
    assert f"of the {annotated:,} annotated ones" in told
    again = data.open(folder, task=BEATS, label=label, cache=tmp_path / "cache")
    assert again.fingerprint == found.fingerprint
    apart = dataclasses.replace(BEATS, after_beat=1.0)
    assert (
        data.open(folder, task=apart, label=label, cache=tmp_path / "cache").fingerprint != found.fingerprint
    )


def test_a_record_without_beats_is_refused_by_name(tmp_path):
    one, other = islice(ectopy.recordings(BEATS, "train"), 2)
    bare = dataclasses.replace(other, marks=Marks(np.array([10]), ["+"], np.array([0]), ["(N"]))
    folder = write(tmp_path / "set", [one, bare])
    with pytest.raises(DataError, match="record train1 has no annotated beat, and task 'beats'"):
        data.open(folder, task=BEATS, label=label, cache=tmp_path / "cache")


def test_a_person_with_normal_beats_alone_is_judged_but_not_trained_on(tmp_path):
    (one,) = islice(ectopy.recordings(BEATS, "train"), 1)
    calm = dataclasses.replace(one.marks, symbol=["N" if s in "NL" else "Q" for s in one.marks.symbol])
    folder = write(tmp_path / "set", [dataclasses.replace(one, marks=calm)])
    opening = {"task": BEATS, "label": label, "cache": tmp_path / "cache"}
    found = data.open(folder, split="test", **opening)
    assert set(found.y.tolist()) == {0} and "no beat of class 'S', 'V': only 'N' can be judged" in found.notes
    with pytest.raises(
        DataError, match=r"only 'N' of the classes N, S, V, symbols unknown to the task are .*'Q'"
    ):
        data.open(folder, **opening)


def test_data_without_beats_are_refused(tmp_path):
    file = tmp_path / "set.npz"
    np.savez(file, x=np.zeros((4, 400), np.float32), y=[0, 1, 2, 0], subject=list("abcd"))
    with pytest.raises(DataError, match=r"set.npz: task 'beats' is about single beats.*WFDB records"):
        data.open(file, task=BEATS, label=label)


def test_synthetic_beats_are_of_all_classes(tmp_path):
    found = data.open(None, task=BEATS, label=label, cache=tmp_path)
    counts = Counter(found.rhythm.tolist())
    assert set(counts) == {"N", "A", "V"} and min(counts.values()) > 500
    assert found.synthetic and len(set(found.subject.tolist())) == 24
    everyone = {name: set(found.y[found.subject == name].tolist()) for name in set(found.subject.tolist())}
    assert all(classes == {0, 1, 2} for classes in everyone.values())


def test_recordings_come_whole_with_their_annotations(tmp_path):
    recordings = list(islice(ectopy.recordings(BEATS, "train"), 3))
    folder = write(tmp_path / "set", recordings)
    found = list(data.annotated(folder, task=BEATS, leave_out={"train1"}))
    assert [one.name for one in found] == ["train0", "train2"]
    assert found[1].marks.sample.tolist() == recordings[2].marks.sample.tolist()
    assert [
        one.subject for one in data.annotated([folder, write(tmp_path / "b", recordings[:1])], task=BEATS)
    ][-1] == "b/train0"


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no {REAL}")
def test_beats_of_real_records():
    task = Task(
        name="b", kind="multiclass", classes=("N", "S", "V"), sampling_rate=125, window=437, after_beat=1.2
    )
    for one in data.annotated(REAL, task=task):
        if one.name in ("106", "207"):
            found, missed = names(Beats(one.x, one.rate, task).sample, one.marks, one.rate)
            counts = Counter(found)
            assert missed < 30 and counts[NO_BEAT] < 40
            assert (counts[FLUTTER] > 0) == (one.name == "207"), "ventricular flutter"
