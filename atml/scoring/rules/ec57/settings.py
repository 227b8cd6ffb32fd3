"""What may differ from the standard in a comparison, and the words for it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from atml.ecg.beat_matching import LEARNING_S, WINDOW_S
from atml.errors import InputError

MOST_WINDOW_S = 1.0
"""Longest matching window in s: the next beat comes sooner."""


@dataclass(frozen=True)
class Settings:
    """Learning period and matching window, in s.

    Raises InputError for a learning period below 0, or a window that is not above 0 or above `MOST_WINDOW_S`.

    Example:
        >>> Settings().standard, Settings(learning=0).words()
        (True, 'non-standard: learning period 0 s, not 300 s')
    """

    learning: float = LEARNING_S
    window: float = WINDOW_S

    def __post_init__(self) -> None:
        if not (math.isfinite(self.learning) and self.learning >= 0):
            raise InputError(f"a learning period of {self.learning:g} s can't be; give 0 or more")
        if not (math.isfinite(self.window) and self.window > 0):
            raise InputError(f"a matching window of {1000 * self.window:g} ms can't be; give more than 0")
        if self.window > MOST_WINDOW_S:
            raise InputError(
                f"a matching window of {1000 * self.window:g} ms holds several beats; give at most"
                f" {1000 * MOST_WINDOW_S:g}"
            )

    @property
    def standard(self) -> bool:
        """Whether both are as in EC57: five minutes and 150 ms."""
        return (self.learning, self.window) == (LEARNING_S, WINDOW_S)

    def words(self) -> str:
        """Say what is not as the standard has it; "" where all is."""
        found = []
        if self.learning != LEARNING_S:
            found.append(f"learning period {self.learning:g} s, not {LEARNING_S:g} s")
        if self.window != WINDOW_S:
            found.append(f"matching window {1000 * self.window:g} ms, not {1000 * WINDOW_S:g} ms")
        return f"non-standard: {', '.join(found)}" if found else ""
