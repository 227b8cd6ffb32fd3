"""The note of a study, as Markdown for the Dashboard (pure): where the search stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from atml.dashboard.trial_notes import Words
from atml.data.cases import of_study
from atml.evaluation.gate import Gate
from atml.formatting import figure, plural, table
from atml.metrics import FOUR
from atml.models.budget import Budget
from atml.searching.importance import LEAST
from atml.searching.leaderboard import Entry
from atml.searching.pruning import POINTS
from atml.searching.verdict import Verdict
from atml.training.records import Role, State, TrialRecord


def study_note(
    name: str,
    spec: Mapping[str, Any],
    records: Sequence[TrialRecord],
    *,
    ranking: Sequence[Entry],
    verdict: Verdict | None = None,
    exports: Sequence[tuple[int, str]] = (),
    regions: Words = (),
    no_regions: str = "",
) -> str:
    """Write a study's note: what is searched for, where it stands, what came of it, how to read the page.

    ``ranking`` are its trials in order, the winner first, ``verdict`` what `atml best` says of the first;
    ``no_regions`` says why no region is listed.
    """
    return "\n\n".join(
        [
            f"## {name}",
            _about(spec),
            "### Where it stands",
            _standing(records, ranking, verdict),
            *_finalists(ranking),
            *_exports(exports),
            "### Regions",
            _regions(regions, no_regions),
            "### How to read this page",
            "Values are measured on subjects that a model was not trained on. F1, precision and recall are of"
            " the positive class, or means over all classes where the task has none. A trial reports"
            f" {POINTS} times a fold: steps 0 to {POINTS - 1} are the first fold, and so on. A trial's own"
            " value helped to choose it, so it looks better than it is; repeats on fresh seeds are fairer,"
            " since they only decided among a few finalists. Importances, as in the report, say what sets"
            f" the best tenth of all trials apart; they need {LEAST} trials. A constraint is met at or below"
            " 0. The note of each trial has more. None of this is stored: it is written anew whenever the"
            " page is loaded.",
        ]
    )


def _about(spec: Mapping[str, Any]) -> str:
    data = "synthetic ECG" if spec.get("synthetic") else str(spec.get("data_name"))
    objective = f", objective {spec['objective_name']}" if spec.get("objective_name") else ""
    seconds = spec.get("window", 0)
    size = of_study(spec).many if seconds is None else f"windows of {seconds:g} s"
    return (
        f"Task {spec.get('task')}{objective} on {data}: {size},"
        f" {spec.get('folds')} folds by {spec.get('fold_by') or 'subject'}, seed {spec.get('seed')};"
        f" {Budget.of_spec(spec).describe()}; what qualifies: {Gate.of_spec(spec).words}."
    )


def _standing(records: Sequence[TrialRecord], ranking: Sequence[Entry], verdict: Verdict | None) -> str:
    counted = [t for t in records if t.role == Role.SEARCH]
    states = Counter(t.state for t in counted)
    refused = sum(t.state == State.PRUNED and not t.feasible for t in counted)
    repeats = len(records) - len(counted)
    words = [
        f"{plural(states[State.COMPLETE], 'trial')} over every fold",
        f"{states[State.PRUNED] - refused} cut short",
        f"{refused} refused",
        *(
            f"{states[state]} {state}"
            for state in (State.RUNNING, State.WAITING, State.FAILED)
            if states[state]
        ),
        *([f"{plural(repeats, 'repeat')} of finalists"] if repeats else []),
    ]
    moments = [m for t in records for m in (t.started, t.ended) if m is not None]
    lines = [f"- {', '.join(words)}"]
    if ranking:
        best = ranking[0]
        what = best.record.config.describe() if best.record.config else ""
        size = f"{best.size_kib:.1f} KiB"
        lines.append(f"- {best.title}: trial {best.number}, {best.value:.4f}, {size}: {what}")
        lines += [] if verdict is None else _verdict(verdict)
    else:
        lines.append("- no trial ran over every fold yet")
    if moments:
        lines.append(f"- from {min(moments):%Y-%m-%d %H:%M} to {max(moments):%Y-%m-%d %H:%M}")
    return "\n".join(lines)


def _verdict(found: Verdict) -> list[str]:
    """List what `atml best` says beyond trial, value and size: rates, gains, worst people, test, next."""
    rows = [(name, words) for name, words in found.rows() if name not in _IN_THE_LINE]
    return [f"- {name}: `{words}`" if name in _TYPED else f"- {name}: {words}" for name, words in rows]


_IN_THE_LINE, _TYPED = ("winner", "best so far", "value", "size"), ("path", "next")
"""Rows of the verdict that the line above them has already, and those that are to be typed."""


def _finalists(ranking: Sequence[Entry]) -> list[str]:
    """Lay out those that were judged on fresh seeds, as `atml best` does; nothing where none was."""
    found = [entry for entry in ranking if entry.seeds]
    if not found:
        return []
    rows = [
        (
            str(one.number),
            one.record.config.describe() if one.record.config else "",
            f"{one.value:.4f}",
            one.runs,
            figure(float("nan") if one.record.value is None else one.record.value),
            *(figure(one.metrics[name]) if name in one.metrics else "-" for name in FOUR),
            f"{one.size_kib:.1f}",
        )
        for one in found
    ]
    header = ("trial", "network", "value", "runs", "in the search", *FOUR, "KiB")
    first = f"The winner is trial {found[0].number}: finalists are judged on fresh seeds, at the"
    return [
        "### Finalists",
        f"{first} decision that ships. Values in the search are of one seed and helped to choose: they look"
        " better than they are.",
        table(header, rows, left=2),
    ]


def _exports(exports: Sequence[tuple[int, str]]) -> list[str]:
    if not exports:
        return ["### Exports", "Nothing was exported yet."]
    return ["### Exports", "\n".join(f"- `{folder}`, trial {number}" for number, folder in exports)]


def _regions(regions: Words, why: str) -> str:
    if not regions:
        return why or "No region is rejected or suspect."
    return table(("status", "region", "evidence"), regions, left=3)
