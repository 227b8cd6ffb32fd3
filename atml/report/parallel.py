"""Parallel coordinates: each trial is a line across the parameters that matter most.

Plain lines are drawn, for Plotly's own kind needs WebGL, which machines without a graphics card may lack, and
neither prints nor follows the theme. Where a trial lacks a parameter its line passes below that axis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from atml.formatting import listed, plural, setting
from atml.regions.space import Axis
from atml.regions.values import same
from atml.report import theme
from atml.report.comparable import best_tenth
from atml.report.history import thin
from atml.report.page import Chart
from atml.training.records import TrialRecord

MOST_AXES = 7
MOST_LINES = 300
"""Lines of trials that are not of the best tenth."""

ABSENT = -0.13
"""Where a parameter that a trial does not have is drawn, on an axis from 0 to 1."""


def coordinates(
    ordered: Sequence[TrialRecord], axes: dict[str, Axis], names: Sequence[str], winner: TrialRecord | None
) -> Chart:
    """Draw trials (``ordered``, best first) across the parameters ``names``; the best tenth stands out."""
    shown = [axes[name] for name in names[:MOST_AXES]]
    top = list(best_tenth(ordered))[:MOST_LINES]
    rest = thin(ordered[len(top) :], MOST_LINES)
    figure = theme.figure(height=440)
    _lines(figure, rest, shown, f"the other {len(rest):,}", theme.GREY, 0.9, 0.28)
    _lines(figure, top, shown, f"best tenth ({len(top):,})", theme.BLUE, 1.4, 0.75)
    if winner is not None:
        _lines(figure, [winner], shown, f"winner, trial {winner.number}", theme.ORANGE, 3.5, 1.0)
    for i, axis in enumerate(shown):
        figure.add_shape(type="line", x0=i, x1=i, y0=0, y1=1, line={"color": theme.GREY, "width": 1})
        for at, text in _ticks(axis):
            _label(figure, i, at, text, theme.MUTED, xanchor="left", xshift=4)
        if any(axis.name not in t.params for t in ordered):
            _label(figure, i, ABSENT, "not used", theme.MUTED, xanchor="left", xshift=4)
    figure.update_xaxes(
        tickvals=list(range(len(shown))),
        ticktext=[axis.name.replace("_", "<br>", 1) for axis in shown],
        side="top",
        range=[-0.15, len(shown) - 0.35],
        showgrid=False,
        zeroline=False,
        ticks="",
        fixedrange=True,
    )
    figure.update_yaxes(visible=False, range=[-0.2, 1.04], fixedrange=True)
    figure.update_layout(
        legend={"y": -0.02, "yanchor": "top"},
        margin={"t": 48, "l": 12, "r": 12},
        meta={"least": 640},
        hovermode=False,
    )
    return Chart("parallel-coordinates", figure, _says(ordered, shown, top, rest))


def _lines(
    figure: Any,
    trials: Sequence[TrialRecord],
    shown: Sequence[Axis],
    name: str,
    colour: str,
    width: float,
    opacity: float,
) -> None:
    x: list[float | None] = []
    y: list[float | None] = []
    for t in trials:
        x += [*range(len(shown)), None]
        # Lines are set slightly apart, so that trials with the same choice do not hide each other.
        apart = ((t.number * 0.618034) % 1 - 0.5) * 0.035
        y += [*(round(_height(axis, t.params.get(axis.name), apart), 4) for axis in shown), None]
    if x:
        figure.add_scatter(
            x=x,
            y=y,
            name=name,
            mode="lines",
            line={"color": colour, "width": width},
            opacity=opacity,
            hoverinfo="skip",
        )


def place(axis: Axis, number: float) -> float:
    """Return where a number lies in its range, 0 to 1, in logarithms where it was drawn so."""
    if axis.log:
        return math.log(number / axis.low) / math.log(axis.high / axis.low)
    return float((number - axis.low) / (axis.high - axis.low))


def _height(axis: Axis, value: Any, apart: float) -> float:
    if value is None:
        return ABSENT + apart
    if axis.kind == "categorical":
        at = next(i for i, choice in enumerate(axis.choices) if same(choice, value))
        return _of(at, len(axis.choices)) + apart
    if axis.high <= axis.low:
        return 0.5 + apart
    return place(axis, value) + (apart if axis.kind == "int" and not axis.log else 0.0)


def _of(at: int, many: int) -> float:
    return 0.5 if many == 1 else at / (many - 1)


def _ticks(axis: Axis) -> list[tuple[float, str]]:
    if axis.kind == "categorical":
        return [(_of(i, len(axis.choices)), setting(choice)) for i, choice in enumerate(axis.choices)]
    return [(0.0, setting(axis.low)), (1.0, setting(axis.high))]


def _label(figure: Any, x: float, y: float, text: str, colour: str, **more: Any) -> None:
    figure.add_annotation(
        x=x,
        y=y,
        text=text,
        showarrow=False,
        font={"size": 10, "color": colour},
        bgcolor=theme.PAPER,
        opacity=0.85,
        **more,
    )


def _says(
    ordered: Sequence[TrialRecord],
    shown: Sequence[Axis],
    top: Sequence[TrialRecord],
    rest: Sequence[TrialRecord],
) -> str:
    said = (
        f"Each line is a trial; the best tenth, {plural(len(top), 'trial')} of {len(ordered):,}, stands out."
    )
    left = len(ordered) - len(top) - len(rest)
    if left:
        said += f" Of the others {len(rest):,}, evenly chosen, are drawn."
    agreed = []
    for axis in shown:
        if axis.kind != "categorical" or len(top) < 4:
            continue
        found = [setting(t.params[axis.name]) for t in top if axis.name in t.params]
        most = max(set(found), key=found.count, default=None)
        if most is not None and found.count(most) >= 0.8 * len(top):
            agreed.append(f"{axis.name} {most} ({found.count(most)} of {len(top)})")
    if agreed:
        said += f" The best tenth nearly agree on {listed(agreed)}."
    return said
