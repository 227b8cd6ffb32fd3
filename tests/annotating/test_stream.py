"""The same beats, however a signal comes; each at its place, and named where it can be."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atml.annotating import stream as stream_module
from atml.annotating.beats import Annotated
from atml.annotating.contact import Contact
from atml.annotating.stream import Stream
from atml.artifacts import model as artifact
from atml.artifacts.model import Session
from atml.ecg.qrs import LATENCY_S
from atml.errors import DataError
from tests.annotating.made import RATE, ecg, times

TEXT = "NNNNVNNNSNNVNVNVNNVVNNNVVVVNNNN_NNNNN"


def annotated(export: Path, x: np.ndarray, rate: float = RATE, pieces: list[int] | None = None) -> Annotated:
    found = artifact.load(export)
    stream = Stream(Session(found.model), found.task, rate)
    given = []
    edges = [0, *np.cumsum(pieces or []).clip(0, x.shape[1]).tolist(), x.shape[1]]
    for start, end in itertools.pairwise(edges):
        given.append(len(stream.push(x[:, start:end])))
    given.append(len(stream.end()))
    whole = stream.annotated()
    assert sum(given) == len(whole.beats)
    return whole


@pytest.mark.parametrize("rate", [125, 128, 250, 360, 500])
def test_beats_are_found_and_named_at_every_rate(export, rate):
    found = annotated(export, ecg(TEXT, rate), rate)
    wanted = times(TEXT)
    assert len(found.beats) == len(wanted)
    assert np.abs(found.beats.sample / rate - wanted).max() < 0.03
    assert "".join(found.symbols) == TEXT.replace("_", "")
    assert (found.seconds == 0).all() and found.linked[1:].all()


def test_a_task_at_a_rate_at_which_no_beats_are_looked_for_is_refused(export):
    found = artifact.load(export)
    slow = dataclasses.replace(found.task, sampling_rate=50)
    with pytest.raises(DataError, match="rate of 50 Hz, and beats are looked for at 100 to 1000 Hz: change"):
        Stream(Session(found.model), slow, RATE)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(st.lists(st.integers(1, 2000), max_size=20))
def test_pieces_of_any_length_give_the_same_beats(export, pieces):
    x = ecg(TEXT)
    x[1, 2000:2010] = np.nan
    whole, found = annotated(export, x), annotated(export, x, pieces=pieces)
    assert found.beats.sample.tolist() == whole.beats.sample.tolist()
    assert found.symbols == whole.symbols and found.seconds.tolist() == whole.seconds.tolist()
    assert np.allclose(found.beats.logits, whole.beats.logits, atol=1e-5, equal_nan=True)


def test_a_beat_comes_soon_after_its_window_is_there(export):
    x = ecg(TEXT)
    found = artifact.load(export)
    stream = Stream(Session(found.model), found.task, RATE)
    late = []
    for at in range(0, x.shape[1], 5):
        for sample in stream.push(x[:, at : at + 5]).sample.tolist():
            late.append((at + 5 - sample) / RATE)
    assert len(late) > 30 and max(late) < LATENCY_S + 0.15
    assert stream._raw.x.shape[1] < 3 * RATE and stream._signal.x.shape[1] < 3 * 125


def test_what_can_not_be_seen_is_not_guessed(export):
    x = ecg("N" * 40)
    x[0, 10 * RATE : 10 * RATE + 3] = np.nan
    x[:, 20 * RATE : 23 * RATE] = 0.4  # a lead is off: no beats there
    found = annotated(export, x)
    beats, seconds = found.beats, found.beats.sample / RATE
    near = (seconds > 9.7) & (seconds < 10.5)
    assert near.any() and (beats.label[near] == -1).all() and (beats.why[near] == Contact.MISSING).all()
    assert not ((seconds > 20.1) & (seconds < 22.9)).any()
    assert {found.symbols[at] for at in np.flatnonzero(near)} == {"Q"}
    assert found.seconds[10] == Contact.MISSING and (found.seconds[20:23] == Contact.FLAT).all()
    assert np.isnan(beats.logits[beats.label < 0]).all() and np.isfinite(beats.logits[beats.label >= 0]).all()
    # The time across which no beat could be seen is no RR interval.
    first_after = int(np.argmax(seconds > 22.9))
    assert not found.linked[first_after] and found.linked[first_after + 2 :].all()
    marks = found.marks()
    quality = [
        (at / RATE, int(sub))
        for at, s, sub in zip(marks.sample, marks.symbol, marks.subtype, strict=True)
        if s == "~"
    ]
    assert quality == [(10, -1), (11, 0), (20, -1), (23, 0)]


@pytest.mark.parametrize("length", [0, 1, 180])
def test_a_signal_shorter_than_a_window_has_the_beats_that_it_has(export, length):
    found = annotated(export, ecg("NN")[:, 20 : 20 + length])
    assert len(found.beats) == (1 if length == 180 else 0)
    assert found.samples == length


@pytest.mark.parametrize("x", [np.zeros((2, 5000)), np.full((2, 5000), np.nan)])
def test_a_signal_without_beats_has_none(export, x):
    found = annotated(export, x)
    assert len(found.beats) == 0 and (found.seconds != 0).all()


def test_integers_and_what_no_recorder_gives_are_taken(export):
    x = (100 * ecg("NNNNNN")).astype(np.int16)
    assert len(annotated(export, x).beats) == 6
    y = ecg("NNNNNN")
    y[0, 900] = 1e30
    assert (annotated(export, y).beats.why == Contact.MISSING).sum() == 1


def test_a_stream_that_comes_in_single_samples_keeps_little(export, monkeypatch):
    monkeypatch.setattr(stream_module, "MANY", 4)
    x = ecg(TEXT)
    found = artifact.load(export)
    stream = Stream(Session(found.model), found.task, RATE)
    for at in range(0, x.shape[1], 25):
        stream.push(x[:, at : at + 25])
        assert len(stream._parts) <= 4 and len(stream._second) <= 4 and len(stream._sizes) <= 5
    stream.end()
    whole = annotated(export, x)
    assert "".join(stream.annotated().symbols) == "".join(whole.symbols)
    assert stream.annotated().seconds.tolist() == whole.seconds.tolist()
    assert len(stream.sizes()) == len(whole.beats)  # of windows that come one by one, each is measured
