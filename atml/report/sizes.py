"""Size against value: every trial over all folds, and those that no smaller one beats."""

from __future__ import annotations

import numpy as np

from atml.formatting import listed, plural, value
from atml.metrics import f_beta
from atml.report import comparisons
from atml.report.comparisons import Sized
from atml.report.material import Material
from atml.report.page import Block, Chart, Empty
from atml.report.sections.task_description import task_of
from atml.searching.ranking import kib_of, size_of


def sizes(material: Material) -> list[Block]:
    """Draw them by the objective, and by F-beta where that is another value."""
    trials = [t for t in material.ranked if t.cost is not None and t.config is not None]
    if not trials:
        return [Empty("No trial has run over every fold and kept the budget yet.")]
    found = [
        Sized(
            t.number,
            size_of(t) / 1024,  # of all alike: only some have a file, which is a little smaller
            float(t.value or 0.0),
            t.config.describe() if t.config else "",
            material.repeated(t.number),
        )
        for t in trials
    ]
    blocks: list[Block] = [
        Chart("size", comparisons.sizes(found, "objective, out of fold"), _front(material, found))
    ]
    pooled, own, task = [], [], task_of(material)
    for one, trial in zip(found, trials, strict=True):
        four = trial.result.get("metrics", {})
        # F-beta is about a positive class.
        if "precision" in four and task is not None and task.positive is not None:
            pooled.append(
                Sized(one.number, one.kib, float(f_beta(four["precision"], four["recall"])), one.what)
            )
            own.append(one.value)
    if pooled and not np.allclose([one.value for one in pooled], own, atol=1e-6):
        best = comparisons.front(pooled)
        says = (
            "The same trials by F-beta (beta 2) over all windows, untuned, which is not the"
            f" objective of the search: {_steps(best)}."
        )
        blocks.append(Chart("size-f-beta", comparisons.sizes(pooled, "F-beta (beta 2), out of fold"), says))
    return blocks


def _steps(best: list[Sized]) -> str:
    told = [f"{one.value:.3f} at {one.kib:.1f} KiB (trial {one.number})" for one in best[-4:]]
    some = f", of which the {len(told)} largest are" if len(best) > len(told) else ":"
    return f"{plural(len(best), 'trial')} on the front{some} {', '.join(told)}"


def _front(material: Material, found: list[Sized]) -> str:
    best = comparisons.front(found)
    said = (
        f"{plural(len(found), 'trial')} ran over every fold; {_steps(best)}. Each of"
        " these values helped to pick its trial, so it looks better than it is"
    )
    winner = material.winner
    files = " Sizes are as counted before training, for all alike"
    files += (
        f"; the file of trial {winner.number} has {kib_of(material.best, winner.folder):.1f} KiB."
        if winner is not None and material.best is not None
        else "."
    )
    again = [one for one in found if one.judged is not None]
    if not again:
        return f"{said}; none was trained again on fresh seeds. All are untuned.{files}"
    before = float(np.mean([one.value for one in again]))
    after = float(np.mean([one.judged or 0.0 for one in again]))
    return (
        f"{said}; diamonds are the same config on fresh seeds, for {plural(len(again), 'finalist')}"
        f" {value(after)} on average, where these values have {value(before)}. All of these are untuned;"
        " finalists are chosen at the decision that ships, and have"
        f" {listed([f'{value(v)} (trial {n})' for n, v in material.judged.items()])}.{files}"
    )
