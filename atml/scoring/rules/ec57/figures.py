"""Figures of EC57 from matrices of counts: of one record, Gross and Average; pure.

The standard writes the class of the reference as a capital and that of the test as a small letter: Vn is a
ventricular beat that was called normal. Matrices have rows N S V F Q O X and the same columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from atml.arrays import Floats, Int64
from atml.scoring.rules.ec57.annotator import NO_BEAT
from atml.scoring.rules.ec57.comparison import SIZE, Comparison, Pairs

N, S, V, F, Q, O, X = range(7)  # noqa: E741
"""Rows and columns of a matrix."""

FIGURES = ("Q Se", "Q +P", "V Se", "V +P", "S Se", "S +P")
"""Sensitivity and positive predictivity of QRS complexes, VEB and SVEB, as the columns of a report."""

NAMES = {
    "Q Se": "QRS sensitivity",
    "Q +P": "QRS positive predictivity",
    "V Se": "VEB sensitivity",
    "V +P": "VEB positive predictivity",
    "S Se": "SVEB sensitivity",
    "S +P": "SVEB positive predictivity",
    "RR err": "RMS RR interval error, ms",
}
"""The same in words."""

RR = "RR err"
"""The column after them."""


def parts(counts: Int64 | Floats, *, line: bool = False) -> dict[str, tuple[Floats, Floats]]:
    """Return what each of `FIGURES` is made of: what was right, and of how many; ``(...)`` each.

    A fusion or unknown beat called ventricular is no false VEB, an unknown beat called supraventricular no
    false SVEB. A fusion beat called supraventricular is a false SVEB on a record's own line alone, as the
    standard's comparator counts it; Gross and Average leave it out.

    Args:
        counts: Matrices, ``(..., 7, 7)``.
        line: Whether the figures are for a record's own line.

    Example:
        >>> counts = np.zeros((7, 7), np.int64)
        >>> counts[V, V], counts[V, N], counts[V, O], counts[F, V] = 8, 1, 1, 5
        >>> right, of = parts(counts)["V Se"]
        >>> int(right), int(of), int(parts(counts)["V +P"][1])
        (8, 10, 8)
    """
    m = np.asarray(counts, np.float64)
    beats = m[..., :NO_BEAT, :NO_BEAT].sum(axis=(-2, -1))
    ventricular, supraventricular = m[..., V, V], m[..., S, S]
    false_v = m[..., [N, S, O, X], V].sum(axis=-1)
    false_s = m[..., [N, V, F, O, X] if line else [N, V, O, X], S].sum(axis=-1)
    return {
        "Q Se": (beats, m[..., :NO_BEAT, :].sum(axis=(-2, -1))),
        "Q +P": (beats, beats + m[..., NO_BEAT:, :NO_BEAT].sum(axis=(-2, -1))),
        "V Se": (ventricular, m[..., V, :].sum(axis=-1)),
        "V +P": (ventricular, ventricular + false_v),
        "S Se": (supraventricular, m[..., S, :].sum(axis=-1)),
        "S +P": (supraventricular, supraventricular + false_s),
    }


def percent(right: float, of: float) -> float | None:
    """Return a share in percent; None of nothing."""
    return 100.0 * right / of if of > 0 else None


def of_record(found: Comparison) -> dict[str, float | None]:
    """Return the figures on a record's line: `FIGURES` in percent, "RR err" in ms; None where undefined."""
    told: dict[str, float | None] = {
        name: percent(int(right), int(of)) for name, (right, of) in parts(found.counts, line=True).items()
    }
    return {**told, RR: found.rr_error}


@dataclass(frozen=True)
class Aggregate:
    """Figures over records by name, in percent, None where undefined: those of summed counts, and averages.

    ``average`` has "RR err" too, in ms.
    """

    gross: dict[str, float | None]
    average: dict[str, float | None]


def aggregate(found: Sequence[Comparison]) -> Aggregate:
    """Take records together: Gross of their summed counts, Average of their figures.

    An average is unweighted, over the records in which its figure is defined. That of RR errors is of the
    errors as they are printed, with two decimals, from which the standard's programs take it.
    """
    counts = np.array([one.counts for one in found], np.int64).reshape(-1, SIZE, SIZE)
    errors = [float(f"{one.rr_error:.2f}") for one in found if one.rr_error is not None]
    return of_counts(counts, errors)


def of_counts(counts: Int64, rr_errors: Sequence[float]) -> Aggregate:
    """Take records together of which the matrices ``(records, 7, 7)`` and the RR errors in ms are known.

    Example:
        >>> counts = np.zeros((2, 7, 7), np.int64)
        >>> counts[:, N, N], counts[:, N, O] = [9, 1], [1, 1]
        >>> found = of_counts(counts, [])
        >>> round(found.gross["Q Se"], 2), found.average["Q Se"], found.gross["V Se"]
        (83.33, 70.0, None)
    """
    gross = {name: percent(int(right), int(of)) for name, (right, of) in parts(counts.sum(axis=0)).items()}
    average: dict[str, float | None] = {}
    for name, (right, of) in parts(counts).items():
        shares = [a / b for a, b in zip(right.tolist(), of.tolist(), strict=True) if b > 0]
        average[name] = percent(sum(shares), len(shares))
    average[RR] = percent(sum(rr_errors) / 100.0, len(rr_errors))
    return Aggregate(gross, average)


def together(found: Sequence[Comparison]) -> Comparison:
    """Sum records: their counts, their shutdowns, and the squares of their RR errors; no pairs."""
    none = np.empty(0, np.int64)
    return Comparison(
        counts=np.array([one.counts for one in found], np.int64).reshape(-1, SIZE, SIZE).sum(axis=0),
        shutdown=sum(one.shutdown for one in found),
        rr_squares=sum(one.rr_squares for one in found),
        rr_count=sum(one.rr_count for one in found),
        pairs=Pairs(none, none, none, none),
    )
