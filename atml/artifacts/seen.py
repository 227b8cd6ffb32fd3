"""What a model saw in training, as its file keeps it: whom, without their names, and how large signals were.

The file goes into devices and to people who must not learn who was in a study, so it holds a short hash of
each subject and no name. Whether somebody given was among them can be asked; who they were can't be read.
A hash hides no name that is easily guessed ("1", "2"): such names tell nobody apart from others either.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from atml.arrays import Float32, Floats, evenly
from atml.data.subjects import person

DIGITS = 6
"""Letters of a subject's hash, 36 bits: of a million pairs of strangers one in 70,000 sets has two alike."""

WINDOWS = 2000
"""Most windows that are measured; they are taken evenly from all."""

FAR = 5.0
"""How many times the largest, or what fraction of the smallest, is no longer the same unit."""


def hashed(names: Iterable[str], salt: str) -> str:
    """Write subjects as hashes, sorted and joined; ``salt`` is the fingerprint of their data.

    Example:
        >>> hashed(["418", "419"], "f00d")
        'ZddYDzxkU1bs'
    """
    return "".join(sorted(_hash(name, salt) for name in set(names)))


def recognised(names: Iterable[str], stored: str, salt: str) -> tuple[str, ...]:
    """Return those of ``names`` that `hashed` stored.

    Example:
        >>> recognised(["418", "500"], hashed(["418", "419"], "f00d"), "f00d")
        ('418',)
    """
    known = {stored[at : at + DIGITS] for at in range(0, len(stored), DIGITS)}
    return tuple(sorted(name for name in set(names) if _hash(name, salt) in known))


def _hash(name: str, salt: str) -> str:
    digest = hashlib.sha256(f"{salt}\0{person(name)}".encode(errors="surrogatepass")).digest()
    return base64.urlsafe_b64encode(digest).decode()[:DIGITS]


class Amplitude(NamedTuple):
    """How large signals are: of each window the range of its middle 96% of samples, and of those quantiles.

    In the unit of the data. Windows without any range count as none.
    """

    low: float
    """What 1% of the windows stay below."""
    median: float
    high: float
    """What 1% of the windows exceed."""


def ranges(x: Float32) -> Floats:
    """Measure windows ``(n, leads, samples)``, each by its largest lead; flat or missing ones are left out.

    At most `WINDOWS` are measured, taken evenly.
    """
    rows = evenly(len(x), WINDOWS)
    some = np.asarray(x[rows], np.float64)
    low, high = np.quantile(some[np.isfinite(some).all(axis=(1, 2))], (0.02, 0.98), axis=2)
    found = (high - low).max(axis=1)
    return np.asarray(found[found > 0], np.float64)


def amplitude(x: Float32) -> Amplitude | None:
    """Measure the windows ``(n, leads, samples)`` of a training; None where all are flat."""
    found = ranges(x)
    if not len(found):
        return None
    return Amplitude(*(float(f"{value:.3g}") for value in np.quantile(found, (0.01, 0.5, 0.99))))


def other_unit(seen: Amplitude | None, found: Floats, *, scaled: bool) -> str:
    """Say that signals are far larger or smaller than those seen in training; "" where they aren't.

    ``found`` are their `ranges`. ``scaled`` says that the network scales each window by itself.

    Example:
        >>> wave = np.sin(np.linspace(0, 60, 500, dtype=np.float32)).reshape(1, 1, 500)
        >>> seen = amplitude(wave)
        >>> print(other_unit(seen, ranges(1000 * wave), scaled=False))
        signals range over 2,000 (median of the windows), those of the training over 2 to 2: another unit?
        >>> other_unit(seen, ranges(2 * wave), scaled=False)
        ''
    """
    if seen is None or not len(found):
        return ""
    middle = float(np.median(found))
    if seen.low / FAR <= middle <= seen.high * FAR:
        return ""
    harmless = " (the network scales each window by itself: its decisions stay the same)" if scaled else ""
    size = f"{float(f'{middle:.3g}'):,g}"
    return (
        f"signals range over {size} (median of the windows), those of the training over {seen.low:g} to"
        f" {seen.high:g}: another unit?{harmless}"
    )


def parsed(values: Sequence[float]) -> Amplitude | None:
    """Rebuild an `Amplitude` from what a file keeps; None for nothing."""
    return Amplitude(*map(float, values)) if values else None
