"""Slots make a total exact: over workers, restarts and several searches of one study.

A search claims a slot before it asks for a trial. The slot is taken while the trial runs, for good once
it has a result, and free again when it came to nothing. Who holds a slot says that it is alive, every
`BEAT_S` seconds; what the dead left can be told from what the living do.

A lock is slot 0 of a study of its own, ``STUDY//PHASE``: one process at a time is in that phase.
"""

from __future__ import annotations

import os
import socket
import time
import uuid

import sqlalchemy as sa

from atml.store.database import Database
from atml.store.schema import HOLDERS, SLOTS

STALE_S = 90.0
"""A process that has not said anything for this long, in seconds, is dead."""
BEAT_S = STALE_S / 6
"""Seconds between two beats of a process."""


class Slots:
    """The slots of all studies, as seen by one process, which is called ``token``."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self.token = uuid.uuid4().hex
        self._due = 0.0
        self._locks: set[str] = set()

    def beat(self) -> None:
        """Say that this process is alive; call it at least every `BEAT_S`, as often as you like."""
        if time.monotonic() < self._due:
            return
        with self._db.errors(), self._db.engine.begin() as db:
            now = {"host": socket.gethostname(), "pid": os.getpid(), "beat": time.time()}
            changed = db.execute(HOLDERS.update().where(HOLDERS.c.token == self.token).values(**now))
            if changed.rowcount == 0:
                db.execute(HOLDERS.insert().values(token=self.token, **now))
        self._due = time.monotonic() + BEAT_S

    def claim(self, study: str, total: int) -> int | None:
        """Take the lowest free slot below ``total``, None when all are taken.

        A slot is taken while its trial runs and for good once it has a result. Two processes that want
        the same one meet at the primary key, and the later tries the next.
        """
        self.beat()
        while True:
            with self._db.errors():
                with self._db.engine.connect() as db:
                    taken = set(db.execute(sa.select(SLOTS.c.slot).where(SLOTS.c.study == study)).scalars())
            if len(taken) >= total:
                return None
            slot = next(i for i in range(len(taken) + 1) if i not in taken)
            if self.take(study, slot):
                return slot

    def take(self, study: str, slot: int) -> bool:
        """Take one slot by its number; False where it is taken already."""
        try:
            with self._db.engine.begin() as db:
                db.execute(SLOTS.insert().values(study=study, slot=slot, token=self.token))
        except sa.exc.IntegrityError:
            return False
        except sa.exc.SQLAlchemyError as error:
            raise self._db.as_error(error) from error
        return True

    def assign(self, study: str, slot: int, number: int) -> None:
        """Write down which trial fills a claimed slot."""
        with self._db.errors(), self._db.engine.begin() as db:
            mine = (SLOTS.c.study == study) & (SLOTS.c.slot == slot)
            db.execute(SLOTS.update().where(mine).values(number=number))

    def release(self, study: str, slot: int, token: str | None = None) -> None:
        """Give a slot back: its trial came to nothing. Only one of ours, or of ``token``, which died."""
        held = (SLOTS.c.study == study) & (SLOTS.c.slot == slot) & (SLOTS.c.token == (token or self.token))
        with self._db.errors(), self._db.engine.begin() as db:
            db.execute(SLOTS.delete().where(held))

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
        with self._db.errors(), self._db.engine.connect() as db:
            rows = db.execute(sa.select(SLOTS).where(SLOTS.c.study == study))
            return [(row.slot, row.token, row.number) for row in rows]

    def alive(self) -> set[str]:
        """Tokens of the processes that live, this one included; the dead are forgotten."""
        with self._db.errors(), self._db.engine.begin() as db:
            holders = list(db.execute(sa.select(HOLDERS)))
            alive = {h.token for h in holders if h.token == self.token or _alive(h.host, h.pid, h.beat)}
            dead = [h.token for h in holders if h.token not in alive]
            db.execute(HOLDERS.delete().where(HOLDERS.c.token.in_(dead)))
        return alive | {self.token}

    def leave(self) -> None:
        """Say that this process is done, and leave its locks."""
        with self._db.errors(), self._db.engine.begin() as db:
            if self._locks:
                locks = SLOTS.c.study.in_(self._locks) & (SLOTS.c.token == self.token)
                db.execute(SLOTS.delete().where(locks))
            db.execute(HOLDERS.delete().where(HOLDERS.c.token == self.token))
        self._locks.clear()
        self._due = 0.0


def _alive(host: str, pid: int, beat: float) -> bool:
    """Whether a process that said so at ``beat`` still runs."""
    if time.time() - beat > STALE_S:
        return False
    if host != socket.gethostname():
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
