"""Which trials are worth a second look, best first. Pure functions over trial records."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from atml.models.budget import Budget
from atml.training.records import TrialRecord


def ranked(records: Iterable[TrialRecord], budget: Budget | None = None) -> list[TrialRecord]:
    """Sort the search trials that ran over every fold and keep every budget, best first.

    Of two with the same value the smaller one comes first. A trial kept the budget of its day; ``budget`` is
    that of today, where it may be another.
    """
    kept = [t for t in records if t.role == "search" and t.state == "complete" and t.feasible]
    if budget is not None:
        # Operators are part of the objectives file, and of what its trials were refused for.
        kept = [t for t in kept if t.cost is None or not budget.broken(t.cost)]
    return sorted(kept, key=lambda t: (-(t.value or 0.0), size_of(t), t.number))


def size_of(record: TrialRecord) -> int:
    """Return the bytes of a trial's ONNX file, as known before training."""
    return record.cost.size_bytes if record.cost else 0


def kib_of(record: TrialRecord, folder: Path | str | None) -> float:
    """Return the size of a trial's file in KiB: of the file where it is there, else as known before."""
    file = Path(folder) / "model.onnx" if folder else None
    size = file.stat().st_size if file is not None and file.is_file() else size_of(record)
    return round(size / 1024, 1)
