"""Databases of earlier versions: their tables as they were, with rows, brought up to date."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from atml.errors import StudyError
from atml.storage import Store, migrating, schema
from tests.postgres import Server

V1 = """
CREATE TABLE atml_version (version INTEGER NOT NULL, PRIMARY KEY (version));
CREATE TABLE atml_holders (token VARCHAR(64) NOT NULL, host VARCHAR(255) NOT NULL, pid INTEGER NOT NULL,
    beat FLOAT NOT NULL, PRIMARY KEY (token));
CREATE TABLE atml_slots (study VARCHAR(255) NOT NULL, slot INTEGER NOT NULL, token VARCHAR(64) NOT NULL,
    number INTEGER, PRIMARY KEY (study, slot));
CREATE TABLE atml_predictions (study VARCHAR(255) NOT NULL, number INTEGER NOT NULL, rows {bytes} NOT NULL,
    logits {bytes} NOT NULL, classes INTEGER NOT NULL, PRIMARY KEY (study, number));
CREATE TABLE atml_exports (folder VARCHAR(768) NOT NULL, study VARCHAR(255) NOT NULL, number INTEGER NOT NULL,
    sha256 VARCHAR(64) NOT NULL, at FLOAT NOT NULL, PRIMARY KEY (folder));
CREATE TABLE atml_looks (id {serial} NOT NULL, data_fingerprint VARCHAR(64) NOT NULL,
    export_sha256 VARCHAR(64) NOT NULL, rule VARCHAR(64) NOT NULL, at FLOAT NOT NULL, result JSON NOT NULL,
    PRIMARY KEY (id));
CREATE INDEX ix_atml_looks_data_fingerprint ON atml_looks (data_fingerprint)
"""
"""What version 1 made of its tables, word for word but for the names of two types."""

TYPES = {
    "sqlite": {"bytes": "BLOB", "serial": "INTEGER"},
    "postgresql": {"bytes": "BYTEA", "serial": "SERIAL"},
}
ROWS = {
    "atml_holders": [("t", "other", 12, 1.5)],
    "atml_slots": [("s", 0, "t", 0), ("s", 1, "t", None)],
    "atml_predictions": [("s", 0, b"rows", b"logits", 2)],
    "atml_exports": [("/a", "s", 0, "sha", 2.5)],
    "atml_looks": [(1, "f", "e", "r", 3.5, json.dumps({"F": 0.9}))],
}


def make_v1(url: str) -> None:
    """Make a database of version 1, with a study of Optuna's and rows in every table of ours."""
    import optuna

    study = optuna.create_study(study_name="s", storage=optuna.storages.RDBStorage(url))
    study.set_user_attr("atml", {"task": "afib"})
    study.tell(study.ask(), 0.5)
    engine = sa.create_engine(url)
    with engine.begin() as db:
        for statement in V1.format(**TYPES[engine.dialect.name]).split(";"):
            db.exec_driver_sql(statement)
        db.exec_driver_sql("INSERT INTO atml_version VALUES (1)")
        for table, rows in ROWS.items():
            mark = "?" if engine.dialect.name == "sqlite" else "%s"
            names = [column["name"] for column in sa.inspect(db).get_columns(table)]
            for row in rows:
                # The database numbers evaluations itself.
                given = {key: value for key, value in zip(names, row, strict=True) if key != "id"}
                marks = ", ".join([mark] * len(given))
                db.exec_driver_sql(
                    f"INSERT INTO {table} ({', '.join(given)}) VALUES ({marks})", tuple(given.values())
                )
    engine.dispose()
    study._storage._backend.engine.dispose()


def rows_of(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Return what the columns of version 1 hold by now."""
    engine = sa.create_engine(url)
    found = {}
    with engine.connect() as db:
        for table, rows in ROWS.items():
            every = db.exec_driver_sql(f"SELECT * FROM {table}").all()
            found[table] = sorted(tuple(row)[: len(rows[0])] for row in every)
    engine.dispose()
    for row in found["atml_looks"]:
        found["atml_looks"] = [(*row[:-1], json.dumps(row[-1]) if isinstance(row[-1], dict) else row[-1])]
    return found


def shape(url: str) -> dict[str, object]:
    """Return the columns, keys and indexes of our tables."""
    engine = sa.create_engine(url)
    inspector = sa.inspect(engine)
    found = {
        table: (
            {c["name"]: (str(c["type"]), c["nullable"]) for c in inspector.get_columns(table)},
            inspector.get_pk_constraint(table)["constrained_columns"],
            [index["column_names"] for index in inspector.get_indexes(table)],
        )
        for table in sorted(schema.META.tables)
    }
    engine.dispose()
    return found


@pytest.fixture(params=["sqlite", "postgresql"])
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """Two empty databases of one kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'a.db'}", f"sqlite:///{tmp_path / 'b.db'}"
    server: Server = request.getfixturevalue("postgres")
    return server.url(server.new_database()), server.url(server.new_database())


def test_a_database_of_version_1_is_brought_up_to_date(urls: tuple[str, str]) -> None:
    old, new = urls
    make_v1(old)
    before = rows_of(old)
    assert before == ROWS
    # Reading alone changes nothing.
    with contextlib.closing(Store(old, create=False)) as store:
        assert [t.value for t in store.trials("s")] == [0.5]
        assert store.exports("s") == [(0, Path("/a"))]
        assert store.slots.of("s") == [(0, "t", 0), (1, "t", None)]
        assert migrating.version(store._db.engine) == 1
        # The first row written needs today's tables.
        assert store.slots.claim("s", 3) == 2
        assert migrating.version(store._db.engine) == schema.VERSION_NOW
        store.slots.release("s", 2)
    assert rows_of(old) == before
    Store(new).close()
    assert shape(old) == shape(new)
    with contextlib.closing(Store(old)) as store:
        store.save_predictions("s", 1, np.arange(2, dtype=np.int64), np.zeros((2, 2), np.float32))
        look = {"export_sha256": "e", "rule": "r", "result": {}, "subjects": {}}
        assert store.record(data_fingerprint="f", **look) == 2


def test_who_opens_for_writing_brings_it_up_to_date(urls: tuple[str, str]) -> None:
    make_v1(urls[0])
    with contextlib.closing(Store(urls[0])) as store:
        assert migrating.version(store._db.engine) == schema.VERSION_NOW
    assert rows_of(urls[0]) == ROWS


def test_several_processes_bring_it_up_to_date_at_once(urls: tuple[str, str]) -> None:
    make_v1(urls[0])
    code = (
        "import sys; from atml.storage import Store; print('ready', flush=True); sys.stdin.readline();"
        "store = Store(sys.argv[1]); print(store.slots.claim('s', 9)); store.close()"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, urls[0]],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60) for process in processes]
    assert sorted(out for out, _ in said) == ["2\n", "3\n", "4\n"], said
    assert [error for _, error in said] == [""] * 3


def test_what_breaks_off_leaves_all_as_it_was(urls: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    make_v1(urls[0])
    before = shape(urls[0])
    plain = migrating.EVERY[2]

    def breaks(operations: object) -> None:
        plain(operations)
        raise KeyboardInterrupt

    monkeypatch.setitem(migrating.EVERY, 2, breaks)
    with pytest.raises(KeyboardInterrupt):
        Store(urls[0])
    assert shape(urls[0]) == before
    assert rows_of(urls[0]) == ROWS
    monkeypatch.undo()
    Store(urls[0]).close()
    assert rows_of(urls[0]) == ROWS


def test_every_version_has_its_migration() -> None:
    assert sorted(migrating.EVERY) == list(range(2, schema.VERSION_NOW + 1))


def test_a_newer_version_is_refused(urls: tuple[str, str]) -> None:
    Store(urls[0]).close()
    engine = sa.create_engine(urls[0])
    with engine.begin() as db:
        db.exec_driver_sql("UPDATE atml_version SET version = 99")
    engine.dispose()
    with pytest.raises(StudyError, match=r"tables of version 99, newer than \d+; install a newer atml"):
        Store(urls[0])


def test_tables_made_halfway_are_completed(urls: tuple[str, str]) -> None:
    make_v1(urls[0])
    engine = sa.create_engine(urls[0])
    with engine.begin() as db:
        db.exec_driver_sql("DELETE FROM atml_version")
        db.exec_driver_sql("DROP TABLE atml_looks")
    engine.dispose()
    Store(urls[0]).close()
    Store(urls[1]).close()
    assert shape(urls[0]) == shape(urls[1])


def test_what_can_not_be_written_is_read_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "studies.db"
    make_v1(f"sqlite:///{file}")
    code = (
        "import sys\nfrom atml.errors import StudyError\nfrom atml.storage import Store\n"
        "store = Store(sys.argv[1], create=False)\n"
        "print([t.value for t in store.trials('s')], store.exports('s'), store.slots.of('s'))\n"
        "try: store.slots.claim('s', 9)\nexcept StudyError as error: print(error)\n"
    )
    file.chmod(0o444)
    tmp_path.chmod(0o555)
    # Root writes everywhere, unless it gives that up.
    limited = [] if os.getuid() else ["setpriv", "--bounding-set=-dac_override"]
    done = subprocess.run(
        [*limited, sys.executable, "-c", code, f"sqlite:///{file}"],
        capture_output=True,
        text=True,
        check=False,
    )
    tmp_path.chmod(0o755)
    read, refused = done.stdout.splitlines()
    assert read == "[0.5] [(0, PosixPath('/a'))] [(0, 't', 0), (1, 't', None)]"
    assert "can't be written" in refused
    assert done.stderr == f"atml: {file} is of an earlier atml and can't be written, so it is read as it is\n"
    with contextlib.closing(sqlite3.connect(file)) as db:
        assert db.execute("SELECT version FROM atml_version").fetchall() == [(1,)]
