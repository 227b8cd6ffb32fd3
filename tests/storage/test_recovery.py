from __future__ import annotations

import dataclasses
import datetime
import multiprocessing
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from atml.models.budget import Cost
from atml.storage import Store
from atml.storage.schema import HOLDERS
from atml.storage.slots import STALE_S

COST = Cost(parameters=1, fixed=0, macs=1, size_bytes=1, peak_bytes=1)


def url(path: Path) -> str:
    return f"sqlite:///{path}"


def _claim_all(where: str, total: int, queue) -> None:
    mine = Store(where)
    got = []
    while (slot := mine.slots.claim("s", total)) is not None:
        got.append(slot)
    queue.put(got)
    queue.close()
    queue.join_thread()


def test_four_processes_claim_exactly_the_total(tmp_path: Path) -> None:
    where, total = url(tmp_path / "studies.db"), 60
    Store(where).close()
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    processes = [context.Process(target=_claim_all, args=(where, total, queue)) for _ in range(4)]
    for process in processes:
        process.start()
    claimed = [slot for _ in processes for slot in queue.get(timeout=60)]
    for process in processes:
        process.join()
        process.close()
    queue.close()
    queue.join_thread()
    assert sorted(claimed) == list(range(total))


def test_a_released_slot_is_claimed_again(store: Store) -> None:
    assert [store.slots.claim("s", 2) for _ in range(3)] == [0, 1, None]
    store.slots.release("s", 0)
    assert store.slots.claim("s", 2) == 0
    assert store.slots.claim("other", 1) == 0


def test_what_a_dead_process_left_waits_again(tmp_path: Path, store: Store) -> None:
    study = store.study("s", {"task": "afib"})
    code = (
        "import os, sys; from atml.storage import Store\n"
        "store = Store(sys.argv[1]); study = store.study('s')\n"
        "slot = store.slots.claim('s', 5); trial = study.ask(); trial.set_user_attr('holder', store.token)\n"
        "trial.suggest_float('x', 0, 1); store.slots.assign('s', slot, trial.number)\n"
        "os._exit(9)\n"
    )
    subprocess.run([sys.executable, "-c", code, url(tmp_path / "studies.db")], check=False)
    left = store.trials("s")[0]
    assert left.state == "running"
    assert store.recover("s") == [0]
    assert store.slots.of("s") == []
    again = study.ask()
    assert again.number == 0
    assert again.suggest_float("x", 0, 1) == left.params["x"]


def test_what_a_living_process_holds_is_left_alone(tmp_path: Path, store: Store) -> None:
    other = Store(url(tmp_path / "studies.db"))
    trial = other.study("s", {"task": "afib"}).ask()
    trial.set_user_attr("holder", other.token)
    other.slots.assign("s", other.slots.claim("s", 5), trial.number)
    assert store.recover("s") == []
    assert store.others_at_work("s")
    # A beat from long ago is a machine that went down, even if some process has its number now.
    with store._db.engine.begin() as db:
        db.execute(HOLDERS.update().where(HOLDERS.c.token == other.token).values(beat=time.time() - 3600))
    assert store.recover("s") == [0]
    assert not store.others_at_work("s")
    other.close()


def test_a_finished_trial_keeps_its_slot_when_its_process_dies(store: Store) -> None:
    study = store.study("s", {"task": "afib"})
    trial = study.ask()
    store.slots.assign("s", store.slots.claim("s", 5), trial.number)
    study.tell(trial, 0.5)
    store.slots.token = "another"
    assert store.recover("s") == []
    assert [slot for slot, _, _ in store.slots.of("s")] == [0]


def test_a_repeat_left_running_is_begun_anew_not_asked_again(store: Store) -> None:
    study = store.study("s", {"task": "afib"})
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    trial.set_user_attr("config", {})
    trial.set_user_attr("cost", dataclasses.asdict(COST))
    study.tell(trial, 0.5)
    repeat = store.begin_repeat(study, store.trials("s")[0], 7)
    assert repeat.number == 1
    store.slots.leave()
    store.slots.token = "another"
    assert store.recover("s") == [1]
    assert study.trials[1].state == TrialState.FAIL
    assert study.ask().number == 2


def _each_moment(store: Store, monkeypatch: pytest.MonkeyPatch, moment: tuple[str, str], happens) -> None:
    """Let something happen once, before or after one of the reads that `recover` makes."""
    where, when = moment
    owner = store.slots if where in ("of", "alive") else store
    read, todo = getattr(owner, where), [happens]

    def reading(*args):
        if when == "before" and todo:
            todo.pop()()
        found = read(*args)
        if todo:
            todo.pop()()
        return found

    monkeypatch.setattr(owner, where, reading)


MOMENTS = [(read, when) for read in ("running", "of", "trials", "alive") for when in ("before", "after")]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_process_that_comes_during_a_recovery_loses_nothing(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch, moment: tuple[str, str]
) -> None:
    store.study("s", {"task": "afib"}).ask().set_user_attr("holder", "dead")
    store.slots.take("s", 0)
    other = Store(url(tmp_path / "studies.db"))

    def comes() -> None:
        slot = other.slots.claim("s", 5)
        trial = other.study("s").ask()
        trial.set_user_attr("holder", other.token)
        other.slots.assign("s", slot, trial.number)

    _each_moment(store, monkeypatch, moment, comes)
    store.recover("s")
    monkeypatch.undo()
    held = [t for t in store.study("s").trials if t.user_attrs.get("holder") == other.token]
    assert [t.state for t in held] == [TrialState.RUNNING]
    assert [n for _, token, n in store.slots.of("s") if token == other.token] == [held[0].number]
    other.close()


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_process_that_ends_during_a_recovery_loses_nothing(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch, moment: tuple[str, str]
) -> None:
    other = Store(url(tmp_path / "studies.db"))
    study = other.study("s", {"task": "afib"})
    slot = other.slots.claim("s", 5)
    trial = study.ask()
    trial.set_user_attr("holder", other.token)

    def ends() -> None:
        other.slots.assign("s", slot, trial.number)
        study.tell(trial, 0.5)
        other.close()

    _each_moment(store, monkeypatch, moment, ends)
    assert store.recover("s") == []
    monkeypatch.undo()
    assert [t.state for t in store.trials("s")] == ["complete"]
    assert [(s, n) for s, _, n in store.slots.of("s")] == [(0, 0)]


def test_only_one_process_recovers_at_a_time(tmp_path: Path, store: Store) -> None:
    store.study("s", {"task": "afib"}).ask().set_user_attr("holder", "dead")
    other = Store(url(tmp_path / "studies.db"))
    assert other.slots.lock("s", "recover")
    assert store.recover("s") == []
    other.close()
    assert store.recover("s") == [0]
    assert store.slots.of("s//recover") == []


def test_a_trial_asked_again_is_not_its_dead_holders(tmp_path: Path, store: Store) -> None:
    study = store.study("s", {"task": "afib"})
    study.ask().set_user_attr("holder", "dead")
    other = Store(url(tmp_path / "studies.db"))
    other.slots.beat()
    assert store.recover("s") == [0]
    assert study.trials[0].user_attrs["holder"] is None
    # Asked for again, not signed yet.
    assert other.study("s").ask().number == 0
    assert store.recover("s") == []
    assert study.trials[0].state == TrialState.RUNNING
    other.close()
    # Nobody else is there any more who could sign it.
    assert store.recover("s") == [0]


def test_a_slot_is_released_by_its_holder_alone(tmp_path: Path, store: Store) -> None:
    other = Store(url(tmp_path / "studies.db"))
    assert store.slots.claim("s", 1) == 0
    other.slots.release("s", 0)
    assert other.slots.claim("s", 1) is None
    other.slots.release("s", 0, store.token)
    assert other.slots.claim("s", 1) == 0
    other.close()


def test_one_process_at_a_time_is_in_a_phase(tmp_path: Path, store: Store) -> None:
    other = Store(url(tmp_path / "studies.db"))
    assert store.slots.lock("s")
    assert store.slots.lock("s")
    assert not other.slots.lock("s")
    assert other.slots.lock("another study")
    assert other.slots.claim("s", 5) == 0
    other.slots.unlock("s")
    assert not other.slots.lock("s")
    store.slots.unlock("s")
    assert other.slots.lock("s")
    other.slots.leave()
    assert store.slots.of("s//finals") == store.slots.of("another study//finals") == []
    assert [slot for slot, _, _ in store.slots.of("s")] == [0]
    other.close()


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path: Path, store: Store) -> None:
    code = "import os, sys; from atml.storage import Store; Store(sys.argv[1]).slots.lock('s'); os._exit(9)"
    subprocess.run([sys.executable, "-c", code, url(tmp_path / "studies.db")], check=False)
    assert len(store.slots.of("s//finals")) == 1
    assert store.slots.lock("s")
    assert [token for _, token, _ in store.slots.of("s//finals")] == [store.token]


def test_a_beat_is_free_until_the_next_is_due(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    sa.event.listen(store._db.engine, "before_cursor_execute", lambda *args: said.append(args[2]))
    store.slots.beat()
    first = len(said)
    assert first > 0
    for _ in range(100):
        store.slots.beat()
    assert len(said) == first
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + STALE_S / 6 + 1)
    store.slots.beat()
    assert len(said) > first
    store.slots.leave()
    store.slots.beat()
    with store._db.engine.connect() as db:
        assert db.execute(sa.select(HOLDERS.c.token)).scalars().all() == [store.token]


def _taken_and_lost(store: Store, where: str) -> int:
    """A process of its own claims, asks and dies; returns the trial that it left."""
    code = (
        "import os, sys; from atml.storage import Store\n"
        "store = Store(sys.argv[1]); slot = store.slots.claim('s', 5); trial = store.study('s').ask()\n"
        "store.slots.assign('s', slot, trial.number); print(trial.number, flush=True); os._exit(9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, where], check=False, capture_output=True, text=True)
    return int(done.stdout)


def test_a_trial_that_takes_every_process_along_is_not_tried_for_ever(tmp_path: Path, store: Store) -> None:
    store.study("s", {"task": "afib"})
    said: list[str] = []
    for _ in range(3):
        assert _taken_and_lost(store, url(tmp_path / "studies.db")) == 0
        assert store.recover("s", said.append) == [0]
    (left,) = store.trials("s")
    assert left.state == "pruned" and left.constraints == {"crashed": 1.0} and not left.feasible
    assert left.failure == "the process that ran it ended unexpectedly, 3 times"
    assert said == [
        "trial 0 is not tried again: the process that ran it ended unexpectedly 3 times, perhaps because"
        " of its config"
    ]
    # It counts: its slot is taken for good.
    assert [(slot, number) for slot, _, number in store.slots.of("s")] == [(0, 0)]
    assert store.study("s").ask().number == 1


def test_a_trial_whose_successor_is_queued_is_not_requeued_too(store: Store) -> None:
    study = store.study("s", {"task": "afib"})
    study.ask().set_user_attr("holder", "dead")
    study.enqueue_trial({}, user_attrs={"regions": {"again": 0}})
    assert store.recover("s") == [0]
    assert [t.state for t in store.trials("s")] == ["failed", "waiting"]
    assert study.ask().number == 1


def test_one_trial_keeps_one_slot_whoever_died_in_between(store: Store) -> None:
    study = store.study("s", {"task": "afib"})
    mine = store.slots.token
    # Requeued by a process that died before it freed the slot; trained in another one since.
    for slot, token in ((0, "dead"), (1, "gone")):
        store.slots.token = token
        assert store.slots.take("s", slot) and store.slots.assign("s", slot, 0)
    store.slots.token = mine
    study.tell(study.ask(), 0.5)
    assert store.recover("s") == []
    assert [number for _, _, number in store.slots.of("s")] == [0]


def test_a_slot_that_was_taken_over_is_not_assigned(tmp_path: Path, store: Store) -> None:
    other = Store(url(tmp_path / "studies.db"))
    slot = store.slots.claim("s", 5)
    store.slots.release("s", slot)
    assert other.slots.claim("s", 5) == slot
    assert not store.slots.assign("s", slot, 3)
    assert other.slots.assign("s", slot, 4)
    assert [number for _, _, number in other.slots.of("s")] == [4]
    other.close()


def test_a_trial_is_requeued_only_from_its_holder(store: Store) -> None:
    trial = store.study("s", {"task": "afib"}).ask()
    assert store.holds(trial._trial_id)
    assert not store.requeue(trial._trial_id, holder="somebody else")
    assert store.holds(trial._trial_id)
    assert store.requeue(trial._trial_id, holder=store.token)
    assert not store.holds(trial._trial_id)
    assert not store.requeue(trial._trial_id)
    assert [t.state for t in store.trials("s")] == ["waiting"]


@pytest.mark.parametrize("taken", [False, True], ids=["waits again", "held by another"])
def test_a_trial_that_was_requeued_is_not_ended_by_its_former_holder(
    tmp_path: Path, store: Store, taken: bool
) -> None:
    trial = store.study("s", {"task": "afib"}).ask()
    other = Store(url(tmp_path / "studies.db"))
    plain = store._db.storage._now

    def cut_off() -> datetime.datetime:
        # Between seeing that it runs and ending it: this process was not heard of, another took over.
        assert other.requeue(trial._trial_id, holder=store.token)
        if taken:
            assert other.study("s").ask().number == 0
        return plain()

    store._db.storage._now = cut_off
    with pytest.raises(UpdateFinishedTrialError, match="trial 0 is held by another process"):
        store.study("s").tell(0, 0.5)
    store._db.storage._now = plain
    assert [t.state for t in other.trials("s")] == ["running" if taken else "waiting"]
    if taken:
        other.study("s").tell(0, 0.25)
        assert [t.value for t in store.trials("s")] == [0.25]
    other.close()


def test_what_lives_after_all_keeps_what_it_took_since(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Store(url(tmp_path / "studies.db"))
    other.study("s", {"task": "afib"})
    assert other.slots.claim("s", 5) == 0
    plain, calls = store.slots.alive, []

    def without_the_other() -> set[str]:
        found = plain() - {other.token}
        calls.append(found)
        if len(calls) == 2:
            # Taken for dead, it goes on at this very moment.
            assert other.slots.claim("s", 5) == 1
            assert other.slots.assign("s", 1, other.study("s").ask().number)
        return found

    monkeypatch.setattr(store.slots, "alive", without_the_other)
    assert store.recover("s") == []
    assert [(slot, number) for slot, _, number in store.slots.of("s")] == [(1, 0)]
    assert [t.state for t in store.trials("s")] == ["running"]
    other.close()


def test_a_slot_whose_trial_another_process_holds_is_freed(store: Store) -> None:
    study = store.study("s", {"task": "afib"})
    for slot, number in enumerate([0, 1, 1, 2]):
        assert store.slots.take("s", slot) and store.slots.assign("s", slot, number)
    trials = [study.ask() for _ in range(3)]
    study.tell(trials[1], 0.5)
    study.tell(trials[2], 0.5)
    for slot, number in ((0, 0), (1, 1), (2, 1), (3, 2)):
        store.free_slot("s", slot, number)
    # The first has no result yet and is taken anew; the others count one each.
    assert [(slot, number) for slot, _, number in store.slots.of("s")] == [(2, 1), (3, 2)]


def test_a_machine_that_slept_calls_nobody_dead(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Store(url(tmp_path / "studies.db"))
    other.slots.beat()
    store.slots.beat()
    asleep = time.time() + 3600
    # The clock that says when a beat is due stood still.
    monkeypatch.setattr(time, "time", lambda: asleep)
    assert other.token in store.slots.alive()
    other.close()
