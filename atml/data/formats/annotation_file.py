"""WFDB annotation files in the MIT format, read from their bytes.

The package wfdb reads them too, but never comes back from some damaged ones.
Format: https://physionet.org/physiotools/wag/annot-5.htm.
"""

from __future__ import annotations

import re

import numpy as np

from atml.data.formats.annotations import Marks

CODES = {
    **dict(enumerate("NLRaVFJASEj/Q~", 1)),
    16: "|",
    **dict(enumerate('sT*D"=pB^t+u?![]en@xf()r', 18)),
}
"""Symbols by code."""

SKIP, NUMBER, SUBTYPE, CHANNEL, NOTE = 59, 60, 61, 62, 63
"""Codes of what goes with an annotation."""

RATE = re.compile(r"## time resolution: *([\d.]+)")


class Damaged(Exception):
    """The bytes are no whole annotation file; the message says how."""


def parse(data: bytes) -> tuple[Marks, float | None]:
    """Return the annotations, and the rate in Hz that their times count in, None where the file has none.

    Raises:
        Damaged: The bytes end before the mark of the end, go on after it, or run backwards in time.
    """
    words = np.frombuffer(data[: len(data) // 2 * 2], "<u2").tolist()
    sample: list[int] = []
    symbol: list[str] = []
    subtype: list[int] = []
    note: list[str] = []
    time, at = 0, 0
    rate: float | None = None
    while at < len(words) and words[at]:
        code, value = words[at] >> 10, words[at] & 0x3FF
        at += 1
        if code == SKIP:
            if at + 2 > len(words):
                at = len(words)
                break
            step = words[at] << 16 | words[at + 1]
            time += step - (1 << 32) if step >= 1 << 31 else step
            at += 2
        elif code == NOTE:
            text = data[2 * at : 2 * at + value].decode("latin-1")
            at += (value + 1) // 2
            if note:
                note[-1] = text
            if (found := RATE.match(text)) and sample == [0]:
                rate = _number(found[1])
        elif code == SUBTYPE:
            if subtype:
                subtype[-1] = (value & 0xFF) - (256 if value & 0x80 else 0)
        elif code not in (NUMBER, CHANNEL):
            time += value
            if time < 0 or (sample and time < sample[-1]):
                raise Damaged("its times run backwards: it is damaged")
            sample.append(time)
            symbol.append(CODES.get(code, ""))
            subtype.append(0)
            note.append("")
    if at >= len(words):
        raise Damaged(f"{len(data)} bytes without the mark of the end: is it complete?")
    if any(words[at:]):
        raise Damaged(f"goes on after the mark of the end, at byte {2 * at} of {len(data)}: it is damaged")
    return Marks(np.array(sample, np.int64), symbol, np.array(subtype, np.int64), note), rate


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise Damaged(f"says a time resolution of {text!r}: it is damaged") from None
