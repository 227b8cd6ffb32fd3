"""Windows in, logits and labels out: checked, resampled and decided as the library does it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from atml.arrays import Bools, Float32, Int64
from atml.artifacts import seen
from atml.artifacts.model import ExportedModel, Session
from atml.data.pictures import blank
from atml.data.rates import Rate
from atml.library import page_input
from atml.library.decisions import decided
from atml.library.loaded_model import EVERY
from atml.library.recordings import BLOCK, block
from atml.tasks.task import Task

UNDECIDED = -1
"""Label of a window that is flat or saturated."""


@dataclass(frozen=True)
class Decided:
    """Decisions on ``n`` windows, or pages.

    ``logits (n, classes)`` are the network's, ``labels (n,)`` indices of classes, of a multilabel task bits;
    they are `UNDECIDED` where a window is ``flat`` or ``saturated`` (``(n,)``). A blank page counts as flat.
    ``note`` says that signals may be in another unit, "" if not.
    """

    logits: Float32
    labels: Int64
    flat: Bools
    saturated: Bools
    note: str


class Served:
    """A model under a name, ready to run; several threads may use it at once.

    Logits are those of `atml.library.loaded_model.Model.logits`, to the bit; windows are left undecided where
    ``predict_recording`` and `atml predict` leave them so.
    """

    def __init__(self, name: str, exported: ExportedModel) -> None:
        self.name, self.exported = name, exported
        self._session = Session(exported.model)
        # The first run of a session takes longer.
        self._session(np.zeros((1, *self.task.shape), np.float32))

    @property
    def task(self) -> Task:
        """Classes, leads, sampling rate and window."""
        return self.exported.task

    def decide(self, x: npt.NDArray[np.float64], rate: Rate) -> Decided:
        """Decide on windows ``x (n, leads, samples)`` at ``rate`` Hz, or on pages ``(n, 3, rows, columns)``.

        Raises DataError where leads, length or rate do not fit the model, samples are not finite, or a page
        has other values than 0 to 255.
        """
        task = self.task
        if task.picture is not None:
            none = np.empty((0, len(task.classes)), np.float32)
            parts = [self._session(one) for one in page_input.blocks(x, task)] if len(x) else []
            pages = np.concatenate([none, *parts])
            empty = np.array([blank(page.astype(np.uint8)) for page in x], np.bool_)
            labels = np.where(empty, UNDECIDED, decided(pages, task))
            return Decided(pages, labels, empty, np.zeros_like(empty), "")
        logits = np.empty((len(x), len(task.classes)), np.float32)
        flat, saturated = np.zeros((2, len(x)), np.bool_)
        sizes = [np.empty(0)]
        for at in range(0, max(len(x), 1), BLOCK):
            one, rows = block(x[at : at + BLOCK], task, rate), slice(at, at + BLOCK)
            logits[rows] = self._session(np.ascontiguousarray(one.x))
            flat[rows], saturated[rows] = one.flat, one.saturated
            sizes += [seen.ranges(one.x[::EVERY])] if len(one.x) else []
        labels = decided(logits, task)
        labels[flat | saturated] = UNDECIDED
        return Decided(logits, labels, flat, saturated, self.exported.other_unit(np.concatenate(sizes)))
