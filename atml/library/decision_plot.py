"""A recording and a model's decisions on it, as a Plotly figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from atml.metrics.burden import Span, spans
from atml.report.strips import thinned
from atml.report.theme import GREY, INK, PALETTE, layout

if TYPE_CHECKING:
    from pandas import DataFrame
    from plotly.graph_objects import Figure

COLUMNS = 4000
"""Columns that a trace is thinned to: more than a screen has, to allow some zooming in."""

UNDECIDED = "not decided"


def draw(x: npt.NDArray[Any], rate: float, offset: float, found: DataFrame, classes: Sequence[str]) -> Figure:
    """Draw ``x (leads, samples)`` at ``rate`` Hz over decisions and scores.

    ``found`` is the table of `atml.Model.predict_recording`; its times in seconds start from the same zero as
    ``offset``, the time of the first sample.
    """
    from plotly.graph_objects import Scatter
    from plotly.subplots import make_subplots

    made = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.7, 0.3], vertical_spacing=0.04)
    for number, lead in enumerate(x):
        place, value = thinned(lead, COLUMNS)
        made.add_trace(
            Scatter(
                x=offset + place / rate,
                y=value,
                line={"color": INK if number == 0 else GREY, "width": 1},
                name=f"lead {number}",
                showlegend=len(x) > 1,
            ),
            row=1,
            col=1,
        )
    for name, colour in zip([*classes, UNDECIDED], [*_colours(len(classes)), GREY], strict=True):
        called = runs(found, name)
        if called:
            made.add_trace(_band(called, name, colour), row=2, col=1)
    for name, colour in zip(classes, _colours(len(classes)), strict=True):
        made.add_trace(
            Scatter(
                x=found["start_s"],
                y=found[f"score_{name}"],
                line={"color": colour, "width": 1, "shape": "hv"},
                name=f"score {name}",
            ),
            row=2,
            col=1,
        )
    made.update_layout(template={"layout": layout()}, height=420)
    made.update_yaxes(title_text="amplitude", row=1, col=1)
    made.update_yaxes(title_text="score", range=[-0.3, 1.05], tickvals=[0, 0.5, 1], row=2, col=1)
    made.update_xaxes(title_text="seconds", row=2, col=1)
    return made


def runs(found: DataFrame, name: str) -> list[Span]:
    """Return ``(start, end)`` in seconds of each run of windows decided as ``name``.

    Of overlapping windows each counts up to where the next one starts.
    """
    decision = found["decision"].astype(object)
    called = decision.isna().to_numpy() if name == UNDECIDED else (decision == name).to_numpy()
    return spans(found["start_s"].to_numpy(), found["end_s"].to_numpy(), called)


def _band(called: Sequence[Span], name: str, colour: str) -> Any:
    """Draw filled boxes below 0 as one trace, so that a class has one entry in the legend."""
    from plotly.graph_objects import Scatter

    x: list[float | None] = []
    y: list[float | None] = []
    for start, end in called:
        x += [start, end, end, start, start, None]
        y += [-0.25, -0.25, -0.05, -0.05, -0.25, None]
    return Scatter(x=x, y=y, fill="toself", mode="lines", line={"width": 0}, fillcolor=colour, name=name)


def _colours(count: int) -> list[str]:
    return [PALETTE[index % len(PALETTE)] for index in range(count)]
