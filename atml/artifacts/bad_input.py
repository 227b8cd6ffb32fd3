"""What an exported file does with windows that hold no heart: measured on the file, written on its card."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atml.artifacts.model import infer
from atml.tasks import targets
from atml.tasks.task import WAVEFORM, Task


@dataclass(frozen=True, kw_only=True)
class BadInput:
    """What a file does with a window that is ``flat`` (the class), and with one that has a NaN or infinity.

    Of pictures a white page is the flat one, and what it is called are the names of its labels. ``marks``
    says that all logits of the latter are NaN. Files of earlier versions give them a decision.
    """

    flat: str
    marks: bool


def measured(model: bytes, task: Task) -> BadInput:
    """Ask an ONNX file; of one that gives maps what reads them refuses what is no page."""
    if task.kind == WAVEFORM:
        return BadInput(flat="no page", marks=False)
    x = np.full((4, *task.shape), 0 if task.picture is None else 255, np.float32)
    for row, value in enumerate((np.nan, np.inf, -np.inf), 1):
        x[row].reshape(-1)[task.shape[-1] // 2] = value
    logits = infer(model, x)
    flat = targets.names_of(task, int(targets.of(task).labels(logits[:1])[0]))
    return BadInput(flat=flat, marks=bool(np.isnan(logits[1:]).all()))


def section(found: BadInput, task: Task) -> str:
    """Write the section of the model card."""
    if task.picture is not None:
        return _of_pictures(found, task)
    if found.marks:
        odd = "all logits of that window are NaN, which is no decision; other windows are decided as ever."
    else:
        odd = "THE FILE DECIDES on that window as if nothing were wrong. Look for such samples before."
    lines = [
        f"A sample that is NaN or infinite: {odd}",
        f"A flat window (a lead is off): called {found.flat!r}. A saturated one (at the rail of the"
        " amplifier): decided as any other. Neither means anything: look for them before the file is asked.",
        f"Other than {task.window:,} samples or {task.leads} lead(s): refused by the runtime. Give no batch"
        " without a window: onnxruntime aborts the process where there is an LSTM or a GRU.",
        "`atml.load(...).predict` refuses windows with missing samples and warns of flat and saturated ones;"
        f" {_recordings(task)}.",
    ]
    return "\n".join(["## Bad input", "", *(f"- {line}" for line in lines)])


def _of_pictures(found: BadInput, task: Task) -> str:
    rows, columns = task.picture or (0, 0)
    if task.kind == WAVEFORM:
        lines = [
            "A white page, a picture of something else, a page without a grid or with other rows than a known"
            " layout's: `atml digitize` refuses it and says why.",
            f"Pictures of any size: brought to {rows} x {columns} pixels; the file takes any size.",
        ]
        return "\n".join(["## Bad input", "", *(f"- {line}" for line in lines)])
    odd = (
        "all logits of that page are NaN, which is no decision"
        if found.marks
        else "THE FILE DECIDES all the same"
    )
    lines = [
        f"A pixel that is NaN or infinite: {odd}.",
        f"A white page: called {found.flat!r}, which means nothing. Nor does what is said of a picture of"
        " something else: the file can't tell.",
        f"Other than {rows} x {columns} pixels of red, green and blue: refused by the runtime."
        " `atml predict` brings pictures of any size and kind to it, and refuses what is no picture.",
    ]
    return "\n".join(["## Bad input", "", *(f"- {line}" for line in lines)])


def _recordings(task: Task) -> str:
    """Say what becomes of such windows in a recording."""
    if task.around_beats:
        return "`atml score --rule ec57` calls a beat with missing samples in its window unknown (Q)"
    return "`predict_recording` and `atml predict` leave all three undecided"
