"""`benchmarks/versus.py --replay`: the sides on a recorded table, for many seeds; nothing is trained."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import table as tables
from processes import pool
from table import Recorded, Table
from versus_sides import PLAIN, SIDES, Course, Side, Trained, quartiles

from atml.formatting import table as text_table
from atml.models.config import ModelConfig
from atml.searching import pruning
from atml.training.records import ReportPoint

MARKS = (0.25, 0.5, 1.0)
"""Shares of the time after which each side's pick is looked at."""

DEAD = frozenset(("constant", "diverged"))


class Replayed:
    """Trains on paper: a config comes to what a recorded trial of a like config came to."""

    def __init__(self, table: Table, seed: int) -> None:
        self.table = table
        self._rng = np.random.default_rng(seed)

    def __call__(
        self, params: dict[str, Any], config: ModelConfig, go_on: Callable[[ReportPoint], bool]
    ) -> Trained:
        """Give the recorded trial's reports one by one, until the side ends it or it ended itself."""
        record, worth = self.table.draw(params, self._rng)
        last = seconds = 0.0
        whole = not record.constraints
        for step, last in record.steps.items():
            seconds = record.seconds[step]
            auc, spread = record.points.get(step, (math.nan, math.nan))
            fold, point = divmod(step, pruning.POINTS)
            if not go_on(ReportPoint(fold, pruning.FRACTIONS[point], last, auc=auc, spread=spread)):
                # Whoever has every fold behind it is finished, whatever is said of its last report.
                whole = whole and step == self.table.folds * pruning.POINTS - 1
                break
        ended_itself = record.constraints if step == max(record.steps) else {}
        return Trained(
            value=0.0 if "diverged" in ended_itself else last,
            seconds=seconds,
            whole=whole,
            broken=dict(ended_itself),
            learned=learned(record),
            worth=worth,
        )


def learned(record: Recorded) -> bool:
    """Whether a recorded trial learned in fold 1, by AUC and spread; without those, did not collapse."""
    end = record.points.get(pruning.POINTS - 1)
    if end is None:
        return not DEAD & record.constraints.keys()
    return end[0] >= pruning.LEARNED_AUC and end[1] >= pruning.LEAST_SPREAD


_table: Table | None = None


def _load(path: Path, space: Path | None) -> None:
    global _table
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    _table = tables.from_file(path, space)


def _courses(sides: list[str], seed: int, seconds: float) -> dict[str, Course]:
    assert _table is not None
    return {
        side: Side(SIDES[side], _table.definition, seed).search(Replayed(_table, seed), seconds)
        for side in sides
    }


def replay(
    path: Path, space: Path | None, sides: list[str], seeds: int, seconds: float, processes: int
) -> None:
    """Replay and print; interrupted, print the seeds that were finished."""
    _load(path, space)
    table = _table
    assert table is not None
    print(f"{table.about}; space {table.definition.space_path}")
    print(f"{len(table.records)} recorded trials; R squared of the forest out of sample {table.known:.2f}")
    if table.trainings > 1:
        print(f"Two trainings of one config differ: the standard deviation of one is {table.noise:.3f}.")
    if not any(record.points for record in table.records):
        print(
            "The table has no AUC and no spread: values are compared at 25% of fold 1 too, no trial ends for"
            " having learned nothing, and a trial that did not collapse counts as one that learned."
        )
    courses: dict[str, list[Course]] = {side: [] for side in sides}
    done = 0
    try:
        for found in _all(path, space, sides, seeds, seconds, processes):
            done += 1
            print(f"seed {done} of {seeds}", file=sys.stderr, flush=True)
            for side, course in found.items():
                courses[side].append(course)
    except KeyboardInterrupt:
        if not done:
            raise
    print(f"{done} seeds of {seconds:g} training seconds")
    print(rendered(courses, seconds))


def _all(
    path: Path, space: Path | None, sides: list[str], seeds: int, seconds: float, processes: int
) -> Iterator[dict[str, Course]]:
    """Yield the courses of one seed after another."""
    if processes == 1:
        yield from (_courses(sides, seed, seconds) for seed in range(seeds))
        return
    with pool(processes, _load, path, space) as several:
        jobs = [several.submit(_courses, sides, seed, seconds) for seed in range(seeds)]
        yield from (job.result() for job in jobs)


def rendered(courses: dict[str, list[Course]], seconds: float) -> str:
    """Write the tables."""
    rows = []
    for side, own in courses.items():
        row = [SIDES[side].name]
        if PLAIN in courses:
            for figure in ("worth", "value"):
                ratios = [
                    ratio(plain, course, figure) for plain, course in zip(courses[PLAIN], own, strict=True)
                ]
                row += [quartiles(ratios), f"{100 * np.mean(np.isinf(ratios)):.0f}%"]
        rows.append(row)
    heads = ["seconds to plain's best, ratio", "by the forest's mean", "never", "by the value seen", "never"]
    text = [text_table(heads if PLAIN in courses else heads[:1], rows), ""]
    rows = [["worth of the pick (forest's mean) after", *(f"{100 * m:.0f}% of the time" for m in MARKS)]]
    for side, own in courses.items():
        row = [SIDES[side].name]
        for mark in MARKS:
            picks = [course.pick(mark * seconds) for course in own]
            row.append(quartiles([-math.inf if p is None else p.worth for p in picks], 4))
        rows.append(row)
    text += [text_table(rows[0], rows[1:]), ""]
    rows = [["", "trials", "over every fold", "that learn", "seconds on trials that learned nothing"]]
    for side, own in courses.items():
        wasted = float(np.mean([c.wasted for c in own]))
        rows.append(
            [
                SIDES[side].name,
                f"{np.median([len(c.trials) for c in own]):.0f}",
                f"{np.median([sum(t.value > -math.inf for t in c.trials) for c in own]):.0f}",
                f"{100 * np.mean([c.learned for c in own]):.0f}%",
                f"{wasted:.0f} ({100 * wasted / seconds:.0f}%)",
            ]
        )
    text.append(text_table(rows[0], rows[1:]))
    return "\n".join(text)


def ratio(plain: Course, course: Course, figure: str) -> float:
    """Return the time to plain's last pick as a share of plain's own, inf where it is never reached.

    0 where plain picked nothing.
    """
    if not plain.picks():
        return 0.0
    best = getattr(plain.picks()[-1], figure)
    return course.until(figure, best) / plain.until(figure, best)
