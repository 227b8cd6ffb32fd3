"""A signal that comes in pieces, at another rate: every sample is the same, however long the pieces are."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from atml.arrays import Bools, Float32, Floats
from atml.data.rates import Rate

REACH = 10
"""Samples at the slower of both rates that the filter reaches to either side, as `scipy.signal.resample_poly`
has it."""

BETA = 5.0
"""Of the Kaiser window of the filter, as there."""


class Resampler:
    """Brings ``leads`` leads from ``rate`` Hz to ``target`` Hz while they come.

    The filter is that of `atml.ecg.resampling.resample`. Before the first sample and after the last the
    signal keeps its value; over missing samples (NaN) it keeps the last one, and what is nearest to a missing
    sample is NaN in every lead.

    Example:
        >>> one = Resampler(250, 125, leads=1)
        >>> first, rest = one.push(np.ones((1, 300))), one.end()
        >>> first.shape, rest.shape, bool(np.allclose(first, 1.0))
        ((1, 140), (1, 10), True)
    """

    def __init__(self, rate: Rate, target: int, *, leads: int) -> None:
        ratio = Fraction(target) / Fraction(rate)
        self.up, self.down = ratio.numerator, ratio.denominator
        self.taken = 0
        """Samples that were pushed."""
        self.given = 0
        """Samples that were returned."""
        self._half = 0 if self.up == self.down else REACH * max(self.up, self.down)
        self._first = 0
        self._kept: Floats = np.empty((leads, 0))
        self._gap: Bools = np.empty(0, np.bool_)
        self._last: Floats = np.zeros((leads, 1))
        self._offset: Floats = np.full((leads, 1), np.nan)
        self._filter = self._designed()

    def push(self, x: npt.NDArray[np.floating]) -> Float32:
        """Take ``x (leads, samples)``; return what can be said by now, ``(leads, any number)``."""
        if not x.shape[1]:
            return np.empty((len(x), 0), np.float32)
        values = np.array(x, np.float64)
        missing = np.isnan(values)
        self._begin(values, missing)
        values -= self._from()
        _hold(values, missing, self._last)
        self._last = values[:, -1:].copy()
        self._append(values, np.asarray(missing.any(axis=0)))
        self.taken += x.shape[1]
        return self._until((self.taken * self.up - 1 - self._half) // self.down + 1)

    def end(self) -> Float32:
        """Return the rest. As many samples come in all as fit into the time of those that were pushed."""
        more = self._half // self.up + 1
        self._append(np.repeat(self._last, more, axis=1), np.zeros(more, np.bool_))
        return self._until(self.taken * self.up // self.down)

    def _begin(self, values: Floats, missing: Bools) -> None:
        """Take the first sample of each lead for its offset, which the filter need not pass on."""
        for lead in np.flatnonzero(np.isnan(self._offset[:, 0]) & ~missing.all(axis=1)):
            self._offset[lead] = values[lead, int(np.argmin(missing[lead]))]

    def _from(self) -> Floats:
        return np.nan_to_num(self._offset)

    def _append(self, values: Floats, gap: Bools) -> None:
        self._kept = np.concatenate([self._kept, values], axis=1)
        self._gap = np.concatenate([self._gap, gap])

    def _designed(self) -> Floats:
        """Return the filter, led by zeros so that its middle lies on a sample of the target rate."""
        if not self._half:
            return np.ones(1)
        from scipy.signal import firwin

        taps = firwin(2 * self._half + 1, 1 / max(self.up, self.down), window=("kaiser", BETA)) * self.up
        return np.concatenate([np.zeros(self.down - self._half % self.down), taps])

    def _until(self, end: int) -> Float32:
        """Return the samples from the last returned to ``end``, and forget what no other needs."""
        leads = len(self._kept)
        if end <= self.given:
            return np.empty((leads, 0), np.float32)
        places = np.arange(self.given, end)
        if self._half:
            from scipy.signal import upfirdn

            begin = (len(self._filter) - 1 - self._half) // self.down - self._first // self.down * self.up
            made = upfirdn(self._filter, self._kept, self.up, self.down, axis=1)
            made = made[:, self.given + begin : end + begin]
        else:
            made = self._kept[:, self.given - self._first : end - self._first]
        nearest = (2 * places * self.down + self.up) // (2 * self.up)
        found = np.asarray(made + self._from(), np.float32)
        found[:, self._gap[np.minimum(nearest - self._first, len(self._gap) - 1)]] = np.nan
        self.given = end
        # What is kept begins where samples of both rates coincide.
        first = max(0, math.ceil((end * self.down - self._half) / self.up)) // self.down * self.down
        self._kept, self._gap = self._kept[:, first - self._first :], self._gap[first - self._first :]
        self._first = first
        return found


def _hold(values: Floats, missing: Bools, last: Floats) -> None:
    """Put the last value before it in place of each missing one; ``last (leads, 1)`` is before the first."""
    if not missing.any():
        return
    place = np.where(missing, -1, np.arange(values.shape[1]))
    np.maximum.accumulate(place, axis=1, out=place)
    rows = np.arange(len(values))[:, None]
    values[:] = np.where(place < 0, last, values[rows, np.maximum(place, 0)])
