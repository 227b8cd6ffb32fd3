"""Scoring: an exported model on a test set, by a rule, each evaluation counted.

Only this module opens a test split. An evaluation is recorded before its figures are shown, because figures
on a test set that helped to choose among models are too optimistic for the one that was chosen.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from atml import data
from atml.artifacts import seen
from atml.artifacts.model import ExportedModel, Session, infer, load
from atml.data.dataset import Dataset
from atml.data.formats.detection import asked_of, look_all
from atml.data.formats.subject_map import meant
from atml.data.soundness import doubtful, doubts
from atml.errors import DataError, ExportError, InputError
from atml.evaluation import baselines
from atml.evaluation.baselines import Baseline
from atml.scoring import rules, time_to_decision, waveforms
from atml.scoring.beats import Decide, Which, beat_records
from atml.scoring.leakage import Paths, opened, same_labels
from atml.scoring.presentation import ScoreReport
from atml.scoring.recording import Evaluations, Pending, by_set
from atml.scoring.rules import Judged, Rule
from atml.scoring.time_to_decision import Streaming
from atml.tasks.task import MULTILABEL, WAVEFORM


def score_export(path: Path, data_paths: Paths, *, evaluations: Evaluations, **options: Any) -> ScoreReport:
    """Score an export on the test split of ``data_paths`` and record the evaluation in ``evaluations``.

    ``options`` and errors are those of `judge_export`. Nothing is recorded where an error is raised.
    """
    return judge_export(path, data_paths, **options).recorded(evaluations)


def judge_export(
    path: Path,
    data_paths: Paths,
    *,
    label: Callable[[str], int | None],
    rule: str = "iesd2024",
    latency_ms: float | None = None,
    size_kib: float | None = None,
    options: Mapping[str, float] | None = None,
    leads: Sequence[str] = (),
    sampling_rate: int | None = None,
    labels: Path | None = None,
    subjects: str = "",
    cache: Path | None = None,
    labels_hash: str | None = None,
    only: Collection[str] | None = None,
    beats: Which = "detected",
) -> Pending:
    """Judge an export folder, or an ONNX file alone, on the test split of ``data_paths`` (None: synthetic).

    The model runs in onnxruntime, and the rule turns its outputs into labels. Of data without a train and
    test split, only subjects that the model was not trained on are scored. The export's baseline, if it has
    one, is judged on the same windows in the same evaluation. One that reads pages is judged by
    `atml.scoring.waveforms`.

    Args:
        path: Export folder or ONNX file.
        data_paths: Data sets, as in `atml.data.open`.
        label: Returns the class index of a rhythm name, or None.
        rule: Name of a rule, built-in or a file in ``rules/`` (`atml.scoring.rules.rule`).
        latency_ms: Mean latency in ms, measured on the device; a contest's total needs it.
        size_kib: Size in KiB of the executable on the device; needed likewise.
        options: The rule's own, by name (`atml.scoring.rules.base.Rule.OPTIONS`).
        leads: Leads to use; those of the training where none are given.
        sampling_rate: In Hz, of data that do not state it.
        labels: Table of the recordings in a folder, as `atml.data.open` takes it.
        subjects: Whose each recording is, as `atml.data.open` takes it; that of the training where "".
        cache: Folder of the data cache.
        labels_hash: Hash of the objectives file that ``label`` comes from, compared with that of the file
            that the model was trained with.
        only: Subjects to score; all others are left out of this evaluation.
        beats: Of a task of single beats, which are judged: those that the detector finds, or those of the
            reference.

    Raises:
        InputError: an unknown rule, an option that it does not have, or a latency or size that is not above
            0.
        TaskFileError: a rule's file that can't be used.
        ExportError: no export of atml there; one that the rule can't judge, that was trained with other
            labels, or that can't tell its training subjects where they are needed; a folder that can't be
            written.
        DataError: no usable test data, the training data themselves, a subject that was trained on, or no
            subject left.
    """
    exported = load(path)
    if exported.task.kind == WAVEFORM:
        return waveforms.judge(exported, data_paths, rule=rule, cache=cache, only=only)
    judge = rules.rule(rule)
    settings = rules.settings(judge, options or {}, latency_ms=latency_ms, size_kib=size_kib)
    judge.fits(exported.task)
    if beats != "detected" and not exported.task.around_beats:
        raise InputError(
            f"--beats {beats}: task {exported.task.name!r} is not about single beats; leave it out"
        )
    notes = same_labels(exported, labels_hash)
    if exported.unqualified:
        notes.append(f"the model was exported unqualified: {'; '.join(exported.unqualified)}")
    baseline, note = _baseline(exported)
    notes += note
    told, note = _subjects(exported, data_paths, subjects)
    notes += note
    opening: dict[str, Any] = {
        "task": exported.task,
        "label": label,
        "split": "test",
        "sampling_rate": sampling_rate,
        "cache": cache,
        "labels": labels,
        "subjects": told,
    }
    opening["leads"], note = _leads(exported, data_paths, tuple(leads), opening)
    notes += note
    dataset, trained, left, found = opened(exported, data_paths, opening)
    if only is None:
        streaming, note = _streaming(exported, baseline, data_paths, {**opening, "leave_out": trained})
    else:
        dataset = _of_subjects(dataset, only)
        streaming, note = (), ["time to decision is not measured where only some subjects are scored"]
    judged = _judged(exported, dataset, judge, latency_ms, size_kib)
    theirs = None if baseline is None else _of_baseline(baseline, judged)
    if exported.task.around_beats:
        wanted = {key: value for key, value in opening.items() if key not in ("task", "label", "cache")}
        judged, theirs = _with_beats(
            exported,
            baseline,
            judge,
            data_paths,
            wanted | {"leave_out": trained},
            (judged, theirs),
            beats,
            only,
        )
    report = ScoreReport(
        exported=exported,
        data_name=dataset.name,
        data_fingerprint=dataset.fingerprint,
        synthetic=dataset.synthetic,
        windows=len(dataset),
        subjects=len(set(dataset.subject.tolist())),
        score=judge.score(judged, settings),
        evaluation=0,
        notes=(*found, *notes, *note, *_signals(exported, dataset), *_ties(judged)),
        baseline=None if theirs is None else judge.score(theirs, settings),
        streaming=streaming,
    )
    several = isinstance(data_paths, list | tuple) and len(data_paths) > 1
    return Pending(report=report, judged=judged, people=by_set(dataset, several=several), left_out=left)


def _baseline(exported: ExportedModel) -> tuple[Baseline | None, list[str]]:
    """Rebuild the export's baseline; where that fails, return None and a note."""
    if exported.baseline is None:
        return None, []
    try:
        return baselines.from_dict(exported.baseline), []
    except ExportError as error:
        return None, [f"scored without its baseline: {error}"]


def _leads(
    exported: ExportedModel, paths: Paths, asked: tuple[str, ...], opening: Mapping[str, Any]
) -> tuple[tuple[str, ...], list[str]]:
    """Return the leads to score on, those of the training unless others are asked for, and notes."""
    trained = exported.lead_choice
    if not trained or asked == trained or not _has_leads(paths, opening):
        return asked, []
    chosen = "; ".join(trained)
    if asked:
        return asked, [f"scored on lead {'; '.join(asked)}, but the model was trained on {chosen}"]
    return trained, [f"lead {chosen}, as in training"]


def _subjects(exported: ExportedModel, paths: Paths, asked: str) -> tuple[str, list[str]]:
    """Return whose the recordings are, as in training unless that is asked for, and notes.

    Raises:
        DataError: The table of the training is not there any more: who was trained on could not be told.
    """
    trained = exported.subjects_by
    if asked or not trained or not paths:
        return asked, []
    ways = "give --subjects, or --subjects data for the names that the data give"
    try:
        meant(trained)
    except DataError as error:
        raise DataError(f"the model was trained with another choice of subjects: {error}; {ways}") from None
    return trained, [f"--subjects {trained}, as in training"]


def _has_leads(paths: Paths, opening: Mapping[str, Any]) -> bool:
    """Whether any of the data offer a choice of leads, as WFDB records do."""
    options = ("task", "label", "sampling_rate", "labels", "subjects")
    asked = asked_of(**{name: opening[name] for name in options})
    return any(found.contents.chooses_leads for found in look_all(paths, asked, "test"))


def _of_subjects(dataset: Dataset, only: Collection[str]) -> Dataset:
    """Return the windows of the subjects in ``only``."""
    return dataset.take(np.flatnonzero(np.isin(dataset.subject, sorted(only))))


def _judged(
    exported: ExportedModel, dataset: Dataset, judge: Rule, latency_ms: float | None, size_kib: float | None
) -> Judged:
    """Run the model on the data; the rule turns its outputs into labels."""
    logits = infer(exported.model, dataset.x)
    return Judged(
        task=exported.task,
        y_true=dataset.y,
        y_pred=rules.labels(judge, exported.task, logits),
        subject=dataset.subject,
        rhythm=dataset.rhythm,
        x=dataset.x,
        logits=logits,
        record=getattr(dataset, "record", None),
        latency_ms=latency_ms,
        size_kib=size_kib,
    )


def _signals(exported: ExportedModel, dataset: Dataset) -> list[str]:
    """Return notes on signals in another unit than those of the training, and on windows without a heart.

    Of pages there are none: those that show nothing are no rows of a data set.
    """
    if exported.task.picture is not None:
        return []
    flat, saturated = doubtful(dataset.x, dataset.sampling_rate, round_beats=exported.task.around_beats)
    notes = (
        exported.other_unit(seen.ranges(dataset.x)),
        doubts(int(flat.sum()), int(saturated.sum()), len(dataset), "they are scored like all others"),
    )
    return [note for note in notes if note]


def _ties(judged: Judged) -> list[str]:
    """Return a note on windows whose two largest outputs are equal, and what they were decided to be.

    Labels of a multilabel task do not compete: none is a tie.
    """
    assert judged.logits is not None
    if judged.task.kind == MULTILABEL:
        return []
    two = np.sort(judged.logits, axis=1)[:, -2:]
    tie = two[:, 0] == two[:, 1]
    if not tie.any():
        return []
    called = np.unique(judged.y_pred[tie]).tolist()
    if called == [judged.task.positive]:
        what = "which counts as positive"
    else:
        what = f"called {' or '.join(judged.task.classes[i] for i in called)} by the rule"
    return [f"{int(tie.sum())} of {len(tie)} outputs are a tie, {what}"]


def _of_baseline(baseline: Baseline, judged: Judged) -> Judged:
    """Return what the export's baseline decides on the same windows.

    Its latency and size are not known. It returns labels only, so a recording gets the class that most of its
    windows are called.
    """
    called = baseline.decide(judged.x, judged.task.sampling_rate)
    return dataclasses.replace(judged, y_pred=called, logits=None, latency_ms=None, size_kib=None)


def _with_beats(
    exported: ExportedModel,
    baseline: Baseline | None,
    judge: Rule,
    paths: Paths,
    opening: Mapping[str, Any],
    judged: tuple[Judged, Judged | None],
    which: Which,
    only: Collection[str] | None,
) -> tuple[Judged, Judged | None]:
    """Add the whole recordings, beat by beat, to what the model and the baseline decided."""
    task, run = exported.task, Session(exported.model)
    deciders: list[Decide] = [lambda x: rules.labels(judge, task, run(x))]
    if baseline is not None:
        deciders.append(lambda x: baseline.decide(x, task.sampling_rate))
    found = beat_records(paths, deciders, task, opening, which=which, only=only)
    own, theirs = judged
    model = dataclasses.replace(own, beats=found[0])
    return model, None if theirs is None else dataclasses.replace(theirs, beats=found[1])


def _streaming(
    exported: ExportedModel, baseline: Baseline | None, paths: Paths, opening: Mapping[str, Any]
) -> tuple[tuple[Streaming, ...], list[str]]:
    """Measure the time to decision where episodes are longer than a window; otherwise return () and notes.

    The model's result comes first, then that of the baseline, if there is one.
    """
    task = exported.task
    if not paths or task.around_beats or task.picture is not None:
        return (), []
    if task.positive is None:
        return (), [f"time to decision is not measured: task {task.name!r} has no positive class"]
    wanted = {key: value for key, value in opening.items() if key != "cache"}
    try:
        episodes = data.episodes(paths, **wanted)
    except DataError as error:  # opening skips single faulty windows, but episodes need whole files
        return (), [f"time to decision was not measured: {error}"]
    if not any(episode.label == task.positive for episode in episodes):
        return (), []
    deciders = [time_to_decision.decider(exported.model, task)]
    if baseline is not None:
        deciders.append(lambda x: baseline.decide(x, task.sampling_rate))
    return tuple(time_to_decision.measure(episodes, decide, task) for decide in deciders), []
