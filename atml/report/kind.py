"""What a report says differently for each kind of target: one module a kind, looked up by the task's kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from atml.arrays import Bools, Float32, Int64
from atml.evaluation.cross_validation_result import CrossValidationResult
from atml.metrics import Interval, Predictions
from atml.report import kind_binary, kind_multiclass, kind_multilabel
from atml.report.figures import Figures, Source
from atml.report.matrix import Counted
from atml.report.page import Block
from atml.tasks import targets
from atml.tasks.task import BINARY, MULTICLASS, MULTILABEL, Task


class ReportKind(Protocol):
    """The parts of a report that depend on the kind of target; a module with these names.

    A group is what windows are counted by: the positive class and all others, each class, or each label. An
    answer is what one decision is: a group, or of a label yes or no, so that a row may have several.
    """

    @property
    def METRICS(self) -> Mapping[str, str]:
        """Figures over everything that a table shows, with the names they are shown by."""

    @property
    def OTHER_DECISIONS(self) -> str:
        """What the curves are about: other thresholds, or each class against the rest."""

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

    def members(self, task: Task, y: Int64) -> Bools:
        """Which groups each row with these labels ``y (n,)`` is of, ``(n, groups)``."""

    def answers(self, task: Task) -> tuple[str, ...]:
        """Names of what is decided for, by which `decisions` counts."""

    def decisions(self, task: Task, run: Predictions) -> tuple[Int64, Int64, Int64, Float32]:
        """Decisions one by one: row of ``run``, true and called answer, and the margin that says how clearly.

        Each ``(m,)``, row after row, as many of each row.
        """

    def count(self, task: Task, n: int) -> str:
        """Say how many `decisions`."""

    def cells(self, table: Any) -> Int64:
        """Counts of a target's table, true by called: ``(groups, groups)``, or of each label two by two."""

    def cells_of(self, figures: Figures, found: CrossValidationResult | None) -> Int64 | None:
        """Counts out of fold or of an evaluation, as `cells`; None where they are not known."""

    def figures_of(self, task: Task, table: Any) -> dict[str, float]:
        """Rates and `METRICS` of a target's table, by name."""

    def over_all(self, task: Task, rates: Sequence[str]) -> list[str]:
        """Those of the rates that the table of `METRICS` shows too."""

    def counted(self, found: Sequence[Counted], source: Source, task: Task) -> list[Block]:
        """Show what was called right and wrong on each set of data."""

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
        """Pairs ``(true, called)`` of wrong answers to show, and of which ends of sureness."""

    def right(self, task: Task) -> tuple[list[tuple[int, int]], tuple[bool, ...]]:
        """The same of right decisions."""

    def salient(self, task: Task, truth: int, called: int) -> int:
        """Class or label that a decision's saliency is about."""

    def outcome(self, truth: int, called: int) -> str:
        """Name a decision: "hit", "false alarm"."""

    def people(self, table: Int64, task: Task) -> str:
        """Say how many subjects have which class or label, of counts ``(classes, subjects)``."""


KINDS: dict[str, ReportKind] = {
    BINARY: kind_binary,
    MULTICLASS: kind_multiclass,
    MULTILABEL: kind_multilabel,
}
"""Kinds by the names that `atml.tasks.targets.shown_as` gives."""


def of(task: Task) -> ReportKind:
    """Return the parts of a report for a task."""
    return KINDS[targets.shown_as(task)]
