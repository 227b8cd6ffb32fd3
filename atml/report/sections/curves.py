"""Learning curves of the finalists, as their repeats recorded them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from atml.formatting import listed, plural
from atml.report import theme
from atml.report.charts import clip
from atml.report.material import Material
from atml.report.page import Block, Chart, Empty, Text
from atml.training.records import TrialRecord

MOST = 4
"""Finalists that are drawn."""

Curve = Sequence[Sequence[float]]
"""Points ``(share of the training, training loss, value on what was held out)``."""


def contents(material: Material) -> list[Block]:
    """Draw training loss and held-out value against the share of the training."""
    found = _finalists(material)
    if not found:
        return [Empty("No trial ran over every fold, so there is no whole training to follow.")]
    repeated = any(material.repeats(record.number) for record, _ in found)
    what = "trained again on fresh seeds" if repeated else "the best trials, for none was trained again yet"
    folds = plural(int(material.spec["folds"]), "fold")
    return [
        Text(
            f"The finalists are {what}. Thin lines are single trainings, thick ones the mean over"
            f" {folds}{' and every repeat' if repeated else ''}."
        ),
        _chart("curves-loss", found, 1, "training loss", _loss_says(found)),
        _chart("curves-value", found, 2, "value on the subjects held out", _value_says(found)),
    ]


def _finalists(material: Material) -> list[tuple[TrialRecord, list[Curve]]]:
    """Return the finalists, best first, each with the curves of every fold of every repeat."""
    judged = [t for n in material.judged for t in material.ranked if t.number == n]
    found = []
    for record in (judged or material.ranked)[:MOST]:
        sources = material.repeats(record.number) or [record]
        curves = [curve for t in sources for curve in t.result.get("curves", ()) if curve]
        if curves:
            found.append((record, curves))
    return found


def _mean(curves: Sequence[Curve], column: int) -> tuple[list[float], list[float]]:
    """Return shares, and the mean over the curves that have each."""
    shares = sorted({point[0] for curve in curves for point in curve})
    means = [float(np.mean([p[column] for c in curves for p in c if p[0] == at])) for at in shares]
    return shares, means


def _chart(
    name: str, found: Sequence[tuple[TrialRecord, list[Curve]]], column: int, y: str, says: str
) -> Chart:
    figure = theme.figure(x="share of the training", y=y)
    for (record, curves), colour in zip(found, theme.PALETTE, strict=False):
        x: list[float | None] = []
        values: list[float | None] = []
        for curve in curves:
            x += [*(point[0] for point in curve), None]
            values += [*(round(point[column], 4) for point in curve), None]
        group = f"trial {record.number}"
        thin = {"color": colour, "width": 1}
        theme.plain_line(figure, x, values, thin, opacity=0.3, legendgroup=group)  # fmt: skip
        shares, means = _mean(curves, column)
        figure.add_scatter(
            x=shares, y=[round(v, 4) for v in means], mode="lines+markers", name=group, legendgroup=group,
            line={"color": colour, "width": 3}, marker={"size": 7},
            hovertemplate=f"{group}, mean: %{{y:.4f}}<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(tickformat=".0%", tickvals=[0.25, 0.5, 0.75, 1.0], range=[0.2, 1.05])
    outside = clip(figure, [point[column] for _, curves in found for curve in curves for point in curve])
    return Chart(name, figure, says + outside)


def _loss_says(found: Sequence[tuple[TrialRecord, list[Curve]]]) -> str:
    parts = []
    for record, curves in found:
        _, means = _mean(curves, 1)
        parts.append(f"trial {record.number} from {means[0]:.3f} to {means[-1]:.3f}")
    return (
        f"Mean training loss between the first report and the end: {listed(parts)}. Losses compare only"
        " where both trials weight classes and smooth labels alike."
    )


def _value_says(found: Sequence[tuple[TrialRecord, list[Curve]]]) -> str:
    rising: list[str] = []
    level: list[str] = []
    falling: list[str] = []
    for record, curves in found:
        steps = [c[-1][2] - c[-2][2] for c in curves if len(c) > 1]
        if not steps:
            continue
        mean = float(np.mean(steps))
        error = float(np.std(steps, ddof=1) / np.sqrt(len(steps))) if len(steps) > 1 else float("inf")
        said = f"trial {record.number} ({mean:+.3f})"
        (level if abs(mean) <= 2 * error else rising if mean > 0 else falling).append(said)
    parts = []
    if rising:
        parts.append(f"still rose in {listed(rising)}: longer training may help")
    if level:
        parts.append(f"was level, within twice its standard error over trainings, in {listed(level)}")
    if falling:
        parts.append(f"fell in {listed(falling)}: it was trained too long")
    said = f"Over the last quarter of the training the held-out value {'; it '.join(parts)}." if parts else ""
    spread = [(record.number, [c[-1][2] for c in curves]) for record, curves in found]
    widest = max(spread, key=lambda one: max(one[1]) - min(one[1]))
    return (
        f"{said} At the end single trainings differ by up to {max(widest[1]) - min(widest[1]):.3f}"
        f" (trial {widest[0]}), for each fold holds out other subjects."
    ).strip()
