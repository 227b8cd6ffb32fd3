"""Runs, couplets, bigeminy and trigeminy in a sequence of beats: pure functions.

A sequence is told by three arrays ``(n,)`` of booleans. ``ectopic``: the beats asked about (ventricular, or
supraventricular). ``linked``: the time from the beat before to this one was analysed, so that no beat can be
missing between them; that of the first beat is of no account. ``plain``: beats of a known class that are not
ectopic; those of no known class are neither, and end every pattern.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from atml.arrays import Bools

RUN = 3
"""Least number of ectopic beats in succession that are a run; two are a couplet.

Those are the lengths of the run-by-run comparison of ANSI/AAMI EC57, whose short runs have 3 to 5 beats and
whose long ones more.
"""

CYCLES = 3
"""Least number of ectopic beats of an episode of bigeminy or trigeminy.

No standard fixes it. With three, the pattern has come back twice.
"""


class Span(NamedTuple):
    """A stretch of beats: the numbers of the first and of the last of them, and how many are ectopic."""

    first: int
    last: int
    ectopics: int


def successions(ectopic: Bools, linked: Bools) -> list[Span]:
    """Return every longest succession of ectopic beats, single ones too.

    Example:
        >>> beats = np.array(list("NVVNVNN"))
        >>> successions(beats == "V", np.ones(7, bool))
        [Span(first=1, last=2, ectopics=2), Span(first=4, last=4, ectopics=1)]
    """
    goes_on = ectopic.copy()
    goes_on[1:] &= ectopic[:-1] & linked[1:]
    goes_on[:1] = False
    first = np.flatnonzero(ectopic & ~goes_on)
    ends = np.append(~goes_on[1:], True) & ectopic
    last = np.flatnonzero(ends)
    return [Span(a, b, b - a + 1) for a, b in zip(first.tolist(), last.tolist(), strict=True)]


def runs(ectopic: Bools, linked: Bools, least: int = RUN) -> list[Span]:
    """Return the runs: ``least`` or more ectopic beats in succession.

    Example:
        >>> beats = np.array(list("NVVVVN"))
        >>> runs(beats == "V", np.ones(6, bool))
        [Span(first=1, last=4, ectopics=4)]
    """
    return [span for span in successions(ectopic, linked) if span.ectopics >= least]


def couplets(ectopic: Bools, linked: Bools) -> list[Span]:
    """Return the couplets: two ectopic beats in succession, and not three.

    Example:
        >>> beats = np.array(list("NVVNVVVN"))
        >>> couplets(beats == "V", np.ones(8, bool))
        [Span(first=1, last=2, ectopics=2)]
    """
    return [span for span in successions(ectopic, linked) if span.ectopics == 2]


def bigeminy(ectopic: Bools, plain: Bools, linked: Bools, least: int = CYCLES) -> list[Span]:
    """Return the episodes in which every second beat is ectopic, as PhysioNet's ``(B`` has it.

    An episode begins and ends with an ectopic beat, and has ``least`` or more of them.

    Source: https://archive.physionet.org/physiobank/annotations.shtml; its least length is ours.

    Example:
        >>> beats = np.array(list("NNVNVNVNN"))
        >>> bigeminy(beats == "V", beats == "N", np.ones(9, bool))
        [Span(first=2, last=6, ectopics=3)]
    """
    return _regular(ectopic, plain, linked, 1, least)


def trigeminy(ectopic: Bools, plain: Bools, linked: Bools, least: int = CYCLES) -> list[Span]:
    """Return the episodes in which every third beat is ectopic, as PhysioNet's ``(T`` has it.

    An episode begins and ends with an ectopic beat, and has ``least`` or more of them. Two ectopic beats and
    one plain one in turn are couplets instead.

    Source: https://archive.physionet.org/physiobank/annotations.shtml; its least length is ours.

    Example:
        >>> beats = np.array(list("NVNNVNNVNN"))
        >>> trigeminy(beats == "V", beats == "N", np.ones(10, bool))
        [Span(first=1, last=7, ectopics=3)]
    """
    return _regular(ectopic, plain, linked, 2, least)


def singles(ectopic: Bools, linked: Bools) -> list[int]:
    """Return the ectopic beats that neither follow one nor are followed by one.

    Example:
        >>> beats = np.array(list("VNVVNV"))
        >>> singles(beats == "V", np.ones(6, bool))
        [0, 5]
    """
    return [span.first for span in successions(ectopic, linked) if span.ectopics == 1]


def _regular(ectopic: Bools, plain: Bools, linked: Bools, between: int, least: int) -> list[Span]:
    """Return the episodes of single ectopic beats with so many plain ones between any two."""
    return [
        Span(chain[0], chain[-1], len(chain))
        for chain in _chains(singles(ectopic, linked), plain, linked, between)
        if len(chain) >= least
    ]


def _chains(found: list[int], plain: Bools, linked: Bools, between: int) -> Iterator[list[int]]:
    """Yield the ectopic beats in groups, within which there are so many plain beats from each to the next."""
    chain: list[int] = []
    for beat in found:
        if chain:
            last = chain[-1]
            fits = beat - last == between + 1
            if not (fits and plain[last + 1 : beat].all() and linked[last + 1 : beat + 1].all()):
                yield chain
                chain = []
        chain.append(beat)
    if chain:
        yield chain
