"""Beats of a stream are found once each, where they are, whatever the blocks, the rate and the gain."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from atml.data.synthetic import beat_shapes
from atml.data.synthetic.generator import noise
from atml.data.synthetic.rhythms import RHYTHMS
from atml.ecg.beat_matching import match, samples
from atml.ecg.qrs import FASTEST, LATENCY_S, SLOWEST, QrsDetector, Widths, detect
from atml.ecg.resampling import resample

RATE = 250

RATES = (100, 125, 128, 180, 250, 257, 360, 500, 1000)


def ecg(
    at: npt.ArrayLike, seconds: float, rate: float = RATE, *, width: float = 0.012, t_wave: float = 0.25
) -> npt.NDArray[np.float64]:
    """Beats at times in s: R, an S half as deep, a P wave before, a T wave after; wander and noise."""
    t = np.arange(round(seconds * rate)) / rate
    x = 0.3 * np.sin(2 * np.pi * 0.25 * t) + np.random.default_rng(0).normal(0, 0.01, len(t))
    for peak in np.atleast_1d(at):
        for away, size, wide in ((0, 1, width), (0.03, -0.4, width), (-0.16, 0.12, 0.02)):
            x += size * np.exp(-(((t - peak - away) / wide) ** 2) / 2)
        x += t_wave * np.exp(-(((t - peak - 0.28) / 0.05) ** 2) / 2)
    return x


def of_rhythm(
    name: str, rate: float, seed: int = 0
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Two minutes of one of the project's own rhythms with its noise, and when its beats are, in s."""
    random = np.random.default_rng(seed)
    who = beat_shapes.heart(random, 1)
    activity = RHYTHMS[name](random, who, 120.0, round(120 * rate))
    x = beat_shapes.render(activity, who, round(120 * rate), rate, random)[0]
    beats = activity.at[activity.kind != beat_shapes.P_ALONE]
    return x + noise(random, 1, len(x), rate)[0], beats[(beats > 2) & (beats < 119)]


def found_all(found: npt.NDArray[np.int64], times: npt.ArrayLike, rate: float) -> tuple[int, int]:
    """How many beats were missed, and how many were found that are none."""
    truth = np.rint(np.asarray(times) * rate).astype(np.int64)
    matching = match(truth, found[found >= truth[0] - 0.15 * rate], samples(0.15, rate), end=int(truth[-1]))
    return len(matching.missed()), len(matching.extra())


TIMES = np.concatenate([0.5 + np.arange(12) * 0.8, [10.0, 10.5, 11.6, 12.4, 13.2]])


@pytest.mark.parametrize("rate", RATES)
def test_every_beat_is_found_once_at_its_peak(rate: int) -> None:
    found = detect(ecg(TIMES, 14, rate), rate)
    assert found.dtype == np.int64 and len(found) == len(TIMES)
    assert np.abs(found / rate - TIMES).max() <= max(0.004, 1.5 / rate)


@pytest.mark.parametrize("rhythm", ["N", "SBR", "AB", "B", "T", "AFIB", "SVTA"])
@pytest.mark.parametrize("rate", [125, 360])
def test_rhythms_with_noise(rhythm: str, rate: int) -> None:
    missed = extra = beats = 0
    for seed in range(3):
        x, times = of_rhythm(rhythm, rate, seed)
        a, b = found_all(detect(x, rate), times, rate)
        missed, extra, beats = missed + a, extra + b, beats + len(times)
    assert missed + extra <= 0.02 * beats, (missed, extra, beats)


@pytest.mark.parametrize("gain", [-1.0, 0.1, -0.1, 10.0])
def test_polarity_and_gain_change_nothing(gain: float) -> None:
    x = ecg(TIMES, 14)
    plain, changed = detect(x, RATE), detect(gain * x, RATE)
    assert np.array_equal(plain, changed) if gain == -1 else np.abs(plain - changed).max() <= 1


def test_an_offset_and_steep_wander_change_nothing() -> None:
    x, t = ecg(TIMES, 14), np.arange(14 * RATE) / RATE
    for more in (200.0, -30.0, 2 * np.sin(2 * np.pi * 0.4 * t), 0.5 * t):
        assert np.array_equal(detect(x + more, RATE), detect(x, RATE))


def pushed(x: npt.NDArray[np.float64], rate: float, lengths: list[int]) -> npt.NDArray[np.int64]:
    """Beats of a signal that is pushed in blocks of these lengths by turns; none comes later than told."""
    detector, found, at = QrsDetector(rate), [], 0
    for length in itertools.cycle(lengths):
        if at >= len(x):
            break
        found.append(detector.push(x[at : at + length]))
        at = min(len(x), at + length)
        assert (found[-1] > at - length - LATENCY_S * rate).all()
    return np.concatenate([*found, detector.end()])


@pytest.mark.parametrize("rate", [100, 360, 1000])
def test_blocks_of_any_length_give_the_same_beats_in_time(rate: int) -> None:
    x, _ = of_rhythm("AFIB", rate, 4)
    x = x[: 30 * rate]
    x[7 * rate : 7 * rate + 40] = np.nan
    x[9 * rate] = np.inf
    whole = detect(x, rate)
    assert len(whole) > 20 and (np.diff(whole) > 0).all()
    for lengths in ([1], [7, 1, 0, 113], [rate], [3 * rate + 1, 2]):
        some = x[: 4 * rate] if lengths == [1] else x
        assert np.array_equal(pushed(some, rate, lengths), detect(some, rate)), lengths


def test_a_detector_begins_anew_after_its_end() -> None:
    x, detector = ecg(TIMES, 14), QrsDetector(RATE)
    for _ in range(2):
        assert np.array_equal(np.concatenate([detector.push(x), detector.end()]), detect(x, RATE))
    assert len(QrsDetector(RATE).end()) == 0
    assert len(detect(np.zeros(0), RATE)) == 0 and len(detect(np.ones(3), RATE)) == 0


@pytest.mark.parametrize("value", [0.0, 3.7, -200.0, np.nan, np.inf, 1e300])
def test_nothing_beats_in_a_lead_that_is_off(value: float) -> None:
    assert len(detect(np.full(20 * RATE, value), RATE)) == 0


def test_a_gap_is_no_beat_and_the_beats_round_it_stay() -> None:
    x = ecg(TIMES, 14) + np.where(np.arange(14 * RATE) > 6 * RATE, 5.0, 0.0)  # and another offset after it
    x[round(5.95 * RATE) : round(6.05 * RATE)] = np.nan
    assert np.array_equal(detect(x, RATE), detect(ecg(TIMES, 14), RATE))
    x[: 2 * RATE] = np.nan
    assert found_all(detect(x, RATE), TIMES[2:], RATE) == (0, 0)


def test_a_long_pause_and_another_height_after_it() -> None:
    x = np.concatenate(
        [ecg(TIMES, 14), np.full(60 * RATE, np.nan), 0.15 * ecg(TIMES, 14), 4 * ecg(TIMES, 14)]
    )
    found = detect(x, RATE)
    assert not ((found > 14 * RATE) & (found < 74 * RATE)).any()
    # Smaller beats are found again within some seconds, larger ones at once.
    for begin, skipped in ((74, 8), (88, 0)):
        there = found[(found >= (begin + skipped) * RATE) & (found < (begin + 14) * RATE)] - begin * RATE
        assert found_all(there, TIMES[TIMES > skipped], RATE) == (0, 0), begin


def test_a_start_within_a_beat_costs_no_other() -> None:
    x = ecg(TIMES, 14)
    for begin in range(round(0.42 * RATE), round(0.62 * RATE), 3):
        found = detect(x[begin:], RATE)
        assert found_all(found[found > 0.3 * RATE], TIMES[1:] - begin / RATE, RATE) == (0, 0), begin


def test_tall_t_waves_and_p_waves_are_none() -> None:
    assert found_all(detect(ecg(TIMES, 14, t_wave=1.2), RATE), TIMES, RATE) == (0, 0)
    at = np.arange(1, 13, 1.1)
    tall_p = ecg(at, 14) + sum(
        0.5 * np.exp(-(((np.arange(14 * RATE) / RATE - one + 0.2) / 0.022) ** 2) / 2) for one in at
    )
    assert found_all(detect(tall_p, RATE), at, RATE) == (0, 0)


def test_small_beats_between_large_wide_ones() -> None:
    """Bigeminy: of each two beats one is a third as high, or three times as wide and high."""
    normal, ectopic = np.arange(1, 39, 1.6), np.arange(1.55, 39, 1.6)
    x = 0.5 * ecg(normal, 40) + 1.5 * ecg(ectopic, 40, width=0.035, t_wave=-0.5)
    assert found_all(detect(x, RATE), np.sort(np.concatenate([normal, ectopic])), RATE) == (0, 0)


def test_an_artefact_hides_no_beats() -> None:
    x = ecg(TIMES, 14)
    x[round(5.6 * RATE) : round(5.62 * RATE)] += 20
    missed, extra = found_all(detect(x, RATE), TIMES, RATE)
    assert missed == 0 and extra <= 1


def test_noise_between_beats() -> None:
    x = ecg(TIMES, 14) + np.random.default_rng(1).normal(0, 0.06, 14 * RATE)
    assert found_all(detect(x, RATE), TIMES, RATE) == (0, 0)


def test_the_code_of_the_docs() -> None:
    text = (Path(__file__).parents[2] / "docs" / "beats.md").read_text(encoding="utf-8")
    code = re.search(r"^```python\n(import numpy as np\nfrom atml\.ecg\.qrs .*?)^```", text, re.M | re.S)
    assert code is not None
    exec(code[1], {})


@pytest.mark.parametrize("rate", [SLOWEST - 1, FASTEST + 1, 0, -250, float("nan")])
def test_a_rate_that_is_none(rate: float) -> None:
    with pytest.raises(
        ValueError, match=r"^the sampling rate is .* Hz; beats are looked for at 100 to 1000 Hz"
    ):
        QrsDetector(rate)


def test_one_lead_at_a_time() -> None:
    with pytest.raises(ValueError, match="one lead"):
        QrsDetector(RATE).push(np.zeros((2, 5)))


def test_widths_hold_together_at_every_rate() -> None:
    """What is needed to decide is there by the time told, and is kept from block to block."""
    for rate in np.arange(SLOWEST, FASTEST + 0.1, 0.5):
        w = Widths.of(float(rate))
        assert w.smooth % 2 == w.energy % 2 == 1 and w.slope % 2 == 0
        assert w.reach + w.mean // 2 - w.delay <= w.apart
        assert w.latency <= LATENCY_S * rate and w.reach <= w.mean // 2
        assert w.energy << 21 < 2**31


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # of pandas, at wfdb
@pytest.mark.parametrize("rate", [360, 125])
def test_real_beats_where_cardiologists_put_them(real_data: object, rate: int) -> None:
    wfdb = pytest.importorskip("wfdb")
    missed = extra = beats = 0
    away = []
    for name in ("101", "119", "203", "208", "223"):
        base = f"{real_data}/mitdb/{name}"
        record = wfdb.rdrecord(base, sampto=12 * 60 * 360, channels=[0])
        notes = wfdb.rdann(base, "atr", sampto=12 * 60 * 360)
        true = np.array([s for s, c in zip(notes.sample, notes.symbol, strict=True) if c not in "+~|x"])
        true = np.rint(true * rate / 360).astype(np.int64)
        found = detect(resample(record.p_signal[:, 0], 360, rate), rate)
        matching = match(true, found, samples(0.15, rate), start=300 * rate, end=int(true[-1]))
        pairs = matching.pairs()
        away.append(found[pairs[:, 1]] - true[pairs[:, 0]])
        missed, extra, beats = (
            missed + len(matching.missed()),
            extra + len(matching.extra()),
            beats + len(pairs),
        )
    assert beats / (beats + missed) >= 0.997 and beats / (beats + extra) >= 0.996, (missed, extra)
    late = np.abs(np.concatenate(away)) * 1000 / rate
    assert np.median(late) <= 4 and np.percentile(late, 95) <= 20
