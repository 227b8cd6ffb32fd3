"""Recordings with annotated beats, and a task about these."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from atml.data.windowing import Recording
from atml.tasks.task import Task

BEATS = Task(
    name="beats", kind="multiclass", classes=("N", "S", "V"), sampling_rate=125, window=400, after_beat=1.2
)

LABELS = {**dict.fromkeys("NLRBej", 0), **dict.fromkeys("AaJSn", 1), **dict.fromkeys("VEr", 2)}


def label(symbol: str) -> int | None:
    """Class of a symbol; none for fusion and unknown beats, and where no beat is."""
    return LABELS.get(symbol)


def write(folder: Path, recordings: Iterable[Recording]) -> Path:
    """Write WFDB records with annotations in ``.atr``; missing samples stay so."""
    wfdb = pytest.importorskip("wfdb")
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for one in recordings:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of pandas, for how wfdb calls it
            wfdb.wrsamp(
                one.name,
                fs=float(one.rate),
                units=["mV"] * len(one.x),
                sig_name=["MLII", "V1"][: len(one.x)],
                p_signal=one.x.T.astype(np.float64),
                fmt=["16"] * len(one.x),
                adc_gain=[1000.0] * len(one.x),
                baseline=[0] * len(one.x),
                write_dir=str(folder),
            )
            marks = one.marks
            if marks is not None and len(marks.sample):
                wfdb.wrann(
                    one.name, "atr", np.asarray(marks.sample), list(marks.symbol), write_dir=str(folder)
                )
        names.append(one.name)
    (folder / "RECORDS").write_text("\n".join(names) + "\n")
    return folder
