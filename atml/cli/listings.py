"""What the listing commands show: rows as JSON types, and the tables made of them."""

from __future__ import annotations

import dataclasses
import datetime
import json
import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.text import Text

from atml import task_files
from atml.data.dataset import DataSource
from atml.errors import TaskFileError
from atml.formatting import columns, shorter
from atml.searching.ranking import kib_of, ranked
from atml.storage import Store
from atml.training.records import TrialRecord

if TYPE_CHECKING:
    from atml.data.inspection import Inspection, Part, Split
    from atml.regions import Ledger, Outcome, Region

MOST_FAULTS = 30
"""Faults of one kind that an inspection prints; its JSON has them all."""


def status(store: Store) -> list[dict[str, Any]]:
    """Return one row a study, the one last worked on first."""
    rows = []
    for name in store.studies():
        spec = store.spec(name) or {}
        trials = store.trials(name)
        counted = [t for t in trials if t.role == "search"]
        states = Counter(t.state for t in counted)
        best = ranked(trials)
        moments = [m for t in trials for m in (t.started, t.ended) if m is not None]
        rows.append(
            {
                "study": name,
                "task": spec.get("task"),
                "data": "synthetic" if spec.get("synthetic") else _where(spec),
                "finished": states["complete"] + states["pruned"],
                **{state: states[state] for state in ("complete", "pruned", "running", "waiting", "failed")},
                "failures": _failures(trials),
                "repeats": len(trials) - len(counted),
                "best": best[0].value if best else None,
                "best_trial": best[0].number if best else None,
                "last_activity": max(moments, default=None),
            }
        )
    return sorted(rows, key=lambda r: r["last_activity"] or datetime.datetime.min, reverse=True)


def _failures(trials: list[TrialRecord]) -> dict[str, list[int]]:
    """Say why trials came to nothing, and which."""
    why: dict[str, list[int]] = {}
    for trial in trials:
        if trial.failure:
            why.setdefault(trial.failure, []).append(trial.number)
    return why


def _where(spec: dict[str, Any]) -> str:
    """Name the data of a study by their paths, or by name where it keeps none."""
    paths = DataSource.from_dict(spec).paths if "data" in spec else ()
    return " + ".join(map(str, paths)) or str(spec.get("data_name"))


def status_table(rows: list[dict[str, Any]]) -> RenderableType:
    """Lay out `status`."""
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
    header = ("study", "task", "data", "trials", "whole + cut", "open", "failed", "best", "last activity")
    failures = [
        Text(f"{r['study']}, {'trial' if len(numbers) == 1 else 'trials'} {_some(numbers)}: {why}")
        for r in rows
        for why, numbers in r["failures"].items()
    ]
    return Group(columns(header, cells, right=range(3, 7)), *failures)


def _some(numbers: list[int], most: int = 8) -> str:
    """Write numbers in a row, the first few of many."""
    rest = f" and {len(numbers) - most} more" if len(numbers) > most else ""
    return ", ".join(map(str, numbers[:most])) + rest


def best(store: Store, name: str, top: int) -> list[dict[str, Any]]:
    """Return the best trials of a study: finalists as the search judged them, then the others by value.

    A trial's own value helped to choose it; what its repeats on fresh seeds came to did not, and comes first.
    """
    records = store.trials(name)
    folders = dict(store.exports(name))
    judged = store.study(name).user_attrs.get("judged", {})
    rows = []
    for record in ranked(records):
        repeats = sum(t.role == "finalist" and t.of == record.number and t.finished for t in records)
        rows.append(_row(record, judged.get(str(record.number)), repeats, folders.get(record.number)))
    rows.sort(key=lambda r: (r["judged"] is None, -_first(r["judged"], r["value"]), r["size_kib"]))
    return rows[:top]


def _first(judged: float | None, value: float) -> float:
    return value if judged is None else judged


def _row(record: TrialRecord, judged: float | None, repeats: int, folder: Path | None) -> dict[str, Any]:
    assert record.config is not None and record.cost is not None
    return {
        "trial": record.number,
        "value": record.value,
        "judged": judged,
        "repeats": repeats,
        "metrics": record.result.get("metrics", {}),
        "size_kib": kib_of(record, folder),
        "macs": record.cost.macs,
        "parameters": record.cost.parameters,
        "config": record.config.to_dict(),
        "summary": record.config.describe(),
        "folder": str(folder) if folder else None,
    }


def best_table(name: str, rows: list[dict[str, Any]]) -> RenderableType:
    """Lay out `best`: figures, then what each trial is, then the first one's config in full."""
    metrics = list(rows[0]["metrics"])
    header = ("trial", "value", "fresh seeds", *metrics, "KiB", "MACs")
    cells = [
        (
            str(r["trial"]),
            f"{r['value']:.4f}",
            "-" if r["judged"] is None else f"{r['judged']:.4f} ({r['repeats']})",
            *(f"{r['metrics'].get(m, float('nan')):.3f}" for m in metrics),
            f"{r['size_kib']:.1f}",
            f"{r['macs']:,}",
        )
        for r in rows
    ]
    config = ", ".join(f"{k}={v}" for k, v in rows[0]["config"].items())
    return Group(
        Text(f"study {name}, out of fold by subject; finalists come first, by the mean of their fresh seeds"),
        columns(header, cells, right=range(len(header))),
        Text(""),
        columns(("trial", "what it is"), [(str(r["trial"]), r["summary"]) for r in rows], right=[0]),
        Text(f"\nconfig of trial {rows[0]['trial']}: {config}"),
    )


def regions_table(
    study: str, rows: list[dict[str, Any]], ledger: Ledger, *, every: bool = False
) -> RenderableType:
    """Lay out regions (`atml.regions.row`), those that are open only on demand, and how to read them."""
    stale = [row for former in ledger.former for row in former["regions"]]
    shown = [row for row in (*rows, *stale) if every or row["status"] not in ("open", "stale")]
    order = ("rejected", "refused", "imported", "suspect", "lifted", "open", "stale")
    shown.sort(key=lambda row: (order.index(row["status"]), -row["covers"]))
    cells = [
        (
            row["id"],
            row["status"],
            row["region"],
            row["evidence"],
            (row["lifted"] or row["rejected"] or "-")[:10],
            f"{100 * row['covers']:.0f}%",
        )
        for row in shown
    ]
    header = ("id", "status", "region", "evidence", "since", "covers")
    hidden = 0 if every else sum(row["status"] == "open" for row in rows)
    lines = [
        f"rejected: of the configs drawn at random there, fewer than {100 * ledger.p0:g}% qualify; the chance"
        f" that any box is rejected wrongly is at most {100 * ledger.alpha:g}%",
        *([f"{hidden} boxes are open and not shown (--all)"] if hidden else []),
        *(
            [f"{len(stale)} regions are stale and bind no more, for what they are about has changed (--all)"]
            if stale
            else []
        ),
    ]
    title = Text(f"study {study}: {len(rows)} boxes under test" + ("" if shown else ", all of them open"))
    table = [columns(header, cells, right=(5,))] if shown else []
    return Group(title, *table, *(Text(line) for line in lines))


def evidence(region: Region, trials: list[Outcome]) -> list[dict[str, Any]]:
    """Return one row for each trial that counts for or against a region, in the order of drawing."""
    return [
        {
            "trial": trial.number,
            "drawn": trial.origin,
            "verdict": trial.verdict,
            "params": {name: trial.params.get(name) for name in region.box.names},
            "ended": trial.ended,
        }
        for trial in trials
    ]


def evidence_table(region: Region, rows: list[dict[str, Any]], ledger: Ledger) -> RenderableType:
    """Lay out `evidence` under what it says together."""
    cells = [
        (
            str(row["trial"]),
            row["drawn"],
            row["verdict"],
            ", ".join(f"{name} {value}" for name, value in row["params"].items()),
            "-" if row["ended"] is None else f"{row['ended']:%Y-%m-%d %H:%M}",
        )
        for row in rows
    ]
    lines = [
        f"region {region.id}: {region.box.words()}",
        f"{region.status}; {region.words()}",
        f"{100 * region.share:.0f}% of the search space; tested at {100 * ledger.p0:g}% with"
        f" {region.candidate.alpha:.2g} of alpha {ledger.alpha:g}; {region.candidate.source}"
        + (f", {region.candidate.note}" if region.candidate.note else ""),
    ]
    if region.vetoes:
        lines.append(f"qualifying trials inside, whoever chose them: {', '.join(map(str, region.vetoes))}")
    header = ("trial", "drawn", "verdict", "parameters", "ended")
    table = [columns(header, cells, right=(0,))] if cells else [Text("no trial counts yet")]
    return Group(*(Text(line) for line in lines), *table)


def tasks() -> list[dict[str, Any]]:
    """Return one row a task found, with its files and what they stand in for, or why it can't be used."""
    rows = []
    for name, files in task_files.names().items():
        missing = [kind for kind in task_files.FOLDERS if kind not in files]
        notes = [f"no {kind}/{name}.py" for kind in missing]
        seconds = classes = None
        if not missing:
            try:
                definition = task_files.find(name)
                seconds, classes = definition.task.seconds, list(definition.task.classes)
                notes += definition.notes()
            except TaskFileError as error:
                notes.append(str(error))
        rows.append(
            {
                "task": name,
                "seconds": seconds,
                "classes": classes,
                "files": {kind: str(path) for kind, path in files.items()},
                "notes": notes,
            }
        )
    return rows


def tasks_table(rows: list[dict[str, Any]]) -> RenderableType:
    """Lay out `tasks`."""
    cells = [
        (
            r["task"],
            "-" if r["seconds"] is None else f"{r['seconds']:g} s",
            ", ".join(r["classes"] or ()),
            "\n".join(r["files"].values()),
            "\n".join(r["notes"]),
        )
        for r in rows
    ]
    return columns(("task", "window", "classes", "files", "notes"), cells)


def inspection(found: Inspection) -> dict[str, Any]:
    """Return an inspection as JSON types; a range of nothing, NaN, becomes null."""
    # JSON has no NaN; Python writes one all the same, and reads it back by way of parse_constant.
    text = json.dumps(dataclasses.asdict(found))
    return json.loads(text, parse_constant=lambda _: None)  # type: ignore[no-any-return]


def inspection_table(found: Inspection) -> RenderableType:
    """Lay out an inspection: a table a split, then every fault."""
    parts: list[RenderableType] = []
    for split in found.splits:
        name = split.set or found.name
        title = name if split.bare else f"{name}, {split.name}"
        parts.append(Text(f"{title}: {len(split.subjects)} subjects", style="bold"))
        parts.append(_subjects(split))
        parts.extend(Text(note) for note in split.notes)
        if split.refusal:
            parts.append(Text(f"`atml search` would refuse it: {split.refusal}", style="bold red"))
        parts.append(Text(""))
    if found.refusal:
        parts.append(Text(f"`atml search` would refuse them: {found.refusal}\n", style="bold red"))
    if not found.faults:
        parts.append(Text("no faults found"))
    else:
        parts.append(Text(f"{len(found.faults)} faults", style="bold"))
        parts.append(_faults(found))
    return Group(*parts)


def _faults(found: Inspection) -> RenderableType:
    """Lay out the faults, not more than `MOST_FAULTS` of a kind."""
    rows = []
    counts = Counter(fault.kind for fault in found.faults)
    for kind, count in counts.items():
        mine = [(kind, fault.file, fault.detail) for fault in found.faults if fault.kind == kind]
        rows += mine[:MOST_FAULTS]
        if count > MOST_FAULTS:
            rows.append((kind, f"and {count - MOST_FAULTS} more", "--json lists them all"))
    return columns(("kind", "file", "detail"), rows)


def _subjects(split: Split) -> RenderableType:
    """Lay out one row a subject and one of all; a column in which nothing is told is left out."""
    parts = (*split.subjects, split.total)
    long = bool(split.records)
    told = "windows" if long else "classes"
    classes = sorted(getattr(split.total, told), key=lambda name: name == "unknown")
    table: list[tuple[str, bool, list[str]]] = [
        ("subject", False, [*(part.name for part in split.subjects), "all"]),
        ("files", True, [] if long else [str(part.files) for part in parts]),
        ("windows" if long else "usable", True, [str(part.segments) for part in parts]),
        *((name, True, [str(getattr(part, told).get(name, "-")) for part in parts]) for name in classes),
        ("rhythms", False, [] if long else [_counted(part.rhythms) for part in parts]),
        ("samples", False, [] if long else [_lengths(part) for part in parts]),
        ("seconds a rhythm", False, [_times(part.seconds) for part in parts]),
        ("seconds left out", False, [_times(part.left_out) for part in parts]),
        ("range", False, [_range(part) for part in parts]),
        ("would be dropped", False, [_counted(part.dropped) for part in parts]),
    ]
    table = [column for column in table if any(column[2])]
    right = [at for at, column in enumerate(table) if column[1]]
    return columns(
        [name for name, _, _ in table], list(zip(*(cells for _, _, cells in table), strict=True)), right=right
    )


def _times(seconds: dict[str, float]) -> str:
    """Say seconds by name, the most first."""
    ordered = sorted(seconds.items(), key=lambda item: -item[1])
    return ", ".join(f"{name or '(none)'} {time:.0f}" for name, time in ordered if time >= 0.5)


def _range(part: Part) -> str:
    return "-" if math.isnan(part.low) else f"{part.low:.3g} to {part.high:.3g}"


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name or '(no name)'}" for name, count in counts.items())


def _lengths(part: Part) -> str:
    return ", ".join(map(str, part.lengths)) if len(part.lengths) < 4 else "various"
