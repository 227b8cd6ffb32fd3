"""Where beats are in their recordings, and which are each other's neighbours (numpy, pure)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atml.arrays import Floats, Int64, Strings
from atml.data.windowing import AT


@dataclass(frozen=True)
class BeatPlaces:
    """Recordings and times of beats, in s, each ``(n,)``; ``words`` are as they are given: "106 at 12:31.25".

    Example:
        >>> found = BeatPlaces.of(np.array(["106 at 12:31.25", "106 at 12:32.00", "106 at 1:00:00.00"]))
        >>> found.seconds.tolist(), found.near(1, 2.0, 1.0)
        ([751.25, 752.0, 3600.0], [0, 1])
    """

    words: Strings
    record: Strings
    seconds: Floats
    order: Int64

    @classmethod
    def of(cls, places: Strings) -> BeatPlaces:
        """Read places as `atml.data.places` gives them."""
        apart = [place.rpartition(AT) for place in places.tolist()]
        record = np.array([name for name, _, _ in apart], np.str_)
        seconds = np.array([_seconds(time) for _, _, time in apart], np.float64)
        return cls(places, record, seconds, np.lexsort((seconds, record)).astype(np.int64))

    def near(self, row: int, before: float, after: float) -> list[int]:
        """Return the rows of its recording that are at most so many seconds before and after it, in order."""
        at = int(np.flatnonzero(self.order == row)[0])
        low = high = at
        while low > 0 and self._between(self.order[low - 1], row, before, after):
            low -= 1
        while high + 1 < len(self.order) and self._between(self.order[high + 1], row, before, after):
            high += 1
        return [int(one) for one in self.order[low : high + 1]]

    def _between(self, other: np.int64, row: int, before: float, after: float) -> bool:
        away = self.seconds[other] - self.seconds[row]
        return bool(self.record[other] == self.record[row] and -before <= away <= after)


def _seconds(time: str) -> float:
    """Read "1:12:31.25"; NaN for what is no time."""
    try:
        parts = [float(part) for part in time.split(":")]
    except ValueError:
        return float("nan")
    return float(sum(part * 60.0**power for power, part in enumerate(reversed(parts))))


__all__ = ["BeatPlaces"]
