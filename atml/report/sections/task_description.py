"""The task as an engineer would specify it: at inference, and in training."""

from __future__ import annotations

from typing import Any

from atml.data.cases import case_of
from atml.evaluation.gate import Gate
from atml.formatting import plural, sentence
from atml.models.budget import Budget
from atml.report import kind as report_kind
from atml.report.material import Material
from atml.report.page import Block, Empty, Grid, Heading, Text
from atml.tasks.task import MULTILABEL, Task


def contents(material: Material) -> list[Block]:
    """Say input, output and decision rule; then objective, folds and budgets."""
    return [Heading("Inference"), *_inference(material), Heading("Training"), *_training(material)]


def task_of(material: Material) -> Task | None:
    """Return the task as its file or, where that is gone, an export has it."""
    if material.definition is not None:
        return material.definition.task
    for export in material.exports:
        fields: dict[str, Any] = export.config.get("task", {})
        if fields:
            stored: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
            return Task(**stored)
    return None


def _inference(material: Material) -> list[Block]:
    task, best = task_of(material), material.best
    if task is None:
        return [Empty(sentence(f"The task can't be described: {material.task_gone}"))]
    kind = report_kind.of(task)
    one = "label" if task.kind == MULTILABEL else "class"
    rows = [
        *_input(task),
        *_round_beats(task),
        ("output", f"{len(task.classes)} logits, one a {one}: {', '.join(task.classes)}"),
        *kind.decision(task, material.winner.config if material.winner else {}),
    ]
    if best is not None and best.config is not None:
        named = {"none": "no normalisation", "rr": "the RR intervals of a window"}
        first = named.get(best.config.normalise, f"{best.config.normalise} a {case_of(task).name}")
        kept = best.config.decimation
        turned = ", turned upright" if best.config.upright else ""
        thin = f", then the mean of every {kept} neighbouring samples" if kept > 1 else ""
        rows.append(("preprocessing", f"{first}{turned}{thin}: part of the file"))
    says = f"What runs on the device, on arrays of shape (1, {', '.join(map(str, task.shape))})."
    return [Text(kind.asks(task)), Grid(("what", "as the exported file has it"), tuple(rows), says)]


def _input(task: Task) -> list[tuple[str, str]]:
    """Say what the network takes."""
    if task.picture is not None:
        rows, columns = task.picture
        size = f"{rows} × {columns} pixels in red, green and blue, float32, 0 black to 255 white"
        return [("input", f"a page: {size}; pages of other sizes are brought to it before")]
    return [
        ("input", f"{plural(task.leads, 'lead')} × {task.window} samples, float32, raw, as recorded"),
        ("sampling rate", f"{task.sampling_rate} Hz, so that one window is {task.seconds:g} s"),
    ]


def _round_beats(task: Task) -> list[tuple[str, str]]:
    """Say where a window lies, where it lies round a beat."""
    if task.after_beat is None:
        return []
    return [
        (
            "beats",
            f"as the detector finds them in the first lead; a window ends {task.after_beat:g} s after its"
            f" beat,"
            f" which is sample {task.window - task.samples_after_beat} of {task.window}",
        )
    ]


def _training(material: Material) -> list[Block]:
    spec, definition = material.spec, material.definition
    name = spec.get("objective_name") or "value"
    means = sentence(definition.value_name) if definition else f"{name}; {material.task_gone}"
    budget = Budget.of_spec(spec, definition.budget.operators if definition else None)
    folds, by = spec["folds"], spec.get("fold_by") or "subject"
    rows = [
        ("objective", means),
        ("judged", f"out of fold, {folds} folds by {by}"),
        ("qualifies", Gate.of_spec(spec).words),
        ("budget", budget.describe()),
        ("seed", str(spec["seed"])),
    ]
    if (
        definition is not None
        and definition.floor is not None
        and material.store.ledger(material.study) is not None
    ):
        rows.append(("floor", f"a random draw whose first fold ends below {definition.floor:g} is stopped"))
    if definition is not None and definition.baseline:
        rows.append(
            ("compared with", f"{definition.baseline}, a detector without a network, on the same folds")
        )
    held = spec.get("held_out") or []
    if held:
        rows.append(("held out", f"{', '.join(held)}: never seen by the search, kept for scoring"))
    if material.start is not None:
        rows.append(("earlier study", sentence("; ".join((material.start.line, *material.start.notes)))))
    for one in spec.get("frozen") or []:
        rows.append(("kept for testing", f"{plural(len(one['people']), 'subject')}, {one['what']}"))
    says = "Settings of the search; no subject is on both sides of a split."
    return [Grid(("what", "as the study keeps it"), tuple(rows), says)]
