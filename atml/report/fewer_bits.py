"""The winner in formats of fewer bits, beside float32: figures out of fold, cost, and what subjects lose."""

from __future__ import annotations

from atml.artifacts.card_formats import WORDS
from atml.device import in_words
from atml.device.estimate import Estimate
from atml.device.program import F32
from atml.evaluation.gate import Gate
from atml.formatting import listed, plural, sentence
from atml.metrics import FOUR
from atml.report import device_charts
from atml.report import kind as report_kind
from atml.report.comparisons import MOST
from atml.report.figures import Figures, Source
from atml.report.material import Material
from atml.report.page import Block, Chart, Empty, Fold, Grid, Text
from atml.tasks.task import Task

DIGITS = 4
"""Decimals of a figure whose changes are small."""


def in_fewer_bits(material: Material, task: Task | None, estimates: dict[str, Estimate]) -> list[Block]:
    """Compare formats; ``estimates`` are those on one board, by format."""
    source = material.outcome.source
    if source is None or task is None:
        why = material.outcome.why or material.task_gone
        return [Empty(sentence(f"no decisions out of fold can be compared: {why}"))]
    judged = source.figures.get("formats") or {}
    if not judged:
        return [Empty(_missing(material))]
    blocks: list[Block] = [Text(_said(source, judged)), _figures(material, source, task, estimates)]
    return [*blocks, *_subjects(source, task, judged)]


def _missing(material: Material) -> str:
    first = material.first
    if first is not None and not first.seeds:
        return (
            "What fewer bits do to the figures is not known: it is measured where a finalist is trained again"
            " on fresh seeds, and none was. `atml search` with the same study goes on to its finalists."
        )
    return (
        "What fewer bits do to the figures is not known: the winner was trained again on fresh seeds by a"
        " version that did not predict in them. A search into a new study measures it (`atml search --study"
        " NAME`)."
    )


def _said(source: Source, judged: Figures) -> str:
    words = "; ".join(f"{name} has {WORDS.get(name, 'what a later version means by it')}" for name in judged)
    each = [
        f"{name} decides {100 * float(one['agreement']):.2f}% as float32 does" for name, one in judged.items()
    ]
    return (
        f"Format {words}. Out of fold: the network of each fold was written in the format and judged on the"
        f" windows it never saw, at the decision that ships. Of the windows {listed(each)}. These are"
        f" {source.words}."
    )


def _figures(material: Material, source: Source, task: Task, estimates: dict[str, Estimate]) -> Block:
    figures, kind, gate = source.figures, report_kind.of(task), Gate.of_spec(material.spec)
    exact = {**figures, "agreement": 1.0}
    columns: dict[str, Figures] = {F32: exact, **figures["formats"]}
    names = {"value": "objective", **{name: kind.METRICS.get(name, name) for name in FOUR}}
    rows = [_row(title, name, [one.get(name) for one in columns.values()]) for name, title in names.items()]
    rates = [name for name in figures["rates"] if name not in names]
    found = [[(one["rates"].get(name) or {}).get("value") for one in columns.values()] for name in rates]
    rows += [_row(name, name, each) for name, each in zip(rates, found, strict=True)]
    rows.append(_row("decided as in f32", "agreement", [one["agreement"] for one in columns.values()]))
    verdicts = []
    for one in columns.values():
        known = {name: one[name] for name in FOUR} | {key: r["value"] for key, r in one["rates"].items()}
        verdicts.append("; ".join(gate.missing(known)) or "reached")
    rows.append(("gate", *_between(verdicts, ["-"] * len(verdicts))))
    costs = [estimates.get(name) for name in columns]
    board = next((one.board.name for one in costs if one is not None), "")
    for title, cells in (
        (f"ms on {board}", [None if one is None else in_words.milliseconds(one.ms.value) for one in costs]),
        (f"KiB of flash on {board}", [None if one is None else f"{one.flash_kib:.1f}" for one in costs]),
    ):
        if board:
            rows.append((title, *_between([cell or "-" for cell in cells], ["-"] * len(cells))))
    header = [name for form in columns for name in ([form] if form == F32 else [form, f"{form} − f32"])]
    values = {name: _apart(figures["value"], one.get("value")) for name, one in figures["formats"].items()}
    losses = [f"{name} {'not known' if one is None else _signed(one)}" for name, one in values.items()]
    says = (
        f"Change of the objective against float32: {listed(losses)}. Gate: {gate.words}. Milliseconds are the"
        " middle of the estimate."
    )
    if material.definition is not None and material.definition.awarded:
        says += f" The objective counts latency and size as the search did, of {material.device.format}."
    return Grid(("figure", *header), tuple(rows), says, right=tuple(header))


def _row(title: str, name: str, values: list[float | None]) -> tuple[str, ...]:
    cells = ["-" if one is None else f"{one:.{DIGITS}f}" for one in values]
    apart = ["-" if name == "agreement" else _signed(_apart(values[0], one)) for one in values]
    return (title, *_between(cells, apart))


def _between(cells: list[str], apart: list[str]) -> list[str]:
    """Put what lies between a format and float32 behind each but float32."""
    pairs = zip(cells[1:], apart[1:], strict=True)
    return [cells[0], *(cell for pair in pairs for cell in pair)]


def _apart(exact: float | None, other: float | None) -> float | None:
    """Return the difference of two figures as they are printed."""
    if exact is None or other is None:
        return None
    return round(round(other, DIGITS) - round(exact, DIGITS), DIGITS) + 0.0


def _signed(apart: float | None) -> str:
    return "-" if apart is None else f"{apart:+.{DIGITS}f}"


def _subjects(source: Source, task: Task, judged: Figures) -> list[Block]:
    """Show what each subject gains or loses, those that lose most first."""
    kind = report_kind.of(task)
    exact = {str(row["subject"]): row for row in source.figures["subjects"]}
    values = {name: kind.of_subject(row) for name, row in exact.items()}
    others = {
        form: {str(row["subject"]): kind.of_subject(row) for row in one["subjects"]}
        for form, one in judged.items()
    }
    names = [name for name in exact if all(name in one for one in others.values())]
    apart = {
        form: {name: _apart(values[name], one[name]) or 0.0 for name in names} for form, one in others.items()
    }
    names.sort(key=lambda name: (min(one[name] for one in apart.values()), name))
    moved = [name for name in names if any(one[name] for one in apart.values())]
    of = f"{kind.OF_SUBJECT}, of each subject"
    if not moved:
        return [Text(f"By subject: {of}, is the same in every format, for all {len(names)}.")]
    rows = tuple(
        (
            name,
            f"{exact[name]['n'] / source.runs:g}",
            f"{values[name]:.{DIGITS}f}",
            *(
                cell
                for form in others
                for cell in (f"{others[form][name]:.{DIGITS}f}", _signed(apart[form][name]))
            ),
        )
        for name in names
    )
    worst = [
        f"in {form} {min(one, key=lambda name: (one[name], name))} with {min(one.values()):+.4f}"
        for form, one in apart.items()
    ]
    says = (
        f"{sentence(of).rstrip('.')}, worst change first: {len(moved)} of {plural(len(names), 'subject')}"
        f" {'changes' if len(moved) == 1 else 'change'}. Largest loss: {listed(worst)}."
    )
    header = ("subject", "windows", "f32", *(name for form in others for name in (form, f"{form} − f32")))
    shown = moved[:MOST]
    drawn = device_charts.subject_changes(
        shown,
        {form: [one[name] for name in shown] for form, one in apart.items()},
        "change against f32",
    )
    cut = f" The {len(shown)} that lose most are drawn." if len(moved) > len(shown) else ""
    chart = Chart("device-subjects", drawn, f"{says}{cut}")
    return [chart, Fold("Every subject in every format", (Grid(header, rows, says, right=header[1:]),))]
