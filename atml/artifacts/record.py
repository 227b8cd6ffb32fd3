"""All that an export says about a model, before it is written."""

from __future__ import annotations

import functools
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from atml.artifacts.seen import Amplitude, amplitude, parsed
from atml.data.dataset import Dataset, DataSource
from atml.evaluation.cross_validation_result import BaselineResult, CrossValidationResult
from atml.evaluation.label_doubts import LabelDoubts
from atml.models.budget import Cost
from atml.models.config import ModelConfig
from atml.tasks import targets
from atml.tasks.task import Task
from atml.training.records import Measurement


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training over all folds: its seed and what it measured, predictions included."""

    seed: int
    measurement: Measurement


@dataclass(frozen=True, kw_only=True)
class DataFacts:
    """The training data, as the model card describes them; ``rhythms`` and ``classes`` count windows.

    ``leads`` are those asked for, ``held_out`` the subjects kept out of the search.
    """

    name: str
    fingerprint: str
    synthetic: bool
    windows: int
    subjects: tuple[str, ...]
    rhythms: dict[str, int]
    classes: dict[str, int]
    notes: tuple[str, ...] = ()
    leads: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()
    subjects_by: str = ""
    """What ``--subjects`` said of whose each recording is; "" where the data did."""
    amplitude: Amplitude | None = None
    """How large the signals are; None in records of earlier versions."""

    @classmethod
    def of(cls, dataset: Dataset, task: Task, source: DataSource | None = None) -> DataFacts:
        """Describe a data set; ``source`` says how it was read."""
        rhythms, counted = np.unique(dataset.rhythm, return_counts=True)
        counts = targets.per_class(task, dataset.y)
        return cls(
            name=dataset.name,
            fingerprint=dataset.fingerprint,
            synthetic=dataset.synthetic,
            windows=len(dataset),
            subjects=tuple(str(s) for s in np.unique(dataset.subject)),
            rhythms={str(r): int(n) for r, n in zip(rhythms, counted, strict=True)},
            classes=dict(zip(task.classes, counts, strict=True)),
            notes=dataset.notes,
            leads=() if source is None else source.leads,
            held_out=() if source is None else source.held_out,
            subjects_by="" if source is None else source.subjects,
            amplitude=amplitude(dataset.x) if task.picture is None else None,
        )

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> DataFacts:
        """Read what an export's config.json says of its data; ``windows`` are called "segments" there.

        Raises TypeError for fields that it does not know.
        """
        read: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
        known = parsed(read.pop("amplitude", None) or ())
        return cls(windows=read.pop("segments"), amplitude=known, **read)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where the training ran: ``device`` "cpu" or "cuda", its name, threads a worker, versions."""

    device: str
    name: str
    threads: int
    versions: dict[str, str]

    @classmethod
    def here(cls, device: str = "cpu", *, name: str | None = None, threads: int = 1) -> Machine:
        """Describe this machine; ``name`` stands in for that of the device."""
        from atml.training.device import name as device_name  # torch, which `atml best` can do without

        packages = ("atml", "torch", "onnx", "onnxruntime", "optuna", "numpy")
        versions = {"python": platform.python_version()}
        versions |= {package: metadata.version(package) for package in packages}
        return cls(
            device=device,
            name=name or device_name(device) or processor(),
            threads=threads,
            versions=versions,
        )


@functools.cache
def processor() -> str:
    """Name the processor as the kernel does, with the number of cores."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                name = line.split(":", 1)[1].strip()
                break
    return f"{name}, {os.cpu_count()} cores"


@dataclass(frozen=True, kw_only=True)
class Final:
    """The training of the exported model itself, on all subjects.

    ``seconds`` were spent training, on ``windows`` windows; ``train_value`` is the objective's value on
    those same windows, with the threshold.
    """

    seed: int
    steps: int
    seconds: float
    windows: int
    train_value: float


@dataclass(frozen=True, kw_only=True)
class BoardFacts:
    """What the model takes on the board that its search was for, and what a contest would award for it.

    ``title`` names the board, ``estimate`` and ``official`` hold the figures as JSON types. The lines of the
    model card are ``rows`` of what and value; ``places`` are a header and the rows of the contest's
    leaderboard with the model in it, () where the rule awards nothing for speed and size; ``notes`` are what
    their reader has to know.
    """

    title: str
    rows: tuple[tuple[str, str], ...]
    places: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()
    estimate: dict[str, Any] = field(default_factory=dict)
    official: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class ExportRecord:
    """One model worth exporting and everything known about it."""

    config: ModelConfig
    task: Task
    cost: Cost
    study: str
    trial: int
    runs: tuple[Run, ...]
    folds: int
    fold_by: str = "subject"
    """What a fold holds out: a part of the subjects, or a whole "set"."""
    result: CrossValidationResult
    final: Final
    data: DataFacts
    machine: Machine
    search_seed: int
    trials: int
    """Trials the search had run when this one was picked: the best of many looks better than it is."""
    value_name: str = "what the search maximised"
    worst_value: float | None = None
    """What the search's objective gives a model that is wrong everywhere; None where that is not known."""
    unqualified: tuple[str, ...] = ()
    """What it lacks of its objective's gate, in words; () for a model that qualifies."""
    lacks_in_format: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """What it lacks of the gate in each format of `CrossValidationResult.formats`, in words."""
    objective_hash: str = ""
    """Of the objectives file (`atml.task_files.definition.TaskDefinition.objective_hash`)."""
    labels_hash: str = ""
    """Of what labels depend on (`atml.task_files.definition.TaskDefinition.labels_hash`): scoring asks for
    the same."""
    length: int = 1
    """How many times the optimiser steps of its trial the config, its runs and the final training have."""
    values_by_length: dict[int, float] = field(default_factory=dict)
    """Value out of fold at each length that was tried, by length; {} where only one was."""
    baseline: BaselineResult | None = None
    """What a detector without a network reaches; None where the task names none."""
    label_doubts: LabelDoubts | None = None
    """Labels that network and baseline contradict; None without a baseline."""
    parameters_from: str = ""
    """Whose parameters it has, in words, where they are those of an earlier study."""
    board: BoardFacts | None = None
    """Estimate for the board of the search; None where it was for none."""
