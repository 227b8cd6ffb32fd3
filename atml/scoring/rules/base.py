"""What a scoring rule is, what it is given, and what it returns.

A rule is a module, one of this package or a user's file ``rules/NAME.py``, with the members of `Rule`. The
built-in ones are in `atml.scoring.rules.RULES`; `atml.scoring.rules.files` lists what a user's file may omit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from atml.arrays import Float32, Int64, Strings
from atml.data.formats.annotations import Marks
from atml.metrics import Interval, Predictions, class_counts, subject_codes
from atml.tasks import targets
from atml.tasks.task import Task


class Rule(Protocol):
    """The members of a rule."""

    @property
    def NAME(self) -> str:
        """The name that ``--rule`` takes."""

    @property
    def OPTIONS(self) -> Mapping[str, float]:
        """What ``--rule-option NAME=VALUE`` may set, with its default: numbers above 0."""

    @property
    def AWARDS(self) -> bool:
        """Whether a measured latency and size earn points."""

    @property
    def decide(self) -> Callable[[npt.ArrayLike], Int64] | None:
        """Labels ``(n,)`` of a model's outputs ``(n, classes)``; None leaves it to the task's kind of target.

        Raises InputError for outputs of another shape than the rule reads.
        """

    def fits(self, task: Task) -> None:
        """Raise ExportError for a model whose task the rule can't judge."""

    def score(self, judged: Judged, options: Mapping[str, float]) -> Score:
        """Score decisions; ``options`` has a value for each of `OPTIONS`.

        Raises InputError without windows.
        """


@dataclass(frozen=True, kw_only=True)
class BeatRecord:
    """One recording, beat by beat: what is annotated in it, and what a model called the beats.

    ``rate`` is in Hz and ``length`` in samples, as are the times of both; ``given`` says that the beats of
    ``test`` are those of the reference and not found by the detector.
    """

    name: str
    subject: str
    rate: float
    length: int
    reference: Marks
    test: Marks
    given: bool = False


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One model's decisions on one test set.

    ``y_true`` and ``y_pred`` are labels ``(n,)`` of windows, ``subject`` and ``rhythm`` names ``(n,)``, ``x
    (n, leads, samples)`` the signal at the task's rate, for a rule that measures it. ``logits (n, classes)``
    are the model's outputs, None for one that gives labels alone. ``record (n,)`` names the recording that a
    window is cut from; None takes each subject for one recording. ``latency_ms`` and ``size_kib`` are a
    person's own measurements on the device, where there are any. ``beats`` are the whole recordings with all
    beats in them, of a task of single beats; None for any other.
    """

    task: Task
    y_true: Int64
    y_pred: Int64
    subject: Strings
    rhythm: Strings
    x: Float32
    logits: Float32 | None = None
    record: Strings | None = None
    latency_ms: float | None = None
    size_kib: float | None = None
    beats: tuple[BeatRecord, ...] | None = None

    def records(self) -> Records:
        """Decide every recording from all its windows.

        The mean of the softmax of the windows' logits decides; without logits the class that most windows
        are called. A recording's true class is the one that most of its windows have.

        Example:
            >>> task = Task(name="t", classes=("N", "AF"), positive=1, sampling_rate=250, window=1250)
            >>> three = np.array(["a", "a", "b"])
            >>> found = Judged(
            ...     task=task, y_true=np.array([1, 1, 0]), y_pred=np.array([0, 1, 0]), subject=three,
            ...     rhythm=three, x=np.zeros((3, 1, 1250), np.float32),
            ...     logits=np.array([[0.1, 0.0], [0.0, 4.0], [2.0, 0.0]], np.float32),
            ... ).records()
            >>> found.names.tolist(), found.labels().tolist(), found.windows.tolist()
            (['a', 'b'], [1, 0], [2, 1])
        """
        subjects, of_subject = subject_codes(self.subject)
        names, of_name = subject_codes(self.subject if self.record is None else self.record)
        # Two subjects may each have a recording of the same name.
        pair, code = np.unique(of_subject * max(1, len(names)) + of_name, return_inverse=True)
        logits = self.logits
        if logits is None:
            called = self.y_pred[:, None] == np.arange(len(self.task.classes))
            logits = np.where(called, 0.0, -30.0).astype(np.float32)
        group = np.char.zfill(code.astype(np.str_), 9)  # numbers sort as text then
        found = targets.of(self.task).predictions(logits, self.y_true, group).by_subject()
        own = np.bincount(code, self.y_true == found.y[code], len(pair))
        windows = np.bincount(code, minlength=len(pair)).astype(np.int64)
        return Records(
            names=names[pair % max(1, len(names))],
            predictions=Predictions(
                found.logits, found.y, subjects[pair // max(1, len(names))], found.positive
            ),
            windows=windows,
            mixed=int((own < windows).sum()),
            by_vote=self.logits is None,
        )


@dataclass(frozen=True)
class Records:
    """Decisions on whole recordings, one row each, sorted by subject and name.

    ``predictions`` hold ``logits (records, classes)``, the logarithms of the mean softmax, the true class
    ``y`` and the subject of each; ``names (records,)`` are those of the recordings, ``windows (records,)``
    their numbers of windows. ``mixed`` counts recordings with windows of more than one class, ``by_vote``
    says that most windows decided and not their mean softmax.
    """

    names: Strings
    predictions: Predictions
    windows: Int64
    mixed: int
    by_vote: bool

    def __len__(self) -> int:
        """Count the recordings."""
        return len(self.windows)

    def labels(self) -> Int64:
        """Class that each recording is called, ``(records,)``."""
        return self.predictions.labels()

    @property
    def one_each(self) -> bool:
        """Whether every subject has one recording."""
        return len(subject_codes(self.predictions.subject)[0]) == len(self)

    def notes(self) -> tuple[str, ...]:
        """Return lines on how recordings are decided, and how many have windows of several classes."""
        how = (
            "the class that most of its windows are called"
            if self.by_vote
            else "the mean of its windows' softmax: the largest mean is its class"
        )
        lines = [
            f"figures are by record: a record is decided by {how}"
            f" ({int(self.windows.sum()):,} windows in {len(self):,} records)"
        ]
        if self.mixed:
            lines.append(
                f"{self.mixed} of {len(self)} records have windows of more than one class: the class of most"
                " of its windows is taken for that of a record"
            )
        return tuple(lines)


@dataclass(frozen=True)
class Figure:
    """A number, its ``key`` in JSON and its ``name`` in a report; ``interval`` is 95% over subjects.

    Example:
        >>> Figure("Se", "sensitivity", 0.9, Interval(0.9, 0.8, 0.95)).interval.low
        0.8
    """

    key: str
    name: str
    value: float
    interval: Interval | None = None


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of a report: ``cells`` as text under ``header``, ``records`` the same as JSON types.

    The first cell names the row. Of another model on the same data, the columns ``beside`` are shown too.

    Raises ValueError where a row has another number of cells than the header.

    Example:
        >>> made = Table(
        ...     key="people", header=("person", "windows"), cells=(("A", "12"),),
        ...     records=({"person": "A", "windows": 12},),
        ... )
        >>> made.cells[0]
        ('A', '12')
    """

    key: str
    header: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    records: tuple[dict[str, Any], ...]
    beside: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the rows."""
        if wrong := [row for row in self.cells if len(row) != len(self.header)]:
            raise ValueError(f"table {self.key!r} has the row {wrong[0]!r} under {len(self.header)} columns")


def confusion_table(key: str, unit: str, classes: Sequence[str], true: Int64, called: Int64) -> Table:
    """Make a confusion matrix: one row for each true class, one column for each class called.

    ``true`` and ``called`` are indices into ``classes``, ``(n,)``; ``unit`` names in the header what is
    counted.
    """
    cells = class_counts(true, called, np.zeros(len(true), np.str_), len(classes)).pooled().tolist()
    rows = list(zip(classes, cells, strict=True))
    return Table(
        key=key,
        header=(f"{unit}: true, called", *classes),
        cells=tuple((name, *map(str, row)) for name, row in rows),
        records=tuple({"true": name, **dict(zip(classes, row, strict=True))} for name, row in rows),
    )


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
    awards no points. ``options`` are those that the rule was run with, ``details`` further fields for JSON,
    ``notes`` what a reader of the figures has to know. ``records`` is the number of recordings
    that the figures are of, None where they are of windows. ``rule`` may be left out in a user's file.

    Example:
        >>> Score(rule="mine", figures=(Figure("share", "share called right", 0.75),))["share"]
        0.75
    """

    figures: tuple[Figure, ...]
    rule: str = ""
    records: int | None = None
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
        if self.records is not None:
            fields |= {"unit": "record", "records": self.records}
        if self.options:
            fields["options"] = dict(self.options)
        fields |= self.details
        fields |= {table.key: list(table.records) for table in self.tables}
        return fields
