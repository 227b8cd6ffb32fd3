from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from atml.ecg.changes import CHANGES
from atml.errors import StudyError
from atml.storage import Store
from atml.storage.schema import EVALUATIONS, VERSION


def url(path: Path) -> str:
    return f"sqlite:///{path}"


def test_trials_show_what_another_process_does(tmp_path: Path, store: Store) -> None:
    study = store.study("s", {"task": "afib"})
    other = Store(url(tmp_path / "studies.db"))
    theirs = other.study("s")
    for number in range(3):
        theirs.ask().suggest_float("x", 0, 1)
        assert [t.state for t in store.trials("s")] == ["running"] * (number + 1)
    # Out of order: the cache must not take the last for all.
    theirs.tell(2, 0.2)
    assert [t.state for t in store.trials("s")] == ["running", "running", "complete"]
    other.requeue(other.study("s").trials[0]._trial_id)
    assert [t.state for t in store.trials("s")] == ["waiting", "running", "complete"]
    theirs.tell(1, 0.1)
    assert study.ask().number == 0
    found = store.trials("s")
    assert [(t.state, t.value) for t in found] == [("running", None), ("complete", 0.1), ("complete", 0.2)]
    assert found[2].params == theirs.trials[2].params
    other.close()


def test_finished_trials_are_read_once(store: Store) -> None:
    study = store.study("s", {"task": "afib"})
    for _ in range(3):
        study.tell(study.ask(), 0.5)
    running = study.ask()
    before = store.trials("s")
    running.set_user_attr("seed", 7)
    after = store.trials("s")
    assert all(a is b for a, b in zip(before[:3], after[:3], strict=True))
    assert (before[3].seed, after[3].seed) == (0, 7)


def test_one_model_in_two_folders_is_two_exports(store: Store) -> None:
    store.save_export("s", 1, Path("/a"), "same")
    store.save_export("s", 1, Path("/b"), "same")
    store.save_export("other", 2, Path("/c"), "same")
    assert store.exports("s") == [(1, Path("/a")), (1, Path("/b"))]
    store.save_export("s", 4, Path("/a"), "new")
    assert store.exports("s") == [(1, Path("/b")), (4, Path("/a"))]


def test_predictions_come_back(store: Store) -> None:
    rows = np.arange(5, dtype=np.int64)
    logits = np.array([[0.5, -2], [1e9, 0], [0, 0], [3, 4], [-1, 1]], np.float32)
    store.save_predictions("s", 3, rows, logits)
    found = store.predictions("s", 3)
    assert found is not None
    np.testing.assert_array_equal(found[0], rows)
    np.testing.assert_allclose(found[1], logits.clip(-6e4, 6e4), rtol=1e-3)
    assert store.predictions("s", 4) is None
    assert store.changed_predictions("s", 3) is None and store.changed_predictions("s", 4) is None


def test_predictions_after_changes_come_back_by_name(store: Store) -> None:
    rows = np.arange(3, dtype=np.int64)
    changed = {kind: np.full((3, 2), at + 0.5, np.float32) for at, kind in enumerate(CHANGES)}
    # The order in which they come does not matter.
    back = dict(reversed(changed.items()))
    store.save_predictions("s", 3, rows, np.zeros((3, 2), np.float32), back)
    found, kept = store.predictions("s", 3), store.changed_predictions("s", 3)
    assert found is not None and found[1].tolist() == [[0, 0]] * 3 and found[0].tolist() == [0, 1, 2]
    assert kept is not None and list(kept) == list(CHANGES)
    for kind, logits in changed.items():
        np.testing.assert_array_equal(kept[kind], logits)


def test_evaluations_are_counted_by_test_set(store: Store) -> None:
    look = {"export_sha256": "e", "rule": "r", "result": {"F": 0.9}, "subjects": {}}
    assert [store.record(data_fingerprint=d, **look) for d in ("a", "a", "b", "a")] == [1, 2, 1, 3]


def test_evaluations_of_the_same_people_are_of_the_same_test_set(store: Store) -> None:
    def look(fingerprint: str, **subjects: list[str]) -> int:
        return store.record(
            data_fingerprint=fingerprint, export_sha256="e", rule="r", result={"F": 0.9}, subjects=subjects
        )

    assert look("window of 4 s", vfdb=["418", "419"]) == 1
    assert look("window of 2 s", vfdb=["418", "419"]) == 2
    assert look("with more", vfdb=["419", "420"], cudb=["cu01"]) == 3
    assert look("others of it", vfdb=["425"]) == 1
    assert look("another set", mitdb=["418"]) == 1
    assert look("more alone", cudb=["cu01"]) == 2
    assert look("generated") == 1 and look("generated") == 2


def test_early_evaluations_count_by_fingerprint(store: Store) -> None:
    with store._db.engine.begin() as db:
        for result in ({"F": 0.9}, {"F": 0.9, "subjects": [{"subject": "418"}]}):
            row = {"data_fingerprint": "f", "export_sha256": "e", "rule": "r", "at": 0.0, "result": result}
            db.execute(EVALUATIONS.insert().values(**row))
    look = {"export_sha256": "e", "rule": "r", "result": {}, "subjects": {"vfdb": ["418"]}}
    assert store.record(data_fingerprint="f", **look) == 3
    assert store.record(data_fingerprint="g", **look) == 2


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
    refused(tmp_path / "studies.db", "run `atml search` first", create=False)
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


def test_opening_it_again_leaves_the_locks_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "studies.db"
    first = Store(url(path))
    first.study("s", {"task": "afib"})
    with first._db.engine.connect() as db:
        db.execute(sa.text("SELECT count(*) FROM studies")).all()
        Store(url(path)).close()
        # Who leaves last clears the log away: another process that comes and goes is not the last.
        code = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute('PRAGMA user_version')"
        subprocess.run([sys.executable, "-c", f"{code}; db.close()", str(path)], check=True)
        assert path.with_name("studies.db-wal").exists()
        assert first.spec("s") == {"task": "afib"}
    first.close()


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
        "import os, sys; from atml.errors import StudyError; from atml.storage import Store\n"
        "os.setgid(65534); os.setuid(65534)\n" if os.getuid() == 0 else
        "import os, sys; from atml.errors import StudyError; from atml.storage import Store\n"
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
    with pytest.raises(StudyError, match="'studies' is not a database URL"):
        Store("studies")


def test_a_password_is_never_shown() -> None:
    with pytest.raises(StudyError) as caught:
        Store("postgresql+psycopg://me:secret@localhost:1/db")
    assert "secret" not in str(caught.value)


def test_write_ahead_log_is_on(store: Store) -> None:
    with store._db.engine.connect() as db:
        assert db.execute(sa.text("PRAGMA journal_mode")).scalar() == "wal"
        assert db.execute(sa.text("PRAGMA synchronous")).scalar() == 1


def test_one_database_is_made_by_several_processes_at_once(tmp_path: Path) -> None:
    code = (
        "import sys; from atml.storage import Store; print('ready', flush=True)\n"
        "for address in sys.stdin:\n"
        "    Store(address.strip()).close()\n"
        "    print('ready', flush=True)"
    )
    makers = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    for attempt in range(4):
        assert all(maker.stdout is not None and maker.stdout.readline() for maker in makers), attempt
        for maker in makers:
            assert maker.stdin is not None
            maker.stdin.write(f"{url(tmp_path / f'{attempt}.db')}\n")
            maker.stdin.flush()
    said = [maker.communicate(timeout=60)[1] for maker in makers]
    assert [maker.returncode for maker in makers] == [0] * 4, said
