"""Formats that a network's weights are written in for a device."""

from __future__ import annotations

from atml.device.program import F32
from atml.errors import InputError
from atml.metrics.predictions import QUANTISED

FORMATS = (F32, *QUANTISED)
"""As trained, weights in 8 bits, and activations too."""


def format_named(name: str) -> str:
    """Return the name of a format; raises InputError, which lists them, for one that is not there.

    Example:
        >>> format_named("w8")
        'w8'
    """
    if name not in FORMATS:
        raise InputError(f"--format {name!r} is unknown: one of {', '.join(FORMATS)}")
    return name
