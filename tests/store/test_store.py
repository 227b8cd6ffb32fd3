from __future__ import annotations

import dataclasses
import multiprocessing
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from optuna.trial import TrialState

from atml.errors import StudyError
from atml.store import Store
from atml.store.schema import HOLDERS, VERSION
from atml.types import Cost

COST = Cost(parameters=1, fixed=0, macs=1, size_bytes=1, peak_bytes=1)


def url(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture
def store(tmp_path: Path):
    made = Store(url(tmp_path / "studies.db"))
    yield made
    made.close()


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
        "import os, sys; from atml.store import Store\n"
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
    store.slots.token = "another"
    assert store.recover("s") == [1]
    assert study.trials[1].state == TrialState.FAIL
    assert study.ask().number == 2


def test_predictions_come_back(store: Store) -> None:
    rows = np.arange(5, dtype=np.int64)
    logits = np.array([[0.5, -2], [1e9, 0], [0, 0], [3, 4], [-1, 1]], np.float32)
    store.save_predictions("s", 3, rows, logits)
    found = store.predictions("s", 3)
    assert found is not None
    np.testing.assert_array_equal(found[0], rows)
    np.testing.assert_allclose(found[1], logits.clip(-6e4, 6e4), rtol=1e-3)
    assert store.predictions("s", 4) is None


def test_looks_are_counted_by_test_set(store: Store) -> None:
    look = {"export_sha256": "e", "rule": "r", "result": {"F": 0.9}}
    assert [store.record(data_fingerprint=d, **look) for d in ("a", "a", "b", "a")] == [1, 2, 1, 3]


def test_foreign_studies_are_not_ours(tmp_path: Path, store: Store) -> None:
    import optuna

    optuna.create_study(study_name="theirs", storage=url(tmp_path / "studies.db"))
    assert store.studies() == []
    with pytest.raises(StudyError, match=r"'theirs' .* was not made by atml"):
        store.spec("theirs")
    assert store.spec("nothing") is None


# --- what can't be used: one line, the database named, the way out


def refused(path: Path, says: str, **how: bool) -> None:
    with pytest.raises(StudyError) as caught:
        Store(url(path), **how).check_writable()
    assert says in str(caught.value)
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_database_and_none_made(tmp_path: Path) -> None:
    refused(tmp_path / "studies.db", "`atml search` makes it", create=False)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "studies.db").write_text("learning_rate: 0.1\n" * 100)
    refused(tmp_path / "studies.db", "is not a study database")
    (tmp_path / "studies.db").write_bytes(b"SQLite format 3\x00" + b"x" * 4000)
    refused(tmp_path / "studies.db", "studies.db")


def test_a_folder_and_a_folder_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "studies.db").mkdir()
    refused(tmp_path / "studies.db", "is a folder")
    refused(tmp_path / "gone" / "studies.db", "can't be made")


def test_a_locked_database(tmp_path: Path) -> None:
    store = Store(url(tmp_path / "studies.db"))
    other = sqlite3.connect(tmp_path / "studies.db")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StudyError, match="is locked by another program"):
        store.check_writable()
    other.rollback()
    other.close()
    store.check_writable()
    store.close()


def test_a_read_only_database(tmp_path: Path) -> None:
    Store(url(tmp_path / "studies.db")).close()
    code = (
        "import os, sys; from atml.errors import StudyError; from atml.store import Store\n"
        "os.setgid(65534); os.setuid(65534)\n" if os.getuid() == 0 else
        "import os, sys; from atml.errors import StudyError; from atml.store import Store\n"
    )  # fmt: skip
    code += "try: Store(sys.argv[1]).check_writable()\nexcept StudyError as error: sys.exit(str(error))\n"
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if parent.stat().st_uid == os.getuid() and not parent.stat().st_mode & 0o005 == 0o005:
            parent.chmod(parent.stat().st_mode | 0o005)
    (tmp_path / "studies.db").chmod(0o444)
    if os.getuid() != 0:
        tmp_path.chmod(0o555)
    done = subprocess.run(
        [sys.executable, "-c", code, url(tmp_path / "studies.db")],
        capture_output=True,
        text=True,
        check=False,
    )
    tmp_path.chmod(0o755)
    assert done.returncode == 1
    assert "can't be" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_tables_of_a_newer_version(tmp_path: Path) -> None:
    store = Store(url(tmp_path / "studies.db"))
    with store._db.engine.begin() as db:
        db.execute(VERSION.insert().values(version=99))
    store.close()
    refused(tmp_path / "studies.db", "install a newer atml")


def test_a_url_that_is_none() -> None:
    with pytest.raises(StudyError, match="'studies' is no database URL"):
        Store("studies")


def test_a_password_is_never_shown() -> None:
    with pytest.raises(StudyError) as caught:
        Store("postgresql+psycopg://me:secret@localhost:1/db")
    assert "secret" not in str(caught.value)


def test_write_ahead_log_is_on(store: Store) -> None:
    with store._db.engine.connect() as db:
        assert db.execute(sa.text("PRAGMA journal_mode")).scalar() == "wal"
        assert db.execute(sa.text("PRAGMA synchronous")).scalar() == 1
