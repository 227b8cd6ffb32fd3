"""Single beats: how many of each class are found, out of fold, in all and patient by patient."""

from __future__ import annotations

import numpy as np

from atml.arrays import Int64
from atml.data.cases import WHOLE, judges_whole, short, titled
from atml.formatting import sentence
from atml.metrics import Interval
from atml.report import beat_charts, beat_counts
from atml.report.beat_counts import FIGURES, Patient
from atml.report.material import Material
from atml.report.page import Block, Chart, Empty, Grid, Heading, Text
from atml.report.sections.task_description import task_of
from atml.report.tested import tested
from atml.tasks.task import Task


def contents(material: Material) -> list[Block]:
    """Say what is counted, then count in all and by patient; nothing for a task of other windows."""
    task = task_of(material)
    if task is None or not task.around_beats:
        return []
    blocks: list[Block] = [Text(_what(material))]
    found = material.outcome.cross_validation
    if found is None:
        return [*blocks, Empty(sentence(f"beats can't be counted by patient: {material.outcome.why}"))]
    names, cells, runs = found.table.names, np.asarray(found.table.cells), len(material.out_of_fold)
    people = beat_counts.patients(names, cells, runs)
    index = beat_counts.ectopic(task.classes)
    chart = beat_charts.ectopic_beats(people, [(short(task.classes[i]), i) for i in index])
    return [
        *blocks,
        _matrix(task, cells, runs),
        _figures(task, cells),
        Heading("By patient, worst first"),
        _by_patient(people, task, index, runs),
        Chart("beats-by-patient", chart, _who(people, task, index)),
    ]


def _what(material: Material) -> str:
    """Say what the figures are of, and where those of whole recordings are."""
    winner = material.winner
    judged = any(one.get("by_record") for _, one in tested(material))
    there = " The test data were judged so: see Results." if judged else ""
    whole = judges_whole(str(winner.folder) if winner is not None else "EXPORT")
    return f"{WHOLE}. {whole}.{there}"


def _matrix(task: Task, cells: Int64, runs: int) -> Block:
    """Lay out true and called class."""
    counts = cells.sum(axis=0) / runs
    rows = [
        (titled(name), *(_count(n) for n in row), _count(row.sum()))
        for name, row in zip(task.classes, counts, strict=True)
    ]
    rows.append(("called in all", *(_count(n) for n in counts.sum(axis=0)), _count(counts.sum())))
    columns = ("truly", *(f"called {name}" for name in task.classes), "in all")
    mean = f" Counts are means of {runs} trainings." if runs > 1 else ""
    return Grid(
        columns, tuple(rows), f"Beats by true and called class, out of fold.{mean}", right=columns[1:]
    )


def _figures(task: Task, cells: Int64) -> Block:
    """Lay out sensitivity and positive predictivity of each class, gross and average."""
    both = {"gross": beat_counts.gross(cells), "average": beat_counts.average(cells)}
    rows = tuple(
        (titled(name), *(_figure(found[i][key]) for key in FIGURES for found in both.values()))
        for i, name in enumerate(task.classes)
    )
    columns = ("class", *(f"{key}, {over}" for key in FIGURES for over in both))
    says = (
        "Se is sensitivity, +P positive predictivity, in %, with 95% intervals over patients: gross over all"
        " beats together, average over the patients for whom it is defined."
    )
    return Grid(columns, rows, says, right=columns[1:])


def _by_patient(people: list[Patient], task: Task, index: list[int], runs: int) -> Block:
    names = [short(task.classes[i]) for i in index]
    columns = ("patient", "beats", "wrong", *(f"{name}{end}" for name in names for end in ("", " Se", " +P")))
    rows = tuple(
        (
            one.name,
            _count(one.beats),
            _count(one.wrong),
            *(
                cell
                for i in index
                for cell in (_count(one.there[i]), _share(one.rate("Se", i)), _share(one.rate("+P", i)))
            ),
        )
        for one in people
    )
    wrong = sum(one.wrong for one in people)
    most, half = 0, 0.0
    while wrong and half < wrong / 2:
        half += people[most].wrong
        most += 1
    says = (
        f"{_count(wrong)} of {_count(sum(one.beats for one in people))} beats are wrong, half of them"
        f" {'in one patient' if most == 1 else f'in {most} patients'} of {len(people)}. Figures are in %; one"
        ' without beats is "-".'
        if wrong
        else f"No beat of {len(people)} patients is wrong."
    )
    mean = f" Counts are means of {runs} trainings." if runs > 1 else ""
    return Grid(columns, rows, says + mean, right=columns[1:])


def _who(people: list[Patient], task: Task, index: list[int]) -> str:
    """Say who has the beats of each class, how many are found, and how many are false."""
    said = []
    for i in index:
        name = short(task.classes[i])
        there = sorted((one for one in people if one.there[i]), key=lambda one: -one.there[i])
        if not there:
            said.append(f"Nobody has a {name}.")
            continue
        whole, found = (
            sum(counts) for counts in ([o.there[i] for o in people], [o.found[i] for o in people])
        )
        false = sum(one.false[i] for one in people)
        first = there[0]
        said.append(
            f"{len(there)} of {len(people)} patients have {name}, {first.name} {first.there[i] / whole:.0%}"
            f" of"
            f" all {_count(whole)}; {_count(found)} are found, and {_count(false)} other beats are called so."
        )
    if any(len(beat_charts.concerned(people, i)) > beat_charts.MOST for i in index):
        said.append(f"Of each the {beat_charts.MOST} patients with most missed and false ones are drawn.")
    return " ".join(said)


def _count(number: float) -> str:
    """Write a count; a mean over trainings with a decimal where it has one.

    Example:
        >>> _count(1285.0), _count(12.5)
        ('1,285', '12.5')
    """
    return f"{number:,.1f}".removesuffix(".0")


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"


def _figure(found: Interval | None) -> str:
    """Write a share in % with its interval, "-" where it is not defined."""
    if found is None:
        return "-"
    return f"{100 * found.value:.2f} ({100 * found.low:.2f} to {100 * found.high:.2f})"
