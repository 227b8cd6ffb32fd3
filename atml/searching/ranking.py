"""Which trials are best. Pure functions over trial records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from atml.models.budget import Budget
from atml.training.records import ParameterSource, Role, State, TrialRecord

JUDGED, PICK = "judged", "pick"
"""Attributes of a study: the value of each finalist on fresh seeds, at a trial's own length, by number as
text; and which one is taken (`atml.searching.picking.Pick`), which studies of version 0.1 do not have."""


def ranked(records: Iterable[TrialRecord], budget: Budget | None = None) -> list[TrialRecord]:
    """Sort the search trials that ran over every fold and keep every budget, best first.

    Of two with the same value the smaller one comes first. Each trial kept the budget at its time; with
    ``budget``, the trials that break this one are left out too.
    """
    kept = [t for t in records if t.role == Role.SEARCH and t.state == State.COMPLETE and t.feasible]
    if budget is not None:
        # Operators are left out: they belong to the objective file, and its trials were checked against them.
        kept = [t for t in kept if t.cost is None or not budget.broken(t.cost)]
    return sorted(kept, key=lambda t: (-(t.value or 0.0), size_of(t), t.number))


def default_of(records: Iterable[TrialRecord]) -> TrialRecord | None:
    """Return the trial of the default config; None where it is not among them."""
    return next((t for t in records if t.origin == ParameterSource.DEFAULT), None)


def in_order(attrs: Mapping[str, Any], records: Iterable[TrialRecord]) -> list[int]:
    """Return the finalists of a study by its attributes, the pick first.

    A study of version 0.1 has none: there the best on fresh seeds is the pick, of equals the smallest.
    """
    kept = attrs.get(PICK)
    if kept is not None:
        return [int(number) for number in kept["order"]]
    values = {int(number): float(value) for number, value in attrs.get(JUDGED, {}).items()}
    sizes = {t.number: size_of(t) for t in records if t.number in values}
    return sorted(values, key=lambda n: (-round(values[n], 4), sizes.get(n, 0)))


def shipped_length(attrs: Mapping[str, Any], number: int) -> int:
    """Return how many times the optimiser steps of its trial the export of a finalist has."""
    kept = attrs.get(PICK) or {}
    return int(kept.get("length", 1)) if kept.get("order", [])[:1] == [number] else 1


def leanness(record: TrialRecord, prefer: str) -> tuple[int, int]:
    """Return what a trial should have least of: MACs and bytes for the "fastest", else the reverse."""
    macs = record.cost.macs if record.cost else 0
    return (macs, size_of(record)) if prefer == "fastest" else (size_of(record), macs)


def size_of(record: TrialRecord) -> int:
    """Return the size of a trial's ONNX file in bytes, as computed before training."""
    return record.cost.size_bytes if record.cost else 0


def kib_of(record: TrialRecord, folder: Path | str | None) -> float:
    """Return the size in KiB of ``model.onnx`` in ``folder``, or as computed before training."""
    file = Path(folder) / "model.onnx" if folder else None
    size = file.stat().st_size if file is not None and file.is_file() else size_of(record)
    return round(size / 1024, 1)
