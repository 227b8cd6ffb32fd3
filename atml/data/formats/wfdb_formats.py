"""What the formats of WFDB signal files store: https://physionet.org/physiotools/wag/signal-5.htm."""

from __future__ import annotations

BYTES = {
    "8": 1,
    "16": 2,
    "24": 3,
    "32": 4,
    "61": 2,
    "80": 1,
    "160": 2,
    "212": 1.5,
    "310": 4 / 3,
    "311": 4 / 3,
}
"""Bytes of one sample in each format without compression."""

MISSING = {
    **{"16": -(1 << 15), "24": -(1 << 23), "32": -(1 << 31), "61": -(1 << 15), "80": -(1 << 7)},
    **{"160": -(1 << 15), "212": -(1 << 11), "310": -(1 << 9), "311": -(1 << 9)},
    **{"508": -(1 << 7), "516": -(1 << 15), "524": -(1 << 23)},
}
"""The value that says that a sample is missing, in each format."""
