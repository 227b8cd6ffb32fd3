"""The input step "rr": a window becomes the series of its RR intervals, found by `atml.ecg.beats`' rule.

Rhythm is in the times between beats. A small network that has to find the beats first spends most of its
weights on that; this step finds them with none. At each sample stands the length of the last complete RR
interval, so that decimation, convolutions and recurrent cells go on as with any signal.

Every number that decides where a beat is comes from single additions, products, comparisons and one root, in
an order fixed here, which float32 rounds alike everywhere: torch and an exported graph find the very same
beats. That is why the energy of the slopes is summed by doubling and not by a convolution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from atml.arrays import Float32
from atml.ecg.beats import FRACTION, QRS_S, REFRACTORY_S, STEP_S
from atml.errors import ConfigError, ShapeError

Samples = TypeVar("Samples", Tensor, Float32)

USUAL_S = 0.8
"""The RR interval that becomes 0, in s: 75 beats a minute."""

LONGEST_S = 2.5
"""Longer RR intervals are taken for this, in s."""

GAIN = 3.0
"""Over the logarithm of an RR interval: the series of a usual heart then varies by about 1."""

LOWEST_HZ = 25
"""Below this rate a QRS complex is no more than two samples wide."""


@dataclass(frozen=True)
class RRPlan:
    """The step's widths, in samples of a window of ``window`` at the task's rate.

    ``step`` is half the span of a slope, ``box`` the width that energy is summed over, ``second`` a second
    (or the window, where that is shorter), ``reach`` the refractory time, ``most`` the most beats a window
    has room for, ``longest`` the longest RR interval and ``usual`` the one that becomes 0.
    """

    window: int
    step: int
    box: int
    second: int
    reach: int
    most: int
    longest: int
    usual: float

    @property
    def seconds(self) -> int:
        """Whole seconds in the window."""
        return self.window // self.second

    @property
    def pools(self) -> tuple[int, int, int]:
        """Kernel of a first pool, kernel and dilation of a second, that see ``2 * reach + 1`` together."""
        width = 2 * self.reach + 1
        return min(
            (
                (first, (width - first) // apart + 1, apart)
                for first in range(1, width + 1)
                for apart in range(1, first + 1)
                if (width - first) % apart == 0
            ),
            key=lambda found: found[0] + found[1],
        )

    @property
    def operations(self) -> int:
        """Additions, products and comparisons for one lead of one window."""
        first, second, _ = self.pools
        # Beside these: slope, square, largest of a second, three for the two comparisons, two for the first
        # sample of a plateau, one each for picking and counting beats, three for each sample's interval.
        return self.window * (sum(self._sums) + first + second + 13) + 5 * self.most

    @property
    def _sums(self) -> tuple[int, int]:
        """How often the energy's width is doubled, and how often one sample is added to it."""
        digits = f"{self.box:b}"[1:]
        return len(digits), digits.count("1")

    def file_bytes(self, leads: int) -> int:
        """Bytes of the step's nodes and constants in an ONNX file, fitted and rounded up."""
        doubled, added = self._sums
        return 2250 + 90 * doubled + 240 * added + 24 * leads

    @property
    def peak(self) -> int:
        """Numbers alive at once for one lead: energy, what it is padded to, and a pool of that."""
        return 3 * self.window + 4 * self.reach


def rr_plan(sampling_rate: float, window: int) -> RRPlan:
    """Work out the step's widths for windows of ``window`` samples at ``sampling_rate`` Hz.

    Raises:
        ConfigError: a rate below `LOWEST_HZ`.
        ShapeError: a window that has no room for two beats.

    Example:
        >>> rr_plan(100, 2000).most
        77
    """
    if sampling_rate < LOWEST_HZ:
        raise ConfigError(
            f"normalise='rr' finds no beats at {sampling_rate:g} Hz; it needs {LOWEST_HZ} Hz or more"
        )
    reach = max(1, round(REFRACTORY_S * sampling_rate))
    most = (window - 1) // (reach + 1) + 1
    if most < 2:
        raise ShapeError(
            f"normalise='rr' needs windows with room for two beats, more than {reach + 1} samples at"
            f" {sampling_rate:g} Hz; the task's have {window}"
        )
    return RRPlan(
        window=window,
        step=max(1, round(STEP_S * sampling_rate)),
        box=max(2, round(QRS_S * sampling_rate)),
        second=min(window, round(sampling_rate)),
        reach=reach,
        most=most,
        longest=round(LONGEST_S * sampling_rate),
        usual=USUAL_S * sampling_rate,
    )


def boxed(squares: Samples, box: int) -> Samples:
    """Add up ``box`` neighbours along the last axis, by doubling: the order of additions is fixed.

    ``squares`` is a tensor or an array; ``box - 1`` fewer samples come out.

    Example:
        >>> boxed(torch.tensor([1.0, 2.0, 3.0, 4.0]), 3).tolist()
        [6.0, 9.0]
    """
    energy, width = squares, 1
    for bit in f"{box:b}"[1:]:
        energy = energy[..., :-width] + energy[..., width:]
        width *= 2
        if bit == "1":
            energy = energy[..., :-1] + squares[..., width:]
            width += 1
    return energy


def beats_of(x: Tensor, plan: RRPlan) -> Tensor:
    """Mark the beats of ``(n, leads, samples)`` as `atml.ecg.beats.beats` does: 1 at one, 0 elsewhere."""
    slope = x[..., 2 * plan.step :] - x[..., : -2 * plan.step]
    before = plan.box // 2
    squares = F.pad(slope * slope, (plan.step + before, plan.step + plan.box - 1 - before))
    energy = boxed(squares, plan.box)
    each = F.max_pool1d(energy, plan.second).sqrt().sort(-1, descending=True).values
    middle = each[..., (plan.seconds - 1) // 2 : plan.seconds // 2 + 1].mean(-1, keepdim=True)
    least = middle * FRACTION
    first, second, apart = plan.pools
    around = F.max_pool1d(F.pad(energy, (plan.reach, plan.reach)), first, 1)
    around = F.max_pool1d(around, second, 1, dilation=apart)
    top = ((energy == around) & (energy > least * least)).to(x.dtype)
    # A plateau has its first sample.
    return (top - F.pad(top[..., :-1], (1, 0))).relu()


def rr_series(x: Tensor, sampling_rate: float) -> Tensor:
    """Turn ``(n, leads, samples)`` at ``sampling_rate`` Hz into the RR intervals of each lead, same shape.

    At each sample stands ``3 * log(RR / 0.8 s)`` of the last complete RR interval, before its end that of the
    first; intervals are cut to the refractory time and `LONGEST_S`. All 0 where a lead has fewer than two
    beats. Has no gradient.

    Raises:
        ConfigError: a rate below `LOWEST_HZ`.
        ShapeError: windows that have no room for two beats.

    Example:
        >>> x = torch.zeros(1, 1, 500)
        >>> x[..., 50::100] = 1.0
        >>> rr_series(x, 100)[0, 0, ::250].tolist()  # a beat a second: 3 * log(1 / 0.8)
        [0.6694306135177612, 0.6694306135177612]
    """
    plan = rr_plan(sampling_rate, x.shape[-1])
    with torch.no_grad():
        beat = beats_of(x, plan)
        left = torch.arange(plan.window, 0, -1, dtype=x.dtype, device=x.device)
        found = (beat * left).topk(plan.most, -1).values
        samples = (found[..., :-1] - found[..., 1:]).clamp(plan.reach, plan.longest)
        series = (samples * (1 / plan.usual)).log() * GAIN * (found[..., 1:] > 0)
        last = (beat.cumsum(-1) - 2).clamp(0, plan.most - 2).long()
        return series.gather(-1, last)
