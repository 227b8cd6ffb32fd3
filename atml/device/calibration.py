"""What the rows of a program range over on real windows, which 8 bits are then laid over.

Each tensor gets the range that costs least: its extremes, or, where a few outliers would make every step
coarse, a narrower one that clips them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from atml.arrays import Float32, evenly
from atml.device import interpreter
from atml.device.arithmetic import activate
from atml.device.program import F32, Program, Recurrent
from atml.errors import ExportError

WINDOWS = 256
"""Windows that ranges are measured on, at most; they are taken evenly."""

_SAMPLED = 1024
"""Values of a tensor in each window that its clipped ranges are compared on."""
_SHARES = (0.0, 1e-5, 1e-4, 1e-3, 1e-2)
"""Shares of the values that a range may clip at either end."""

Range = tuple[float, float]


@dataclass(frozen=True)
class Ranges:
    """Lowest and highest value of each tensor: all that a program of integers takes from data.

    ``rows`` has the input's first, then one for what each layer puts out; ``before`` has one for each layer,
    of its sums before their activation, which only activations with a table need.
    """

    rows: tuple[Range, ...]
    before: tuple[Range, ...]

    def to_dict(self) -> dict[str, list[list[float]]]:
        """Return them as JSON types."""
        return {"rows": [list(one) for one in self.rows], "before": [list(one) for one in self.before]}

    @classmethod
    def from_dict(cls, stored: dict[str, Sequence[Sequence[float]]]) -> Ranges:
        """Rebuild from `to_dict`.

        Example:
            >>> ranges = Ranges(((-1.0, 2.5),), ())
            >>> Ranges.from_dict(ranges.to_dict()) == ranges
            True
        """
        rows, before = (tuple((float(a), float(b)) for a, b in stored[key]) for key in ("rows", "before"))
        return cls(rows, before)


def calibrate(program: Program, windows: Float32) -> Ranges:
    """Measure a program in float32 on up to `WINDOWS` of ``windows (n, leads, samples)``, in mV.

    They are to come from subjects that the network was trained on, never from a test set. Windows with a
    sample that is not finite are left out.

    Raises:
        ExportError: a program that is not in float32, or no window to measure it on.
    """
    if program.format != F32:
        raise ExportError(f"ranges are measured on weights in {F32}, not in {program.format}")
    x = np.asarray(windows[evenly(len(windows), WINDOWS)], np.float32)
    x = x[np.isfinite(x).all((1, 2))]
    if not len(x):
        raise ExportError(
            "no window without NaN to calibrate 8-bit activations on; give some of the training's"
        )
    with np.errstate(all="ignore"):
        rows = interpreter.prepared(program.input, interpreter.apart(x, program.passes))
        found, before = [_range(rows)], []
        for layer in program.layers:
            if isinstance(layer, Recurrent):
                rows = interpreter.apply(layer, rows)
                before.append((0.0, 0.0))
            else:
                sums = interpreter.apply(dataclasses.replace(layer, activation="none"), rows)
                before.append(_range(sums))
                rows = activate(sums, layer.activation)
            found.append(_range(rows))
    return Ranges(tuple(found), tuple(before))


def _range(values: Float32) -> Range:
    """Return the range of `_SHARES` whose 256 steps lie nearest to the values, all windows counting alike.

    So a window with an artefact costs no more than any other that is clipped.
    """
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    flat = values.reshape(len(values), -1)
    some = flat[:, evenly(flat.shape[1], _SAMPLED)].astype(np.float64)
    size = np.square(some).mean(1) + 1e-12
    best, least = (low, high), np.inf
    for share in _SHARES:
        if share:
            low, high = (float(one) for one in np.quantile(some, [share, 1 - share]))
            low, high = min(low, 0.0), max(high, 0.0)
        step = (high - low) / 255
        if step == 0:
            continue
        lost = np.clip(np.round((some - low) / step), 0, 255) * step + low - some
        error = float((np.square(lost).mean(1) / size).mean())
        if error < least:
            best, least = (low, high), error
    return best
