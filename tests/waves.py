"""WFDB folders on disk: a slow wave and a fast one in turn, called sinus rhythm and fibrillation."""

from __future__ import annotations

import struct
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


def write_challenge(folder: Path, count: int, seed: int = 0) -> None:
    """Write records of 12 s at 100 Hz in the layout of CinC 2017, of each class in turn a wave of its own."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    labels = []
    for number in range(count):
        name, label = f"A{seed:02}{number:03}", number % 3
        wave = np.sin(2 * np.pi * 2.0**label * np.arange(1200) / 100 + random.uniform(0, 6))
        values = np.round(500 * (wave + random.normal(0, 0.2, 1200))).astype("<i2")
        matrix = struct.pack("<5i4s", 30, 1, len(values), 0, 4, b"val\0") + values.tobytes()
        (folder / f"{name}.mat").write_bytes(matrix)
        (folder / f"{name}.hea").write_text(
            f"{name} 1 100 {len(values)} 2014-05-08 05:05:15 \n"
            f"{name}.mat 16+24 1000/mV 16 0 {values[0]} {int(values.sum(dtype=np.int16))} 0 ECG \n"
        )
        labels.append(f"{name},{'NAO'[label]}\n")
    (folder / "REFERENCE.csv").write_text("".join(labels))
