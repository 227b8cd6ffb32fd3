"""IESD 2024: atrial fibrillation on a Loongson 2K0500 board.

Source: the contest's page, its evaluation code and its leaderboard.

- Per subject F-beta (beta 2) by the conventions of `atml.metrics.Counts`, rounded to 5 decimals.
- F = unweighted mean over subjects, G = share of subjects with F-beta above 0.9, strictly.
- Fn = (F - 0.5) / 0.5, Gn = (G - 0.5) / 0.5, Ln = 1 - (L - 0.5) / 49.5, Mn = 1 - (M - 50) / 950 with L the
  mean inference latency in ms and M the size of the whole executable in KiB. Each is floored at 0; whether
  the contest caps them at 1 was never observed, and they are not capped here.
- Total = 25 Fn + 15 Gn + 35 Ln + 5 Mn: 80 for all four at 1. (A live defence adds up to 20.)
- The board answers 0 if ``out[0] > out[1]`` and 1 otherwise: a tie counts as AF.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from atml import metrics
from atml.errors import InputError
from atml.scoring.result import Score
from atml.types import Int64, Strings

NAME = "iesd2024"
BETA = 2.0
GOOD = 0.9
WEIGHTS = {"F": 25.0, "G": 15.0, "latency": 35.0, "size": 5.0}
POSITIVE = 1
CLASSES = 2


def decide(outputs: npt.ArrayLike) -> Int64:
    """The board's class of each row of ``outputs (n, 2)``: 0 if the first is larger, else 1; ``(n,)``."""
    out = np.asarray(outputs)
    if out.ndim != 2 or out.shape[1] != CLASSES:
        raise InputError(f"rule {NAME} reads outputs (n, 2), not {out.shape}; export a model of two classes")
    return np.where(out[:, 0] > out[:, 1], 0, 1).astype(np.int64)


def check(latency_ms: float | None, size_kib: float | None) -> None:
    """Raise InputError for a latency (ms) or size (KiB) that can't have been measured."""
    for name, unit, value in (("latency", "ms", latency_ms), ("size", "KiB", size_kib)):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise InputError(f"{name} {value:g} {unit} is no measurement; give a number above 0")


def points(f: float, g: float, latency_ms: float, size_kib: float) -> dict[str, float]:
    """What F, G, latency (ms) and size (KiB) each add to the total; raises InputError as `check` does."""
    check(latency_ms, size_kib)
    shares = {
        "F": (f - 0.5) / 0.5,
        "G": (g - 0.5) / 0.5,
        "latency": 1 - (latency_ms - 0.5) / 49.5,
        "size": 1 - (size_kib - 50) / 950,
    }
    return {key: WEIGHTS[key] * max(0.0, share) for key, share in shares.items()}


def score(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    subject: Strings,
    *,
    latency_ms: float | None = None,
    size_kib: float | None = None,
) -> Score:
    """Score labels 0 or 1, 1 = AF; ``y_true``, ``y_pred`` and ``subject`` are ``(n,)``.

    The total needs both a measured latency and a measured size. Raises InputError without segments and for
    a latency or size that is not above 0.
    """
    check(latency_ms, size_kib)
    if len(subject) == 0:
        raise InputError("no segments to score; give a folder with a test split")
    truth, decided = np.asarray(y_true) == POSITIVE, np.asarray(y_pred) == POSITIVE
    table = metrics.counts(truth, decided, subject)
    per_subject = table.f_beta(BETA)
    f, g = float(per_subject.mean()), float((per_subject > GOOD).mean())
    parts = None
    if latency_ms is not None and size_kib is not None:
        parts = points(f, g, latency_ms, size_kib)
    return Score(
        rule=NAME,
        f_beta=f,
        g=g,
        good=GOOD,
        pooled=table.pooled(),
        counts=table,
        subjects=table.rows(BETA),
        latency_ms=latency_ms,
        size_kib=size_kib,
        points=parts,
        total=None if parts is None else sum(parts.values()),
        best=sum(WEIGHTS.values()),
    )
