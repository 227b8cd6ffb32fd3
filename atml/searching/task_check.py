"""The files of a task, built-in or a user's own, checked by using them."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from atml import data, models, task_files
from atml.artifacts import export
from atml.artifacts.backends.onnx import operators
from atml.errors import AtmlError, ShapeError, TaskFileError
from atml.evaluation import baselines
from atml.models.config import ModelConfig
from atml.regions import Draft
from atml.scoring import rules
from atml.searching.samplers.parameters import from_params, portfolio
from atml.task_files.definition import TaskDefinition
from atml.tasks import targets
from atml.tasks.task import WAVEFORM, Task

_DRAWS = 20


@dataclass(frozen=True)
class Check:
    """One check of one task and how it went."""

    what: str
    ok: bool
    detail: str = ""


def check(name: str, *, cwd: Path | None = None) -> Iterator[Check]:
    """Check the files of one task; later checks run also after one that fails.

    A broken task raises nothing: it fails a check. Raises TaskFileError for an unknown name.
    """
    if name not in task_files.names(cwd):
        task_files.find(name, cwd=cwd)
    loaded: list[TaskDefinition] = []
    yield _try("both files load", functools.partial(_load, name, cwd, loaded))
    if not loaded:
        return
    definition = loaded[0]
    for note in definition.notes():
        yield Check("shadowing", True, note)
    for what, body in (
        ("DEFAULT builds, runs and matches in ONNX", _default),
        ("each config of PORTFOLIO builds within the budget", _portfolio),
        (f"{_DRAWS} random configs build or are refused for their shape", _random),
        ("synthetic windows get labels of every class", _labels),
        ("each objective prefers right answers to wrong ones", _value),
        ("DEFAULT fits the shortest and the longest window", _windows),
        ("the official rule and the baseline are known", _rule),
    ):
        yield _try(what, functools.partial(body, definition))


def _try(what: str, body: Callable[[], str]) -> Check:
    try:
        return Check(what, True, body())
    except AtmlError as error:
        return Check(what, False, str(error))


def _load(name: str, cwd: Path | None, loaded: list[TaskDefinition]) -> str:
    loaded.append(task_files.find(name, cwd=cwd))
    return f"{loaded[0].space_path}, {loaded[0].objective_path}"


def _default(definition: TaskDefinition) -> str:
    config: ModelConfig = from_params(definition.suggest, definition.default)
    cost = models.cost(config, definition.task)
    net = models.build(config, definition.task).eval()
    task = definition.task
    rows = 64 if task.picture is None else 2  # pictures are large
    x = np.random.default_rng(0).normal(size=(rows, *task.shape)).astype(np.float32)
    with torch.no_grad():
        shape = tuple(net(torch.from_numpy(x)).shape)
    if task.kind != WAVEFORM and shape != (rows, len(task.classes)):
        raise TaskFileError(f"DEFAULT gives outputs of shape {shape}, not ({rows}, {len(task.classes)})")
    model = export.onnx_bytes(net, task, {"task": task.name})
    export.check_parity(model, net, x, task)
    return f"{len(model) / 1024:.1f} KiB, {cost.macs} MACs"


def _portfolio(definition: TaskDefinition) -> str:
    for number, config in enumerate(portfolio(definition), 1):
        cost = models.cost(config, definition.task)
        used = frozenset() if definition.budget.operators is None else operators(config, definition.task)
        if broken := definition.budget.broken(cost, used):
            raise TaskFileError(f"{definition.space_path}: PORTFOLIO, config {number}: {broken}")
    return f"{len(definition.portfolio)} of them" if definition.portfolio else "none given"


def _random(definition: TaskDefinition) -> str:
    fit, rng = 0, random.Random(0)
    for _ in range(_DRAWS):
        config = definition.suggest(Draft(lambda axis: axis.draw(rng)))
        try:
            models.cost(config, definition.task)
        except ShapeError:
            continue
        models.build(config, definition.task)
        fit += 1
    if not fit:
        raise TaskFileError(
            f"{definition.space_path}: none of {_DRAWS} random configs fits {_given(definition.task)}"
        )
    return f"{fit} build"


def _given(task: Task) -> str:
    if task.picture is not None:
        return f"a page of {task.picture[0]} x {task.picture[1]} pixels"
    return f"the window of {task.window}"


def _labels(definition: TaskDefinition) -> str:
    if definition.task.kind == WAVEFORM:
        return "none, it learns from pages whose signals are known"
    dataset = data.open(None, task=definition.task, label=definition.label)
    counts = targets.per_class(definition.task, dataset.y)
    return ", ".join(f"{n} {name}" for name, n in zip(definition.task.classes, counts, strict=True))


def _value(definition: TaskDefinition) -> str:
    lines = []
    for name in definition.objectives or ("",):
        other = task_files.find(
            definition.name,
            space=definition.space_path,
            objective=f"{definition.objective_path}:{name}".rstrip(":"),
        )
        good, bad = (
            other.value(
                replace(
                    targets.toy(definition.task, 40, people=4, wrong=wrong),
                    changed={} if other.agreement else None,
                )
            )
            for wrong in (False, True)
        )
        if not good > bad:
            raise TaskFileError(
                f"{definition.objective_path}: {name or 'value()'} is {good:g} for all right, {bad:g} for"
                " all wrong"
            )
        lines.append(f"{name} {good:g} against {bad:g}".strip())
    return ", ".join(lines)


def _windows(definition: TaskDefinition) -> str:
    if definition.task.picture is not None:
        return "none, it is about pages"
    config = from_params(definition.suggest, definition.default)
    rate = definition.task.sampling_rate
    for seconds in definition.windows or ():
        models.cost(config, replace(definition.task, window=round(seconds * rate)))
    return (
        " to ".join(f"{seconds:g} s" for seconds in definition.windows) if definition.windows else "one only"
    )


def _rule(definition: TaskDefinition) -> str:
    if definition.rule:
        rules.rule(definition.rule).fits(definition.task)
    if definition.baseline:
        baselines.method(definition.baseline, definition.task)
    return f"{definition.rule or 'no rule'}, {definition.baseline or 'no baseline'}"
