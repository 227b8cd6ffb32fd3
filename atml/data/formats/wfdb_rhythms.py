"""One WFDB record as a recording: its signal, and the rhythms that its annotations tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from atml.data.file_tree import file_there
from atml.data.formats.annotation_file import Damaged, parse
from atml.data.formats.annotations import Marks, stretches, told_by_beats
from atml.data.formats.wfdb_header import Header, Unusable, said
from atml.data.formats.wfdb_record import Step, signal
from atml.data.windowing import Recording


def read(
    folder: Path, head: Header, leads: Sequence[int], name: str, subject: str, step: Step = float
) -> Recording:
    """Read the signal of some leads of a record, and its rhythms; ``name`` is what to call it.

    ``step`` is told which share of the signal was read.

    Raises:
        Unusable: A file is missing, cut short or damaged, or disagrees with the header in length, checksum
            or unit.
    """
    x = signal(folder, head, leads, step)
    told = marks(folder, head)
    found = stretches(told, x.shape[1], float(head.rate), leads)
    return Recording(name, subject, head.rate, x, found, told_by_beats(told), marks=told)


def marks(folder: Path, head: Header) -> Marks:
    """Read the ``.atr`` of a record; times are in samples of its signal.

    Raises:
        Unusable: It is not there, damaged or cut short.
    """
    file = f"{head.name}.atr"
    path = file_there(folder, file)
    if path is None:
        raise Unusable("missing", file, "is not there, so no rhythm is known")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Unusable("unreadable", file, f"can't be read: {said(error)}") from None
    try:
        found, rate = parse(data)
    except Damaged as error:
        raise Unusable("annotations", file, str(error)) from None
    if rate and rate != head.rate:
        sample = np.round(found.sample * (float(head.rate) / rate)).astype(np.int64)
        found = replace(found, sample=sample)
    return found
