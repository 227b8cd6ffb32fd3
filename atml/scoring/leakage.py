"""Guards of scoring: no subject that the model was trained on, and the labels of its training."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from atml import data
from atml.arrays import Strings
from atml.artifacts.model import ExportedModel
from atml.data.dataset import Dataset
from atml.data.formats.detection import asked_of, look_all, name_of
from atml.data.formats.subject_map import meant, without_folder
from atml.data.merging import same_patients
from atml.data.subjects import matching
from atml.errors import DataError, ExportError

Paths = Path | Sequence[Path] | None


def opened(
    exported: ExportedModel, paths: Paths, opening: Mapping[str, Any]
) -> tuple[Dataset, set[str], frozenset[str], list[str]]:
    """Open the test split; sets without one are opened without the subjects that were trained on.

    ``opening`` holds arguments of `atml.data.open`. Returns the data, the names that trained subjects have or
    may have in them, those who were left out, and notes for the user.

    Raises:
        ExportError: The model does not list its training subjects, and a set has no train and test split.
        DataError: As `atml.data.open`; also where no subject is left, for the training data themselves, and
            for a test split with subjects that were trained on.
    """
    if not exported.knows_subjects and not exported.synthetic:
        why = "does not list its training subjects"
        _not_bare(exported, paths, opening, why, "score it in its export folder")
    trained = _Trained(exported, paths, opening)
    try:
        dataset = data.open(paths, **opening, leave_out=trained)
    except DataError as error:
        if not trained.left:
            raise
        try:
            whole = data.open(paths, **opening)
        except DataError:
            raise error from None
        if not whole.bare or not trained(whole.subject).all():
            raise
        raise DataError(
            f"the model was trained on every subject of {whole.name}; give other data, or search again with"
            " --hold-out to keep some subjects for scoring"
        ) from error
    notes = [*dataset.notes, *trained.notes, *_unseen(exported, dataset, trained)]
    notes += _left_out(trained.left - set(dataset.subject.tolist()), trained.again)
    notes += same_patients(dataset.notes, _sets(exported), "that the model was trained on")
    return dataset, trained.out, frozenset(trained.left), notes


class _Trained:
    """Tells which names in the data a model's training subjects have or may have, asked set by set.

    A file alone holds hashes of the names: only names that are asked about can be recognised. ``out`` are
    all such names so far, ``left`` those that were asked about, ``again`` those of `renamed`.
    """

    def __init__(self, exported: ExportedModel, paths: Paths, opening: Mapping[str, Any]) -> None:
        self.exported, self.paths = exported, paths
        here, self.notes = _by_other_names(exported, paths, opening)
        self.out, self.left = set(here), set[str]()
        self.again: dict[str, str] = {}

    def __call__(self, names: Strings) -> npt.NDArray[np.bool_]:
        """Return which of ``names (n,)`` they are; a synthetic subject is none of these."""
        exported = self.exported
        if not exported.synthetic:
            if exported.subjects is None:
                exported = dataclasses.replace(
                    exported, subjects=exported.trained_on(np.unique(names).tolist())
                )
            self.again |= renamed(exported, self.paths)
            self.out |= {*(exported.subjects or ()), *self.again}
        found = matching(names, self.out)
        self.left.update(names[found].tolist())
        return found


def _by_other_names(
    exported: ExportedModel, paths: Paths, opening: Mapping[str, Any]
) -> tuple[set[str], list[str]]:
    """Return who has a recording here that the training called by a trained subject's name, and notes.

    Where ``--subjects`` is another than in training, people have other names here than they had there.

    Raises:
        ExportError: The training's table is gone, and a set has no train and test split.
    """
    asked, before = meant(opening.get("subjects")), exported.subjects_by
    if exported.synthetic or not exported.knows_subjects or not paths:
        return set(), []
    try:
        trained = meant(before)
    except DataError:
        if asked is None:
            why = f"names its training subjects by {without_folder(before)}, which is not there any more"
            _not_bare(exported, paths, opening, why, "give that table with --subjects")
        trained = asked  # the table by its new place
    if (asked and asked.identity) == (trained and trained.identity):
        return set(), []
    try:
        there = data.open(paths, **{**opening, "subjects": before}).subject
    except DataError as error:
        return set(), [f"people go by their names here alone, not as in training: {error}"]
    known = exported.trained_on(np.unique(there).tolist())
    here = data.open(paths, **opening).subject
    return set(here[matching(there, known)].tolist()), []


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
    sets = {*_sets(exported), *(parts[0] for parts, _ in trained)}
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


def _not_bare(exported: ExportedModel, paths: Paths, opening: Mapping[str, Any], why: str, way: str) -> None:
    """Raise ExportError for a set that does not tell train from test; ``way`` is the way out."""
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
                f"{exported.path} {why}, and {item.name} does not tell train from test, so who was trained on"
                f" would be scored too; {way}"
            )


def _unseen(exported: ExportedModel, dataset: Dataset, trained: _Trained) -> list[str]:
    """Raise DataError if the model was trained on any of the subjects; return a note if that is unknown."""
    if dataset.fingerprint == exported.data_fingerprint:
        raise DataError(
            f"{dataset.name} is what trial {exported.trial} was trained on; give data that it never saw"
        )
    if dataset.synthetic != exported.synthetic:
        return []  # A synthetic subject and a person of the same name are not the same.
    if exported.subjects is None and (exported.synthetic or not exported.knows_subjects):
        return [
            "the file does not list its training subjects, so they could not be compared with these;"
            " score it in its export folder"
        ]
    if exported.synthetic:
        trained.out |= set(exported.subjects or ())
    shared = sorted(set(dataset.subject[trained(dataset.subject)].tolist()))
    if shared:
        again = trained.again
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
