"""A study is joined from what it keeps, and what differs is refused by name; a trial is trained again."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from optuna.trial import TrialState

from atml import cli
from atml.errors import InputError, StudyError, TaskFileError
from atml.searching import pruning
from atml.searching.entry_points import search, train_again
from atml.searching.joining import join
from atml.searching.plan import prepare
from atml.searching.search_options import Options
from atml.searching.study_spec import CODE, SOURCES
from atml.searching.trials import Trials
from atml.searching.workers.jobs import Report
from atml.storage import Store
from atml.training import fingerprint
from atml.training.records import Measurement
from tests.held import Gate
from tests.searching.studies import ONE, Space, Start, Told, change, job_of

ABORTS = '''
import multiprocessing, os, pathlib

def value(predictions):
    """What it is, but the first three real ones take their process down."""
    log = pathlib.Path(__file__).with_name("aborts")
    if len(predictions.y) > 20 and multiprocessing.parent_process() is not None:
        count = len(log.read_text()) if log.exists() else 0
        if count < 3:
            log.write_text("x" * (count + 1))
            os.abort()
    return usual(predictions)
'''


# --- joining


def test_files_of_another_machine_come_from_the_study(
    store: Store, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATML_CACHE", str(tmp_path / "cache of another machine"))
    told: list[str] = []
    here = join(store, "s", (), told.append)
    assert here.definition.space_path == tmp_path / "space.py" and told == []
    (tmp_path / "space.py").unlink()
    moved = small.rename(tmp_path / "moved.npz")
    try:
        with pytest.raises(StudyError, match=r"has its data at .*small.npz, which is not on .* --data PATH"):
            join(store, "s", (), told.append)
        there = join(store, "s", (moved,), told.append)
    finally:
        moved.rename(small)
    assert told[-1].startswith("space.py is taken from the study: ")
    assert there.definition.space_path.is_relative_to(tmp_path / "cache of another machine")
    assert there.definition.space_path.parent.stat().st_mode & 0o077 == 0
    assert there.definition.space_hash == here.definition.space_hash and there.seed == here.seed
    for one, other in zip(there.folds, here.folds, strict=True):
        assert np.array_equal(one.held_out, other.held_out)
    # A text that was tampered with, and a study that keeps none.
    store.keep("s", SOURCES, {"space": "DEFAULT = {}\n"})
    with pytest.raises(TaskFileError, match=r"text of space.py in the study is not what its hash says"):
        join(store, "s", (), told.append)
    store.keep("s", SOURCES, {})
    with pytest.raises(TaskFileError, match=r"kept no text of space.py"):
        join(store, "s", (), told.append)


def test_other_data_are_refused_with_what_differs(store: Store, small: Path, tmp_path: Path) -> None:
    with np.load(small) as held:
        rows = {name: held[name][5:] for name in held.files}
    other = tmp_path / "other.npz"
    np.savez(other, **rows)
    with pytest.raises(
        StudyError, match=r"366 windows of 12 subjects there, 361 of 12 here; fingerprints \w"
    ):
        join(store, "s", (other,), lambda line: None)
    change(store, split="0123456789abcdef")
    with pytest.raises(StudyError, match=r"has other folds than this machine would make \(01234567 there"):
        join(store, "s", (), lambda line: None)
    with pytest.raises(StudyError, match=r"no study 'nope' in .*; there are: s"):
        join(store, "nope", (), lambda line: None)


def test_other_code_is_refused_where_others_search_and_said_where_not(
    store: Store, url: str, small: Path, tmp_path: Path
) -> None:
    before = {**fingerprint.here(), "torch": "2.1", "modules": "0" * 16}
    store.keep("s", CODE, before)
    with pytest.raises(
        StudyError, match=r"other code: torch 2.1 there and 2.\d+ here, the modules that train 0"
    ):
        join(store, "s", (), lambda line: None)
    assert join(store, "s", (), lambda line: None, strict=False).name == "s"
    options = Options(study="s", storage=url, data=(small,), space=tmp_path / "space.py", trials=3, **ONE)
    # Somebody has a trial in hand.
    study = store.study("s")
    trial = study.ask()
    store.slots.beat()
    with pytest.raises(StudyError, match="is searched with other code"):
        prepare(options, lambda line: None)
    study.tell(trial, state=TrialState.FAIL)
    told: list[str] = []
    prepare(options, told.append).store.close()
    assert [line for line in told if "continues with other code: torch 2.1 before and 2." in line]
    assert store.facts("s")[CODE] == fingerprint.here()


# --- two at one study


def test_a_trial_in_other_hands_is_dropped_by_who_was_taken_for_dead(store: Store, url: str) -> None:
    told = Told()
    sources = []
    for where in (store, Store(url)):
        plan = replace(join(store, "s", (), lambda line: None), store=where)
        sources.append(Trials(plan, where.study("s"), told, Options(trials=3), 1, None))
    one, two = sources
    first, second = job_of(one), job_of(one)
    # Its beats do not come through for a while.
    store.slots.leave()
    other = two._plan.store
    assert other.recover("s") == [first.number, second.number]
    assert job_of(two).number == first.number
    report = Report(0, "progress", fold=0, fraction=0.25, value=0.7)
    assert one.go_on(first, report) is False
    nothing = Measurement(
        value=0.9, fold_values=(), train_values=(), curves=(), seconds=1.0, steps=1, finished=False
    )
    one.ended(first, Report(0, "measured", measurement=nothing), "cpu")
    one.ended(second, Report(0, "measured", measurement=nothing), "cpu")
    assert [line for line in told.lines if "was taken over by another process" in line]
    assert [t.state for t in store.trials("s")] == ["running", "waiting"]
    assert [number for _, _, number in store.slots.of("s")] == [first.number]
    assert not one.exhausted() and one.waits()
    two.ended(first, Report(0, "measured", measurement=nothing), "cpu")
    assert [t.state for t in store.trials("s")] == ["pruned", "waiting"]
    # Whoever asks next gets the one that waits.
    one._due = 0.0
    assert job_of(one).number == second.number
    other.close()


# --- whole searches


def test_a_worker_that_crashes_costs_its_trial_three_times_at_most(
    url: str, small: Path, space: Space, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    usual = (Path(__file__).parents[2] / "objectives" / "afib.py").read_text(encoding="utf-8")
    judge = tmp_path / "judge.py"
    judge.write_text(usual.replace("def value(", "def usual(") + ABORTS, encoding="utf-8")
    options = Options(
        study="s", storage=url, data=(small,), space=space(20), objective=judge, trials=2, **ONE
    )
    told = Told()
    summary = search(replace(options, out=tmp_path / "exports"), told)
    assert summary["trials"] == 2
    store = Store(url)
    records = [t for t in store.trials("s") if t.role == "search"]
    store.close()
    assert [t.state for t in records] == ["failed", "failed", "pruned", "complete"]
    assert all("its worker was killed by SIGABRT" == t.failure for t in records[:3])
    assert records[2].constraints["crashed"] == 1.0
    assert records[0].params == records[1].params == records[2].params
    assert cli.run(["status", "--storage", url]) == 0
    assert "s, trials 0, 1, 2: its worker was killed by SIGABRT" in capsys.readouterr().out
    assert sum("was killed by SIGABRT; a new trial has the same parameters" in s for s in told.lines) == 2


def test_a_machine_joins_is_killed_and_the_asked_number_is_exact(
    url: str,
    small: Path,
    space: Space,
    tmp_path: Path,
    start: Start,
    capsys: pytest.CaptureFixture[str],
) -> None:
    total = 4
    gate = Gate(tmp_path, url, trials=1)
    options = Options(
        study="s", storage=url, data=(small,), space=space(), objective=gate.judge, trials=total, **ONE
    )
    prepare(options, lambda line: None).store.close()
    store = Store(url)
    store.keep("s", "goal", {"trials": total, "patience": 0, "regions": False})
    away = tmp_path / "away"
    away.mkdir()
    process = start("worker", "--study", "s", "--storage", url, "--workers", 1, cwd=away)
    gate.held(process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.kill()
    process.communicate()
    # The kernel ends its workers with it.
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() and not _zombie(pid) for pid in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert [t.finished for t in store.trials("s")] == [True, False]
    gate.open()
    told = Told()
    assert search(replace(options, patience=0, out=tmp_path / "exports"), told)["trials"] == total
    records = [t for t in store.trials("s") if t.role == "search"]
    assert {t.state for t in records} <= {"complete", "pruned"} and len(records) == total
    assert any("requeued 1 trial(s) that an earlier run left" in line for line in told.lines)
    assert sorted(number for _, _, number in store.slots.of("s")) == list(range(total))
    assert [t.result["code"] for t in records if t.result] == [fingerprint.here()] * total

    # Each can be trained again by itself, a repeat too, and one that was cut short up to there.
    for record in (next(t for t in store.trials("s") if t.role == "finalist"), records[1]):
        compared = train_again(store, "s", record.number)
        assert compared.same and compared.steps and not compared.differs
    # A value that is not what the config gives is found out.
    number = records[2].number
    trial = store.study("s").trials[number]
    with store._db.engine.begin() as db:
        db.exec_driver_sql(
            "UPDATE trial_intermediate_values SET intermediate_value = 0.123 WHERE step = 0"
            f" AND trial_id = {trial._trial_id}"
        )
    again = ["run", "--trial", str(number), "s", "--storage", url]
    assert cli.run([*again, "--json"]) == 1
    printed = capsys.readouterr()
    said = json.loads(printed.out)
    assert said["steps"][0]["recorded"] == 0.123 and not said["steps"][0]["same"]
    assert said["value_same"] and not said["same"]
    assert "gave other values this time" in printed.err and printed.err.count("\n") == 1
    store.close()


def test_a_network_that_learns_nothing_ends_early_and_counts_as_collapsed(
    url: str, small: Path, space: Space, tmp_path: Path
) -> None:
    rate = 'trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True)'
    frozen = space(20, f"learning_rate={rate}", f'norm="none", learning_rate=1e-9 * {rate}')
    options = Options(study="s", storage=url, data=(small,), space=frozen, trials=2, **ONE)
    told = Told()
    summary = search(replace(options, out=tmp_path / "exports"), told)
    assert summary["trials"] == 2
    store = Store(url)
    records = store.trials("s")
    for record in records:
        assert record.state == "pruned" and not record.feasible
        assert record.constraints["constant"] == 1.0
        assert max(record.steps) == 1 and set(record.points) == {0, 1}
        auc, spread = record.points[1]
        assert 0 <= auc < pruning.LEARNED_AUC and spread < pruning.LEAST_SPREAD
        assert not record.result["finished"]
        compared = train_again(store, "s", record.number)
        assert compared.same and len(compared.steps) == 2
    store.close()


def _zombie(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def test_what_cannot_be_trained_again_is_refused(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    study = store.study("s")
    trial = study.ask()
    with pytest.raises(InputError, match="is running"):
        train_again(store, "s", 0)
    store.fail(trial._trial_id, "its worker was killed by SIGSEGV")
    with pytest.raises(InputError, match=r"trial 0 of study 's' failed .*: its worker was killed by SIGSEGV"):
        train_again(store, "s", 0)
    study.tell(study.ask(), state=TrialState.PRUNED)
    with pytest.raises(InputError, match="stopped before any training"):
        train_again(store, "s", 1)
    assert cli.run(["run", "--trial", "7", "s", "--storage", f"sqlite:///{store.name}"]) == 2
    assert "no trial 7 in study 's'; it has trials 0 to 1" in capsys.readouterr().err
    assert cli.run(["worker", "--study", "nope", "--storage", f"sqlite:///{store.name}"]) == 2
    assert "no study 'nope'" in capsys.readouterr().err
