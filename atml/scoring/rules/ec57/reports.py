"""Earlier reports in the text format of EC57's comparators, read; pure.

A table of beats, with a class S of its own or without, a line for each record; or the same with sums, Gross
and Average below it; or Gross and Average alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from atml.errors import InputError
from atml.scoring.rules.ec57.figures import FIGURES, RR, Aggregate, N, O, S, V, of_counts
from atml.scoring.rules.ec57.text import BEATS, COLUMNS, SHUTDOWN

Values = Mapping[str, float | None]

WITHOUT_S = "Record Nn' Vn' Fn' On'  Nv   Vv  Fv' Ov' No' Vo' Fo'  Q Se   Q +P   V Se   V +P  V FPR"
"""Head of a table of beats in which supraventricular beats are normal ones."""

SHUTDOWN_WITHOUT_S = "Record Nx   Vx   Fx   Qx  % beats  % N    % V    % F   Total Shutdown"
"""Head of a table of shutdowns, likewise."""

FALSE_RATE = "V FPR"
"""False ventricular beats of all beats that are no ventricular ones: in reports without S alone."""

PLACES = {"N": N, "S": S, "V": V, "F": 3, "O": O, "n": N, "s": S, "v": V, "o": O}
"""Rows and columns that stand for all those that a line counts together."""


@dataclass(frozen=True)
class Report:
    """What an earlier report says.

    ``counts`` names its columns of counts, ``figures`` those of figures, in percent and ms. ``records`` has
    the values of each record by column, ``aggregate`` Gross and Average, computed from the lines where
    the report does not state them. None is a figure that is not defined.
    """

    counts: tuple[str, ...]
    figures: tuple[str, ...]
    records: Mapping[str, Values]
    aggregate: Aggregate

    @property
    def with_s(self) -> bool:
        """Whether supraventricular beats are a class of their own."""
        return FALSE_RATE not in self.figures


def parse(told: str) -> Report:
    """Read a report.

    Raises:
        InputError: It is none, is one of shutdowns, or a line of it can't be read; the message begins with a
            verb, for the name of a file before it.

    Example:
        >>> parse("Gross 99.16 99.26 79.70 93.70 88.19 75.99").aggregate.gross["V Se"]
        79.7
    """
    numbered = [(number, line.split()) for number, line in enumerate(told.splitlines(), 1) if line.strip()]
    head = numbered[0][1] if numbered else []
    if head in (SHUTDOWN[0].split(), SHUTDOWN_WITHOUT_S.split()):
        raise InputError("is a table of shutdowns; give the one of beats (lines_beats.txt)")
    with_s = head != WITHOUT_S.split()
    counts = COLUMNS if with_s else tuple(WITHOUT_S.split()[1:12])
    figures = (*FIGURES, RR) if with_s else (*FIGURES[:4], FALSE_RATE)
    records: dict[str, Values] = {}
    stated: dict[str, Values] = {}
    below = with_s and head != BEATS.split()
    for number, words in numbered:
        if words[0] in ("Gross", "Average") and len(words) <= len(figures) + 1:
            stated[words[0]] = _figures(words, figures, number)
            below = True
        elif set("".join(words)) == {"_"}:
            below = True
        elif not below and words != head:
            name, values = _record(words, counts, figures, number)
            if name in records:
                raise InputError(f"has record {name!r} twice, again in line {number}")
            records[name] = values
    if not records and not stated:
        first = f"its first line is {' '.join(head)[:60]!r}" if head else "it is empty"
        raise InputError(
            f"is no report of beats by EC57: {first}; give lines_beats.txt or sumstats_beats.txt"
        )
    none = Aggregate(dict.fromkeys(figures), dict.fromkeys(figures))
    known = computed(list(records.values()), counts, figures) if records else none
    gross = {**known.gross, **stated.get("Gross", {})}
    return Report(counts, figures, records, Aggregate(gross, {**known.average, **stated.get("Average", {})}))


def _number(word: str, number: int) -> float | None:
    if word == "-":
        return None
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"has {word!r} for a number in line {number}")
    return value


def _figures(words: Sequence[str], figures: Sequence[str], number: int) -> Values:
    """Read a line of Gross or Average; RR errors have an average alone, and a report may leave it out."""
    values = [_number(word, number) for word in words[1:]]
    if len(values) not in {len(figures), len([name for name in figures if name != RR])}:
        raise InputError(f"has {len(values)} figures in line {number}, {words[0]}, and not {len(figures)}")
    return dict(zip(figures, values, strict=False))


def _record(
    words: Sequence[str], counts: Sequence[str], figures: Sequence[str], number: int
) -> tuple[str, Values]:
    wanted = len(counts) + len(figures)
    if len(words) <= wanted:
        raise InputError(f"has {len(words)} words in line {number}, where a record has {wanted + 1}")
    told = [_number(word, number) for word in words[-wanted:]]
    for word, value in zip(words[-wanted:], told[: len(counts)], strict=False):
        if value is None or value < 0 or value != int(value):
            raise InputError(f"has {word!r} for a number of beats in line {number}")
    return " ".join(words[:-wanted]), dict(zip((*counts, *figures), told, strict=True))


def computed(records: Sequence[Values], counts: Sequence[str], figures: Sequence[str]) -> Aggregate:
    """Return Gross and Average of lines, as the report's own programs take them from the counts in it."""
    matrices = np.zeros((len(records), 7, 7), np.int64)
    for name in counts:
        # A class that a line counts together with another has the place of one of them.
        matrices[:, PLACES[name[0]], PLACES[name[1]]] = [int(line[name] or 0) for line in records]
    errors = [error for line in records if (error := line.get(RR)) is not None]
    found = of_counts(matrices, errors)
    gross, average = dict(found.gross), dict(found.average)
    if FALSE_RATE in figures:
        false = matrices[:, [N, O], V].sum(axis=1)
        of = false + matrices[:, [N, 3, O], N].sum(axis=1)
        gross[FALSE_RATE] = 100.0 * false.sum() / of.sum() if of.sum() else None
        shares = [100.0 * a / b for a, b in zip(false.tolist(), of.tolist(), strict=True) if b]
        average[FALSE_RATE] = sum(shares) / len(shares) if shares else None
    return Aggregate({n: gross[n] for n in figures if n in gross}, {n: average[n] for n in figures})
