"""Studies moved between real storages, searched on where they arrive, and deleted."""

from __future__ import annotations

import contextlib
import datetime
import os
import pty
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from atml import cli
from atml.errors import AtmlError
from atml.searching.region_learning import state
from atml.storage import Store, copying, study_transfer
from atml.storage.optuna_internals import TABLES
from atml.storage.schema import EVALUATIONS, EXPORTS, HOLDERS, META, PREDICTIONS, SLOTS
from tests.postgres import Server
from tests.searching.conftest import command
from tests.terminal import run
from tests.tiny import folder as tiny_folder

SEARCH = (
    *("search", "--data", "data.npz", "--folds", 2, "--workers", 1, "--finalists", 1, "--repeats", 1),
    "--learn-regions",
)
NAME = "afib-data"


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the study of a real search, its export, and more that a study can come to hold."""
    where = tiny_folder(tmp_path_factory.mktemp("moving") / "searched")
    done = run(where, *SEARCH, "--trials", 2)
    assert done.returncode == 0, done.stderr
    store = Store(url(where / "studies.db"))
    study = store.study(NAME)
    # A trial and a repeat that a process left when it died, one queued by hand, a lift, and evaluations.
    left = study.ask()
    left.set_user_attr("holder", "dead")
    left.suggest_float("learning_rate", 1e-3, 1e-2, log=True)
    left.report(float("nan"), 3)
    left.set_constraint("size", 0.5)
    slot = store.slots.claim(NAME, 5)
    assert slot == 2
    store.slots.assign(NAME, slot, left.number)
    store.slots.lock(NAME)
    study.enqueue_trial({"width": 4, "learning_rate": 0.001}, user_attrs={"origin": "queued"})
    store.begin_repeat(study, store.trials(NAME)[0], 7)
    ledger = store.ledger(NAME)
    assert ledger is not None
    store.save_ledger(NAME, {**ledger, "lifts": [{"id": "abc", "at": "2026-01-01", "why": "so"}]})
    for who in ("S10", "S11"):
        result = {"F": 0.9, "none": None}
        look = {"data_fingerprint": "f", "export_sha256": "e", "rule": "r", "result": result}
        store.record(**look, subjects={"data": [who]})
    # As a process that was killed: it says nothing more.
    with store._db.engine.begin() as db:
        db.execute(HOLDERS.delete())
    store._db.close()
    return where


@pytest.fixture
def original(searched: Path, tmp_path: Path) -> Path:
    """The searched folder, to be worked in."""
    where = tmp_path / "here"
    shutil.copytree(searched, where)
    return where


def url(path: Path) -> str:
    return f"sqlite:///{path}"


def copy(source: str, target: str, names: Sequence[str] = (), **how: Any) -> study_transfer.Copied:
    return study_transfer.copy(place(source), place(target), names, **how)


def place(text: str) -> str:
    """A URL as it is, password and all: it is not on a command line."""
    return text if "://" in text else url(Path(text))


@contextlib.contextmanager
def opened(where: str) -> Iterator[Store]:
    with contextlib.closing(Store(place(where))) as store:
        yield store


def whole(where: str, name: str = NAME) -> dict[str, Any]:
    """Everything that is kept of a study, as its readers see it."""
    with opened(where) as store:
        study = store.study(name)
        trials = [{k: v for k, v in vars(t).items() if k != "_trial_id"} for t in study.trials]
        for trial in trials:
            trial["_intermediate_values"] = list(map(repr, trial.pop("intermediate_values").items()))
        numbers = range(len(trials))
        predictions = {n: found for n in numbers if (found := store.predictions(name, n)) is not None}
        return {
            "attributes": (study.user_attrs, study._storage.get_study_system_attrs(study._study_id)),
            "directions": study.directions,
            "trials": trials,
            "records": list(map(repr, store.trials(name))),
            "predictions": {n: (a.tolist(), b.tolist()) for n, (a, b) in predictions.items()},
            "slots": [(slot, number) for slot, _, number in store.slots.of(name)],
            "exports": store.exports(name),
            "ledger": store.ledger(name),
            "evaluations": evaluations(store),
        }


def evaluations(store: Store) -> list[tuple[Any, ...]]:
    with store._db.engine.connect() as db:
        return [tuple(row)[1:] for row in db.execute(sa.select(EVALUATIONS).order_by(EVALUATIONS.c.id))]


def test_every_table_that_names_a_study_is_moved_and_deleted() -> None:
    # A table that comes later has to be thought of in copying.py, and then here. Processes are not moved.
    assert {t.name for t in META.tables.values() if "study" in t.c} == {
        t.name for t in (SLOTS, PREDICTIONS, EXPORTS, HOLDERS)
    }
    assert [t.name for t in copying._OF_STUDY] and len(copying._OF_TRIAL) >= 5


def test_a_round_trip_over_postgresql_changes_nothing(original: Path, postgres: Server) -> None:
    here = str(original / "studies.db")
    there, back = postgres.url(postgres.new_database()), str(original / "back.db")
    with opened(here) as store:
        states = {t.number: t.state for t in store.trials(NAME)}
        assert sorted(states.values()) == sorted(
            ["complete", "complete", "complete", "running", "waiting", "running"]
        )
        store.recover(NAME)
    # What a process that died left is copied as the next search would find it: requeued.
    shutil.copy(original / "studies.db", original / "recovered.db")
    expected = whole(here)
    assert [t["_values"] for t in expected["trials"]][:2] != [None, None]
    for one, other in ((here, there), (there, back)):
        copy(one, other)
        assert whole(other) == expected
    again = copy(here, there, new_name="second")
    assert again.new_evaluations == 0
    assert [c.study for c in again.studies] == ["second"]
    assert whole(there, "second")["trials"] == expected["trials"]


def test_what_nobody_finished_waits_in_the_copy(original: Path) -> None:
    here, there = str(original / "studies.db"), str(original / "there.db")
    copy(here, there)
    copied = whole(there)
    with opened(here) as store:
        assert store.slots.of(f"{NAME}//finals")
        assert [t.state for t in store.trials(NAME)][-3:] == ["running", "waiting", "running"]
        store.recover(NAME)
    with opened(there) as store:
        assert not store.slots.of(f"{NAME}//finals")
        assert [t.state for t in store.trials(NAME)][-3:] == ["waiting", "waiting", "failed"]
        assert store.trials(NAME)[3].constraints == {"size": 0.5}
    recovered = whole(here)
    for one in (copied, recovered):
        one["trials"][-1].pop("datetime_complete")
        for trial in one["trials"]:
            # A copy is nobody's loss.
            trial["user_attrs"] = {
                k: v for k, v in trial["_user_attrs"].items() if k not in ("lost", "failure")
            }
            del trial["_user_attrs"]
        one.pop("records")
    assert copied == recovered


def test_an_end_in_a_copy_is_of_now_in_any_zone(original: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Etc/GMT+8")
    time.tzset()
    try:
        copy(str(original / "studies.db"), str(original / "there.db"))
        with opened(str(original / "there.db")) as store:
            ended = store.trials(NAME)[-1].ended
        now = datetime.datetime.now()
    finally:
        monkeypatch.undo()
        time.tzset()
    assert ended is not None and abs(now - ended) < datetime.timedelta(minutes=5)


def test_a_search_goes_on_in_a_copy_to_exactly_its_total(
    original: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here, there = str(original / "studies.db"), str(original / "there.db")
    assert cli.run(["study", "copy", here, there, "--as", "moved"]) == 0
    said = capsys.readouterr().out
    assert "moved: 2 finished trials, 2 unfinished, 3 sets of predictions, 1 export\n" in said
    assert said.endswith("with 2 evaluations of test sets, read back and verified\n")
    done = run(original, *SEARCH, "--trials", 5, "--study", "moved", "--storage", place(there))
    assert done.returncode == 0, done.stderr
    with opened(there) as store:
        searched = [t for t in store.trials("moved") if t.role == "search"]
        assert len([t for t in searched if t.finished]) == 5
        assert not [t for t in searched if t.state in ("running", "waiting")]
        assert sorted(slot for slot, _, _ in store.slots.of("moved")) == [0, 1, 2, 3, 4]
        assert state(store, "moved").ledger.lifts[0].id == "abc"
    with opened(here) as store:
        assert len([t for t in store.trials(NAME) if t.finished]) == 3
    for shown in ("regions", "best", "status"):
        assert cli.run([shown, "--storage", place(there)]) == 0
        assert "moved" in capsys.readouterr().out


def test_a_copy_that_breaks_off_leaves_nothing(
    original: Path, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = str(original / "studies.db")
    there = postgres.url(postgres.new_database())
    with opened(there) as store:
        store.study("other", {"task": "afib"})
    seen = []

    def breaks(*_: object) -> int:
        seen.append(1)
        raise KeyboardInterrupt

    monkeypatch.setattr(copying, "_copy_evaluations", breaks)
    for where in (there, str(original / "new.db")):
        with pytest.raises(KeyboardInterrupt):
            copy(here, where)
    assert len(seen) == 2
    assert sorted(p.name for p in original.glob("new.db*")) == []
    with opened(there) as store:
        assert store.studies() == ["other"]
        assert store.spec(NAME) is None
        assert not store.slots.of(NAME) and not store.exports(NAME) and store.predictions(NAME, 0) is None
    monkeypatch.undo()
    copy(here, there)


def test_a_copy_that_breaks_off_takes_nobodys_studies_along(
    original: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = str(original / "shared.db")

    def somebody_begins(*_: object) -> int:
        with opened(there) as store:
            store.study("theirs", {"task": "afib"})
        raise KeyboardInterrupt

    monkeypatch.setattr(copying, "copy", somebody_begins)
    with pytest.raises(KeyboardInterrupt):
        copy(str(original / "studies.db"), there)
    with opened(there) as store:
        assert store.studies() == ["theirs"]


def test_a_copy_that_reads_back_otherwise_is_none(original: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = copying._insert

    def spoiled(db: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
        if table is PREDICTIONS:
            rows = [{**row, "logits": row["logits"][:-1]} for row in rows]
        write(db, table, rows)

    monkeypatch.setattr(copying, "_insert", spoiled)
    with pytest.raises(AtmlError, match=r"predictions of study .* are not those of the original"):
        copy(str(original / "studies.db"), str(original / "there.db"))
    assert not (original / "there.db").exists()


def test_evaluations_are_copied_once_and_outlive_their_study(original: Path) -> None:
    here, there = str(original / "studies.db"), str(original / "there.db")
    assert copy(here, there).new_evaluations == 2
    assert copy(here, there, new_name="second").new_evaluations == 0
    with opened(there) as store:
        for name in (NAME, "second"):
            study_transfer.delete(store, name)
        assert store.studies() == [] and not store.exports(NAME) and not store.slots.of(NAME)
        assert store.predictions(NAME, 0) is None
        rest = {
            table.name: store._db.engine.connect()
            .execute(sa.select(sa.func.count()).select_from(table))
            .scalar()
            for table in (*TABLES, *META.tables.values())
        }
        assert {n for n, count in rest.items() if count} == {"atml_looks", "atml_version", "version_info"}
        again = {"data_fingerprint": "f", "export_sha256": "new", "rule": "r", "result": {}}
        assert store.record(**again, subjects={"data": ["S10"]}) == 3
    assert (original / "exports" / NAME).is_dir()


def test_a_second_name_in_the_same_storage(original: Path) -> None:
    here = str(original / "studies.db")
    copied = copy(here, here, [NAME], new_name="second")
    assert (copied.exports_left, copied.new_evaluations) == (1, 0)
    first, second = whole(here), whole(here, "second")
    assert second["attributes"] == first["attributes"] and second["predictions"] == first["predictions"]
    with opened(here) as store:
        study_transfer.delete(store, NAME)
    second.pop("exports")
    after = whole(here, "second")
    assert after.pop("exports") == [] and after == second


def test_one_line_for_what_can_not_be_copied(original: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here, there = str(original / "studies.db"), str(original / "there.db")
    copy(here, there)
    for arguments, says in (
        ((here, there), f"{there} already has a study '{NAME}'; give another name with --as NAME"),
        ((here, here), "give another name with --as"),
        ((here, there, "--study", "nothing"), f"no study 'nothing' in {here}; there are: {NAME}"),
        ((str(original / "none.db"), there), "none.db"),
        ((str(original / "data.npz"), there), "is not a study database"),
        ((here, str(original / "data.npz")), "is not a study database"),
        ((here, str(original / "no" / "there.db")), "is not a folder"),
        ((here,), "missing argument"),
        (
            (here, "postgresql://me:secret@localhost/x"),
            "a password on the command line is visible to everybody",
        ),
        ((here, "postgresql:/me:secret@localhost/x"), "'postgresql:/***@localhost/x' is not a database URL"),
        (("mysql://localhost/x", there), "studies can't be kept in 'mysql'"),
    ):
        assert cli.run(["study", "copy", *arguments]) == 2
        error = capsys.readouterr().err
        assert error.startswith("atml: ") and error.count("\n") == 1 and says in error
    assert not (original / "none.db").exists()
    copy(here, here, new_name="second")
    assert cli.run(["study", "copy", here, there, "--as", "third"]) == 2
    assert "--as third is one name for 2 studies" in capsys.readouterr().err


def test_a_study_that_somebody_works_on(original: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here, there = str(original / "studies.db"), str(original / "there.db")
    storage = ("--storage", url(original / "studies.db"))
    with opened(here) as other:
        trial = other.study(NAME).ask()
        trial.set_user_attr("holder", other.token)
        other.slots.assign(NAME, other.slots.claim(NAME, 9), trial.number)
        for arguments in (("copy", here, there), ("delete", NAME, "--yes", *storage)):
            assert cli.run(["study", *arguments]) == 2
            error = capsys.readouterr().err
            assert f"is in use by process {os.getpid()} on" in error and error.count("\n") == 1
        assert not Path(there).exists()
        assert cli.run(["study", "copy", here, there, "--live"]) == 0
        assert other.study(NAME).trials[trial.number].state.name == "RUNNING"
    with opened(there) as store:
        assert [t.state for t in store.trials(NAME)].count("running") == 0
        assert store.recover(NAME) == []


def test_deleting_asks(original: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Nobody there to ask.
    done = subprocess.run(
        command("study", "delete", NAME), cwd=original, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "add --yes to delete it" in done.stderr and done.stderr.count("\n") == 1
    for answer, left in (("n", [NAME]), ("y", [])):
        mine, its = pty.openpty()
        asked = subprocess.Popen(
            command("study", "delete", NAME), cwd=original, stdin=its, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        os.write(mine, f"{answer}\n".encode())
        said = asked.communicate(timeout=60)[0]
        os.close(mine)
        os.close(its)
        assert asked.returncode == 0, said
        assert "6 trials, 2 of them finished" in said
        assert ("nothing was deleted" in said) == (answer == "n")
        with opened(str(original / "studies.db")) as store:
            assert store.studies() == left
    assert cli.run(["study", "delete", NAME, "--storage", url(original / "studies.db"), "--yes"]) == 2
    assert f"no study '{NAME}'" in capsys.readouterr().err
