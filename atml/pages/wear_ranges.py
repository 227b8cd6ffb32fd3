"""What happens to a page on its way into a picture, and how much of it in each kind of picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Random = np.random.Generator

DEGRADATIONS = {
    "frame": "margin of background round the page, as a share of the picture",
    "rotation": "rotation, in degrees, to either side",
    "perspective": "shift of each corner, at most, as a share of the page's width",
    "bend": "height of the page's wave, as a share of its height",
    "crease": "folds, by how deep they are; 1 is a page that was folded to fit a pocket",
    "handwriting": "notes with a pen: how many",
    "stain": "darkness of a stain, 0 to 1",
    "light": "how much darker the far side of the light is, 0 to 1",
    "shadow": "darkness of a cast shadow, 0 to 1",
    "blur": "standard deviation of the blur, in pixels of a picture 672 wide",
    "noise": "standard deviation of the sensor's noise, as a share of full scale",
    "jpeg": "quality of JPEG compression, 1 to 95",
}
"""Names as the metadata have them, and what their number means."""


@dataclass(frozen=True)
class Range:
    """With probability ``chance``, a number between ``low`` and ``high``."""

    chance: float
    low: float
    high: float


KINDS: dict[str, dict[str, Range]] = {
    "clean": {},
    "scan": {
        "frame": Range(1.0, 0.0, 0.006),
        "rotation": Range(1.0, 0.0, 0.8),
        "crease": Range(0.2, 0.15, 0.4),
        "handwriting": Range(0.3, 1, 2),
        "stain": Range(0.12, 0.1, 0.25),
        "light": Range(0.5, 0.01, 0.05),
        "blur": Range(1.0, 0.25, 0.55),
        "noise": Range(1.0, 0.004, 0.015),
        "jpeg": Range(0.5, 70, 95),
    },
    "mild": {
        "frame": Range(1.0, 0.0, 0.015),
        "rotation": Range(1.0, 0.0, 2.0),
        "perspective": Range(1.0, 0.002, 0.015),
        "bend": Range(0.4, 0.001, 0.005),
        "crease": Range(0.15, 0.15, 0.4),
        "handwriting": Range(0.2, 1, 2),
        "stain": Range(0.08, 0.1, 0.25),
        "light": Range(1.0, 0.06, 0.22),
        "shadow": Range(0.4, 0.10, 0.25),
        "blur": Range(1.0, 0.25, 0.6),
        "noise": Range(1.0, 0.006, 0.02),
        "jpeg": Range(0.8, 75, 95),
    },
    "photo": {
        "frame": Range(1.0, 0.008, 0.03),
        "rotation": Range(1.0, 0.0, 6.0),
        "perspective": Range(1.0, 0.010, 0.045),
        "bend": Range(0.7, 0.003, 0.012),
        "crease": Range(0.5, 0.3, 1.0),
        "handwriting": Range(0.4, 1, 3),
        "stain": Range(0.3, 0.2, 0.6),
        "light": Range(1.0, 0.15, 0.45),
        "shadow": Range(0.8, 0.20, 0.50),
        "blur": Range(1.0, 0.4, 1.0),
        "noise": Range(1.0, 0.010, 0.045),
        "jpeg": Range(1.0, 40, 88),
    },
}
"""Kinds of picture: as printed, a flatbed scan, a careful photograph, and a careless one."""


def drawn(random: Random, kind: str) -> dict[str, float]:
    """Draw how much of each degradation a picture of a kind has; those that it has none of are left out.

    Example:
        >>> drawn(np.random.default_rng(0), "clean")
        {}
        >>> sorted(drawn(np.random.default_rng(0), "scan")) == sorted(drawn(np.random.default_rng(0), "scan"))
        True
    """
    found = {}
    for name, one in KINDS[kind].items():
        happens, amount = random.random() < one.chance, float(random.uniform(one.low, one.high))
        if happens:
            found[name] = float(np.rint(amount)) if name in ("handwriting", "jpeg") else round(amount, 4)
    return found
