"""Does it carry over to subjects that it never saw: by subject, on test data, and beside the baseline."""

from __future__ import annotations

from atml.formatting import sentence
from atml.metrics import Interval
from atml.report import comparisons
from atml.report import kind as report_kind
from atml.report.comparisons import Row
from atml.report.figures import Figures, Source, beside, gain_in_accuracy, interval_of
from atml.report.material import Material
from atml.report.page import Block, Chart, Empty, Text
from atml.report.sections.task_description import task_of
from atml.report.tested import alike, not_scored, seen, tested
from atml.report.theme import BLUE, ORANGE
from atml.tasks.task import Task

MODEL, BASELINE = "network", "baseline"


def contents(material: Material) -> list[Block]:
    """Set subjects, test data and the baseline side by side."""
    source, task = material.outcome.source, task_of(material)
    if source is None or task is None:
        return [Empty(sentence(f"there are no figures yet: {material.outcome.why or material.task_gone}"))]
    blocks: list[Block] = [Text(_subjects(source, task)), _chart(material, source, task)]
    if not tested(material):
        blocks.append(Empty(not_scored(material.winner)))
    return [*blocks, Text(_baseline(source)), *(Text(_test(source, task, *one)) for one in tested(material))]


def _subjects(source: Source, task: Task) -> str:
    """Say how far subjects differ."""
    return (
        f"Out of fold each of {len(source.figures['subjects'])} subjects was decided by a model that never"
        f" saw it. {report_kind.of(task).spread(source.figures)}"
    )


def _rate(figures: Figures, names: tuple[str, ...]) -> Interval | None:
    """Read a rate with its interval; a point where the file has none."""
    for fields in (figures.get("rates", {}), figures.get("intervals", {})):
        for name in names:
            found = interval_of(fields.get(name))
            if found is not None:
                return found
    value = next((figures[name] for name in names if isinstance(figures.get(name), float)), None)
    return None if value is None else Interval(value, value, value)


def _sets(material: Material, source: Source) -> list[tuple[str, str, Figures]]:
    """Return every set of figures: its name, whose they are, and they themselves."""
    found = [("out of fold", MODEL, source.figures)]
    if source.figures.get("baseline"):
        found.append(("out of fold", BASELINE, source.figures["baseline"]))
    for title, one in tested(material):
        if not alike(one):
            continue
        found.append((f"test, {title}", MODEL, one))
        if one.get("baseline"):
            found.append((f"test, {title}", BASELINE, one["baseline"]))
    return found


def _chart(material: Material, source: Source, task: Task) -> Block:
    panels: dict[str, list[Row]] = {}
    for rate, names in report_kind.of(task).carried(task).items():
        rows = [(name, of, _rate(figures, names)) for name, of, figures in _sets(material, source)]
        panels[rate] = [Row(name, of, found) for name, of, found in rows if found is not None]
    told = [
        f"{rate} {' and '.join(f'{row.found.value:.3f} {row.name}' for row in rows if row.of == MODEL)}"
        for rate, rows in panels.items()
    ]
    says = (
        f"The network's {'; '.join(told)}. Whiskers are 95% intervals over subjects, where a file gives them."
    )
    return Chart("carry-over", comparisons.forest(panels, {MODEL: BLUE, BASELINE: ORANGE}), says)


def _baseline(source: Source) -> str:
    baseline = source.figures.get("baseline")
    if not baseline:
        return (
            "There is no baseline beside it: the task names none, or this model has no export, with which a"
            " baseline is judged."
        )
    more = interval_of(baseline["network_gains"])
    assert more is not None
    verdict = {
        -1: "the network is worth its cost where that difference is",
        0: "with these subjects the two can't be told apart",
        1: "the baseline is the better of the two",
    }[beside(0.0, more)]
    return (
        f"The baseline, {baseline['name']}, is a detector without a network, fitted on the same folds."
        f" {gain_in_accuracy(source.figures, more)}, on the same resampled subjects: {verdict}."
    )


def _test(source: Source, task: Task, title: str, one: Figures) -> str:
    """Say whether an evaluation of test data confirms the figures out of fold."""
    told = []
    for rate, names in report_kind.of(task).carried(task).items():
        before, after = _rate(source.figures, names), _rate(one, names) if alike(one) else None
        if before is None or after is None:
            continue
        where = {-1: "below", 0: "within", 1: "above"}[beside(after.value, before)]
        told.append(
            f"its {rate}, {after.value:.3f} ({after.low:.3f} to {after.high:.3f}), lies {where} the interval"
            f" out of fold, {before.low:.3f} to {before.high:.3f}"
        )
    number = int(one.get("look", 0))
    again = (
        " It was not the first evaluation of these data: a model chosen by earlier ones looks better here"
        " than it is."
        if number > 1
        else ""
    )
    synthetic = " These are synthetic data and say nothing of people." if one.get("synthetic") else ""
    return sentence(
        f"on the test data {one.get('data', '')} ({title}; {seen(one)}):"
        f" {' and '.join(told) or 'this rule gives no rates to compare'}.{again}{synthetic}"
    )
