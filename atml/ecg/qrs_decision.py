"""Which candidates of the QRS detector are beats: thresholds, T and P waves, missed beats; pure integers.

A candidate is a summit of the energy of slopes (`atml.ecg.qrs`). It is decided half a second after it came,
in the light of the beat before it and of the candidates after it. The same lines stand in ``qrs.c``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

MEDIAN_OF = 8
"""Beats whose energies and intervals the usual ones are taken from."""

START = 4
"""Until so many beats were found, half of the largest candidate in sight is the least of the usual energy."""


class Candidate(NamedTuple):
    """A summit of the energy.

    Attributes:
        at: Sample that completes it, since the start.
        position: Where the beat is, if it is one.
        energy: Sum of slopes over 0.1 s.
        slope: The largest of them.
    """

    at: int
    position: int
    energy: int
    slope: int


@dataclass(frozen=True)
class Times:
    """What the decision goes by, in samples.

    Attributes:
        refractory: No two beats are nearer, 0.25 s.
        p_wave, p_start: Farthest before a QRS that a P wave is, 0.3 s, and a small one, 0.4 s.
        t_wave, t_end: Farthest after a QRS that a T wave is, 0.36 s, and a small one, 0.5 s.
        usual: RR interval before any is known, 0.8 s.
        pause: Time without a beat after which the usual energy falls; no RR interval is longer: 2 s.
    """

    refractory: int
    p_wave: int
    p_start: int
    t_wave: int
    t_end: int
    usual: int
    pause: int

    @classmethod
    def of(cls, sampling_rate: float) -> Times:
        """Return the times at a rate in Hz.

        Example:
            >>> Times.of(100)
            Times(refractory=25, p_wave=30, p_start=40, t_wave=36, t_end=50, usual=80, pause=200)
        """
        seconds = (0.25, 0.3, 0.4, 0.36, 0.5, 0.8, 2.0)
        return cls(*(int(each * sampling_rate + 0.5) for each in seconds))


class Decision:
    """Decides candidates in their order; keeps the few that are not decided yet."""

    def __init__(self, sampling_rate: float, look: int) -> None:
        """``look``: samples from a candidate to the last one that is considered with it."""
        self.sampling_rate = sampling_rate
        self._times = Times.of(sampling_rate)
        self._look = look
        self._waiting: deque[Candidate] = deque()
        self._energies: deque[int] = deque(maxlen=MEDIAN_OF)
        self._intervals: deque[int] = deque(maxlen=MEDIAN_OF)
        self._usual = 0  # energy of a beat
        self._noise = 0  # energy of what is none
        self._interval = self._times.usual
        self._last: Candidate | None = None

    def feed(self, candidates: Iterable[Candidate], known: int) -> list[int]:
        """Take candidates, all up to sample ``known``; return the positions of the beats decided by then."""
        self._waiting.extend(candidates)
        found = []
        while self._waiting and self._waiting[0].at + self._look <= known:
            one = self._waiting.popleft()
            ahead = [other for other in self._waiting if other.at <= one.at + self._look]
            if self._decide(one, ahead):
                found.append(one.position)
        return found

    def _decide(self, one: Candidate, ahead: list[Candidate]) -> bool:
        """Decide one candidate and learn from it."""
        if len(self._energies) < START:
            self._begin(max([one.energy, *(other.energy for other in ahead)]))
        since = None if self._last is None else one.at - self._last.at
        if since is not None and since < self._times.refractory:
            return False
        if self._is_beat(one, ahead, since):
            if since is not None and since < self._times.pause:
                self._intervals.append(since)
                self._interval = sum(self._intervals) // len(self._intervals)
            self._energies.append(one.energy)
            self._usual = median(self._energies)
            self._last = one
            return True
        self._noise = (7 * self._noise + min(one.energy, self._usual)) >> 3
        if since is not None and since > self._times.pause and 2 * one.energy > 3 * self._noise:
            for place, energy in enumerate(self._energies):
                self._energies[place] = energy - (max(0, energy - one.energy) >> 3)
            self._usual = median(self._energies)
        return False

    def _begin(self, largest: int) -> None:
        """Set the usual energy while too few beats are known; one artefact must not set it too high."""
        if self._energies:
            self._usual = max(median(self._energies), min(largest, 4 * self._usual) // 2)
        else:
            self._usual = max(self._usual, largest // 2)

    def _is_beat(self, one: Candidate, ahead: list[Candidate], since: int | None) -> bool:
        times, last = self._times, self._last
        least = self._noise
        if self._usual > least:
            least += 5 * (self._usual - least) >> 4
        if 2 * one.energy <= least:
            return False
        # A T wave: less than half as steep as the QRS before it, or later, and less than a quarter of it.
        if last is not None and since is not None:
            if since < times.t_wave and 2 * one.slope < last.slope:
                return False
            small = 4 * one.slope < last.slope and 4 * one.energy < last.energy
            if since < times.t_end and small:
                return False
        # A P wave, or the first part of a wide QRS: something larger follows at once.
        most = self._usual + self._usual // 2
        for other in ahead:
            apart = other.at - one.at
            if apart < times.refractory and other.energy > one.energy:
                return False
            early = since is None or 8 * since < 7 * self._interval
            if apart < times.p_wave and early and 8 * one.energy < 5 * min(other.energy, most):
                return False
            if apart < times.p_start and 4 * one.energy < min(other.energy, most):
                return False
        if one.energy > least:
            return True
        # Weak, but a beat where one is due and no other is near.
        if since is not None and 5 * since < 3 * self._interval:
            return False
        for other in ahead:
            apart = other.at - one.at
            if other.energy > least:
                between = since is None or 5 * (since + apart) >= 7 * self._interval
                return between and 2 * apart >= self._interval
            if other.energy > one.energy and apart < times.t_wave:
                return False
        return True


def median(values: Iterable[int]) -> int:
    """Return the median, of an even number the mean of the middle two, rounded down.

    Example:
        >>> median([9, 1, 4, 2])
        3
    """
    ordered = sorted(values)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) // 2
