"""What a search found: all that an export says about a model, before it is written down."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np

from atml.metrics import FOUR, Counts, Interval, SubjectRow, bootstrap, prediction_counts
from atml.threshold import Value, choose_carried, choose_threshold, cross_fitted, shifted
from atml.types import Cost, Dataset, Fold, Int64, Measurement, ModelConfig, Predictions, Task


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training over all folds: its seed and what it measured, predictions included."""

    seed: int
    measurement: Measurement


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the out-of-fold predictions of one or more runs say; one entry a run in each tuple.

    ``naive`` is the objective's value at threshold 0, ``tuned`` at ``threshold``, which was chosen on the
    very same predictions, ``cross_fitted`` at thresholds chosen without the fold they are used on, by the
    same rule.
    ``four`` and ``intervals`` are means over the runs at the cross-fitted thresholds; ``counts`` are sums.
    """

    threshold: float
    naive: tuple[float, ...]
    tuned: tuple[float, ...]
    cross_fitted: tuple[float, ...]
    four: dict[str, float]
    intervals: dict[str, Interval]
    counts: Counts

    @property
    def value(self) -> float:
        """The estimate to believe: the mean of ``cross_fitted``."""
        return float(np.mean(self.cross_fitted))

    @property
    def lowest(self) -> float:
        """The lowest of the four metrics, which a model qualifies by."""
        return min(self.four.values())

    @property
    def name(self) -> str:
        """``xx-yy``: highest and lowest of the four metrics, in whole percent; 100 only for exactly 1."""
        return f"{whole_percent(max(self.four.values()))}-{whole_percent(self.lowest)}"

    def rows(self) -> tuple[SubjectRow, ...]:
        """One row a subject, worst first; counts are summed over the runs."""
        return self.counts.rows()


def whole_percent(value: float) -> int:
    """Round down to whole percent, so that 0.996 is 99 and only exactly 1 is 100."""
    # 0.29 * 100 is 28.999999999999996: what prints as a whole percent is one.
    return min(int(value * 100 + 1e-9), 100 if value >= 1.0 else 99)


HEADROOM = 0.02
"""A threshold that only just qualifies where it is chosen does not elsewhere, half of the time."""


def weigh(
    runs: Sequence[Predictions],
    rows: Sequence[Int64],
    folds: Sequence[Fold],
    value: Value,
    *,
    qualifies: float = 0.0,
) -> Evidence:
    """Judge out-of-fold predictions and choose the threshold, over all runs at once.

    ``rows[i]`` are the row numbers of the data set that ``runs[i]`` belong to. All runs must have predicted
    the same rows, in any order. Where a threshold lets the lowest of the four metrics reach ``qualifies``
    with some headroom, the best of those is chosen. It is 0 where tuning does not carry over from fold to
    fold. That is decided for each fold on the others, as the threshold is, so that the cross-fitted figures
    are never the better of two. With two folds the others are one, which can't say: the threshold is tuned.
    """
    if not runs or any(len(row) == 0 for row in rows):
        raise ValueError("no out-of-fold predictions to weigh")
    fold_of_row = np.full(1 + max(int(fold.held_out.max()) for fold in folds), -1)
    for number, fold in enumerate(folds):
        fold_of_row[fold.held_out] = number
    together = Predictions(
        np.concatenate([run.logits for run in runs]),
        np.concatenate([run.y for run in runs]),
        np.concatenate([run.subject for run in runs]),
        runs[0].positive,
    )
    floor = qualifies + HEADROOM if qualifies > 0 else 0.0
    fold_of = fold_of_row[np.concatenate(rows)]
    careful = len(np.unique(fold_of)) > 2
    if careful:
        threshold = choose_carried(together, fold_of, value, floor=floor)
    else:
        threshold = choose_threshold(together, value, floor=floor)
    honest = cross_fitted(together, fold_of, value, floor=floor, careful=careful).predictions
    ends = np.cumsum([len(run.y) for run in runs])
    parts = [
        Predictions(honest.logits[a:b], honest.y[a:b], honest.subject[a:b], honest.positive)
        for a, b in zip((0, *ends[:-1]), ends, strict=True)
    ]
    naive = tuple(value(run) for run in runs)
    tables = [prediction_counts(part) for part in parts]
    return Evidence(
        threshold=threshold,
        naive=naive,
        tuned=tuple(value(shifted(run, threshold)) for run in runs),
        cross_fitted=tuple(value(part) for part in parts),
        four=_four(tables),
        intervals=bootstrap(*tables),
        counts=Counts(
            tables[0].names,
            tp=np.sum([t.tp for t in tables], axis=0),
            fp=np.sum([t.fp for t in tables], axis=0),
            fn=np.sum([t.fn for t in tables], axis=0),
            tn=np.sum([t.tn for t in tables], axis=0),
        ),
    )


def _four(tables: Sequence[Counts]) -> dict[str, float]:
    """Mean over runs of each of the four metrics."""
    fours = [table.pooled().four() for table in tables]
    return {key: float(np.mean([four[key] for four in fours])) for key in FOUR}


@dataclass(frozen=True, kw_only=True)
class DataFacts:
    """The training data, as the model card tells them; ``rhythms`` and ``classes`` count segments."""

    name: str
    fingerprint: str
    synthetic: bool
    segments: int
    subjects: tuple[str, ...]
    rhythms: dict[str, int]
    classes: dict[str, int]
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, dataset: Dataset, task: Task) -> DataFacts:
        """Count them in a data set."""
        rhythms, segments = np.unique(dataset.rhythm, return_counts=True)
        counts = np.bincount(dataset.y, minlength=len(task.classes))
        return cls(
            name=dataset.name,
            fingerprint=dataset.fingerprint,
            synthetic=dataset.synthetic,
            segments=len(dataset),
            subjects=tuple(str(s) for s in np.unique(dataset.subject)),
            rhythms={str(r): int(n) for r, n in zip(rhythms, segments, strict=True)},
            classes={name: int(counts[i]) for i, name in enumerate(task.classes)},
            notes=dataset.notes,
        )


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
        from atml.nn.device import name as device_name  # torch, which `atml best` can do without

        packages = ("atml", "torch", "onnx", "onnxruntime", "optuna", "numpy")
        versions = {"python": platform.python_version()}
        versions |= {package: metadata.version(package) for package in packages}
        return cls(
            device=device,
            name=name or device_name(device) or _processor(),
            threads=threads,
            versions=versions,
        )


def _processor() -> str:
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

    ``seconds`` were spent training; ``segments`` is what it was trained on; ``train_value`` is the
    objective's value on those same segments, with the threshold.
    """

    seed: int
    steps: int
    seconds: float
    segments: int
    train_value: float


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One model worth exporting and everything known about it."""

    config: ModelConfig
    task: Task
    cost: Cost
    study: str
    trial: int
    runs: tuple[Run, ...]
    folds: int
    evidence: Evidence
    final: Final
    data: DataFacts
    machine: Machine
    search_seed: int
    trials: int
    """Trials the search had run when this one was picked: the best of many looks better than it is."""
    value_name: str = "what the search made large"
    qualifies: float | None = None
    objective_hash: str = ""
    """Of the objectives file (`atml.rooms.Room.objective_hash`): scoring asks for the same labels."""
