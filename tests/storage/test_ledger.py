"""What a study keeps of its regions, and that nobody's decision is lost between two processes."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from atml.regions import Ledger, begin, learn, lift
from atml.storage import Store

AT = datetime.datetime(2026, 11, 21, 9, 0)


@pytest.fixture(scope="module")
def fresh() -> Ledger:
    def suggest(trial: Any) -> None:
        trial.suggest_categorical("cell", ["none", "gru"])
        trial.suggest_float("rate", 1e-4, 1e-1, log=True)

    return begin(learn(suggest), {"space": "a", "qualifies": "0.8"})


def lifted(ledger: Ledger, index: int, why: str = "a reason") -> Ledger:
    return lift(ledger, ledger.candidates[index].id, why, AT + datetime.timedelta(minutes=index))


def test_a_ledger_is_read_as_it_was_kept(store: Store, fresh: Ledger, tmp_path: Path) -> None:
    store.study("s", {"task": "afib"})
    assert store.ledger("s") is None
    kept = lifted(lifted(fresh, 2), 0)
    store.save_ledger("s", kept.to_dict())
    other = Store(f"sqlite:///{tmp_path / 'studies.db'}", create=False)
    found = other.ledger("s")
    other.close()
    assert found is not None
    read = Ledger.from_dict(found)
    assert read.family == kept.family and read.fingerprint == kept.fingerprint
    # In the order of deciding.
    assert [one.id for one in read.lifts] == [kept.candidates[i].id for i in (0, 2)]
    store.study("t", {"task": "afib"})
    assert store.ledger("t") is None


def test_who_writes_without_knowing_of_a_lift_does_not_undo_it(
    store: Store, fresh: Ledger, tmp_path: Path
) -> None:
    store.study("s", {"task": "afib"})
    store.save_ledger("s", fresh.to_dict())
    search = Store(f"sqlite:///{tmp_path / 'studies.db'}")
    before = search.ledger("s")
    assert before is not None
    store.save_ledger("s", lifted(fresh, 1, "it was the data").to_dict())
    search.save_ledger("s", {**before, "looked": 50})
    search.close()
    found = store.ledger("s")
    assert found is not None and found["looked"] == 50
    assert [one["why"] for one in found["lifts"]] == ["it was the data"]


def test_two_people_lift_at_once_and_the_first_reason_stays(store: Store, fresh: Ledger) -> None:
    store.study("s", {"task": "afib"})
    for change in (lifted(fresh, 0, "one"), lifted(fresh, 1, "two"), lifted(fresh, 0, "late")):
        store.save_ledger("s", change.to_dict())
    found = store.ledger("s")
    assert found is not None
    assert [one["why"] for one in found["lifts"]] == ["one", "two"]


def test_what_a_trial_is_marked_with_comes_back(store: Store) -> None:
    study = store.study("s", {"task": "afib"})
    study.enqueue_trial({}, user_attrs={"regions": {"known": 2, "aimed": "abc123"}})
    study.ask()
    study.ask()
    assert [t.marks for t in store.trials("s")] == [{"known": 2, "aimed": "abc123"}, {}]
