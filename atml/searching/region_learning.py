"""What a search learns about its space while it runs: regions, kept in the study, which its sampler avoids.

A region claims that hardly any of its configs learns anything, see `atml.searching.collapse`. Until a
reference draw or an audit has shown that, at half of its first fold, it is ended by no comparison with other
trials. A trial qualifies when it ran over every fold, keeps its budget, and the lowest of its four metrics
reaches the objective's threshold; no region with such a trial in it is rejected.

Regions of version 0.1 claim that hardly any config qualifies: where a study has those, its reference draws
and audits are never ended by comparison, only by `below_floor`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atml import regions
from atml.errors import StudyError
from atml.regions import Bounds, Box, Claim, Ledger, Outcome, Region, Space
from atml.regions.region_files import read
from atml.regions.sequential_test import DRAWN_FROM_Q
from atml.regions.verdicts import IMPORTED, OPEN, REJECTED, SUSPECTED
from atml.searching.collapse import EVIDENCE, collapsed
from atml.searching.kept_files import task_of
from atml.searching.progress import View
from atml.storage import Store
from atml.task_files.definition import TaskDefinition
from atml.training.records import Role, State, TrialRecord

_ABOUT = (
    *("space", "data_fingerprint", "window", "folds", "seed", "objective", "objective_name", "qualifies"),
    *("max_size_kib", "max_macs", "max_ram_kib"),
)
_ABOUT_A_BOARD = ("board", "format", "latency_ms", "flash_kib", "board_ram_kib")
"""Settings of a study that the claims of its regions are about; those of a board where it has one."""


def fingerprint(spec: dict[str, Any]) -> dict[str, str]:
    """Return what the claims of a study's regions are about, from its settings."""
    about = {key: str(spec.get(key)) for key in _ABOUT}
    # Studies of earlier versions were for no board, and their claims stay what they are.
    return about | {key: str(spec[key]) for key in _ABOUT_A_BOARD if spec.get(key)}


def qualified(record: TrialRecord, threshold: float) -> bool:
    """Whether a trial that ended with a result qualifies."""
    metrics = record.result.get("metrics")
    return record.feasible and metrics is not None and min(metrics.values()) >= threshold


def below_floor(definition: TaskDefinition, fold: int, fraction: float, value: float) -> float | None:
    """Return by how much ``value``, at the end of the first fold, is below `TaskDefinition.floor`, else None.

    The floor is part of the objective file, and so fixed before the first trial: it may end reference draws.
    """
    if definition.floor is None or fold or fraction < 1.0 or value >= definition.floor:
        return None
    return definition.floor - value


@dataclass(frozen=True)
class RegionState:
    """The regions of a study, by its trials so far."""

    space: Space
    ledger: Ledger
    outcomes: tuple[Outcome, ...]
    found: tuple[Region, ...]


def state(store: Store, name: str) -> RegionState:
    """Judge the regions of a study from what its database holds.

    Raises:
        StudyError: no such study, or one that keeps no regions.
        TaskFileError: its search space is missing or broken.
    """
    spec = store.spec(name)
    if spec is None:
        raise StudyError(f"no study {name!r} in {store.name}; `atml status` lists them")
    kept = store.ledger(name)
    if kept is None:
        raise StudyError(f"study {name!r} has no regions: only a search with --learn-regions has them")
    definition = task_of(store, name, spec)
    if definition.space_hash != spec["space"]:
        raise StudyError(
            f"{definition.space_path} changed since study {name!r} was searched with it, and its regions are"
            " about the former file: restore it, or continue the search with --accept-changes"
        )
    space = regions.learn(definition.suggest)
    records = store.trials(name)
    # A study that was searched on with --no-regions may be about something else by now.
    ledger = _renewed(Ledger.from_dict(kept), records, space, fingerprint(spec), definition)
    seen = outcomes(records, spec["qualifies"], ledger.claim, definition.floor)
    return RegionState(space, ledger, seen, regions.judge(ledger, seen, space))


def importable(path: Path, space: Space, store: Store | None, name: str) -> tuple[tuple[Box, str], ...]:
    """Read the regions of a file for a study that has not begun, or has begun with the same ones.

    Raises:
        RegionError: the file can't be used for this space.
        StudyError: the study has begun with other regions, or without any.
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
            f"study {name!r} has already begun, and --regions is for a new one (--study NAME); "
            "`atml regions import` adds them to this one"
        )
    return boxes


def bring(store: Store, name: str, path: Path) -> int:
    """Nominate the regions of a file in a study that keeps regions; return how many are new to it.

    They are avoided only once draws made from now on are evidence against them; audits are made for that.

    Raises:
        RegionError: the file can't be used for the study's space.
        StudyError: no such study, one that keeps no regions, or one that is searched at the moment.
    """
    now = state(store, name)
    boxes = read(path, now.space)
    if store.others_at_work(name):
        raise StudyError(
            f"study {name!r} is being searched: stop the search first, or import into another study"
        )
    grown = regions.nominate(now.ledger, boxes, now.space, after=len(store.trials(name)))
    store.save_ledger(name, grown.to_dict())
    return len(grown.mined) - len(now.ledger.mined)


def _renewed(
    ledger: Ledger,
    records: Sequence[TrialRecord],
    space: Space,
    about: dict[str, str],
    definition: TaskDefinition,
) -> Ledger:
    """Begin a new ledger where the claims are about something else now; former regions become stale."""
    seen = outcomes(records, float(ledger.fingerprint["qualifies"]), ledger.claim, definition.floor)
    return regions.renew(ledger, seen, space, about, since=len(records), named=definition.regions)


def outcomes(
    records: Sequence[TrialRecord], threshold: float, claim: Claim, floor: float | None
) -> tuple[Outcome, ...]:
    """Read the trials of a study as outcomes by what its regions claim, without the repeats of finalists."""
    searched = [record for record in records if record.role == Role.SEARCH]
    marks = {record.number: record.marks for record in searched if record.marks}

    def nothing(record: TrialRecord) -> bool | None:
        return collapsed(record.constraints, record.steps, record.points, floor)

    return regions.outcomes(
        searched,
        lambda record: qualified(record, threshold),
        marks,
        nothing if claim == Claim.LEARNS else None,
    )


class RegionLearner:
    """The regions of a running search, up to date with the trials of every process."""

    def __init__(
        self, store: Store, name: str, definition: TaskDefinition, view: View, imported: Path | None = None
    ) -> None:
        self._store, self._name, self._definition, self._view = store, name, definition, view
        self._space = regions.learn(definition.suggest)
        self._seen: object = None
        self._first = 0
        self._ended: list[tuple[int, str]] = []
        self._count = 0
        self._statuses: dict[str, str] = {}
        self.newest = ""
        """The region that was rejected last and still is, in words."""
        self.bounds_now = Bounds()
        self._begin(imported)
        self.refresh(quiet=True)

    def _begin(self, imported: Path | None) -> None:
        """Declare the family of a new study, or resume its ledger; begin a new one where claims are stale."""
        spec = self._store.spec(self._name)
        assert spec is not None
        boxes = () if imported is None else importable(imported, self._space, self._store, self._name)
        about, kept = fingerprint(spec), self._store.ledger(self._name)
        records = self._store.trials(self._name)
        if kept is None:
            # For a family declared after some trials, only later ones count.
            begun = regions.begin(
                self._space,
                about,
                named=self._definition.regions,
                since=len(records),
                imported=boxes,
            )
            if imported is not None:
                self._view.say(f"{len(boxes)} regions of {imported} are tested first")
        else:
            ledger = Ledger.from_dict(kept)
            begun = _renewed(ledger, records, self._space, about, self._definition)
            if begun is not ledger:
                self._view.say(
                    "settings that the regions of this study depend on have changed: they are learned anew"
                )
        self._store.save_ledger(self._name, begun.to_dict())
        self.claim = begun.claim

    def exempt(self, source: str, step: int) -> bool:
        """Whether a trial is not compared with others at a report point, as it is to be evidence.

        That is a reference draw or an audit until it has given its evidence; in a study with the claim of
        version 0.1, until its end.
        """
        return source in DRAWN_FROM_Q and (self.claim == Claim.QUALIFIES or step < EVIDENCE)

    def bounds(self) -> Bounds:
        """Return the bounds for the next trial."""
        self.refresh()
        return self.bounds_now

    def refresh(self, quiet: bool = False) -> None:
        """Judge the regions after new trials or lifts; print a line for each change unless ``quiet``."""
        records = self._store.trials(self._name)
        kept = self._store.ledger(self._name)
        assert kept is not None
        now = self._telling(records), len(kept["lifts"]), len(kept["mined"])
        if now == self._seen:
            return
        self._seen = now
        ledger = Ledger.from_dict(kept)
        seen = outcomes(records, self._definition.qualifies, ledger.claim, self._definition.floor)
        mined = regions.update(ledger, seen, self._space)
        if mined is not ledger:
            self._store.save_ledger(self._name, mined.to_dict())
        found = regions.judge(mined, seen, self._space)
        self.bounds_now = Bounds.of(found)
        closed = [(r.rejected, r.id, r.box.words()) for r in found if r.binds and r.rejected is not None]
        self.newest = max(closed, default=(None, "", ""))[2]
        for region in found:
            before = self._statuses.get(region.id, OPEN)
            self._statuses[region.id] = region.status
            if region.status != before and not quiet:
                self._view.say(
                    f"region {region.id} is {region.status}: {region.box.words()}; {region.words()}"
                )

    def _telling(self, records: Sequence[TrialRecord]) -> tuple[object, ...]:
        """Return what can change the status of a box; most of many trials can't.

        These are reference draws, audits and trials that qualify. Ten more of the rest may make a nomination
        due.
        """
        while self._first < len(records) and records[self._first].state not in (State.RUNNING, State.WAITING):
            ended = records[self._first]
            self._first, self._count = self._first + 1, self._count + ended.finished
            if self._tells(ended):
                self._ended.append((ended.number, ended.state))
        rest = records[self._first :]
        count = self._count + sum(t.finished for t in rest)
        return count // 10, *self._ended, *((t.number, t.state) for t in rest if self._tells(t))

    def _tells(self, record: TrialRecord) -> bool:
        return record.origin in DRAWN_FROM_Q or (
            record.state == State.COMPLETE and qualified(record, self._definition.qualifies)
        )

    def headline(self) -> str:
        """Count rejected and suspect regions in words; "" without any."""
        counts = {word: list(self._statuses.values()).count(word) for word in (REJECTED, SUSPECTED)}
        return ", ".join(f"{count} {word}" for word, count in counts.items() if count)
