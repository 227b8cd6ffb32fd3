"""WFDB folders on disk: a slow wave and a fast one in turn, called sinus rhythm and fibrillation."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

RATE, TURN = 250, 20
"""Hz, and seconds that each rhythm lasts."""


def write_wfdb(
    folder: Path, records: Iterable[int], *, lead: str = "ECG", names: Sequence[str] = ("(N", "(VF") * 2
) -> Path:
    """Write records of one lead with a stretch for each of ``names``, every second one the fast wave."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas, at how wfdb uses it
        import wfdb

        folder.mkdir(parents=True, exist_ok=True)
        for number in records:
            t = np.arange(len(names) * TURN * RATE) / RATE
            fast = (t // TURN % 2).astype(bool)
            ecg = np.where(fast, np.sin(2 * np.pi * 5 * t), np.sin(2 * np.pi * 1.2 * t) ** 15)
            ecg += np.random.default_rng(number).normal(0, 0.1, len(t))
            wfdb.wrsamp(
                str(number), RATE, ["mV"], [lead], p_signal=ecg[:, None], fmt=["16"], write_dir=str(folder)
            )
            wfdb.wrann(
                str(number),
                "atr",
                np.arange(len(names)) * TURN * RATE + 1,
                ["+"] * len(names),
                aux_note=list(names),
                write_dir=str(folder),
            )
        listed = "".join(f"{path.stem}\n" for path in sorted(folder.glob("*.hea")))
        (folder / "RECORDS").write_text(listed)
    return folder
