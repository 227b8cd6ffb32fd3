"""Which windows hold a lead that is off or an amplifier at its rail: there is no heart to see in them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

RAIL = 0.05
"""Shortest time in s at the lowest or highest value of a recording that makes it a saturated amplifier."""

SATURATED = 0.05
"""Largest share of a window that may be so."""

STILL = 0.2
"""Shortest time in s without any change of value that is taken for a lead that is off."""

FLAT = 0.5
"""Largest share of a window that may be so. Standstill of the heart has noise on it and stays."""

Mask = npt.NDArray[np.bool_]


def held(x: npt.NDArray[np.floating], least: float) -> Mask:
    """Tell which samples of ``x (..., samples)`` lie in runs of one value, at least ``least`` samples long.

    Example:
        >>> held(np.array([[1.0, 1, 1, 2], [2, 2, 3, 3]]), 3).astype(int).tolist()
        [[1, 1, 1, 0], [0, 0, 0, 0]]
    """
    rows, samples = int(np.prod(x.shape[:-1])), x.shape[-1]
    if least <= 1 or not x.size:
        return np.ones(x.shape, np.bool_)
    # Whether a sample is the one before it; a row begins and ends with False, so that no run spans two.
    same = np.zeros((rows, samples + 1), np.bool_)
    flat = x.reshape(rows, samples)
    np.equal(flat[:, 1:], flat[:, :-1], out=same[:, 1:samples])
    edges = np.flatnonzero(same.reshape(-1)[1:] != same.reshape(-1)[:-1]) + 1
    starts, ends = edges[::2] - 1, edges[1::2]
    long = ends - starts >= least
    step = np.zeros(rows * (samples + 1), np.int8)
    step[starts[long]] += 1
    step[ends[long]] -= 1
    found: Mask = np.cumsum(step.reshape(rows, -1), axis=1, dtype=np.int8)[:, :samples] > 0
    return found.reshape(x.shape)


def still(x: npt.NDArray[np.floating], rate: float) -> Mask:
    """Tell where each lead keeps one value for `STILL` s or longer, ``(..., samples)``."""
    return held(x, STILL * rate)


def railed(
    x: npt.NDArray[np.floating],
    rate: float,
    low: npt.NDArray[np.floating],
    high: npt.NDArray[np.floating],
) -> Mask:
    """Tell where leads keep to ``low`` or ``high`` for `RAIL` s or longer, ``(..., samples)``."""
    there: Mask = held(x, RAIL * rate) & ((x == low) | (x == high))
    return there


def doubtful(x: npt.NDArray[np.floating], rate: float, *, round_beats: bool = False) -> tuple[Mask, Mask]:
    """Tell which windows ``x (n, leads, samples)`` at ``rate`` Hz have a flat or a saturated lead.

    Args:
        x: The windows.
        rate: Their rate in Hz.
        round_beats: They lie round beats, and so hold the first or the last sample of a recording over and
            over where they reach beyond it: what all leads hold at the ends of a window is not counted.

    Returns:
        ``flat (n,)``: more than `FLAT` of a lead lies in runs of `STILL` s and longer. ``saturated (n,)``:
        more than `SATURATED` of one lies at the window's lowest or highest value for `RAIL` s and longer.
        No window is both.

    Example:
        >>> wave = np.sin(np.arange(1000) / 20.0)
        >>> flat, saturated = doubtful(np.stack([wave, 0 * wave, wave.clip(-0.5, 0.5)])[:, None], 250)
        >>> flat.tolist(), saturated.tolist()
        ([False, True, False], [False, False, True])
        >>> early = np.concatenate([np.full(600, wave[0]), wave[:400]])[None, None]
        >>> [doubtful(early, 250, round_beats=one)[0].tolist() for one in (False, True)]
        [[True], [False]]
    """
    flat, saturated = np.zeros(len(x), np.bool_), np.zeros(len(x), np.bool_)
    for at in range(0, len(x) if x.size else 0, 1024):
        part = x[at : at + 1024]
        low, high = part.min(axis=-1, keepdims=True), part.max(axis=-1, keepdims=True)
        counted = ~_held_at_the_ends(part) if round_beats else True
        off, rail = still(part, rate) & counted, railed(part, rate, low, high) & counted
        flat[at : at + 1024] = (off.mean(axis=-1) > FLAT).any(axis=1)
        saturated[at : at + 1024] = (rail.mean(axis=-1) > SATURATED).any(axis=1)
    return flat, saturated & ~flat


def _held_at_the_ends(x: npt.NDArray[np.floating]) -> Mask:
    """Tell what comes before the first change in a window or after the last one, ``(n, 1, samples)``."""
    found = np.zeros((len(x), 1, x.shape[-1]), np.bool_)
    for end, way in ((x[..., :1], 1), (x[..., -1:], -1)):
        same = (x == end).all(axis=1, keepdims=True)[..., ::way]
        found |= np.logical_and.accumulate(same, axis=-1)[..., ::way]
    return found & ~found.all(axis=-1, keepdims=True)  # a window that never changes is flat


def doubts(flat: int, saturated: int, windows: int, so: str) -> str:
    """Say how many windows are flat or saturated and what follows from it, "" where none is.

    Example:
        >>> print(doubts(2, 1, 10, "they are left undecided"))
        of 10 windows 2 are flat (a lead is off?), 1 saturated (at the rail): they are left undecided
        >>> doubts(0, 0, 10, "they are left undecided")
        ''
    """
    counts = ((flat, "flat (a lead is off?)"), (saturated, "saturated (at the rail)"))
    there = [f"{count}{{}} {what}" for count, what in counts if count]
    if not there:
        return ""
    verb = " is" if (flat or saturated) == 1 else " are"
    return f"of {windows} windows {', '.join(there).replace('{}', verb, 1).replace('{}', '')}: {so}"
