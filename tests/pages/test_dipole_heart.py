"""The leads of a heart agree with one another, and what it is labelled with can be measured in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from atml.arrays import Floats, Int64
from atml.ecg.qrs import detect
from atml.pages.beat_times import beats
from atml.pages.conditions import CONDITIONS, MORE, compatible, conditions_of
from atml.pages.dipole_heart import RATE, SECONDS, Strip, heart, strip
from atml.pages.twelve_leads import LEADS

HEARTS = 24
BEFORE, AFTER = 0.36, 0.36
SEEN = ("I", "II", "III", "V1", "V2", "V3", "V4", "V5", "V6")


@dataclass
class Measured:
    """What a person with a ruler finds in a strip, without knowing what was drawn."""

    rate: float
    irregular: float
    """Standard deviation of RR intervals over their mean, of the beats that are alike."""
    early: int
    """Wide beats that come early and have a long pause after them."""
    qrs: float
    pr: float
    st: dict[str, float]
    beat: Floats
    """The median beat, ``(12, samples)``, from `BEFORE` s before its R peak."""


def velocity(x: Floats) -> Floats:
    return np.asarray(np.sqrt((np.gradient(x, axis=1) ** 2).sum(0)) * RATE)


def beats_of(x: Floats) -> Int64:
    """Return the beats that a detector of single leads finds in three or more, at the steepest moment."""
    found = [detect(x[LEADS.index(lead)].astype(np.float32), RATE) for lead in SEEN]
    votes = np.zeros(x.shape[1])
    for lead in found:
        for beat in lead:
            votes[max(0, beat - 50) : beat + 50] += 1
    edges = np.diff(np.concatenate([[0], votes >= 3, [0]]).astype(int))
    speed = np.convolve(velocity(x), np.ones(30) / 30, "same")
    runs = zip(np.flatnonzero(edges > 0), np.flatnonzero(edges < 0), strict=True)
    return np.array([start + int(speed[start:end].argmax()) for start, end in runs])


def measured(drawn: Strip) -> Measured:
    x = drawn.signal.astype(np.float64)
    smooth = np.apply_along_axis(np.convolve, 1, x, np.ones(12) / 12, "same")
    at = beats_of(smooth)
    rr = np.diff(at) / RATE
    usual = np.median(rr)
    form = np.stack([smooth[:, a - 35 : a + 45].ravel() for a in at[1:-1]])
    alike = np.corrcoef(np.vstack([np.median(form, 0), form]))[0, 1:]
    odd = np.concatenate([[False], alike < 0.8, [False]])
    early = sum(bool(odd[i] and rr[i - 1] < 0.9 * usual and rr[i] > rr[i - 1]) for i in range(1, len(at) - 1))
    plain = at[~odd & (at > BEFORE * RATE + 30) & (at < x.shape[1] - AFTER * RATE - 30)]
    cut = np.stack([x[:, a - int(BEFORE * RATE) : a + int(AFTER * RATE)] for a in plain])
    cut -= np.median(cut, axis=2, keepdims=True)
    beat = np.median(cut, 0)
    middle = int(BEFORE * RATE)
    fast = velocity(beat)
    steep = fast > 0.12 * fast.max()
    start = end = middle
    while steep[max(0, start - 12) : start].any():
        start -= 1
    while steep[end : end + 12].any():
        end += 1
    base = beat[:, start - 8 : start - 2].mean(1)
    size = np.sqrt(((beat - base[:, None]) ** 2).sum(0))
    window = size[: start - 10]
    top = middle - int(0.29 * RATE) + int(window[middle - int(0.29 * RATE) :].argmax())
    onset = top
    while onset > 0 and size[onset] > 0.2 * size[top]:
        onset -= 1
    st = beat[:, end + 15 : end + 20].mean(1) - base
    return Measured(
        rate=60 / float(rr.mean()),
        irregular=float(rr.std() / rr.mean()) if not early else 0.0,
        early=early,
        qrs=(end - start) / RATE,
        pr=(start - onset) / RATE,
        st=dict(zip(LEADS, st.tolist(), strict=True)),
        beat=beat,
    )


def drawn(number: int, *, noise: bool = False, seed: int = 8) -> tuple[frozenset[str], Strip]:
    has = conditions_of(seed, number)
    who = heart(np.random.default_rng([seed, number]), has)
    return has, strip(np.random.default_rng([seed, number, 1]), who, noise=noise)


@pytest.fixture(scope="module")
def hearts() -> list[tuple[frozenset[str], Measured]]:
    return [(has, measured(found)) for has, found in map(drawn, range(HEARTS))]


def test_einthoven_and_goldberger_hold() -> None:
    for number in range(4):
        _, found = drawn(number, noise=True)
        lead = dict(zip(LEADS, found.signal.astype(np.float64), strict=True))
        assert np.abs(lead["I"] + lead["III"] - lead["II"]).max() < 1e-6
        assert np.abs(lead["aVR"] + lead["aVL"] + lead["aVF"]).max() < 1e-6
        assert np.abs(lead["aVR"] + (lead["I"] + lead["II"]) / 2).max() < 1e-6
        assert np.abs(lead["aVF"] - (lead["II"] + lead["III"]) / 2).max() < 1e-6
        assert np.ptp(found.signal, axis=1).min() > 0.05 and found.signal.shape == (12, RATE * SECONDS)


def test_rate_is_as_labelled(hearts: list[tuple[frozenset[str], Measured]]) -> None:
    for has, found in hearts:
        if "PVC" not in has:  # the T waves of early beats are as large as beats
            assert (found.rate > 100) == ("TACHY" in has), (has, found.rate)
            assert (found.rate < 60) == ("BRADY" in has), (has, found.rate)


@pytest.mark.parametrize("fibrillating", [False, True])
def test_early_beats_leave_the_rate_as_it_is(fibrillating: bool) -> None:
    for rate in (40, 54, 66, 92, 107, 147):
        for seed in range(5):
            random = np.random.default_rng(seed)
            found = beats(
                random, rate=rate, sway=0.03, fibrillating=fibrillating, early=True, seconds=SECONDS
            )
            inside = (found.at >= 0) & (found.at < SECONDS)
            assert 60 / np.diff(found.at[inside]).mean() == pytest.approx(rate, rel=0.05)
            assert (np.diff(found.at) > 0.2).all() and 1 <= found.early[inside].sum() <= 4
            assert (found.early & inside & (found.at < SECONDS / 2)).any()


def test_fibrillation_is_irregular_and_has_no_p_wave(hearts: list[tuple[frozenset[str], Measured]]) -> None:
    for has, found in hearts:
        if "PVC" not in has:
            assert (found.irregular > 0.12) == ("AF" in has), (has, found.irregular)


def test_early_beats_are_there(hearts: list[tuple[frozenset[str], Measured]]) -> None:
    for has, found in hearts:
        assert (found.early > 0) == ("PVC" in has), (has, found.early)


def test_blocks_are_wide_and_look_like_it(hearts: list[tuple[frozenset[str], Measured]]) -> None:
    for has, found in hearts:
        block = {"RBBB", "LBBB"} & has
        assert (found.qrs > 0.12) == bool(block), (has, found.qrs)
        v1, v6 = found.beat[LEADS.index("V1")], found.beat[LEADS.index("V6")]
        if "RBBB" in has:  # a second R wave in V1
            late = slice(int((BEFORE + 0.03) * RATE), int((BEFORE + 0.1) * RATE))
            assert v1[late].max() > 0.25, v1[late].max()
        if "LBBB" in has:  # V1 goes down, V6 up, and without a Q wave
            qrs = slice(int((BEFORE - 0.06) * RATE), int((BEFORE + 0.1) * RATE))
            assert v1[qrs].mean() < -0.1 < 0.1 < v6[qrs].mean()


def test_pr_is_long_in_first_degree_block(hearts: list[tuple[frozenset[str], Measured]]) -> None:
    for has, found in hearts:
        if not {"AF", "TACHY"} & has:
            assert (found.pr > 0.2) == ("AVB1" in has), (has, found.pr)


@pytest.mark.parametrize(
    ("name", "leads"),
    [("STE_ANT", ("V2", "V3")), ("STE_INF", ("III", "aVF")), ("STE_LAT", ("V5", "V6"))],
)
def test_st_is_raised_in_the_leads_of_its_place(
    hearts: list[tuple[frozenset[str], Measured]], name: str, leads: tuple[str, ...]
) -> None:
    seen = 0
    for has, found in hearts:
        if not {"AF", "RBBB", "LBBB"} & has:  # f waves and blocks move the segment too
            raised = min(found.st[lead] for lead in leads)
            assert (raised > 0.1) == (name in has), (sorted(has), found.st)
            seen += name in has
    assert seen


def test_every_block_of_hearts_has_each_condition() -> None:
    for seed in (0, 7):
        blocks = [[conditions_of(seed, 12 * block + i) for i in range(12)] for block in range(20)]
        for block in blocks:
            assert sum(not has for has in block) == 2
            assert all(any(name in has for has in block) for name in CONDITIONS)
        every = [has for block in blocks for has in block]
        assert all(compatible(has) and len(has) <= len(MORE) for has in every)
        assert max(map(len, every)) == 3


def test_strips_of_a_heart_differ_and_a_seed_repeats_them() -> None:
    who = heart(np.random.default_rng(1), frozenset({"AF"}))
    one, again, other = (strip(np.random.default_rng(s), who).signal for s in (1, 1, 2))
    assert np.array_equal(one, again) and not np.array_equal(one, other)
