"""Hearts drawn at random, and the shape of their beats in each lead, without noise.

A beat is a sum of Gaussians around the R peak (McSharry et al., IEEE Trans Biomed Eng 50:289, 2003); the T
wave moves with the square root of the RR interval. The `Heart` determines the shape of a beat in each lead;
the rhythms in `rhythms` and `ventricular` determine when beats come and of which kind they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Random = np.random.Generator

# Waves in order P, Q, R, S, T. Times in s from the R peak at an RR of 1 s; widths are standard deviations.
TIMES = np.array([-0.17, -0.032, 0.0, 0.032, 0.28])
WIDTHS = np.array([0.022, 0.009, 0.011, 0.011, 0.050])
# Amplitudes in mV, one row a lead: II, I, V5, V1, V2 and aVR. A single-lead subject gets any of them.
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
"""Probability of each row of `LEADS` for the first lead of a subject."""

SINUS, ATRIAL, CONDUCTED, VENTRICULAR, DELAYED, ABERRANT, PACED, P_ALONE = range(8)
"""Kinds of beat: sinus; atrial premature; conducted without a P wave; ventricular; sinus with a long PR
interval; conducted without a P wave through a blocked bundle branch; ventricular, after a pacemaker's spike;
a P wave without a QRS complex."""

WIDE = (VENTRICULAR, PACED)
"""Kinds that originate in a ventricle."""

WITHOUT_P = (CONDUCTED, ABERRANT, *WIDE)

SPIKE_AT, SPIKE_WIDTH = -0.075, 0.0025
"""Time from the R peak and standard deviation of a pacemaker's spike, in s."""


@dataclass(frozen=True)
class Activity:
    """The course of a rhythm: beats at ``at (beats,)`` s of ``kind (beats,)``, and ``between``.

    ``between (samples,)`` or ``(leads, samples)`` in mV is independent of the beats: the waves of
    fibrillating atria or ventricles. ``size`` scales the amplitude of beats, ``(beats,)``, ``(leads, beats)``
    or one number for all; ``stretch`` scales the width of ventricular beats.
    """

    at: Float64
    kind: npt.NDArray[np.int64]
    between: Float64
    size: Float64 | float = 1.0
    stretch: float = 1.0


@dataclass(frozen=True)
class Heart:
    """One subject: amplitudes in mV of ``waves (leads, 5)`` and ``ectopic (leads, 5)`` beats, and habits.

    ``times (5,)`` and ``widths (5,)`` in s are those of the five waves, ``f_gain (leads,)`` scales f waves.
    """

    waves: Float64
    ectopic: Float64
    times: Float64
    widths: Float64
    rate: float
    """Resting heart rate, beats a minute."""
    breath: float
    """Respiratory rate, Hz."""
    sway: float
    """Amplitude of respiratory variation, as a share of the RR interval."""
    f_rate: float
    """Frequency of f waves, Hz."""
    f_size: float
    """Amplitude of f waves, mV."""
    f_gain: Float64
    spread: float
    """Standard deviation of the logarithm of RR minus the refractory time, in atrial fibrillation."""
    delay: float
    """Seconds that first-degree block adds to the PR interval."""
    size: float
    """Scale of all amplitudes; 1 is typical."""


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
        delay=float(random.uniform(0.06, 0.17)),
        size=float(size),
    )


def sinus_intervals(random: Random, who: Heart, seconds: float, rate: float) -> Float64:
    """Draw RR intervals in s: respiratory variation, slow waves at 0.1 Hz, drift and jitter."""
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


def from_intervals(intervals: Float64, kind: npt.NDArray[np.int64], seconds: float, samples: int) -> Activity:
    """Place beats of ``kind`` at ``intervals`` in s, starting a second before the strip."""
    at = np.cumsum(intervals) - 1.0  # so that the first second of the strip is like the others
    keep = at < seconds + 1.0
    return Activity(at[keep], kind[keep], np.zeros(samples))


def steady(random: Random, mean: float, spread: float, kind: int, seconds: float, samples: int) -> Activity:
    """Place beats ``mean`` s apart, with a relative standard deviation of ``spread``."""
    beats = int((seconds + 4) / mean * 1.2) + 8
    rr = mean * np.clip(random.normal(1, spread, beats), 0.8, 1.25)
    return from_intervals(rr, np.full(beats, kind), seconds, samples)


def smooth(random: Random, samples: int, dt: float, every: float) -> Float64:
    """Draw a smooth random curve ``(samples,)`` through standard normal values ``every`` s apart."""
    t = np.arange(samples) * dt / every
    knots = random.normal(0, 1, int(t[-1]) + 2)
    low = t.astype(np.int64)
    part = t - low
    part = part * part * (3 - 2 * part)
    return np.asarray(knots[low] * (1 - part) + knots[low + 1] * part)


def render(activity: Activity, who: Heart, samples: int, rate: float, random: Random) -> Float64:
    """Return the signal of an activity in each lead, ``(leads, samples)`` in mV, without noise."""
    leads = len(who.waves)
    out = np.empty((leads, samples))
    out[:] = activity.between * who.f_gain[:, None]
    if not len(activity.at):
        return out
    kind = activity.kind
    wide = np.isin(kind, WIDE)
    rr = _since_the_last(activity, 60.0 / who.rate)
    size = random.normal(1.0, 0.04, len(rr)) * np.broadcast_to(activity.size, (leads, len(rr)))
    for wave in range(5):
        amplitude = np.repeat(who.waves[:, wave : wave + 1], len(rr), axis=1)
        width = np.full(len(rr), who.widths[wave])
        shift = np.full(len(rr), who.times[wave])
        amplitude[:, wide] = who.ectopic[:, wave : wave + 1]
        width[wide] *= (3.0 if wave < 4 else 1.4) * activity.stretch
        shift[wide] *= (2.2 if wave < 4 else 1.15) * activity.stretch
        if wave == 0:
            amplitude[:, np.isin(kind, WITHOUT_P)] = 0.0
            early = kind == ATRIAL
            amplitude[:, early] *= -0.6  # it starts elsewhere in the atria
            shift[early] *= 0.8
            shift[kind == DELAYED] -= who.delay
        else:
            amplitude[:, kind == P_ALONE] = 0.0
            if wave < 4:
                width[kind == ABERRANT] *= 2.4
                shift[kind == ABERRANT] *= 2.0
        if wave == 4:
            shift *= np.sqrt(np.clip(rr, 0.3, 1.6))
        _add(out, activity.at + shift, width, amplitude * size, rate)
    paced = kind == PACED
    if paced.any():
        at = activity.at[paced] + SPIKE_AT * activity.stretch
        height = 0.7 * np.sign(who.waves[:, 2:3]) * np.abs(who.waves).max(axis=1, keepdims=True)
        _add(out, at, np.full(len(at), SPIKE_WIDTH), np.repeat(height, len(at), axis=1), rate)
    return out


def _since_the_last(activity: Activity, first: float) -> Float64:
    """Return the RR interval in s that ends at each beat, ``(beats,)``; lone P waves are no beats."""
    rr = np.full(len(activity.at), first)
    beats = activity.kind != P_ALONE
    if beats.any():
        at = activity.at[beats]
        rr[beats] = np.diff(at, prepend=at[0] - first)
    return rr


def _add(out: Float64, at: Float64, width: Float64, amplitude: Float64, rate: float) -> None:
    """Add Gaussians at ``at (n,)`` s, ``width (n,)`` s wide, ``amplitude (leads, n)`` mV high, to ``out``."""
    samples = out.shape[1]
    reach = int(np.ceil(4 * width.max() * rate))
    centre = at * rate
    index = np.rint(centre).astype(np.int64)[:, None] + np.arange(-reach, reach + 1)
    bump = np.exp(-0.5 * ((index - centre[:, None]) / (width[:, None] * rate)) ** 2)
    inside = (index >= 0) & (index < samples)
    for lead in range(len(out)):
        if np.any(amplitude[lead]):
            drawn = bump * amplitude[lead][:, None]
            out[lead] += np.bincount(index[inside], drawn[inside], minlength=samples)
