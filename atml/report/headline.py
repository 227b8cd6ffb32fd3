"""The head of a report: what was searched, and the result in a few figures."""

from __future__ import annotations

import datetime

from atml import __version__
from atml.comparison.result import FEW
from atml.data.cases import case_of
from atml.data.dataset import DataSource
from atml.device import in_words
from atml.evaluation.gate import Gate
from atml.formatting import between, clock, listed, ordinal, plural, sentence, value
from atml.metrics import FOUR, Interval
from atml.report.figures import baseline_title
from atml.report.history import whole
from atml.report.material import Material
from atml.report.sections.task_description import task_of
from atml.report.spending import spent
from atml.report.writing import Head
from atml.searching import verdict
from atml.searching.leaderboard import Entry
from atml.searching.verdict import SURE, Evaluation, Verdict
from atml.tasks.task import Task


def headline(material: Material, now: datetime.datetime) -> Head:
    """Summarise a study: a sentence, a few figures, and the verdict; ``now`` is local time, for the foot."""
    task = material.spec["task"]
    return Head(
        title=material.study,
        kicker=f"atml report · task {task} · {_data(material)}",
        lead=_lead(material),
        facts=tuple(_facts(material)),
        rows=tuple(_rows(material)),
        foot=(
            f"Written by atml {__version__} on {now:%Y-%m-%d at %H:%M} from {material.store.name}. "
            "atml is a tool for engineers; nothing it makes is a medical device."
        ),
    )


def _data(material: Material) -> str:
    if material.spec.get("synthetic"):
        return "synthetic ECG"
    paths = DataSource.from_dict(material.spec).paths if "data" in material.spec else ()
    return " + ".join(path.name for path in paths) or str(material.spec.get("data_name"))


def _lead(material: Material) -> str:
    trials, best = material.finished, material.best
    if not trials:
        failed = sum(t.state == "failed" for t in material.searched)
        if failed:
            return f"{plural(failed, 'trial')} began, and every one failed: there is no result to report yet."
        return "No trial has come to an end yet: there is no result to report."
    kept = len(whole(trials))
    said = f"{plural(len(trials), 'trial')} came to an end, {kept} of them over every fold"
    seconds = sum(phase.training for phase in spent(material))
    if seconds:
        said += f"; {clock(seconds)} of training in all"
    if best is None or best.config is None:
        over = any(t.state == "complete" for t in trials)
        why = " None of those keeps its budget, so" if over else " So"
        return sentence(f"{said}.{why} there is no winner yet")
    assert material.first is not None
    title = material.first.title
    return f"The {title}, is trial {best.number}: {best.config.describe()}. {said}."


def _facts(material: Material) -> list[tuple[str, str, str]]:
    """Return the tiles: a name, a figure, and its interval or what it is of."""
    found = material.verdict
    if found is None:
        return []
    first = found.entry
    note = "" if first.seeds else "; its own value, which helped to pick it"
    facts = [("Objective, out of fold", value(first.value), f"{first.title}{note}")]
    for name, rate in found.rates.items():
        ends = f"{between(rate)} (95%)" if found.sure else "no interval before the finalists"
        facts.append((name[0].upper() + name[1:], value(rate.value), ends))
    if found.is_default:
        facts.append(("Gain over DEFAULT", "none", "it is DEFAULT: no gain over it was found"))
    elif found.over_default is not None:
        facts.append(("Gain over DEFAULT", *_gain(found, found.over_default)))
    source = material.outcome.source
    figures = source.figures if source is not None else {}
    baseline = figures.get("baseline") or {}
    has = f" has {value(baseline['value'])}" if baseline.get("value") is not None else ""
    if found.over_baseline is not None:
        gain, ends = _gain(found, found.over_baseline)
        facts.append(("Gain over the baseline", gain, f"{ends}; {found.baseline}{has}"))
    elif has:
        facts.append(
            ("Without a network", value(baseline["value"]), f"{baseline_title(baseline)}, same folds")
        )
    facts += [
        (f"{name} on test data", value(figure.value), _tested(test, figure))
        for test in found.tests
        for name, figure in test.headline.items()
    ]
    if not found.tests:
        facts.append(("On test data", "not scored", "all figures are of data it was chosen on"))
    facts += [_size(material, first), *_board(material)]
    known = {name: figures[name] for name in FOUR if name in figures}
    known |= {name: rate["value"] for name, rate in figures.get("rates", {}).items()}
    return facts + _gate(material, {**known, **first.metrics, **first.rates}, its_own=not first.seeds)


def _gain(found: Verdict, gain: Interval) -> tuple[str, str]:
    few = f", only {plural(found.subjects, 'subject')}" if found.subjects < verdict.FEW else ""
    return f"{gain.value:+.3f}", f"{between(gain)} ({SURE}{few})"


def _tested(test: Evaluation, figure: Interval) -> str:
    few = ", few" if test.subjects < FEW else ""
    points = "" if test.total is None else f"; total {test.total:.3f}"
    return (
        f"{between(figure)} (95%){points}; rule {test.rule} on {test.data},"
        f" {plural(test.subjects, 'subject')}{few}; {ordinal(test.number)} evaluation"
    )


def _rows(material: Material) -> list[tuple[str, str]]:
    """Return what a reader needs next: the file, the worst people, what is as good, and the next command."""
    found = material.verdict
    if found is None:
        return []
    shown = ("path", "worst people", "as good", "unqualified", "next")
    rows = [(name, words) for name, words in found.rows() if name in shown]
    if rows and rows[-1][0] == "next" and rows[-1][1].startswith("atml report"):
        rows[-1] = ("next", use(rows[0][1], task_of(material)))
    return rows


def use(export: str, task: Task | None) -> str:
    """Return the command that uses an export.

    Example:
        >>> use("exports/s/97", None)
        'atml predict exports/s/97 FILE...'
    """
    if task is not None and task.around_beats:
        return f"atml annotate {export} RECORD"
    return f"atml predict {export} FILE..."


def _gate(material: Material, known: dict[str, float], *, its_own: bool) -> list[tuple[str, str, str]]:
    """Show the figure that has least to spare of what the objective's gate asks for."""
    gate = Gate.of_spec(material.spec)
    found = {name: known[name] for name in gate.least if name in known}
    if not found:
        return []
    name = gate.nearest(found) if len(found) == len(gate.least) else min(found, key=lambda k: found[k])
    note = f"{name}; {gate.least[name]:.2f} qualifies"
    note += "; of the run that helped to pick it, untuned" if its_own else ""
    title = "Lowest of four metrics" if gate.floor is not None else "Nearest to its gate"
    return [(title, value(found[name]), note)]


def _board(material: Material) -> list[tuple[str, str, str]]:
    """Show milliseconds on the board that the search was for."""
    board = material.device.board
    found = None if board is None else material.device.estimate(board)[0]
    if board is None or found is None:
        return []
    note = f"{in_words.ends(found)}, {in_words.because(found)}; {found.flash_kib:.1f} KiB of flash"
    return [(f"On {board.name}", f"{in_words.milliseconds(found.ms.value)} ms", note)]


def _size(material: Material, first: Entry) -> tuple[str, str, str]:
    limits = [f"at most {material.spec['max_size_kib']:g} KiB"]
    if material.spec.get("max_ram_kib"):
        limits.append(f"{material.spec['max_ram_kib']:g} KiB of RAM")
    cost, task = first.record.cost, task_of(material)
    case = "window" if task is None else case_of(task).name
    work = f"; {cost.macs:,} MACs a {case}" if cost is not None else ""
    return "ONNX file", f"{first.size_kib:.1f} KiB", f"{listed(limits)} allowed{work}"
