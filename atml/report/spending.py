"""Where the time of a search went, and how much of it stopping trials early saved."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from atml.formatting import clock, listed, plural, share, shares
from atml.report import theme
from atml.report.comparable import reached
from atml.report.history import busy, whole
from atml.report.material import Material
from atml.report.page import Block, Chart, Empty, Grid, Text
from atml.training.records import Role, TrialRecord

RULES = {
    "size_kib": "file too large",
    "macs": "too much work",
    "ram_kib": "too much RAM",
    "operators": "operators that the device lacks",
    "shape": "layers that leave no signal",
    "diverged": "training diverged",
    "constant": "collapsed: one class for every window, or outputs that hardly differ",
    "hopeless": "below the objective's floor after one fold",
    "crashed": "crashed its workers",
    "refused": "could not be trained",
}
"""What it means that a trial broke a constraint, by the constraint's name."""


@dataclass(frozen=True)
class Saved:
    """What stopping trials by comparison saved: folds, and seconds at each trial's own pace."""

    trials: int
    folds: float
    seconds: float
    spent: float


def trained_for(records: Sequence[TrialRecord]) -> float:
    """Return the seconds of training in all of them."""
    return float(sum(t.result.get("training_s", 0.0) for t in records))


def saved(records: Sequence[TrialRecord], folds: int) -> Saved:
    """Estimate what was saved: the folds that each trial did not run, at its own seconds a fold so far."""
    cut = [t for t in records if t.state == "pruned" and t.feasible and reached(t) > 0]
    spared = [(folds - reached(t), t.result.get("training_s", 0.0) / reached(t)) for t in cut]
    return Saved(
        trials=len(cut),
        folds=sum(left for left, _ in spared),
        seconds=sum(left * pace for left, pace in spared),
        spent=trained_for(records),
    )


def refused(record: TrialRecord) -> str:
    """Name the first constraint that a trial broke, "" where it broke none."""
    broken = [name for name, over in record.constraints.items() if over > 0]
    return RULES.get(broken[0], broken[0]) if broken else ""


def pruning(material: Material) -> list[Block]:
    """Show how far trials came, and what stopping them saved; every count adds up to that of the trials."""
    folds, trials = int(material.spec["folds"]), material.finished
    kept = whole(trials)
    rest = [t for t in trials if t not in kept]
    untrained = [t for t in rest if not t.steps]
    stopped = [t for t in rest if t.steps]
    # A trial counts in the bar of the fold in which it was stopped.
    ends = Counter(min(ceil(reached(t) - 1e-9), folds) or 1 for t in stopped)
    names = ["not trained", *(f"in fold {k}" for k in range(1, folds + 1)), "every fold"]
    counts = [len(untrained), *(ends[k] for k in range(1, folds + 1)), len(kept)]
    figure = theme.figure(x="", y="trials", height=300, legend=False)
    colours = [theme.GREY, *[theme.SKY] * folds, theme.BLUE]
    figure.add_bar(x=names, y=counts, marker={"color": colours}, hovertemplate="%{x}: %{y}<extra></extra>")
    figure.update_traces(
        text=[f"{n:,}" if n else "" for n in counts], textposition="outside", cliponaxis=False
    )
    parts = [f"{len(kept):,} ran over every fold"]
    parts += [f"{ends[1]:,} ended in the first"] if ends[1] else []
    later = len(stopped) - ends[1]
    parts += [f"{later:,} in a later one"] if later else []
    if untrained:
        parts.append(f"{len(untrained):,} cost no training ({_reasons(untrained)})")
    blocks: list[Block] = [Chart("how-far", figure, f"Of {plural(len(trials), 'trial')} {listed(parts)}.")]
    spared = saved(trials, folds)
    by_rule = [t for t in stopped if refused(t)]
    other = f"{plural(len(by_rule), 'trial')} ended by another rule: {_reasons(by_rule)}." if by_rule else ""
    if not spared.trials:
        said = "No trial was stopped by comparison with others, so nothing was saved by that."
        return [*blocks, Text(f"{said} {other}".strip())]
    full = spared.spent + spared.seconds
    said = (
        f"Of the {len(stopped):,} that ended early {spared.trials:,} were stopped because others did better:"
        f" that saved about {clock(spared.seconds)} beside the {clock(spared.spent)} of training that the"
        f" search took, {share(spared.seconds, full)} of the whole (an estimate: {spared.folds:,.0f} folds"
        f" not run, each trial at its own pace). {other}"
    )
    return [*blocks, Text(said.strip())]


def _reasons(records: Sequence[TrialRecord]) -> str:
    """Count trials by why they were refused, each once."""
    found = Counter(refused(t) or "stopped before any report" for t in records)
    return listed([f"{n:,} {name}" for name, n in found.most_common()])


@dataclass(frozen=True)
class Phase:
    """One part of a search: its name, what ran, seconds that ``passed`` if known, seconds of training."""

    name: str
    what: str
    passed: float | None
    training: float


def spent(material: Material) -> list[Phase]:
    """Return where the training time of a study went: the one source for every duration in a report."""
    repeats = [t for t in material.records if t.role == Role.FINALIST and t.finished]
    found = []
    for name, mine in (("search", material.finished), ("finalists again, on fresh seeds", repeats)):
        if mine:
            passed = max(busy(mine).values(), default=0.0)
            found.append(Phase(name, plural(len(mine), "trial"), passed, trained_for(mine)))
    finals = [e.metrics["final"]["seconds"] for e in material.exports if "final" in e.metrics]
    if finals:
        # The start of an export is not recorded, only how long its training took.
        seconds = float(sum(finals))
        found.append(Phase("last training, on all subjects", plural(len(finals), "model"), None, seconds))
    return found


def phases(material: Material) -> list[Block]:
    """Show the time spent in each phase: search, finalists, export."""
    rows = spent(material)
    if not rows:
        return [Empty("No trial has come to an end yet, so there is no time to divide.")]
    figure = theme.figure(x="minutes of training", height=200)
    for one, colour in zip(rows, theme.PALETTE, strict=False):
        figure.add_bar(
            y=["training"],
            x=[round(one.training / 60, 2)],
            name=one.name,
            orientation="h",
            marker={"color": colour},
            width=0.5,
            hovertemplate=f"{one.name}: {clock(one.training)}<extra></extra>",
        )
    figure.update_layout(barmode="stack", yaxis={"visible": False}, legend={"traceorder": "normal"})
    total = sum(one.training for one in rows)
    percents = shares([one.training for one in rows])
    parts = [f"{percent} for {one.name}" for one, percent in zip(rows, percents, strict=True)]
    said = f"Training took {clock(total)} in all: {listed(parts)}"
    cells = tuple(
        (one.name, one.what, "-" if one.passed is None else clock(one.passed), clock(one.training))
        for one in rows
    )
    paces = [one.training / one.passed for one in rows if one.passed]
    busy_said = (
        "Time passed counts only time in which a trial ran."
        f" Training has {statistics.fmean(paces):.1f} times as much, for trials run side by side."
        if paces and statistics.fmean(paces) > 1.05
        else "Time passed counts only time in which a trial ran; the rest is validation and loading."
    )
    return [
        Chart("time-by-phase", figure, f"{said}."),
        Grid(("phase", "what", "time passed", "training"), cells, busy_said),
    ]
