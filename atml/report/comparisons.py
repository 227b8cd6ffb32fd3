"""Charts that compare classes, folds, subjects, data sets and sizes (Plotly)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from atml.metrics import Interval
from atml.report import theme
from atml.report.charts import WHOLE, panels, whiskers
from atml.report.theme import BLUE, GREY, ORANGE, PALETTE
from atml.searching import pareto_front

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MOST = 40
"""Most subjects that a chart shows."""

ROW = 17
"""Height of one row of bars in px."""


def stacked(names: Sequence[str], parts: Mapping[str, Sequence[int]], x: str) -> Figure:
    """Draw a stacked bar for each name, the first on top: the counts of each part end to end."""
    made = theme.figure(x=x, height=110 + ROW * max(4, len(names)))
    colours = (GREY, ORANGE, *PALETTE[2:])
    for number, (part, counts) in enumerate(parts.items()):
        made.add_bar(
            x=list(counts),
            y=list(names),
            orientation="h",
            name=part,
            marker={"color": colours[number % len(colours)], "line": {"width": 0}},
            hovertemplate=f"%{{y}}: %{{x:,}} {part}<extra></extra>",
        )
    made.update_layout(barmode="stack", bargap=0.25, legend={"traceorder": "normal"})
    made.update_yaxes(autorange="reversed", type="category", showgrid=False, tickfont={"size": 10}, dtick=1)
    return made


def subjects(names: Sequence[str], rates: Mapping[str, Sequence[Interval | None]]) -> Figure:
    """Draw a bar with its interval for each subject in a panel for each rate; None draws no bar."""
    made = panels(
        len(rates),
        list(rates),
        height=100 + ROW * max(4, len(names)),
        shared_yaxes=True,
        horizontal_spacing=0.04,
    )
    for column, (rate, found) in enumerate(rates.items(), 1):
        there = [(name, one) for name, one in zip(names, found, strict=True) if one is not None]
        made.add_bar(
            x=[one.value for _, one in there],
            y=[name for name, _ in there],
            error_x=whiskers([one for _, one in there]),
            orientation="h",
            marker={"color": (ORANGE, BLUE)[column % 2], "opacity": 0.75, "line": {"width": 0}},
            hovertemplate=f"%{{y}}: {rate} %{{x:.3f}}<extra></extra>",
            row=1,
            col=column,
        )
    made.update_layout(bargap=0.25)
    made.update_xaxes(range=WHOLE)
    made.update_yaxes(
        autorange="reversed",
        type="category",
        categoryorder="array",
        categoryarray=list(names),
        range=[len(names) - 0.5, -0.5],
        showgrid=False,
        tickfont={"size": 10},
        dtick=1,
    )
    return made


@dataclass(frozen=True)
class Row:
    """One row of a chart of intervals: a ``name``, the model that it is ``of``, and an interval."""

    name: str
    of: str
    found: Interval


def forest(panels_of: Mapping[str, Sequence[Row]], colours: Mapping[str, str]) -> Figure:
    """Draw values with intervals: a panel for each rate, a row for each name, a colour for each model."""
    names = list(dict.fromkeys(row.name for rows in panels_of.values() for row in rows))
    made = panels(
        len(panels_of),
        list(panels_of),
        height=150 + 44 * len(names),
        shared_yaxes=True,
        horizontal_spacing=0.06,
    )
    made.update_layout(showlegend=True, legend={"y": -60 / (44 * len(names)), "yanchor": "top"})
    shown: set[str] = set()
    for column, rows in enumerate(panels_of.values(), 1):
        for number, (of, colour) in enumerate(colours.items()):
            mine = [row for row in rows if row.of == of]
            if not mine:
                continue
            aside = 0.26 * (number - (len(colours) - 1) / 2)  # so that models do not hide each other
            made.add_scatter(
                x=[row.found.value for row in mine],
                y=[names.index(row.name) + aside for row in mine],
                error_x={**whiskers([row.found for row in mine]), "color": colour, "thickness": 2},
                mode="markers",
                name=of,
                legendgroup=of,
                showlegend=of not in shown,
                marker={"size": 10, "color": colour},
                text=[f"{row.name}, {of}" for row in mine],
                hovertemplate="%{text}: %{x:.3f}<extra></extra>",
                row=1,
                col=column,
            )
            shown.add(of)
    made.update_yaxes(
        tickvals=list(range(len(names))),
        ticktext=names,
        range=[len(names) - 0.5, -0.5],
        showgrid=False,
        zeroline=False,
    )
    made.update_xaxes(nticks=5)
    return made


def folds(trained: Sequence[Sequence[float]], held_out: Sequence[Sequence[float]], value: str) -> Figure:
    """Draw each fold's value on its training and its held-out subjects: values by run, then by fold."""
    made = theme.figure(x="fold", y=value, height=320)
    runs = len(held_out)
    lines: list[float | None] = []
    across: list[float | None] = []
    for run, (high, low) in enumerate(zip(trained, held_out, strict=True)):
        for fold, (a, b) in enumerate(zip(high, low, strict=False)):
            at = fold + 1 + 0.12 * (run - (runs - 1) / 2)
            across += [at, at, None]
            lines += [a, b, None]
    theme.plain_line(made, across, lines, {"color": GREY, "width": 1})
    for name, found, colour in (("trained on", trained, GREY), ("held out", held_out, BLUE)):
        for run, values in enumerate(found):
            aside = 0.12 * (run - (runs - 1) / 2)
            made.add_scatter(
                x=[fold + 1 + aside for fold in range(len(values))],
                y=list(values),
                mode="markers",
                name=name,
                legendgroup=name,
                showlegend=run == 0,
                marker={"size": 10, "color": colour},
                hovertemplate=f"fold %{{x:.0f}}, training {run + 1}, {name}: %{{y:.3f}}<extra></extra>",
            )
    made.update_xaxes(dtick=1, showgrid=False)
    return made


@dataclass(frozen=True)
class Sized:
    """A trial by its size in KiB and its value; ``judged`` is what repeats on fresh seeds came to."""

    number: int
    kib: float
    value: float
    what: str
    judged: float | None = None


def front(found: Sequence[Sized]) -> list[Sized]:
    """Return the trials that no trial of their size or smaller beats, smallest first (Pareto front)."""
    by_number = sorted(found, key=lambda one: one.number)
    return [by_number[place] for place in pareto_front.front([(one.kib, one.value) for one in by_number])]


def sizes(found: Sequence[Sized], value: str) -> Figure:
    """Draw value over size, the Pareto front, and the values of finalists on fresh seeds."""
    made = theme.figure(x="ONNX file, KiB, as counted before training", y=value, height=420)
    best = front(found)
    groups: tuple[tuple[str, Sequence[Sized], dict[str, object]], ...] = (
        ("trials over every fold", found, {"size": 8, "color": GREY, "opacity": 0.8}),
        ("Pareto front", best, {"size": 10, "color": BLUE}),
    )
    for name, some, marker in groups:
        made.add_scatter(
            x=[one.kib for one in some],
            y=[one.value for one in some],
            mode="lines+markers" if some is best else "markers",
            line={"color": BLUE, "width": 1.5, "shape": "hv"},
            name=name,
            marker=marker,
            text=[f"trial {one.number}: {one.what}" for one in some],
            hovertemplate="%{text}<br>%{x:.1f} KiB, %{y:.3f}<extra></extra>",
        )
    again = [one for one in found if one.judged is not None]
    if again:
        across: list[float | None] = []
        down: list[float | None] = []
        for one in again:
            across += [one.kib, one.kib, None]
            down += [one.value, one.judged, None]
        theme.plain_line(made, across, down, {"color": ORANGE, "width": 1.2, "dash": "dot"})
        made.add_scatter(
            x=[one.kib for one in again],
            y=[one.judged for one in again],
            mode="markers",
            name="the same on fresh seeds",
            marker={"size": 11, "color": ORANGE, "symbol": "diamond"},
            text=[f"trial {one.number} on fresh seeds" for one in again],
            hovertemplate="%{text}<br>%{x:.1f} KiB, %{y:.3f}<extra></extra>",
        )
    low, high = (end([one.kib for one in found]) for end in (min, max))
    ticks = [m * 10.0**power for power in range(-1, 5) for m in (1, 2, 3, 5, 7)]
    ticks = [tick for tick in ticks if low / 1.3 <= tick <= high * 1.3]
    made.update_xaxes(
        type="log",
        tickvals=ticks,
        ticktext=[f"{tick:g}" for tick in ticks],
        range=[math.log10(low / 1.3), math.log10(high * 1.3)],
    )
    return made
