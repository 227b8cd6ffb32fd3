"""An export or a trial on a board: what it takes there, and what a contest's rule awards for that."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atml.artifacts.json_file import fields_of
from atml.artifacts.model import load
from atml.device import reading, untrained
from atml.device.boards import Board
from atml.device.estimate import Estimate, estimate
from atml.device.program import Program
from atml.errors import InputError
from atml.metrics import Interval
from atml.scoring.rules import RULES
from atml.storage import Store
from atml.tasks.task import Task

OUT_OF_FOLD: Mapping[str, Mapping[str, str]] = {
    "iccad2022": {"F": "pooled F"},
    "iccad2023": {"F": "F", "G": "G"},
    "iesd2024": {"F": "F", "G": "G"},
}
"""Where metrics.json of an export has the F and G of each rule that awards points for speed and size."""


@dataclass(frozen=True)
class Subject:
    """What is estimated.

    Attributes:
        name: How sentences name it.
        program: What runs.
        task: Its task.
        figures: The figures of metrics.json by name; empty for a trial without export.
    """

    name: str
    program: Program
    task: Task
    figures: Mapping[str, float]


@dataclass(frozen=True)
class OnBoard:
    """An estimate and the points that the official rule awards for it.

    Attributes:
        subject: What was estimated.
        estimate: What it takes.
        rule: Name of a rule with points for speed and size, or None.
        points: Points of each part: at the likely latency, at the slowest and at the fastest.
        total: Their sum; None where F or G are not known.
        best: The largest total.
    """

    subject: Subject
    estimate: Estimate
    rule: str | None
    points: Mapping[str, Interval]
    total: Interval | None
    best: float

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return {
            "what": self.subject.name,
            "task": self.subject.task.name,
            **self.estimate.to_dict(),
            "rule": self.rule,
            "points": {key: vars(one) for key, one in self.points.items()},
            "total": None if self.total is None else vars(self.total),
            "best": self.best if self.rule else None,
        }


def of_export(path: Path) -> Subject:
    """Return an export folder or an ONNX file of atml; raises ExportError for anything else."""
    model = load(path)
    figures: dict[str, float] = {}
    if model.folder is not None and (model.folder / "metrics.json").is_file():
        intervals = fields_of(model.folder / "metrics.json").get("intervals", {})
        figures = {key: float(one["value"]) for key, one in intervals.items()}
    program = reading.read(model.model, model.config, model.task)
    return Subject(str(path), program, model.task, figures)


def of_trial(storage: str, study: str | None, number: int | None) -> Subject:
    """Return a trial of a study, its export where there is one; None for the best trial.

    Raises:
        InputError: no such study or trial, or a trial without a config.
    """
    from atml import task_files
    from atml.searching.leaderboard import entries

    store = Store(storage, create=False)
    assert study is not None
    records = store.trials(study)
    ranking = entries(store.facts(study), records, store.exports(study))
    if number is None:
        if not ranking:
            raise InputError(f"study {study!r} has no trial that ran over every fold yet; name an export")
        number = ranking[0].number
    found = next((one for one in ranking if one.number == number), None)
    if found is not None and found.folder is not None:
        return of_export(found.folder)
    record = next((one for one in records if one.number == number), None)
    if record is None or record.config is None:
        raise InputError(
            f"study {study!r} has no trial {number} with a network; it has {len(records)} trials"
        )
    spec = store.spec(study) or {}
    task = task_files.find(str(spec["task"])).task
    name = f"trial {number} of study {study!r}"
    return Subject(name, untrained.program(record.config, task), task, {})


def on_board(
    subject: Subject,
    board: str | Board,
    *,
    format: str | None = None,
    compiler: str = "zig",
    rule: str | None = None,
) -> OnBoard:
    """Estimate a subject on a board; ``rule`` names the official rule, by default its task's.

    Raises:
        InputError: no such board, format or compiler.
    """
    found = estimate(subject.program, board, format, compiler=compiler)
    named = rule or _rule_of(subject.task)
    judge: Any = RULES.get(named or "")
    if judge is None or not hasattr(judge, "points"):
        return OnBoard(subject, found, None, {}, None, 0.0)
    wanted = OUT_OF_FOLD[judge.NAME]
    known = {key: subject.figures[name] for key, name in wanted.items() if name in subject.figures}
    points = awarded(judge.points, known, found)
    total = None
    if len(known) == len(wanted):
        total = Interval(
            *(sum(getattr(one, end) for one in points.values()) for end in ("value", "low", "high"))
        )
    else:
        points = {key: one for key, one in points.items() if key not in wanted}
    return OnBoard(subject, found, judge.NAME, points, total, sum(judge.WEIGHTS.values()))


def awarded(
    points: Callable[..., dict[str, float]], figures: Mapping[str, float], found: Estimate
) -> dict[str, Interval]:
    """Return what a rule's ``points`` awards at the likely, the slowest and the fastest latency.

    ``figures`` are F and, where the rule asks for it, G; what is not known counts as 0.
    """
    asked = [name for name in inspect.signature(points).parameters if len(name) == 1]
    known = [figures.get(name.upper(), 0.0) for name in asked]
    ends = [points(*known, ms, found.flash_kib) for ms in (found.ms.value, found.ms.high, found.ms.low)]
    return {key: Interval(ends[0][key], ends[1][key], ends[2][key]) for key in ends[0]}


def _rule_of(task: Task) -> str | None:
    from atml import task_files
    from atml.errors import TaskFileError

    try:
        return task_files.find(task.name).rule
    except TaskFileError:  # an export travels further than the files of its task
        return None
