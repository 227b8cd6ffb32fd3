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

from atml import task_files
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
from atml.comparison.judging import OFFICIAL, by_subject, judged_together, official_of, same_windows
from atml.comparison.result import LABEL_MEASURES, WAVEFORM_MEASURES, Comparison, Pair
from atml.data.cases import case_of
from atml.errors import InputError
from atml.metrics import paired
from atml.metrics.paired import Difference
from atml.scoring.leakage import Paths
from atml.scoring.presentation import ScoreReport
from atml.scoring.published import Published
from atml.scoring.recording import Evaluations, record
from atml.tasks import targets
from atml.tasks.task import MULTILABEL, WAVEFORM, Task


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
    tested = _tested(by or official_of(rule, task), task)
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
    pending, notes = judged_together(exports, data_paths, asked)
    same_windows(pending)
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
        rule=first.score.rule,
        data=first.data_name,
        synthetic=first.synthetic,
        segments=first.windows,
        cases=case_of(exports[0].task).many,
        subjects=first.subjects,
        rows=tuple((figure.key, figure.name) for figure in first.score.figures),
        columns=(*columns, *others(published, [rule])),
        pairs=_pairs(names, [by_subject(one, rule) for one in pending], tested),
        tested=tested,
        notes=(*notes, *_notes(names, reports), *caveats(published, "test", first.windows, seen)),
    )


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
    tested = _tested(by or official_of(rule, task, kept=True), task, kept=True)
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
        cases=case_of(task).many,
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


def _tested(by: str, task: Task, *, kept: bool = False) -> str:
    """Return the figure that is tested; raises InputError for one that the task's subjects don't have."""
    offered: tuple[str, ...] = paired.MEASURES if len(task.classes) == 2 else paired.MEASURES[:1]
    if task.kind == MULTILABEL:
        offered = LABEL_MEASURES
    if task.kind == WAVEFORM:
        offered = WAVEFORM_MEASURES[kept:]
    if by not in offered:
        raise InputError(f"--by {by!r} is no figure of a subject here; known: {', '.join(offered)}")
    return by


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
