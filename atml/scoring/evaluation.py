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
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from atml import data
from atml.artifacts.model import SCORES, ExportedModel, infer, load
from atml.data.dataset import Dataset
from atml.data.formats.detection import chooses_leads
from atml.errors import DataError, ExportError, StudyError
from atml.evaluation import baselines
from atml.evaluation.baselines import Baseline
from atml.metrics.predictions import Predictions
from atml.scoring import rules, time_to_decision
from atml.scoring.leakage import Paths, opened, people, same_labels
from atml.scoring.presentation import ScoreReport
from atml.scoring.rules import Judged, Rule
from atml.scoring.time_to_decision import Streaming


class Looks(Protocol):
    """Where looks at test sets are kept."""

    def record(
        self,
        *,
        data_fingerprint: str,
        export_sha256: str,
        rule: str,
        result: dict[str, Any],
        subjects: Mapping[str, Sequence[str]],
    ) -> int:
        """Keep a look with its figures; return how many there have been at these data, this one included.

        A look was at these data if the fingerprint is the same, or if it saw any of the same ``subjects`` of
        a set of the same name.
        """


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pending:
    """A model judged on test data, its look not yet on record: nobody may see a figure of it.

    ``judged`` are its decisions, ``people`` whom they are of, by set.
    """

    report: ScoreReport
    judged: Judged
    people: Mapping[str, Sequence[str]]

    def recorded(self, looks: Looks) -> ScoreReport:
        """Record the look, then write the report beside the model; whole or not at all.

        Raises ExportError where its folder can't be written, StudyError where the look can't be recorded.
        """
        return record([self], lambda: looks)[0]


def record(pending: Sequence[Pending], looks: Callable[[], Looks]) -> list[ScoreReport]:
    """Record a look for each of several models, and write each report beside its model.

    Every report is written aside before ``looks`` is asked for and the first one counts.

    Raises ExportError where a folder can't be written, and nothing is recorded then; StudyError where a look
    can't be recorded, which says how many were.
    """
    with contextlib.ExitStack() as ready:
        asides = [ready.enter_context(_aside(one.report)) for one in pending]
        reports: list[ScoreReport] = []
        kept = looks()
        for one, aside in zip(pending, asides, strict=True):
            try:
                reports.append(_recorded(one.report, kept, one.people, aside))
            except StudyError as error:
                if not reports:
                    raise
                raise StudyError(
                    f"{error}; {len(reports)} of {len(pending)} looks are on record, with no figure shown"
                ) from error
        return reports


def score_export(path: Path, data_paths: Paths, *, looks: Looks, **options: Any) -> ScoreReport:
    """Score an export on the test split of ``data_paths``, the look on record: `judge_export`, recorded.

    ``options`` are those of `judge_export`, and so is what is raised, by which nothing is recorded.
    """
    return judge_export(path, data_paths, **options).recorded(looks)


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
    cache: Path | None = None,
    labels_hash: str | None = None,
    only: Collection[str] | None = None,
) -> Pending:
    """Judge an export folder, or an ONNX file alone, on the test split of ``data_paths`` (None: synthetic).

    ``label`` gives the class index of a rhythm name; ``latency_ms`` and ``size_kib`` are the person's own
    measurements, both needed for the total; ``options`` are the rule's own
    (`atml.scoring.rules.Rule.OPTIONS`);
    ``leads`` (those of the training where none are given) and ``sampling_rate`` (Hz) are as in
    `atml.data.open`. Outputs are onnxruntime's, decided by
    the rule's own tie rule. ``labels_hash`` is that of the objectives file that ``label`` is from, to be
    compared with the one that the model was trained with. ``only`` leaves all other subjects out, which are
    none of this look then.

    Of data that do not tell train from test, only subjects that the model was not trained on are scored.
    The export's baseline, if it has one, is judged on the same windows in the same look.

    Raises:
        InputError: an unknown rule, an option that it does not have, or a latency or size that is no
            measurement.
        ExportError: no export of ours there, one that the rule can't judge or that was trained with other
            labels, one that can't say whom it was trained on where that matters, or its folder can't be
            written.
        DataError: no usable test data; the training data themselves; a subject that was trained on; nobody
            left that was not.
    """
    judge = rules.rule(rule)
    settings = rules.settings(judge, options or {}, latency_ms=latency_ms, size_kib=size_kib)
    exported = load(path)
    judge.fits(exported.task)
    labels = same_labels(exported, labels_hash)
    rival, without = _rival(exported)
    opening: dict[str, Any] = {
        "task": exported.task,
        "label": label,
        "split": "test",
        "sampling_rate": sampling_rate,
        "cache": cache,
        "leads": tuple(leads),
    }
    if exported.lead_choice and tuple(leads) != exported.lead_choice and _has_leads(data_paths):
        chosen = "; ".join(exported.lead_choice)
        if leads:
            labels = [*labels, f"scored on lead {'; '.join(leads)}, but the model was trained on {chosen}"]
        else:
            opening["leads"] = exported.lead_choice
            labels = [*labels, f"lead {chosen}, as in training"]
    dataset, notes = opened(exported, data_paths, opening)
    if only is None:
        streamed, why_not = _streamed(exported, rival, data_paths, opening)
    else:
        dataset = _of(dataset, only)
        streamed, why_not = [], "time to decision is not measured of some subjects alone"
    notes += [*labels, *filter(None, (without, why_not))]
    report, judged = _measure(exported, rival, dataset, judge, settings, latency_ms, size_kib, notes)
    report = dataclasses.replace(report, streaming=tuple(streamed))
    several = isinstance(data_paths, list | tuple) and len(data_paths) > 1
    return Pending(report=report, judged=judged, people=_by_set(dataset, several=several))


def _of(dataset: Dataset, only: Collection[str]) -> Dataset:
    """Return the segments of some subjects alone."""
    rows = np.flatnonzero(np.isin(dataset.subject, sorted(only)))
    return dataset.take(rows)


def _has_leads(paths: Paths) -> bool:
    """Whether a lead can be chosen in any of the data: in WFDB records it can."""
    every = paths if isinstance(paths, list | tuple) else () if paths is None else (paths,)
    return any(chooses_leads(Path(path)) for path in every)


def _rival(exported: ExportedModel) -> tuple[Baseline | None, str]:
    """Rebuild the export's baseline; none, and why, where it can't be."""
    if exported.baseline is None:
        return None, ""
    try:
        return baselines.from_dict(exported.baseline), ""
    except ExportError as error:
        return None, f"scored without its baseline: {error}"


def _by_set(dataset: Dataset, *, several: bool) -> dict[str, list[str]]:
    """Name the people of each set, as the set itself names them; a generated subject is nobody."""
    if dataset.synthetic:
        return {}
    names = sorted(set(dataset.subject.tolist()))
    if not several:
        return {dataset.name: names}
    found: dict[str, list[str]] = {}
    for name in names:
        place, who = name.split("/", 1)
        found.setdefault(place, []).append(who)
    return found


def _measure(
    exported: ExportedModel,
    rival: Baseline | None,
    dataset: Dataset,
    judge: Rule,
    settings: Mapping[str, float],
    latency_ms: float | None,
    size_kib: float | None,
    notes: list[str],
) -> tuple[ScoreReport, Judged]:
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
    report = ScoreReport(
        exported=exported,
        data_name=dataset.name,
        data_fingerprint=dataset.fingerprint,
        synthetic=dataset.synthetic,
        segments=len(dataset),
        subjects=len(set(dataset.subject.tolist())),
        score=score,
        look=0,
        notes=tuple(notes),
        baseline=_beside(rival, dataset, judge, judged, settings),
    )
    return report, judged


def _beside(
    rival: Baseline | None, dataset: Dataset, judge: Rule, judged: Judged, settings: Mapping[str, float]
) -> rules.Score | None:
    """Judge the export's baseline on the same windows; its speed and size were not measured."""
    if rival is None:
        return None
    called = rival.decide(dataset.x, dataset.sampling_rate)
    return judge.score(dataclasses.replace(judged, y_pred=called, latency_ms=None, size_kib=None), settings)


def _streamed(
    exported: ExportedModel, rival: Baseline | None, paths: Paths, opening: Mapping[str, Any]
) -> tuple[list[Streaming], str]:
    """Measure the time to decision where rhythms go on for longer than a window; else nothing, and why.

    The model's comes first, then the baseline's if there is one.
    """
    task = exported.task
    if not paths:
        return [], ""
    wanted = {key: value for key, value in opening.items() if key != "cache"}
    try:
        episodes = data.episodes(paths, **wanted, leave_out=people(exported, paths))
    except DataError as error:  # opening leaves single faults out; whole episodes need whole files
        return [], f"time to decision was not measured: {error}"
    if not any(episode.label == task.positive for episode in episodes):
        return [], ""
    deciders = [time_to_decision.decider(exported.model, task)]
    if rival is not None:
        deciders.append(lambda x: rival.decide(x, task.sampling_rate))
    return [time_to_decision.measure(episodes, decide, task) for decide in deciders], ""


def _recorded(
    report: ScoreReport, looks: Looks, subjects: Mapping[str, Sequence[str]], aside: Path | None
) -> ScoreReport:
    """Record the look, then put the report in its place."""
    look = looks.record(
        data_fingerprint=report.data_fingerprint,
        export_sha256=report.exported.sha256,
        rule=report.score.rule,
        result={key: value for key, value in report.to_dict().items() if key != "look"},
        subjects=subjects,
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


@contextlib.contextmanager
def _aside(report: ScoreReport) -> Iterator[Path | None]:
    """Write the report aside, so that a full disk or a read-only folder is found before the look counts."""
    if report.exported.folder is None:
        yield None
        return
    scores = report.exported.folder / SCORES
    aside: Path | None = None
    try:
        try:
            scores.mkdir(exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=f".{report.score.rule}-", dir=scores)
            os.close(handle)
            aside = Path(name)
            aside.chmod(0o644)
            aside.write_text(_json(report), encoding="utf-8")
        except OSError as error:
            raise ExportError(f"{scores} can't be written: {error.strerror}; nothing was scored") from error
        yield aside
    finally:
        if aside is not None:
            aside.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            scores.rmdir()  # only if nothing was ever scored here


def _free(folder: Path, rule: str, look: int) -> Path:
    """Name a file after the look; another database may have counted the same one here before."""
    while (folder / f"{rule}-{look}.json").exists():
        look += 1
    return folder / f"{rule}-{look}.json"


def _json(report: ScoreReport) -> str:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    fields = {"at": now, **report.to_dict()}
    return json.dumps(fields, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
