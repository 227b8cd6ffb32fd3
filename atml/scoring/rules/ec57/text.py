"""Reports in the text format of EC57's comparators, which other programs read; pure.

A record has a line in each of two tables, of beats and of shutdown; below them stand sums, Gross and Average.
A record's standard report has its matrix, without a class S of its own, or with one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from atml.arrays import Int64
from atml.scoring.rules.ec57.annotator import NO_BEAT
from atml.scoring.rules.ec57.comparison import Comparison
from atml.scoring.rules.ec57.figures import (
    FIGURES,
    RR,
    F,
    N,
    O,
    Q,
    S,
    V,
    X,
    aggregate,
    of_record,
    parts,
    percent,
    together,
)

BEATS = (
    "Record Nn' Sn' Vn' Fn' On'  Ns  Ss  Vs  Fs' Os' Nv  Sv   Vv  Fv' Ov' No' So' Vo' Fo'"
    "  Q Se   Q +P   V Se   V +P   S Se   S +P RR err"
)
"""Head of the table of beats; a mark beside a name says that other classes are counted in."""

SHUTDOWN = (
    "Record Nx   Sx   Vx   Fx   Qx  % beats  % N    % S    % V    % F   Total Shutdown",
    "                                missed missed missed missed missed      Time",
)
"""Head of the table of shutdowns."""

COLUMNS = tuple(BEATS.split()[1:20])
"""Names of the counts in a line of beats."""

WIDTHS = (5, *(3,) * 11, 4, *(3,) * 6)
"""Places of the counts in a line of beats."""

_TOGETHER: Mapping[str, Sequence[int]] = {
    **{"N": [N], "S": [S], "V": [V], "F": [F, Q], "O": [O, X]},
    **{"n": [N, F, Q], "s": [S], "v": [V], "o": [O, X]},
}
"""Rows and columns that a line of beats counts together, by the letters in the names of its columns."""


def columns(counts: Int64, names: Sequence[str] = COLUMNS) -> Int64:
    """Return the counts of a line of beats, ``(19,)``, of a matrix ``(7, 7)``; those of ``names`` alone.

    Example:
        >>> counts = np.arange(49).reshape(7, 7)
        >>> dict(zip(COLUMNS, columns(counts).tolist(), strict=True))["Nn'"]  # Nn, Nf and Nq
        7
    """
    found = [counts[np.ix_(_TOGETHER[name[0]], _TOGETHER[name[1]])].sum() for name in names]
    return np.array(found, np.int64)


def beats_line(name: str, found: Comparison) -> str:
    """Return a record's line in the table of beats."""
    told = of_record(found)
    error = "     -" if told[RR] is None else f" {told[RR]:6.2f}"
    return (
        f"{name:>4} {_counted(columns(found.counts))}{''.join(_share(told[key]) for key in FIGURES)}{error}"
    )


def shutdown_line(name: str, found: Comparison) -> str:
    """Return a record's line in the table of shutdowns; supraventricular beats don't count as missed ones."""
    m = found.counts
    missed, every = m[:NO_BEAT, X].tolist(), m[:NO_BEAT].sum(axis=1).tolist()
    shares = [percent(sum(missed) - missed[S], sum(every))]  # without S, as the comparator has it
    shares += [percent(missed[row], every[row]) for row in (N, S, V, F)]
    counts = " ".join(f"{one:4d}" for one in missed)
    told = "".join(map(_share, shares))
    return f"{name:>4} {counts}  {told}{found.shutdown:5d} seconds {' '.join(map(str, every))}"


def beats_table(records: Mapping[str, Comparison]) -> str:
    """Return the table of beats: a line for each record."""
    return _text(BEATS, *(beats_line(name, found) for name, found in records.items()))


def shutdown_table(records: Mapping[str, Comparison]) -> str:
    """Return the table of shutdowns: a line for each record."""
    return _text(*SHUTDOWN, *(shutdown_line(name, found) for name, found in records.items()))


def beats_summary(records: Mapping[str, Comparison]) -> str:
    """Return the table of beats with sums, Gross and Average below it."""
    total = _total(records)
    both = aggregate(list(records.values()))
    blank = " " * 78
    right_of = parts(total)
    qrs, veb, sveb = (int(right_of[name][1]) for name in ("Q Se", "V Se", "S Se"))
    return beats_table(records) + _text(
        "_" * 132,
        f"Sum {_counted(columns(total), first=6)}",
        f"Gross{blank}{''.join(_share(both.gross[name]) for name in FIGURES)}",
        f"Average{blank[2:]}{''.join(_share(both.average[name]) for name in (*FIGURES, RR))}",
        f"Total QRS complexes: {qrs}  Total VEBs: {veb}  Total SVEBs: {sveb}",
        *_count(records),
    )


def shutdown_summary(records: Mapping[str, Comparison]) -> str:
    """Return the table of shutdowns with sums below it."""
    missed = " ".join(f"{one:4d}" for one in _total(records)[:NO_BEAT, X].tolist())
    seconds = sum(found.shutdown for found in records.values())
    return shutdown_table(records) + _text(
        "_" * 72, f"Sum  {missed}{' ' * 38}{seconds:4d} seconds", *_count(records)
    )


def record_report(
    name: str, found: Comparison, reference: str, test: str, *, with_s: bool = False, mark: str = ""
) -> str:
    """Return a record's standard report: its matrix, its figures and its shutdown.

    Args:
        name: Of the record.
        found: Its comparison.
        reference: Name of the reference's annotator.
        test: Name of the annotator that is judged.
        with_s: Whether supraventricular beats are a class of their own; else they are N.
        mark: What is not as the standard has it, for the first line.
    """
    told = (
        f"Beat-by-beat comparison results for record {name}{mark and f' ({mark})'}",
        f"Reference annotator: {reference}",
        f"     Test annotator: {test}",
        "",
    )
    return _text(*told) + matrix(found, with_s=with_s)


def matrix(found: Comparison, *, with_s: bool = True, line: bool = True) -> str:
    """Return the matrix, the figures and the shutdown of a record's standard report.

    ``line`` is as `atml.scoring.rules.ec57.figures.parts` takes it: False for several records together.
    """
    m = found.counts if with_s else without_s(found.counts)
    kept = [row for row in range(7) if with_s or row != S]
    letters = "nsvfqox"
    head = "        " + "    ".join(letters[column] for column in kept)
    lines = ["               Algorithm", head, "   " + "_" * (36 if with_s else 31)]
    for row in kept:
        cells = [column for column in kept if row < NO_BEAT or column < NO_BEAT]
        lines.append(f" {letters[row].upper()} | " + " ".join(f"{m[row, column]:4d}" for column in cells))
    lines.append("")
    figures = parts(m, line=line)
    for title, name in (
        ("           QRS sensitivity", "Q Se"),
        (" QRS positive predictivity", "Q +P"),
        ("           VEB sensitivity", "V Se"),
        (" VEB positive predictivity", "V +P"),
        ("          SVEB sensitivity", "S Se"),
        ("SVEB positive predictivity", "S +P"),
    )[: 6 if with_s else 4]:
        lines.append(_stated(title, *figures[name]))
    if with_s:
        error = "     -" if found.rr_error is None else f"{found.rr_error:6.2f} ms"
        lines.append(f"     RMS RR interval error: {error}")
    else:
        false = figures["V +P"][1] - figures["V +P"][0]
        others = m[:, [N, F, Q]].sum() - m[V, [N, F, Q]].sum()
        lines += [_stated("   VEB false positive rate", false, others + false, decimals=3), ""]
    missed, every = m[:NO_BEAT, X], m[:NO_BEAT].sum(axis=1)
    lines += ["", _stated("  Beats missed in shutdown", missed.sum() - missed[S], every.sum())]
    shown = [row for row in kept if row < Q]
    lines += [
        _stated(f"      {letters[row].upper()} missed in shutdown", missed[row], every[row]) for row in shown
    ]
    return _text(*lines, f"       Total shutdown time: {found.shutdown:5d} seconds")


def matrices(records: Mapping[str, Comparison], reference: str, test: str, mark: str = "") -> str:
    """Return the standard reports of all records, without a class S; ``mark`` as `record_report` takes it."""
    return "".join(
        record_report(name, found, reference, test, mark=mark) + "\n" for name, found in records.items()
    )


def without_s(counts: Int64) -> Int64:
    """Count supraventricular beats as normal ones, on both sides."""
    found = counts.copy()
    found[N] += found[S]
    found[:, N] += found[:, S]
    found[S], found[:, S] = 0, 0
    return found


def _total(records: Mapping[str, Comparison]) -> Int64:
    return together(list(records.values())).counts


def _counted(counts: Int64, first: int = WIDTHS[0]) -> str:
    widths = (first, *WIDTHS[1:])
    return " ".join(f"{count:{width}d}" for count, width in zip(counts.tolist(), widths, strict=True))


def _share(value: float | None) -> str:
    return "      -" if value is None else f" {value:6.2f}"


def _stated(title: str, right: npt.ArrayLike, of: npt.ArrayLike, decimals: int = 2) -> str:
    right, of = int(np.asarray(right)), int(np.asarray(of))
    value = percent(right, of)
    return f"{title}: " + ("     - " if value is None else f"{value:6.{decimals}f}%") + f" ({right}/{of})"


def _count(records: Mapping[str, Comparison]) -> tuple[str, str]:
    return "", f"Summary of results from {len(records)} record{'' if len(records) == 1 else 's'}"


def _text(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)
