"""A synthetic ECG set, realistic enough to run a search without any data.

Subjects differ in wave shape, amplitude, heart rate and noise; some have windows of one class only, some of
all. Results on it show that the tool works; they say nothing about patients.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from atml.arrays import Float32, Int64, Strings
from atml.data.synthetic.beat_shapes import Float64, Random, heart, render
from atml.data.synthetic.rhythms import RHYTHMS, SHARES
from atml.errors import DataError
from atml.tasks.task import Task

VERSION = 3
"""Increased whenever the same seed draws something else."""

SUBJECTS = {"train": 24, "test": 8}
WINDOWS = 60
"""Windows of a subject, give or take 15."""

NOTE = "synthetic ECG from a generator, not from people: results say nothing about real recordings"


def noise(random: Random, leads: int, samples: int, rate: float) -> Float64:
    """Draw the noise of a recording, ``(leads, samples)`` in mV.

    It is the sum of baseline wander, mains hum, muscle activity and electronic noise.
    """
    t = np.arange(samples) / rate
    out = random.normal(0, random.lognormal(-4.6, 0.4), (leads, samples))
    mains = 2 * np.pi * random.choice([50.0, 60.0])
    knots = np.arange(0.0, t[-1] + 8.0, 4.0)
    for lead in range(leads):
        for hz in random.uniform(0.05, 0.5, 3):
            out[lead] += random.lognormal(-3.4, 0.6) * np.sin(2 * np.pi * hz * t + random.uniform(0, 6.3))
        out[lead] += random.lognormal(-5.0, 0.8) * np.sin(mains * t + random.uniform(0, 6.3))
        muscle = np.diff(random.normal(0, 1, samples + 1))  # the first difference raises high frequencies
        burst = np.interp(t, knots, random.lognormal(-1.2, 0.9, len(knots)))
        out[lead] += random.lognormal(-3.9, 0.6) * burst * muscle
    return out


def plan(random: Random, groups: Sequence[Sequence[str]], only: int | None) -> dict[str, int]:
    """Draw which rhythms a subject has and how many windows of each.

    Args:
        random: Generator of random numbers.
        groups: Names of the rhythms of each class.
        only: Index of the one class that the subject has windows of; None for windows of every class.
    """
    total = int(random.integers(WINDOWS - 15, WINDOWS + 16))
    if len(groups) == 2:
        share = random.uniform(0.12, 0.88)
        shares = np.array([share, 1 - share])
    else:
        shares = random.uniform(0.12, 0.88, len(groups))
    if only is not None:
        shares = np.arange(len(groups)) == only
    edges = np.rint(total * np.cumsum(shares)[:-1] / (shares.sum() if len(groups) > 2 else 1))
    counts: dict[str, int] = {}
    for names, part in zip(groups, np.diff(edges, prepend=0, append=total).astype(int).tolist(), strict=True):
        weights = np.array([SHARES.get(name, 1.0) for name in names])
        # Of each class a person has one usual rhythm, and sometimes a second, rarer one.
        usual, other = random.choice(len(names), 2, p=weights / weights.sum())
        first = round(part * random.uniform(0.6, 1.0))
        for name, count in ((names[usual], first), (names[other], part - first)):
            if count:
                counts[name] = counts.get(name, 0) + count
    return counts


def windows(random: Random, task: Task, counts: dict[str, int]) -> tuple[Float64, list[str]]:
    """Draw one subject with ``counts`` windows of each rhythm.

    Returns ``(n, leads, window)`` in mV and the rhythm of each window.
    """
    who = heart(random, task.leads)
    parts, names = [], []
    for rhythm, count in counts.items():
        samples = count * task.window
        activity = RHYTHMS[rhythm](random, who, samples / task.sampling_rate, samples)
        strip = render(activity, who, samples, task.sampling_rate, random)
        strip += noise(random, task.leads, samples, task.sampling_rate)
        parts.append(strip.reshape(task.leads, count, task.window).transpose(1, 0, 2))
        names += [rhythm] * count
    return np.concatenate(parts), names


def draw(
    task: Task, split: str, *, label: Callable[[str], int | None], seed: int = 0
) -> tuple[Float32, Int64, Strings, Strings]:
    """Draw a split: ``x (n, leads, window)`` in mV, ``y``, ``subject`` and ``rhythm``, each ``(n,)``.

    Every second subject has windows of all classes; the others take turns with one class each.

    Raises:
        DataError: The generator has no rhythm of one of the task's classes.
    """
    known = {name: label(name) for name in RHYTHMS}
    order = sorted(range(len(task.classes)), key=lambda klass: klass != task.positive)
    groups = [[name for name, klass in known.items() if klass == one] for one in order]
    if [] in groups:
        raise DataError(
            f"no synthetic ECG for task {task.name!r}: its label() knows none of {', '.join(RHYTHMS)} as "
            f"{task.classes[order[groups.index([])]]!r}; give --data"
        )
    x, y, subject, rhythm = [], [], [], []
    for number in range(SUBJECTS[split]):
        random = np.random.default_rng([seed, ("train", "test").index(split), number])
        only = number // 2 % len(groups) if number % 2 else None
        drawn, names = windows(random, task, plan(random, groups, only))
        x.append(drawn.astype(np.float32))
        y += [known[name] for name in names]
        rhythm += names
        subject += [f"{split}{number}"] * len(names)
    return np.concatenate(x), np.asarray(y, np.int64), np.array(subject), np.array(rhythm)
