"""What an official rule is given, and what it answers with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from atml.arrays import Float32, Int64, Strings
from atml.metrics import Interval
from atml.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One model's decisions on one test set.

    ``y_true`` and ``y_pred`` are labels ``(n,)``, ``subject`` and ``rhythm`` names ``(n,)``, ``x (n, leads,
    samples)`` the signal at the task's rate, for a rule that measures it. ``latency_ms`` and ``size_kib`` are
    a person's own measurements on the device, where there are any.
    """

    task: Task
    y_true: Int64
    y_pred: Int64
    subject: Strings
    rhythm: Strings
    x: Float32
    latency_ms: float | None = None
    size_kib: float | None = None


@dataclass(frozen=True)
class Figure:
    """A number by its key in JSON and its name in a report; ``interval`` is 95% over subjects."""

    key: str
    name: str
    value: float
    interval: Interval | None = None


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of a report: ``cells`` as text under ``header``, ``records`` the same as JSON types.

    The first cell names the row. Of another model on the same data, the columns ``beside`` are shown too.
    """

    key: str
    header: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    records: tuple[dict[str, Any], ...]
    beside: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Total:
    """What a contest awards: ``parts`` add up to ``value``; ``best`` is the most its text allows for.

    ``parts`` is empty and ``value`` None until a latency (ms) and a size (KiB) were measured.
    """

    best: float
    latency_ms: float | None
    size_kib: float | None
    parts: Mapping[str, float] = field(default_factory=dict)

    @property
    def value(self) -> float | None:
        """Sum of the parts."""
        return sum(self.parts.values()) if self.parts else None


@dataclass(frozen=True, kw_only=True)
class Score:
    """Figures of one model on one test set under one rule.

    ``figures`` are in the order of the report, the official ones first. ``total`` is None for a rule that
    awards no points. ``options`` are the limits that the rule was run with, ``details`` what else belongs
    in JSON, ``notes`` what a person must know to read the figures.
    """

    rule: str
    figures: tuple[Figure, ...]
    total: Total | None = None
    tables: tuple[Table, ...] = ()
    options: Mapping[str, float] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __getitem__(self, key: str) -> float:
        """Return a figure by its key; raises KeyError for one that this rule does not have."""
        for figure in self.figures:
            if figure.key == key:
                return figure.value
        raise KeyError(f"rule {self.rule} has no figure {key!r}: {', '.join(f.key for f in self.figures)}")

    def table(self, key: str) -> Table:
        """Return a table by its key; raises KeyError for one that this rule does not have."""
        for table in self.tables:
            if table.key == key:
                return table
        raise KeyError(f"rule {self.rule} has no table {key!r}: {', '.join(t.key for t in self.tables)}")

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the notes as JSON types."""
        fields: dict[str, Any] = {"rule": self.rule}
        fields |= {figure.key: figure.value for figure in self.figures}
        fields["intervals"] = {
            figure.key: {"value": figure.value, "low": figure.interval.low, "high": figure.interval.high}
            for figure in self.figures
            if figure.interval is not None
        }
        if self.total is not None:
            fields["latency_ms"] = self.total.latency_ms
            fields["size_kib"] = self.total.size_kib
            fields["points"] = dict(self.total.parts) or None
            fields["total"] = self.total.value
        if self.options:
            fields["options"] = dict(self.options)
        fields |= self.details
        fields |= {table.key: list(table.records) for table in self.tables}
        return fields
