"""The rhythms of synthetic hearts: when beats come, their kind, and the activity between them.

This module has the supraventricular rhythms, and `RHYTHMS`, the table of all. A new rhythm is one more
function in that table: it takes a strip's length in s and in samples and returns an `Activity`, of which
`beat_shapes.render` makes a signal.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from atml.data.synthetic import ventricular
from atml.data.synthetic.beat_shapes import (
    ABERRANT,
    ATRIAL,
    CONDUCTED,
    DELAYED,
    SINUS,
    VENTRICULAR,
    Activity,
    Heart,
    Random,
    from_intervals,
    sinus_intervals,
    steady,
)

REFRACTORY = 0.28
"""Shortest RR interval that the atrioventricular node conducts in atrial fibrillation, in s."""


def sinus(random: Random, who: Heart, seconds: float, samples: int) -> Activity:
    """Sinus rhythm with respiratory variation."""
    rr = sinus_intervals(random, who, seconds, who.rate)
    return from_intervals(rr, np.full(len(rr), SINUS), seconds, samples)


def bradycardia(random: Random, who: Heart, seconds: float, samples: int) -> Activity:
    """Sinus rhythm below 60 a minute."""
    rr = sinus_intervals(random, who, seconds, float(random.uniform(40, 58)))
    return from_intervals(rr, np.full(len(rr), SINUS), seconds, samples)


def _with_ectopics(
    random: Random,
    who: Heart,
    seconds: float,
    samples: int,
    early: npt.NDArray[np.bool_] | None,
    share: float,
    kind: int,
) -> Activity:
    """Sinus rhythm with premature beats of ``kind``; a full pause follows a ventricular one."""
    rr = sinus_intervals(random, who, seconds, who.rate)
    if early is None:
        early = random.random(len(rr)) < share
        early[1:] &= ~early[:-1]
    early = np.resize(early, len(rr))
    early[-1] = False
    kinds = np.where(early, kind, SINUS)
    cut = rr[early] * random.normal(0.36 if kind == VENTRICULAR else 0.28, 0.05, int(early.sum()))
    rr[early] -= cut
    rr[np.flatnonzero(early) + 1] += cut * (1.0 if kind == VENTRICULAR else 0.35)
    return from_intervals(rr, kinds, seconds, samples)


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
    found = from_intervals(rr, np.full(beats, CONDUCTED), seconds, samples)
    return Activity(found.at, found.kind, who.f_size * swell * waves)


def flutter(random: Random, who: Heart, seconds: float, samples: int) -> Activity:
    """Atrial flutter: a saw-tooth of 4 to 5.7 Hz; every second, third or fourth wave is conducted."""
    cycle = 1 / float(random.uniform(4.0, 5.7))
    teeth = int(seconds / cycle * 1.1) + 20
    if random.random() < 0.6:
        ratio = np.full(teeth, random.choice([2, 3, 4], p=[0.4, 0.2, 0.4]))
    else:
        ratio = random.choice([2, 3, 4], teeth, p=[0.4, 0.2, 0.4])
    found = from_intervals(cycle * ratio, np.full(teeth, CONDUCTED), seconds, samples)
    phase = 2 * np.pi * (np.arange(samples) * (seconds / samples) / cycle + random.random())
    tooth = sum(np.sin(n * phase) / n for n in range(1, 5))
    at = found.at + random.normal(0, 0.004, len(found.at))
    return Activity(at, found.kind, who.f_size * random.uniform(0.9, 1.6) * np.asarray(tooth))


def supraventricular_tachycardia(random: Random, who: Heart, seconds: float, samples: int) -> Activity:
    """Regular, 150 to 220 a minute, no visible P wave; wide complexes in one person in four."""
    mean = 60.0 / float(random.uniform(150, 220))
    kind = ABERRANT if random.random() < 0.25 else CONDUCTED
    return steady(random, mean, 0.012, kind, seconds, samples)


def junctional(random: Random, who: Heart, seconds: float, samples: int) -> Activity:
    """Junctional rhythm: regular, narrow, without P waves; 40 to 60 a minute, or accelerated to 100."""
    rate = random.uniform(40, 60) if random.random() < 0.6 else random.uniform(60, 100)
    return steady(random, 60.0 / float(rate), 0.02, CONDUCTED, seconds, samples)


def first_degree_block(random: Random, who: Heart, seconds: float, samples: int) -> Activity:
    """Sinus rhythm with a PR interval above 200 ms."""
    rr = sinus_intervals(random, who, seconds, min(who.rate, 85.0))
    return from_intervals(rr, np.full(len(rr), DELAYED), seconds, samples)


RHYTHMS: dict[str, Callable[[Random, Heart, float, int], Activity]] = {
    "N": sinus,
    "SBR": bradycardia,
    "AB": atrial_ectopy,
    "B": bigeminy,
    "T": trigeminy,
    "AFIB": fibrillation,
    "AFL": flutter,
    "SVTA": supraventricular_tachycardia,
    "NOD": junctional,
    "BI": first_degree_block,
    "IVR": ventricular.escape,
    "PM": ventricular.paced,
    "ASYS": ventricular.asystole,
    "VT": ventricular.tachycardia,
    "VFL": ventricular.flutter,
    "VF": ventricular.fibrillation,
}
"""Functions by rhythm name, as in the contest sets and PhysioNet's annotations."""

SHARES = {
    **{"N": 5.0, "SBR": 1.5, "AB": 1.5, "B": 0.75, "T": 0.75, "AFL": 0.7, "SVTA": 0.9, "NOD": 0.4, "BI": 0.6},
    **{"IVR": 0.5, "PM": 0.5, "ASYS": 0.9, "VT": 1.0, "VFL": 0.4, "VF": 1.0},
}
"""Weight of a rhythm within its class; 1 unless listed."""
