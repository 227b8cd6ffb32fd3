"""Over- or underfitting, said with its numbers: values on trained and held-out subjects, and the trend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from atml.artifacts.card import fitted
from atml.data.cases import case_of
from atml.formatting import figure, less_or_more, mean, sentence
from atml.formatting import gap as printed_gap
from atml.report import comparisons
from atml.report.charts import clip
from atml.report.material import Material
from atml.report.page import Block, Chart, Empty, Grid, Text
from atml.report.sections.task_description import task_of


@dataclass(frozen=True)
class Run:
    """One training over the folds: its seed, each fold's value held out and trained on, and its curves."""

    seed: int
    held_out: tuple[float, ...]
    trained: tuple[float, ...]
    curves: tuple[tuple[tuple[float, float, float], ...], ...]


def runs_of(material: Material) -> list[Run]:
    """Return the trainings that the winner is judged by: the card's, or those that the study keeps."""
    winner, best = material.winner, material.best
    if winner is not None and winner.metrics.get("runs"):
        kept: Sequence[Mapping[str, Any]] = winner.metrics["runs"]
        return [_run(int(one["seed"]), one) for one in kept]
    if best is None:
        return []
    return [_run(t.seed, t.result) for t in material.repeats(best.number) or [best] if t.result]


def _run(seed: int, kept: Mapping[str, Any]) -> Run:
    return Run(
        seed,
        tuple(_number(v) for v in kept.get("fold_values", ())),
        tuple(_number(v) for v in kept.get("train_values", ())),
        tuple(
            tuple((float(p[0]), _number(p[1]), _number(p[2])) for p in curve)
            for curve in kept.get("curves", ())
        ),
    )


def _number(found: float | None) -> float:
    """Read a number back from JSON, which has no NaN."""
    return float("nan") if found is None else float(found)


def contents(material: Material) -> list[Block]:
    """Say whether the winner over- or underfits."""
    runs = [run for run in runs_of(material) if run.held_out and run.trained]
    task = task_of(material)
    many = "windows" if task is None else case_of(task).many
    if not runs:
        return [
            Empty("No trial has run over every fold and kept the budget yet: there is nothing to compare.")
        ]
    # The same means, in the same order, as in the card.
    trained = mean([mean(run.trained) for run in runs])
    held_out = mean([mean(run.held_out) for run in runs])
    gap = trained - held_out
    verdict = fitted(
        [v for run in runs for v in (*run.held_out, *run.trained)], _worst(material), trained, gap
    )
    said = (
        f"On {many} that it was trained on the winner has {trained:.3f}, on held-out subjects"
        f" {held_out:.3f}, which is {less_or_more(held_out, trained)}: {verdict}."
        f" {_spread(runs, gap)} {_trend(runs)} All of it is the objective with untuned decisions, as trained."
    )
    count = max(len(run.held_out) for run in runs)
    rows = tuple(
        (
            str(run.seed),
            *(figure(v) for v in run.held_out),
            *("-" for _ in range(count - len(run.held_out))),
            figure(mean(run.held_out)),
            figure(mean(run.trained)),
            figure(printed_gap(mean(run.trained), mean(run.held_out))),
        )
        for run in runs
    )
    header = ("seed", *(f"fold {k + 1}" for k in range(count)), "mean held out", "mean trained on", "gap")
    both = "; ".join(f"fold {k} {held:.3f}" for k, held in enumerate(_by_fold(runs), 1))
    chart = comparisons.folds([run.trained for run in runs], [run.held_out for run in runs], "objective")
    outside = clip(chart, [v for run in runs for v in (*run.trained, *run.held_out)])
    dots = f"Each dot is a training on all folds but one. Held out, mean over trainings: {both}."
    told = (
        f"Values of {len(runs)} trainings on fresh seeds, as in the card."
        if len(runs) > 1
        else "Values of the one training that it is judged by."
    )
    return [Text(sentence(said)), Chart("fitting", chart, dots + outside), Grid(header, rows, told)]


def _worst(material: Material) -> float | None:
    """Return what the objective gives a model that is wrong everywhere; None where that is not known."""
    winner = material.winner
    if winner is not None and "worst_value" in winner.metrics:
        kept: float | None = winner.metrics["worst_value"]
        return kept
    if material.definition is None or not material.out_of_fold:
        return None
    from atml.searching.exporting import always_wrong

    return always_wrong(material.definition, material.out_of_fold[0][1])


def _by_fold(runs: Sequence[Run]) -> list[float]:
    """Return each fold's value held out, the mean over the trainings that ran it."""
    count = max(len(run.held_out) for run in runs)
    return [mean([run.held_out[k] for run in runs if k < len(run.held_out)]) for k in range(count)]


def _spread(runs: Sequence[Run], gap: float) -> str:
    """Set the gap beside how far folds differ, that is other subjects."""
    folds = _by_fold(runs)
    if len(folds) < 2:
        return "There is one fold only, so how far subjects differ is not known."
    spread = float(np.std(folds, ddof=1))
    apart = round(spread, 3) - round(abs(gap), 3)
    than = "more than" if apart > 0 else "less than" if apart < 0 else "as much as"
    return (
        f"Folds, that is other subjects, differ by a standard deviation of {spread:.3f} (lowest"
        f" {min(folds):.3f}, highest {max(folds):.3f}), which is {than} that gap."
    )


def _trend(runs: Sequence[Run]) -> str:
    """Say what the last quarter of the training changed."""
    ends: list[tuple[float, float]] = []
    losses: list[tuple[float, float]] = []
    for run in runs:
        for curve in run.curves:
            if len(curve) >= 2:
                ends.append((curve[-2][2], curve[-1][2]))
                losses.append((curve[-2][1], curve[-1][1]))
    known = [(a, b) for a, b in ends if np.isfinite(a) and np.isfinite(b)]
    if not known:
        return "There are no learning curves that could show a trend."
    before, after = (mean([pair[i] for pair in known]) for i in (0, 1))
    rose = sum(b > a for a, b in known)
    change = after - before
    # As for learning curves: one curve alone can't show a trend.
    steps = [b - a for a, b in known]
    noise = float(np.std(steps, ddof=1) / np.sqrt(len(steps))) if len(steps) > 1 else float("inf")
    if change > 2 * noise and change > 0:
        told = "a longer training might still bring something"
    elif change < -2 * noise and change < 0:
        told = "it was best on held-out subjects before the end"
    else:
        told = "less than the folds differ by: it had levelled off"
    return (
        f"From the last report but one to the end of training the held-out value went from {before:.3f} to"
        f" {after:.3f} (it rose in {rose} of {len(known)} curves) while the training loss went from"
        f" {mean([a for a, _ in losses]):.3f} to {mean([b for _, b in losses]):.3f}: {told}."
    )
