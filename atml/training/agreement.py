"""What a network makes of windows after changes that should change no decision."""

from __future__ import annotations

from dataclasses import dataclass

from atml.arrays import Float32
from atml.data.dataset import Rows
from atml.ecg.changes import CHANGES, SHIFT_S, changed, shift_of
from atml.models.network import Network
from atml.tasks.task import Task
from atml.training.loop import predict


@dataclass(frozen=True)
class ChangedRows(Rows):
    """Rows of ``x (n, leads, samples)`` at ``rate`` Hz, each changed by ``kind`` as it is gathered.

    ``shift`` is by how many s a shifted one begins later.
    """

    kind: str
    rate: float
    shift: float = SHIFT_S

    def __getitem__(self, part: slice) -> Float32:
        """Gather some of them."""
        return changed(self.kind, super().__getitem__(part), self.rate, self.rows[part], self.shift)


def changed_logits(model: Network, some: Rows, task: Task, *, device: str = "cpu") -> dict[str, Float32]:
    """Return logits ``(n, classes)`` of rows after each of `atml.ecg.changes.CHANGES`, by its name.

    Each change costs one more prediction of these rows.
    """
    rate, shift = task.sampling_rate, shift_of(task.around_beats)
    return {
        kind: predict(model, ChangedRows(some.x, some.rows, kind, rate, shift), device=device)
        for kind in CHANGES
    }
