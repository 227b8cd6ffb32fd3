"""Hearts drawn at random as a moving dipole, so that the twelve leads of a beat agree with one another.

A wave is a Gaussian in time with a direction in space, a beat some seven of them (McSharry et al., IEEE Trans
Biomed Eng 50:289, 2003, with vectors for amplitudes; Sameni et al., EURASIP J Adv Signal Process 2007:43407).
What each lead sees of the dipole is the product with its vector (`twelve_leads.DOWER`), drawn a little
differently for each heart. The conditions change vectors, times and widths, as electrocardiography has it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atml.arrays import Float32, Floats
from atml.pages.beat_times import Beats, Random, beats
from atml.pages.twelve_leads import DOWER, twelve

RATE = 500
"""Samples a second of every signal that is drawn."""

SECONDS = 10
SAMPLES = RATE * SECONDS

SINUS, CONDUCTED, VENTRICULAR = range(3)
"""Beats that a wave belongs to: those with a P wave, all but ventricular ones, ventricular ones."""


@dataclass(frozen=True)
class Wave:
    """A Gaussian ``width`` s wide (standard deviation) at ``at`` s from the R peak, ``vector (3,)`` mV high.

    ``moves`` says that time and width follow the square root of the RR interval, as those of a T wave do.
    """

    at: float
    width: float
    vector: Floats
    beats: int = CONDUCTED
    moves: bool = False


@dataclass(frozen=True)
class DipoleHeart:
    """One subject: its waves, its leads and its habits.

    ``leads (8, 3)`` are the vectors of `twelve_leads.INDEPENDENT`; ``rate`` in beats a minute; ``pr`` in s
    from the start of the P wave to that of the QRS complex; ``elevation (3,)`` in mV the shift of the ST
    segment; ``flutter (3,)`` in mV the size of the f waves.
    """

    conditions: frozenset[str]
    waves: tuple[Wave, ...]
    leads: Floats
    rate: float
    sway: float
    pr: float
    elevation: Floats
    flutter: Floats
    f_rate: float


@dataclass(frozen=True)
class Strip:
    """Twelve leads ``signal (12, samples)`` in mV at `RATE`, and the beats in them."""

    signal: Float32
    beats: Beats


def _turned(random: Random, degrees: float) -> Floats:
    """Draw a rotation of space by some ``degrees`` round each axis, ``(3, 3)``."""
    out = np.eye(3)
    for axis, angle in enumerate(np.radians(random.normal(0, degrees, 3))):
        turn = np.eye(3)
        i, j = (axis + 1) % 3, (axis + 2) % 3
        turn[[i, i, j, j], [i, j, i, j]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
        out = out @ turn
    return np.asarray(out)


# Waves: time and width in s, then the vector to the left, to the feet and to the back in mV.
_NORMAL = (
    (-0.023, 0.009, (-0.13, -0.03, -0.22)),
    (0.000, 0.0125, (0.95, 0.75, 0.22)),
    (0.017, 0.011, (0.25, 0.15, 0.45)),
    (0.030, 0.010, (-0.14, -0.10, 0.20)),
)
_RIGHT_BLOCK = (
    (-0.023, 0.009, (-0.13, -0.03, -0.24)),
    (0.000, 0.0125, (0.90, 0.70, 0.12)),
    (0.022, 0.012, (0.12, 0.05, 0.30)),
    (0.058, 0.016, (-0.50, -0.02, -0.74)),
    (0.086, 0.015, (-0.28, 0.02, -0.28)),
)
_LEFT_BLOCK = (
    (-0.034, 0.013, (0.22, 0.14, 0.22)),
    (-0.002, 0.017, (0.72, 0.34, 0.70)),
    (0.038, 0.016, (0.62, 0.10, 0.72)),
    (0.072, 0.015, (0.48, 0.02, 0.34)),
)
_T = {"": (0.27, 0.20, -0.15), "RBBB": (0.26, 0.16, 0.12), "LBBB": (-0.20, 0.02, -0.30)}
_ELEVATION = {
    "STE_ANT": (0.03, 0.0, -0.20),
    "STE_INF": (-0.06, 0.26, 0.06),
    "STE_LAT": (0.27, -0.12, 0.12),
}


def heart(random: Random, conditions: frozenset[str]) -> DipoleHeart:
    """Draw a heart with these conditions of `conditions.CONDITIONS` and no others.

    Example:
        >>> drawn = heart(np.random.default_rng(0), frozenset({"BRADY"}))
        >>> drawn.rate < 60
        True
    """
    low, high = (106, 148) if "TACHY" in conditions else (38, 55) if "BRADY" in conditions else (65, 93)
    rate = float(random.uniform(low, high))
    rr = 60 / rate
    size = random.lognormal(0.05, 0.22)
    block = next((one for one in ("RBBB", "LBBB") if one in conditions), "")
    shape = {"": _NORMAL, "RBBB": _RIGHT_BLOCK, "LBBB": _LEFT_BLOCK}[block]
    turn, stretch = _turned(random, 5 if block else 9), random.uniform(0.94, 1.08)
    waves = [
        Wave(at * stretch, width * stretch, size * random.lognormal(0, 0.12) * turn @ np.array(vector))
        for at, width, vector in shape
    ]
    usual = np.sum([wave.width * wave.vector for wave in waves], axis=0)
    peak, t_size = random.uniform(0.27, 0.31) + (0.035 if block else 0.0), size * random.lognormal(0, 0.2)
    t = t_size * turn @ np.array(_T[block])
    waves += [
        Wave(peak - 0.055, 0.058, 0.45 * t, moves=True),
        Wave(peak, 0.038, 0.70 * t, moves=True),
    ]
    pr = float(random.uniform(0.225, 0.33) if "AVB1" in conditions else random.uniform(0.13, 0.175))
    if "AVB1" in conditions:
        pr = min(pr, max(0.225, 0.36 * rr))
    elif "TACHY" in conditions:
        pr = min(pr, 0.145)
    start = -0.042 if block != "LBBB" else -0.062
    p = start - pr + 0.05  # the middle of a P wave that begins 50 ms earlier
    p_size = size * random.lognormal(0, 0.2)
    waves += [
        Wave(p - 0.012, 0.017, p_size * np.array([0.03, 0.05, -0.05]), SINUS),
        Wave(p + 0.012, 0.019, p_size * np.array([0.07, 0.09, 0.035]), SINUS),
    ]
    waves += _ectopic(random, size, usual)
    elevation, depth = np.zeros(3), random.uniform(1.0, 1.7) * max(1.0, size)
    for name, vector in _ELEVATION.items():
        if name in conditions:
            elevation += depth * np.array(vector)
    if {"STE_INF", "STE_LAT"} <= conditions:
        elevation += depth * np.array([0.14, 0.12, 0.0])  # else each takes from the leads of the other
    f_size = random.uniform(0.05, 0.11) if "AF" in conditions else 0.0
    return DipoleHeart(
        conditions=conditions,
        waves=tuple(waves),
        leads=DOWER * random.normal(1.0, 0.06, (8, 1)) + random.normal(0, 0.02, (8, 3)),
        rate=rate,
        sway=float(random.uniform(0.005, 0.04)),
        pr=pr,
        elevation=elevation,
        flutter=f_size * np.array([0.15, 0.55, -0.8]) * random.choice([-1, 1]),
        f_rate=float(random.uniform(4.8, 7.5)),
    )


def _ectopic(random: Random, size: float, usual: Floats) -> list[Wave]:
    """Draw the shape of premature ventricular beats: wide, tall, with a T wave that points the other way.

    They spread in another direction than the ``usual (3,)`` of the heart.
    """
    while True:
        main = random.normal(0, 1, 3)
        main /= np.linalg.norm(main)
        if main @ usual < 0.1 * np.linalg.norm(usual):
            break
    main *= size * random.uniform(1.15, 1.5)
    aside = _turned(random, 20) @ main
    return [
        Wave(-0.045, 0.020, 0.35 * aside, VENTRICULAR),
        Wave(0.0, 0.026, main, VENTRICULAR),
        Wave(0.050, 0.024, 0.45 * aside, VENTRICULAR),
        Wave(0.235, 0.070, -0.22 * main, VENTRICULAR),
        Wave(0.290, 0.045, -0.24 * main, VENTRICULAR),
    ]


def strip(random: Random, who: DipoleHeart, *, noise: bool = True) -> Strip:
    """Draw `SECONDS` of a heart, at whole microvolts; another strip of it has the same conditions.

    Example:
        >>> random = np.random.default_rng(0)
        >>> strip(random, heart(random, frozenset())).signal.shape
        (12, 5000)
    """
    course = beats(
        random,
        rate=who.rate,
        sway=who.sway,
        fibrillating="AF" in who.conditions,
        early="PVC" in who.conditions,
        seconds=SECONDS,
    )
    eight = who.leads @ _dipole(random, who, course)
    if noise:
        eight += _noise(random)
    # Whole microvolts in the eight leads; half ones of aVR, aVL and aVF stay, so that the laws hold exactly.
    return Strip(twelve(np.round(eight * 500) / 500).astype(np.float32), course)


def _dipole(random: Random, who: DipoleHeart, course: Beats) -> Floats:
    """Return the dipole over time, ``(3, samples)`` in mV."""
    out = np.zeros((3, SAMPLES))
    root = np.sqrt(np.clip(course.rr, 0.3, 1.4))
    swell = random.normal(1.0, 0.03, len(course.at))
    with_p = ~course.early & ("AF" not in who.conditions)
    which = {SINUS: with_p, CONDUCTED: ~course.early, VENTRICULAR: course.early}
    for wave in who.waves:
        chosen = which[wave.beats]
        pull = root[chosen] if wave.moves else np.ones(chosen.sum())
        _add(out, course.at[chosen] + wave.at * pull, wave.width * pull, wave.vector, swell[chosen])
    t = np.arange(SAMPLES) / RATE
    if np.any(who.elevation):
        end = next(w.at for w in reversed(who.waves) if w.moves)
        joint = 0.044 if "RBBB" not in who.conditions else 0.105
        for at, pull in zip(course.at[~course.early], root[~course.early], strict=True):
            low, high = np.searchsorted(t, [at - 0.1, at + 0.9])
            s = t[low:high] - at
            level = _rise((s - joint) / 0.006) * (1 - _rise((s - (end + 0.01) * pull) / (0.042 * pull)))
            slope = 0.75 + 0.45 * np.clip(s / (end * pull), 0, 1)
            out[:, low:high] += who.elevation[:, None] * level * slope
    if np.any(who.flutter):
        wander = np.cumsum(random.normal(0, 1, SAMPLES)) / np.sqrt(RATE)
        phase = 2 * np.pi * (who.f_rate * t + 0.25 * wander)
        swing = np.interp(t, np.arange(SECONDS + 1), random.uniform(0.6, 1.3, SECONDS + 1))
        form = np.sin(phase) + 0.35 * np.sin(2 * phase + 0.7)
        out += who.flutter[:, None] * swing * form
    return out


def _rise(x: Floats) -> Floats:
    return np.asarray(0.5 + 0.5 * np.tanh(0.9 * x))


def _add(out: Floats, at: Floats, width: Floats, vector: Floats, size: Floats) -> None:
    """Add a Gaussian a beat at ``at (n,)`` s, ``width (n,)`` s wide, to ``out (3, samples)``."""
    if not len(at):
        return
    reach = int(np.ceil(4.5 * width.max() * RATE))
    index = np.rint(at * RATE).astype(np.int64)[:, None] + np.arange(-reach, reach + 1)
    bump = size[:, None] * np.exp(-0.5 * ((index / RATE - at[:, None]) / width[:, None]) ** 2)
    inside = (index >= 0) & (index < SAMPLES)
    out += vector[:, None] * np.bincount(index[inside], bump[inside], minlength=SAMPLES)


def _noise(random: Random) -> Floats:
    """Draw noise of the eight electrodes, ``(8, samples)`` in mV: wander, muscle, mains, amplifier."""
    t = np.arange(SAMPLES) / RATE
    out = random.normal(0, random.lognormal(-5.4, 0.4), (8, SAMPLES))
    muscle = random.lognormal(-4.7, 0.6)
    mains = random.lognormal(-5.6, 0.8) if random.random() < 0.3 else 0.0
    wander = random.lognormal(0.1, 0.6)
    hum = np.sin(2 * np.pi * 50 * t + random.uniform(0, 6.3))
    for lead in out:
        for hz in random.uniform(0.05, 0.4, 3):
            lead += wander * random.lognormal(-3.9, 0.5) * np.sin(2 * np.pi * hz * t + random.uniform(0, 6.3))
        lead += muscle * np.convolve(random.normal(0, 1, SAMPLES + 3), [0.3, 0.5, 0.5, 0.3], "valid")
        lead += mains * random.uniform(0.3, 1.0) * hum
    return out
