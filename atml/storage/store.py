"""The studies of one database, with all that is kept of them."""

from __future__ import annotations

import hashlib
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from atml.arrays import Float32, Int64
from atml.ecg.changes import CHANGES
from atml.metrics.predictions import QUANTISED
from atml.storage import moved
from atml.storage.recovery import Recovery
from atml.storage.schema import EVALUATIONS, EXPORTS, PREDICTIONS
from atml.storage.stored_trials import StoredTrials
from atml.storage.urls import DEFAULT_URL

# Keys that databases keep.
_SEEN = "seen_subjects"
_HASHED = "sha256:"
_IDENTITY = ("data_fingerprint", "export_sha256", "rule", "at")
_LEDGER, _LIFT = "regions", "region_lift:"


class Store(StoredTrials):
    """The studies of one database: settings, trials, regions, predictions, exports, evaluations.

    Raises what `Database` raises. A store belongs to one process; `close` it at the end.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = Store(f"sqlite:///{folder}/studies.db")
    ...     store.studies()
    ...     store.close()
    []
    """

    def __init__(self, url: str = DEFAULT_URL, *, create: bool = True) -> None:
        super().__init__(url, create=create)
        self._recovery = Recovery(self)

    # --- recovery

    def recover(self, name: str, say: Callable[[str], None] = lambda line: None) -> list[int]:
        """Requeue the trials of processes that are gone; return the numbers of those that no longer run.

        Their unfinished slots are free again (see `atml.storage.recovery`). Trials held by a living process
        are left alone. Nothing is done while another process recovers the same study.
        """
        if not self.slots.lock(name, "recover"):
            return []
        try:
            return self._recovery(name, say)
        finally:
            self.slots.unlock(name, "recover")

    def free_slot(self, name: str, slot: int, number: int) -> None:
        """Free a slot of this process, unless trial ``number`` has a result that no other slot counts."""
        self._recovery.free(name, [(slot, self.token, number)])

    # --- regions

    def ledger(self, name: str) -> dict[str, Any] | None:
        """Return what a study keeps of its regions (see `atml.regions.Ledger`); None for nothing."""
        attrs = self.study(name).user_attrs
        if _LEDGER not in attrs:
            return None
        lifts = [attrs[key] for key in sorted(attrs) if key.startswith(_LIFT)]
        return {**attrs[_LEDGER], "lifts": sorted(lifts, key=lambda one: (one["at"], one["id"]))}

    def save_ledger(self, name: str, ledger: dict[str, Any]) -> None:
        """Keep what a study knows of its regions.

        Lifts are kept apart, one by one, so that a search that writes its ledger can't undo a lift that a
        person made in the meantime.
        """
        study = self.study(name)
        rest = {**ledger, "lifts": []}
        with self.errors():
            for one in ledger["lifts"]:
                if f"{_LIFT}{one['id']}" not in study.user_attrs:
                    study.set_user_attr(f"{_LIFT}{one['id']}", one)
            if study.user_attrs.get(_LEDGER) != rest:
                study.set_user_attr(_LEDGER, rest)

    # --- out-of-fold predictions

    def save_predictions(
        self,
        study: str,
        number: int,
        rows: Int64,
        logits: Float32,
        changed: Mapping[str, Float32] | None = None,
        quantised: Mapping[str, Float32] | None = None,
    ) -> None:
        """Keep the out-of-fold logits ``(n, classes)`` of a trial for dataset ``rows (n,)``, as float16.

        ``changed`` are those of the same windows after changes, by the names of `atml.ecg.changes.CHANGES`
        and in that order; ``quantised`` are of the same network in other formats, which takes ``changed``.
        """
        layers = [logits]
        if changed:
            layers += [changed[kind] for kind in CHANGES]
            layers += [(quantised or {})[name] for name in QUANTISED if name in (quantised or {})]
        every = np.stack(layers)
        key = (PREDICTIONS.c.study == study) & (PREDICTIONS.c.number == number)
        row = PREDICTIONS.insert().values(
            study=study,
            number=number,
            rows=zlib.compress(rows.astype("<i4").tobytes()),
            logits=zlib.compress(every.clip(-6e4, 6e4).astype("<f2").tobytes()),
            classes=logits.shape[1],
        )
        self._db.write(lambda db: (db.execute(PREDICTIONS.delete().where(key)), db.execute(row)))

    def predictions(self, study: str, number: int) -> tuple[Int64, Float32] | None:
        """Return ``(rows, logits)`` of a trial as saved; None where none were."""
        found = self._every(study, number)
        return None if found is None else (found[0], found[1][0])

    def changed_predictions(self, study: str, number: int) -> dict[str, Float32] | None:
        """Return the logits of a trial after each change, by its name; None where none were saved."""
        found = self._every(study, number)
        if found is None or len(found[1]) == 1:
            return None
        return dict(zip(CHANGES, found[1][1:], strict=False))

    def quantised_predictions(self, study: str, number: int) -> dict[str, Float32]:
        """Return the logits of a trial in each format of fewer bits; empty where none were saved."""
        found = self._every(study, number)
        return {} if found is None else dict(zip(QUANTISED, found[1][1 + len(CHANGES) :], strict=False))

    def _every(self, study: str, number: int) -> tuple[Int64, Float32] | None:
        """Return rows and logits, ``(1 + changes + formats, n, classes)``."""
        key = (PREDICTIONS.c.study == study) & (PREDICTIONS.c.number == number)
        found = self._db.read(lambda db: db.execute(sa.select(PREDICTIONS).where(key)).first())
        if found is None:
            return None
        rows = np.frombuffer(zlib.decompress(found.rows), "<i4").astype(np.int64)
        logits = np.frombuffer(zlib.decompress(found.logits), "<f2").astype(np.float32)
        return rows, logits.reshape(-1 if len(rows) else 1, len(rows), found.classes)

    # --- exports and evaluations of test sets

    def save_export(self, study: str, number: int, folder: Path, sha256: str) -> None:
        """Record the export in ``folder``, in place of an earlier one there."""
        before = EXPORTS.delete().where(EXPORTS.c.folder == str(folder))
        row = EXPORTS.insert().values(
            folder=str(folder), study=study, number=number, sha256=sha256, at=self._db.clock
        )
        self._db.write(lambda db: (db.execute(before), db.execute(row)))

    def move_exports(self, study: str, places: Mapping[str, Path]) -> None:
        """Record where exports of a study lie now, by the names of their folders; forget all others.

        Of several folders of one name the latest is the one that lies there.
        """
        rows = EXPORTS.c.study == study
        query = sa.select(EXPORTS).where(rows).order_by(EXPORTS.c.at)
        found = self._db.read(lambda db: db.execute(query).mappings().all())
        kept: dict[Path, dict[str, Any]] = {}
        for row in found:
            place = places.get(Path(row["folder"]).name)
            if place is not None:
                kept[place] = {**row, "folder": place.as_posix()}

        def write(db: sa.Connection) -> None:
            db.execute(EXPORTS.delete().where(rows))
            if kept:
                db.execute(EXPORTS.insert(), list(kept.values()))

        self._db.write(write)

    def exports(self, study: str) -> list[tuple[int, Path]]:
        """Return ``(trial number, folder)`` of each export of a study, oldest first.

        A folder that is not there any more is looked for by its model, as `moved.export` does.
        """
        query = sa.select(EXPORTS).where(EXPORTS.c.study == study).order_by(EXPORTS.c.at)
        rows = self._db.read(lambda db: [(r.number, Path(r.folder), r.sha256) for r in db.execute(query)])
        return [(number, moved.export(folder, sha256, self.folders)) for number, folder, sha256 in rows]

    def record(
        self,
        *,
        data_fingerprint: str,
        export_sha256: str,
        rule: str,
        result: dict[str, Any],
        subjects: Mapping[str, Sequence[str]],
    ) -> int:
        """Record an evaluation of a test set; return how many this set has had, this one included.

        ``subjects`` are those evaluated, by the name of their data set; generated sets have none. Two
        evaluations count as of one test set where their fingerprints are equal or they share a subject:
        another window, lead or additional set changes the fingerprint, not the people. Earlier versions
        recorded no subjects; their evaluations count by fingerprint.
        """
        people = {data: sorted(names) for data, names in subjects.items()}
        # Its time identifies an evaluation that was recorded although the answer to the commit was lost.
        row = {"data_fingerprint": data_fingerprint, "export_sha256": export_sha256, "at": time.time()}

        def add(db: sa.Connection) -> Sequence[Any]:
            db.execute(EVALUATIONS.insert().values(**row, rule=rule, result={**result, _SEEN: people}))
            return every(db)

        def every(db: sa.Connection) -> Sequence[Any]:
            return db.execute(sa.select(EVALUATIONS.c.data_fingerprint, EVALUATIONS.c.result[_SEEN])).all()

        def add_once(db: sa.Connection) -> Sequence[Any]:
            same = sa.and_(*(EVALUATIONS.c[key] == value for key, value in row.items()))
            there = db.execute(sa.select(EVALUATIONS.c.id).where(same)).first()
            return add(db) if there is None else every(db)

        known = self._db.write(add, add_once)
        mine = marks(subjects)
        return sum(found == data_fingerprint or _share(seen, mine) for found, seen in known)

    def take_over(self, evaluations: Sequence[Mapping[str, Any]]) -> None:
        """Add evaluations that were recorded elsewhere, as `evaluations_of` returns them, once each."""

        def add(db: sa.Connection) -> None:
            there = {tuple(row) for row in db.execute(sa.select(*(EVALUATIONS.c[key] for key in _IDENTITY)))}
            for one in evaluations:
                if tuple(one[key] for key in _IDENTITY) not in there:
                    row = {key: one[key] for key in _IDENTITY}
                    db.execute(EVALUATIONS.insert().values(**row, result={_SEEN: one["people"]}))

        if evaluations:
            self._db.write(add)

    def evaluations_of(
        self, data_fingerprint: str, subjects: Mapping[str, Sequence[str]]
    ) -> list[dict[str, Any]]:
        """Return the evaluations of a test set, oldest first, without their figures.

        Keys: ``data_fingerprint``, ``export_sha256``, ``rule``, ``at`` (seconds since 1970) and ``people``,
        hashes of the names of subjects by data set.
        """
        columns = (*(EVALUATIONS.c[key] for key in _IDENTITY), EVALUATIONS.c.result[_SEEN].label("people"))
        query = sa.select(*columns).order_by(EVALUATIONS.c.at)
        people = marks(subjects)
        rows = self._db.read(lambda db: [dict(row) for row in db.execute(query).mappings()])
        return [
            {**row, "people": marks(row["people"] or {})}
            for row in rows
            if row["data_fingerprint"] == data_fingerprint or _share(row["people"], people)
        ]


def marks(subjects: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return hashes in place of the names of subjects, by data set; what is a hash already stays.

    >>> marks({"vfdb": ["418"]}) == marks(marks({"vfdb": ["418"]}))
    True
    """
    return {data: sorted(_mark(data, name) for name in names) for data, names in subjects.items()}


def _mark(data: str, name: str) -> str:
    if name.startswith(_HASHED):
        return name
    return _HASHED + hashlib.sha256(f"{data}/{name}".encode(errors="surrogatepass")).hexdigest()[:16]


def _share(seen: Mapping[str, Sequence[str]] | None, people: Mapping[str, Sequence[str]]) -> bool:
    """Whether two evaluations share a subject of a set of one name; ``people`` are hashes."""
    known = marks(seen or {})
    return any(not set(names).isdisjoint(known.get(data, ())) for data, names in people.items())
