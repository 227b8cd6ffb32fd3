"""Which lead each stretch of a row is: the layout from the number of rows, checked by Einthoven's law."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atml.arrays import Floats
from atml.pages.page_layout import LAYOUTS
from atml.pages.twelve_leads import LEADS

BY_ROWS = {3: "3x4", 4: "3x4+1", 6: "6x2", 12: "12x1"}
"""Layouts by their number of rows."""


@dataclass(frozen=True)
class Stretch:
    """Part of a row: its ``lead``, the row's number from the top, and from which share of it to which."""

    lead: str
    row: int
    start: float
    stop: float


def stretches(layout: str, rows: int) -> list[Stretch]:
    """Return the stretches of a layout; of further rows, which go on for the whole length, lead II.

    Example:
        >>> [one.lead for one in stretches("3x4+1", 4) if one.row == 0]
        ['I', 'aVR', 'V1', 'V4']
    """
    found = []
    for number, row in enumerate(LAYOUTS[layout]):
        for place, lead in enumerate(row):
            found.append(Stretch(lead, number, place / len(row), (place + 1) / len(row)))
    return [one for one in found if one.row < rows]


def laws(signal: Floats) -> tuple[float, float]:
    """Return how much of the limb leads their laws leave unexplained, and how many mV^2 were looked at.

    I + III = II where all three are drawn, aVR + aVL + aVF = 0, and what follows of one from the others:
    the rest's share of the variance, 0 for leads that agree. (nan, 0) where no three are drawn together.
    """
    one = {lead: signal[at] for at, lead in enumerate(LEADS[:6])}
    rest, whole = 0.0, 0.0
    for parts in (
        ((1, "I"), (-1, "II"), (1, "III")),
        ((1, "aVR"), (1, "aVL"), (1, "aVF")),
        ((1, "aVR"), (0.5, "I"), (0.5, "II")),
    ):
        terms = [weight * one[lead] for weight, lead in parts]
        there = np.isfinite(np.sum(terms, 0))
        if there.sum() < 100:
            continue
        terms = [term[there] - term[there].mean() for term in terms]
        rest += float((np.sum(terms, 0) ** 2).sum())
        whole += float(sum((term**2).sum() for term in terms))
    return (rest / whole, whole) if whole > 0 else (float("nan"), 0.0)
