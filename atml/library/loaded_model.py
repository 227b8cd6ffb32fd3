"""An exported model, ready to use: decisions and scores of windows and of whole recordings."""

from __future__ import annotations

import functools
import json
import os
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from atml.arrays import Float32, Int64, Strings
from atml.artifacts import model as artifact
from atml.artifacts import seen
from atml.artifacts.model import CARD, METRICS, ExportedModel, Session
from atml.data.soundness import doubts
from atml.errors import DataError, ExportError
from atml.library import page_input
from atml.library.decisions import decided, named, scored
from atml.library.recordings import BLOCK, Block, Recording, block, rate_in_hz
from atml.tasks.task import Task

if TYPE_CHECKING:
    from pandas import DataFrame
    from plotly.graph_objects import Figure

Signal = npt.ArrayLike
"""Samples as in the training data, unfiltered and unscaled: both steps are part of the network."""


EVERY = 8
"""Of so many windows of a block one is measured, to tell whether the unit is that of the training."""


def load(path: str | os.PathLike[str]) -> Model:
    """Load an exported model; it runs on one CPU thread.

    Args:
        path: An export folder, or its ``model.onnx`` alone.

    Raises:
        ExportError: nothing is there, or it is damaged or no export of atml.

    Example:
        >>> model = load("exports/small/97-91-t0138")
        >>> model.classes, model.sampling_rate, model.window
        (('other', 'AF'), 250, 1250)
    """
    return Model(artifact.load(Path(path)))


@dataclass(frozen=True, eq=False, repr=False)
class Model:
    """An exported model: a network in an ONNX file, run by onnxruntime on one CPU thread.

    Wherever a signal is given it may be

    - windows ``(n, leads, samples)``, each as long as `window` says (in time, at another rate), or
    - one recording ``(leads, samples)``, or ``(samples,)`` for one lead, of any length, cut into windows; not
      where the task is about single beats, which `atml annotate` finds.

    A model about pictures takes pages ``(n, 3, rows, columns)`` of its size, 0 (black) to 255, or files of
    pictures, of any size.

    Signals are raw, in the unit of the training data; a warning (UserWarning) says so where they are far
    larger or smaller than those were, or flat or at the rail. ``sampling_rate`` is theirs in Hz, the model's
    own where it is not given; other rates are resampled. A recording may be a memory map: it is read piece by
    piece.

    Example:
        >>> model = load("exports/small/97-91-t0138")
        >>> model.classes, model.leads, model.window / model.sampling_rate
        (('other', 'AF'), 1, 5.0)
    """

    exported: ExportedModel
    """What is recorded in the file and its export folder."""

    @property
    def task(self) -> Task:
        """Classes, leads, sampling rate and window of the model."""
        return self.exported.task

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the columns of `scores`."""
        return self.task.classes

    @property
    def sampling_rate(self) -> int:
        """Sampling rate of the signal that the network takes, in Hz."""
        return self.task.sampling_rate

    @property
    def window(self) -> int:
        """Samples of one window at `sampling_rate`."""
        return self.task.window

    @property
    def leads(self) -> int:
        """Leads of the signal."""
        return self.task.leads

    @property
    def path(self) -> Path:
        """The ONNX file."""
        return self.exported.path

    @property
    def size_bytes(self) -> int:
        """Size of the ONNX file."""
        return self.exported.size_bytes

    @property
    def card(self) -> str:
        """The model card, in Markdown; raises ExportError for an ONNX file outside its export folder."""
        return self._beside(CARD)

    @property
    def metrics(self) -> dict[str, Any]:
        """The content of ``metrics.json``: figures out of fold, intervals, cost; raises as `card` does.

        Example:
            >>> round(load("exports/small/97-91-t0138").metrics["F1"], 3)
            0.944
        """
        try:
            return dict(json.loads(self._beside(METRICS)))
        except ValueError as error:
            raise ExportError(f"{self.path.parent / METRICS} is damaged; export the model again") from error

    def _beside(self, name: str) -> str:
        folder = self.exported.folder
        if folder is None:
            raise ExportError(f"{self.path} is outside its export folder, which has {name}; load the folder")
        try:
            return (folder / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ExportError(f"{folder / name} can't be read; export the model again") from error

    @functools.cached_property
    def _session(self) -> Session:
        return Session(self.exported.model)

    def predict(self, x: Signal, sampling_rate: float | None = None) -> Strings:
        """Name the class of each window.

        Args:
            x: Windows, or one recording, cut into adjacent windows as `predict_recording` does.
            sampling_rate: Sampling rate of ``x`` in Hz; None for the model's.

        Returns:
            Class names ``(n,)``, of several labels "AF+RBBB" or "none". The decision is
            the one folded into the network: not a score above 0.5.

        Raises:
            DataError: leads, length or rate do not match, or a sample is missing (NaN) or infinite.

        Example:
            >>> import numpy as np
            >>> model = load("exports/small/97-91-t0138")
            >>> model.predict(np.random.normal(size=(3, 1, 1250))).shape
            (3,)
        """
        return named(self.labels(x, sampling_rate), self.task)

    def labels(self, x: Signal, sampling_rate: float | None = None) -> Int64:
        """Return the index in `classes` of each window's class, ``(n,)`` int64; several labels as bits.

        Arguments and errors are those of `predict`.

        Example:
            >>> import numpy as np
            >>> load("exports/small/97-91-t0138").labels(np.random.normal(size=(3, 1, 1250))).dtype
            dtype('int64')
        """
        return decided(self.logits(x, sampling_rate), self.task)

    def scores(self, x: Signal, sampling_rate: float | None = None) -> npt.NDArray[np.float64]:
        """Return softmax scores ``(n, classes)``; each row adds up to 1. Of several labels each has its own.

        They rank windows by the confidence of the network. They are not calibrated: 0.9 does not mean that
        nine in ten such windows are right. Arguments and errors are those of `predict`.

        Example:
            >>> import numpy as np
            >>> scores = load("exports/small/97-91-t0138").scores(np.random.normal(size=(2, 1, 1250)))
            >>> scores.shape, scores.sum(axis=1).round(6).tolist()
            ((2, 2), [1.0, 1.0])
        """
        return scored(self.logits(x, sampling_rate), self.task)

    def logits(self, x: Signal, sampling_rate: float | None = None) -> Float32:
        """Return the outputs of the network ``(n, classes)`` before softmax.

        Arguments and errors are those of `predict`.

        Example:
            >>> import numpy as np
            >>> load("exports/small/97-91-t0138").logits(np.random.normal(size=(3, 1, 1250))).shape
            (3, 2)
        """
        if self.task.picture is not None:
            parts = [self._session(page) for page in page_input.blocks(x, self.task)]
            return np.concatenate([np.empty((0, len(self.classes)), np.float32), *parts])
        rate = rate_in_hz(sampling_rate, self.task)
        given = _array(x)
        if given.ndim == 3:
            return self._run(
                block(given[at : at + BLOCK], self.task, rate) for at in range(0, max(len(given), 1), BLOCK)
            )
        recording = Recording.of(given, rate, self.task)
        starts = recording.starts(None)

        def whole() -> Iterator[Block]:
            at = 0
            for one in recording.blocks(starts):
                if one.missing.any():
                    first = starts[at + int(np.flatnonzero(one.missing)[0])] / self.sampling_rate
                    raise DataError(
                        f"the recording has missing samples in the window at {first:g} s;"
                        " predict_recording leaves such windows undecided"
                    )
                at += len(one.x)
                yield one

        return self._run(whole())

    def _run(self, blocks: Iterator[Block]) -> Float32:
        parts, flat, saturated = [np.empty((0, len(self.classes)), np.float32)], 0, 0
        sizes = [np.empty(0)]
        for one in blocks:
            parts.append(self._session(np.ascontiguousarray(one.x)))
            sizes += [seen.ranges(one.x[::EVERY])] if len(one.x) else []
            flat, saturated = flat + int(one.flat.sum()), saturated + int(one.saturated.sum())
        logits = np.concatenate(parts)
        self._warn(self.exported.other_unit(np.concatenate(sizes)))
        self._warn(doubts(flat, saturated, len(logits), "no decision on them means anything"))
        return logits

    @staticmethod
    def _warn(note: str) -> None:
        if note:
            warnings.warn(note, stacklevel=_outside())

    def predict_recording(
        self, signal: Signal, sampling_rate: float | None = None, *, step: float | None = None
    ) -> DataFrame:
        """Decide window by window through one long recording.

        Args:
            signal: ``(leads, samples)``, or ``(samples,)`` for one lead; may be a memory map.
            sampling_rate: Sampling rate of the signal in Hz; None for the model's.
            step: Seconds from the start of one window to the next; None for adjacent windows. Windows
                overlap where it is shorter than a window.

        Returns:
            One row a window: ``start_s`` and ``end_s`` in seconds, ``decision`` (a class name), and a column
            ``score_CLASS`` for each class as in `scores`. If the steps do not reach the end of the recording,
            one more window ends there and overlaps the one before it. A window with a missing (NaN) or
            infinite sample, or with a flat or saturated lead (a warning counts those), has no decision
            (a missing value, as `pandas.isna` has it) and NaN scores.

        Raises:
            DataError: leads or rate do not match, the step is not above 0, or the signal is shorter than one
                window.

        Example:
            >>> import numpy as np
            >>> model = load("exports/small/97-91-t0138")
            >>> found = model.predict_recording(np.random.normal(size=360 * 12), sampling_rate=360)
            >>> found[["start_s", "end_s"]].values.tolist()
            [[0.0, 5.0], [5.0, 10.0], [7.0, 12.0]]
            >>> list(found.columns)
            ['start_s', 'end_s', 'decision', 'score_other', 'score_AF']
        """
        import pandas as pd

        columns, note = self.decide_recording(signal, sampling_rate, step=step)
        self._warn(note)
        return pd.DataFrame(columns)

    def decide_recording(
        self, signal: Signal, sampling_rate: float | None = None, *, step: float | None = None
    ) -> tuple[dict[str, npt.NDArray[Any]], str]:
        """Return the columns of `predict_recording`, and instead of a warning its text, "" for none.

        Example:
            >>> import numpy as np
            >>> found, note = load("exports/small/97-91-t0138").decide_recording(np.random.normal(size=2500))
            >>> found["end_s"].tolist(), note
            ([5.0, 10.0], '')
            >>> load("exports/small/97-91-t0138").decide_recording(np.zeros(2500))[1]
            'of 2 windows 2 are flat (a lead is off?): they are left undecided'
        """
        recording = Recording.of(_array(signal), rate_in_hz(sampling_rate, self.task), self.task)
        starts = recording.starts(step)
        logits = np.empty((len(starts), len(self.classes)), np.float32)
        known = np.empty(len(starts), np.bool_)
        sizes = [np.empty(0)]
        at = flat = saturated = 0
        for one in recording.blocks(starts):
            sizes.append(seen.ranges(one.x[one.sound][::EVERY]))
            rows = slice(at, at := at + len(one.x))
            logits[rows] = self._session(np.ascontiguousarray(one.x))
            known[rows] = one.sound
            flat, saturated = flat + int(one.flat.sum()), saturated + int(one.saturated.sum())
        names = named(decided(logits, self.task), self.task).astype(object)
        names[~known] = None
        scores = scored(logits, self.task)
        scores[~known] = np.nan
        columns: dict[str, npt.NDArray[Any]] = {
            "start_s": starts / self.sampling_rate,
            "end_s": (starts + self.window) / self.sampling_rate,
            "decision": names,
        }
        columns |= {f"score_{name}": scores[:, index] for index, name in enumerate(self.classes)}
        unit = self.exported.other_unit(np.concatenate(sizes))
        notes = (unit, doubts(flat, saturated, len(starts), "they are left undecided"))
        return columns, "; ".join(note for note in notes if note)

    def plot(
        self,
        signal: Signal,
        sampling_rate: float | None = None,
        *,
        step: float | None = None,
        start: float = 0.0,
        end: float | None = None,
    ) -> Figure:
        """Draw a recording with the model's decisions, as a Plotly figure; a notebook shows it.

        Args:
            signal: As for `predict_recording`, and so are ``sampling_rate`` and ``step``.
            sampling_rate: In Hz.
            step: In seconds. Where windows overlap, each decision is drawn up to the next window's start.
            start: First second that is drawn.
            end: Last second that is drawn; None for the end.

        Returns:
            A ``plotly.graph_objects.Figure``: the leads, their decisions as a band of colours below, and
            the scores below that. Long recordings are thinned without losing a peak.

        Raises:
            DataError: as `predict_recording` does, and where start and end are less than a window apart.

        Example:
            >>> import numpy as np
            >>> load("exports/small/97-91-t0138").plot(np.random.normal(size=2500)).layout.xaxis2.title.text
            'seconds'
        """
        from atml.library import decision_plot

        rate = rate_in_hz(sampling_rate, self.task)
        whole = Recording.of(_array(signal), rate, self.task).x
        first, last = round(start * rate), whole.shape[1] if end is None else round(end * rate)
        if not 0 <= first < last:
            raise DataError(
                f"there is no signal from start {start!r} s to end {end!r} s; give seconds within it"
            )
        part = whole[:, first:last]
        found = self.predict_recording(part, float(rate), step=step)
        found[["start_s", "end_s"]] += (offset := float(first / rate))
        return decision_plot.draw(part, float(rate), offset, found, self.classes)

    def __repr__(self) -> str:
        where = self.exported.folder or self.path
        return (
            f"<atml.Model {where}: {self.task.name}, {', '.join(self.classes)}, {self.leads} lead(s),"
            f" {self.window} samples at {self.sampling_rate} Hz>"
        )


def _outside() -> int:
    """Return the stack level of whoever called this module, for a warning."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename == __file__:
        level, frame = level + 1, frame.f_back
    return level


def _array(x: Signal) -> npt.NDArray[Any]:
    """Return numbers as an array; raises DataError for what is none."""
    try:
        given = np.asanyarray(x)
    except ValueError as error:
        raise DataError(f"the signal is not an array: {error}") from error
    if not (np.issubdtype(given.dtype, np.floating) or np.issubdtype(given.dtype, np.integer)):
        raise DataError(f"the signal holds {given.dtype}, not numbers; give floats or integers")
    return given
