"""The storage that the Dashboard reads: a database of ours with readable notes, and nothing written into it.

Optuna's Dashboard keeps notes and artifacts as attributes of a study, and reads constraints from an attribute
that Optuna no longer writes. Stored for every trial they would hinder the search: a finished trial takes no
attribute, constraints of the old kind change what samplers see, and thousands of notes slow down every read
of a study. So they are made on request: this storage reads, and adds to what it read.
"""

from __future__ import annotations

import copy
import dataclasses
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import optuna
from optuna.trial import FrozenTrial, TrialState

from atml.artifacts.export import safe_name
from atml.dashboard import pareto, study_notes, trial_notes
from atml.dashboard.artifact_store import Artifact, Shelf, of_folder
from atml.errors import InputError
from atml.evaluation.gate import Gate
from atml.regions import Region, Status
from atml.report.study_contents import StudyContents
from atml.searching import region_learning
from atml.searching.leaderboard import Entry, entries
from atml.searching.ranking import kib_of
from atml.searching.verdict import verdict_of
from atml.storage import Records, Store
from atml.training.records import Role, State, TrialRecord

T = TypeVar("T")

FRESH_S = 20.0
"""Seconds for which regions, exports and reports are not read again."""

_SHOWN = (Status.REJECTED, Status.SUSPECTED)
_METRIC_NAMES = "study:metric_names"
"""Attribute that Optuna keeps the names of objectives under."""
_WORTH = ("model.onnx", "MODEL_CARD.md")
"""Files of an export that are shown with its study too."""


@dataclasses.dataclass(frozen=True)
class Around:
    """What is known of a study besides its trials, read at one moment."""

    name: str
    spec: dict[str, Any]
    attrs: dict[str, Any]
    exports: tuple[tuple[int, Path], ...]
    files: dict[int | None, tuple[Artifact, ...]]

    def marks(self) -> tuple[object, ...]:
        """Return what a shown trial depends on, besides itself."""
        return (tuple(self.exports), tuple(a.id for files in self.files.values() for a in files))

    def folder(self, number: int) -> Path | None:
        """Return the newest export of a trial; None without one."""
        return dict(self.exports).get(number)


class Overlay(optuna.storages._CachedStorage):
    """A storage for the Dashboard alone: the studies of ``store``, read only and described in words.

    ``reports`` is the folder that `atml report` writes to. Studies that are not ours are shown as they are.
    """

    def __init__(self, store: Store, shelf: Shelf, reports: Path) -> None:
        super().__init__(store.rdb)
        self._store, self._shelf, self._reports = store, shelf, reports
        self._kept: dict[int | str, tuple[float, Any]] = {}
        self._shown: dict[int, tuple[FrozenTrial, tuple[object, ...], FrozenTrial]] = {}
        self._records = Records()
        self._looking = threading.RLock()

    # --- what the Dashboard reads

    def get_all_studies(self) -> list[Any]:
        """Return every study; ours with readable settings in place of the stored ones."""
        every = super().get_all_studies()
        for study in every:
            around = self.around(study._study_id)
            if around is not None:
                study.user_attrs = _settings(around)
                study.system_attrs.update(self._study_attrs(around))
                study.system_attrs.update(self._plots(study._study_id, around))
        return sorted(every, key=lambda study: study._study_id)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """Return the attributes, with the artifacts of the study."""
        attrs = dict(super().get_study_system_attrs(study_id))
        around = self.around(study_id)
        if around is None:
            return attrs
        return {**attrs, **self._study_attrs(around), **self._plots(study_id, around)}

    def get_all_trials(self, study_id: int, deepcopy: bool = True, states: Any = None) -> list[FrozenTrial]:
        """Return the trials as they are shown; copies of what is kept."""
        found = super().get_all_trials(study_id, deepcopy=False, states=states)
        around = self.around(study_id)
        if around is not None:
            marks = around.marks()
            found = [self._show(trial, around, marks) for trial in found]
        return copy.deepcopy(found) if deepcopy else found

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """Return one trial as it is shown."""
        trial = super().get_trial(trial_id)
        if trial_id not in self._trial_id_to_study_id_and_number:
            for study in super().get_all_studies():
                super().get_all_trials(study._study_id, deepcopy=False)
        study_id, _ = self._trial_id_to_study_id_and_number[trial_id]
        around = self.around(study_id)
        return trial if around is None else self._show(trial, around, around.marks())

    def get_best_trial(self, study_id: int) -> FrozenTrial:
        """Return the winner, or the best trial so far; repeats of finalists do not count."""
        best = self.leaderboard(study_id)
        if best:
            return self.get_all_trials(study_id, deepcopy=False)[best[0].number]
        return super().get_best_trial(study_id)

    # --- notes

    def records(self, study_id: int) -> list[TrialRecord]:
        """Return the trials of a study as ours."""
        return [self._records.of(t) for t in super().get_all_trials(study_id, deepcopy=False)]

    def leaderboard(self, study_id: int) -> list[Entry]:
        """Return the trials of a study in order, as every other surface does; none for one not ours."""
        around = self.around(study_id)
        return [] if around is None else entries(around.attrs, self.records(study_id), around.exports)

    def around(self, study_id: int) -> Around | None:
        """Return what is known besides the trials, read again after `FRESH_S`; None for a study not ours."""
        return self._fresh(study_id, lambda: self._look(study_id))

    def regions(self, name: str) -> tuple[list[Region], str]:
        """Return the rejected and the suspect regions of a study; none, and why, where they are not known."""
        return self._fresh(name, lambda: self._learned(name))

    def importances(self, study_id: int) -> list[dict[str, Any]] | None:
        """Return how much each parameter mattered, as the report has it; None for a study not ours.

        Empty with too few trials, see `atml.searching.importance`.
        """
        around = self.around(study_id)
        if around is None:
            return None
        return self._fresh(f"importances of {around.name}", lambda: _importances(self._store, around.name))

    def study_note(self, study_id: int) -> str:
        """Write the note of a study, "" for one not ours."""
        around = self.around(study_id)
        if around is None:
            return ""
        found, why = self.regions(around.name)
        records, ranking = self.records(study_id), self.leaderboard(study_id)
        return study_notes.study_note(
            around.name,
            around.spec,
            records,
            ranking=ranking,
            verdict=verdict_of(around.name, around.spec, around.attrs, records, ranking, self._store.name),
            exports=[(number, folder.name) for number, folder in around.exports],
            regions=[(r.status, r.box.words(), r.words()) for r in found],
            no_regions=why,
        )

    def trial_notes(self, study_id: int, numbers: list[int]) -> dict[int, str]:
        """Write the notes of some trials by number, none for a study not ours."""
        around = self.around(study_id)
        if around is None:
            return {}
        records = self.records(study_id)
        folds = int(around.spec.get("folds", 0))
        repeats: dict[int, list[TrialRecord]] = {}
        for one in records:
            if one.of is not None and one.state == State.COMPLETE:
                repeats.setdefault(one.of, []).append(one)
        ranking = {entry.number: entry for entry in self.leaderboard(study_id)}
        listed, _ = self.regions(around.name)
        found = {}
        for number in numbers:
            mine = records[number]
            inside = [r for r in listed if r.box.contains(mine.params)]
            found[number] = trial_notes.trial_note(
                mine,
                folds=folds,
                regions=[(r.status, r.box.words(), r.words()) for r in inside],
                repeats=repeats.get(number, ()),
                entry=ranking.get(number),
            )
        return found

    # --- inside

    def _fresh(self, key: int | str, read: Callable[[], T]) -> T:
        """Return what was read under a key, read again after `FRESH_S`."""
        with self._looking:
            at, known = self._kept.get(key, (float("-inf"), None))
            if time.monotonic() - at > FRESH_S:
                known = read()
                self._kept[key] = (time.monotonic(), known)
            found: T = known
            return found

    def _learned(self, name: str) -> tuple[list[Region], str]:
        try:
            every = region_learning.state(self._store, name).found
        except InputError as error:
            return [], f"Regions are not known: {error}."
        return [region for region in every if region.status in _SHOWN], ""

    def _study_attrs(self, around: Around) -> dict[str, Any]:
        value = around.spec.get("objective_name") or "value"
        named = {_METRIC_NAMES: [f"{value} out of fold"]}
        return {**named, **_metas(around.files.get(None, ()))}

    def _plots(self, study_id: int, around: Around) -> dict[str, str]:
        """Return plots of what trials reach against what they cost, in the form that the Dashboard reads."""

        def made() -> dict[str, str]:
            value = str(around.spec.get("objective_name") or "value")
            board = str(around.spec.get("board") or "")
            return pareto.attributes(pareto.plots(self.leaderboard(study_id), board, value))

        return self._fresh(f"plots of {around.name}", made)

    def _look(self, study_id: int) -> Around | None:
        attrs = super().get_study_user_attrs(study_id)
        if "atml" not in attrs:
            return None
        name = self.get_study_name_from_id(study_id)
        exports = tuple((number, folder) for number, folder in self._store.exports(name) if folder.is_dir())
        files: dict[int | None, tuple[Artifact, ...]] = {}
        files[None] = tuple(of_folder(self._reports / safe_name(name), "report "))
        for number, folder in exports:
            files[number] = (*files.get(number, ()), *of_folder(folder))
            named = (a.named(f"{folder.name} {a.name}") for a in files[number] if a.name in _WORTH)
            files[None] += tuple(named)
        for some in files.values():
            self._shelf.put(some)
        return Around(name, dict(attrs["atml"]), attrs, exports, files)

    def _show(self, trial: FrozenTrial, around: Around, marks: tuple[object, ...]) -> FrozenTrial:
        known = self._shown.get(trial._trial_id)
        if known is not None and known[0] is trial and known[1] == marks:
            return known[2]
        mine = self._records.of(trial)
        shown = copy.copy(trial)
        shown._params = {tidy(key): _short(value) for key, value in trial.params.items()}
        shown.values = None if mine.value is None else [round(mine.value, 5)]
        steps = trial.intermediate_values.items()
        shown.intermediate_values = {step: round(value, 5) for step, value in steps}
        shown._distributions = {tidy(key): kind for key, kind in trial.distributions.items()}
        folder = around.folder(mine.number) if mine.role == Role.SEARCH else None
        shown._user_attrs = _facts(mine, int(around.spec.get("folds", 0)), folder)
        shown._system_attrs = {
            **{key: value for key, value in trial.system_attrs.items() if key.startswith("artifacts:")},
            **_metas(around.files.get(trial.number, ()) if mine.role == Role.SEARCH else ()),
            "constraints": list(mine.constraints.values()),
        }
        if trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
            self._shown[trial._trial_id] = (trial, marks, shown)
        return shown


def _importances(store: Store, name: str) -> list[dict[str, Any]]:
    """Return importances as the Dashboard takes them: name, share, and kind of distribution."""
    material = StudyContents(store, name)
    kinds = {one: f"{axis.kind.capitalize()}Distribution" for one, axis in material.axes.items()}
    return [
        {"name": tidy(one), "importance": share, "distribution": kinds[one]}
        for one, share in material.importances.items()
    ]


def tidy(name: str) -> str:
    """Write the name of a parameter as words."""
    return name.replace("_", " ")


def _short(value: Any) -> Any:
    """Round a number to four significant digits."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _metas(artifacts: tuple[Artifact, ...]) -> dict[str, str]:
    return {f"artifacts:{one.id}": one.meta() for one in artifacts}


def _facts(mine: TrialRecord, folds: int, folder: Path | None) -> dict[str, Any]:
    """Return the facts that the table of trials can be sorted by; ``folder`` is that of its export."""
    facts: dict[str, Any] = {"trial is": trial_notes.kind(mine), "drawn": mine.origin}
    if mine.config is not None:
        facts["network"] = mine.config.describe()
    facts["ended"] = trial_notes.ending(mine, folds)
    facts |= {name: round(value, 4) for name, value in mine.result.get("metrics", {}).items()}
    if mine.cost is not None:
        facts |= {
            "size KiB": kib_of(mine, folder),
            "MACs": mine.cost.macs,
            "parameters": mine.cost.parameters,
            "RAM KiB": round(mine.cost.peak_bytes / 1024, 1),
        }
    if "training_s" in mine.result:
        facts["training s"] = mine.result["training_s"]
    return facts


def _settings(around: Around) -> dict[str, Any]:
    """Return the settings of a study as a person reads them."""
    spec = around.spec
    shown = {
        "task": spec.get("task"),
        "objective": spec.get("objective_name") or "the task's",
        "data": "synthetic" if spec.get("synthetic") else spec.get("data_name"),
        "window s": spec.get("window"),
        "folds": spec.get("folds"),
        "seed": spec.get("seed"),
        "size budget KiB": spec.get("max_size_kib"),
        "MACs budget": spec.get("max_macs"),
        "RAM budget KiB": spec.get("max_ram_kib"),
        "board": spec.get("board"),
        "format": spec.get("format"),
        "latency budget ms": spec.get("latency_ms"),
        "flash budget KiB": spec.get("flash_kib"),
        "board RAM budget KiB": spec.get("board_ram_kib"),
        "qualifies": Gate.of_spec(spec).words,
    }
    return {key: value for key, value in shown.items() if value is not None}
