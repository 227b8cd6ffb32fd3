"""Ventricular rhythms of synthetic hearts, and asystole."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from atml.data.synthetic.beat_shapes import (
    P_ALONE,
    PACED,
    SINUS,
    VENTRICULAR,
    Activity,
    Float64,
    Heart,
    Random,
    from_intervals,
    sinus_intervals,
    smooth,
    steady,
)

HZ = (3.0, 7.0)
"""Dominant frequency of ventricular fibrillation, in Hz."""


def fibrillation(random: Random, who: Heart, seconds: float, samples: int) -> Activity:
    """Ventricular fibrillation: no beats, waves of varying frequency that weaken over minutes.

    It starts coarse in most people and fine in some, and ends fine in all. Each lead shows its own mix of
    three wavelets whose frequencies, amplitudes and phases drift independently.
    """
    dt, leads = seconds / samples, len(who.waves)
    t = np.arange(samples) * dt
    fine = random.random() < 0.25
    size = random.uniform(0.01, 0.035) if fine else who.size * random.lognormal(-0.9, 0.35)
    size = size * np.exp(-t / random.uniform(120, 400)) + 0.035
    centre = random.uniform(3.6, 4.8) if fine else random.uniform(4.0, 6.2)
    out = np.zeros((leads, samples))
    for ratio, part in ((1.0, 1.0), (random.uniform(0.6, 0.85), 0.4), (random.uniform(1.15, 1.5), 0.45)):
        hz = np.clip(centre * ratio + 0.45 * smooth(random, samples, dt, 1.3), *HZ)
        phase = 2 * np.pi * np.cumsum(hz) * dt + 0.9 * smooth(random, samples, dt, 0.5)
        for lead in range(leads):
            own = phase + random.uniform(0, 6.3) + 0.5 * smooth(random, samples, dt, 0.9)
            wave = np.sin(own) + 0.22 * np.sin(2 * own + 0.8)
            out[lead] += part * np.exp(0.5 * smooth(random, samples, dt, 0.8)) * wave
    return Activity(np.empty(0), np.empty(0, np.int64), 0.75 * size * out)


def flutter(random: Random, who: Heart, seconds: float, samples: int) -> Activity:
    """Ventricular flutter: close to a sine wave, 200 to 300 a minute, without a baseline between waves."""
    dt, leads = seconds / samples, len(who.waves)
    hz = random.uniform(3.4, 4.9) * (1 + 0.015 * smooth(random, samples, dt, 3.0))
    phase = 2 * np.pi * np.cumsum(hz) * dt
    swell = who.size * random.lognormal(-0.6, 0.3) * np.exp(0.15 * smooth(random, samples, dt, 2.0))
    out = np.empty((leads, samples))
    for lead in range(leads):
        own = phase + random.uniform(0, 6.3)
        out[lead] = np.sin(own) + random.uniform(0.1, 0.3) * np.sin(2 * own + random.uniform(0, 6.3))
    return Activity(np.empty(0), np.empty(0, np.int64), swell * out)


def tachycardia(random: Random, who: Heart, seconds: float, samples: int) -> Activity:
    """Ventricular tachycardia: wide complexes, 120 to 250 a minute, most above 150.

    In most people monomorphic, sometimes with dissociated P waves; in one person in five a torsade de
    pointes, whose complexes grow, shrink and change sign over seconds.
    """
    twists = random.random() < 0.2
    rate = random.uniform(180, 250) if twists else np.clip(random.normal(185, 30), 120, 250)
    found = steady(random, 60.0 / float(rate), 0.05 if twists else 0.015, VENTRICULAR, seconds, samples)
    stretch = float(random.uniform(0.85, 1.35)) * min(1.0, float(np.sqrt(170 / rate)))
    if twists:
        turn = 2 * np.pi * found.at / random.uniform(2.5, 6.0) + random.normal(0, 0.3, len(found.at))
        lag = random.uniform(0, 6.3, (len(who.waves), 1))
        return Activity(found.at, found.kind, found.between, 1.3 * np.sin(turn + lag), stretch)
    if random.random() < 0.4:
        found = _with_p_waves(random, who, found, seconds, samples)
    # Upward or downward, depending on where in the ventricles the beats start.
    size = random.choice([-1.0, 1.0]) * float(random.uniform(0.7, 1.3))
    return Activity(found.at, found.kind, found.between, size, stretch)


def escape(random: Random, who: Heart, seconds: float, samples: int) -> Activity:
    """Idioventricular rhythm: wide, 25 to 45 a minute, or accelerated to 60 to 100."""
    rate = random.uniform(25, 45) if random.random() < 0.6 else random.uniform(60, 100)
    found = steady(random, 60.0 / float(rate), 0.03, VENTRICULAR, seconds, samples)
    return Activity(found.at, found.kind, found.between, 1.0, float(random.uniform(0.9, 1.2)))


def paced(random: Random, who: Heart, seconds: float, samples: int) -> Activity:
    """Paced rhythm: a spike before each wide complex, exactly regular; some people have own beats too."""
    mean = 60.0 / float(random.uniform(60, 85))
    beats = int((seconds + 4) / mean * 1.2) + 8
    own = random.random(beats) < random.choice([0.0, 0.25])
    rr = np.where(own, mean * random.uniform(0.7, 0.95, beats), mean)
    return from_intervals(rr, np.where(own, SINUS, PACED), seconds, samples)


def asystole(random: Random, who: Heart, seconds: float, samples: int) -> Activity:
    """Asystole: below 0.1 mV, in some people with small P waves or an occasional agonal beat."""
    at, kind, size = np.empty(0), np.empty(0, np.int64), np.empty(0)
    if random.random() < 0.3:
        at = np.cumsum(sinus_intervals(random, who, seconds, who.rate * 0.8)) - 1.0
        at = at[at < seconds + 1.0]
        at = at[smooth(random, samples, seconds / samples, 15.0)[_index(at, seconds, samples)] > 0]
        kind = np.full(len(at), P_ALONE)
        size = np.full(len(at), 0.06 / np.abs(who.waves[:, 0]).max())
    if random.random() < 0.3:
        dying = np.cumsum(random.uniform(8, 40, int(seconds / 8) + 1))
        dying = dying[dying < seconds]
        at = np.append(at, dying)
        kind = np.append(kind, np.full(len(dying), VENTRICULAR))
        size = np.append(size, random.uniform(0.3, 0.7, len(dying)))
    order = np.argsort(at)
    return Activity(at[order], kind[order], np.zeros(samples), size[order], float(random.uniform(1.2, 1.7)))


def _index(at: Float64, seconds: float, samples: int) -> npt.NDArray[np.int64]:
    return np.clip(at / seconds * samples, 0, samples - 1).astype(np.int64)


def _with_p_waves(random: Random, who: Heart, found: Activity, seconds: float, samples: int) -> Activity:
    """Add P waves that are dissociated from the ventricles."""
    rr = sinus_intervals(random, who, seconds, who.rate)
    own = from_intervals(rr, np.full(len(rr), P_ALONE), seconds, samples)
    at = np.append(found.at, own.at)
    order = np.argsort(at)
    return Activity(at[order], np.append(found.kind, own.kind)[order], found.between)
