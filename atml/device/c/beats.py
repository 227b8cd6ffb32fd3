"""The numbers of the QRS detector in C, for windows round beats, as `atml.ecg.qrs` has them in Python."""

from __future__ import annotations

import math

from atml.data import soundness
from atml.ecg import qrs, qrs_decision
from atml.ecg.qrs import Widths
from atml.ecg.qrs_decision import Times
from atml.errors import ExportError

FRAGMENTS = ("qrs.c", "beats.c")

EVER = 1 << 24
"""Samples since the last beat, at most: beyond any that is compared, and room for products."""


def check(after: int, sampling_rate: int) -> None:
    """Raise ExportError for windows that end before their beat is found, and for a rate without a detector.

    Args:
        after: Samples of a window that come after its beat.
        sampling_rate: In Hz.
    """
    try:
        least = Widths.of(sampling_rate).latency
    except ValueError as error:
        raise ExportError(f"the C finds beats itself, and {error}") from None
    if after < least:
        raise ExportError(
            f"windows end {after / sampling_rate:g} s after their beat, and a beat of a stream is found up to"
            f" {least / sampling_rate:g} s after it: give after_beat = {qrs.LATENCY_S} or more"
        )


def constants(after: int, sampling_rate: int) -> str:
    """Return what ``runtime/qrs.c`` and ``runtime/beats.c`` need defined.

    Args:
        after: Samples of a window that come after its beat.
        sampling_rate: In Hz.

    Example:
        >>> print(constants(150, 125).splitlines()[0])
        #define QRS_SMOOTH 3
    """
    w, times = Widths.of(sampling_rate), Times.of(sampling_rate)
    behind = qrs.PARTS // 2 * w.smooth
    nearest = times.refractory - 2 * w.reach  # positions of two beats
    found = {
        "QRS_SMOOTH": w.smooth,
        "QRS_SLOPE": w.slope,
        "QRS_ENERGY": w.energy,
        "QRS_APART": w.apart,
        "QRS_REACH": w.reach,
        "QRS_LOOK": w.look,
        "QRS_SHIFT": w.shift,
        "QRS_DELAY": w.delay,
        "QRS_MEAN": w.mean,
        "QRS_PARTS": qrs.PARTS,
        "QRS_BEHIND": behind,
        "QRS_EARLY": w.early + w.apart,
        "QRS_MORE": w.latency,
        "QRS_UNITS": f"{qrs.UNITS}.0f",
        "QRS_CLIP": qrs.CLIP,
        "QRS_STEEPEST": qrs.STEEPEST,
        "QRS_LEAST": qrs.LEAST,
        "QRS_REFRACTORY": times.refractory,
        "QRS_P_WAVE": times.p_wave,
        "QRS_P_START": times.p_start,
        "QRS_T_WAVE": times.t_wave,
        "QRS_T_END": times.t_end,
        "QRS_USUAL": times.usual,
        "QRS_PAUSE": times.pause,
        "QRS_EVER": EVER,
        "QRS_START": qrs_decision.START,
        "QRS_MEDIAN_OF": qrs_decision.MEDIAN_OF,
        "QRS_WAITING": w.look // w.apart + 2,
        **{f"QRS_{name}S": length for name, length in _rings(w, behind).items()},
        "STILL_SHARE": f"{1000 * soundness.FLAT:.0f}",
        "RAIL_SHARE": f"{1000 * soundness.SATURATED:.0f}",
        "BEATS": math.ceil(after / nearest) + 2,
    }
    return "".join(f"#define {name} {value}\n" for name, value in found.items())


def ram(after: int, sampling_rate: int) -> int:
    """Return the bytes of RAM that the detector takes beside the ring of the last window, in rings and lists.

    Example:
        >>> ram(150, 125) < 1024 < ram(1200, 1000)
        True
    """
    w = Widths.of(sampling_rate)
    return 4 * sum(_rings(w, qrs.PARTS // 2 * w.smooth).values()) + 4 * 4 * (w.look // w.apart + 3) + 4 * 32


def _rings(w: Widths, behind: int) -> dict[str, int]:
    """Return the lengths of rings by what they hold, powers of two."""
    needed = {
        "SIGNAL": w.mean,
        "SMOOTHED": behind,
        "AWAY": max(w.slope, w.apart + w.delay + w.reach - w.mean // 2 + 1),
        "SLOPE": w.apart + w.energy,
        "ENERGIE": w.apart,
    }
    return {name: 1 << (length - 1).bit_length() for name, length in needed.items()}
