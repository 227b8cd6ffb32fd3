"""Where the time of a search went, and how much of it stopping trials early saved."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from atml.formatting import clock, listed, plural, share
from atml.models.budget import LIMITS
from atml.report import theme
from atml.report.comparable import reached
from atml.report.history import busy
from atml.report.material import Material
from atml.report.page import Block, Chart, Empty, Grid, Text
from atml.training.records import TrialRecord

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
    """Show how far trials came, and what stopping them saved."""
    folds, trials = int(material.spec["folds"]), material.finished
    untrained = Counter(refused(t) or "stopped before any report" for t in trials if not t.steps)
    # A trial counts in the bar of the fold in which it was stopped.
    ends = Counter(
        min(ceil(reached(t) - 1e-9), folds) or 1 for t in trials if t.steps and t.state != "complete"
    )
    whole = sum(t.state == "complete" for t in trials)
    names = ["not trained", *(f"in fold {k}" for k in range(1, folds + 1)), "every fold"]
    counts = [untrained.total(), *(ends[k] for k in range(1, folds + 1)), whole]
    figure = theme.figure(x="", y="trials", height=300, legend=False)
    colours = [theme.GREY, *[theme.SKY] * folds, theme.BLUE]
    figure.add_bar(x=names, y=counts, marker={"color": colours}, hovertemplate="%{x}: %{y}<extra></extra>")
    figure.update_traces(
        text=[f"{n:,}" if n else "" for n in counts], textposition="outside", cliponaxis=False
    )
    said = f"Of {plural(len(trials), 'trial')}, {whole:,} ran over every fold"
    if ends[1]:
        said += f"; {ends[1]:,} were stopped in or after the first"
    if untrained:
        why = listed([f"{n:,} {name}" for name, n in untrained.most_common(4)])
        said += f"; {untrained.total():,} cost no training at all ({why})"
    blocks: list[Block] = [Chart("how-far", figure, f"{said}.")]
    spared = saved(trials, folds)
    if not spared.trials:
        blocks.append(Text("No trial was stopped by comparison with others, so nothing was saved by that."))
        return blocks
    full = spared.spent + spared.seconds
    blocks.append(
        Text(
            f"Stopping {plural(spared.trials, 'trial')} by comparison saved {spared.folds:,.0f} of the"
            f" {sum(bool(t.steps) for t in trials) * folds:,} folds that all trained trials would have run,"
            f" and about {clock(spared.seconds)} of training beside the {clock(spared.spent)} spent:"
            f" {share(spared.seconds, full)} of what running them to their end would have cost. The time is"
            " an estimate: the folds that each trial was spared, at its own pace in those that it ran."
        )
    )
    late = [t for t in trials if t.steps and refused(t) and not t.constraints.keys() <= set(LIMITS)]
    if late:
        reasons = Counter(refused(t) for t in late)
        said = listed([f"{n:,} {name}" for name, n in reasons.most_common()])
        blocks.append(Text(f"Another {plural(len(late), 'trial')} were stopped by another rule: {said}."))
    return blocks


def phases(material: Material) -> list[Block]:
    """Show the time spent in each phase: search, finalists, export."""
    searched = [t for t in material.searched if t.finished]
    repeats = [t for t in material.records if t.role == "finalist" and t.finished]
    rows: list[tuple[str, str, float | None, float]] = []
    for name, mine in (("search", searched), ("finalists again, on fresh seeds", repeats)):
        if mine:
            passed = max(busy(mine).values(), default=0.0)
            rows.append((name, plural(len(mine), "trial"), passed, trained_for(mine)))
    finals = [e.metrics["final"]["seconds"] for e in material.exports if "final" in e.metrics]
    if finals:
        # The start of an export is not recorded, only how long its training took.
        rows.append(
            ("last training, on all subjects", plural(len(finals), "model"), None, float(sum(finals)))
        )
    if not rows:
        return [Empty("No trial has come to an end yet, so there is no time to divide.")]
    figure = theme.figure(x="minutes of training", height=200)
    for (name, _, _, training), colour in zip(rows, theme.PALETTE, strict=False):
        minutes = round(training / 60, 2)
        figure.add_bar(
            y=["training"], x=[minutes], name=name, orientation="h", marker={"color": colour}, width=0.5,
            hovertemplate=f"{name}: {clock(training)}<extra></extra>",
        )  # fmt: skip
    figure.update_layout(barmode="stack", yaxis={"visible": False}, legend={"traceorder": "normal"})
    total = sum(training for *_, training in rows)
    said = f"Training took {clock(total)} in all: " + listed(
        [f"{share(training, total)} for {name}" for name, _, _, training in rows]
    )
    cells = tuple(
        (name, what, "-" if span is None else clock(span), clock(training))
        for name, what, span, training in rows
    )
    paces = [training / span for _, _, span, training in rows if span]
    busy_said = (
        "Time passed counts only time in which a trial of the phase ran."
        f" Training went on {statistics.fmean(paces):.1f} times as long as that, for trials run side by side."
        if paces and statistics.fmean(paces) > 1.05
        else "Time passed counts only time in which a trial of the phase ran; what is not training is"
        " validation, loading and keeping records."
    )
    return [
        Chart("time-by-phase", figure, f"{said}."),
        Grid(("phase", "what", "time passed", "training"), cells, busy_said),
    ]
