"""Models to be compared: exports on disk and published figures, as columns of one table."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from atml.arrays import Floats
from atml.artifacts.latency import Latency
from atml.artifacts.model import CONFIG, METRICS, ExportedModel, load
from atml.comparison.result import LABEL_MEASURES, WAVEFORM_MEASURES, Column
from atml.errors import ExportError, InputError
from atml.formatting import plural
from atml.metrics import FOUR, Interval, paired
from atml.metrics.waveform import READ_DB
from atml.models.budget import Cost
from atml.scoring.official_total import counts_of_rows
from atml.scoring.published import Published
from atml.tasks.task import MULTILABEL, WAVEFORM, Task

ANY_RULE = (*FOUR, "specificity", "NPV", "sensitivity", "PPV", "balanced accuracy", "balanced_accuracy")
"""Figures that mean the same under every rule; the others are a rule's own."""


def found(named: Sequence[str], best: Callable[[str], Path | None]) -> list[ExportedModel]:
    """Load the models named: export folders, ONNX files, or studies, whose best export ``best`` gives.

    Raises:
        ExportError: Not an export of ours.
        InputError: Neither a path nor a study, or the same model twice.
    """
    exports: list[ExportedModel] = []
    for name in named:
        path = Path(name)
        exported = load(path if _is_there(path) else best(name) or path)
        twin = next((i for i, other in enumerate(exports) if other.sha256 == exported.sha256), None)
        if twin is not None:
            raise InputError(f"{named[twin]} and {name} are the same model; give another one")
        exports.append(exported)
    return exports


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # too long for a name
        return False


def comparable(exports: Sequence[ExportedModel], published: Sequence[Published]) -> None:
    """Raise InputError where there is nothing to compare, or models that do another thing."""
    if not exports:
        raise InputError("name at least one export or study to compare")
    if len(exports) + sum(len(one.entries) for one in published) < 2:
        raise InputError(f"{exports[0].path} alone can't be compared; name a second one, or --published")
    first = exports[0]
    for other in exports[1:]:
        for what, mine, theirs in (
            ("task", first.task.name, other.task.name),
            ("kind of task", first.task.kind, other.task.kind),
            ("classes", " and ".join(first.task.classes), " and ".join(other.task.classes)),
            ("windows" if first.task.picture is None else "pages", _size(first.task), _size(other.task)),
            ("sampling rate", f"{first.task.sampling_rate} Hz", f"{other.task.sampling_rate} Hz"),
            ("leads", str(first.task.leads), str(other.task.leads)),
            ("seconds after a beat", str(first.task.after_beat), str(other.task.after_beat)),
        ):
            if mine != theirs:
                raise InputError(
                    f"{first.path} and {other.path} can't be compared: {what} {mine} and {theirs}"
                )
    for one in published:
        if first.task.name not in one.tasks:
            raise InputError(
                f"figures of {one.source.split(';')[0]} are of task {' or '.join(one.tasks)}, not"
                f" {first.task.name}"
            )


def _size(task: Task) -> str:
    """Say what one decision is made of."""
    return f"{task.seconds:g} s" if task.picture is None else "{} x {} pixels".format(*task.picture)


def column(
    name: str,
    exported: ExportedModel,
    figures: Mapping[str, Interval | float],
    latency: Latency | None = None,
) -> Column:
    """Make a column of an export: its figures, what it costs, its latency where that was measured."""
    cost = cost_of(exported)
    return Column(
        name=name,
        figures=dict(figures),
        size_kib=exported.size_bytes / 1024,
        macs=cost.macs,
        parameters=cost.parameters,
        ram_kib=cost.peak_bytes / 1024,
        latency=latency,
        where=str(exported.folder or exported.path),
        study=exported.study,
        trial=exported.trial,
        sha256=exported.sha256,
        network=exported.config.describe(),
    )


def cost_of(exported: ExportedModel) -> Cost:
    """Read what a model costs from its folder; of a file alone it is counted, which takes torch."""
    if exported.folder is not None:
        try:
            kept = json.loads((exported.folder / METRICS).read_text(encoding="utf-8"))
            return Cost(**kept["cost"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # its metrics.json is gone or damaged: the config in the file says the same
    from atml.models import cost

    return cost(exported.config, exported.task)


def kept_results(exported: ExportedModel) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read config.json and metrics.json of an export folder.

    Raises ExportError for a file that lies alone, and for a folder whose files are damaged.
    """
    if exported.folder is None:
        raise ExportError(
            f"{exported.path} is without its folder, which holds the out-of-fold figures; give test data with"
            " --data"
        )
    try:
        config, kept = (
            json.loads((exported.folder / name).read_text(encoding="utf-8")) for name in (CONFIG, METRICS)
        )
        if {"value", "value_name", "intervals", "rates", "subjects"} - set(kept):
            raise KeyError(METRICS)
    except (OSError, ValueError, KeyError) as error:
        raise ExportError(f"{exported.folder} has no whole {METRICS}; export the model again") from error
    return config, kept


def out_of_fold_rows(task: Task) -> list[tuple[str, str]]:
    """Figures of a metrics.json that are compared, by key and name; "value" is the objective's."""
    value = ("value", "objective")
    if task.positive is not None:
        rates = (*FOUR, "specificity", "balanced accuracy")
        return [value, ("F", "F, mean F-beta over subjects"), *((key, key) for key in rates)]
    if task.kind == WAVEFORM:
        leads = [(f"sensitivity {name}", f"share read, {name}") for name in task.classes]
        return [value, ("recall", f"share of leads with {READ_DB:g} dB"), *leads]
    each = [f"{rate} {name}" for rate in ("F1", "sensitivity", "specificity") for name in task.classes]
    macro = [(key, key if key == "accuracy" else f"macro {key}") for key in FOUR]
    mean = ("F", "F, mean accuracy over subjects")
    if task.kind == MULTILABEL:
        mean = ("F", "F1 over all labels, mean over subjects")
        macro = [
            ("F1", "macro F1"),
            ("accuracy", "binary accuracy"),
            ("always no", "binary accuracy of calling nothing"),
            ("precision", "macro precision"),
            ("recall", "macro sensitivity"),
        ]
    return [value, mean, *macro, ("balanced accuracy", "balanced accuracy"), *((key, key) for key in each)]


def kept_intervals(kept: Mapping[str, Any], task: Task) -> dict[str, Interval | float]:
    """Take the figures of `out_of_fold_rows` from a metrics.json; the objective has no interval."""
    intervals = {**kept["rates"], **kept["intervals"]}
    keys = [key for key, _ in out_of_fold_rows(task) if key in intervals]
    return {"value": float(kept["value"]), **{key: Interval(**intervals[key]) for key in keys}}


def subject_figures(rows: Sequence[Mapping[str, Any]], task: Task) -> tuple[list[str], dict[str, Floats]]:
    """Names of the subjects of a metrics.json, sorted, and each figure of them, ``(subjects,)``.

    A binary task has those of `atml.metrics.paired.MEASURES`, any other accuracy alone.
    """
    rows = sorted(rows, key=lambda row: str(row["subject"]))
    names = [str(row["subject"]) for row in rows]
    if task.kind == WAVEFORM:
        return names, {WAVEFORM_MEASURES[1]: np.array([sum(r["hits"]) / sum(r["true"]) for r in rows])}
    if task.kind == MULTILABEL:
        return names, {key: np.array([row[key.lower()] for row in rows]) for key in LABEL_MEASURES}
    if task.positive is None:
        return names, {"accuracy": np.array([row["right"] / row["n"] for row in rows])}
    return names, paired.of_subjects(counts_of_rows(rows))


def names_of(exports: Sequence[ExportedModel]) -> list[str]:
    """Call each model by its folder's name, with its study's where two folders have the same."""
    short = [one.folder.name if one.folder else one.path.stem for one in exports]
    if len(set(short)) == len(short):
        return short
    long = [f"{one.study}/{name}" for one, name in zip(exports, short, strict=True)]
    return long if len(set(long)) == len(long) else [str(one.folder or one.path) for one in exports]


def others(published: Sequence[Published], rules: Sequence[str]) -> list[Column]:
    """Make columns of published figures; those that are a rule's own only where it is one of ``rules``."""
    return [
        Column(
            name=entry.name,
            figures={
                key: value for key, value in entry.metrics.items() if one.rule in rules or key in ANY_RULE
            },
            size_kib=entry.size_kib,
            # Of no runs: it was not measured here.
            latency=None if (ms := entry.latency_ms) is None else Latency(ms, ms, ms, 0),
            source=one.source,
            data=one.data,
        )
        for one in published
        for entry in one.entries
    ]


def caveats(published: Sequence[Published], kind: str, windows: int, subjects: Collection[str]) -> list[str]:
    """Say where published figures are from, and whether they are of the data compared on.

    ``kind`` is that of the comparison (`atml.comparison.result.Comparison`), ``windows`` and ``subjects`` are
    those that it is on.
    """
    lines = []
    for one in published:
        names = ", ".join(entry.name for entry in one.entries)
        same = _same_data(one, kind, windows, set(subjects))
        lines.append(
            f"published: {names}; on {one.data}; source: {one.source}. {same}; nothing is known of single"
            " subjects, so nothing was tested with them"
        )
        lines += [f"published: {note}" for note in one.notes]
    return lines


def _same_data(one: Published, kind: str, windows: int, subjects: set[str]) -> str:
    """Say how the data of published figures are related to those of a comparison, as far as is known."""
    if one.windows is None or not one.subjects:
        return "Whether these are the data above is not known"
    shared = subjects & set(one.subjects)
    if not shared:
        return "These are other people than those above"
    if kind == "out of fold":
        return (
            f"The figures above are out of fold; {plural(len(shared), 'subject')} of these"
            f" {'has' if len(shared) == 1 else 'have'} the names of its test set"
        )
    if shared == subjects and windows == one.windows:
        return f"By its subjects and its {windows:,} windows this is the test set above"
    return (
        f"{len(shared)} of the {plural(len(subjects), 'subject')} above can be in it by name, but it has"
        f" {one.windows:,} windows and the data above {windows:,}"
    )
