"""What the decisions on a long recording come to: episodes of a class, its burden, alarms an hour."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Span = tuple[float, float]
"""Start and end in s."""


@dataclass(frozen=True)
class Burden:
    """Episodes of one class in one recording.

    ``episodes`` are ``(start, end)`` in s, in order. ``monitored_s`` is the time that was decided, and
    with it whatever an episode bridges; ``undecided_s`` the rest, in windows with missing samples.

    Example:
        >>> found = Burden(((10.0, 40.0),), monitored_s=120.0, undecided_s=0.0)
        >>> found.share, found.an_hour, found.longest_s
        (0.25, 30.0, 30.0)
    """

    episodes: tuple[Span, ...]
    monitored_s: float
    undecided_s: float

    @property
    def seconds(self) -> float:
        """Time in episodes."""
        return math.fsum(end - start for start, end in self.episodes)

    @property
    def longest_s(self) -> float:
        """Length of the longest episode, 0 where there is none."""
        return max((end - start for start, end in self.episodes), default=0.0)

    @property
    def share(self) -> float:
        """Time in episodes over the monitored time: the burden, 0 to 1; NaN where nothing was decided."""
        return self.seconds / self.monitored_s if self.monitored_s else math.nan

    @property
    def an_hour(self) -> float:
        """Episodes for each monitored hour; NaN where nothing was decided."""
        return len(self.episodes) / self.monitored_s * 3600 if self.monitored_s else math.nan


def spans(start_s: npt.ArrayLike, end_s: npt.ArrayLike, called: npt.ArrayLike) -> list[Span]:
    """Join neighbouring windows that are ``called`` into spans.

    Of overlapping windows each counts up to where the next one starts.

    Args:
        start_s: Starts of windows in s, ``(n,)``, ascending.
        end_s: Their ends.
        called: Which of them count, ``(n,)``.

    Example:
        >>> spans([0, 5, 10, 12], [5, 10, 15, 17], [True, True, False, True])
        [(0.0, 10.0), (12.0, 17.0)]
    """
    starts, ends = np.asarray(start_s, np.float64), np.asarray(end_s, np.float64)
    until = np.append(np.minimum(ends[:-1], starts[1:]), ends[-1:])
    found: list[Span] = []
    for row in np.flatnonzero(np.asarray(called, np.bool_)):
        if found and found[-1][1] == starts[row]:
            found[-1] = (found[-1][0], float(until[row]))
        else:
            found.append((float(starts[row]), float(until[row])))
    return found


def burden(
    start_s: npt.ArrayLike,
    end_s: npt.ArrayLike,
    called: npt.ArrayLike,
    decided: npt.ArrayLike,
    *,
    merge_s: float = 0.0,
    shortest_s: float = 0.0,
) -> Burden:
    """Turn the decisions on one recording into the episodes of a class.

    Spans that are ``merge_s`` or less apart become one episode first; an episode shorter than ``shortest_s``
    is then left out.

    Args:
        start_s: Starts of windows in s, ``(n,)``, ascending.
        end_s: Their ends.
        called: Which were decided to be of the class, ``(n,)``.
        decided: Which were decided at all.
        merge_s: In s.
        shortest_s: In s.

    Example:
        >>> found = burden([0, 5, 10], [5, 10, 15], [True, False, True], [True] * 3, merge_s=5)
        >>> found.episodes, found.share
        (((0.0, 15.0),), 1.0)
    """
    joined: list[Span] = []
    for start, end in spans(start_s, end_s, called):
        if joined and start - joined[-1][1] <= merge_s:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    kept = tuple(span for span in joined if span[1] - span[0] >= shortest_s)
    known = np.asarray(decided, np.bool_)
    undecided = spans(start_s, end_s, ~known)
    total = sum(end - start for start, end in (*spans(start_s, end_s, known), *undecided))
    outside = sum(end - start for start, end in undecided) - _shared(kept, undecided)
    return Burden(kept, monitored_s=float(total - outside), undecided_s=float(outside))


def _shared(some: Sequence[Span], others: Sequence[Span]) -> float:
    """Return the seconds that two lists of spans have in common."""
    return sum(max(0.0, min(end, last) - max(start, first)) for start, end in some for first, last in others)
