"""How a search went: its best value against trials and against time."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

import numpy as np

from atml.formatting import clock, plural, share, value
from atml.report import theme
from atml.report.charts import clip
from atml.report.page import Chart
from atml.searching.pruning import LEAST_GAIN
from atml.training.records import ParameterSource, TrialRecord

SOURCES: dict[str, tuple[str, str, str]] = {
    ParameterSource.DEFAULT: ("the default", theme.ORANGE, "diamond"),
    ParameterSource.PORTFOLIO: ("of the portfolio", theme.ORANGE, "triangle-up"),
    ParameterSource.EARLIER: ("of an earlier study", theme.GREEN, "diamond"),
    ParameterSource.REFERENCE: ("drawn at random", theme.GREY, "circle"),
    ParameterSource.SAMPLED: ("proposed by the sampler", theme.BLUE, "circle"),
    ParameterSource.AUDIT: ("audit of a region", theme.PURPLE, "square"),
    ParameterSource.QUEUED: ("given by hand", theme.GREEN, "triangle-up"),
}
"""How a chart shows the sources of parameters: words, colour, symbol."""

MOST_POINTS = 2000
"""Points of one source that a chart draws; of more, it draws evenly chosen ones and says so."""


def whole(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the trials that have a value to compare: over every fold, within every budget."""
    return [t for t in records if t.state == "complete" and t.feasible and t.value is not None]


def successive(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the trials that were the best so far when they ended, in that order."""
    found: list[TrialRecord] = []
    for record in whole(records):
        if not found or (record.value or 0.0) > (found[-1].value or 0.0):
            found.append(record)
    return found


def busy(records: Sequence[TrialRecord]) -> dict[int, float]:
    """Return when each trial ended, in seconds of search: time in which no trial ran does not count.

    So a search that paused overnight has no gap.
    """
    spans = sorted(
        (t.started, t.ended, t.number) for t in records if t.started and t.ended and t.started <= t.ended
    )
    merged: list[list[datetime.datetime]] = []
    for started, ended, _ in spans:
        if merged and started <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], ended)
        else:
            merged.append([started, ended])
    starts = np.array([m[0].timestamp() for m in merged])
    before = np.cumsum([0.0, *((m[1] - m[0]).total_seconds() for m in merged)])
    ends = {number: ended.timestamp() for _, ended, number in spans}
    places = np.searchsorted(starts, list(ends.values()), side="right") - 1
    return {
        number: float(before[i] + at - starts[i])
        for (number, at), i in zip(ends.items(), places, strict=True)
    }


def against_trials(records: Sequence[TrialRecord]) -> Chart:
    """Draw values against the number of trials that had ended; ``records`` are in the order they ended."""
    places = {t.number: float(i + 1) for i, t in enumerate(records)}
    best = successive(records)
    first, last = best[0], best[-1]
    at = int(places[last.number])
    said = f"The best value rose from {value(first.value)} (trial {first.number}) to {value(last.value)}"
    said += f" (trial {last.number}) in {plural(len(best) - 1, 'step')}." if len(best) > 1 else "."
    if len(best) == 1:
        said = f"The first trial over every fold stayed the best: trial {first.number}, {value(first.value)}."
    rest = len(records) - at
    if rest:
        said += (
            f" After result {at:,} of {len(records):,}, {plural(rest, 'more trial')} found nothing better."
        )
    gained = [t for t in best[1:] if (t.value or 0) - (best[0].value or 0) >= LEAST_GAIN]
    if gained:
        total = (last.value or 0) - (first.value or 0)
        half = next(t for t in best if (t.value or 0) - (first.value or 0) >= total / 2)
        said += f" Half of the gain was made by result {int(places[half.number]):,}."
    return _chart("history-trials", records, places, "trials that had ended", said)


def against_time(records: Sequence[TrialRecord], winner: TrialRecord | None = None) -> Chart | None:
    """Draw values against time of search; None where no trial recorded its times.

    The ``winner`` is the trial that the report names, which need not have the best value of the search.
    """
    ends = busy(records)
    if not ends:
        return None
    hours = max(ends.values()) >= 2 * 3600
    places = {number: seconds / (3600 if hours else 60) for number, seconds in ends.items()}
    last = successive(records)[-1]
    total = max(ends.values())
    said = f"In {clock(total)} of search {plural(len(records), 'trial')} came to an end"
    named = [(f"the winner, trial {winner.number},", winner)] if winner is not None else []
    if winner is None or last.number != winner.number:
        named.append((f"the best value of the search, trial {last.number},", last))
    for who, trial in named:
        if trial.number in ends:
            at = ends[trial.number]
            said += f"; {who} was there after {clock(at)}, {share(at, total)} of the time"
    unit = "hours" if hours else "minutes"
    return _chart("history-time", records, places, f"{unit} in which trials ran", f"{said}.")


def _chart(name: str, records: Sequence[TrialRecord], places: dict[int, float], x: str, said: str) -> Chart:
    shown = [t for t in whole(records) if t.number in places]
    figure = theme.figure(x=x, y="value over every fold")
    figure.update_xaxes(rangemode="tozero")
    thinned = 0
    for source, (words, colour, symbol) in SOURCES.items():
        mine = [t for t in shown if t.origin == source]
        kept = thin(mine)
        thinned += len(mine) - len(kept)
        if kept:
            figure.add_scatter(
                x=[round(places[t.number], 3) for t in kept],
                y=[_round(t.value) for t in kept],
                name=words,
                mode="markers",
                marker={"color": colour, "symbol": symbol, "size": 7, "opacity": 0.75},
                customdata=[t.number for t in kept],
                hovertemplate="trial %{customdata}: %{y:.4f}<extra></extra>",
            )
    best = [t for t in successive(records) if t.number in places]
    end = max(places.values())
    figure.add_scatter(
        x=[round(places[t.number], 3) for t in best] + [round(end, 3)],
        y=[_round(t.value) for t in best] + [_round(best[-1].value)],
        name="best so far",
        mode="lines",
        line={"shape": "hv", "color": theme.INK, "width": 2},
        hoverinfo="skip",
    )
    said += clip(figure, [t.value or 0.0 for t in shown])
    if thinned:
        said += f" Where there are more than {MOST_POINTS:,} points of a kind, evenly chosen ones are drawn."
    return Chart(name, figure, said)


def thin(items: Sequence[Any], most: int = MOST_POINTS) -> list[Any]:
    """Choose ``most`` of many evenly, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[i] for i in np.linspace(0, len(items) - 1, most).round().astype(int)]


def _round(number: float | None) -> float:
    return round(number or 0.0, 5)
