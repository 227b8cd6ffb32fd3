"""CNN against LSTM against GRU against combinations, at equal size."""

from __future__ import annotations

import math
from collections.abc import Sequence

from atml.formatting import listed, value
from atml.report import theme
from atml.report.charts import clip
from atml.report.comparable import family, first_fold, grouped
from atml.report.groups import COLUMNS, cells
from atml.report.history import thin
from atml.report.material import Material
from atml.report.page import Block, Chart, Empty, Grid, Text
from atml.training.records import TrialRecord

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x")

MOST_POINTS = 600
"""Points of a family that the chart draws."""


ABOUT = (
    "Families are compared within bands of file size that double. The best value grows with the number of"
    " trials that a family was given; the median after fold 1 does not."
)


def contents(material: Material) -> list[Block]:
    """Compare families within bands of size, best and median, with the numbers behind each."""
    trials = [t for t in material.finished if t.config and t.cost and t.steps]
    names = sorted({family(t.config) for t in trials if t.config})
    if len(names) < 2:
        why = f"Only one family was trained: {names[0]}." if names else "No trial was trained yet."
        return [Empty(f"{why} There is nothing to compare.")]
    return [Text(ABOUT), _chart(trials, names), _table(trials), *_again(material)]


def _kib(record: TrialRecord) -> float:
    return record.cost.size_bytes / 1024 if record.cost else 0.0


def _bands(trials: Sequence[TrialRecord]) -> list[tuple[float, float]]:
    """Return bands of KiB that double, from below the smallest file to above the largest."""
    low = 2.0 ** math.floor(math.log2(min(_kib(t) for t in trials)))
    found = []
    while low < max(_kib(t) for t in trials) + 1e-9:
        found.append((low, 2 * low))
        low *= 2
    return found


def _chart(trials: Sequence[TrialRecord], names: Sequence[str]) -> Chart:
    figure = theme.figure(x="KiB of ONNX file", y="value at the end of the first fold", height=400)
    drawn: list[float] = []
    thinned = False
    for name, colour, symbol in zip(names, theme.PALETTE, SYMBOLS, strict=False):
        mine = [t for t in trials if t.config and family(t.config) == name and first_fold(t) is not None]
        kept = thin(mine, MOST_POINTS)
        thinned |= len(kept) < len(mine)
        values = [first_fold(t) or 0.0 for t in kept]
        drawn += values
        if kept:
            figure.add_scatter(
                x=[round(_kib(t), 2) for t in kept],
                y=[round(v, 4) for v in values],
                mode="markers",
                name=f"{name} ({len(mine):,})",
                marker={"color": colour, "symbol": symbol, "size": 8, "opacity": 0.75},
                customdata=[t.number for t in kept],
                hovertemplate="trial %{customdata}: %{y:.4f} at %{x:.1f} KiB<extra></extra>",
            )
    figure.update_xaxes(type="log", dtick=math.log10(2), tickformat=".3~g")
    outside = clip(figure, drawn)
    before = len(trials) - sum(first_fold(t) is not None for t in trials)
    said = "Each trial that came to the end of its first fold, by size and family;"
    said += f" {before:,} were stopped before or broke a rule and are not drawn."
    said += outside
    if thinned:
        said += f" At most {MOST_POINTS} of a family, evenly chosen, are drawn."
    return Chart("families-size", figure, said)


def _table(trials: Sequence[TrialRecord]) -> Block:
    rows: list[tuple[str, ...]] = []
    winners: dict[str, list[str]] = {}
    contested = 0
    for low, high in _bands(trials):
        mine = [t for t in trials if low <= _kib(t) < high]
        groups = grouped(mine, family)
        band = f"{low:g} to {high:g}"
        rows += [(band, group.name, *cells(group)) for group in groups]
        ran = [g for g in groups if g.best is not None]
        contested += len(ran) > 1
        if len(ran) > 1:
            winners.setdefault(ran[0].name, []).append(f"{band} KiB")
    if winners:
        parts = [f"{name} in {listed(of)}" for name, of in winners.items()]
        said = f"Where two families or more ran over every fold, the best value is that of {listed(parts)}."
    else:
        said = "In no band did two families run over every fold, so their best values can't be compared."
    counts = [int(row[2].replace(",", "")) for row in rows]
    said += f" The counts differ, from {min(counts):,} to {max(counts):,} trained trials."
    return Grid(("KiB", "family", *COLUMNS), tuple(rows), said, right=COLUMNS)


def _again(material: Material) -> list[Block]:
    """Say what each family's best reaches on fresh seeds: values in the table helped to pick their trials."""
    by_number = {t.number: t for t in material.ranked}
    told: dict[str, str] = {}
    for number, judged in material.judged.items():  # best first
        trial = by_number.get(number)
        if trial is not None and trial.config is not None:
            told.setdefault(family(trial.config), f"{value(judged)} (trial {number}, {_kib(trial):.1f} KiB)")
    if not told:
        return []
    parts = listed([f"{name} {of}" for name, of in told.items()])
    return [
        Text(
            f"On fresh seeds, at the decision that ships, the best finalist of each family has: {parts}."
            + (" Other families have no finalist." if len(told) > 1 else " No other family has a finalist.")
        )
    ]
