"""Size against value: every trial over all folds, and those that no smaller one beats."""

from __future__ import annotations

import numpy as np

from atml.formatting import listed, plural, value
from atml.report import comparisons
from atml.report.charts import clip
from atml.report.comparisons import Sized
from atml.report.material import Material
from atml.report.page import Block, Chart, Empty
from atml.searching.ranking import kib_of, size_of


def sizes(material: Material) -> list[Block]:
    """Draw them by the objective."""
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
    figure = comparisons.sizes(found, "objective, out of fold")
    again = [one.judged for one in found if one.judged is not None]
    outside = clip(figure, [one.value for one in found] + again)
    return [Chart("size", figure, _front(material, found) + outside)]


def _steps(best: list[Sized]) -> str:
    told = [f"{one.value:.3f} at {one.kib:.1f} KiB (trial {one.number})" for one in best[-4:]]
    some = f", of which the {len(told)} largest are" if len(best) > len(told) else ":"
    return f"{plural(len(best), 'trial')} on the front{some} {', '.join(told)}"


def _front(material: Material, found: list[Sized]) -> str:
    best = comparisons.front(found)
    said = (
        f"{plural(len(found), 'trial')} ran over every fold; {_steps(best)}. These values helped to pick"
        " their trials, so they flatter them"
    )
    winner = material.winner
    files = " Sizes are as counted before training"
    files += (
        f"; the file of trial {winner.number} has {kib_of(material.best, winner.folder):.1f} KiB."
        if winner is not None and material.best is not None
        else "."
    )
    again = [one for one in found if one.judged is not None]
    if not again:
        return f"{said}; none was trained again on fresh seeds.{files}"
    before = float(np.mean([one.value for one in again]))
    after = float(np.mean([one.judged or 0.0 for one in again]))
    return (
        f"{said}: {plural(len(again), 'finalist')} again on fresh seeds (diamonds) have {value(after)} on"
        f" average, where these values have {value(before)}, all as trained. At the decision that ships they"
        f" have {listed([f'{value(v)} (trial {n})' for n, v in material.judged.items()])}.{files}"
    )
