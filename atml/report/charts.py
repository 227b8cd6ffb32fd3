"""Charts of decisions: ROC, precision and recall, calibration (Plotly)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from atml.formatting import plural
from atml.metrics import Interval
from atml.report import theme
from atml.report.operating import Calibration, Curve
from atml.report.theme import GREY, MUTED, ORANGE, PALETTE

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


FEW = 6
"""Of fewer values an axis shows all."""

OUTLYING = 3.0
"""Times by which an axis is to become shorter where a few values, a tenth or one, are left off it."""


def ends(values: Sequence[float]) -> tuple[float, float]:
    """Return the lowest and the highest value that an axis has to show, without few that would flatten it.

    Example:
        >>> ends([0.91, 0.92, 0.93, 0.94, 0.95, 0.1])
        (0.91, 0.95)
    """
    kept = sorted(one for one in values if math.isfinite(one))
    if len(kept) < FEW:
        return (kept[0], kept[-1]) if kept else (0.0, 1.0)
    low, high = kept[0], kept[-1]
    for dropped in range(1, min(50, max(1, len(kept) // 10)) + 1):
        spans = [(kept[at], kept[at - dropped - 1]) for at in range(dropped + 1)]
        a, b = min(spans, key=lambda span: span[1] - span[0])
        if 0 < OUTLYING * (b - a) < high - low:
            low, high = a, b
    return low, high


def clip(figure: Figure, values: Sequence[float]) -> str:
    """Keep a few outlying ``values`` from flattening the y axis; say how many are not shown, "" for none."""
    low, high = ends(values)
    outside = sum(math.isfinite(one) and not low <= one <= high for one in values)
    if not outside:
        return ""
    margin = 0.06 * max(high - low, 1e-6)
    figure.update_yaxes(range=[low - margin, high + margin])
    return f" {plural(outside, 'value')} outside the axis {'is' if outside == 1 else 'are'} not shown."


Marks = Sequence[tuple[str, str, str, float, float]]
"""Points on a curve: name, colour, Plotly symbol, x, y."""


def as_decided(rates: Mapping[str, Any], names: Sequence[str]) -> Marks:
    """Return where decisions lie among ROC curves, of the rates of a card: a point a class or label."""
    return [
        (
            "as decided",
            ORANGE,
            "diamond",
            1 - rates[f"specificity {name}"]["value"],
            rates[f"sensitivity {name}"]["value"],
        )
        for name in names
    ]


def operating(
    lines: Sequence[tuple[str, Curve]], marks: Marks, *, recall: bool, prevalences: Sequence[float] = ()
) -> Figure:
    """Draw ROC curves, or precision over recall where ``recall`` asks for it; lines of a name are alike.

    A broken line is a model that has learned nothing: the diagonal, or for each of ``prevalences``, the
    shares of classes, a level.
    """
    titles = ("sensitivity (recall)", "precision (PPV)") if recall else ("1 − specificity", "sensitivity")
    made = theme.figure(x=titles[0], y=titles[1], height=460)
    levels = [(share, share) for share in prevalences] if recall else [(0.0, 1.0)]
    made.add_scatter(
        x=[0, 1, None] * len(levels),
        y=[y for level in levels for y in (*level, None)],
        mode="lines",
        name="chance",
        line={"color": GREY, "width": 1.2, "dash": "dash"},
        hoverinfo="skip",
    )
    names = list(dict.fromkeys(name for name, _ in lines))
    for number, (name, curve) in enumerate(lines):
        thin = curve.thinned()
        x = thin.sensitivity if recall else 1 - thin.specificity
        made.add_scatter(
            x=x.round(4).tolist(),
            y=(thin.precision if recall else thin.sensitivity).round(4).tolist(),
            mode="lines",
            name=name,
            legendgroup=name,
            showlegend=name not in [before for before, _ in lines[:number]],
            line={
                "color": PALETTE[names.index(name) % len(PALETTE)],
                "width": 2,
                # Of more names than colours the others are dotted.
                **({"dash": "dot"} if names.index(name) >= len(PALETTE) else {}),
            },
            hovertemplate=f"{name}<br>{titles[0]} %{{x:.3f}}<br>{titles[1]} %{{y:.3f}}<extra></extra>",
        )
    named: set[str] = set()
    for name, colour, symbol, at, high in marks:
        made.add_scatter(
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


def reliability(found: Mapping[str, Calibration], *, by: str = "softmax", many: str = "windows") -> Figure:
    """Draw what outputs say against what comes true, by class, and below how many windows each bin holds.

    ``by`` is what makes probabilities of outputs, ``many`` what is counted.
    """
    made = panels(
        1, (), rows=2, height=480, shared_xaxes=True, row_heights=[0.72, 0.28], vertical_spacing=0.06
    )
    theme.plain_line(made, [0, 1], [0, 1], {"color": GREY, "width": 1.2, "dash": "dash"}, row=1, col=1)
    alone = len(found) == 1
    for (name, one), colour in zip(found.items(), itertools.cycle(PALETTE)):
        bins = one.bins
        made.add_scatter(
            x=[b.said for b in bins],
            y=[b.seen.value for b in bins],
            error_y=whiskers([b.seen for b in bins]),
            mode="lines+markers",
            line={"color": colour, "width": 2},
            marker={"size": 8, "color": colour},
            name=name,
            legendgroup=name,
            hovertemplate=f"{name}: output %{{x:.3f}}<br>came true %{{y:.3f}}<extra></extra>",
            row=1,
            col=1,
        )
        made.add_bar(
            x=[(b.low + b.high) / 2 for b in bins],
            y=[b.windows for b in bins],
            width=[0.9 * (b.high - b.low) for b in bins] if alone else None,
            marker={"color": colour, "opacity": 0.55, "line": {"width": 0}},
            text=[f"{b.windows:,}" for b in bins] if alone else None,
            textposition="outside",
            textfont={"color": MUTED, "size": 11},
            cliponaxis=False,
            name=name,
            legendgroup=name,
            showlegend=False,
            hovertemplate=f"{name}: %{{y:,}} {many}<extra></extra>",
            row=2,
            col=1,
        )
    if not alone:
        made.update_layout(showlegend=True, margin={"t": 36})
    of = f"share that is {next(iter(found))}" if alone else "share that is of the class"
    made.update_yaxes(title_text=of, range=WHOLE, row=1, col=1)
    made.update_yaxes(title_text=many, row=2, col=1, rangemode="tozero", nticks=4)
    made.update_xaxes(range=WHOLE)
    made.update_xaxes(title_text=f"probability by the {by} of the outputs", row=2, col=1)
    return made
