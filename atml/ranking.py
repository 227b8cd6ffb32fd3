"""Which trials are worth a second look, best first. Pure functions over trial records."""

from __future__ import annotations

from collections.abc import Iterable

from atml.types import TrialRecord


def ranked(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Sort the search trials that ran over every fold and keep every budget, best first.

    Of two with the same value the smaller one comes first.
    """
    kept = [t for t in records if t.role == "search" and t.state == "complete" and t.feasible]
    return sorted(kept, key=lambda t: (-(t.value or 0.0), size_of(t), t.number))


def size_of(record: TrialRecord) -> int:
    """Return the bytes of a trial's ONNX file, as known before training."""
    return record.cost.size_bytes if record.cost else 0
