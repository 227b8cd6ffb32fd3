"""Rule ec57: recordings judged beat by beat."""

from __future__ import annotations

import dataclasses
import json
from itertools import islice

import numpy as np
import pytest

from atml.annotating.stream import Stream
from atml.artifacts.model import Session
from atml.data.formats.annotations import Marks
from atml.data.synthetic import ectopy
from atml.data.windowing import Recording
from atml.errors import ExportError, InputError
from atml.scoring import beats, rules
from atml.scoring.rules import BeatRecord, beat_by_beat, ec57
from tests.annotating.made import TASK as BEATS_OF_TWO
from tests.annotating.made import ecg, exported
from tests.beats import BEATS
from tests.scoring.exported import score
from tests.scoring.test_rules import BINARY

RULE = rules.RULES["ec57"]
RATE = 100.0


def record(name, reference, test, *, every=1.0, start=310.0, given=False):
    """Beats one after another, named by ``reference`` and ``test``; "-" is none."""
    at = np.round((start + every * np.arange(len(reference))) * RATE).astype(np.int64)
    known, called = (
        Marks(
            at[[s != "-" for s in names]],
            tuple(names.replace("-", "")),
            np.zeros(len(names)),
            ("",) * len(names),
        )
        for names in (reference, test)
    )
    length = int((start + every * len(reference)) * RATE)
    return BeatRecord(
        name=name, subject=name, rate=RATE, length=length, reference=known, test=called, given=given
    )


def judge(judged, *records, **options):
    made = judged([0], [0], ["S1"], task=BEATS, beats=records)
    return RULE.score(made, {**RULE.OPTIONS, **options})


def test_members():
    assert RULE.NAME == "ec57" and not RULE.AWARDS and RULE.decide is None
    assert rules.settings(RULE, {"learning": 0.0})["learning"] == 0, "no learning period at all"
    with pytest.raises(InputError, match="option window of rule ec57 is 0"):
        rules.settings(RULE, {"window": 0.0})
    with pytest.raises(
        InputError, match="option window of rule ec57 is 100 s, and 1 s is the most: it is in sec"
    ):
        rules.settings(RULE, {"window": 100.0})
    with pytest.raises(InputError, match="matching window of 2000 ms holds several beats; give at most 1000"):
        ec57.Settings(window=2)
    with pytest.raises(InputError, match="option vt_rate of rule aha-aed is 0"):
        rules.settings(rules.RULES["aha-aed"], {"vt_rate": 0.0})


def test_other_tasks_are_refused():
    RULE.fits(BEATS)
    RULE.fits(dataclasses.replace(BEATS, classes=("N", "V"), kind="binary", positive=1))
    for task in (BINARY, dataclasses.replace(BEATS, classes=("N", "S", "VEB"))):
        with pytest.raises(ExportError, match=f"task '{task.name}' is not about these"):
            RULE.fits(task)


def test_figures_are_those_of_the_standard(judged):
    one = record("a", "NNVNSNNVFQ", "NNVVNN-NVN")
    two = record("b", "NNNNNN-NNV", "NNNNNNVNNV")
    found = judge(judged, one, two)
    assert found["QRS Se"] == pytest.approx(18 / 19) == found["QRS +P"]
    assert found["VEB Se"] == pytest.approx(2 / 3), "the first and the third"
    assert found["VEB +P"] == 2 / 4, "not a fusion beat, but a normal one and where no beat is"
    assert found["SVEB Se"] == 0
    assert "SVEB +P" not in [figure.key for figure in found.figures], "nothing was called so"
    assert found["mean VEB Se"] == pytest.approx((1 / 2 + 1) / 2)
    matrix = {row["reference"]: row for row in found.table("matrix").records}
    assert matrix["V"] == {"reference": "V", "N": 1, "S": 0, "V": 2, "F": 0, "Q": 0, "O": 0, "X": 0}
    assert matrix["N"]["V"] == matrix["O"]["V"] == matrix["F"]["V"] == matrix["N"]["O"] == 1
    assert [row["record"] for row in found.table("by_record").records] == ["a", "b"], "worst first"
    assert [row["wrong"] for row in found.table("by_record").records] == [4, 1]
    json.dumps(found.to_dict(), allow_nan=False)


def test_intervals_are_over_people(judged):
    records = [record(f"r{i}", "NNVNNNNVNN", "NNVNNNNVNN" if i % 3 else "NNNNNNNVNN") for i in range(9)]
    spread = next(one for one in judge(judged, *records).figures if one.key == "VEB Se").interval
    assert spread.low < spread.value < spread.high <= 1


def test_escape_beats_are_normal_in_the_second_table(judged):
    found = judge(judged, record("a", "NeNjAN", "NNNNSN"))
    assert found["SVEB Se"] == pytest.approx(1 / 3)
    assert found.table("escapes_as_normal").records[0]["SVEB Se"] == 100


def test_what_is_not_standard_is_said(judged):
    early = record("a", "NNVN", "NNVN", start=10.0)
    with pytest.raises(
        InputError, match=r"a is 14 s long .* learning period of 300 s; --rule-option learning=0"
    ):
        judge(judged, early)
    found = judge(judged, early, learning=0.0, window=0.1)
    assert "non-standard: learning period 0 s, not 300 s, matching window 100 ms, not 150 ms" in found.notes
    assert not [note for note in judge(judged, record("b", "NV", "NV")).notes if "standard" in note]


def test_paced_beats_are_told(judged):
    notes = judge(judged, record("a", "NN//f", "NNNNN"), record("b", "NN", "NN")).notes
    assert (
        "1 recording has paced beats, which count as unknown; EC57 leaves recordings of pacemakers out"
        in notes
    )
    assert not any("paced" in note for note in judge(judged, record("b", "NN", "NN")).notes)


def test_beats_of_the_reference_are_called_so(judged):
    found = judge(judged, record("a", "NV", "NV", given=True))
    assert found.details["beats"] == "reference" and "which no device has" in found.notes[0]
    assert judge(judged, record("a", "NV", "NV")).details["beats"] == "detected"


def test_nothing_to_judge(judged):
    with pytest.raises(InputError, match="no recording with annotated beats"):
        judge(judged)


def test_wrong_beats():
    counts = np.zeros((7, 7), np.int64)
    counts[0, 0], counts[0, 1], counts[2, 0], counts[3, 2], counts[3, 5], counts[5, 2] = 90, 3, 2, 7, 4, 5
    one = record("a", "N", "N")
    compared = ec57.compare(one.reference, one.test, one.rate, length=one.length)
    compared = dataclasses.replace(compared, counts=counts)
    assert beat_by_beat.wrong_beats(compared) == 3 + 2 + 4 + 5, "a fusion beat may be called anything"


def test_a_recording_is_called_beat_by_beat():
    heart = next(islice(ectopy.recordings(BEATS, "train"), 1))
    truth = dict(zip(heart.marks.sample.tolist(), heart.marks.symbol, strict=True))

    def wide(x):  # the beat stands where the window has it
        at = BEATS.window - 1 - BEATS.samples_after_beat
        return (np.abs(x[:, 0, at - 3 : at + 4]).max(axis=1) > 0).astype(np.int64) * 2

    own, other = beats.called(heart, [wide, lambda x: np.zeros(len(x), np.int64)], BEATS)
    assert set(own.test.symbol) == {"V"} and set(other.test.symbol) == {"N"}
    assert own.reference is heart.marks and own.length == heart.x.shape[1] and not own.given
    found = ec57.compare(heart.marks, other.test, own.rate, length=own.length)
    assert found.counts[:3, 0].sum() > 0.98 * (np.array(list(truth)) > 300 * 125).sum()
    given = beats.called(heart, [wide], BEATS, "reference")[0]
    assert given.test.sample.tolist() == heart.marks.sample.tolist() and given.given


def test_beats_in_a_gap_are_unknown():
    heart = next(ectopy.recordings(BEATS, "train"))
    x = heart.x.copy()
    x[:, 40_000:40_100] = np.nan
    holed = dataclasses.replace(heart, x=x)
    one = beats.called(holed, [lambda x: np.zeros(len(x), np.int64)], BEATS, "reference")[0]
    unknown = one.test.sample[np.array(one.test.symbol) == "Q"]
    after, window = BEATS.samples_after_beat, BEATS.window
    assert len(unknown) and ((unknown + after >= 40_000) & (unknown + after - window < 40_100)).all()


def test_task_without_beats_is_told(exported, unseen):
    with pytest.raises(ExportError, match="rule ec57 judges beats"):
        score(exported, unseen, rule="ec57")
    with pytest.raises(InputError, match="--beats reference: task 'tiny' is not about single beats"):
        score(exported, unseen, rule="records", beats="reference")


def test_beats_on_a_flat_lead_are_unknown_as_in_a_stream():
    x = ecg("NNVNN" * 30, 125)
    x[1, 5000:6500] = x[1, 5000]  # the second lead comes off
    marks = Marks(np.array([1]), ["N"], np.array([0]), [""])
    recording = Recording("r", "r", 125, x, (), marks=marks)
    one = beats.called(recording, [lambda windows: np.zeros(len(windows), np.int64)], BEATS_OF_TWO)[0]
    stream = Stream(Session(exported()), BEATS_OF_TWO, 125)
    stream.push(x)
    stream.end()
    found = stream.annotated().beats
    assert found.sample.tolist() == one.test.sample.tolist()
    unknown = np.array(one.test.symbol) == "Q"
    assert unknown.tolist() == (found.label < 0).tolist() and 5 < unknown.sum() < 25


def test_a_stream_finds_and_calls_what_scoring_judges(tmp_path):
    """`atml annotate` resamples as the signal comes, scoring in blocks of a whole file: one truth."""
    random = np.random.default_rng(3)
    text = "".join(random.choice(list("NNNNSVNNVVN")) for _ in range(120))
    x = ecg(text, 360) + random.normal(0, 0.05, (2, 1)).astype(np.float32)
    none = Marks(np.array([1]), ["N"], np.array([0]), [""])
    run = Session(exported())
    recording = Recording("r", "r", 360, x, (), marks=none)
    one = beats.called(recording, [lambda windows: run(windows).argmax(axis=1)], BEATS_OF_TWO)[0]
    stream = Stream(run, BEATS_OF_TWO, 360)
    for part in np.array_split(x, 37, axis=1):
        stream.push(part)
    stream.end()
    found = stream.annotated().beats
    assert len(found.sample) == len(text) and found.sample.tolist() == one.test.sample.tolist()
    assert [BEATS_OF_TWO.classes[label] for label in found.label.tolist()] == list(one.test.symbol)
