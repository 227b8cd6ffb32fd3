"""A store in a real PostgreSQL."""

from __future__ import annotations

import contextlib
import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from atml.cli import run
from atml.errors import StudyError
from atml.storage import Store, postgresql
from atml.storage.postgresql import check_version
from tests.postgres import PASSWORD, USER, Server


@pytest.fixture
def url(postgres: Server) -> str:
    return postgres.url(postgres.new_database())


def test_everything_kept_comes_back(url: str) -> None:
    store = Store(url)
    study = store.study("s", {"task": "afib"})
    trial = study.ask()
    x = trial.suggest_float("x", 0, 1)
    trial.report(0.25, 3)
    trial.set_user_attr("seed", 7)
    study.tell(trial, 0.5)
    store.save_ledger("s", {"q": 1, "lifts": [{"id": "a", "at": "2"}]})
    rows = np.arange(3, dtype=np.int64)
    logits = np.array([[0.5, -2], [0, 0], [3, 4]], np.float32)
    store.save_predictions("s", 0, rows, logits)
    store.save_predictions("s", 0, rows, logits)
    store.save_export("s", 0, Path("/a"), "sha")
    look = {"export_sha256": "e", "rule": "r", "result": {"F": 0.9}}
    assert store.record(data_fingerprint="f", subjects={"vfdb": ["418"]}, **look) == 1
    assert store.record(data_fingerprint="g", subjects={"vfdb": ["418"]}, **look) == 2
    store.close()
    other = Store(url, create=False)
    assert other.studies() == ["s"]
    assert other.spec("s") == {"task": "afib"}
    assert other.ledger("s") == {"q": 1, "lifts": [{"id": "a", "at": "2"}]}
    found = other.trials("s")[0]
    assert (found.state, found.value, found.seed, found.params, found.steps) == (
        "complete", 0.5, 7, {"x": x}, {3: 0.25}
    )  # fmt: skip
    kept = other.predictions("s", 0)
    assert kept is not None
    np.testing.assert_array_equal(kept[0], rows)
    np.testing.assert_array_equal(kept[1], logits)
    assert other.exports("s") == [(0, Path("/a"))]
    other.close()


def _claim_all(where: str, total: int, queue) -> None:
    mine = Store(where)
    queue.put([])
    got = []
    while (slot := mine.slots.claim("s", total)) is not None:
        got.append(slot)
    mine.close()
    queue.put(got)
    queue.close()
    queue.join_thread()


def test_processes_claim_exactly_the_total_without_a_gap(url: str) -> None:
    total = 200
    store = Store(url)
    # A slot given back in the middle is a gap to be filled.
    assert [store.slots.claim("s", total) for _ in range(9)] == list(range(9))
    store.slots.release("s", 4)
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    processes = [context.Process(target=_claim_all, args=(url, total, queue)) for _ in range(4)]
    for process in processes:
        process.start()
    claimed = [slot for _ in range(8) for slot in queue.get(timeout=60)]
    for process in processes:
        process.join()
        process.close()
    queue.close()
    queue.join_thread()
    assert sorted(claimed) == [4, *range(9, total)]
    assert [slot for slot, _, _ in sorted(store.slots.of("s"))] == list(range(total))
    store.close()


def test_databases_made_by_several_processes_at_once(url: str) -> None:
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    processes = [context.Process(target=_claim_all, args=(url, 4, queue)) for _ in range(4)]
    for process in processes:
        process.start()
    assert sorted(slot for _ in range(8) for slot in queue.get(timeout=60)) == [0, 1, 2, 3]
    for process in processes:
        process.join()
        process.close()
    queue.close()
    queue.join_thread()


# --- what can't be used: one line, the database named, the way out, and no password


def refused(url: str, says: str, **how: bool) -> None:
    with pytest.raises(StudyError) as caught, contextlib.closing(Store(url, **how)) as store:
        store.check_writable()
    said = str(caught.value)
    assert says in said
    assert "\n" not in said and PASSWORD not in said and "correct" not in said


def test_a_port_where_nothing_listens(postgres: Server) -> None:
    url = postgres.url("d").replace(f":{postgres.port}/", ":1/")
    refused(url, "can't be reached: nothing answers at 127.0.0.1:1")


def test_a_host_that_is_not_known() -> None:
    refused(f"postgresql://{USER}@nohost.invalid/d", "no host is called 'nohost.invalid'")


def test_a_wrong_password_and_none(postgres: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    name = postgres.new_database()
    refused(postgres.url(name, password="other"), "refuses the password of atml; give it in PGPASSWORD")
    bare = f"postgresql://{USER}@127.0.0.1:{postgres.port}/{name}"
    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.setenv("PGPASSFILE", "/nowhere")
    refused(bare, "asks for the password of atml")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    Store(bare).close()


def test_a_database_that_is_not_there(postgres: Server) -> None:
    refused(
        postgres.url("nowhere"),
        f"has no such database; make it: createdb -h 127.0.0.1 -p {postgres.port} -U atml nowhere",
    )


def test_no_study_and_none_made(postgres: Server, url: str) -> None:
    refused(url, "`atml search` makes them", create=False)
    database = url.rsplit("/", 1)[1]
    assert postgres.sql("SELECT 1 FROM pg_tables WHERE schemaname = 'public'", database) == []


def test_who_may_make_no_tables(postgres: Server) -> None:
    name = postgres.new_database("admin")
    postgres.sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC", name)
    refused(postgres.url(name), f"atml may not create tables in {name}; its owner allows it: GRANT CREATE")


def test_who_may_read_only(postgres: Server) -> None:
    name = postgres.new_database()
    store = Store(postgres.url(name))
    store.study("s", {"task": "afib"})
    store.close()
    role = f"reader_{name}"
    postgres.sql(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    postgres.sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}", name)
    reader = Store(postgres.url(name, user=role), create=False)
    assert reader.spec("s") == {"task": "afib"}
    reader.close()
    refused(postgres.url(name, user=role), f"{role} may read but not write; its owner allows it: GRANT ALL")


@pytest.mark.parametrize(("version", "says"), [(90624, "9.6"), (90510, "9.5")])
def test_a_server_too_old(version: int, says: str) -> None:
    with pytest.raises(StudyError, match=rf"^db runs on PostgreSQL {says}; atml needs 10 or newer$"):
        check_version(version, "db")
    check_version(100000, "db")


def test_this_server_is_asked_for_its_version(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "OLDEST", 990000)
    refused(url, "; atml needs 99 or newer")


def test_a_study_of_another_task(url: str, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    with contextlib.closing(Store(url)) as store:
        store.study("s", {"task": "defib"})
    monkeypatch.setenv("ATML_STORAGE", url)
    assert run(["search", "--study", "s", "--trials", "1"]) == 2
    said = capsys.readouterr().err
    assert said == "atml: study 's' is of task defib, not afib: give --task defib, or another --study\n"


def test_tables_of_another_program(postgres: Server, url: str) -> None:
    database = url.rsplit("/", 1)[1]
    postgres.sql("CREATE TABLE trials (id int, patient text)", database)
    refused(url, "has a table 'trials' of another program")
    tables = postgres.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", database)
    assert tables == [("trials",)]
