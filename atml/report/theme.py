"""Colours, and how Plotly figures look: one set for paper and daylight, one for the dark.

Everything is drawn in the light colours. The page exchanges each for its dark fellow where the reader wants
it dark: in charts by their JSON, in drawings by CSS. So a colour that is none of these stays as it is.

The colours of data are those of Okabe and Ito (2008), which people with any of the common colour
deficiencies tell apart; yellow is left out, for it can't be read on white.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

INK, MUTED, GRID, PAPER, PANEL = "#1c2024", "#60676f", "#e3e6ea", "#fefefe", "#f6f7f9"
"""Text, text of less weight, grid lines, the ground of the page, the ground of boxes."""

BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY = (
    *("#0072b2", "#e69f00", "#009e73", "#d55e00", "#b3588a", "#56b4e9", "#9aa1a9"),
)
PALETTE = (BLUE, ORANGE, GREEN, PURPLE, SKY, RED)
"""Colours of data, in the order of their use. RED is for what is wrong, GREY for what steps back."""

RULED, RULE_FINE, RULE_BOLD = "#fffaf8", "#f8d9d2", "#eeb1a5"
"""ECG paper: its ground, lines every mm, lines every 5 mm."""

DARK = {
    INK: "#e8eaed",
    MUTED: "#a3abb4",
    GRID: "#343a41",
    PAPER: "#15181b",
    PANEL: "#1e2226",
    BLUE: "#4ba3e3",
    ORANGE: "#f0b429",
    GREEN: "#2ec4a0",
    RED: "#f27d3d",
    PURPLE: "#d98bb8",
    SKY: "#7fcdf5",
    GREY: "#767e87",
    RULED: "#191516",
    RULE_FINE: "#32211f",
    RULE_BOLD: "#5a332e",
}
"""What each colour becomes in the dark."""

SEQUENTIAL = ((0.0, PANEL), (0.5, SKY), (1.0, BLUE))
"""A Plotly colour scale from little to much."""

FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'

HEIGHT = 360
"""Height of a chart in px where it asks for none."""


def figure(*, x: str = "", y: str = "", height: int = HEIGHT, legend: bool = True) -> Figure:
    """Return an empty figure in the colours of the report; ``x`` and ``y`` are the titles of its axes."""
    from plotly.graph_objects import Figure

    made = Figure(layout={"template": {"layout": layout()}, "height": height, "showlegend": legend})
    if not legend:
        made.update_layout(margin={"t": 12})
    made.update_xaxes(title_text=x)
    made.update_yaxes(title_text=y)
    return made


def plain_line(
    figure: Figure, x: Sequence[float | None], y: Sequence[float | None], line: dict[str, Any], **more: Any
) -> None:
    """Add a line that says nothing when pointed at, and has no entry in the legend; None breaks it."""
    figure.add_scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip", showlegend=False, **more)


def layout() -> dict[str, Any]:
    """Return what all figures share, as a Plotly layout."""
    axis = {
        "gridcolor": GRID,
        "zerolinecolor": GRID,
        "linecolor": GREY,
        "tickcolor": GREY,
        "ticks": "outside",
        "ticklen": 4,
        "automargin": True,
        "title": {"font": {"color": MUTED, "size": 12}, "standoff": 10},
        "tickfont": {"color": MUTED, "size": 11},
    }
    return {
        "font": {"family": FONT, "size": 12, "color": INK},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "colorway": list(PALETTE),
        "colorscale": {"sequential": [list(stop) for stop in SEQUENTIAL]},
        "margin": {"l": 8, "r": 12, "t": 36, "b": 8},
        "hovermode": "closest",
        "hoverlabel": {"bgcolor": PANEL, "bordercolor": GREY, "font": {"color": INK, "family": FONT}},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "font": {"size": 12}},
        "xaxis": axis,
        "yaxis": axis,
    }
