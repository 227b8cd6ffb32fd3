"""Beats compared with the reference one by one, as ANSI/AAMI EC57 does, over whole recordings.

Figures are Gross (over the summed counts of all recordings) and Average (the unweighted mean over recordings)
of QRS complexes, ventricular and supraventricular ectopic beats, as `atml.scoring.rules.ec57` counts them;
intervals come from resampling subjects. The official table has atrial and junctional escape beats, ``e`` and
``j``, as supraventricular ones. A second has them as normal ones, as many papers do.

- The beats are those that atml's own detector finds, as the device finds them; with those of the reference
  the figures say what the classifier alone is worth, and every table says so.
- The standard's learning period of five minutes and its window of 150 ms are options; with others the
  figures are marked non-standard.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from atml.errors import ExportError, InputError
from atml.formatting import plural
from atml.metrics import Interval
from atml.scoring.rules import ec57
from atml.scoring.rules.base import BeatRecord, Figure, Judged, Score, Table
from atml.scoring.rules.ec57.settings import MOST_WINDOW_S
from atml.tasks.task import Task

NAME = "ec57"
OPTIONS: Mapping[str, float] = {"learning": 300.0, "window": 0.15}
MAY_BE_ZERO = ("learning",)

IN_SECONDS = {"window": MOST_WINDOW_S}
"""Largest value of an option that some have in ms elsewhere."""
"""Options that may be 0, where others are above."""
AWARDS = False
decide = None
"""The task's kind of target decides."""

CLASSES = ("N", "S", "V")
"""What a model may call a beat."""

KEYS = {
    "Q Se": "QRS Se",
    "Q +P": "QRS +P",
    "V Se": "VEB Se",
    "V +P": "VEB +P",
    "S Se": "SVEB Se",
    "S +P": "SVEB +P",
}
"""Keys of the gross figures by those of `ec57.FIGURES`; averages begin with "mean"."""


def fits(task: Task) -> None:
    """Raise ExportError for a task that is not about single beats of these classes."""
    if not task.around_beats or not set(task.classes) <= set(CLASSES):
        raise ExportError(
            f"rule {NAME} judges beats of classes {', '.join(CLASSES)}, and task {task.name!r} is not about"
            f" these (classes {', '.join(task.classes)}); give another --rule"
        )


def score(judged: Judged, options: Mapping[str, float]) -> Score:
    """Compare every recording. Raises InputError without one, and for one within the learning period."""
    records = judged.beats
    if not records:
        raise InputError("no recording with annotated beats to score; give a folder with a test split")
    used = ec57.Settings(learning=options["learning"], window=options["window"])
    found = compared(records, used)
    table = ec57.BeatTable(
        records={one.name: counts for one, counts in zip(records, found, strict=True)},
        subjects=tuple(one.subject for one in records),
    )
    total, spread = table.aggregate, table.intervals
    figures = [
        *_figures("", "gross", total.gross, spread.gross),
        *_figures("mean ", "average", total.average, spread.average),
    ]
    return Score(
        rule=NAME,
        figures=tuple(figures),
        tables=(
            _matrix(found),
            _by_record(records, found),
            _escapes(records, used),
        ),
        options=dict(options),
        details={"beats": "reference" if records[0].given else "detected"},
        notes=_notes(records, used),
    )


def compared(
    records: Sequence[BeatRecord], used: ec57.Settings, classes: Mapping[str, int] = ec57.OFFICIAL
) -> list[ec57.Comparison]:
    """Compare each recording; raises InputError that names the one that can't be."""
    found = []
    for one in records:
        if one.length < used.learning * one.rate:
            raise InputError(
                f"{one.name} is {one.length / one.rate:g} s long and ends within the learning period of"
                f" {used.learning:g} s; --rule-option learning=0 has none (not standard)"
            )
        try:
            found.append(
                ec57.compare(
                    one.reference,
                    one.test,
                    one.rate,
                    length=one.length,
                    learning=used.learning,
                    window=used.window,
                    classes=classes,
                )
            )
        except InputError as error:
            raise InputError(f"{one.name}: {error}") from None
    return found


def _figures(
    before: str, what: str, values: Mapping[str, float | None], spread: Mapping[str, Interval | None]
) -> list[Figure]:
    """Return those that are defined, as shares."""
    made = []
    for key, short in KEYS.items():
        value, interval = values[key], spread[key]
        if value is not None:
            share = None if interval is None else _share(interval)
            made.append(Figure(f"{before}{short}", f"{ec57.NAMES[key]}, {what}", value / 100, share))
    return made


def _share(percent: Interval) -> Interval:
    return Interval(percent.value / 100, percent.low / 100, percent.high / 100)


def _matrix(found: Sequence[ec57.Comparison]) -> Table:
    """The counts of all recordings: rows are the reference, columns what was called."""
    names = (*ec57.CLASSES, "O", "X")
    cells = np.sum([one.counts for one in found], axis=0).tolist()
    return Table(
        key="matrix",
        header=("beats: reference, called", *(name.lower() for name in names)),
        cells=tuple((name, *map(str, row)) for name, row in zip(names, cells, strict=True)),
        records=tuple(
            {"reference": name, **dict(zip(names, row, strict=True))}
            for name, row in zip(names, cells, strict=True)
        ),
    )


def _by_record(records: Sequence[BeatRecord], found: Sequence[ec57.Comparison]) -> Table:
    """One row a recording, the one with most wrong beats first."""
    rows = []
    for one, counts in zip(records, found, strict=True):
        wrong = wrong_beats(counts)
        rows.append((wrong, one.name, one.subject, ec57.of_record(counts)))
    rows.sort(key=lambda row: (-row[0], row[1]))
    return Table(
        key="by_record",
        header=("record", "wrong", *KEYS.values()),
        cells=tuple(
            (name, str(wrong), *(_percent(values[key]) for key in KEYS)) for wrong, name, _, values in rows
        ),
        records=tuple(
            {"record": name, "subject": who, "wrong": wrong, **{KEYS[key]: values[key] for key in KEYS}}
            for wrong, name, who, values in rows
        ),
        beside=("wrong",),
    )


def wrong_beats(found: ec57.Comparison) -> int:
    """Count beats that are missed, extra, or ectopic in one and of another class in the other.

    Fusion and unknown beats are wrong only where they are missed.
    """
    counts = found.counts
    known = int(counts[:3, :].sum() - counts[:3, :3].trace())
    return known + int(counts[3:5, 5:].sum()) + int(counts[5:, :5].sum())


def _escapes(records: Sequence[BeatRecord], used: ec57.Settings) -> Table:
    """The figures with atrial and junctional escape beats as normal ones."""
    found = compared(records, used, ec57.ESCAPES_AS_N)
    total = ec57.aggregate(found)
    rows: list[tuple[str, Mapping[str, float | None]]] = [("gross", total.gross), ("average", total.average)]
    made: list[dict[str, Any]] = [
        {"over": name, **{KEYS[key]: values[key] for key in KEYS}} for name, values in rows
    ]
    return Table(
        key="escapes_as_normal",
        header=("e and j as N", *KEYS.values()),
        cells=tuple((name, *(_percent(values[key]) for key in KEYS)) for name, values in rows),
        records=tuple(made),
    )


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _notes(records: Sequence[BeatRecord], used: ec57.Settings) -> tuple[str, ...]:
    """Return lines on the beats that were judged, and what is not as the standard has it."""
    beats = sum(len(one.test.sample) for one in records)
    whose = (
        "of the reference, which no device has: these figures are of the classifier alone"
        if records[0].given
        else "as atml's detector finds them"
    )
    lines = [f"{beats:,} beats {whose}; fusion and unknown beats count in the QRS figures alone"]
    if paced := sum(bool({"/", "f"} & set(one.reference.symbol)) for one in records):
        which = f"{plural(paced, 'recording')} {'has' if paced == 1 else 'have'}"
        lines.append(f"{which} paced beats, which count as unknown; EC57 leaves recordings of pacemakers out")
    if unclear := sum(symbol == "Q" for one in records for symbol in one.test.symbol):
        lines.append(
            f"{unclear} beats lie where samples are missing or a lead is flat or at its rail, and are called"
            " unknown (Q)"
        )
    if not used.standard:
        lines.append(used.words())
    return tuple(lines)
