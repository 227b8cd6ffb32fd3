"""`atml status`: every study of a database, in one table."""

from __future__ import annotations

import datetime
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atml.cli.shared_options import (
    STUDIES,
    STUDY,
    AsJson,
    Storage,
    StudyArgument,
    last_activity,
    one_study,
    show,
    study_of,
)

if TYPE_CHECKING:
    from rich.console import RenderableType

    from atml.storage import Store
    from atml.training.records import TrialRecord


def status(
    name: StudyArgument = None,
    study: Annotated[
        str | None,
        typer.Option(
            help="List this study alone.", metavar="NAME", show_default="all", rich_help_panel=STUDY
        ),
    ] = None,
    storage: Storage = STUDIES,
    json: AsJson = False,
) -> None:
    """List the studies: task, data, trials by state, best value, last activity."""
    from atml.storage import Store

    store = Store(storage, create=False)
    wanted = one_study(name, study)
    found = rows(store, None if wanted is None else study_of(store, wanted))
    show(found if json else table(found), json)
    winners = [f"{r['study']}, {r['verdict']}" for r in found if r["verdict"]]
    begun = [f"{r['study']} {r['began']}" for r in found if r["began"]]
    if not json and (lines := [*winners, *begun]):
        show("\n".join(["", *lines]))


def rows(store: Store, only: str | None = None) -> list[dict[str, Any]]:
    """Return one row a study, the most recently active first; for ``only`` one study where it is named."""
    from atml.searching.leaderboard import entries
    from atml.searching.starting_point import StartingPoint
    from atml.searching.verdict import verdict_of
    from atml.training.records import Role, State

    made = []
    for name in store.studies() if only is None else [only]:
        spec = store.spec(name) or {}
        trials = store.trials(name)
        counted = [t for t in trials if t.role == Role.SEARCH]
        states = Counter(t.state for t in counted)
        attrs = store.facts(name)
        ranking = entries(attrs, trials, store.exports(name))
        best, first = next(iter(ranking), None), verdict_of(name, spec, attrs, trials, ranking, store.name)
        start = StartingPoint.of_spec(spec)
        made.append(
            {
                "study": name,
                "task": spec.get("task"),
                "data": "synthetic" if spec.get("synthetic") else _where(spec),
                "finished": states[State.COMPLETE] + states[State.PRUNED],
                **{state.value: states[state] for state in State},
                "failures": _failures(trials),
                "repeats": len(trials) - len(counted),
                "best": best.value if best else None,
                "best_trial": best.number if best else None,
                "best_is": best.title if best else None,
                "verdict": first.line if first else None,
                "next": first.next if first else None,
                "from": start.study if start else None,
                "began": start.line if start else None,
                "last_activity": last_activity(trials),
            }
        )
    return sorted(made, key=lambda r: r["last_activity"] or datetime.datetime.min, reverse=True)


def table(rows: list[dict[str, Any]]) -> RenderableType:
    """Lay out `rows`."""
    from rich.console import Group
    from rich.text import Text

    from atml.formatting import columns, shorter

    if not rows:
        return Text("no study yet; `atml search` makes one")
    cells = [
        (
            r["study"],
            r["task"],
            shorter(r["data"]),
            str(r["finished"]),
            f"{r['complete']} + {r['pruned']}",
            str(r["running"] + r["waiting"]),
            str(r["failed"]),
            "-" if r["best"] is None else f"{r['best']:.4f} (t{r['best_trial']})",
            "-" if r["last_activity"] is None else f"{r['last_activity']:%Y-%m-%d %H:%M}",
        )
        for r in rows
    ]
    counts = ("trials", "whole + cut", "open", "failed")
    header = ("study", "task", "data", *counts, "best", "last activity")
    failures = [
        Text(f"{r['study']}, {'trial' if len(numbers) == 1 else 'trials'} {_some(numbers)}: {why}")
        for r in rows
        for why, numbers in r["failures"].items()
    ]
    return Group(columns(header, cells, right=range(3, 7)), *failures)


def _failures(trials: list[TrialRecord]) -> dict[str, list[int]]:
    """Return the numbers of failed trials by the reason of the failure."""
    why: dict[str, list[int]] = {}
    for trial in trials:
        if trial.failure:
            why.setdefault(trial.failure, []).append(trial.number)
    return why


def _where(spec: dict[str, Any]) -> str:
    """Return the paths of a study's data, or their name where it has no paths."""
    from atml.data.dataset import DataSource

    paths = DataSource.from_dict(spec).paths if "data" in spec else ()
    return " + ".join(map(str, paths)) or str(spec.get("data_name"))


def _some(numbers: list[int], most: int = 8) -> str:
    """Write numbers between commas, at most ``most`` of them."""
    rest = f" and {len(numbers) - most} more" if len(numbers) > most else ""
    return ", ".join(map(str, numbers[:most])) + rest
