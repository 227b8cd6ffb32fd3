"""Letters made of strokes, drawn for this package: lead names, headers and handwriting need no font file.

A letter stands on a grid: x from 0 to 4, y from 0 (the base line) to 6 (a capital's height); ``y`` and ``z``
are 1 and 2 below the line. A stroke is a chain of such pairs, one after ``~`` is rounded.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from atml.arrays import Float32, Floats

CAPITAL = 6.0
"""Height of a capital on the grid."""

_GLYPHS = {
    "A": "002640 1232", "B": "0006 ~063645443303 ~033342413000", "C": "~4536160501103041",
    "D": "0006 ~062645412000", "E": "46060040 0333", "F": "460600 0333", "G": "~4536160501103041 414323",
    "H": "0006 4046 0343", "I": "1016", "J": "~4641301001", "K": "0006 4602 1340", "L": "060040",
    "M": "0006234640", "N": "00064046", "O": "~26160501103041453626", "P": "0006 ~063645443303",
    "Q": "~26160501103041453626 2240", "R": "0006 ~063645443303 2340", "S": "~453616050413334241301001",
    "T": "0646 2620", "U": "~060110304146", "V": "062046", "W": "0610243046", "X": "0046 0640",
    "Y": "062346 2320", "Z": "06460040",
    "a": "~3324140301102031 3430", "b": "0600 ~0314243331201001", "c": "~3324140301102031",
    "d": "3630 ~3324140301102031", "e": "~02323324140301102031", "f": "~36261510 0424",
    "g": "~3324140301102031 ~343y2z1z0y", "h": "0600 ~0314243330", "i": "1410 1516", "j": "~141y0z 1516",
    "k": "0600 3402 1230", "l": "1610", "m": "0400 ~03142320 ~23344340", "n": "0400 ~0314243330",
    "o": "~241403011020313324", "p": "040z ~0314243331201001", "q": "343z ~3324140301102031",
    "r": "0400 ~03142434", "s": "~33241403122231201001", "t": "~16112030 0424",
    "u": "~0401102031 3430", "v": "042044", "w": "0410233044", "x": "0034 0430", "y": "0420 441z0z",
    "z": "04340030",
    "0": "~160501102031352616", "1": "051610", "2": "~05162635340100 0030",
    "3": "~05162635342313 ~13233231201001", "4": "20260242", "5": "360603 ~0314243331201001",
    "6": "~352616050110203133241403", "7": "063610",
    "8": "~160504132334352616 ~130201102031322313", "9": "~011020313526160504132334",
    "-": "0323", "+": "2125 0343", ".": "1011", ",": "110y", ":": "1112 1415", "/": "0036", "'": "2624",
    "(": "~26141220", ")": "~06242200", " ": "",
}  # fmt: skip


@functools.cache
def _strokes(letter: str) -> tuple[tuple[Floats, ...], float]:
    """Return the strokes of a letter, each ``(points, 2)`` on the grid, and how far to the next letter."""
    strokes = []
    for chain in _GLYPHS.get(letter, _GLYPHS["-"]).split():
        bare = chain.lstrip("~")
        pairs = [
            (int(x), {"y": -1, "z": -2}[y] if y in "yz" else int(y))
            for x, y in zip(bare[::2], bare[1::2], strict=True)
        ]
        points = np.array(pairs, np.float64)
        strokes.append(_rounded(points) if chain[0] == "~" else points)
    width = max((float(s[:, 0].max()) for s in strokes), default=1.5)
    return tuple(strokes), width + 1.7


def _rounded(points: Floats) -> Floats:
    """Cut the corners of a chain twice; its ends stay."""
    for _ in range(2):
        low, high = points[:-1], points[1:]
        cut = np.stack([0.75 * low + 0.25 * high, 0.25 * low + 0.75 * high], 1).reshape(-1, 2)
        points = np.concatenate([points[:1], cut, points[-1:]])
    return points


def written(text: str, height: float) -> list[Floats]:
    """Return the strokes of a text, each ``(points, 2)``: x from its left end, y down from its base line.

    ``height`` is that of a capital. A letter that the font lacks is a dash.

    Example:
        >>> [stroke.tolist() for stroke in written("L", 6)]
        [[[0.0, -6.0], [0.0, 0.0], [4.0, 0.0]]]
    """
    scale, at, out = height / CAPITAL, 0.0, []
    for letter in text:
        strokes, advance = _strokes(letter)
        out += [stroke * [scale, -scale] + 0.0 for stroke in shifted(strokes, at, 0.0)]
        at += advance
    return out


def shifted(strokes: Sequence[Floats], x: float, y: float) -> list[Floats]:
    """Return strokes moved to the right by ``x`` and down by ``y``."""
    return [stroke + np.array([x, y]) for stroke in strokes]


def width(text: str, height: float) -> float:
    """Return how wide a text is, in the unit of ``height``."""
    return sum(_strokes(letter)[1] for letter in text) * height / CAPITAL


def stamp(layer: Float32, strokes: list[Floats], thickness: float) -> None:
    """Draw strokes with a round pen into ``layer (rows, columns)``, coverages between 0 and 1.

    Points are x and y in pixels; the middle of the first pixel is at 0.5. What lies outside is left away.
    """
    if not strokes:
        return
    points = np.concatenate([_dense(stroke) for stroke in strokes])
    rows, columns = layer.shape
    reach = int(np.ceil(thickness / 2 + 0.5))
    base = np.floor(points).astype(np.int64)
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            x, y = base[:, 0] + dx, base[:, 1] + dy
            away = np.hypot(x + 0.5 - points[:, 0], y + 0.5 - points[:, 1])
            cover = np.clip(thickness / 2 + 0.5 - away, 0, min(1.0, thickness))
            use = (cover > 0) & (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
            np.maximum.at(layer, (y[use], x[use]), cover[use].astype(np.float32))


def _dense(stroke: Floats) -> Floats:
    """Return points along a chain, at most 0.4 apart."""
    steps = np.hypot(*np.diff(stroke, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    at = np.linspace(0, along[-1], int(along[-1] / 0.4) + 2)
    return np.stack([np.interp(at, along, stroke[:, 0]), np.interp(at, along, stroke[:, 1])], 1)
