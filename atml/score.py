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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from atml import data, scoring, streaming
from atml.baseline import Baseline
from atml.data.subjects import matching
from atml.errors import DataError, ExportError
from atml.exported import SCORES, Exported, infer, load
from atml.scored import ScoreReport
from atml.scoring import Judged, Rule
from atml.streaming import Streaming
from atml.types import Dataset, Predictions

Paths = Path | Sequence[Path] | None


class Looks(Protocol):
    """Where looks at test sets are kept."""

    def record(self, *, data_fingerprint: str, export_sha256: str, rule: str, result: dict[str, Any]) -> int:
        """Keep a look with its figures; return how many there have been at these data, this one included."""


def score_export(
    path: Path,
    data_paths: Paths,
    *,
    label: Callable[[str], int | None],
    looks: Looks,
    rule: str = "iesd2024",
    latency_ms: float | None = None,
    size_kib: float | None = None,
    options: Mapping[str, float] | None = None,
    leads: Sequence[str] = (),
    sampling_rate: int | None = None,
    cache: Path | None = None,
    objective_hash: str | None = None,
) -> ScoreReport:
    """Score an export folder, or an ONNX file alone, on the test split of ``data_paths`` (None: synthetic).

    ``label`` gives the class index of a rhythm name; ``latency_ms`` and ``size_kib`` are the person's own
    measurements, both needed for the total; ``options`` are the rule's own (`atml.scoring.Rule.OPTIONS`);
    ``leads`` and ``sampling_rate`` (Hz) are as in `atml.data.open`. Outputs are onnxruntime's, decided by
    the rule's own tie rule. ``objective_hash`` is that of the objectives file that ``label`` is from, to be
    compared with the one that the model was trained with.

    Of data that do not tell train from test, only subjects that the model was not trained on are scored.
    The export's baseline, if it has one, is judged on the same windows in the same look.

    Raises:
        InputError: an unknown rule, an option that it does not have, or a latency or size that is no
            measurement.
        ExportError: no export of ours there, one that the rule can't judge or that another objectives file
            made, or its folder can't be written.
        DataError: no usable test data; the training data themselves; a subject that was trained on; nobody
            left that was not.
        StudyError: the look can't be recorded; then no figure is shown.
    """
    judge = scoring.rule(rule)
    settings = scoring.settings(judge, options or {}, latency_ms=latency_ms, size_kib=size_kib)
    exported = load(path)
    judge.fits(exported.task)
    _same_objective(exported, objective_hash)
    opening: dict[str, Any] = {
        "task": exported.task,
        "label": label,
        "split": "test",
        "sampling_rate": sampling_rate,
        "cache": cache,
        "leads": tuple(leads),
    }
    dataset = _opened(exported, data_paths, opening)
    notes = [*dataset.notes, *_unseen(exported, dataset)]
    streamed, why_not = _streamed(exported, data_paths, opening)
    if why_not:
        notes.append(why_not)
    report = _measure(exported, dataset, judge, settings, latency_ms, size_kib, notes)
    return _recorded(dataclasses.replace(report, streaming=tuple(streamed)), looks)


def _trained(exported: Exported) -> tuple[str, ...]:
    """People that the model was trained on; a generated subject is none."""
    return () if exported.synthetic else exported.subjects or ()


def _opened(exported: Exported, paths: Paths, opening: Mapping[str, Any]) -> Dataset:
    """Open the test split; of a bare set, without the subjects that were trained on.

    Raises DataError, with the way out, where that leaves nobody.
    """
    trained = _trained(exported)
    try:
        return data.open(paths, **opening, leave_out=trained)
    except DataError as error:
        if not trained:
            raise
        try:
            whole = data.open(paths, **opening)
        except DataError:
            raise error from None
        if not whole.bare or not matching(whole.subject, trained).all():
            raise
        raise DataError(
            f"the model was trained on every subject of {whole.name}; give other data, or search again with"
            " --hold-out to keep some subjects for scoring"
        ) from error


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
    trained = matching(dataset.subject, exported.subjects)
    shared = sorted({str(name) for name in dataset.subject[trained]})
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
    settings: Mapping[str, float],
    latency_ms: float | None,
    size_kib: float | None,
    notes: list[str],
) -> ScoreReport:
    logits = infer(exported.model, dataset.x)
    judged = Judged(
        task=exported.task,
        y_true=dataset.y,
        y_pred=judge.decide(logits),
        subject=dataset.subject,
        rhythm=dataset.rhythm,
        x=dataset.x,
        latency_ms=latency_ms,
        size_kib=size_kib,
    )
    positive = exported.task.positive
    ties = int((Predictions(logits, dataset.y, dataset.subject, positive).margin() == 0).sum())
    if ties and len(exported.task.classes) == 2:  # the rules of two classes agree on it
        notes = [*notes, f"{ties} of {len(logits)} outputs are a tie, which counts as positive"]
    score = judge.score(judged, settings)
    return ScoreReport(
        exported=exported,
        data_name=dataset.name,
        data_fingerprint=dataset.fingerprint,
        synthetic=dataset.synthetic,
        segments=len(dataset),
        subjects=len(set(dataset.subject.tolist())),
        score=score,
        look=0,
        notes=tuple(notes),
        baseline=_beside(exported, dataset, judge, judged, settings),
    )


def _beside(
    exported: Exported, dataset: Dataset, judge: Rule, judged: Judged, settings: Mapping[str, float]
) -> scoring.Score | None:
    """Judge the export's baseline on the same windows; its speed and size were not measured."""
    if exported.baseline is None:
        return None
    called = Baseline.from_dict(exported.baseline).decide(dataset.x, dataset.sampling_rate)
    return judge.score(dataclasses.replace(judged, y_pred=called, latency_ms=None, size_kib=None), settings)


def _streamed(exported: Exported, paths: Paths, opening: Mapping[str, Any]) -> tuple[list[Streaming], str]:
    """Measure the time to decision where rhythms go on for longer than a window; else nothing, and why.

    The model's comes first, then the baseline's if there is one.
    """
    task = exported.task
    if not paths:
        return [], ""
    wanted = {key: value for key, value in opening.items() if key != "cache"}
    try:
        episodes = data.episodes(paths, **wanted, leave_out=_trained(exported))
    except DataError as error:  # opening leaves single faults out; whole episodes need whole files
        return [], f"time to decision was not measured: {error}"
    if not any(episode.label == task.positive for episode in episodes):
        return [], ""
    deciders = [streaming.decider(exported.model, task.positive)]
    if exported.baseline is not None:
        rival = Baseline.from_dict(exported.baseline)
        deciders.append(lambda x: rival.decide(x, task.sampling_rate))
    return [streaming.measure(episodes, decide, task) for decide in deciders], ""


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
