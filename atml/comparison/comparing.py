"""Models side by side on the same data, and what their differences are worth: `atml compare`.

On test data every model is judged as `atml score` does it. Nobody sees a figure before all are judged, and
each evaluation is recorded. Without test data the out-of-fold figures of exports are compared, if they are
of the same windows in the same folds; no test set is evaluated then.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from atml import metrics, task_files
from atml.artifacts.latency import Latency, latencies
from atml.artifacts.model import ExportedModel
from atml.comparison.compared_models import (
    caveats,
    column,
    comparable,
    kept_intervals,
    kept_results,
    names_of,
    others,
    out_of_fold_rows,
    subject_figures,
)
from atml.comparison.result import Comparison, Pair
from atml.errors import DataError, InputError
from atml.formatting import plural
from atml.metrics import paired
from atml.metrics.paired import Difference
from atml.scoring.evaluation import judge_export
from atml.scoring.leakage import Paths
from atml.scoring.presentation import ScoreReport
from atml.scoring.published import Published
from atml.scoring.recording import Evaluations, Pending, record
from atml.tasks import targets
from atml.tasks.task import Task

OFFICIAL = {"iesd2024": ("F-beta", 5), "iccad2023": ("F-beta", None)}
"""Rules whose official figure is a mean over subjects: that figure, and the decimals it is rounded to."""


def official_of(rule: str) -> str:
    """Return the figure of a subject that is tested where nobody names one: that of the rule, or accuracy."""
    return OFFICIAL.get(rule, ("accuracy", None))[0]


def on_test_data(
    exports: Sequence[ExportedModel],
    data_paths: Paths,
    *,
    evaluations: Callable[[], Evaluations],
    rule: str | None = None,
    objective: Path | None = None,
    leads: Sequence[str] = (),
    sampling_rate: int | None = None,
    labels: Path | None = None,
    subjects: str = "",
    options: Mapping[str, float] | None = None,
    by: str | None = None,
    runs: int = 200,
    published: Sequence[Published] = (),
) -> Comparison:
    """Judge every model on the same test data and record an evaluation for each.

    Where the models were trained on different subjects, only those that none was trained on are judged.
    ``evaluations`` is called only when all models are judged.

    Args:
        exports: Models of one task, with the same window, sampling rate and leads.
        data_paths: Data sets, as in `atml.data.open`.
        evaluations: Opens the place where evaluations are recorded.
        rule: Name of a scoring rule; that of the task where None.
        objective: Objectives file, if not the task's.
        leads: As in `atml.scoring.evaluation.judge_export`, and so are ``sampling_rate`` and ``options``.
        sampling_rate: In Hz.
        labels: Table of the recordings in a folder.
        subjects: Whose each recording is; that of the training where "".
        options: The rule's own.
        by: Figure of a subject that is tested (`atml.metrics.paired.MEASURES`; accuracy alone with more than
            two classes); the rule's own, or accuracy, where None.
        runs: Windows that are timed for each model, 0 for none.
        published: Figures of others, shown beside.

    Raises:
        InputError: models that can't be compared, an unknown rule or figure, and all that
            `atml.scoring.evaluation.judge_export` raises; nothing is recorded then.
    """
    comparable(exports, published)
    task = exports[0].task
    definition = task_files.find(task.name, objective=objective)
    rule = rule or definition.rule
    tested = _tested(by or official_of(rule), task)
    asked: dict[str, Any] = {
        "label": definition.label,
        "labels_hash": definition.labels_hash,
        "rule": rule,
        "options": options,
        "leads": tuple(leads),
        "sampling_rate": sampling_rate,
        "labels": labels,
        "subjects": subjects,
    }
    pending, notes = _judged(exports, data_paths, asked)
    _same_windows(pending)
    reports = record(pending, evaluations)
    timed: Sequence[Latency | None] = [None] * len(exports)
    if runs:
        timed = latencies([one.model for one in exports], pending[0].judged.x, runs)
    names = names_of(exports)
    columns = [
        replace(
            column(name, one.exported, {f.key: f.interval or f.value for f in one.score.figures}, latency),
            look=one.evaluation,
            file=one.file,
        )
        for name, one, latency in zip(names, reports, timed, strict=True)
    ]
    first, seen = reports[0], set(pending[0].judged.subject.tolist())
    return Comparison(
        kind="test",
        rule=rule,
        data=first.data_name,
        synthetic=first.synthetic,
        segments=first.windows,
        subjects=first.subjects,
        rows=tuple((figure.key, figure.name) for figure in first.score.figures),
        columns=(*columns, *others(published, [rule])),
        pairs=_pairs(names, [_measured(one, rule) for one in pending], tested),
        tested=tested,
        notes=(*notes, *_notes(names, reports), *caveats(published, "test", first.windows, seen)),
    )


def _judged(
    exports: Sequence[ExportedModel], data_paths: Paths, asked: Mapping[str, Any]
) -> tuple[list[Pending], list[str]]:
    """Judge the models on the subjects that none of them was trained on; with what to say of these."""
    places = [one.folder or one.path for one in exports]
    pending = [judge_export(place, data_paths, **asked) for place in places]
    subjects = [set(one.judged.subject.tolist()) for one in pending]
    common = set.intersection(*subjects)
    if all(some == common for some in subjects):
        return pending, []
    if not common:
        raise DataError(
            f"there is nobody in {pending[0].report.data_name} whom none of these models was trained on;"
            " give other test data"
        )
    pending = [judge_export(place, data_paths, **asked, only=common) for place in places]
    note = (
        f"only the {plural(len(common), 'subject')} whom none of the models was trained on are judged;"
        " alone, some could be judged on more"
    )
    return pending, [note, *_missing_classes(pending[0])]


def _notes(names: Sequence[str], reports: Sequence[ScoreReport]) -> list[str]:
    """Collect the notes of all reports: shared ones once, others with the name of their model."""
    every = [(*report.notes, *report.score.notes) for report in reports]
    shared = [note for note in every[0] if all(note in other for other in every)]
    return shared + [
        f"{name}: {note}"
        for name, some in zip(names, every, strict=True)
        for note in some
        if note not in shared
    ]


def out_of_fold(
    exports: Sequence[ExportedModel],
    *,
    objective: Path | None = None,
    by: str | None = None,
    published: Sequence[Published] = (),
) -> Comparison:
    """Put the out-of-fold figures of exports side by side, as their metrics.json has them.

    ``objective``, ``by`` and ``published`` are as in `on_test_data`: the same figure is tested as there by
    the task's own rule.

    Raises:
        InputError: models that can't be compared, or of other windows or folds; a file without its folder.
    """
    comparable(exports, published)
    task = exports[0].task
    rule = "" if by else task_files.find(task.name, objective=objective).rule
    tested = _tested(by or official_of(rule), task)
    kept = [kept_results(one) for one in exports]
    names = names_of(exports)
    _same_folds(names, [config for config, _ in kept])
    objectives = {str(found["value_name"]) for _, found in kept}
    rows = [row for row in out_of_fold_rows(task) if row[0] != "value" or len(objectives) == 1]
    columns = [
        column(name, exported, kept_intervals(found, task))
        for name, exported, (_, found) in zip(names, exports, kept, strict=True)
    ]
    config = kept[0][0]
    windows, subjects = int(config["data"]["segments"]), [str(name) for name in config["data"]["subjects"]]
    notes = [
        "out of fold, as each model's card has it: no test set was evaluated; the models were the best of"
        " many on these very folds"
    ]
    if len(objectives) > 1:
        notes.append("searched for different objectives, whose values can't be compared")
    if task.positive is not None and len(task.classes) > 2:
        notes.append(f"differences are of {targets.binary(task).positive_name} against the rest")
    return Comparison(
        kind="out of fold",
        rule="",
        data=str(config["data"]["name"]),
        synthetic=exports[0].synthetic,
        segments=windows,
        subjects=len(subjects),
        rows=tuple(rows),
        columns=(*columns, *others(published, list(OFFICIAL))),
        pairs=_pairs(names, [subject_figures(found["subjects"], task) for _, found in kept], tested),
        tested=tested,
        notes=(*notes, *caveats(published, "out of fold", windows, subjects)),
    )


def _same_folds(names: Sequence[str], configs: Sequence[Mapping[str, Any]]) -> None:
    """Raise InputError where models were searched on other data or in other folds."""
    splits = [
        (one["data"]["fingerprint"], one["folds"], one.get("fold_by", "subject"), one["seeds"]["search"])
        for one in configs
    ]
    for name, split in zip(names, splits, strict=True):
        if split != splits[0]:
            what = "data" if split[0] != splits[0][0] else "folds"
            raise InputError(
                f"{names[0]} and {name} were searched on other {what}, so their out-of-fold figures can't be"
                " compared; give test data with --data"
            )


def _tested(by: str, task: Task) -> str:
    """Return the figure that is tested; raises InputError for one that the task's subjects don't have."""
    offered = paired.MEASURES if len(task.classes) == 2 else paired.MEASURES[:1]
    if by not in offered:
        raise InputError(f"--by {by!r} is no figure of a subject here; known: {', '.join(offered)}")
    return by


def _missing_classes(pending: Pending) -> list[str]:
    """Say which classes have no windows of those who are left; of two classes both are needed.

    Raises DataError where one of two has none.
    """
    task, report = pending.judged.task, pending.report
    left = set(pending.judged.y_true.tolist())
    missing = [name for i, name in enumerate(task.classes) if i not in left]
    if missing and len(task.classes) == 2:
        raise DataError(
            f"of the {plural(report.subjects, 'subject')} of {report.data_name} whom none of these models was"
            f" trained on none has {missing[0]}; give other test data"
        )
    return [f"nobody who is judged has {name}" for name in missing]


def _same_windows(pending: Sequence[Pending]) -> None:
    """Raise DataError where models were not judged on the very same windows."""
    first = pending[0]
    for other in pending[1:]:
        same = (
            len(other.judged.y_true) == len(first.judged.y_true)
            and np.array_equal(other.judged.y_true, first.judged.y_true)
            and np.array_equal(other.judged.subject, first.judged.subject)
            and np.array_equal(other.judged.x, first.judged.x)
        )
        if not same:
            raise DataError(
                f"{first.report.exported.path} and {other.report.exported.path} see other windows of"
                f" {first.report.data_name}; name the lead that both are to be judged on with --lead"
            )


def _measured(pending: Pending, rule: str) -> tuple[list[str], dict[str, Any]]:
    """Return the names of the subjects and each figure of them, ``(subjects,)``.

    They are of whole recordings where the rule's figures are.
    """
    judged = pending.judged
    true, called, subject = judged.y_true, judged.y_pred, judged.subject
    if pending.report.score.records is not None:
        found = judged.records()
        true, called, subject = found.predictions.y, found.labels(), found.predictions.subject
    if len(judged.task.classes) > 2:
        names, code = metrics.subject_codes(subject)
        return names.tolist(), {"accuracy": paired.accuracy(true == called, code, names)}
    positive = judged.task.positive
    table = metrics.counts(true == positive, called == positive, subject)
    decimals = OFFICIAL.get(rule, ("", metrics.DECIMALS))[1]
    return table.names.tolist(), dict(paired.of_subjects(table, decimals=decimals))


def _pairs(
    names: Sequence[str], measured: Sequence[tuple[list[str], dict[str, Any]]], tested: str
) -> tuple[Pair, ...]:
    """Compare every two models; one figure is tested, corrected for the number of pairs."""
    two = list(itertools.combinations(range(len(names)), 2))
    chances = [paired.sign_flip(measured[a][1][tested], measured[b][1][tested]) for a, b in two]
    corrected = paired.holm([p for p, _ in chances])
    # A corrected p falls with any p of the family: the least it can come to has all of them at their least.
    leasts = paired.holm([least for _, least in chances])
    made = []
    for (a, b), (p, _), holm, least in zip(two, chances, corrected, leasts, strict=True):
        assert measured[a][0] == measured[b][0], "the same subjects in the same order"
        differences: dict[str, Difference] = {}
        for name, first in measured[a][1].items():
            second = measured[b][1][name]
            if np.isfinite(first - second).any():
                differences[name] = paired.difference(first, second)
        with_test = replace(differences[tested], p=p, holm=holm, least=least)
        made.append(Pair(names[a], names[b], {**differences, tested: with_test}))
    return tuple(made)
