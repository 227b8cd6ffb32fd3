"""Slots make the total of a study exact, over workers, restarts and several searches.

A search claims a slot before it asks for a trial. The slot is taken while the trial runs, for good once the
trial has a result, and free again where it has none. Each process that holds slots writes every `BEAT_S`
seconds that it is alive, so that slots of dead processes can be told from those of living ones.

These beats are written and judged by the database's clock. A process is not taken for dead because of a beat
that it could not write while the server was down, or that this process could not read while it was cut off,
stopped or asleep.

A lock is slot 0 of a study of its own, ``STUDY//PHASE``: one process at a time is in that phase.
"""

from __future__ import annotations

import functools
import os
import socket
import time
import uuid
from enum import StrEnum
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from atml.storage.database import Database
from atml.storage.schema import HOLDERS, SLOTS

STALE_S = 90.0
"""A process without a beat for this long, in seconds, is dead."""
BEAT_S = STALE_S / 6
"""Seconds between two beats of a process."""


class ProcessRole(StrEnum):
    """What a process does for a study. Members equal the strings that databases keep."""

    SEARCH = "search"
    ENDING = "ending"
    """A search whose time for trials is over."""
    WORKER = "worker"
    """It has joined a search."""


class Slots:
    """The slots of all studies, used by one process, whose name among the holders is ``token``."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self.token = uuid.uuid4().hex
        self.about: dict[str, Any] = {}
        """What this process writes about itself: ``study``, ``role`` and ``info`` of `HOLDERS`."""
        self._due = 0.0
        self._last: tuple[float, float] | None = None
        self._deaf_until = -float("inf")
        self._locks: set[str] = set()

    def beat(self) -> None:
        """Write that this process is alive; call it at least every `BEAT_S`, as often as you like."""
        if time.monotonic() < self._due:
            return
        known = {"host": socket.gethostname(), "pid": os.getpid(), "machine": machine(), **self.about}
        mine = HOLDERS.c.token == self.token

        def say(db: sa.Connection) -> None:
            now = {**known, "beat": self._db.clock}
            if db.execute(HOLDERS.update().where(mine).values(**now)).rowcount == 0:
                db.execute(self._insert(HOLDERS, token=self.token, since=self._db.clock, **now))
            self._db.set_clock(db)

        self._db.write(say)
        self._notice_gap()
        self._due = time.monotonic() + BEAT_S

    def _notice_gap(self) -> None:
        """Remember when this process was cut off for long, by either clock, so that it can't judge others."""
        now = (time.monotonic(), time.time())
        if self._last is not None and max(now[0] - self._last[0], now[1] - self._last[1]) > STALE_S / 2:
            self._deaf_until = now[0]
        self._last = now

    def _insert(self, table: sa.Table, **values: Any) -> postgresql.Insert | sqlite.Insert:
        """Insert a row unless its key is taken."""
        kind = sqlite.insert if self._db.engine.dialect.name == "sqlite" else postgresql.insert
        return kind(table).values(**values).on_conflict_do_nothing()

    def claim(self, study: str, total: int) -> int | None:
        """Claim the lowest free slot below ``total``; return None where all are taken.

        Where two processes try for the same slot, the primary key lets the first one have it, and the second
        tries the next.
        """
        self.beat()
        of_study, tried = SLOTS.c.study == study, []

        def take(db: sa.Connection) -> int | None:
            while True:
                count, top = db.execute(
                    sa.select(sa.func.count(), sa.func.max(SLOTS.c.slot)).where(of_study)
                ).one()
                if count >= total:
                    return None
                slot = count
                if count and top != count - 1:
                    taken = set(db.execute(sa.select(SLOTS.c.slot).where(of_study)).scalars())
                    slot = next(i for i in range(len(taken) + 1) if i not in taken)
                if slot < total and self._taken(db, study, slot):
                    tried.append(slot)
                    return int(slot)

        def find_or_take(db: sa.Connection) -> int | None:
            mine = of_study & SLOTS.c.slot.in_(tried) & (SLOTS.c.token == self.token)
            found = db.execute(sa.select(SLOTS.c.slot).where(mine)).scalar()
            return take(db) if found is None else int(found)

        return self._db.write(take, find_or_take)

    def _taken(self, db: sa.Connection, study: str, slot: int) -> bool:
        row = self._insert(SLOTS, study=study, slot=slot, token=self.token, at=self._db.clock)
        # By the row itself, since not every driver counts inserted rows.
        return db.execute(row.returning(SLOTS.c.slot)).first() is not None

    def take(self, study: str, slot: int) -> bool:
        """Claim one slot by its number; return False where it is taken already."""
        place = (SLOTS.c.study == study) & (SLOTS.c.slot == slot)

        def again(db: sa.Connection) -> bool:
            if self._taken(db, study, slot):
                return True
            return db.execute(sa.select(SLOTS.c.token).where(place)).scalar() == self.token

        return self._db.write(lambda db: self._taken(db, study, slot), again)

    def assign(self, study: str, slot: int, number: int) -> bool:
        """Record which trial fills a claimed slot; return False where this process holds it no longer."""
        mine = (SLOTS.c.study == study) & (SLOTS.c.slot == slot) & (SLOTS.c.token == self.token)
        row = SLOTS.update().where(mine).values(number=number)
        return self._db.write(lambda db: db.execute(row).rowcount == 1)

    def release(self, study: str, slot: int, token: str | None = None) -> None:
        """Free a slot whose trial has no result, held by this process or by the dead one called ``token``."""
        held = (SLOTS.c.study == study) & (SLOTS.c.slot == slot) & (SLOTS.c.token == (token or self.token))
        self._db.write(lambda db: db.execute(SLOTS.delete().where(held)))

    def lock(self, study: str, phase: str = "finals") -> bool:
        """Enter a phase of a study alone; return False, at once, while another living process is in it."""
        self.beat()
        name = f"{study}//{phase}"
        holders = {token for _, token, _ in self.of(name)}
        if self.token not in holders:
            for token in holders - self.alive():
                self.release(name, 0, token)
            if not self.take(name, 0):
                return False
        self._locks.add(name)
        return True

    def unlock(self, study: str, phase: str = "finals") -> None:
        """Leave a phase of a study; without effect where another process is in it."""
        name = f"{study}//{phase}"
        self.release(name, 0)
        self._locks.discard(name)

    def of(self, study: str) -> list[tuple[int, str, int | None]]:
        """Return ``(slot, token, trial number)`` of each taken slot of a study."""
        query = sa.select(SLOTS.c.slot, SLOTS.c.token, SLOTS.c.number).where(SLOTS.c.study == study)
        return self._db.read(lambda db: [(row.slot, row.token, row.number) for row in db.execute(query)])

    def alive(self) -> set[str]:
        """Return the tokens of the living processes, this one included; delete the dead ones."""
        # After a sleep of this machine every beat looks old.
        self._notice_gap()

        def count(db: sa.Connection) -> set[str]:
            now, up_since = db.execute(sa.select(self._db.clock, self._db.up_since)).one()
            holders = list(db.execute(sa.select(HOLDERS)))
            alive = {h.token for h in holders if self.lives(h, now, up_since)}
            dead = [(h.token, h.beat) for h in holders if h.token not in alive]
            for token, beat in dead:
                # Unless there was a beat meanwhile.
                db.execute(HOLDERS.delete().where((HOLDERS.c.token == token) & (HOLDERS.c.beat == beat)))
            return alive

        return self._db.write(count) | {self.token}

    def lives(self, holder: Any, now: float, up_since: float) -> bool:
        """Whether a row of `HOLDERS` is of a living process; times in seconds of the database's clock."""
        if holder.token == self.token:
            return True
        here = holder.machine in (machine(), None) and holder.host == socket.gethostname()
        if here and not _runs(holder.pid):
            return False
        deaf = time.monotonic() - max(self._deaf_until, self._db.steady.back_at) <= STALE_S
        return deaf or now - max(holder.beat, up_since) <= STALE_S

    def works_on(self, study: str, role: ProcessRole) -> None:
        """Write at once what this process works on, and in which role."""
        self.about = {"study": study, "role": role}
        self._due = 0.0
        self.beat()

    def others(self, study: str) -> set[str | None]:
        """Return the roles of the other living processes that work on a study."""
        alive = self.alive() - {self.token}
        query = sa.select(HOLDERS.c.token, HOLDERS.c.role).where(HOLDERS.c.study == study)
        return self._db.read(lambda db: {row.role for row in db.execute(query) if row.token in alive})

    def leave(self) -> None:
        """Write that this process has ended, and give up its locks."""

        def go(db: sa.Connection) -> None:
            if self._locks:
                locks = SLOTS.c.study.in_(self._locks) & (SLOTS.c.token == self.token)
                db.execute(SLOTS.delete().where(locks))
            db.execute(HOLDERS.delete().where(HOLDERS.c.token == self.token))

        # A process that only read has nothing to delete, and perhaps no permission to.
        if self._due or self._locks:
            self._db.write(go)
        self._locks.clear()
        self._due = 0.0


@functools.cache
def machine() -> str:
    """Return a name of the scope in which process ids are unique: this boot, and this container.

    Two containers may share a host name, and each has a process 1.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"  # noqa: PTH116
    except OSError:
        return socket.gethostname()


def _runs(pid: int) -> bool:
    """Whether a process of this number runs here."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
