"""The lane under a strip that shows how much each of its moments weighs (SVG written by hand, in mm)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from atml.report.svg import text
from atml.report.theme import GREY, MUTED, PURPLE

HIGH = 7.0
"""Height of the lane."""

EVEN = 2.0
"""What the lane reaches to at least, in even shares: where all weigh the same it is half full."""


def lane(left: float, y: float, speed: float, rate: float, weights: npt.NDArray[np.floating]) -> list[str]:
    """Return the elements: an area, a line where all would weigh the same, and the weight at its top.

    Args:
        left: Where the strip's paper begins.
        y: The lane's upper edge.
        speed: mm a second.
        rate: Samples a second.
        weights: Of each sample, 1 is an even share, ``(samples,)``.
    """
    top = max(EVEN, float(weights.max()))
    starts = np.flatnonzero(np.concatenate(([True], weights[1:] != weights[:-1]))).tolist()
    base, full = y + HIGH, HIGH - 0.5
    parts = [f"M{left:.2f} {base:.2f}"]
    for start, end in zip(starts, [*starts[1:], len(weights)], strict=True):
        up = base - full * min(1.0, float(weights[start]) / top)
        parts.append(f"V{up:.2f}H{left + speed * end / rate:.2f}")
    area = f"{''.join(parts)}V{base:.2f}z"
    right, even = left + speed * len(weights) / rate, base - full / top
    return [
        f'<path d="{area}" fill="{PURPLE}" fill-opacity="0.6"/>',
        f'<path d="M{left:.2f} {even:.2f}H{right:.2f}" stroke="{GREY}" stroke-width="0.15"'
        ' stroke-dasharray="1 1"/>',
        f'<path d="M{left:.2f} {base:.2f}H{right:.2f}" stroke="{GREY}" stroke-width="0.15"/>',
        text(left - 1.2, y + 2.4, f"\N{MULTIPLICATION SIGN}{top:.2g}", MUTED, 2.6, "end"),
    ]
