from __future__ import annotations

import datetime
import json
import math

import numpy as np
import pytest

from atml.annotating.beats import Annotated, Beats
from atml.annotating.clock import Clock
from atml.annotating.events import Events
from atml.annotating.summary import Summary, summarise
from atml.data.formats.annotation_file import parse
from atml.data.formats.annotations import BEATS

RATE = 100


def recording(
    letters: str, seconds: np.ndarray, *, off: dict[int, int] | None = None, tail: float = 2.0
) -> Annotated:
    """Beats of known letters at known times; ``off`` says what is the matter with single seconds."""
    label = np.array(["NSV".find(letter) for letter in letters], np.int64)
    samples = round((seconds[-1] + tail) * RATE) if len(seconds) else round(tail * RATE)
    codes = np.zeros(-(-samples // RATE), np.int8)
    for second, code in (off or {}).items():
        codes[second] = code
    beats = Beats(
        np.round(seconds * RATE).astype(np.int64), label, np.zeros((len(label), 3), np.float32),
        np.where(label < 0, 1, 0).astype(np.int8),
    )  # fmt: skip
    return Annotated(beats, ("N", "S", "V"), RATE, samples, codes, RATE)


def summed(found: Annotated, start: object = None, **more: float) -> Summary:
    return summarise(found, Events.of(found, **more), recording="r", clock=Clock(start))


def steady(letters: str, rr: float = 1.0) -> Annotated:
    return recording(letters, 0.5 + rr * np.arange(len(letters)))


def test_counts_of_a_recording_that_is_known():
    text = "NNVNNVVNNVVVNNVVVVVNNNVNVNVNNNSNNSSNNSSSNN"
    found = summed(steady(text))
    v, s = found.ventricular, found.supraventricular
    assert (v.beats, v.singles, v.couplets, v.runs, v.beats_in_runs) == (14, 4, 1, 2, 8)
    assert (v.bigeminy, v.beats_in_bigeminy, v.trigeminy) == (1, 3, 0)
    assert (s.beats, s.singles, s.couplets, s.runs, s.beats_in_runs) == (6, 1, 1, 1, 3)
    assert (
        v.longest is not None and v.longest.beats == 5 and v.longest.at_s == 14.5 and v.longest.seconds == 4
    )
    assert v.longest.rate == pytest.approx(60)
    assert found.duration_s == found.analysed_s == 43.5
    assert v.an_hour == pytest.approx(14 / 43.5 * 3600) and v.share == pytest.approx(14 / len(text))
    assert found.by_class == {"N": text.count("N"), "S": 6, "V": 14}
    assert found.mean_rate == pytest.approx(60) and found.lowest_rate.value == pytest.approx(60)
    assert found.longest_rr.value == pytest.approx(1.0) and found.pauses == 0 and found.undecided == 0


def test_the_fastest_run_need_not_be_the_longest():
    seconds = np.cumsum([0.5, 1, 1, 1, 1, 1, 1, 0.3, 0.3, 0.3, 1, 1])
    found = summed(recording("NVVVVNNVVVNN", seconds)).ventricular
    assert found.longest is not None and (found.longest.beats, found.longest.at_s) == (4, 1.5)
    assert found.fastest is not None and found.fastest.beats == 3
    assert found.fastest.rate == pytest.approx(200)


def test_what_was_not_analysed_breaks_patterns_and_intervals():
    seconds = 0.5 + np.arange(20.0)
    found = summed(recording("NNNNVVVVNNQNNVNVNVNN", seconds, off={6: 2, 16: 1}))
    assert found.analysed_s == found.duration_s - 2 and found.not_analysed_s == {
        "missing": 1,
        "flat": 1,
        "saturated": 0,
    }
    assert (found.ventricular.couplets, found.ventricular.runs, found.ventricular.bigeminy) == (1, 0, 0)
    assert found.undecided == 1 and found.undecided_by["missing"] == 1 and found.beats == 20
    assert found.lowest_rate.value == pytest.approx(60)  # beats 8 to 15
    gap = summed(recording("NN", np.array([0.5, 9.5]), off={4: 2}))
    assert gap.pauses == 0 and math.isnan(gap.mean_rate) and math.isnan(gap.longest_rr.value)


def test_pauses_and_the_longest_interval():
    seconds = np.cumsum([0.5, 1, 2.5, 1, 3.0, 1])
    found = summed(recording("NNNNNN", seconds))
    assert found.pauses == 2 and found.longest_rr.value == pytest.approx(3.0)
    assert found.longest_rr.at_s == pytest.approx(5.0)  # when it begins
    assert summed(recording("NNNNNN", seconds), pause_s=2.8).pauses == 1


def test_hours_are_those_of_the_clock_and_add_up():
    text = "N" * 5400
    found = steady(text)
    start = datetime.datetime(2026, 11, 30, 22, 40)
    rows = summed(found, start).hours
    assert [row.clock for row in rows] == ["22:40:00", "23:00:00", "00:00:00"]
    assert [row.beats for row in rows] == [1200, 3600, 600]
    assert sum(row.analysed_s for row in rows) == pytest.approx(found.samples / RATE)
    assert all(row.mean_rate == pytest.approx(60) for row in rows)
    plain = summed(found).hours
    assert [(row.start_s, row.clock) for row in plain] == [(0, ""), (3600, "")]
    assert len(summed(found).minutes) == 91 and summed(found).minutes[50] == pytest.approx(60)


def test_no_beats_are_a_summary_too():
    none = recording("", np.empty(0), off={0: 2, 1: 2})
    found = summed(none)
    assert found.beats == 0 and found.analysed_s == 0 and math.isnan(found.ventricular.an_hour)
    text = json.dumps(found.to_dict(), allow_nan=False)
    assert json.loads(text)["mean_rate"] is None
    empty = summed(Annotated(Beats.none(3), ("N", "S", "V"), RATE, 0, np.empty(0, np.int8), RATE))
    assert empty.duration_s == 0 and empty.hours == ()


@pytest.mark.parametrize(
    ("record", "veb", "runs", "couplets"),
    [("106", 520, 1, 95), ("119", 444, 0, 0), ("208", 992, 0, 181), ("203", 444, 21, 64)],
)
def test_reference_beats_come_to_what_the_database_says(real_data, record, veb, runs, couplets):
    """Beats by its tables, runs as often as its rhythm annotations name ``(VT``: 1, none, none and 21."""
    marks, _ = parse((real_data / "mitdb" / f"{record}.atr").read_bytes())
    rows = [at for at, symbol in enumerate(marks.symbol) if symbol in BEATS]
    names = {
        "V": "V",
        "E": "V",
        "S": "S",
        "A": "S",
        "a": "S",
        "J": "S",
        "j": "S",
        "e": "S",
        "F": "Q",
        "Q": "Q",
    }
    letters = "".join(names.get(marks.symbol[at], "N") for at in rows)
    found = recording(letters, marks.sample[rows] / 360)
    said = summed(found)
    assert said.ventricular.beats == veb
    assert said.ventricular.couplets == couplets and said.ventricular.runs == runs
    assert 1795 < said.duration_s < 1810
