"""How the winner was trained, in the figures that a paper lists: parameters, epochs, times, device."""

from __future__ import annotations

import numpy as np

from atml.artifacts.card import MB
from atml.data.cases import case_of
from atml.formatting import clock, plural, value
from atml.report.figures import interval_of
from atml.report.material import Material
from atml.report.page import Block, Grid
from atml.report.sections.task_description import task_of
from atml.report.tested import tested
from atml.training.records import TrialRecord


def facts(material: Material) -> list[Block]:
    """List what is known; nothing where there is no winner."""
    best = material.best
    if best is None or best.config is None:
        return []
    rows = [*_size(best), *_course(material, best), *_times(material, best), *_device(material)]
    rows += [
        ("optimiser", f"{best.config.optimizer}, {best.config.schedule} schedule"),
        ("batch", f"{best.config.batch}"),
        *_values(material),
    ]
    says = (
        f"Trial {best.number} as it was trained. A model is trained for a fixed number of steps, so that no"
        " validation data end it; validation is out of fold."
    )
    return [Grid(("what", "how much"), tuple(rows), says)]


def _size(best: TrialRecord) -> list[tuple[str, str]]:
    if best.cost is None:
        return []
    return [
        (name, f"{count:,}, {4 * count / MB:.3f} MB")
        for name, count in (
            ("trainable parameters", best.cost.parameters),
            ("fixed parameters", best.cost.fixed),
        )
    ]


def _course(material: Material, best: TrialRecord) -> list[tuple[str, str]]:
    """Epochs and the time of one; of the exported model where there is one, else of a fold's."""
    config, task = best.config, task_of(material)
    assert config is not None
    many = "windows" if task is None else case_of(task).many
    final = (material.winner.metrics if material.winner is not None else {}).get("final") or {}
    if final.get("segments") and final.get("steps"):
        epoch = final["segments"] / config.batch
        steps, each = final["steps"], final["seconds"] / final["steps"]
        return [
            (
                "epochs",
                f"{steps / epoch:.1f}: {steps:,} steps, {epoch:.1f} an epoch of {final['segments']:,} {many}",
            ),
            ("time an epoch", f"{epoch * each:.2f} s: {1000 * each:.2f} ms a step"),
        ]
    plan = material.plan
    if plan is None:
        return []
    rows = float(np.mean([len(fold.train) for fold in plan.folds]))
    epoch = rows / config.batch
    said = f"{config.steps / epoch:.1f}: {config.steps:,} steps, {epoch:.1f} an epoch of {rows:,.0f} {many}"
    return [("epochs", said)]


def _times(material: Material, best: TrialRecord) -> list[tuple[str, str]]:
    """Seconds of training, and those round it: reading and preparing data, and deciding what is held out."""
    runs = material.repeats(best.number, material.shipped_length) or [best]
    training = sum(run.result.get("training_s", 0.0) for run in runs)
    beside = sum(max(0.0, run.result.get("wall_s", 0.0) - run.result.get("training_s", 0.0)) for run in runs)
    final = (material.winner.metrics if material.winner is not None else {}).get("final") or {}
    own = f"{clock(final['seconds'])} for the exported model, " if final.get("seconds") else ""
    over = f"{plural(len(runs), 'training')} over the folds"
    return [
        ("training time", f"{own}{clock(training)} for {over}"),
        ("preparation time", f"{clock(beside)} beside that: preparing data, and deciding what was held out"),
    ]


def _device(material: Material) -> list[tuple[str, str]]:
    machine = (material.winner.metrics if material.winner is not None else {}).get("machine") or {}
    if not machine:
        return []
    threads = plural(int(machine.get("threads", 1)), "thread")
    return [("device", f"{machine.get('device')}: {machine.get('name')}; {threads}")]


def _values(material: Material) -> list[tuple[str, str]]:
    """The objective on trained rows and out of fold, and the first figure of each evaluation of test data."""
    source, winner = material.outcome.source, material.winner
    rows = []
    final = (winner.metrics if winner is not None else {}).get("final") or {}
    if final.get("train_value") is not None:
        rows.append(("train", f"{value(final['train_value'])}, the objective on what it was trained on"))
    if source is not None:
        rows.append(("validation", f"{value(source.figures['value'])}, the objective out of fold"))
    for title, one in tested(material):
        for key, fields in list(one.get("intervals", {}).items())[:1]:
            found = interval_of(fields)
            if found is not None:
                rows.append(("test", f"{value(found.value)}, {key} by rule {one['rule']}; {title}"))
    return (
        rows if any(name == "test" for name, _ in rows) else [*rows, ("test", "not scored on test data yet")]
    )
