"""What differs between the default and the winner, and between each best trial and the next."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from atml.formatting import plural, setting, value
from atml.regions.values import same
from atml.report.history import successive, whole
from atml.report.material import Material
from atml.report.page import Block, Empty, Grid, Heading, Text
from atml.report.parallel import place
from atml.training.records import TrialRecord

FAR = 0.15
"""Share of its range by which a number has to move to be named among the changes."""

MOST_STEPS = 20


def contents(material: Material) -> list[Block]:
    """Compare the default with the winner, then each trial that was the best so far with the one before."""
    if not whole(material.finished):
        return [Empty("No trial ran over every fold within its budget: nothing to compare.")]
    blocks: list[Block] = [Heading("From the default to the winner"), *_default(material)]
    return [*blocks, Heading("From best to best"), *_steps(material)]


def _default(material: Material) -> list[Block]:
    best = material.best
    begun = next((t for t in material.searched if t.origin == "default" and t.finished), None)
    if best is None or begun is None:
        return [Empty("The default config of the task has no result in this study.")]
    if best.number == begun.number:
        return [Text("The winner is the default config of the task: the search found nothing better.")]
    rows, alike, absent = [], 0, 0
    for name in material.axes:
        before, after = begun.params.get(name), best.params.get(name)
        if before is None and after is None:
            absent += 1
            continue
        if before is not None and after is not None and same(before, after):
            alike += 1
            continue
        rows.append((name, setting(before), setting(after), _near(name, material, after)))
    said = _outcome(material, begun, best)
    unused = f", {absent} are used by neither" if absent else ""
    said += f" Of {plural(len(material.axes), 'parameter')} {len(rows)} differ, {alike} are the same{unused}."
    said += (
        " They changed together, so no line of the table is the effect of one change. The last column is"
        " how the trials near the winner's setting did: of those that were trained, how many are in the"
        " best quarter."
    )
    return [Grid(("parameter", "default", "winner", "near the winner's"), tuple(rows), said)]


def _outcome(material: Material, begun: TrialRecord, best: TrialRecord) -> str:
    if begun.state != "complete" or begun.value is None:
        return f"The default, trial {begun.number}, was stopped early; the winner is trial {best.number}."
    said = (
        f"From {value(begun.value)} (trial {begun.number}, the default) to {value(best.value)}"
        f" (trial {best.number}), each by its own value in the search, with untuned decisions."
    )
    again, first = material.repeated(best.number), material.first
    if first is not None and first.seeds and again is not None:
        # Tuned values are judged in another way than those of the search, so the sentence names both.
        long = f", trained {first.length} times as long" if first.length > 1 else ""
        said += (
            f" On fresh seeds the winner has {value(again)} untuned, and"
            f" {value(first.value)} at the decision that ships{long}."
        )
    if begun.cost and best.cost:
        said += (
            f" Size, as counted before training, went from {begun.cost.size_bytes / 1024:.1f} to"
            f" {best.cost.size_bytes / 1024:.1f} KiB."
        )
    return said


def _near(name: str, material: Material, setting_of_winner: Any) -> str:
    """Say how many trials within a tenth of the range of the winner's setting are in the best quarter."""
    axis, ordered = material.axes[name], material.standing
    if setting_of_winner is None or not ordered:
        return "-"
    good = {t.number for t in ordered[: max(1, len(ordered) // 4)]}

    def near(found: Any) -> bool:
        if axis.kind == "categorical" or axis.high <= axis.low:
            return same(found, setting_of_winner)
        return abs(place(axis, found) - place(axis, setting_of_winner)) <= 0.1

    mine = [t.number for t in ordered if name in t.params and near(t.params[name])]
    return f"{sum(n in good for n in mine)} of {len(mine)}"


def _steps(material: Material) -> list[Block]:
    best = successive(material.finished)
    if len(best) == 1:
        return [Text(f"Trial {best[0].number}, the first over every fold, was never beaten in the search.")]
    rows = []
    for before, now in zip([None, *best], best, strict=False):
        gain = "-" if before is None else f"+{(now.value or 0) - (before.value or 0):.4f}"
        size = f"{now.cost.size_bytes / 1024:.1f}" if now.cost else "-"
        changed = "the first over every fold" if before is None else _differs(material, before, now)
        rows.append((str(now.number), value(now.value, 4), gain, size, changed))
    left = len(rows) - MOST_STEPS
    shown = rows if left <= 0 else [rows[0], *rows[-(MOST_STEPS - 1) :]]
    said = f"{plural(len(best), 'trial')} were the best so far when they ended."
    if left > 0:
        said += f" The first and the last {MOST_STEPS - 1} are shown."
    steps = sorted(pairwise(best), key=lambda p: (p[0].value or 0) - (p[1].value or 0))
    a, b = steps[0]
    said += f" The largest step was {(b.value or 0) - (a.value or 0):.3f}, to trial {b.number}."
    said += f" Choices that differ are named, and numbers that moved by more than {FAR:.0%} of their range."
    return [Grid(("trial", "value", "gain", "KiB", "what differed from the best before"), tuple(shown), said)]


def _differs(material: Material, before: TrialRecord, now: TrialRecord) -> str:
    named, small = [], 0
    for name, axis in material.axes.items():
        a, b = before.params.get(name), now.params.get(name)
        if b is None or (a is not None and same(a, b)):
            continue
        if a is None:
            named.append(f"{name} {setting(b)}")
        elif axis.kind == "categorical" or abs(place(axis, a) - place(axis, b)) > FAR:
            named.append(f"{name} {setting(a)} → {setting(b)}")
        else:
            small += 1
    more = plural(small, "small change") if small else ""
    return "; ".join(filter(None, [", ".join(named), more])) or "nothing but its seed"
