"""Which beats of two annotators are the same beat, as ANSI/AAMI EC57 pairs them; numpy, pure.

Beats come as sample numbers alone: what they are called has no part in it. The rule is that of EC57 (AAMI,
1998, section 4.3.2) with the choice between two candidates that comparators of today make.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from atml.arrays import Int64

WINDOW_S = 0.15
"""Two beats no further apart than this, in s, may be the same."""

LEARNING_S = 300.0
"""Length of the learning period at the start of a record, in s, of which no beat counts."""

PAIRED, MISSED, EXTRA = 0, 1, 2
"""What one step of the matching found."""

NEVER = 1 << 62
"""Sample number of what follows the last beat."""


def samples(seconds: float, rate: float) -> int:
    """Samples in a time, as the standard's comparators round: half a sample counts as one.

    Example:
        >>> samples(0.15, 360), samples(0.15, 250)
        (54, 38)
    """
    return int(seconds * rate + 0.5)


@dataclass(frozen=True)
class Matching:
    """Steps in order of time, each with the reference and the test beat that it stood at.

    ``outcome (n,)`` is `PAIRED`, `MISSED` (the reference beat has no partner) or `EXTRA` (the test beat has
    none). ``reference`` and ``test``, ``(n,)``, are numbers of beats; the number of beats, where all of them
    have been passed. ``end`` is the test beat at which the matching stopped, likewise.
    """

    reference: Int64
    test: Int64
    outcome: Int64
    end: int

    def pairs(self) -> Int64:
        """Numbers of the beats that are the same, ``(pairs, 2)``: reference, test."""
        same = self.outcome == PAIRED
        return np.stack((self.reference[same], self.test[same]), axis=1)

    def missed(self) -> Int64:
        """Numbers of the reference beats without a partner."""
        return np.asarray(self.reference[self.outcome == MISSED], np.int64)

    def extra(self) -> Int64:
        """Numbers of the test beats without a partner."""
        return np.asarray(self.test[self.outcome == EXTRA], np.int64)


def match(
    reference: npt.ArrayLike, test: npt.ArrayLike, window: int, *, start: int = 0, end: int | None = None
) -> Matching:
    """Pair the beats of two annotators.

    The earlier of the two next beats has the other for its partner where that lies within the window, unless
    a later one is at least as near; a later one that has a still nearer partner itself does not count. Else
    the earlier beat stays alone. Of two at the same sample the reference beat is the earlier one.

    A test beat before ``start`` may still be the partner of the first reference beat after it. Where it is
    not, a test beat within the window after ``start`` is passed over, neither right nor wrong, if its
    follower is nearer to the first reference beat.

    Args:
        reference: Sample numbers ``(n,)`` of the reference beats, ascending.
        test: Those of the beats to be judged, ``(m,)``, ascending.
        window: The furthest that partners may be apart, in samples.
        start: The first sample after the learning period.
        end: The last sample that is compared; None compares up to the last reference beat, and test beats
            after it are in no step.

    Raises:
        ValueError: Sample numbers that don't ascend.

    Example:
        >>> found = match([100, 400, 700], [110, 395, 410, 900], 54, end=1000)
        >>> found.pairs().tolist(), found.missed().tolist(), found.extra().tolist()
        ([[0, 0], [1, 1]], [2], [2, 3])
        >>> found = match([96, 160], [128, 185], 37)  # the next two belong together, so these two do
        >>> found.pairs().tolist()
        [[0, 0], [1, 1]]
    """
    known, judged = _times(reference, "reference"), _times(test, "test")
    i = int(np.searchsorted(known, start))
    j = int(np.searchsorted(judged, start))
    ours, theirs = [*known.tolist(), NEVER, NEVER], [*judged.tolist(), NEVER, NEVER]
    steps: list[tuple[int, int, int]] = []
    if start > 0:
        gap = ours[i] - theirs[j - 1] if j else NEVER
        if gap <= window and gap < abs(ours[i] - theirs[j]):
            steps.append((i, j - 1, PAIRED))
            i += 1
        elif theirs[j] - start <= window and abs(ours[i] - theirs[j + 1]) < abs(ours[i] - theirs[j]):
            j += 1
    while ours[i] < NEVER if end is None else min(ours[i], theirs[j]) <= end:
        if theirs[j] < ours[i]:
            same = _belong(theirs[j], ours[i], theirs[j + 1], ours[i + 1], window)
            alone = EXTRA
        else:
            same = _belong(ours[i], theirs[j], ours[i + 1], theirs[j + 1], window)
            alone = MISSED
        steps.append((i, j, PAIRED if same else alone))
        i += same or alone == MISSED
        j += same or alone == EXTRA
    table = np.array(steps, np.int64).reshape(-1, 3)
    return Matching(table[:, 0], table[:, 1], table[:, 2], j)


def _belong(early: int, late: int, next_early: int, next_late: int, window: int) -> bool:
    """Whether the earlier of two next beats has the later one for its partner.

    ``next_early`` follows the earlier one in its own list, ``next_late`` the later one.
    """
    rival = abs(late - next_early)
    return late - early <= window and (late - early < rival or abs(next_late - next_early) < rival)


def _times(given: npt.ArrayLike, whose: str) -> Int64:
    found = np.asarray(given, np.int64).reshape(-1)
    if (np.diff(found) < 0).any():
        at = int(np.flatnonzero(np.diff(found) < 0)[0])
        raise ValueError(
            f"{whose} beats are out of order: sample {found[at + 1]} comes after {found[at]}; sort them"
        )
    return found


def labels_of(matching: Matching, labels: Sequence[str], count: int) -> list[str | None]:
    """Give each test beat the label of its reference beat; None to those without one.

    Args:
        matching: Of the two annotators.
        labels: One for each reference beat.
        count: Test beats.

    Example:
        >>> labels_of(match([100, 400], [102, 250, 401], 54, end=500), ["N", "V"], 3)
        ['N', None, 'V']
    """
    found: list[str | None] = [None] * count
    for known, judged in matching.pairs().tolist():
        found[judged] = labels[known]
    return found
