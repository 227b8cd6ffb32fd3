"""The outcome of a search, for programs and for people."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from atml.data.cases import case_of
from atml.evaluation.cross_validation_result import BaselineResult
from atml.formatting import clock, plural
from atml.models.budget import LIMITS
from atml.searching.finalists import Finalists
from atml.searching.leaderboard import runs
from atml.searching.picking import pick
from atml.searching.plan import Plan
from atml.searching.ranking import kib_of
from atml.searching.verdict import verdict
from atml.tasks.task import WAVEFORM
from atml.training.records import Role, State, TrialRecord


def summarise(finals: Finalists, seconds: float) -> dict[str, Any]:
    """Return the outcome as JSON types; ``lines`` are for a person."""
    records = [t for t in finals.records() if t.role == Role.SEARCH]
    finished = [t for t in records if t.finished]
    found, folders = pick(finals), finals.exported()
    found.remember(finals)
    rows = [
        {
            "trial": j.record.number,
            "value": round(j.value, 6),
            "repeats": j.fresh,
            "decision": j.result.decision,
            "length": j.length,
            "runs": [round(v, 6) for v in j.result.values],
            "in_search": j.record.value,
            "metrics": j.result.four,
            "rates": {name: rate.value for name, rate in j.result.rates.items()},
            "agreement": j.result.agreement,
            "threshold": j.result.threshold,
            "offsets": list(j.result.offsets),
            "size_kib": kib_of(j.record, folders.get(j.record.number)),
            "qualifies": finals.qualifies(j),
            "missing": list(finals.plan.definition.gate.missing(j.result.figures)),
            "folder": str(folders[j.record.number]) if j.record.number in folders else None,
        }
        for j in found.finalists
    ]
    baseline = finals.baseline() if rows else None
    return {
        "study": finals.plan.name,
        "synthetic": finals.plan.dataset.synthetic,
        "trials": len(finished),
        "complete": sum(t.state == State.COMPLETE for t in finished),
        "finalists": rows,
        "winner": rows[0] if rows else None,
        "pick": found.to_dict() if rows and not finals.named else None,
        "left_out": finals.left_out or None,
        "baseline": None if baseline is None else _baseline(baseline),
        "seconds": round(seconds, 1),
        "lines": _lines(finals, finished, rows, baseline, seconds, found.lines),
    }


def _baseline(baseline: BaselineResult) -> dict[str, Any]:
    """Return the result of the baseline as JSON types."""
    return {
        "name": baseline.baseline.name,
        "title": baseline.baseline.title,
        "value": round(baseline.value, 6),
        "metrics": baseline.four,
        "rates": {name: rate.value for name, rate in baseline.rates.items()},
        "rule": baseline.baseline.describe(),
    }


def _test_data(plan: Plan) -> str:
    """Return the option with the test data: the same set where it has a test split or a held-out part."""
    if plan.dataset.synthetic:
        return ""
    if plan.dataset.bare and not plan.origin.held_out:
        return " --data TEST_DIR"
    return "".join(f" --data {shlex.quote(str(path))}" for path in plan.origin.paths)


def _why_none(finals: Finalists, finished: list[TrialRecord], complete: int) -> str:
    under_way = any(
        t.role == Role.SEARCH and t.state in (State.RUNNING, State.WAITING) for t in finals.records()
    )
    over = [any(t.constraints.get(name, 0.0) > 0 for name in LIMITS) for t in finished]
    if finished and all(over) and not under_way:
        return f"none of them stays within the limits ({finals.plan.budget.describe()}): raise them"
    if not complete:
        return "no trial ran over every fold yet: it needs more --trials or more time"
    if not finals.chosen():
        return f"none of them stays within the limits ({finals.plan.budget.describe()}): raise them"
    if finals.repeated():
        return "no finalist learned anything on a fresh seed: try more --trials or --finalists"
    return "the finalists are not judged yet; run the same command again to go on with them"


def _lines(
    finals: Finalists,
    finished: list[TrialRecord],
    rows: list[dict[str, Any]],
    baseline: BaselineResult | None,
    seconds: float,
    why: Sequence[str],
) -> list[str]:
    """Write the summary for a person."""
    plan = finals.plan
    data = "synthetic data" if plan.dataset.synthetic else plan.dataset.name
    complete = sum(t.state == State.COMPLETE for t in finished)
    rest = ", the rest were pruned" if complete < len(finished) else ""
    took = f" in {clock(seconds)}" if seconds else ""
    lines = [f"{plural(len(finished), 'trial')} on {data}{took}: {complete} ran over every fold{rest}"]
    later = [finals.left_out] if finals.left_out else []
    if not rows:
        return [*lines, _why_none(finals, finished, complete), *later]
    for place, row in enumerate(rows, 1):
        config = next(t for t in finished if t.number == row["trial"]).lengthened(row["length"])
        four = ", ".join(f"{name} {value:.3f}" for name, value in row["metrics"].items())
        seeds = len(row["runs"]) if row["repeats"] else 0
        lines.append(
            f"{place}. trial {row['trial']}: {row['value']:.4f} out of fold, "
            f"{runs(seeds, row['length'], row['decision'] if seeds else '')}; "
            f"{four}; "
            f"{row['size_kib']:.1f} KiB; {config.describe()}"
        )
        if place == 1 and row["agreement"]:
            stays = ", ".join(f"{kind} {share:.3f}" for kind, share in row["agreement"].items())
            what = case_of(plan.definition.task).many
            lines.append(f"   {what} decided as before after a change: {stays}")
        if row["folder"]:
            mark = "" if row["qualifies"] else f" (unqualified: {'; '.join(row['missing'])})"
            lines.append(f"   {row['folder']}{mark}")
        elif not row["qualifies"]:
            lines.append(f"   not exported: {'; '.join(row['missing'])}")
    if baseline is not None:
        four = ", ".join(f"{name} {value:.3f}" for name, value in baseline.four.items())
        lines.append(
            f"baseline, {baseline.baseline.title}: {baseline.value:.4f} out of fold; {four}; no network"
        )
    lines += [*why, *later]
    best = next((row["folder"] for row in rows if row["folder"]), None)
    if best is None and not any(row["qualifies"] for row in rows):
        lines.append(
            f"nothing qualifies ({plan.definition.gate.words}): run the same command with --unqualified"
            " to export the best model anyway, marked so"
        )
    if best and plan.definition.task.kind == WAVEFORM:
        lines.append(f"next: atml digitize PAGE.png --out READ --model {best}")
    elif best and finals.named:
        rule = f" --rule {plan.definition.rule}" if plan.definition.rule else ""
        lines.append(f"next: atml score {best}{_test_data(plan)}{rule}")
    elif best and (first := verdict(plan.store, plan.name)) is not None and first.next:
        lines.append(f"next: {first.next}")
    return lines
