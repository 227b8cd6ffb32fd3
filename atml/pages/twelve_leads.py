"""The twelve leads and how they hang together: Einthoven's law and Goldberger's leads hold to rounding."""

from __future__ import annotations

import numpy as np

from atml.arrays import Floats

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")

INDEPENDENT = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
"""The eight leads that the other four follow from."""

DOWER = np.array(
    [
        [0.632, -0.235, 0.059],
        [0.235, 1.066, -0.132],
        [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ]
)
"""What each of the `INDEPENDENT` leads sees of a dipole: x to the left, y to the feet, z to the back
(Dower, Machado and Osborne, Clin Cardiol 3:87, 1980)."""


def twelve(eight: Floats) -> Floats:
    """Return all `LEADS`, ``(12, samples)``, of the `INDEPENDENT` ones, ``(8, samples)``.

    III = II - I, aVR = -(I + II) / 2, aVL = I - II / 2, aVF = II - I / 2.

    Example:
        >>> leads = twelve(np.array([[1.0], [3.0], *[[0.0]] * 6]))
        >>> dict(zip(LEADS, leads[:6, 0].tolist()))
        {'I': 1.0, 'II': 3.0, 'III': 2.0, 'aVR': -2.0, 'aVL': -0.5, 'aVF': 2.5}
    """
    i, ii = eight[0], eight[1]
    limbs = np.stack([i, ii, ii - i, -(i + ii) / 2, i - ii / 2, ii - i / 2])
    return np.concatenate([limbs, eight[2:]])
