"""What is kept of a study, read once: its trials, its task and data, and its exports.

What is gone since the search (data, the files of the task, an export folder) is None, and a sentence says
why: the parts of a report that need it say so, and the others are written all the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atml import data
from atml.arrays import Int64
from atml.artifacts.json_file import fields_of
from atml.data.dataset import Dataset
from atml.errors import InputError, StudyError
from atml.metrics.predictions import Predictions
from atml.report.beat_places import BeatPlaces
from atml.report.comparable import standing
from atml.searching.leaderboard import Entry, entries
from atml.searching.ranking import PICK, ranked
from atml.searching.starting_point import StartingPoint
from atml.training.records import TrialRecord

if TYPE_CHECKING:
    from atml.regions.space import Axis
    from atml.searching.plan import Plan
    from atml.searching.verdict import Verdict
    from atml.storage import Store
    from atml.task_files.definition import TaskDefinition


@dataclass(frozen=True)
class Export:
    """An export of the study: its folder and what its files say, empty where one is gone or damaged.

    ``scores`` are the files of its ``scores/``, by name, the oldest evaluation first.
    """

    number: int
    folder: Path
    metrics: dict[str, Any] = field(repr=False)
    config: dict[str, Any] = field(repr=False)
    scores: dict[str, dict[str, Any]] = field(repr=False)


class StudyContents:
    """What is known of one study; each property is read when it is first asked for.

    Raises StudyError where there is no such study.
    """

    def __init__(self, store: Store, study: str) -> None:
        self.store = store
        self.study = study
        spec = store.spec(study)
        if spec is None:
            raise StudyError(f"no study {study!r} in {store.name}; `atml status` lists them")
        self.spec: dict[str, Any] = spec
        self.start = StartingPoint.of_spec(spec)
        """What it began with of an earlier study."""

    # --- trials

    @cached_property
    def records(self) -> list[TrialRecord]:
        """All trials by number, repeats of finalists too."""
        return self.store.trials(self.study)

    @cached_property
    def searched(self) -> list[TrialRecord]:
        """The trials of the search itself: all but the repeats of finalists."""
        return [t for t in self.records if t.role == "search"]

    @cached_property
    def finished(self) -> list[TrialRecord]:
        """Those of `searched` that ended with a result, whole or cut short, as they ended."""
        ended = [t for t in self.searched if t.finished]
        return sorted(ended, key=lambda t: (t.ended is None, t.ended, t.number))

    @cached_property
    def ranked(self) -> list[TrialRecord]:
        """Those that ran over every fold and keep the budget, best value first."""
        return ranked(self.searched)

    @cached_property
    def standing(self) -> list[TrialRecord]:
        """Those of `finished` that were trained, best first, however far they came."""
        return standing(self.finished)

    @cached_property
    def axes(self) -> dict[str, Axis]:
        """Every parameter that was searched, in the order of asking, and what it was drawn from."""
        from atml.searching.importance import axes

        return axes(self.store, self.study)

    @cached_property
    def importances(self) -> dict[str, float]:
        """What share each parameter has in what sets the best tenth of `standing` apart; {} of too few."""
        from atml.searching.importance import importances

        places = {t.number: -float(place) for place, t in enumerate(self.standing)}
        return importances(self.store, self.study, places)

    @cached_property
    def judged(self) -> dict[int, float]:
        """Value of each finalist as its repeats on fresh seeds had it, best first."""
        found = {entry.number: entry.value for entry in self.leaderboard if entry.seeds}
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    @cached_property
    def leaderboard(self) -> list[Entry]:
        """The trials in order, the winner first, with the figures that every surface shows."""
        return entries(self._attrs, self.records, self.store.exports(self.study))

    @property
    def first(self) -> Entry | None:
        """The first of the `leaderboard`: the winner, or the best trial so far; None without any."""
        return self.leaderboard[0] if self.leaderboard else None

    @cached_property
    def verdict(self) -> Verdict | None:
        """What the study came to, as `atml best` has it; None where no trial ran over every fold."""
        from atml.searching.verdict import verdict_of

        return verdict_of(self.study, self.spec, self._attrs, self.records, self.leaderboard, self.store.name)

    @cached_property
    def _attrs(self) -> dict[str, Any]:
        return self.store.facts(self.study)

    def repeats(self, number: int, length: int = 1) -> list[TrialRecord]:
        """Repeats of a trial on fresh seeds that ran over every fold, ``length`` times as long as it did."""
        mine = [t for t in self.records if t.of == number and t.length == length]
        return [t for t in mine if t.state == "complete" and t.feasible]

    def repeated(self, number: int) -> float | None:
        """Mean untuned value of a trial's repeats, to compare with its own value; None without repeats."""
        values = [t.value for t in self.repeats(number) if t.value is not None]
        return sum(values) / len(values) if values else None

    @property
    def shipped_length(self) -> int:
        """How many times the optimiser steps of `best` its export has."""
        return 1 if self.first is None else self.first.length

    @cached_property
    def lengths(self) -> dict[int, float]:
        """Value of `best` out of fold at each length of training that was tried; {} where only one was."""
        values = (self._attrs.get(PICK) or {}).get("values", {})
        return {int(length): float(value) for length, value in values.items()} if len(values) > 1 else {}

    @property
    def best(self) -> TrialRecord | None:
        """The winner: the finalist that the search took, the best trial where there are no finalists.

        None where no trial ran over every fold.
        """
        return None if self.first is None else self.first.record

    # --- task and data

    @cached_property
    def _found(self) -> tuple[TaskDefinition | None, str]:
        from atml.searching.kept_files import task_of

        try:
            definition = task_of(self.store, self.study, self.spec)
        except InputError as error:
            return None, f"the files of the task can't be used any more: {error}"
        searched_for = self.spec["objective"], self.spec["qualifies"]
        if (definition.objective_hash, definition.qualifies) != searched_for:
            changed = (
                f"{definition.objective_path} has changed since the search, so it no longer describes it"
            )
            return None, changed
        return definition, ""

    @property
    def definition(self) -> TaskDefinition | None:
        """The task as it was searched for; None where `task_gone` says why."""
        return self._found[0]

    @property
    def task_gone(self) -> str:
        """Why the task's files can't be used, "" where they can."""
        return self._found[1]

    @cached_property
    def _opened(self) -> tuple[Plan | None, str]:
        from atml.searching.plan import reopen

        if self.definition is None:
            return None, self.task_gone
        try:
            return reopen(self.store, self.study), ""
        except InputError as error:
            return None, f"the data can't be opened any more: {error}"

    @property
    def plan(self) -> Plan | None:
        """The study with its data and folds; None where `plan_gone` says why."""
        return self._opened[0]

    @property
    def plan_gone(self) -> str:
        """Why there is no plan, "" where there is one."""
        return self._opened[1]

    @property
    def dataset(self) -> Dataset | None:
        """The data that the search saw, the test split not among them."""
        return self.plan.dataset if self.plan else None

    @cached_property
    def places(self) -> BeatPlaces | None:
        """Where the beats of `dataset` are; None without the data, or where these are no beats."""
        if self.plan is None or not self.plan.definition.task.around_beats:
            return None
        definition, origin = self.plan.definition, self.plan.origin
        found = data.places(
            origin.paths or None,
            task=definition.task,
            label=definition.label,
            sampling_rate=origin.sampling_rate,
            leads=origin.leads,
            leave_out=origin.held_out,
            labels=origin.labels,
            subjects=origin.subjects,
        )
        return BeatPlaces.of(found)

    # --- what came out

    @cached_property
    def exports(self) -> tuple[Export, ...]:
        """The study's exports whose folders are still there, oldest first."""
        return tuple(
            Export(
                number,
                folder,
                fields_of(folder / "metrics.json"),
                fields_of(folder / "config.json"),
                _scores(folder / "scores"),
            )
            for number, folder in self.store.exports(self.study)
            if folder.is_dir()
        )

    @cached_property
    def winner_gone(self) -> Path | None:
        """Folder that the winner was exported to, where none of its is there any more."""
        if self.best is None or self.winner is not None:
            return None
        every = self.store.exports(self.study)
        gone = [folder for number, folder in every if number == self.best.number and not folder.is_dir()]
        return gone[-1] if gone else None

    @cached_property
    def winner(self) -> Export | None:
        """The export of `best`, the newest one where there are several."""
        mine = [e for e in self.exports if self.best and e.number == self.best.number]
        return mine[-1] if mine else None

    def predictions(self, number: int) -> tuple[Int64, Predictions] | None:
        """Rows and out-of-fold predictions of a trial; None without them, or without the data."""
        if self.plan is None or self.dataset is None:
            return None
        saved = self.store.predictions(self.study, number)
        if saved is None:
            return None
        rows, logits = saved
        data, target = self.dataset, self.plan.definition.target
        found = target.predictions(logits, data.y[rows], data.subject[rows])
        cost = next((t.cost for t in self.records if t.number == number), None)
        return rows, replace(
            found,
            changed=self.store.changed_predictions(self.study, number),
            quantised=self.store.quantised_predictions(self.study, number),
            board=None if cost is None else cost.board,
        )

    @cached_property
    def out_of_fold(self) -> tuple[tuple[Int64, Predictions], ...]:
        """What the winner's repeats predicted out of fold, one entry each; its own where it has none."""
        if self.best is None:
            return ()
        sources = (
            self.repeats(self.best.number, self.shipped_length)
            or self.repeats(self.best.number)
            or [self.best]
        )
        found = [self.predictions(t.number) for t in sources]
        return tuple(one for one in found if one is not None)


def _scores(folder: Path) -> dict[str, dict[str, Any]]:
    """Read the files of evaluations by the order they give: a copied folder has other file times."""
    found = {file.name: fields_of(file) for file in folder.glob("*.json")}

    def age(item: tuple[str, dict[str, Any]]) -> tuple[str, int, str]:
        name, one = item
        return str(one.get("at", "")), int(one.get("look") or 0), name

    return dict(sorted(found.items(), key=age))
