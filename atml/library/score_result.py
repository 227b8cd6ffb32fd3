"""`atml.score`: one evaluation of an exported model on test data, counted as the command line counts it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from atml import task_files
from atml.library.loaded_model import Model, load
from atml.library.path_arguments import PathLike, paths
from atml.scoring.evaluation import judge_export
from atml.storage import Store, urls
from atml.tasks import targets

if TYPE_CHECKING:
    from pandas import DataFrame

    from atml.scoring.presentation import ScoreReport
    from atml.scoring.rules import Judged


@dataclass(frozen=True, kw_only=True)
class ScoreResult:
    """One evaluation of a model on a test set; ``print(result)`` shows what ``atml score`` prints.

    ``figures`` are the rule's by key, the official ones first, ``intervals`` their 95% intervals over
    subjects ``(low, high)``. ``total`` is what a contest awards, None where the rule awards nothing or no
    latency and size were given. ``evaluation`` is the number of evaluations of this test set so far, this one
    included: the figures of a model that earlier ones helped to choose are too optimistic. ``file`` is where
    the report was written, None for an ONNX file outside its export folder. ``notes`` are one line each.

    Example:
        >>> export, counted = "exports/small/97-91-t0138", "sqlite:///counted.db"
        >>> result = score(export, "afib.npz", rule="records", storage=counted)
        >>> sorted(result.figures)[:3]
        ['F1', 'accuracy', 'balanced accuracy']
        >>> result.subjects["records"].tolist() == [1] * len(result.subjects)
        True
    """

    rule: str
    figures: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]] = field(repr=False)
    total: float | None
    evaluation: int
    subjects: DataFrame = field(repr=False)
    """One row a subject, of what the rule judges: windows, or whole records (see `atml.Judged.records`).

    Columns: ``subject``; ``windows``, ``pages``, or ``records`` under a rule that judges these, how many;
    ``correct``, how many of them were decided right; ``accuracy``; and for each class ``true_CLASS`` and
    ``decided_CLASS``, how many are of that class and how many were decided to be."""
    notes: tuple[str, ...] = field(repr=False)
    file: Path | None
    report: ScoreReport = field(repr=False)
    """Everything above, as the command line uses it."""

    def to_dict(self) -> dict[str, Any]:
        """Return what ``atml score --json`` prints."""
        return self.report.to_dict()

    def __getitem__(self, key: str) -> float:
        """Return a figure by its key; raises KeyError for one that this rule does not have."""
        return self.report.score[key]

    def __str__(self) -> str:
        return self.report.render()


def score(
    model: Model | PathLike,
    data: PathLike | Sequence[PathLike] | None = None,
    *,
    rule: str | None = None,
    latency_ms: float | None = None,
    size_kib: float | None = None,
    vf_amplitude: float | None = None,
    vt_rate: float | None = None,
    rule_options: Mapping[str, float] | None = None,
    lead: str | Sequence[str] = (),
    sampling_rate: int | None = None,
    labels: PathLike | None = None,
    subjects: PathLike | None = None,
    objective: PathLike | None = None,
    beats: Literal["detected", "reference"] = "detected",
    storage: str | None = None,
) -> ScoreResult:
    """Score a model on test data by a rule. The evaluation is counted before any figure is returned.

    Args:
        model: What `atml.load` returned, or its path.
        data: Test data, as for ``atml score --data``; None for synthetic ECG.
        rule: Name of an official rule or of a file ``rules/NAME.py``; None for the task's.
        latency_ms: Latency of a window measured on your device; a rule's total needs it and ``size_kib``.
        size_kib: Size of your whole executable.
        vf_amplitude: For rule aha-aed, in mV: fibrillation of at least this amplitude is coarse.
        vt_rate: For rule aha-aed, in beats per minute: tachycardia above this rate is rapid.
        rule_options: Options of the rule by name, such as those in ``OPTIONS`` of a file in ``rules/``.
        lead: Lead by name or number, one entry for each lead of the task; those of the training by default.
        sampling_rate: Sampling rate in Hz of files that don't state theirs; None for the task's.
        labels: Table (file, label, patient) of recordings in a folder that tells their labels nowhere else.
        subjects: Table (recording, subject), or a regular expression with brackets around the subject, that
            says whose each recording is; "data" for the names that the data give;
            None for what the training took.
        objective: Objective file of the model's search, if it is not the task's.
        beats: For a task of single beats: those that the detector finds, or those of the reference.
        storage: Database in which the evaluation is counted; None for ``$ATML_STORAGE``, else ``studies.db``
            in the working directory, made if need be.

    Returns:
        The `ScoreResult`. Its report is also written to ``scores/`` in the export folder.

    Raises:
        ExportError: no export of atml there, or one that the rule can't judge.
        DataError: no usable test data, or test subjects that the model was trained on.
        StudyError: the evaluation can't be counted; no figure is shown then.
        InputError: an unknown rule, or an option that it does not have.
        TaskFileError: the model's task, or the rule's file, is not there or can't be used.

    Example:
        >>> result = score("exports/small/97-91-t0138", "afib.npz")
        >>> result.rule, round(result["F"], 4)
        ('iesd2024', 0.5959)
        >>> list(result.subjects.columns)[:4]
        ['subject', 'windows', 'correct', 'accuracy']
    """
    found = model if isinstance(model, Model) else load(model)
    asked = None if objective is None else os.fspath(objective)
    definition = task_files.find(found.task.name, objective=asked)
    flags = {"vf_amplitude": vf_amplitude, "vt_rate": vt_rate}
    options = {**(rule_options or {}), **{name: value for name, value in flags.items() if value is not None}}
    pending = judge_export(
        found.exported.folder or found.path,
        paths(data) or None,
        label=definition.label,
        labels_hash=definition.labels_hash,
        rule=rule or definition.rule,
        latency_ms=latency_ms,
        size_kib=size_kib,
        options=options,
        leads=(lead,) if isinstance(lead, str) else tuple(lead),
        sampling_rate=sampling_rate,
        labels=None if labels is None else Path(labels),
        subjects="" if subjects is None else os.fspath(subjects),
        beats=beats,
    )
    store = Store(storage or urls.default())
    try:
        report = pending.recorded(store)
    finally:
        store.close()
    return _result(report, pending.judged)


def _result(report: ScoreReport, judged: Judged) -> ScoreResult:
    figures, total = report.score.figures, report.score.total
    return ScoreResult(
        rule=report.score.rule,
        figures={figure.key: figure.value for figure in figures},
        intervals={f.key: (f.interval.low, f.interval.high) for f in figures if f.interval is not None},
        total=None if total is None else total.value,
        evaluation=report.evaluation,
        subjects=by_subject(judged, records=report.score.records is not None),
        notes=(*report.notes, *report.score.notes),
        file=report.file,
        report=report,
    )


def by_subject(judged: Judged, *, records: bool) -> DataFrame:
    """Return the table `ScoreResult.subjects`: counts of windows, or of ``records``."""
    import pandas as pd

    if records:
        found = judged.records()
        unit, subject = "records", found.predictions.subject
        true, decided = found.predictions.y, found.labels()
    else:
        unit = "windows" if judged.task.picture is None else "pages"
        subject, true, decided = judged.subject, judged.y_true, judged.y_pred
    names, which = np.unique(subject, return_inverse=True)
    count = np.bincount(which)
    correct = np.bincount(which, weights=true == decided).astype(np.int64)
    columns: dict[str, Any] = {
        "subject": names,
        unit: count,
        "correct": correct,
        "accuracy": correct / count,
    }
    for word, labels in (("true", true), ("decided", decided)):
        for name, mine in zip(judged.task.classes, targets.having(judged.task, labels).T, strict=True):
            columns[f"{word}_{name}"] = np.bincount(which, weights=mine).astype(np.int64)
    return pd.DataFrame(columns)
