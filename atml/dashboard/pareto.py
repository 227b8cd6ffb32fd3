"""What trials reach against what they cost, as plots of the Dashboard: size, and time or MACs (pure)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from atml.searching.leaderboard import Entry
from atml.searching.pareto_front import front

COLOURS = {"trials": "#7f8fa6", "front": "#d1495b", "winner": "#2a9d8f"}
"""Readable on the Dashboard's white and on its dark pages."""

LONGEST = 2045
"""Most characters of an attribute that the Dashboard writes."""


def plots(ranking: Sequence[Entry], board: str, value: str) -> dict[str, str]:
    """Return plotly figures as JSON by name; none before a trial has run over every fold.

    ``ranking`` is the leaderboard, the winner first; ``board`` the name of the board that costs were
    estimated for, "" for none: then MACs stand for time. ``value`` names the objective.
    """
    found = [(entry, entry.record.cost) for entry in ranking if entry.record.cost is not None]
    if not found:
        return {}
    timed = [(entry, cost.latency_ms) for entry, cost in found if cost.latency_ms is not None]
    if board and timed:
        time = _plot(timed, f"ms a window on {board}, middle of the estimate", "ms", value)
    else:
        time = _plot([(entry, float(cost.macs)) for entry, cost in found], "MACs a window", "MACs", value)
    # A study that was for no board at first has trials without an estimate: files are compared then.
    flash = board and all(cost.flash_bytes for _, cost in found)
    kib = [(entry, (cost.flash_bytes or 0) / 1024 if flash else entry.size_kib) for entry, cost in found]
    what = f"KiB of flash on {board}" if flash else "KiB of the ONNX file"
    return {"value-against-time": time, "value-against-size": _plot(kib, what, "KiB", value)}


def attributes(figures: Mapping[str, str]) -> dict[str, str]:
    """Return figures as the attributes of a study that the Dashboard takes plots of a user from.

    It has a public function that writes them into a database, which stays as it is here; the form was read in
    optuna-dashboard 0.20 (``_custom_plot_data.py``), and a test shows that its server understands it.

    Example:
        >>> attributes({"a": "x" * 2050})["dashboard:plot_data:a:1"]
        'xxxxx'
    """
    return {
        f"dashboard:plot_data:{name}:{part}": figure[at : at + LONGEST]
        for name, figure in figures.items()
        for part, at in enumerate(range(0, len(figure), LONGEST))
    }


def _plot(found: Sequence[tuple[Entry, float]], x: str, unit: str, value: str) -> str:
    points = [(cost, entry.value) for entry, cost in found]
    text = [
        f"trial {entry.number}: {entry.record.config.describe() if entry.record.config else ''}"
        f"<br>{entry.value:.4f}, {cost:,.4g} {unit}, {entry.runs}"
        for entry, cost in found
    ]
    best = front(points)
    traces = [
        _trace("trials", range(len(found)), points, text, mode="markers", size=7),
        _trace("front", best, points, text, mode="lines+markers", size=8),
        _trace("winner", [0], points, text, mode="markers", size=14, symbol="diamond-open"),
    ]
    layout = {
        "title": {"text": f"{value} against {unit}: nothing cheaper beats the front"},
        "xaxis": {"title": {"text": x}, "type": "log"},
        "yaxis": {"title": {"text": f"{value}, out of fold"}},
        "hovermode": "closest",
    }
    return json.dumps({"data": traces, "layout": layout})


def _trace(
    name: str,
    places: Sequence[int],
    points: Sequence[tuple[float, float]],
    text: Sequence[str],
    *,
    mode: str,
    size: int,
    symbol: str = "circle",
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "name": name,
        "mode": mode,
        "x": [points[i][0] for i in places],
        "y": [points[i][1] for i in places],
        "text": [text[i] for i in places],
        "hoverinfo": "text",
        "marker": {"size": size, "symbol": symbol, "color": COLOURS[name]},
        "line": {"color": COLOURS[name], "shape": "hv"},
    }
