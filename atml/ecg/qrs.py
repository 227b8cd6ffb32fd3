"""Beats of one lead as it comes in: a streaming QRS detector in whole numbers (numpy and scipy, pure).

The slopes of the signal, over about 20 ms, are summed without their sign over 0.1 s. Summits of that energy
are candidates; `atml.ecg.qrs_decision` decides which of them are beats, half a second later, so that what
follows a candidate counts as well: a P wave is known by the QRS after it. The beat's position is where the
signal is furthest from its mean over 0.22 s, which is the R peak, or that of the deepest wave.

Every filter is a running sum of integers. So the beats are the same whatever the length of the blocks, and
the C of an export (``qrs.c``) finds the same ones on any processor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d

from atml.arrays import Int64
from atml.ecg.qrs_decision import Candidate, Decision

SLOWEST, FASTEST = 100, 1000
"""Sampling rates at which beats are looked for, in Hz."""

LATENCY_S = 0.9
"""A beat is given out at most this many seconds after its position."""

UNITS = 4096
"""Whole numbers of a mV; a power of two, so that the product is exact in float32."""

LARGEST = 1e10
"""Samples beyond this, either way, are missing, as in recordings and in the C of an export."""

CLIP = 1 << 21
"""Largest number of a sample, either way: 512 mV."""

STEEPEST = 1 << 21
"""Largest slope that counts, so that sums of it stay within 32 bits."""

LEAST = 16
"""No summit of less energy is a candidate: what rounding leaves of a still lead."""

PARTS = 11
"""The mean that a position is measured from reaches over so many times the smoothing."""

BLOCK = 1 << 16
"""Samples of a recording that `detect` pushes at once."""


@dataclass(frozen=True)
class Widths:
    """Lengths in samples at one sampling rate.

    Attributes:
        smooth: Of the sum that smooths the signal, some 20 ms; odd.
        slope: Distance of the samples whose difference is a slope, some 20 ms; even.
        energy: Of the sum of slopes, some 100 ms; odd.
        apart: A candidate is the largest within so many samples to either side: 100 ms.
        reach: A position is sought so far from the middle of the energy: 70 ms.
        look: A candidate is decided when it lies so far back, and ``apart``: 500 ms.
        shift: Bits that slopes are shifted by, which takes off what smoothing multiplied them by.
    """

    smooth: int
    slope: int
    energy: int
    apart: int
    reach: int
    look: int
    shift: int

    @classmethod
    def of(cls, sampling_rate: float) -> Widths:
        """Return the lengths at a rate in Hz; raises ValueError outside `SLOWEST` to `FASTEST`.

        Example:
            >>> Widths.of(250)
            Widths(smooth=5, slope=4, energy=25, apart=25, reach=18, look=125, shift=5)
        """
        if not SLOWEST <= sampling_rate <= FASTEST:
            raise ValueError(
                f"the sampling rate is {sampling_rate:g} Hz; beats are looked for at {SLOWEST} to {FASTEST}"
                " Hz: resample the lead"
            )
        smooth = 2 * int(0.010 * sampling_rate) + 1
        return cls(
            smooth=smooth,
            slope=2 * int(0.010 * sampling_rate),
            energy=2 * int(0.050 * sampling_rate) + 1,
            apart=int(0.100 * sampling_rate + 0.5),
            reach=int(0.070 * sampling_rate + 0.5),
            look=int(0.500 * sampling_rate + 0.5),
            shift=(PARTS * smooth).bit_length() - 1,
        )

    @property
    def delay(self) -> int:
        """Samples by which the energy's middle lies before the sample that completes it."""
        return self.mean // 2 + self.slope // 2 + self.energy // 2

    @property
    def early(self) -> int:
        """Samples before which no candidate is complete whose surroundings have been there."""
        return self.delay + self.mean // 2

    @property
    def mean(self) -> int:
        """Samples of the mean that positions are measured from; odd."""
        return PARTS * self.smooth

    @property
    def latency(self) -> int:
        """Samples after a beat's position by which it is decided at the latest."""
        return self.look + self.apart + self.delay + self.reach

    @property
    def kept(self) -> int:
        """Samples that the next block needs of those before it."""
        return self.mean + self.slope + self.energy + 2 * self.apart


class QrsDetector:
    """Finds the beats of one lead that is pushed in blocks of any length.

    Missing samples (NaN, infinite) keep the last value, and the signal after them goes on from there: a gap
    is no step. Polarity makes no difference. Memory does not grow.

    Source: the energy of slopes after Pan and Tompkins, IEEE Trans Biomed Eng 32 (1985); thresholds from
    medians of eight after Hamilton and Tompkins, IEEE Trans Biomed Eng 33 (1986).

    Example:
        >>> t = np.arange(2500) / 250
        >>> x = sum(np.exp(-(((t - at) / 0.012) ** 2) / 2) for at in np.arange(0.5, 9.6, 0.8))
        >>> detector = QrsDetector(250)
        >>> first, then = detector.push(x[:1000]), detector.push(x[1000:])
        >>> np.concatenate([first, then, detector.end()]).tolist()
        [125, 325, 525, 725, 925, 1125, 1325, 1525, 1725, 1925, 2125, 2325]
    """

    def __init__(self, sampling_rate: float) -> None:
        """Raises ValueError for a rate outside `SLOWEST` to `FASTEST`."""
        self._widths = Widths.of(sampling_rate)
        self._rate = sampling_rate
        self._reset()

    def _reset(self) -> None:
        self._decision = Decision(self._rate, self._widths.look)
        self._kept = np.zeros(self._widths.kept, np.int64)
        self._pushed = 0
        self._last, self._heard = 0, False  # the last sample, and whether it is there

    def push(self, x: npt.ArrayLike) -> Int64:
        """Take ``x (samples,)`` in mV; return the beats decided by now, as samples since the start."""
        with np.errstate(over="ignore"):  # beyond float32 is missing as well
            values = np.asarray(x, np.float32)
        if values.ndim != 1:
            raise ValueError(f"the samples of one lead are one row, not an array of {values.ndim} dimensions")
        found: list[int] = []
        for at in range(0, len(values), BLOCK):
            found += self._advance(self._joined(values[at : at + BLOCK]))
        return np.array(found, np.int64)

    def end(self) -> Int64:
        """Return the beats that are left, as if the last value went on; then the detector begins anew."""
        pushed, w = self._pushed, self._widths
        found = np.array(self._advance(np.full(w.latency, self._kept[-1])), np.int64)
        self._reset()
        return found[found < pushed - w.mean // 2]

    def _joined(self, x: npt.NDArray[np.float32]) -> Int64:
        """Return whole numbers that begin at 0 and have no step across missing samples."""
        there = np.abs(x) <= np.float32(LARGEST)
        whole = np.clip(np.where(there, x, np.float32(0)) * np.float32(UNITS), -CLIP, CLIP).astype(np.int64)
        before = np.concatenate([[self._last], whole[:-1]])
        follows = there & np.concatenate([[self._heard], there[:-1]])
        if len(x):
            self._last, self._heard = int(whole[-1]), bool(there[-1])
        return np.asarray(self._kept[-1] + np.cumsum(np.where(follows, whole - before, 0)), np.int64)

    def _advance(self, signal: Int64) -> list[int]:
        """Filter numbers that were joined; return the beats decided by them."""
        w, length = self._widths, len(signal)
        signal = np.concatenate([self._kept, signal])
        self._kept = signal[-w.kept :]
        self._pushed += length
        smoothed, mean, behind = _sums(signal, w.smooth), _sums(signal, w.mean), PARTS // 2 * w.smooth
        away = _wrapped(PARTS * smoothed[-len(mean) - behind : -behind] - mean)
        slopes = np.minimum(np.abs(away[w.slope :] - away[: -w.slope]) >> w.shift, STEEPEST)
        energy = _sums(slopes, w.energy)
        away = np.abs(away)

        # Every array ends at the last sample; `back` is how far before it something lies.
        candidates = []
        for back in _summits(energy[-(length + 2 * w.apart) :], w.apart):
            here = len(slopes) - back
            middle = len(away) - back - w.delay + w.mean // 2
            sought = away[middle - w.reach : middle + w.reach + 1]
            at = self._pushed - back
            if at < w.early:
                continue  # before the first sample there is nothing to measure it against
            candidates.append(
                Candidate(
                    at=at,
                    position=at - w.delay - w.reach + int(sought.argmax()),
                    energy=int(energy[-back]),
                    slope=int(slopes[here - w.energy + 1 : here + 1].max()),
                )
            )
        return self._decision.feed(candidates, self._pushed - 1 - w.apart)


def _sums(x: Int64, width: int) -> Int64:
    """Return the sums over ``width`` samples, ``width`` - 1 fewer than there are samples."""
    total = np.concatenate([[0], np.cumsum(x)])
    return np.asarray(total[width:] - total[:-width], np.int64)


def _wrapped(x: Int64) -> Int64:
    """Return what 32 bits keep of numbers: beyond them only what is no ECG gets."""
    return x.astype(np.int32).astype(np.int64)


def _summits(x: Int64, apart: int) -> list[int]:
    """Return how far before the end of ``x`` its summits lie; ``apart`` values at either end are none.

    A summit is above the ``apart`` values before it and not below those after it.
    """
    if len(x) <= 2 * apart:
        return []
    inner = x[apart:-apart]
    top = (inner >= LEAST) & (inner == maximum_filter1d(x, 2 * apart + 1)[apart:-apart])
    places = np.flatnonzero(top)
    # Of a plateau, the first.
    return [len(x) - apart - int(at) for at in places if x[at : at + apart].max() < inner[at]]


def detect(x: npt.ArrayLike, sampling_rate: float) -> Int64:
    """Return the beats of a whole lead ``x (samples,)`` in mV, as sample numbers, ascending.

    Raises ValueError for a rate outside `SLOWEST` to `FASTEST`.
    """
    detector = QrsDetector(sampling_rate)
    return np.concatenate([detector.push(x), detector.end()])
