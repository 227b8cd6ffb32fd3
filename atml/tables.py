"""What the listing commands show: rows as JSON types, and the tables made of them."""

from __future__ import annotations

import datetime
from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from atml import rooms
from atml.search.crew import describe
from atml.search.finals import ranked
from atml.store import Store
from atml.types import TrialRecord
from atml.view import columns, shorter


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
                "data": "synthetic" if spec.get("synthetic") else spec.get("data") or spec.get("data_name"),
                "finished": states["complete"] + states["pruned"],
                **{state: states[state] for state in ("complete", "pruned", "running", "waiting", "failed")},
                "repeats": len(trials) - len(counted),
                "best": best[0].value if best else None,
                "best_trial": best[0].number if best else None,
                "last_activity": max(moments, default=None),
            }
        )
    return sorted(rows, key=lambda r: r["last_activity"] or datetime.datetime.min, reverse=True)


def status_table(rows: list[dict[str, Any]]) -> RenderableType:
    """Lay out `status`."""
    if not rows:
        return Text("no study yet; `atml search` makes one")
    header = (
        "study",
        "task",
        "data",
        "finished",
        "complete",
        "pruned",
        "running",
        "waiting",
        "failed",
        "best",
        "last",
    )
    cells = [
        (
            r["study"],
            r["task"],
            shorter(r["data"]),
            *(str(r[k]) for k in ("finished", "complete", "pruned", "running", "waiting", "failed")),
            "-" if r["best"] is None else f"{r['best']:.4f} (trial {r['best_trial']})",
            "-" if r["last_activity"] is None else f"{r['last_activity']:%Y-%m-%d %H:%M:%S}",
        )
        for r in rows
    ]
    return columns(header, cells, right=range(3, 9))


def best(store: Store, name: str, top: int) -> list[dict[str, Any]]:
    """Return the best trials of a study: judged finalists by the mean of their repeats, then the others.

    A trial's own value helped to choose it; that of its repeats did not, and comes first.
    """
    records = store.trials(name)
    folders = dict(store.exports(name))
    rows = []
    for record in ranked(records):
        repeats = [
            t.value
            for t in records
            if t.role == "finalist" and t.of == record.number and t.state == "complete"
        ]
        rows.append(_row(record, [v for v in repeats if v is not None], folders.get(record.number)))
    rows.sort(key=lambda r: (r["repeats"] == [], -(r["mean_of_repeats"] or r["value"])))
    return rows[:top]


def _row(record: TrialRecord, repeats: list[float], folder: Path | None) -> dict[str, Any]:
    assert record.config is not None and record.cost is not None
    return {
        "trial": record.number,
        "value": record.value,
        "repeats": repeats,
        "mean_of_repeats": sum(repeats) / len(repeats) if repeats else None,
        "metrics": record.result.get("metrics", {}),
        "size_kib": round(record.cost.size_bytes / 1024, 1),
        "macs": record.cost.macs,
        "parameters": record.cost.parameters,
        "config": record.config.to_dict(),
        "summary": describe(record.config),
        "folder": str(folder) if folder else None,
    }


def best_table(name: str, rows: list[dict[str, Any]]) -> RenderableType:
    """Lay out `best`, and the first row's config in full."""
    metrics = list(rows[0]["metrics"])
    header = ("trial", "value", "fresh seeds", *metrics, "KiB", "MACs", "config")
    cells = [
        (
            str(r["trial"]),
            f"{r['value']:.4f}",
            "-" if r["mean_of_repeats"] is None else f"{r['mean_of_repeats']:.4f} ({len(r['repeats'])})",
            *(f"{r['metrics'].get(m, float('nan')):.3f}" for m in metrics),
            f"{r['size_kib']:.1f}",
            f"{r['macs']:,}",
            r["summary"],
        )
        for r in rows
    ]
    config = ", ".join(f"{k}={v}" for k, v in rows[0]["config"].items())
    return Group(
        Text(f"study {name}: values out of fold, by subject; finalists by the mean of their fresh seeds"),
        columns(header, cells, right=range(len(header) - 1)),
        Text(f"config of trial {rows[0]['trial']}: {config}"),
    )


def tasks() -> list[dict[str, Any]]:
    """Return one row a task found, with its files and what they stand in for."""
    rows = []
    for name, files in rooms.names().items():
        missing = [kind for kind in rooms.FOLDERS if kind not in files]
        notes = [f"no {kind}/{name}.py" for kind in missing]
        seconds = classes = None
        if not missing:
            room = rooms.find(name)
            seconds, classes = room.task.seconds, list(room.task.classes)
            notes += room.notes()
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
