"""Guards of scoring: no subject that the model was trained on, and the labels of its training."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from atml import data
from atml.artifacts.model import ExportedModel
from atml.data.dataset import Dataset
from atml.data.formats.detection import asked_of, look_all, name_of
from atml.data.merging import same_patients
from atml.data.subjects import matching
from atml.errors import DataError, ExportError

Paths = Path | Sequence[Path] | None


def opened(exported: ExportedModel, paths: Paths, opening: Mapping[str, Any]) -> tuple[Dataset, list[str]]:
    """Open the test split; sets without one are opened without the subjects that were trained on.

    ``opening`` holds arguments of `atml.data.open`. Returns the data, and notes for the user.

    Raises:
        ExportError: The model does not list its training subjects, and a set has no train and test split.
        DataError: As `atml.data.open`; also where no subject is left, for the training data themselves, and
            for a test split with subjects that were trained on.
    """
    if not exported.knows_subjects and not exported.synthetic:
        _not_bare(exported, paths, opening)
    again = renamed(exported, paths)
    out = people(exported, paths)
    try:
        dataset = data.open(paths, **opening, leave_out=out)
    except DataError as error:
        if not out:
            raise
        try:
            whole = data.open(paths, **opening)
        except DataError:
            raise error from None
        if not whole.bare or not matching(whole.subject, out).all():
            raise
        raise DataError(
            f"the model was trained on every subject of {whole.name}; give other data, or search again with"
            " --hold-out to keep some subjects for scoring"
        ) from error
    notes = [*dataset.notes, *_unseen(exported, dataset, out, again)]
    if again:
        whole = data.open(paths, **opening)
        notes += _left_out(set(whole.subject.tolist()) - set(dataset.subject.tolist()), again)
    return dataset, [*notes, *same_patients(dataset.notes, _sets(exported), "that the model was trained on")]


def recognising(exported: ExportedModel, paths: Paths, opening: Mapping[str, Any]) -> ExportedModel:
    """Return a model that names those of its training subjects that are in the data.

    A file alone holds hashes of their names: only names that are given can be recognised. Raises as
    `atml.data.open` does.
    """
    if exported.subjects is not None or exported.synthetic or not exported.knows_subjects or not paths:
        return exported
    names = np.unique(data.open(paths, **opening).subject).tolist()
    return dataclasses.replace(exported, subjects=exported.trained_on(names))


def people(exported: ExportedModel, paths: Paths) -> tuple[str, ...]:
    """Return the subjects that the model was trained on, by all names that they may have in ``paths``.

    Synthetic subjects are left out.
    """
    trained = () if exported.synthetic else exported.subjects or ()
    return (*trained, *renamed(exported, paths))


def renamed(exported: ExportedModel, paths: Paths) -> dict[str, str]:
    """Map names in sets that the model was not trained on to the trained subject that each may be.

    Where several sets are opened together, a subject's name begins with its set, so the same people in a
    folder of another name would seem to be others: "bought/418" may be "vfdb/418" if the model was trained on
    no set called "bought".
    """
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths or ())
    if exported.synthetic or len(given) < 2 or "+" not in exported.data_name:
        return {}
    trained = [(name.split("/", 1), name) for name in exported.subjects or () if "/" in name]
    sets = {parts[0] for parts, _ in trained}
    strange = sorted({name_of(Path(path)) for path in given} - sets)
    return {f"{place}/{parts[1]}": name for place in strange for parts, name in trained}


def same_labels(exported: ExportedModel, labels_hash: str | None) -> list[str]:
    """Check that a model was trained with the labels that the test data get.

    Returns a note where the export is too old to record its labels. Nothing is compared where ``labels_hash``
    is None. Earlier built-in files with the same labels count as the same: `task_files.loading.KNOWN_AS`.

    Raises:
        ExportError: the test data would get other labels.
    """
    if labels_hash is None or exported.labels_hash == labels_hash:
        return []
    if not exported.labels_hash:
        return [
            "the export is of an earlier version that does not record its labels, so they could not be"
            " compared with today's"
        ]
    raise ExportError(
        f"{exported.path} was trained with other labels than those of the objectives file found for"
        f" {exported.task.name!r}; give the file that it was searched with as --objective"
    )


def _sets(exported: ExportedModel) -> list[str]:
    """Return the names of the data sets that the model was trained on."""
    return [] if exported.synthetic else exported.data_name.split("+")


def _not_bare(exported: ExportedModel, paths: Paths, opening: Mapping[str, Any]) -> None:
    asked = asked_of(
        task=opening["task"],
        label=opening["label"],
        sampling_rate=opening["sampling_rate"],
        leads=opening["leads"],
        labels=opening.get("labels"),
        subjects=opening.get("subjects"),
    )
    for item in look_all(paths, asked, "test"):
        if not item.splits:
            raise ExportError(
                f"{exported.path} does not list its training subjects, and {item.name} does not tell train"
                " from test, so they would be scored too; score it in its export folder"
            )


def _unseen(
    exported: ExportedModel, dataset: Dataset, out: Sequence[str], again: Mapping[str, str]
) -> list[str]:
    """Raise DataError if the model was trained on any of the subjects; return a note if that is unknown."""
    if dataset.fingerprint == exported.data_fingerprint:
        raise DataError(
            f"{dataset.name} is what trial {exported.trial} was trained on; give data that it never saw"
        )
    if dataset.synthetic != exported.synthetic:
        return []  # A synthetic subject and a person of the same name are not the same.
    if exported.subjects is None:
        return [
            "the file does not list its training subjects, so they could not be compared with these;"
            " score it in its export folder"
        ]
    known = out or exported.subjects
    shared = sorted({str(name) for name in dataset.subject[matching(dataset.subject, known)]})
    if shared:
        more = f" and {len(shared) - 8} more" if len(shared) > 8 else ""
        named = ", ".join(f"{name} (may be {again[name]})" if name in again else name for name in shared[:8])
        raise DataError(
            f"the model was trained on subjects of this test set: {named}{more};"
            " leave them out, or rename them if they are other people"
        )
    return []


def _left_out(gone: set[str], again: Mapping[str, str]) -> list[str]:
    """Return a line for each pair of sets: subjects left out because they may be trained ones renamed."""
    pairs: dict[tuple[str, str], list[str]] = {}
    for name in sorted(gone & set(again)):
        place, who = name.split("/", 1)
        pairs.setdefault((place, again[name].split("/", 1)[0]), []).append(who)
    lines = []
    for (place, trained), names in pairs.items():
        more = f" and {len(names) - 8} more" if len(names) > 8 else ""
        same = names[0] if len(names) == 1 else "the same"
        lines.append(f"{', '.join(names[:8])}{more} of {place} may be {same} of {trained}: left out")
    return lines
