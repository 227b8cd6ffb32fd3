"""What every task must be able to do, the built-in ones and a user's own, checked by doing it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from atml import baseline, data, export, nn, rooms, scoring
from atml.errors import AtmlError, RoomError, ShapeError
from atml.rooms import Room
from atml.sampler import draws, from_params
from atml.types import ModelConfig, Predictions

_DRAWS = 20


@dataclass(frozen=True)
class Check:
    """One check of one task and how it went."""

    what: str
    ok: bool
    detail: str = ""


def check(name: str, *, cwd: Path | None = None) -> Iterator[Check]:
    """Check the files of one task; a check that fails does not keep the next ones from running.

    Raises nothing for a task that is broken: that is a failed check. Raises RoomError for an unknown name.
    """
    if name not in rooms.names(cwd):
        rooms.find(name, cwd=cwd)
    loaded: list[Room] = []
    yield _try("both files load", functools.partial(_load, name, cwd, loaded))
    if not loaded:
        return
    room = loaded[0]
    for note in room.notes():
        yield Check("shadowing", True, note)
    for what, body in (
        ("DEFAULT builds, runs and matches in ONNX", _default),
        (f"{_DRAWS} random configs build or are refused for their shape", _random),
        ("synthetic segments get labels of both kinds", _labels),
        ("each objective prefers right answers to wrong ones", _value),
        ("DEFAULT fits the shortest and the longest window", _windows),
        ("the official rule and the baseline are known", _rule),
    ):
        yield _try(what, functools.partial(body, room))


def _try(what: str, body: Callable[[], str]) -> Check:
    try:
        return Check(what, True, body())
    except AtmlError as error:
        return Check(what, False, str(error))


def _load(name: str, cwd: Path | None, loaded: list[Room]) -> str:
    loaded.append(rooms.find(name, cwd=cwd))
    return f"{loaded[0].space_path}, {loaded[0].objective_path}"


def _default(room: Room) -> str:
    config: ModelConfig = from_params(room.suggest, room.default)
    cost = nn.cost(config, room.task)
    net = nn.build(config, room.task).eval()
    task = room.task
    x = np.random.default_rng(0).normal(size=(64, task.leads, task.window)).astype(np.float32)
    with torch.no_grad():
        shape = tuple(net(torch.from_numpy(x)).shape)
    if shape != (64, len(task.classes)):
        raise RoomError(f"DEFAULT gives outputs of shape {shape}, not (64, {len(task.classes)})")
    model = export.onnx_bytes(net, task, {"task": task.name})
    export.check_parity(model, net, x, task.positive)
    return f"{len(model) / 1024:.1f} KiB, {cost.macs} MACs"


def _random(room: Room) -> str:
    fit = 0
    for _, config in draws(room.suggest, _DRAWS, seed=0):
        try:
            nn.cost(config, room.task)
        except ShapeError:
            continue
        nn.build(config, room.task)
        fit += 1
    if not fit:
        raise RoomError(
            f"{room.space_path}: none of {_DRAWS} random configs fits the window of {room.task.window}"
        )
    return f"{fit} build"


def _labels(room: Room) -> str:
    dataset = data.open(None, task=room.task, label=room.label)
    counts = np.bincount(dataset.y, minlength=len(room.task.classes))
    return ", ".join(f"{n} {name}" for name, n in zip(room.task.classes, counts, strict=True))


def _value(room: Room) -> str:
    classes = len(room.task.classes)
    y = np.arange(40) % classes
    subject = np.array([f"S{i // 10}" for i in range(40)])
    right = np.eye(classes, dtype=np.float32)[y]
    said = []
    for name in room.objectives or ("",):
        other = rooms.find(
            room.name, space=room.space_path, objective=f"{room.objective_path}:{name}".rstrip(":")
        )
        good, bad = (
            other.value(Predictions(logits.astype(np.float32), y, subject, room.task.positive))
            for logits in (right, 1 - right)
        )
        if not good > bad:
            raise RoomError(
                f"{room.objective_path}: {name or 'value()'} is {good:g} for all right, {bad:g} for all wrong"
            )
        said.append(f"{name} {good:g} against {bad:g}".strip())
    return ", ".join(said)


def _windows(room: Room) -> str:
    config = from_params(room.suggest, room.default)
    rate = room.task.sampling_rate
    for seconds in room.windows or ():
        nn.cost(config, replace(room.task, window=round(seconds * rate)))
    return " to ".join(f"{seconds:g} s" for seconds in room.windows) if room.windows else "one only"


def _rule(room: Room) -> str:
    scoring.rule(room.rule)
    if room.baseline:
        baseline.detector(room.baseline)
    return f"{room.rule}, {room.baseline or 'no baseline'}"
