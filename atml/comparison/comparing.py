"""`atml compare`: models side by side on the same data, and what their differences are worth.

On test data every model is judged as `atml score` does it, each look on record, and nobody sees a figure
before all can be judged. Without test data the out-of-fold figures of exports stand side by side, if they are
of the same rows in the same folds; that is no look at anything.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from atml import metrics, task_files
from atml.artifacts.latency import latencies
from atml.artifacts.model import ExportedModel
from atml.comparison.compared_models import caveats, column, comparable, counts_of, names_of, others, said
from atml.comparison.published import Published
from atml.comparison.result import Comparison, Pair
from atml.errors import DataError, InputError
from atml.formatting import plural
from atml.metrics import FOUR, Interval, paired
from atml.metrics.paired import Difference
from atml.scoring.evaluation import Looks, Pending, judge_export, record
from atml.scoring.leakage import Paths
from atml.tasks import targets

OFFICIAL = {"iesd2024": ("F-beta", 5), "iccad2023": ("F-beta", None)}
"""Rules whose official figure is a mean over subjects: that figure, and the decimals it is rounded to."""

_OUT_OF_FOLD = (
    *(("value", "objective"), ("F", "F, mean F-beta over subjects")),
    *((key, key) for key in FOUR),
    *(("specificity", "specificity"), ("balanced accuracy", "balanced accuracy")),
)
"""Figures of an export's own metrics.json, by key and name."""


def on_test_data(
    exports: Sequence[ExportedModel],
    data_paths: Paths,
    *,
    looks: Callable[[], Looks],
    rule: str | None = None,
    objective: Path | None = None,
    leads: Sequence[str] = (),
    sampling_rate: int | None = None,
    options: Mapping[str, float] | None = None,
    by: str | None = None,
    runs: int = 200,
    published: Sequence[Published] = (),
) -> Comparison:
    """Judge every model on the same test data and record a look for each.

    Where the models were trained on different people, those that none of them was trained on are judged.
    ``looks`` is asked for only when all is judged. ``runs`` windows are timed for each model, 0 for none;
    ``by`` is the figure of a subject that is tested (`atml.metrics.paired.MEASURES`), the rule's own where
    None.

    Raises:
        InputError: models that can't be compared, an unknown rule or figure, and all that
            `atml.scoring.evaluation.judge_export` raises; nothing is recorded then.
    """
    comparable(exports, published)
    definition = task_files.find(exports[0].task.name, objective=objective)
    rule = rule or definition.rule
    tested = _tested(by or OFFICIAL.get(rule, ("accuracy",))[0], len(exports[0].task.classes))
    asked: dict[str, Any] = {
        "label": definition.label,
        "labels_hash": definition.labels_hash,
        "rule": rule,
        "options": options,
        "leads": tuple(leads),
        "sampling_rate": sampling_rate,
    }
    places = [one.folder or one.path for one in exports]
    pending = [judge_export(place, data_paths, **asked) for place in places]
    people = [set(one.judged.subject.tolist()) for one in pending]
    common = set.intersection(*people)
    notes: list[str] = []
    if any(some != common for some in people):
        if not common:
            raise DataError(
                f"there is nobody in {pending[0].report.data_name} whom none of these models was trained on;"
                " give other test data"
            )
        notes.append(
            f"only the {plural(len(common), 'subject')} whom none of the models was trained on are judged;"
            " alone, some could be judged on more"
        )
        pending = [judge_export(place, data_paths, **asked, only=common) for place in places]
        _every_class(pending[0])
    _same_rows(pending)
    reports = record(pending, looks)
    timed = latencies([one.model for one in exports], pending[0].judged.x, runs) if runs else None
    names = names_of(exports)
    columns = [
        column(name, report.exported, i, timed, {f.key: f.interval or f.value for f in report.score.figures})
        for i, (name, report) in enumerate(zip(names, reports, strict=True))
    ]
    columns = [replace(c, look=r.look, file=r.file) for c, r in zip(columns, reports, strict=True)]
    every = [(*report.notes, *report.score.notes) for report in reports]
    shared = [note for note in every[0] if all(note in other for other in every)]
    own = [
        f"{name}: {note}"
        for name, some in zip(names, every, strict=True)
        for note in some
        if note not in shared
    ]
    return Comparison(
        kind="test",
        rule=rule,
        data=reports[0].data_name,
        synthetic=reports[0].synthetic,
        segments=reports[0].segments,
        subjects=reports[0].subjects,
        rows=tuple((figure.key, figure.name) for figure in reports[0].score.figures),
        columns=(*columns, *others(published, [rule])),
        pairs=_pairs(names, [_measured(one, rule) for one in pending], tested),
        tested=tested,
        notes=(*notes, *shared, *own, *caveats(published)),
    )


def out_of_fold(
    exports: Sequence[ExportedModel],
    *,
    by: str | None = None,
    published: Sequence[Published] = (),
) -> Comparison:
    """Put the out-of-fold figures of exports side by side, as their metrics.json has them.

    Raises:
        InputError: models that can't be compared, or of other rows or folds; a file without its folder.
    """
    comparable(exports, published)
    tested = _tested(by or "accuracy", len(exports[0].task.classes))
    kept = [said(one) for one in exports]
    splits = [
        (config["data"]["fingerprint"], config["folds"], config["seeds"]["search"]) for config, _ in kept
    ]
    names = names_of(exports)
    for name, split in zip(names, splits, strict=True):
        if split != splits[0]:
            what = "data" if split[0] != splits[0][0] else "folds"
            raise InputError(
                f"{names[0]} and {name} were searched on other {what}, so their out-of-fold figures can't be"
                " compared; give test data with --data"
            )
    columns, measured = [], []
    for i, (exported, (_, told)) in enumerate(zip(exports, kept, strict=True)):
        intervals = {key: Interval(**one) for key, one in {**told["rates"], **told["intervals"]}.items()}
        figures: dict[str, Interval | float] = {"value": float(told["value"])}
        figures |= {key: intervals[key] for key, _ in _OUT_OF_FOLD if key in intervals}
        columns.append(column(names[i], exported, i, None, figures))
        measured.append((counts_of(told["subjects"]), paired.of_subjects(counts_of(told["subjects"]))))
    task = exports[0].task
    objectives = {str(told["value_name"]) for _, told in kept}
    rows = [row for row in _OUT_OF_FOLD if row[0] != "value" or len(objectives) == 1]
    config = kept[0][0]
    return Comparison(
        kind="out of fold",
        rule="",
        data=str(config["data"]["name"]),
        synthetic=exports[0].synthetic,
        segments=int(config["data"]["segments"]),
        subjects=len(config["data"]["subjects"]),
        rows=tuple(rows),
        columns=(*columns, *others(published, list(OFFICIAL))),
        pairs=_pairs(names, [(table.names.tolist(), some) for table, some in measured], tested),
        tested=tested,
        notes=(
            "out of fold, mean over fresh seeds, thresholds chosen on other folds: no look at test data; the"
            " models were the best of many on these very folds",
            *(
                ("searched for different objectives, whose values can't be compared",)
                if len(objectives) > 1
                else ()
            ),
            *(
                (f"differences are of {targets.binary(task).positive_name} against the rest",)
                if len(task.classes) > 2
                else ()
            ),
            *caveats(published),
        ),
    )


def _tested(by: str, classes: int) -> str:
    offered = paired.MEASURES if classes == 2 else paired.MEASURES[:1]
    if by not in offered:
        raise InputError(f"--by {by!r} is no figure of a subject here; known: {', '.join(offered)}")
    return by


def _every_class(pending: Pending) -> None:
    """Raise DataError where those who are left have windows of one class only."""
    task, left = pending.judged.task, set(pending.judged.y_true.tolist())
    missing = [name for i, name in enumerate(task.classes) if i not in left]
    if missing and len(task.classes) == 2:
        raise DataError(
            f"of the {plural(pending.report.subjects, 'subject')} of {pending.report.data_name} whom none of"
            f" these models was trained on none has {missing[0]}; give other test data"
        )


def _same_rows(pending: Sequence[Pending]) -> None:
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
    """Return the names of the subjects and each figure of them, ``(subjects,)``."""
    judged = pending.judged
    if len(judged.task.classes) > 2:
        names, code = metrics.subject_codes(judged.subject)
        right = judged.y_true == judged.y_pred
        return names.tolist(), {"accuracy": paired.accuracy(right, code, names)}
    positive = judged.task.positive
    table = metrics.counts(judged.y_true == positive, judged.y_pred == positive, judged.subject)
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
        told = replace(differences[tested], p=p, holm=holm, least=least)
        made.append(Pair(names[a], names[b], {**differences, tested: told}))
    return tuple(made)
