"""Hearts and their rhythms, drawn at random: the signal of a synthetic ECG before any noise.

Beats are sums of Gaussians round the R wave (McSharry et al., IEEE Trans Biomed Eng 50:289, 2003), with
the T wave moved by the square root of the RR interval. A rhythm decides when beats come, of which kind,
and what goes on between them; a heart decides what they look like in each lead.
A new rhythm is one more function in `RHYTHMS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Random = np.random.Generator

# Waves in order P, Q, R, S, T. Times in s from the R peak at an RR of 1 s; widths are standard deviations.
TIMES = np.array([-0.17, -0.032, 0.0, 0.032, 0.28])
WIDTHS = np.array([0.022, 0.009, 0.011, 0.011, 0.050])
# mV in leads as they look: II, I, V5, V1, V2 and aVR. A single-lead subject gets any of them.
LEADS = np.array(
    [
        [0.12, -0.06, 1.00, -0.18, 0.28],
        [0.08, -0.04, 0.65, -0.10, 0.20],
        [0.09, -0.10, 1.30, -0.30, 0.36],
        [0.06, 0.00, 0.25, -0.90, -0.08],
        [0.07, 0.00, 0.45, -1.10, 0.42],
        [-0.09, 0.05, -0.80, 0.12, -0.22],
    ]
)
OFTEN = np.array([0.4, 0.2, 0.15, 0.15, 0.05, 0.05])
"""How often a single lead looks like each of these."""
REFRACTORY = 0.28
"""Shortest RR interval that the atrioventricular node lets through, in s."""
SINUS, ATRIAL, CONDUCTED, VENTRICULAR = range(4)
"""Kinds of beat: sinus, premature from the atria, conducted with no P wave, from a ventricle."""


@dataclass(frozen=True)
class Activity:
    """What a rhythm does: beats at ``at (beats,)`` s of ``kind (beats,)``, and ``between (samples,)``.

    ``between`` is what goes on whatever the beats do, in mV: the f waves of fibrillating atria.
    """

    at: Float64
    kind: npt.NDArray[np.int64]
    between: Float64


@dataclass(frozen=True)
class Heart:
    """One subject: ``waves (leads, 5)`` in mV, ``ectopic (leads, 5)``, and how the rhythm behaves."""

    waves: Float64
    ectopic: Float64
    times: Float64
    widths: Float64
    rate: float
    """Resting heart rate, beats a minute."""
    breath: float
    """Respiratory rate, Hz."""
    sway: float
    """Share of the RR interval that breathing moves."""
    f_rate: float
    """Of the f waves, Hz."""
    f_size: float
    """Of the f waves, mV."""
    f_gain: Float64
    spread: float
    """Of RR in fibrillation: standard deviation of the logarithm of what exceeds the refractory time."""


def heart(random: Random, leads: int) -> Heart:
    """Draw a subject."""
    first = random.choice(len(LEADS), p=OFTEN)
    rows = (first + np.arange(leads)) % len(LEADS)
    waves = LEADS[rows] * random.lognormal(0.0, [0.25, 0.4, 0.15, 0.3, 0.3], (leads, 5))
    size = random.lognormal(0.1, 0.3)
    waves *= size
    if random.random() < 0.1:
        waves[:, 4] *= -0.6
    if random.random() < 0.1:
        waves[:, 0] *= 0.4  # a P wave that is hard to find
    sign = -np.sign(waves[:, 2:3] + waves[:, 3:4])
    big = np.abs(waves[:, 2:3]) + np.abs(waves[:, 3:4])
    ectopic = sign * big * np.array([[0.0, -0.1, 1.1, -0.3, -0.5]]) * random.lognormal(0, 0.2, (leads, 5))
    return Heart(
        waves=waves,
        ectopic=ectopic,
        times=TIMES * random.lognormal(0.0, 0.08, 5),
        widths=WIDTHS * random.lognormal(0.0, [0.2, 0.15, 0.15, 0.15, 0.2]),
        rate=float(random.uniform(62, 96)),
        breath=float(random.uniform(0.18, 0.35)),
        sway=float(random.uniform(0.015, 0.09)),
        f_rate=float(random.uniform(4.2, 8.5)),
        f_size=float(size * random.lognormal(-2.65, 0.35)),
        f_gain=random.lognormal(0.0, 0.3, leads),
        spread=float(random.uniform(0.36, 0.62)),
    )


def _sinus_intervals(random: Random, who: Heart, seconds: float, rate: float) -> Float64:
    """RR intervals in s: breathing, slow waves at 0.1 Hz and a little that is neither."""
    mean = 60.0 / rate
    beats = int(seconds / mean * 1.6) + 8
    t = mean * np.arange(beats)
    turn = random.uniform(0, 2 * np.pi, 2)
    swing = who.sway * np.sin(2 * np.pi * who.breath * t + turn[0])
    slow = 0.02 * np.sin(2 * np.pi * 0.1 * t + turn[1])
    drift = np.cumsum(random.normal(0, 0.004, beats))
    return np.asarray(
        mean * np.clip(1 + swing + slow + drift - drift.mean(), 0.6, 1.5) + random.normal(0, 0.006, beats)
    )


def _beats(intervals: Float64, kind: npt.NDArray[np.int64], seconds: float, samples: int) -> Activity:
    at = np.cumsum(intervals) - 1.0  # starts before the strip, so that its first second is like the others
    keep = at < seconds + 1.0
    return Activity(at[keep], kind[keep], np.zeros(samples))


def sinus(random: Random, who: Heart, seconds: float, samples: int) -> Activity:
    """Sinus rhythm with respiratory variation."""
    rr = _sinus_intervals(random, who, seconds, who.rate)
    return _beats(rr, np.full(len(rr), SINUS), seconds, samples)


def bradycardia(random: Random, who: Heart, seconds: float, samples: int) -> Activity:
    """Sinus rhythm below 60 a minute."""
    rr = _sinus_intervals(random, who, seconds, float(random.uniform(40, 58)))
    return _beats(rr, np.full(len(rr), SINUS), seconds, samples)


def _with_ectopics(
    random: Random,
    who: Heart,
    seconds: float,
    samples: int,
    early: npt.NDArray[np.bool_] | None,
    share: float,
    kind: int,
) -> Activity:
    """Sinus rhythm in which beats of ``kind`` come early; a ventricular one is followed by a full pause."""
    rr = _sinus_intervals(random, who, seconds, who.rate)
    if early is None:
        early = random.random(len(rr)) < share
        early[1:] &= ~early[:-1]
    early = np.resize(early, len(rr))
    early[-1] = False
    kinds = np.where(early, kind, SINUS)
    cut = rr[early] * random.normal(0.36 if kind == VENTRICULAR else 0.28, 0.05, int(early.sum()))
    rr[early] -= cut
    rr[np.flatnonzero(early) + 1] += cut * (1.0 if kind == VENTRICULAR else 0.35)
    return _beats(rr, kinds, seconds, samples)


def atrial_ectopy(random: Random, who: Heart, seconds: float, samples: int) -> Activity:
    """Sinus rhythm with atrial premature beats."""
    share = float(random.uniform(0.1, 0.3))
    return _with_ectopics(random, who, seconds, samples, None, share, ATRIAL)


def bigeminy(random: Random, who: Heart, seconds: float, samples: int) -> Activity:
    """Every second beat is ventricular."""
    return _with_ectopics(random, who, seconds, samples, np.array([False, True]), 0.0, VENTRICULAR)


def trigeminy(random: Random, who: Heart, seconds: float, samples: int) -> Activity:
    """Every third beat is ventricular."""
    return _with_ectopics(random, who, seconds, samples, np.array([False, False, True]), 0.0, VENTRICULAR)


def fibrillation(random: Random, who: Heart, seconds: float, samples: int) -> Activity:
    """Atrial fibrillation: irregularly irregular RR, no P wave, f waves."""
    mean = 60.0 / float(np.clip(random.normal(1.2 * who.rate, 14), 60, 160))
    beats = int(seconds / mean * 1.6) + 8
    rr = REFRACTORY + (mean - REFRACTORY) * random.lognormal(-(who.spread**2) / 2, who.spread, beats)
    t = np.arange(samples) * (seconds / samples)
    pace = who.f_rate * (1 + 0.06 * np.sin(2 * np.pi * random.uniform(0.1, 0.4) * t + random.uniform(0, 6)))
    pace += np.cumsum(random.normal(0, 1, samples)) * np.sqrt(t[1]) * 0.3
    phase = 2 * np.pi * np.cumsum(np.clip(pace, 4.0, 9.0)) * t[1] + random.uniform(0, 6)
    swell = 1 + 0.35 * np.sin(2 * np.pi * random.uniform(0.15, 0.6) * t + random.uniform(0, 6))
    waves = np.sin(phase) + 0.35 * np.sin(2 * phase + 0.6) + 0.15 * np.sin(3 * phase + 1.1)
    found = _beats(rr, np.full(beats, CONDUCTED), seconds, samples)
    return Activity(found.at, found.kind, who.f_size * swell * waves)


RHYTHMS: dict[str, Callable[[Random, Heart, float, int], Activity]] = {
    "N": sinus,
    "SBR": bradycardia,
    "AB": atrial_ectopy,
    "B": bigeminy,
    "T": trigeminy,
    "AFIB": fibrillation,
}
"""Rhythm name -> what it does. Names as in the contest sets."""

SHARES = {"N": 5.0, "SBR": 1.5, "AB": 1.5, "B": 0.75, "T": 0.75}
"""How often a rhythm is drawn among its class; 1 unless named."""


def render(activity: Activity, who: Heart, samples: int, rate: float, random: Random) -> Float64:
    """Draw an activity as each lead sees it, ``(leads, samples)`` in mV, with no noise."""
    leads = len(who.waves)
    out = np.empty((leads, samples))
    out[:] = activity.between * who.f_gain[:, None]
    if not len(activity.at):
        return out
    rr = np.diff(activity.at, prepend=activity.at[0] - 60.0 / who.rate)
    size = random.normal(1.0, 0.04, len(rr))
    for wave in range(5):
        amplitude = np.repeat(who.waves[:, wave : wave + 1], len(rr), axis=1)
        width = np.full(len(rr), who.widths[wave])
        shift = np.full(len(rr), who.times[wave])
        wide = activity.kind == VENTRICULAR
        amplitude[:, wide] = who.ectopic[:, wave : wave + 1]
        width[wide] *= 3.0 if wave < 4 else 1.4
        shift[wide] *= 2.2 if wave < 4 else 1.15
        if wave == 0:
            amplitude[:, np.isin(activity.kind, (CONDUCTED, VENTRICULAR))] = 0.0
            early = activity.kind == ATRIAL
            amplitude[:, early] *= -0.6  # another place in the atria, another P wave
            shift[early] *= 0.8
        if wave == 4:
            shift *= np.sqrt(np.clip(rr, 0.35, 1.6))
        reach = int(np.ceil(4 * width.max() * rate))
        centre = (activity.at + shift) * rate
        index = np.rint(centre).astype(np.int64)[:, None] + np.arange(-reach, reach + 1)
        bump = np.exp(-0.5 * ((index - centre[:, None]) / (width[:, None] * rate)) ** 2) * size[:, None]
        inside = (index >= 0) & (index < samples)
        for lead in range(leads):
            if np.any(amplitude[lead]):
                drawn = bump * amplitude[lead][:, None]
                out[lead] += np.bincount(index[inside], drawn[inside], minlength=samples)
    return out
