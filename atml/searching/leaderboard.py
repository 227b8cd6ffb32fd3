"""The trials of a study in order, the winner first, each with its figures: one source for every surface.

`atml status`, `atml best`, the last lines of a search, the report, the Dashboard and the choice of an export
to compare all read this. The winner is the finalist that was taken on fresh seeds, once there is one; before
that it is the best trial so far, by the one seed of the search. All figures of an entry are of the same runs
at the same decision, and sizes are those of the file where there is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atml.artifacts.json_file import fields_of
from atml.formatting import plural
from atml.metrics import FOUR
from atml.searching.ranking import JUDGED, PICK, in_order, kib_of, ranked, shipped_length
from atml.training.records import Role, TrialRecord

if TYPE_CHECKING:
    from atml.searching.finalists import Finalist
    from atml.storage import Store

AGREES = 1e-5
"""Largest difference of a value from that of a card whose other figures belong to it: some were rounded."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A trial that ran over every fold and keeps its budget, with the figures that it is ranked by.

    ``value`` is the objective out of fold: of a finalist the mean over ``seeds`` fresh seeds, at the
    ``decision`` that ships (in words; "" for one seed and for earlier versions, which don't tell), with
    ``length`` times the optimiser steps of the trial; with 0 seeds that of its run in the search. ``each``
    are the values of its seeds. ``metrics`` and ``rates`` are of those same runs at that decision, {} where
    an earlier version did not keep them. ``folder`` is the newest export that is still there.
    """

    record: TrialRecord
    value: float
    seeds: int = 0
    length: int = 1
    decision: str = ""
    each: tuple[float, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    rates: Mapping[str, float] = field(default_factory=dict)
    size_kib: float
    folder: Path | None = None

    @property
    def number(self) -> int:
        """Number of the trial."""
        return self.record.number

    @property
    def runs(self) -> str:
        """Say what its figures are of: "mean of 2 fresh seeds", "one seed"."""
        return runs(self.seeds, self.length, self.decision)

    @property
    def title(self) -> str:
        """Say what it is where it comes first: "winner, mean of 2 fresh seeds, decision as trained"."""
        return f"{'winner' if self.seeds else 'best so far'}, {self.runs}"


def runs(seeds: int, length: int = 1, decision: str = "") -> str:
    """Say what figures are of: so many fresh seeds, 0 for the one of the search, and which decision.

    >>> runs(2, 4, "decision as trained")
    'mean of 2 fresh seeds, trained 4 times as long, decision as trained'
    """
    if not seeds:
        return "one seed"
    said = "one fresh seed" if seeds == 1 else f"mean of {plural(seeds, 'fresh seed')}"
    said = said if length == 1 else f"{said}, trained {length} times as long"
    return f"{said}, {decision}" if decision else said


def leaderboard(store: Store, name: str) -> list[Entry]:
    """Return the entries of a study: the winner, the other finalists, then the others by their own value."""
    return entries(store.facts(name), store.trials(name), store.exports(name))


def entries(
    attrs: Mapping[str, Any], records: Sequence[TrialRecord], exports: Iterable[tuple[int, Path]]
) -> list[Entry]:
    """Order the ``records`` of a study by its attributes; ``exports`` are its folders, the oldest first."""
    folders = {number: folder for number, folder in exports if (folder / "model.onnx").is_file()}
    failed = {t.of for t in records if t.role == Role.FINALIST and t.finished and not t.feasible}
    own = [t for t in ranked(records) if t.number not in failed]
    by_number = {t.number: t for t in own}
    order = [number for number in in_order(attrs, records) if number in by_number]
    made = [_finalist(by_number[n], attrs, records, folders.get(n)) for n in order]
    if made and not made[0].seeds and own[0].number not in order:
        made = []  # chosen by the search's own values, and a later trial of the search is better
    taken = {entry.number for entry in made}
    return made + [_own(t, folders.get(t.number)) for t in own if t.number not in taken]


def figures(judged: Finalist) -> dict[str, Any]:
    """Return what a study keeps of a finalist, to be read back here, as JSON types."""
    return {
        "value": judged.value,
        "seeds": len(judged.sources) if judged.fresh else 0,
        "length": judged.length,
        "decision": judged.result.decision if judged.fresh else "",
        "each": list(judged.result.values) if judged.fresh else [],
        "metrics": dict(judged.result.four),
        "rates": {name: rate.value for name, rate in judged.result.rates.items()},
    }


def _own(record: TrialRecord, folder: Path | None) -> Entry:
    """Return a trial with the figures of its run in the search."""
    assert record.value is not None
    return Entry(
        record=record,
        value=record.value,
        metrics=record.result.get("metrics", {}),
        rates=record.result.get("rates", {}),
        size_kib=kib_of(record, folder),
        folder=folder,
    )


def _finalist(
    record: TrialRecord, attrs: Mapping[str, Any], records: Sequence[TrialRecord], folder: Path | None
) -> Entry:
    kept = (attrs.get(PICK) or {}).get("figures", {}).get(str(record.number))
    if kept is None:
        kept = _of_before(record, attrs, records, folder)
    if kept is None:
        return _own(record, folder)
    known = {one.name for one in fields(Entry)}
    kept = {key: value for key, value in kept.items() if key in known}
    each = tuple(kept.pop("each", ()))
    return Entry(record=record, size_kib=kib_of(record, folder), folder=folder, each=each, **kept)


def _of_before(
    record: TrialRecord, attrs: Mapping[str, Any], records: Sequence[TrialRecord], folder: Path | None
) -> dict[str, Any] | None:
    """Return the figures of a finalist of an earlier version, which kept its value in the study.

    The others are read from its export, where that has the same value. None without repeats.
    """
    length = shipped_length(attrs, record.number)
    again = [t for t in records if t.of == record.number and t.length == length and t.finished]
    kept = (attrs.get(PICK) or {}).get("values", {}).get(str(length)) if length > 1 else None
    value = kept if kept is not None else attrs.get(JUDGED, {}).get(str(record.number))
    if value is None or not again:
        return None
    found: dict[str, Any] = {"value": float(value), "seeds": len(again), "length": length}
    card = fields_of(folder / "metrics.json") if folder is not None else {}
    if abs(card.get("value", float("inf")) - found["value"]) <= AGREES:
        found["metrics"] = {name: card[name] for name in FOUR if name in card}
        found["rates"] = {name: rate["value"] for name, rate in card.get("rates", {}).items()}
    return found
