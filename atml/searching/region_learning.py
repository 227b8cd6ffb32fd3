"""What a search learns of its space while it runs: regions, kept in the study, binding its sampler.

A trial qualifies when it ran over every fold, keeps its budget, and the lowest of its four metrics reaches
the objective's threshold. Comparison with other trials never ends a reference draw or an audit; `below_floor`
does, a rule fixed before the search, and a rejected region is then one in which hardly any config passes
that rule and qualifies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atml import regions, task_files
from atml.errors import StudyError
from atml.regions import Bounds, Box, Ledger, Outcome, Region, Space
from atml.regions.region_files import read
from atml.regions.sequential_test import DRAWN_FROM_Q
from atml.regions.verdicts import IMPORTED, OPEN, REJECTED, SUSPECTED
from atml.searching.progress import View
from atml.searching.samplers.region_sampler import MARKS
from atml.storage import Store
from atml.task_files.definition import TaskDefinition
from atml.training.records import TrialRecord

BELOW_FLOOR = "hopeless"
"""Constraint of a trial that the fixed rule ended after its first fold."""

_ABOUT = (
    *("space", "data_fingerprint", "window", "folds", "seed", "objective", "objective_name", "qualifies"),
    *("max_size_kib", "max_macs", "max_ram_kib"),
)
"""What of a study's spec a region's claim is about."""


def fingerprint(spec: dict[str, Any]) -> dict[str, str]:
    """Say what the claims of a study's regions are about."""
    return {key: str(spec.get(key)) for key in _ABOUT}


def qualified(record: TrialRecord, threshold: float) -> bool:
    """Whether a trial that ended with a result qualifies."""
    metrics = record.result.get("metrics")
    return record.feasible and metrics is not None and min(metrics.values()) >= threshold


def below_floor(definition: TaskDefinition, fold: int, fraction: float, value: float) -> float | None:
    """Return by how much a first fold that ended stays below `TaskDefinition.floor`, or None.

    The rule is the objective file's and so fixed before the first trial: it may end reference draws.
    """
    if definition.floor is None or fold or fraction < 1.0 or value >= definition.floor:
        return None
    return definition.floor - value


@dataclass(frozen=True)
class State:
    """The regions of a study as its trials stand."""

    space: Space
    ledger: Ledger
    outcomes: tuple[Outcome, ...]
    found: tuple[Region, ...]


def state(store: Store, name: str) -> State:
    """Judge the regions of a study from what its database holds.

    Raises:
        StudyError: no such study, or one that keeps no regions.
        TaskFileError: its search space is gone or broken.
    """
    spec = store.spec(name)
    if spec is None:
        raise StudyError(f"no study {name!r} in {store.name}; `atml status` lists them")
    kept = store.ledger(name)
    if kept is None:
        raise StudyError(
            f"study {name!r} keeps no regions: it was searched with --no-regions, or before them"
        )
    objective = spec["objective_path"]
    if spec.get("objective_name"):
        objective += f":{spec['objective_name']}"
    definition = task_files.find(
        spec["task"], space=Path(spec["space_path"]), objective=objective, window=spec.get("window")
    )
    if definition.space_hash != spec["space"]:
        raise StudyError(
            f"{definition.space_path} changed since study {name!r} was searched with it, and its regions"
            " are about "
            "the file as it was: put it back, or search on with --accept-changes"
        )
    space = regions.learn(definition.suggest)
    records = store.trials(name)
    # Searched on with --no-regions, a study may be about something else by now.
    ledger = _renewed(Ledger.from_dict(kept), records, space, fingerprint(spec))
    seen = outcomes(records, spec["qualifies"])
    return State(space, ledger, seen, regions.judge(ledger, seen, space))


def importable(path: Path, space: Space, store: Store | None, name: str) -> tuple[tuple[Box, str], ...]:
    """Read regions for a study that has not begun, or that began with these very ones.

    Raises:
        RegionError: the file can't be used for this space.
        StudyError: the study has begun with others, or without any.
    """
    boxes = read(path, space)
    if store is None or store.spec(name) is None:
        return boxes
    kept = store.ledger(name)
    if kept is None and not store.trials(name):
        return boxes
    family = () if kept is None else Ledger.from_dict(kept).family
    if kept is None or {b.key for b, _ in boxes} != {c.box.key for c in family if c.source == IMPORTED}:
        raise StudyError(
            f"study {name!r} has begun already, and --regions is for a new one (--study NAME); "
            "`atml regions import` brings them into it"
        )
    return boxes


def bring(store: Store, name: str, path: Path) -> int:
    """Nominate the regions of a file in a study that keeps regions; return how many it did not have yet.

    They bind nothing before draws made from now on speak against them: the first audits do that.

    Raises:
        RegionError: the file can't be used for the study's space.
        StudyError: no such study, one that keeps no regions, or one that somebody is searching now.
    """
    now = state(store, name)
    boxes = read(path, now.space)
    if store.others_at_work(name):
        raise StudyError(f"study {name!r} is being searched: stop that first, or import into another one")
    grown = regions.nominate(now.ledger, boxes, now.space, after=len(store.trials(name)))
    store.save_ledger(name, grown.to_dict())
    return len(grown.mined) - len(now.ledger.mined)


def _renewed(ledger: Ledger, records: Sequence[TrialRecord], space: Space, about: dict[str, str]) -> Ledger:
    """Begin again where the claims are about something else now, judged last by what they were about."""
    seen = outcomes(records, float(ledger.fingerprint["qualifies"]))
    return regions.renew(ledger, seen, space, about, since=len(records))


def outcomes(records: Sequence[TrialRecord], threshold: float) -> tuple[Outcome, ...]:
    """Read the trials of a study as outcomes; repeats of finalists say nothing."""
    searched = [record for record in records if record.role == "search"]
    marks = {record.number: record.marks for record in searched if record.marks}
    return regions.outcomes(searched, lambda record: qualified(record, threshold), marks)


class Keeper:
    """The regions of a running search, up to date with every trial of the study, whoever ran it."""

    def __init__(
        self, store: Store, name: str, definition: TaskDefinition, view: View, imported: Path | None = None
    ) -> None:
        self._store, self._name, self._room, self._view = store, name, definition, view
        self._space = regions.learn(definition.suggest)
        self._seen: object = None
        self._statuses: dict[str, str] = {}
        self._newest = ""
        self.bounds_now = Bounds()
        self._begin(imported)
        self.refresh(quiet=True)

    def _begin(self, imported: Path | None) -> None:
        """Declare the family of a new study, or go on with what is kept; anew where claims are stale."""
        spec = self._store.spec(self._name)
        assert spec is not None
        boxes = () if imported is None else importable(imported, self._space, self._store, self._name)
        about, kept = fingerprint(spec), self._store.ledger(self._name)
        records = self._store.trials(self._name)
        if kept is None:
            # A family declared after trials were seen counts only those that are still to come.
            begun = regions.begin(self._space, about, since=len(records), imported=boxes)
            if imported is not None:
                self._view.say(f"{len(boxes)} regions of {imported} are looked at first")
        else:
            ledger = Ledger.from_dict(kept)
            begun = _renewed(ledger, records, self._space, about)
            if begun is not ledger:
                self._view.say("what the regions of this study are about has changed: they are learned anew")
        self._store.save_ledger(self._name, begun.to_dict())

    def bounds(self) -> Bounds:
        """Return what the next trial has to keep to."""
        self.refresh()
        return self.bounds_now

    def refresh(self, quiet: bool = False) -> None:
        """Judge anew if a trial or a person's decision came in, and tell what changed."""
        records = self._store.trials(self._name)
        kept = self._store.ledger(self._name)
        assert kept is not None
        now = self._speaking(records), len(kept["lifts"]), len(kept["mined"])
        if now == self._seen:
            return
        self._seen = now
        ledger = Ledger.from_dict(kept)
        seen = outcomes(records, self._room.qualifies)
        mined = regions.update(ledger, seen, self._space)
        if mined is not ledger:
            self._store.save_ledger(self._name, mined.to_dict())
        found = regions.judge(mined, seen, self._space)
        self.bounds_now = Bounds.of(found)
        closed = [(r.rejected, r.id, r.box.words()) for r in found if r.binds and r.rejected is not None]
        self._newest = max(closed, default=(None, "", ""))[2]
        for region in found:
            before = self._statuses.get(region.id, OPEN)
            self._statuses[region.id] = region.status
            if region.status != before and not quiet:
                self._view.say(
                    f"region {region.id} is {region.status}: {region.box.words()}; {region.words()}"
                )

    def _speaking(self, records: Sequence[TrialRecord]) -> tuple[object, ...]:
        """Return what of the trials can change how a box stands; of many trials it is little.

        Random draws and what qualifies count by trial; of the rest some ten more may make a nomination due.
        """
        threshold = self._room.qualifies
        return (
            sum(t.finished for t in records) // 10,
            *(
                (t.number, t.state)
                for t in records
                if t.origin in DRAWN_FROM_Q or (t.state == "complete" and qualified(t, threshold))
            ),
        )

    def headline(self) -> str:
        """Count rejected and suspect regions, for a view; "" without any."""
        counts = {word: list(self._statuses.values()).count(word) for word in (REJECTED, SUSPECTED)}
        return ", ".join(f"{count} {word}" for word, count in counts.items() if count)

    def newest(self) -> str:
        """Say the region that was rejected last and still is, for a view; "" without any."""
        return self._newest

    def hits(self, params: dict[str, Any]) -> tuple[Box, ...]:
        """Rejected boxes that queued parameters lie in."""
        return self.bounds_now.hits(params)


__all__ = [
    "BELOW_FLOOR",
    "DRAWN_FROM_Q",
    "MARKS",
    "Keeper",
    "State",
    "below_floor",
    "bring",
    "outcomes",
    "state",
]
