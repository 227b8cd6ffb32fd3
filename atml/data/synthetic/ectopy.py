"""Synthetic recordings of sinus rhythm with premature beats, each beat annotated."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from atml.data.formats.annotations import Marks
from atml.data.synthetic.beat_shapes import (
    ATRIAL,
    SINUS,
    VENTRICULAR,
    Activity,
    Heart,
    Random,
    from_intervals,
    heart,
    render,
    sinus_intervals,
)
from atml.data.synthetic.generator import SUBJECTS, noise
from atml.data.windowing import Recording
from atml.tasks.task import Task

VERSION = 1
"""Increased whenever the same seed draws something else."""

SECONDS = 420
"""Length of a recording: more than the learning period of ANSI/AAMI EC57, which is 300 s."""

SYMBOLS = {SINUS: "N", ATRIAL: "A", VENTRICULAR: "V"}
"""Symbols of the kinds of beats, as PhysioNet's annotations have them."""


def recordings(task: Task, split: str, seed: int = 0) -> Iterator[Recording]:
    """Draw the recordings of a split at the task's rate, one a subject, with beats of all three classes.

    Example:
        >>> task = Task(name="b", kind="multiclass", classes=("N", "S", "V"), sampling_rate=125, window=250,
        ...     after_beat=1.0)
        >>> first = next(recordings(task, "train"))
        >>> first.x.shape, first.marks.symbol[:3]
        ((1, 52500), ['A', 'N', 'N'])
    """
    samples = SECONDS * task.sampling_rate
    for number in range(SUBJECTS[split]):
        random = np.random.default_rng([seed, ("train", "test").index(split), number, 1])
        who = heart(random, task.leads)
        activity = _premature(random, who, samples)
        x = render(activity, who, samples, task.sampling_rate, random)
        x += noise(random, task.leads, samples, task.sampling_rate)
        sample = np.round(activity.at * task.sampling_rate).astype(np.int64)
        there = (sample >= 0) & (sample < samples)
        symbol = [SYMBOLS[kind] for kind in activity.kind[there].tolist()]
        marks = Marks(sample[there], symbol, np.zeros(len(symbol), np.int64), [""] * len(symbol))
        name = f"{split}{number}"
        yield Recording(name, name, task.sampling_rate, x.astype(np.float32), (), marks=marks)


def _premature(random: Random, who: Heart, samples: int) -> Activity:
    """Draw sinus rhythm in which some beats are early; a full pause follows a ventricular one."""
    rr = sinus_intervals(random, who, SECONDS, who.rate)
    kind = np.full(len(rr), SINUS)
    shares = random.uniform(0.03, 0.2, 2)
    draw = random.random(len(rr))
    kind[draw < shares[0]] = ATRIAL
    kind[(shares[0] <= draw) & (draw < shares.sum())] = VENTRICULAR
    early = kind != SINUS
    early[1:] &= ~early[:-1]
    early[0] = early[-1] = False
    kind[~early] = SINUS
    ventricular = kind[early] == VENTRICULAR
    cut = rr[early] * np.clip(random.normal(np.where(ventricular, 0.36, 0.28), 0.05), 0.1, 0.5)
    rr[early] -= cut
    rr[np.flatnonzero(early) + 1] += cut * np.where(ventricular, 1.0, 0.35)
    return from_intervals(rr, kind, SECONDS, samples)
