"""Charts of a network on a board: its layers in time and in memory, and subjects in fewer bits (Plotly)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from atml.device.estimate import LayerEstimate
from atml.formatting import shares
from atml.report import theme
from atml.report.charts import panels
from atml.report.comparisons import ROW
from atml.report.theme import BLUE, GREY, INK, MUTED, PALETTE

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

HIGH = 24
"""Height of one bar with its gap in px."""

COLOURS = {
    **{"code": theme.PURPLE, "tables": theme.ORANGE, "weights": BLUE},
    **{"buffers": BLUE, "variables": theme.ORANGE, "stack": theme.PURPLE, "window": theme.GREEN},
}
"""What each kind of memory is drawn in."""


@dataclass(frozen=True)
class Part:
    """A part of a memory: its ``name``, a ``kind`` of `COLOURS`, and its bytes."""

    name: str
    kind: str
    size: int


def percent(parts: Sequence[float]) -> list[str]:
    """Write shares in whole percent that add up to 100, short enough to stand behind a bar.

    Example:
        >>> percent([1, 1000])
        ['<1%', '100%']
    """
    return [one.replace("less than ", "<") for one in shares(parts)]


def timeline(layers: Sequence[LayerEstimate]) -> Figure:
    """Draw the milliseconds of each layer, each beginning where the one before ends, and its share of MACs.

    Labels are whole percent that add up to 100.
    """
    made = panels(
        2,
        ("milliseconds of a window", "share of its MACs"),
        height=90 + HIGH * max(3, len(layers)),
        shared_yaxes=True,
        column_widths=[0.66, 0.34],
        horizontal_spacing=0.06,
    )
    names = [one.name for one in layers]
    work, macs = [one.instructions for one in layers], [one.macs for one in layers]
    ends = [sum(one.ms for one in layers[: at + 1]) for at in range(len(layers))]
    hover = [
        f"{one.name}: {one.ms:.3g} ms, {one.instructions:,} instructions ({share}), {one.macs:,} MACs"
        for one, share in zip(layers, percent(work), strict=True)
    ]
    made.add_bar(
        x=[one.ms for one in layers],
        base=[end - one.ms for end, one in zip(ends, layers, strict=True)],
        y=names,
        marker={"color": BLUE},
        **_bars(percent(work), hover),
        row=1,
        col=1,
    )
    total = max(1, sum(macs))
    made.add_bar(
        x=[100 * one / total for one in macs],
        y=names,
        marker={"color": GREY},
        **_bars(percent(macs), hover),
        row=1,
        col=2,
    )
    made.update_xaxes(range=[0, 1.16 * max(ends[-1], 1e-9)], row=1, col=1)
    most = max(100 * one / total for one in macs)
    made.update_xaxes(range=[0, 1.45 * max(most, 1)], showticklabels=False, ticks="", row=1, col=2)
    made.update_yaxes(ticks="", row=1, col=2)
    return _in_rows(made, names)


def memory(parts: Sequence[Part], x: str) -> Figure:
    """Draw the parts of a memory from its first byte to its last, the first on top."""
    made = theme.figure(x=x, height=110 + HIGH * max(3, len(parts)))
    end, total = 0, sum(one.size for one in parts)
    begins = []
    for one in parts:
        begins.append(end)
        end += one.size
    for kind in dict.fromkeys(one.kind for one in parts):
        mine = [(one, at) for one, at in zip(parts, begins, strict=True) if one.kind == kind]
        made.add_bar(
            x=[one.size / 1024 for one, _ in mine],
            base=[at / 1024 for _, at in mine],
            y=[one.name for one, _ in mine],
            name=kind,
            marker={"color": COLOURS[kind]},
            **_bars(
                [f"{one.size:,} B" for one, _ in mine], [f"{one.name}: {one.size:,} bytes" for one, _ in mine]
            ),
        )
    made.update_xaxes(range=[0, 1.22 * max(total, 1) / 1024])
    return _in_rows(made, [one.name for one in parts])


def subject_changes(names: Sequence[str], changes: Mapping[str, Sequence[float]], x: str) -> Figure:
    """Draw a dot for each subject and format: what its figure gains, or loses left of the line at 0."""
    made = theme.figure(x=x, height=120 + ROW * max(4, len(names)))
    for number, (form, found) in enumerate(changes.items()):
        colour = PALETTE[number % len(PALETTE)]
        lines: list[float | None] = [at for one in found for at in (0.0, one, None)]
        rows: list[str | None] = [at for name in names for at in (name, name, None)]
        made.add_scatter(
            x=lines, y=rows, mode="lines", line={"color": colour, "width": 1.5}, hoverinfo="skip",
            legendgroup=form, showlegend=False,
        )  # fmt: skip
        made.add_scatter(
            x=list(found),
            y=list(names),
            mode="markers",
            name=form,
            legendgroup=form,
            showlegend=True,
            marker={"size": 9, "color": colour, "symbol": ("circle", "diamond")[number % 2]},
            hovertemplate=f"%{{y}} in {form}: %{{x:+.4f}}<extra></extra>",
        )
    made.update_xaxes(zeroline=True, zerolinecolor=MUTED)
    return _in_rows(made, names)


def _bars(text: Sequence[str], hover: Sequence[str]) -> dict[str, object]:
    return {
        "orientation": "h",
        "text": list(text),
        "textposition": "outside",
        "textfont": {"color": INK, "size": 11},
        "cliponaxis": False,
        "hovertext": list(hover),
        "hovertemplate": "%{hovertext}<extra></extra>",
    }


def _in_rows(made: Figure, names: Sequence[str]) -> Figure:
    """Set a figure's rows in the order of ``names``, the first on top."""
    made.update_layout(bargap=0.3, barmode="overlay")
    made.update_yaxes(
        type="category",
        categoryorder="array",
        categoryarray=list(names),
        range=[len(names) - 0.5, -0.5],
        showgrid=False,
        dtick=1,
    )
    return made
