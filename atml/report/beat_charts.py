"""The chart of ectopic beats by patient (Plotly)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from atml.report.beat_counts import Patient
from atml.report.charts import panels
from atml.report.comparisons import ROW
from atml.report.theme import BLUE, GREY, ORANGE

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

PARTS = (("found", BLUE), ("missed", ORANGE), ("false", GREY))
"""What a bar is made of: beats of the class called so, called another class, and others called so."""

MOST = 25
"""Patients that a panel shows."""


def concerned(people: Sequence[Patient], index: int) -> list[Patient]:
    """Return patients who have beats of a class or false ones, most missed and false ones first."""
    there = [one for one in people if one.there[index] or one.false[index]]
    return sorted(there, key=lambda one: (one.found[index] - one.there[index] - one.false[index], one.name))


def ectopic_beats(people: Sequence[Patient], classes: Sequence[tuple[str, int]]) -> Figure:
    """Draw a panel for each class ``(name, index)``, below one another: a bar for each patient."""
    shown = [concerned(people, index)[:MOST] for _, index in classes]
    rows = [max(2, len(some)) for some in shown]
    made = panels(
        1,
        [name for name, _ in classes],
        rows=len(classes),
        height=120 * len(classes) + ROW * sum(rows),
        row_heights=[n / sum(rows) for n in rows],
        vertical_spacing=min(0.3, 90 / (120 * len(classes) + ROW * sum(rows))),
    )
    for row, ((name, index), some) in enumerate(zip(classes, shown, strict=True), 1):
        counts = {
            "found": [one.found[index] for one in some],
            "missed": [one.there[index] - one.found[index] for one in some],
            "false": [one.false[index] for one in some],
        }
        for part, colour in PARTS:
            made.add_bar(
                x=counts[part],
                y=[one.name for one in some],
                orientation="h",
                name=part,
                legendgroup=part,
                showlegend=row == 1,
                marker={"color": colour, "line": {"width": 0}},
                hovertemplate=f"%{{y}}: %{{x:,.4~g}} {name} {part}<extra></extra>",
                row=row,
                col=1,
            )
    made.update_layout(
        barmode="stack",
        bargap=0.25,
        showlegend=True,
        legend={"traceorder": "normal", "y": 1.0, "yanchor": "top", "yref": "container"},
        margin={"t": 64},
    )
    made.update_xaxes(title_text="beats", rangemode="tozero")
    made.update_yaxes(autorange="reversed", type="category", showgrid=False, tickfont={"size": 10}, dtick=1)
    return made
