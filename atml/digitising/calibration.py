"""Pulses of 1 mV before or behind the rows: gain, paper speed, and where 0 mV is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atml.arrays import Float32, Floats
from atml.digitising.rows import Ink

GAINS, SPEEDS = (5.0, 10.0, 20.0), (25.0, 50.0)
"""mm/mV and mm/s that recorders print with."""

PULSE_S = 0.2

LIKENESS = 0.33
"""Ink along a pulse's edges, of a trace's, from which it is one."""


@dataclass(frozen=True)
class Pulse:
    """A pulse: ``gain`` in mm/mV, ``speed`` in mm/s, ``left`` and ``right`` in pixels.

    ``foot`` are the heights of its foot for each row, NaN where it is not seen; ``score`` is how much of its
    outline has ink, 0 to 1.
    """

    gain: float
    speed: float
    left: float
    right: float
    foot: Floats
    score: float


def find(found: Ink, levels: Floats, ends: tuple[float, float]) -> Pulse | None:
    """Find the pulses of rows at ``levels``, which stand one above another; None where there are none.

    ``ends`` are the columns where the rows' ink begins and ends: pulses stand there.
    """
    from scipy.ndimage import maximum_filter

    scale = found.scale
    cover = np.clip(maximum_filter(found.cover, (3, 3)), 0, 1)
    plain = np.clip(found.cover, 0, 1)
    rows, columns = cover.shape
    best: Pulse | None = None
    mm = (np.arange(columns) - ends[0]) / scale, (np.arange(columns) - ends[1]) / scale
    near = ((mm[0] > -20) & (mm[0] < 12)) | ((mm[1] > -13) & (mm[1] < 12))
    up_down = np.arange(-round(4 * scale), round(4 * scale) + 1)
    for speed in SPEEDS:
        wide = PULSE_S * speed * scale
        for gain in GAINS:
            high = gain * scale
            totals = np.zeros(columns)
            feet = np.full((len(levels), columns), np.nan)
            count = 0
            per_row = []
            for number, level in enumerate(levels):
                score = np.full((len(up_down), columns), 0.0)
                for k, shift in enumerate(up_down):
                    base = level + shift
                    if base - high < 1 or base >= rows - 1:
                        continue
                    away = 0.03 * abs(shift) / scale
                    score[k] = _outline(cover, plain, base, high, wide, 2.5 * scale) - away
                at = score.argmax(0)
                feet[number] = level + up_down[at]
                per_row.append(score[at, np.arange(columns)])
                count += 1
            rows_score = np.sort(np.stack(per_row), 0)
            # Most rows have it; one may be hidden under a stain.
            totals = rows_score[len(levels) // 4 :].mean(0)
            totals[~near] = 0
            x = int(totals.argmax())
            if totals[x] > LIKENESS and (best is None or totals[x] > best.score):
                best = Pulse(gain, speed, float(x), float(x + wide), feet[:, x], float(totals[x]))
    return best


def _outline(cover: Float32, plain: Float32, base: float, high: float, wide: float, more: float) -> Floats:
    """Return for each column how much ink a pulse that begins there would have, of its weakest side."""
    columns = cover.shape[1]
    foot, head = round(base), round(base - high)
    edge = cover[head : foot + 1].mean(0)
    inner = plain[head + 3 : foot - 2].mean(0) if foot - head > 6 else np.zeros(columns)
    w = round(wide)
    right = np.concatenate([edge[w:], np.zeros(w)])
    top_sum = np.concatenate([[0], np.cumsum(cover[head])])
    top = np.zeros(columns)
    top[: columns - w] = (top_sum[w + 1 : columns + 1] - top_sum[: columns - w]) / (w + 1)
    above = np.zeros(columns)
    if head >= 3:
        sums = np.concatenate([[0], np.cumsum(plain[head - 3])])
        above[: columns - w] = (sums[w + 1 : columns + 1] - sums[: columns - w]) / (w + 1)
    # Its sides end at its foot.
    on = plain[foot + 2 : foot + 2 + max(1, round(more))]
    goes_on = on.mean(0) if len(on) else np.zeros(columns)
    goes_on = (goes_on + np.concatenate([goes_on[w:], np.zeros(w)])) / 2
    # Inside a pulse there is paper.
    sums = np.concatenate([[0], np.cumsum(inner)])
    hollow = np.ones(columns)
    if w > 6:
        hollow[: columns - w] = (sums[w - 2 : columns - 2] - sums[3 : columns - w + 3]) / (w - 5)
    least = np.minimum(np.minimum(edge, right), top)
    return np.asarray(0.6 * least + 0.4 * (edge + right + top) / 3 - hollow - 0.5 * above - 0.8 * goes_on)
