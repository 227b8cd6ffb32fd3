"""Slots make a total exact: over workers, restarts and several searches of one study.

A search claims a slot before it asks for a trial. The slot is taken while the trial runs, for good once
it has a result, and free again when it came to nothing. Who holds a slot says that it is alive, every
`BEAT_S` seconds; what the dead left can be told from what the living do.

Beats are written and judged by the database's clock. Nobody is called dead for a beat that could not be
said: neither while the server was down, nor while this process was cut off from it, stopped or asleep.

A lock is slot 0 of a study of its own, ``STUDY//PHASE``: one process at a time is in that phase.
"""

from __future__ import annotations

import functools
import os
import socket
import time
import uuid
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from atml.storage.database import Database
from atml.storage.schema import HOLDERS, SLOTS

STALE_S = 90.0
"""A process that has not said anything for this long, in seconds, is dead."""
BEAT_S = STALE_S / 6
"""Seconds between two beats of a process."""


class Slots:
    """The slots of all studies, as seen by one process, which is called ``token``."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self.token = uuid.uuid4().hex
        self.about: dict[str, Any] = {}
        """What this process tells of itself: values of ``study``, ``role`` and ``info`` in `HOLDERS`."""
        self._due = 0.0
        self._last: tuple[float, float] | None = None
        self._deaf_until = -float("inf")
        self._locks: set[str] = set()

    def beat(self) -> None:
        """Say that this process is alive; call it at least every `BEAT_S`, as often as you like."""
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
        """Remember when this process, by whatever clock, heard nothing for long: others had no chance."""
        now = (time.monotonic(), time.time())
        if self._last is not None and max(now[0] - self._last[0], now[1] - self._last[1]) > STALE_S / 2:
            self._deaf_until = now[0]
        self._last = now

    def _insert(self, table: sa.Table, **values: Any) -> postgresql.Insert | sqlite.Insert:
        """Insert a row unless its key is taken."""
        kind = sqlite.insert if self._db.engine.dialect.name == "sqlite" else postgresql.insert
        return kind(table).values(**values).on_conflict_do_nothing()

    def claim(self, study: str, total: int) -> int | None:
        """Take the lowest free slot below ``total``, None when all are taken.

        A slot is taken while its trial runs and for good once it has a result. Two processes that want
        the same one meet at the primary key, and the later tries the next.
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
        # Whether a row came in is told by the row alone: its count is not kept by every driver.
        return db.execute(row.returning(SLOTS.c.slot)).first() is not None

    def take(self, study: str, slot: int) -> bool:
        """Take one slot by its number; False where it is taken already."""
        place = (SLOTS.c.study == study) & (SLOTS.c.slot == slot)

        def again(db: sa.Connection) -> bool:
            if self._taken(db, study, slot):
                return True
            return db.execute(sa.select(SLOTS.c.token).where(place)).scalar() == self.token

        return self._db.write(lambda db: self._taken(db, study, slot), again)

    def assign(self, study: str, slot: int, number: int) -> bool:
        """Write down which trial fills a claimed slot; False where the slot is not ours any more."""
        mine = (SLOTS.c.study == study) & (SLOTS.c.slot == slot) & (SLOTS.c.token == self.token)
        row = SLOTS.update().where(mine).values(number=number)
        return self._db.write(lambda db: db.execute(row).rowcount == 1)

    def release(self, study: str, slot: int, token: str | None = None) -> None:
        """Give a slot back: its trial came to nothing. Only one of ours, or of ``token``, which died."""
        held = (SLOTS.c.study == study) & (SLOTS.c.slot == slot) & (SLOTS.c.token == (token or self.token))
        self._db.write(lambda db: db.execute(SLOTS.delete().where(held)))

    def lock(self, study: str, phase: str = "finals") -> bool:
        """Enter a phase of a study alone; False while another living process is in it. Never waits."""
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
        """Leave a phase of a study; nothing happens where another process is in it."""
        name = f"{study}//{phase}"
        self.release(name, 0)
        self._locks.discard(name)

    def of(self, study: str) -> list[tuple[int, str, int | None]]:
        """List ``(slot, token, trial number)`` of a study."""
        query = sa.select(SLOTS.c.slot, SLOTS.c.token, SLOTS.c.number).where(SLOTS.c.study == study)
        return self._db.read(lambda db: [(row.slot, row.token, row.number) for row in db.execute(query)])

    def alive(self) -> set[str]:
        """Tokens of the processes that live, this one included; the dead are forgotten."""
        # A machine that slept wakes with nobody's beat due, and everybody's old.
        self._notice_gap()

        def count(db: sa.Connection) -> set[str]:
            now, up_since = db.execute(sa.select(self._db.clock, self._db.up_since)).one()
            holders = list(db.execute(sa.select(HOLDERS)))
            alive = {h.token for h in holders if self._lives(h, now, up_since)}
            dead = [(h.token, h.beat) for h in holders if h.token not in alive]
            for token, beat in dead:
                # Unless it said something meanwhile.
                db.execute(HOLDERS.delete().where((HOLDERS.c.token == token) & (HOLDERS.c.beat == beat)))
            return alive

        return self._db.write(count) | {self.token}

    def _lives(self, holder: Any, now: float, up_since: float) -> bool:
        if holder.token == self.token:
            return True
        here = holder.machine in (machine(), None) and holder.host == socket.gethostname()
        if here and not _runs(holder.pid):
            return False
        deaf = time.monotonic() - max(self._deaf_until, self._db.steady.back_at) <= STALE_S
        return deaf or now - max(holder.beat, up_since) <= STALE_S

    def works_on(self, study: str, role: str) -> None:
        """Say at once what this process works on, and as what."""
        self.about = {"study": study, "role": role}
        self._due = 0.0
        self.beat()

    def others(self, study: str) -> set[str | None]:
        """Return the roles of the other living processes that work on a study."""
        alive = self.alive() - {self.token}
        query = sa.select(HOLDERS.c.token, HOLDERS.c.role).where(HOLDERS.c.study == study)
        return self._db.read(lambda db: {row.role for row in db.execute(query) if row.token in alive})

    def leave(self) -> None:
        """Say that this process is done, and leave its locks."""

        def go(db: sa.Connection) -> None:
            if self._locks:
                locks = SLOTS.c.study.in_(self._locks) & (SLOTS.c.token == self.token)
                db.execute(SLOTS.delete().where(locks))
            db.execute(HOLDERS.delete().where(HOLDERS.c.token == self.token))

        # A process that only looked has nothing to take back, and may not be let to.
        if self._due or self._locks:
            self._db.write(go)
        self._locks.clear()
        self._due = 0.0


@functools.cache
def machine() -> str:
    """Return what a process id is unique in: this boot of this machine, this container of it.

    Two containers may share a host's name, and each has a process 1.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"  # noqa: PTH116
    except OSError:
        return socket.gethostname()


def _runs(pid: int) -> bool:
    """Whether there is a process of this number here."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
