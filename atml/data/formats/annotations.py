"""From the annotations of a record to stretches of one rhythm; pure numpy.

A record's rhythm is told in two ways. A ``+`` names the rhythm that begins with it. ``[`` and ``]`` stand
around ventricular fibrillation or flutter; some sets have only these, and code every beat N. Codes:
https://archive.physionet.org/physiobank/annotations.shtml.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from atml.arrays import Int64
from atml.data.stretch import Stretch

FIBRILLATION = ("VF", "VFIB", "VFL")
"""Names that a ``+`` may give to what brackets hold."""

BEATS = frozenset("NLRBAaJSVrFejnE/fQ?")
"""Symbols of beats."""

END = ")"
"""The note of a ``+`` at which a rhythm ends and none begins, as Icentia11k has it."""

PAUSE = 3.0
"""Longest time in s between two beats over which a rhythm told by beats alone goes on."""

NOISE, UNREADABLE, UNNAMED = "noise", "unreadable", "no rhythm annotated"
"""Why a stretch is left out."""


@dataclass(frozen=True)
class Marks:
    """Annotations of a record, all of one length, in order of ``sample``.

    ``symbol`` is the code, ``subtype`` its number, ``note`` the text with it, "" where none.
    """

    sample: Int64
    symbol: Sequence[str]
    subtype: Int64
    note: Sequence[str]


@dataclass
class _State:
    """What holds at one time: the last rhythm named, noise on top of it, brackets open, quality."""

    named: str = ""
    noise: bool = False
    brackets: str = ""
    quality: int = 0


def stretches(marks: Marks, length: int, rate: float, leads: Sequence[int] = (0,)) -> list[Stretch]:
    """Divide a record of ``length`` samples at ``rate`` Hz into stretches without gap or overlap.

    - A ``+`` names the rhythm from there on. Until the first there is none.
    - ``+ (NOISE`` leaves out all up to the next ``+``; the rhythm before it goes on underneath.
    - What ``[`` and ``]`` enclose is named by a ``+`` in force or inside, if that is one of `FIBRILLATION`,
      else "VF". A ``+`` that names another rhythm ends it as well. After ``]`` fibrillation is over,
      whatever was named inside.
    - Where no rhythm is named and every beat of the record is coded N, it is "N" from beat to beat, over
      pauses of up to `PAUSE`; not in a record that tells by ``+ )`` where a rhythm ends.
    - ``~`` tells the quality from there on: subtype 0 clean, -1 unreadable; else bit i says that lead i is
      noisy, bit i + 4 that it is unreadable. ``leads`` are the numbers of those that count.
    """
    ends = any(
        symbol == "+" and _bare(note) == END for symbol, note in zip(marks.symbol, marks.note, strict=True)
    )
    beats = np.empty((0, 2), np.int64) if ends else _by_beats(marks, length, rate)
    changes = _changes(marks)
    edges = np.unique(np.clip([0, length, *(at for at, _ in changes), *beats.ravel().tolist()], 0, length))
    times = [at for at, _ in changes]
    found: list[Stretch] = []
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        last = int(np.searchsorted(times, start, "right")) - 1
        state = changes[last][1] if last >= 0 else _State()
        in_beats = bool(((beats[:, 0] <= start) & (end <= beats[:, 1])).any())
        rhythm = state.brackets or state.named or ("N" if in_beats else "")
        reason = _reason(state, rhythm, leads)
        if found and (found[-1].rhythm, found[-1].reason) == (rhythm, reason):
            start = found.pop().start  # a rhythm named again goes on
        found.append(Stretch(start, end, rhythm, reason))
    return found


def told_by_beats(marks: Marks) -> bool:
    """Tell whether a record names no rhythm, and only beats that are all coded N tell one."""
    named = any(
        symbol == "+" and rhythm_of(note) not in ("", "NOISE")
        for symbol, note in zip(marks.symbol, marks.note, strict=True)
    )
    return not named and {symbol for symbol in marks.symbol if symbol in BEATS} == {"N"}


def _changes(marks: Marks) -> list[tuple[int, _State]]:
    """Return what holds from each sample on at which something changes, sorted."""
    now = _State()
    found: list[tuple[int, _State]] = []
    for at, (sample, symbol) in enumerate(zip(marks.sample.tolist(), marks.symbol, strict=True)):
        if symbol == "+":
            name = rhythm_of(marks.note[at])
            if name == "NOISE":
                now = _State(now.named, True, now.brackets, now.quality)
            else:
                inside = now.brackets if name in FIBRILLATION else ""
                now = _State(name, False, inside and name, now.quality)
        elif symbol == "[":
            name = now.named if now.named in FIBRILLATION else _name_inside(marks, at)
            now = _State(now.named, now.noise, name, now.quality)
        elif symbol == "]":
            named = "" if now.named in FIBRILLATION else now.named
            now = _State(named, now.noise, "", now.quality)
        elif symbol == "~":
            now = _State(now.named, now.noise, now.brackets, int(marks.subtype[at]))
        else:
            continue
        found.append((sample, now))
    return found


def rhythm_of(note: str) -> str:
    """Return the rhythm that the note of a ``+`` names, without "(", NUL and blanks; "" where one ends."""
    name = _bare(note).removeprefix("(").strip()
    return "" if name == END else name


def _bare(note: str) -> str:
    return note.strip("\0 \t\r\n")


def _name_inside(marks: Marks, at: int) -> str:
    """Name what the brackets hold that open at mark number ``at``."""
    for symbol, note in zip(marks.symbol[at + 1 :], marks.note[at + 1 :], strict=True):
        if symbol in ("[", "]"):
            break
        if symbol == "+" and (name := rhythm_of(note)) != "NOISE":
            return name if name in FIBRILLATION else "VF"
    return "VF"


def _by_beats(marks: Marks, length: int, rate: float) -> Int64:
    """Return ``(n, 2)`` first and last sample of each run of beats, none unless every beat is coded N."""
    is_beat = np.array([symbol in BEATS for symbol in marks.symbol], np.bool_)
    if not is_beat.any() or {symbol for symbol in marks.symbol if symbol in BEATS} != {"N"}:
        return np.empty((0, 2), np.int64)
    sample = np.clip(marks.sample[is_beat], 0, length)
    breaks = np.flatnonzero(np.diff(sample) > PAUSE * rate)
    first, last = np.r_[0, breaks + 1], np.r_[breaks, len(sample) - 1]
    return np.stack([sample[first], sample[last]], axis=1)


def _reason(state: _State, rhythm: str, leads: Sequence[int]) -> str:
    """Say why a stretch can't be used, "" where it can."""
    unreadable = state.quality == -1 or any(state.quality & (16 << lead) for lead in leads)
    if unreadable:
        return UNREADABLE
    if state.noise or any(state.quality & (1 << lead) for lead in leads):
        return NOISE
    return "" if rhythm else UNNAMED
