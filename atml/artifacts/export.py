"""A finding to its metric-named folder: graph, parity gate, figures, model card; whole or not at all."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import hashlib
import json
import math
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from atml import __version__
from atml.arrays import Float32, evenly
from atml.artifacts import card
from atml.artifacts.backends import BACKENDS, backend, onnx_w8
from atml.artifacts.bad_input import measured
from atml.artifacts.model import (
    CARD,
    CONFIG,
    EVALUATIONS,
    METRICS,
    MODEL,
    SCORES,
    ExportedModel,
    describe,
    infer,
    load,
    task_fields,
)
from atml.artifacts.record import ExportRecord
from atml.data.formats.subject_map import without_folder
from atml.errors import ExportError, ParityError
from atml.evaluation.cross_validation_result import BaselineResult, stored
from atml.formatting import utf8
from atml.metrics import Counts
from atml.models.network import Network
from atml.tasks import targets
from atml.tasks.task import WAVEFORM, Task

TOLERANCE = 1e-4
"""Largest difference of a logit between onnxruntime and torch."""
RELATIVE = 1e-5
"""... over the logit, where it is above 10: float32 holds no more than about 7 digits."""

MOST_WINDOWS = 1024
"""Most windows that the parity gate runs; it takes them evenly from all."""


MOST_PAGES = 4
"""Most pages, of a network that gives maps of them."""


@dataclass(frozen=True)
class Parity:
    """What the parity gate found: how many windows it ran, and the largest difference of a logit."""

    windows: int
    worst: float


def fold_decision(net: Network, offsets: Sequence[float]) -> Network:
    """Return a copy on the CPU, in evaluation mode, that decides at 0 what ``net`` decides at ``offsets``.

    The last biases are lowered by them: plain argmax (of a binary task a tie counts as positive) then uses
    the decision.
    """
    folded = copy.deepcopy(net).cpu().eval()
    if not any(offsets):
        return folded
    with torch.no_grad():
        folded.head.bias.sub_(torch.tensor(offsets, dtype=folded.head.bias.dtype))
    return folded


def check_parity(
    model: bytes, net: Network, x: Float32, task: Task, *, run: Callable[[bytes, Float32], Float32] = infer
) -> Parity:
    """Compare onnxruntime with torch on ``x (n, leads, samples)``, at most `MOST_WINDOWS` of it.

    ``run(model, x)`` gives the logits of another backend's file. Raises ParityError, naming the worst
    difference, where a label differs or a logit by more than `TOLERANCE`; ExportError without windows.
    """
    if len(x) == 0:
        raise ExportError("no windows to compare onnxruntime and torch on; give the training data")
    rows = evenly(len(x), MOST_WINDOWS if task.kind != WAVEFORM else MOST_PAGES)
    some = np.array(x[rows], np.float32)
    found = run(model, some)
    with torch.inference_mode():
        expected = net(torch.from_numpy(some)).numpy()
    apart = np.abs(found - expected)
    worst = float(apart.max())
    # Written so that a NaN on either side fails.
    close = bool(np.all(apart <= np.maximum(TOLERANCE, RELATIVE * np.abs(expected))))
    flipped = 0
    if task.kind != WAVEFORM:  # maps have no labels
        target = targets.of(task)
        flipped = int((target.labels(found) != target.labels(expected)).sum())
    if not close or flipped:
        raise ParityError(
            f"onnxruntime and torch disagree: logits by up to {worst:.3g} (limit {TOLERANCE:g}),"
            f" {flipped} of {len(some)} labels; nothing was exported"
        )
    return Parity(len(some), worst)


def onnx_bytes(net: Network, task: Task, metadata: Mapping[str, str]) -> bytes:
    """Write a network as a checked ONNX file."""
    return BACKENDS["onnx"].write(net, task, metadata)


def metadata_of(record: ExportRecord) -> dict[str, str]:
    """Return the metadata properties of a record's ONNX file."""
    return describe(
        task=record.task,
        config=record.config,
        study=record.study,
        trial=record.trial,
        offsets=record.result.offsets,
        data_name=record.data.name,
        data_fingerprint=record.data.fingerprint,
        synthetic=record.data.synthetic,
        subjects=record.data.subjects,
        objective_hash=record.objective_hash,
        labels_hash=record.labels_hash,
        lead_choice=record.data.leads,
        subjects_by=without_folder(record.data.subjects_by),
        unqualified=record.unqualified,
        amplitude=record.data.amplitude,
    )


def contents(record: ExportRecord, model: bytes, parity: Parity) -> dict[str, bytes]:
    """Return the files of an export folder by name: the model, what it is, its figures and its card."""
    bad_input = measured(model, record.task)
    return {
        MODEL: model,
        CONFIG: _dump(_config(record, model)),
        METRICS: _dump(_metrics(record, parity)),
        CARD: utf8(
            card.render(record, size_bytes=len(model), bad_input=bad_input, sizes=_sizes(record, model))
        ),
    }


def _sizes(record: ExportRecord, model: bytes) -> dict[str, int]:
    """Return the bytes of the ONNX file in the formats that a record has figures of, where there is one."""
    judged = {one.format for one in record.result.formats}
    return {"w8": len(onnx_w8.quantised(model))} if "w8" in judged else {}


def export(
    net: Network,
    record: ExportRecord,
    x: Float32,
    *,
    root: Path,
    max_kib: float | None = None,
    also: Sequence[str] = (),
    beside: Callable[[bytes], Mapping[str, bytes]] | None = None,
) -> ExportedModel:
    """Write ``<root>/<study>/<xx>-<yy>-t<NNNN>/`` and return it as read back.

    ``net`` decides at ``record.result.offsets``, which are folded into the file. ``x (n, leads,
    samples)`` are real windows for the parity gate, the training data. ``also`` names further backends
    (`atml.artifacts.backends`), whose files lie beside and pass the same gate; ``beside`` makes further files
    of the ONNX file. An earlier export of the same trial is replaced whole; its scores are kept if it is the
    very same model.

    Raises:
        ParityError: onnxruntime and torch disagree.
        ExportError: the file is over ``max_kib`` (KiB), the folder can't be written, or a backend is unknown.
            In every case nothing is left behind, and an earlier export stays as it was.
    """
    task, result = record.task, record.result
    folded = fold_decision(net, result.offsets)
    others = [backend(name) for name in also]
    metadata = metadata_of(record)
    model = onnx_bytes(folded, task, metadata)
    parity = check_parity(model, folded, x, task)
    if max_kib is not None and len(model) > max_kib * 1024:
        raise ExportError(
            f"trial {record.trial} makes a file of {len(model) / 1024:.1f} KiB, over the {max_kib:g} KiB"
            " allowed; raise --max-size or export another trial"
        )
    files = contents(record, model, parity) | dict(beside(model) if beside else {})
    for one in others:
        files[one.file_name] = one.write(folded, task, metadata)
        check_parity(files[one.file_name], folded, x, task, run=one.run)
    study = Path(root) / safe_name(record.study)
    folder = study / f"{result.name}-t{record.trial:04d}"
    return publish(folder, files, record.trial, existing(study, record.trial))


def publish(
    folder: Path, files: Mapping[str, bytes], trial: int, replaced: Sequence[Path] = ()
) -> ExportedModel:
    """Write an export folder whole, in place of those that are ``replaced``, and return it as read back.

    Raises ExportError where it can't be written; then nothing is left behind and all stays as it was.
    """
    try:
        _publish(folder.parent, folder, files, trial, replaced)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ExportError(f"{folder} can't be written: {reason}; nothing was exported") from error
    return load(folder)


def safe_name(study: str) -> str:
    """Make a folder name of a study's: letters, digits, ``._-``, never hidden, never outside.

    A name that has to be changed gets a hash of the original, so that no two studies share a folder.
    """
    name = re.sub(r"[^\w.-]+", "_", study).lstrip(".")[:60]
    if name and name == study:
        return name
    return f"{name or 'study'}-{hashlib.sha256(study.encode(errors='surrogatepass')).hexdigest()[:6]}"


def existing(study: Path, trial: int) -> list[Path]:
    """Exports of a trial in a study's folder, whatever their metrics."""
    return [path for path in study.glob(f"*-t{trial:04d}") if re.fullmatch(r"\d+-\d+-t\d+", path.name)]


def _publish(
    study: Path, folder: Path, files: Mapping[str, bytes], trial: int, replaced: Sequence[Path]
) -> None:
    """Write aside, then rename; take an earlier export away only when the new one is complete."""
    made = [path for path in (study, *study.parents) if not path.exists()]
    aside: Path | None = None
    try:
        study.mkdir(parents=True, exist_ok=True)
        for leftover in study.glob(f".t{trial:04d}-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        aside = Path(tempfile.mkdtemp(prefix=f".t{trial:04d}-", dir=study))
        new = aside / "new"
        new.mkdir()
        for name, content in files.items():
            (new / name).write_bytes(content)
        moved: list[tuple[Path, Path]] = []
        try:
            for i, path in enumerate(replaced):
                if _same_model(path, files[MODEL]) and (path / SCORES).is_dir():
                    shutil.copytree(path / SCORES, new / SCORES, dirs_exist_ok=True)
                if (path / EVALUATIONS).is_file():
                    # A test set that one model was scored on is no fresh one for the next.
                    shutil.copyfile(path / EVALUATIONS, new / EVALUATIONS)
                moved.append((path, path.rename(aside / f"old{i}")))
            new.rename(folder)
        except OSError:
            for path, old in moved:
                old.rename(path)
            raise
    finally:
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)
        for path in made:
            # Parents made for nothing go again; one that holds an export stays.
            with contextlib.suppress(OSError):
                path.rmdir()


def _same_model(folder: Path, model: bytes) -> bool:
    file = folder / MODEL
    return file.is_file() and file.read_bytes() == model


def _dump(value: dict[str, Any]) -> bytes:
    return utf8(json.dumps(_plain(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def _plain(value: Any) -> Any:
    """Return JSON types; what is not finite becomes null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value


def _config(record: ExportRecord, model: bytes) -> dict[str, Any]:
    """What is needed to use the model and to train it again."""
    return {
        "atml": __version__,
        "study": record.study,
        "trial": record.trial,
        "model": {"file": MODEL, "sha256": hashlib.sha256(model).hexdigest(), "bytes": len(model)},
        "task": task_fields(record.task),
        "config": record.config.to_dict(),
        "threshold": record.result.threshold,
        "offsets": list(record.result.offsets),
        "seeds": {
            "search": record.search_seed,
            "runs": [run.seed for run in record.runs],
            "final": record.final.seed,
        },
        "folds": record.folds,
        "fold_by": record.fold_by,
        "length": record.length,
        "values_by_length": {str(length): value for length, value in record.values_by_length.items()},
        **({"parameters_from": record.parameters_from} if record.parameters_from else {}),
        "objective_hash": record.objective_hash,
        "labels_hash": record.labels_hash,
        "unqualified": list(record.unqualified),
        "data": stored(record.data),
        "baseline": None if record.baseline is None else record.baseline.baseline.to_dict(),
    }


def _baseline_fields(record: ExportRecord, baseline: BaselineResult) -> dict[str, Any]:
    """What the detector without a network reaches, and what the network has over it."""
    return {
        "source": "out of fold, on the same folds",
        "name": baseline.baseline.name,
        "title": baseline.baseline.title,
        "rule": baseline.baseline.describe(),
        "value": baseline.value,
        **baseline.four,
        "intervals": {key: dataclasses.asdict(interval) for key, interval in baseline.intervals.items()},
        "rates": {key: dataclasses.asdict(interval) for key, interval in baseline.rates.items()},
        "rhythms": [stored(row) for row in baseline.rhythms],
        "subjects": [dataclasses.asdict(row) for row in baseline.table.rows()],
        "size_bytes": baseline.baseline.size_bytes,
        "operations": baseline.baseline.operations(math.prod(record.task.shape[1:])),
        "network_gains": dataclasses.asdict(
            record.result.target.balanced_gain(record.result.table, baseline.table)
        ),
    }


def _counts(table: object) -> dict[str, Any]:
    """What a repeat decided of each subject, at the decision that ships: [TP, FP, FN, TN] by name."""
    if not isinstance(table, Counts):
        return {}
    cells = np.stack([table.tp, table.fp, table.fn, table.tn], axis=1).tolist()
    return {"counts": dict(zip(map(str, table.names), cells, strict=True))}


def _metrics(record: ExportRecord, parity: Parity) -> dict[str, Any]:
    """Every figure that the model card prints, and the curves behind them."""
    result = record.result
    runs = []
    for place, run in enumerate(record.runs):
        m = run.measurement
        runs.append(
            {
                "seed": run.seed,
                "value": m.value,
                "fold_values": m.fold_values,
                "train_values": m.train_values,
                "curves": m.curves,
                "seconds": m.seconds,
                "steps": m.steps,
                **_counts(result.target.table(result.decided[place]) if result.decided else None),
            }
        )
    return {
        "source": f"out of fold, {result.decision}, mean over the runs",
        **result.to_dict(),
        "value_name": record.value_name,
        "worst_value": record.worst_value,
        "baseline": None if record.baseline is None else _baseline_fields(record, record.baseline),
        "label_doubts": None if record.label_doubts is None else record.label_doubts.to_dict(),
        "runs": runs,
        "final": stored(record.final),
        "cost": dataclasses.asdict(record.cost),
        **(
            {}
            if record.board is None
            else {"board": record.board.estimate, "official": record.board.official}
        ),
        "machine": dataclasses.asdict(record.machine),
        "parity": stored(parity),
        "trials": record.trials,
    }
