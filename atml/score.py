"""Official scoring: an exported model on a test set, by a rule, each look counted.

The only place that opens a test split. A look is on record before anyone sees its figures: a test set
that helped to choose among models says less about the one that was chosen.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from atml import data, scoring
from atml.errors import DataError, ExportError
from atml.exported import SCORES, Exported, infer, load
from atml.metrics import bootstrap
from atml.scored import ScoreReport
from atml.scoring import Rule
from atml.types import Dataset, Predictions


class Looks(Protocol):
    """Where looks at test sets are kept."""

    def record(self, *, data_fingerprint: str, export_sha256: str, rule: str, result: dict[str, Any]) -> int:
        """Keep a look with its figures; return how many there have been at these data, this one included."""


def score_export(
    path: Path,
    data_path: Path | None,
    *,
    label: Callable[[str], int | None],
    looks: Looks,
    rule: str = "iesd2024",
    latency_ms: float | None = None,
    size_kib: float | None = None,
    sampling_rate: int | None = None,
    cache: Path | None = None,
    objective_hash: str | None = None,
) -> ScoreReport:
    """Score an export folder, or an ONNX file alone, on the test split of ``data_path`` (None: synthetic).

    ``label`` gives the class index of a rhythm name; ``latency_ms`` and ``size_kib`` are the person's own
    measurements, both needed for the total; ``sampling_rate`` (Hz) is that of the files if they are not at
    the task's. Outputs are onnxruntime's, decided by the rule's own tie rule. ``objective_hash`` is that of
    the objectives file that ``label`` is from, to be compared with the one that the model was trained with.

    Raises:
        InputError: an unknown rule, or a latency or size that is no measurement.
        ExportError: no export of ours there, one that the rule can't judge or that another objectives file
            made, or its folder can't be written.
        DataError: no usable test data; the training data themselves; a subject that was trained on.
        StudyError: the look can't be recorded; then no figure is shown.
    """
    judge = scoring.rule(rule)
    exported = load(path)
    _fits(exported, judge)
    _same_objective(exported, objective_hash)
    if latency_ms is not None or size_kib is not None:
        judge.check(latency_ms, size_kib)
    dataset = data.open(
        data_path,
        task=exported.task,
        label=label,
        split="test",
        sampling_rate=sampling_rate,
        cache=cache,
    )
    notes = [*dataset.notes, *_unseen(exported, dataset)]
    report = _measure(exported, dataset, judge, latency_ms, size_kib, notes)
    return _recorded(report, looks)


def _fits(exported: Exported, judge: Rule) -> None:
    """Raise ExportError for a model that the rule can't judge."""
    task = exported.task
    if len(task.classes) != judge.CLASSES or task.positive != judge.POSITIVE:
        raise ExportError(
            f"rule {judge.NAME} judges {judge.CLASSES} classes with the positive one at {judge.POSITIVE};"
            f" {exported.path} has {task.classes}, positive {task.positive}; choose another rule"
        )


def _same_objective(exported: Exported, objective_hash: str | None) -> None:
    """Raise ExportError where the labels would be another objective's; an older file can't tell."""
    if objective_hash and exported.objective_hash and objective_hash != exported.objective_hash:
        raise ExportError(
            f"{exported.path} was trained with another objectives file than the one found for"
            f" {exported.task.name!r}; give that file with --objective"
        )


def _unseen(exported: Exported, dataset: Dataset) -> list[str]:
    """Raise DataError if the model was trained on any of these subjects; say so where that can't be told."""
    if dataset.fingerprint == exported.data_fingerprint:
        raise DataError(
            f"{dataset.name} is what trial {exported.trial} was trained on; give data that it never saw"
        )
    if dataset.synthetic != exported.synthetic:
        return []  # A generated subject and a person of the same name are not the same.
    if exported.subjects is None:
        return [
            "the file does not list its training subjects, so they could not be compared with these;"
            " score it in its export folder"
        ]
    shared = sorted(set(exported.subjects) & {str(name) for name in set(dataset.subject.tolist())})
    if shared:
        more = f" and {len(shared) - 8} more" if len(shared) > 8 else ""
        raise DataError(
            f"the model was trained on subjects of this test set: {', '.join(shared[:8])}{more};"
            " leave them out, or rename them if they are other people"
        )
    return []


def _measure(
    exported: Exported,
    dataset: Dataset,
    judge: Rule,
    latency_ms: float | None,
    size_kib: float | None,
    notes: list[str],
) -> ScoreReport:
    logits = infer(exported.model, dataset.x)
    called = judge.decide(logits)
    score = judge.score(dataset.y, called, dataset.subject, latency_ms=latency_ms, size_kib=size_kib)
    ties = int((Predictions(logits, dataset.y, dataset.subject, judge.POSITIVE).margin() == 0).sum())
    if ties:
        notes = [*notes, f"{ties} of {len(logits)} outputs are a tie, which counts as positive"]
    return ScoreReport(
        exported=exported,
        data_name=dataset.name,
        data_fingerprint=dataset.fingerprint,
        synthetic=dataset.synthetic,
        segments=len(dataset),
        score=score,
        intervals=bootstrap(score.counts, good=score.good),
        look=0,
        notes=tuple(notes),
    )


def _recorded(report: ScoreReport, looks: Looks) -> ScoreReport:
    """Record the look, then write the report beside the model; whole or not at all."""
    aside = _aside(report)
    try:
        look = looks.record(
            data_fingerprint=report.data_fingerprint,
            export_sha256=report.exported.sha256,
            rule=report.score.rule,
            result={key: value for key, value in report.to_dict().items() if key != "look"},
        )
        report = dataclasses.replace(report, look=look)
        if aside is None:
            return report
        try:
            aside.write_text(_json(report), encoding="utf-8")
            file = _free(aside.parent, report.score.rule, look)
            aside.replace(file)
        except OSError as error:
            # The look is on record: its figures are shown, and what is missing is said.
            note = f"the report could not be written to {aside.parent}: {error.strerror}"
            return dataclasses.replace(report, notes=(*report.notes, note))
        return dataclasses.replace(report, file=file)
    finally:
        if aside is not None:
            aside.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                aside.parent.rmdir()  # only if nothing was ever scored here


def _aside(report: ScoreReport) -> Path | None:
    """Write the report aside, so that a full disk or a read-only folder is found before the look counts."""
    if report.exported.folder is None:
        return None
    scores = report.exported.folder / SCORES
    aside: Path | None = None
    try:
        scores.mkdir(exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{report.score.rule}-", dir=scores)
        os.close(handle)
        aside = Path(name)
        aside.chmod(0o644)
        aside.write_text(_json(report), encoding="utf-8")
    except OSError as error:
        if aside is not None:
            aside.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            scores.rmdir()
        raise ExportError(f"{scores} can't be written: {error.strerror}; nothing was scored") from error
    return aside


def _free(folder: Path, rule: str, look: int) -> Path:
    """Name a file after the look; another database may have counted the same one here before."""
    while (folder / f"{rule}-{look}.json").exists():
        look += 1
    return folder / f"{rule}-{look}.json"


def _json(report: ScoreReport) -> str:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    fields = {"at": now, **report.to_dict()}
    return json.dumps(fields, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
