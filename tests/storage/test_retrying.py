"""A database that goes away, and comes back: a real server is stopped and started, connections are cut."""

from __future__ import annotations

import contextlib
import datetime
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psycopg
import pytest
import sqlalchemy as sa
from optuna.trial import TrialState

from atml.errors import Stopped, StudyError
from atml.storage import Store, retrying, slots
from atml.storage.schema import HOLDERS
from tests.postgres import PASSWORD, Server


@pytest.fixture(scope="module")
def template(postgres: Server) -> str:
    """A database with all tables and a study: copies of it are there at once."""
    name = postgres.new_database()
    made = Store(postgres.url(name))
    made.study("s", {"task": "afib"})
    made.close()
    return name


@pytest.fixture
def store(postgres: Server, template: str) -> Iterator[Store]:
    made = Store(postgres.url(postgres.new_database(like=template)))
    made.said = []
    made._db.steady.say = made.said.append
    yield made
    made.close()


@contextlib.contextmanager
def away(postgres: Server, store: Store) -> Iterator[None]:
    """Stop the server; start it again once somebody was told to wait."""

    def start() -> None:
        for _ in range(600):
            if store.said:
                break
            time.sleep(0.05)
        postgres.start()

    postgres.stop()
    back = threading.Thread(target=start)
    back.start()
    try:
        yield
    finally:
        back.join()


WORK: dict[str, Callable[[Store], object]] = {
    "ask": lambda store: store.study("s").ask().number == 0,
    "trials": lambda store: store.trials("s") == [],
    "claim": lambda store: store.slots.claim("s", 3) == 0,
    "beat": lambda store: store.slots.alive() == {store.slots.token},
    "export": lambda store: store.save_export("s", 0, Path("/a"), "sha") is None,
}


@pytest.mark.parametrize("what", WORK)
def test_work_goes_on_when_the_server_is_back(postgres: Server, store: Store, what: str) -> None:
    with away(postgres, store):
        assert WORK[what](store)
    waiting, back = store.said
    assert waiting == f"{store.name} does not answer; waiting up to 20 min"
    assert back.startswith(f"{store.name} is back after ")
    assert PASSWORD not in waiting + back
    # Nothing more to say while all is well.
    assert store.studies() == ["s"]
    assert len(store.said) == 2


def test_who_stops_in_a_transaction_keeps_nobody_waiting(postgres: Server, template: str) -> None:
    address = postgres.url(postgres.new_database(like=template))
    short = "?options=-c%20idle_in_transaction_session_timeout%3D300"
    stopped, other = Store(address + short), Store(address)
    asked = sa.text("SHOW idle_in_transaction_session_timeout")
    assert [one._db.read(lambda db: db.execute(asked).scalar()) for one in (stopped, other)] == [
        "300ms",
        "30s",
    ]
    stopped._db.steady.say = [].append
    calls, held = [], threading.Event()

    def work(db: sa.Connection) -> int:
        calls.append(time.monotonic())
        db.execute(sa.text("UPDATE atml_version SET version = version"))
        held.set()
        # The first time it is suspended here, for longer than the server waits.
        time.sleep(1.5 if len(calls) == 1 else 0.0)
        return db.execute(sa.text("SELECT 7")).scalar_one()

    done: list[int] = []
    suspended = threading.Thread(target=lambda: done.append(stopped._db.write(work)))
    suspended.start()
    assert held.wait(20)
    other._db.write(lambda db: db.execute(sa.text("UPDATE atml_version SET version = version")))
    assert len(calls) == 1 and not done
    suspended.join()
    assert (len(calls), done) == (2, [7])
    stopped.close()
    other.close()


def test_a_cut_connection_is_made_again(postgres: Server, store: Store) -> None:
    assert store.slots.claim("s", 3) == 0
    assert postgres.cut(store.name.rsplit("/", 1)[1]) > 0
    assert store.slots.claim("s", 3) == 1
    assert postgres.cut(store.name.rsplit("/", 1)[1]) > 0
    assert store.study("s").ask().number == 0
    assert [line.rsplit("/", 1)[1].split(" ", 1)[1] for line in store.said] == [
        "closed the connection; reconnecting"
    ] * 2


def test_a_server_that_does_not_come_back(postgres: Server, store: Store) -> None:
    store._db.steady.limit = 0.5
    postgres.stop()
    try:
        with pytest.raises(StudyError, match=r"did not come back within \d+ s .*run the same command again"):
            store.trials("s")
    finally:
        postgres.start()
    assert store.trials("s") == []


def test_nobody_who_wants_to_stop_waits(postgres: Server, store: Store) -> None:
    store._db.steady.hurry = lambda: bool(store.said)
    postgres.stop()
    try:
        with pytest.raises(Stopped, match=r"stopped while .* did not answer"):
            store.trials("s")
    finally:
        postgres.start()


def test_what_waiting_does_not_mend_is_told_at_once(postgres: Server) -> None:
    name = postgres.new_database()
    role = f"role_{name}"
    postgres.sql(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    postgres.sql(f"ALTER DATABASE {name} OWNER TO {role}")
    store = Store(postgres.url(name, user=role))
    said: list[str] = []
    store._db.steady.say = said.append
    postgres.sql(f"ALTER ROLE {role} PASSWORD 'new'")
    postgres.cut(name)
    with pytest.raises(StudyError, match=f"refuses the password of {role}"):
        store.studies()
    assert not any("waiting" in line for line in said)
    store._db.close()


# --- the answer to a commit is lost: it was made, and this process can't know


@pytest.fixture
def lossy(store: Store, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[int]]:
    """Lose the answer to the next commit that writes."""

    def arm() -> list[int]:
        dialect, lost = store._db.engine.dialect, []
        plain = type(dialect).do_commit

        def commit(connection: psycopg.Connection) -> None:
            wrote = connection.execute("SELECT pg_current_xact_id_if_assigned()").fetchone()[0]
            plain(dialect, connection)
            if wrote is not None and not lost:
                lost.append(1)
                connection.dbapi_connection.close()
                raise psycopg.OperationalError("server closed the connection unexpectedly")

        monkeypatch.setattr(dialect, "do_commit", commit)
        return lost

    return arm


def test_a_trial_is_not_made_twice(store: Store, lossy: Callable[[], list[int]]) -> None:
    lost = lossy()
    trial = store.study("s").ask()
    assert lost
    assert (trial.number, [t.state for t in store.trials("s")]) == (0, ["running"])
    trial.suggest_float("x", 0, 1)
    assert trial.user_attrs["holder"] == store.token


def test_a_queued_trial_is_not_queued_twice(store: Store, lossy: Callable[[], list[int]]) -> None:
    study, lost = store.study("s"), lossy()
    study.enqueue_trial({"x": 0.5})
    assert lost
    assert [t.state for t in store.trials("s")] == ["waiting"]


def test_a_waiting_trial_is_taken_by_who_took_it(store: Store, lossy: Callable[[], list[int]]) -> None:
    study = store.study("s")
    study.enqueue_trial({"x": 0.5})
    lost = lossy()
    assert study.ask().number == 0
    assert lost
    assert [t.state for t in store.trials("s")] == ["running"]


@pytest.mark.parametrize(
    ("state", "value"), [(TrialState.COMPLETE, 0.5), (TrialState.FAIL, None), (TrialState.PRUNED, None)]
)
def test_an_end_told_twice_is_one_end(
    store: Store, lossy: Callable[[], list[int]], state: TrialState, value: float | None
) -> None:
    study = store.study("s")
    trial, lost = study.ask(), lossy()
    assert study.tell(trial, value, state).state == state
    assert lost
    assert study.trials[0].value == value


def test_a_trial_that_ended_otherwise_is_not_ended_again(store: Store) -> None:
    study = store.study("s")
    trial = study.ask()
    study.tell(trial, 0.25)
    with pytest.raises(RuntimeError):
        store._storage.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, [0.5])
    assert study.trials[0].value == 0.25


def test_a_slot_is_not_claimed_twice(store: Store, lossy: Callable[[], list[int]]) -> None:
    store.slots.beat()
    lost = lossy()
    assert store.slots.claim("s", 3) == 0
    assert lost
    assert [slot for slot, _, _ in store.slots.of("s")] == [0]


def test_a_lock_taken_is_known_to_be_taken(store: Store, lossy: Callable[[], list[int]]) -> None:
    store.slots.beat()
    lost = lossy()
    assert store.slots.take("s//finals", 0)
    assert lost
    other = Store(store._db._url.render_as_string(hide_password=False))
    assert not other.slots.take("s//finals", 0)
    other.close()


def test_a_look_is_counted_once(store: Store, lossy: Callable[[], list[int]]) -> None:
    look = {"data_fingerprint": "f", "export_sha256": "e", "rule": "r", "result": {}, "subjects": {}}
    lost = lossy()
    assert store.record(**look) == 1
    assert lost
    assert store.record(**look) == 2


def test_predictions_are_saved_once(store: Store, lossy: Callable[[], list[int]]) -> None:
    lost = lossy()
    store.save_predictions("s", 0, np.arange(2, dtype=np.int64), np.zeros((2, 2), np.float32))
    assert lost
    assert store.predictions("s", 0) is not None


# --- clocks


def beats(store: Store, token: str, seconds_ago: float) -> None:
    """Let a process of another machine have said something so long ago, by the server's clock."""
    with store._db.engine.begin() as db:
        now = store._db.clock - seconds_ago
        db.execute(HOLDERS.insert().values(token=token, host="other", pid=1, machine="other", beat=now))


def test_hosts_whose_clocks_disagree_live(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Store(store._db._url.render_as_string(hide_password=False))
    plain = time.time
    for off in (-3600, 3600):
        monkeypatch.setattr(time, "time", lambda off=off: plain() + off)
        other.slots._due = 0.0
        other.slots.beat()
        monkeypatch.setattr(time, "time", plain)
        # On another machine nothing but the beat tells.
        with store._db.engine.begin() as db:
            db.execute(
                HOLDERS.update().where(HOLDERS.c.token == other.token).values(host="x", machine="x", pid=1)
            )
        monkeypatch.setattr(slots, "STALE_S", 60.0)
        monkeypatch.setattr(type(store._db), "up_since", sa.literal(0.0, sa.Float))
        assert other.token in store.slots.alive()
    other.close()


def test_who_said_nothing_for_long_is_dead(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(store._db), "up_since", sa.literal(0.0, sa.Float))
    beats(store, "old", slots.STALE_S + 30)
    beats(store, "new", slots.STALE_S - 30)
    assert store.slots.alive() == {"new", store.token}


def test_who_could_not_say_anything_is_not_dead(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    beats(store, "away too", 3600)
    # The server was started a moment ago.
    assert "away too" in store.slots.alive()
    # The way to it was cut a moment ago.
    monkeypatch.setattr(type(store._db), "up_since", sa.literal(0.0, sa.Float))
    store._db.steady.back_at = time.monotonic()
    assert "away too" in store.slots.alive()
    store._db.steady.back_at = -float("inf")
    # This process was asleep, and all others may have been.
    store.slots.beat()
    monkeypatch.setattr(store.slots, "_last", (time.monotonic() - 600, time.time() - 600))
    store.slots._due = 0.0
    store.slots.beat()
    assert "away too" in store.slots.alive()
    monkeypatch.setattr(store.slots, "_deaf_until", -float("inf"))
    assert "away too" not in store.slots.alive()


def test_times_of_trials_are_the_servers(store: Store) -> None:
    ahead = datetime.timedelta(hours=5)
    store._db._ahead = ahead
    study = store.study("s")
    study.tell(study.ask(), 0.5)
    trial = store.trials("s")[0]
    assert trial.started is not None and trial.ended is not None
    assert trial.started <= trial.ended
    assert abs(trial.ended - ahead - datetime.datetime.now()) < datetime.timedelta(minutes=5)
    # Each beat asks anew.
    store.slots.beat()
    assert abs(store._db.now() - datetime.datetime.now()) < datetime.timedelta(minutes=5)


# --- SQLite


def test_a_locked_file_is_waited_for(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'studies.db'}")
    said: list[str] = []
    store._db.steady.say = said.append
    store.slots.beat()
    with store._db.engine.connect() as db:
        # Nobody waits a minute in a test.
        db.exec_driver_sql("PRAGMA busy_timeout = 20")
    other = sqlite3.connect(tmp_path / "studies.db", check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")

    def release() -> None:
        for _ in range(600):
            if said:
                break
            time.sleep(0.05)
        other.rollback()

    waiter = threading.Thread(target=release)
    waiter.start()
    assert store.slots.claim("s", 3) == 0
    waiter.join()
    other.close()
    store.close()
    assert len(said) == 2
    assert "studies.db is locked by another program; waiting up to 20 min" in said[0]
    assert "studies.db is back after" in said[1]


def test_an_outage_is_waited_for_once() -> None:
    said: list[str] = []
    waits = retrying.Steady("db", 0.5)
    waits.say = said.append
    waits.begin()

    def locked() -> None:
        raise sqlite3.OperationalError("database is locked")

    tries: list[int] = []
    with pytest.raises(StudyError, match="did not come back"):
        waits.do(locked)
    # Requeueing what this process holds, leaving: each notices after one try.
    with pytest.raises(StudyError, match="did not come back"):
        waits.do(lambda: (tries.append(1), locked()))
    assert len(tries) == 1
    # The next outage is another one.
    assert waits.do(lambda: 1) == 1
    with pytest.raises(StudyError, match="did not come back"):
        waits.do(lambda: (tries.append(1), locked()))
    assert len(tries) > 2
    assert [line.split("; ")[0] for line in said if "back after" not in line] == [
        "db is locked by another program"
    ] * 2


# --- settings


def test_how_long_to_wait_is_set_in_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATML_STORAGE_WAIT", "1.5")
    assert retrying.wait_s() == 90
    for wrong in ("long", "-1", "inf", "nan"):
        monkeypatch.setenv("ATML_STORAGE_WAIT", wrong)
        with pytest.raises(StudyError, match="is not a number of minutes"):
            retrying.wait_s()
