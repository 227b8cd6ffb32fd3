"""What a model card says differently for each kind of target: the blocks, looked up by the task's kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from atml.artifacts import card_binary, card_multiclass, card_multilabel, card_waveform
from atml.artifacts.record import ExportRecord
from atml.models.config import ModelConfig
from atml.tasks import targets
from atml.tasks.task import BINARY, MULTICLASS, MULTILABEL, WAVEFORM, Task


class CardKind(Protocol):
    """The parts of a card that depend on the kind of target; a module with these names."""

    @property
    def SUBJECT_FIGURE(self) -> str:
        """Name of the figure that is averaged over subjects, `intervals["F"]`."""

    @property
    def COMPARED(self) -> Mapping[str, str]:
        """Those of the four metrics that are set beside the baseline's, with the names they are shown by."""

    def decides(self, task: Task) -> str:
        """Say what is decided, of how much signal."""

    def wins(self, task: Task) -> str:
        """Say which logit decides, and what a tie means."""

    def headline(self, record: ExportRecord) -> list[tuple[str, str]]:
        """Rows ``(name, words)`` of the first table: the figures to read first."""

    def results(self, record: ExportRecord) -> str:
        """Write the section "Results out of fold"."""

    def rhythms(self, task: Task) -> str:
        """Say what the share of windows decided right means for the rhythms of each class."""

    def weights(self, config: ModelConfig) -> str:
        """Say which class the loss favours, "" where it favours none."""

    def limits(self, record: ExportRecord) -> list[str]:
        """Lines of "Known limits": subjects and classes, the weakest subject, the share of each class."""


KINDS: dict[str, CardKind] = {
    BINARY: card_binary,
    MULTICLASS: card_multiclass,
    MULTILABEL: card_multilabel,
    WAVEFORM: card_waveform,
}
"""Kinds by their names; any other is written up as `atml.tasks.targets.shown_as` says."""


def of(task: Task) -> CardKind:
    """Return the parts of a card for a task."""
    return KINDS.get(task.kind, KINDS[targets.shown_as(task)])
