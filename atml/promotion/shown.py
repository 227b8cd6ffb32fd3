"""A promotion, and the state of a log, as text for a terminal and as JSON types."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from atml.errors import InputError
from atml.formatting import between, ordinal
from atml.promotion.decision import Outcome
from atml.promotion.in_service import POINTER, ModelId, in_service
from atml.promotion.log import BACK, BEGUN, DECIDED, Entry
from atml.promotion.promoting import LOG, Promotion, Side, official
from atml.scoring.rules import Figure

HEADER = (
    *("", "people", "challenger", "champion", "difference", "95% over subjects"),
    *("better", "worse"),
)
"""Of the table of a promotion."""

STATE_HEADER = ("entry", "at (UTC)", "what", "model", "margin", "why")
"""Of the table of a log."""


def head(found: Promotion) -> list[str]:
    """Return the decision, why, and by which rule."""
    mine, theirs = (found.entry[who]["export"] for who in ("challenger", "champion"))
    said = {
        Outcome.PROMOTED: f"promoted: {mine} takes the place of {theirs}",
        Outcome.KEPT: f"kept: {theirs} stays in service, {mine} does not take its place",
        Outcome.UNTOLD: f"can't be told: {theirs} stays in service",
    }[found.decision.outcome]
    by = f"{found.figure.name}: {found.figure.words}"
    return [said, f"{found.decision.reason}; margin {found.margin:g}, by {by}"]


def rows(found: Promotion) -> list[tuple[str, ...]]:
    """Lay out the sets of people under `HEADER`."""
    return [_row(side) for side in found.sides]


def _row(side: Side) -> tuple[str, ...]:
    one, report = side.compared, side.reports[0]
    gap = one.difference
    return (
        f"{side.title}, {report.data_name}",
        str(gap.subjects),
        f"{one.challenger:.4f}",
        f"{one.champion:.4f}",
        f"{gap.value.value:+.4f}",
        f"{gap.value.low:+.4f} to {gap.value.high:+.4f}",
        "-" if gap.better is None else str(gap.better),
        "-" if gap.worse is None else str(gap.worse),
    )


def tail(found: Promotion) -> list[str]:
    """Return the official figures, the evaluations, what is in service, and what else one has to know."""
    lines = []
    for side in found.sides:
        counts = [ordinal(report.evaluation) for report in side.reports]
        told = [
            f"{name} {_value(mine)} of the challenger, {_value(theirs)} of the champion"
            for name, mine, theirs in official(side)
        ]
        lines.append(
            f"{side.title}, by rule {side.reports[0].score.rule}: {'; '.join(told)}; {counts[0]} and"
            f" {counts[1]} evaluation of it"
        )
    lines += [
        f"in service: {found.champion.export} ({found.log.absolute().parent / POINTER}); entry"
        f" {found.entry['n']} of {found.log}",
        *([f"back: {_back(found.log)}"] if found.decision.outcome == Outcome.PROMOTED else []),
        *found.notes,
    ]
    return lines


def _value(one: Figure | None) -> str:
    if one is None:
        return "-"
    return f"{one.value:.4f}" + (f" ({between(one.interval)})" if one.interval else "")


def to_dict(found: Promotion) -> dict[str, Any]:
    """Return a promotion as JSON types: the entry of the log and what is in service."""
    return {
        **found.entry,
        "margin": found.margin,
        "by": found.figure.name,
        "notes": list(found.notes),
        "log": str(found.log),
        "in_service": found.champion.to_dict(),
    }


def state(log: Path, entries: Sequence[Entry]) -> tuple[str, list[tuple[str, ...]]]:
    """Return what is in service in a line, and a row for each decision and return: number, day, what, why.

    Raises InputError where nothing was decided yet.
    """
    now = in_service(entries)
    if now is None:
        raise InputError(
            f"nothing was promoted yet in {log}: atml promote CHALLENGER --over CHAMPION --test FROZEN"
        )
    first = {entry["n"]: entry for entry in entries if entry["event"] == BEGUN}
    done = {entry["of"] for entry in entries if entry["event"] == DECIDED}
    found: list[tuple[str, ...]] = []
    for entry in entries:
        if entry["event"] == BEGUN and entry["n"] in done:
            continue  # its decision says all
        begun = first.get(entry.get("of", entry["n"]), {})
        who = entry["to"] if entry["event"] == BACK else entry["challenger"]
        what = {BACK: "back", BEGUN: "begun"}.get(entry["event"]) or entry["outcome"]
        why = {BACK: "", BEGUN: "no decision was written down"}.get(entry["event"], entry.get("reason"))
        day = str(entry["at"]).replace("T", " ").removesuffix("+00:00")
        margin = f"{begun['margin']:g}" if begun else ""
        found.append((str(entry["n"]), day, what, Path(who["export"]).name, margin, str(why)))
        found += [("", "", "", "", "", line) for line in begun.get("changed", ())]
    return f"in service: {now.model.export} since entry {now.entry['n']}", found


def _back(log: Path) -> str:
    return "atml promote --back" + ("" if log == LOG else f" --log {shlex.quote(str(log))}")


def went_back(before: ModelId, now: ModelId) -> str:
    """Say in a line what is in service after going back."""
    return f"back: {now.export} is in service, {before.export} is not any more"
