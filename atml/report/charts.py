"""Charts of decisions: ROC, precision and recall, calibration (Plotly)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from atml.metrics import Interval
from atml.report import theme
from atml.report.operating import Calibration, Curve
from atml.report.theme import BLUE, GREY, MUTED, PALETTE

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

WHOLE = [-0.02, 1.02]
"""Range of an axis of shares."""


def panels(
    columns: int, titles: Sequence[str], *, rows: int = 1, height: int = theme.HEIGHT, **how: object
) -> Figure:
    """Return an empty figure of several panels in the colours of the report."""
    from plotly.subplots import make_subplots

    made = make_subplots(
        rows=rows,
        cols=columns,
        subplot_titles=list(titles),
        figure=theme.figure(height=height, legend=False),
        **how,
    )
    made.update_annotations(font={"size": 12, "color": MUTED}, yshift=4)
    made.update_layout(margin={"t": 44 if titles else 16})
    return made


Marks = Sequence[tuple[str, str, str, float, float]]
"""Points on a curve: name, colour, Plotly symbol, x, y."""


def operating(curves: Sequence[Curve], marks: Marks, *, recall: bool, prevalence: float = 0.0) -> Figure:
    """Draw one line a run: ROC, or precision over recall where ``recall`` asks for it.

    The broken line is a model that knows nothing: the diagonal, or the ``prevalence`` of the class.
    """
    from plotly.graph_objects import Scatter

    titles = ("sensitivity (recall)", "precision (PPV)") if recall else ("1 − specificity", "sensitivity")
    made = theme.figure(x=titles[0], y=titles[1], height=460)
    y = [prevalence, prevalence] if recall else [0, 1]
    made.add_trace(
        Scatter(
            x=[0, 1],
            y=y,
            mode="lines",
            name="knows nothing",
            line={"color": GREY, "width": 1.2, "dash": "dash"},
            hoverinfo="skip",
        )
    )
    for number, curve in enumerate(curves):
        thin = curve.thinned()
        x = thin.sensitivity if recall else 1 - thin.specificity
        made.add_trace(
            Scatter(
                x=x.round(4).tolist(),
                y=(thin.precision if recall else thin.sensitivity).round(4).tolist(),
                mode="lines",
                name=f"training {number + 1}" if len(curves) > 1 else "out of fold",
                line={"color": PALETTE[number % len(PALETTE)], "width": 2},
                hovertemplate=f"{titles[0]} %{{x:.3f}}<br>{titles[1]} %{{y:.3f}}<extra></extra>",
            )
        )
    named: set[str] = set()
    for name, colour, symbol, at, high in marks:
        made.add_trace(
            Scatter(
                x=[at],
                y=[high],
                mode="markers",
                name=name,
                legendgroup=name,
                showlegend=name not in named,
                marker={
                    "color": colour,
                    "symbol": symbol,
                    "size": 12,
                    "line": {"color": theme.PAPER, "width": 1.5},
                },
                hovertemplate=f"{name}<br>{titles[0]} %{{x:.3f}}<br>{titles[1]} %{{y:.3f}}<extra></extra>",
            )
        )
        named.add(name)
    made.update_xaxes(range=WHOLE)
    made.update_yaxes(range=WHOLE)
    return made


def whiskers(found: Sequence[Interval]) -> dict[str, object]:
    """Return the error bars of intervals, as Plotly takes them."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [max(0.0, one.high - one.value) for one in found],
        "arrayminus": [max(0.0, one.value - one.low) for one in found],
        "color": MUTED,
        "thickness": 1.2,
        "width": 3,
    }


def reliability(found: Calibration) -> Figure:
    """Draw what outputs say against what comes true, and below how many segments each bin holds."""
    from plotly.graph_objects import Bar, Scatter

    made = panels(
        1, (), rows=2, height=480, shared_xaxes=True, row_heights=[0.72, 0.28], vertical_spacing=0.06
    )
    made.add_trace(
        Scatter(
            x=[0, 1],
            y=[0, 1],
            mode="lines",
            line={"color": GREY, "width": 1.2, "dash": "dash"},
            hoverinfo="skip",
        ),
        row=1,
        col=1,
    )
    made.add_trace(
        Scatter(
            x=[one.said for one in found.bins],
            y=[one.seen.value for one in found.bins],
            error_y=whiskers([one.seen for one in found.bins]),
            mode="lines+markers",
            line={"color": BLUE, "width": 2},
            marker={"size": 8, "color": BLUE},
            hovertemplate="said %{x:.3f}<br>came true %{y:.3f}<extra></extra>",
        ),
        row=1,
        col=1,
    )
    made.add_trace(
        Bar(
            x=[(one.low + one.high) / 2 for one in found.bins],
            y=[one.segments for one in found.bins],
            width=[0.9 * (one.high - one.low) for one in found.bins],
            marker={"color": BLUE, "opacity": 0.55, "line": {"width": 0}},
            text=[f"{one.segments:,}" for one in found.bins],
            textposition="outside",
            textfont={"color": MUTED, "size": 11},
            cliponaxis=False,
            hovertemplate="%{y:,} segments<extra></extra>",
        ),
        row=2,
        col=1,
    )
    made.update_yaxes(title_text="share that is positive", range=WHOLE, row=1, col=1)
    made.update_yaxes(title_text="segments", row=2, col=1, rangemode="tozero", nticks=4)
    made.update_xaxes(range=WHOLE)
    made.update_xaxes(title_text="probability that the output stands for", row=2, col=1)
    return made
