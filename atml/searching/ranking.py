"""Which trials are best. Pure functions over trial records."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from atml.models.budget import Budget
from atml.training.records import Role, State, TrialRecord


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


def size_of(record: TrialRecord) -> int:
    """Return the size of a trial's ONNX file in bytes, as computed before training."""
    return record.cost.size_bytes if record.cost else 0


def kib_of(record: TrialRecord, folder: Path | str | None) -> float:
    """Return the size in KiB of ``model.onnx`` in ``folder``, or as computed before training."""
    file = Path(folder) / "model.onnx" if folder else None
    size = file.stat().st_size if file is not None and file.is_file() else size_of(record)
    return round(size / 1024, 1)
