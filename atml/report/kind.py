"""What a report says differently for each kind of target: one module a kind, looked up by the task's kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from atml.arrays import Float32, Int64
from atml.evaluation.cross_validation_result import CrossValidationResult
from atml.metrics import Interval, Predictions
from atml.report import kind_binary, kind_multiclass
from atml.report.figures import Figures, Source
from atml.tasks import targets
from atml.tasks.task import BINARY, MULTICLASS, Task


class ReportKind(Protocol):
    """The parts of a report that depend on the kind of target; a module with these names.

    A group is what decisions are counted by: the positive class and all others, or each class.
    """

    @property
    def METRICS(self) -> Mapping[str, str]:
        """Those of the four metrics that a table shows, with the names they are shown by."""

    def asks(self, task: Task) -> str:
        """Say in a sentence what is decided."""

    def decision(self, task: Task, config: Figures) -> list[tuple[str, str]]:
        """Rows ``(what, words)`` on how outputs become a decision; ``config`` is an export's, {} without."""

    def last_layer(self, task: Task, config: Figures) -> str:
        """Say what the decision changed in the last layer of an export, "" where its file does not say."""

    def chosen(self, figures: Figures, task: Task) -> tuple[str, str]:
        """A row ``(what, words)``: what choosing the decision is worth, judged three ways."""

    def lead(self, figures: Figures) -> str:
        """Say the figures to read first, with their intervals."""

    def groups(self, task: Task) -> tuple[str, ...]:
        """Names of the groups."""

    def group_of(self, task: Task, y: Int64) -> Int64:
        """Group of each label ``y (n,)``."""

    def called(self, run: Predictions) -> tuple[Int64, Float32]:
        """Group that each window is decided for, and the margin that says how clearly; each ``(n,)``."""

    def shown(self, task: Task) -> tuple[Sequence[int], Sequence[int]]:
        """Groups in the order of a matrix's rows (true) and columns (called)."""

    def cells(self, table: Any) -> Int64:
        """Counts of a target's table, true group by called group."""

    def cells_of(self, figures: Figures, found: CrossValidationResult | None) -> Int64 | None:
        """Counts out of fold or of an evaluation, as `cells`; None where they are not known."""

    def errors(self, cells: Int64, names: Sequence[str], many: str = "windows") -> str:
        """Say how often which error was made; ``many`` is what is counted."""

    def by_subject(
        self, source: Source, most: int, task: Task
    ) -> tuple[dict[str, list[Interval | None]], str]:
        """Rates of the ``most`` weakest subjects, a list each, and what all of them say."""

    def subject_table(
        self, source: Source, task: Task
    ) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
        """Columns and rows of all subjects, the worst first."""

    @property
    def OF_SUBJECT(self) -> str:
        """Name of the one figure of a subject by which formats are compared."""

    def of_subject(self, row: Figures) -> float:
        """Return that figure of a subject's row in a file."""

    def score(self, task: Task) -> str:
        """Say what the margin of a window is, by which misjudged ones are sorted."""

    def spread(self, figures: Figures) -> str:
        """Say how far subjects differ."""

    def carried(self, task: Task) -> Mapping[str, tuple[str, ...]]:
        """Rates that are compared between sets of data, with the names that files give them."""

    def margins(self, found: Sequence[float], called: str) -> str:
        """Say the out-of-fold margins of one window."""

    def how_shown(self) -> str:
        """Say which decisions are shown as examples, and what their margins mean."""

    def wrong(self, task: Task) -> tuple[list[tuple[int, int]], tuple[bool, ...]]:
        """Pairs ``(true, called)`` of wrong decisions to show, and of which ends of sureness."""

    def outcome(self, truth: int, called: int) -> str:
        """Name a decision: "hit", "false alarm"."""

    def people(self, table: Int64, task: Task) -> str:
        """Say how many subjects have which class, of counts ``(classes, subjects)``."""


KINDS: dict[str, ReportKind] = {BINARY: kind_binary, MULTICLASS: kind_multiclass}
"""Kinds by the names that `atml.tasks.targets.shown_as` gives."""


def of(task: Task) -> ReportKind:
    """Return the parts of a report for a task."""
    return KINDS[targets.shown_as(task)]
