"""The numbers by which a stream leaves windows undecided, as `atml.data.soundness` does it for recordings."""

from __future__ import annotations

import math

from atml.data import soundness

LARGEST = 1e10
"""Samples beyond this, either way, are missing; that of `atml.library.recordings`."""


def constants(window: int, sampling_rate: int) -> str:
    """Return what ``runtime/stream.c`` needs defined, for windows of so many samples at a rate in Hz.

    Example:
        >>> print(constants(1250, 250).splitlines()[1])
        #define STILL_RUN 50 /* samples of one value that count: 0.2 s */
    """
    return "".join(
        f"#define {name} {value} /* {why} */\n"
        for name, value, why in (
            ("LARGEST", f"{LARGEST:.1e}f".replace("+", ""), "no converter gives more"),
            ("STILL_RUN", _run(soundness.STILL, sampling_rate), _told(soundness.STILL)),
            ("STILL_MOST", _most(soundness.FLAT, window), _least(soundness.FLAT)),
            ("RAIL_RUN", _run(soundness.RAIL, sampling_rate), _told(soundness.RAIL)),
            ("RAIL_MOST", _most(soundness.SATURATED, window), _least(soundness.SATURATED)),
        )
    )


def _run(seconds: float, rate: int) -> int:
    """Return the shortest run of one value that counts, in samples."""
    return max(1, math.ceil(seconds * rate))


def _most(share: float, window: int) -> int:
    """Return the largest number of samples that is no more than a share of a window."""
    return max(count for count in range(window + 1) if count / window <= share)


def _told(seconds: float) -> str:
    return f"samples of one value that count: {seconds:g} s"


def _least(share: float) -> str:
    return f"of them in a window that can be decided: {share:.0%}"
