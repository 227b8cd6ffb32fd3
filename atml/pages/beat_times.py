"""When the beats of a strip come: sinus rhythm or atrial fibrillation, with early beats or without."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atml.arrays import Bools, Floats

Random = np.random.Generator

BEFORE, AFTER = 1.5, 1.0
"""Seconds before and after a strip in which beats come too, so that its ends are like the rest."""

IRREGULAR = 0.14
"""Least standard deviation of the RR intervals of atrial fibrillation, as a share of their mean."""


@dataclass(frozen=True)
class Beats:
    """R peaks at ``at (beats,)`` s from the start of the strip, ascending; ``early`` marks ventricular ones.

    ``rr (beats,)`` are the intervals in s before each beat, of an early beat that of its neighbours.
    """

    at: Floats
    rr: Floats
    early: Bools


def beats(
    random: Random, *, rate: float, sway: float, fibrillating: bool, early: bool, seconds: float
) -> Beats:
    """Draw the beats of a strip.

    Args:
        random: Source of chance.
        rate: Mean rate, beats a minute; that of the strip is within 3% of it.
        sway: Respiratory variation of sinus rhythm, as a share of the RR interval.
        fibrillating: Irregular, as in atrial fibrillation.
        early: With two to four premature ventricular beats, the first in the first half.
        seconds: Length of the strip.
    """
    mean = 60.0 / rate
    count = int((seconds + BEFORE + AFTER) / mean) + 6
    while True:
        rr = _fibrillating(random, mean, count) if fibrillating else _sinus(random, mean, sway, count)
        at = np.cumsum(rr) - BEFORE - random.uniform(0, mean)
        inside = (at >= 0) & (at < seconds)
        if inside.sum() < 3:
            continue
        intervals = np.diff(at[inside])
        at = at * (mean / intervals.mean())  # the strip has the rate that it is to have
        inside = (at >= 0) & (at < seconds)
        if abs(np.diff(at[inside]).mean() / mean - 1) > 0.03:
            continue
        if not fibrillating or IRREGULAR < intervals.std() / intervals.mean() < 0.5:
            break
    rr = np.diff(at, prepend=at[0] - mean)
    which = np.zeros(len(at), np.bool_)
    if early:
        at, which = _with_early(random, at, mean, seconds)
    keep = (at > -BEFORE) & (at < seconds + AFTER)
    return Beats(at[keep], rr[keep], which[keep])


def _sinus(random: Random, mean: float, sway: float, count: int) -> Floats:
    t = mean * np.arange(count)
    breath = sway * np.sin(2 * np.pi * random.uniform(0.18, 0.33) * t + random.uniform(0, 6.3))
    return np.asarray(mean * (1 + breath + random.normal(0, 0.008, count)))


def _fibrillating(random: Random, mean: float, count: int) -> Floats:
    """Draw intervals that don't depend on one another: a refractory time and a lognormal rest."""
    refractory = 0.62 * mean if mean < 0.55 else 0.55 * mean
    rest = random.lognormal(0.0, random.uniform(0.5, 0.8), count)
    return np.asarray(refractory + (mean - refractory) * np.clip(rest / rest.mean(), 0.05, 3.0))


def _with_early(random: Random, at: Floats, mean: float, seconds: float) -> tuple[Floats, Bools]:
    """Let some beats come early; those after them come as if nothing had been: the pause is compensatory."""
    at, which = at.copy(), np.zeros(len(at), np.bool_)

    def put(low: float, high: float) -> None:
        """Move a beat forward, neither the first nor the last of the strip: the rate stays."""
        free = [
            i
            for i in range(1, len(at) - 1)
            if low <= at[i] < high
            and at[i - 1] > 0
            and at[i + 1] < seconds
            and not which[i - 1 : i + 2].any()
        ]
        if free:
            i = int(random.choice(free))
            gap = at[i] - at[i - 1]
            at[i] = at[i - 1] + min(max(random.uniform(0.5, 0.68) * mean, 0.34), 0.86 * gap)
            which[i] = True

    put(max(0.8, mean), min(seconds, 0.46 * seconds))
    for _ in range(int(random.integers(1, 4))):
        put(0.5 * seconds, seconds - 0.6)
    return at, which
