"""Rejected regions in real searches.

Most go on with the claim of version 0.1, "hardly any config qualifies": a budget of one MAC makes every trial
fail at once, without training, and what binds, is audited, is lifted and becomes stale is the same.
"""

from __future__ import annotations

import datetime
import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atml import cli
from atml.regions import Claim, Ledger, Region, begin
from atml.searching import region_learning
from atml.searching.collapse import EVIDENCE
from atml.searching.search_options import Options, learns
from atml.storage import Store
from atml.training.records import TrialRecord
from tests.forked import Forked
from tests.held import Gate
from tests.searching.conftest import wait_for
from tests.searching.studies import Process, Run, Start
from tests.terminal import run

SPACE = """
from atml import ModelConfig

DEFAULT = {"family": "a", "width": 8, "learning_rate": 0.005}

def suggest(trial):
    family = trial.suggest_categorical("family", ["a", "b"])
    width = trial.suggest_int("width", 4, 16, step=4)
    return ModelConfig(
        decimation=5, channels=(width, width), kernels=(7, 7), strides=(2, 2), pool="mean_max", batch=32,
        **({"cell": "gru", "units": 4} if family == "b" else {}),
        learning_rate=trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True), steps=STEPS,
    )
"""

TRIALS = 270

GOING = 90_000
"""More trials than any test waits for."""


def line(small: Path, folder: Path, trials: int, *more: object, steps: int = 40) -> list[object]:
    space = folder / "space.py"
    text = SPACE.replace("STEPS", str(steps))
    if not space.exists() or space.read_text(encoding="utf-8") != text:
        space.write_text(text, encoding="utf-8")
    return [
        "search", "--data", small, "--space", space, "--trials", trials, "--folds", 3, "--study", "s",
        "--patience", 0, "--workers", 1, "--finalists", 1, "--repeats", 1, "--learn-regions", *more,
    ]  # fmt: skip


def records(folder: Path) -> list[TrialRecord]:
    store = Store(f"sqlite:///{folder / 'studies.db'}", create=False)
    found = [t for t in store.trials("s") if t.role == "search"]
    store.close()
    return found


def standing(folder: Path) -> region_learning.RegionState:
    store = Store(f"sqlite:///{folder / 'studies.db'}", create=False)
    found = region_learning.state(store, "s")
    store.close()
    return found


def rejected(folder: Path) -> Region:
    (found,) = [r for r in standing(folder).found if r.status == "rejected"]
    return found


def as_before(folder: Path) -> None:
    """Let a study that has begun make the claim of version 0.1, as its ledger would."""
    store = Store(f"sqlite:///{folder / 'studies.db'}")
    found = region_learning.state(store, "s")
    ledger = begin(found.space, found.ledger.fingerprint, claim=Claim.QUALIFIES, p0=0.2)
    kept = ledger.to_dict()
    del kept["claim"]  # which it did not say
    assert Ledger.from_dict(kept) == ledger
    store.save_ledger("s", kept)
    store.close()


@pytest.fixture(scope="module")
def both(small: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[list[dict[str, Any]]]]:
    """A study that two searches made at the same time, and what each of them said, as JSON events."""
    folder = tmp_path_factory.mktemp("both")
    words = line(small, folder, TRIALS, "--max-macs", 1, "--json")
    begun = run(folder, *line(small, folder, 1, "--max-macs", 1))
    assert begun.returncode == 0, begun.stderr
    as_before(folder)
    processes = [Forked(words, folder) for _ in range(2)]
    outputs = [process.communicate(timeout=240)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    return folder, [[json.loads(text) for text in output.splitlines()] for output in outputs]


@pytest.fixture
def searched(both: tuple[Path, Any], tmp_path: Path) -> Path:
    """A copy of that study, to go on with."""
    for name in ("studies.db", "space.py"):
        shutil.copy(both[0] / name, tmp_path / name)
    store = Store(f"sqlite:///{tmp_path / 'studies.db'}")
    spec = store.spec("s")
    assert spec is not None
    store.study("s", {**spec, "space_path": str(tmp_path / "space.py")})
    store.close()
    return tmp_path


@pytest.fixture
def going(searched: Path, small: Path, start: Start) -> Callable[[], Process]:
    """Go on with the study, for as long as the test lasts."""
    return lambda: start(*line(small, searched, GOING, "--max-macs", 1))


def notes(events: list[dict[str, Any]]) -> list[str]:
    return [event["text"] for event in events if event["event"] == "note"]


def test_two_searches_say_what_they_learn_and_agree(both: tuple[Path, list[list[dict[str, Any]]]]) -> None:
    folder, outputs = both
    assert len(records(folder)) == TRIALS
    found = {r.id: r for r in standing(folder).found}
    by_status = {r.status: r for r in found.values()}
    assert {"rejected", "refused", "suspect"} <= set(by_status)
    assert {by_status[s].box.words() for s in ("rejected", "refused")} == {"family = a", "family = b"}
    # One may come up so late that a region is rejected by then: it does not say what was known before.
    said = [notes(events) for events in outputs]
    for status in ("rejected", "refused"):
        news = f"region {by_status[status].id} is {status}: {by_status[status].box.words()}; "
        heard = [sum(text.startswith(news) for text in texts) for texts in said]
        assert max(heard) == 1, (news, said)
    assert any(" is suspect: " in text and "insufficient evidence" in text for text in said[0] + said[1])
    headlines = [[event["regions"] for event in events if event["event"] == "progress"] for events in outputs]
    assert any(texts[-1].startswith("1 rejected, ") for texts in headlines if texts), headlines
    assert any(" suspect" in text for texts in headlines for text in texts)
    newest = {event["newest"] for events in outputs for event in events if event["event"] == "progress"}
    assert by_status["rejected"].box.words() in newest, newest


def test_what_one_rejects_binds_the_next_trial_of_both(both: tuple[Path, Any]) -> None:
    one = rejected(both[0])
    assert one.rejected is not None
    # What the other process had asked for by then is in its hands already.
    after = one.rejected + datetime.timedelta(seconds=0.5)
    later = [t for t in records(both[0]) if t.started is not None and t.started > after]
    sampled = [t for t in later if t.origin == "sampled"]
    assert len(sampled) > 10
    assert not any(one.box.contains(t.params) for t in sampled)
    early = [t for t in records(both[0]) if t.origin == "sampled" and t.started and t.started < one.rejected]
    assert any(one.box.contains(t.params) for t in early)
    # Nothing is learnt in it any more but by audits, and by draws that another test needs.
    audits = [t for t in later if t.origin == "audit"]
    assert all(t.marks["aimed"] == one.id and one.box.contains(t.params) for t in audits)


def test_a_rejected_region_is_audited_and_queued_trials_in_it_are_warned_about(
    searched: Path, small: Path, atml: Run
) -> None:
    one = rejected(searched)
    inside = next(t.params for t in records(searched) if one.box.contains(t.params))
    store = Store(f"sqlite:///{searched / 'studies.db'}")
    store.study("s").enqueue_trial(inside)
    store.close()
    done = atml(*line(small, searched, TRIALS + 7, "--max-macs", 1))
    assert done.returncode == 0, done.stderr
    new = records(searched)[TRIALS:]
    (queued,) = [t for t in new if t.origin == "queued"]
    assert queued.params == inside
    warning = f"although it lies in the rejected region {one.id}: {one.box.words()}"
    assert f"trial {queued.number} was queued, so it runs " in done.stdout
    assert done.stdout.count(warning) == done.stdout.count("was queued") == 1
    (audit,) = [t for t in new if t.origin == "audit"]
    assert audit.number == 275
    assert audit.marks["aimed"] == one.id and one.box.contains(audit.params)
    counted = rejected(searched).evidence.trials
    assert audit.number in counted and queued.number not in counted


def test_a_lift_survives_the_search_that_runs(
    searched: Path, going: Callable[[], Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = rejected(searched)
    process = going()
    wait_for(process, f"  trial {TRIALS + 1:4d}  ")
    monkeypatch.chdir(searched)
    assert cli.run(["regions", "lift", one.id, "--why", "the labels were wrong"]) == 0
    said = wait_for(process, "is lifted")
    assert one.id in said and "the labels were wrong" in said
    # It goes on writing what it finds.
    number = records(searched)[-1].number
    wait_for(process, f"  trial {number // 50 * 50 + 60:4d}  ")
    state = standing(searched)
    assert [(lift.id, lift.why) for lift in state.ledger.lifts] == [(one.id, "the labels were wrong")]
    (lifted,) = [r for r in state.found if r.status == "lifted"]
    assert (lifted.id, lifted.rejected) == (one.id, one.rejected)
    sampled = [t for t in records(searched) if t.number > number and t.origin == "sampled"]
    assert any(one.box.contains(t.params) for t in sampled)


def test_a_killed_search_keeps_its_regions(
    searched: Path, small: Path, atml: Run, going: Callable[[], Process]
) -> None:
    before, one = standing(searched).ledger, rejected(searched)
    process = going()
    wait_for(process, f"  trial {TRIALS + 2:4d}  ")
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = atml(*line(small, searched, TRIALS + 12, "--max-macs", 1))
    assert done.returncode == 0, done.stderr
    assert "learned anew" not in done.stdout and "is rejected" not in done.stdout
    after = standing(searched).ledger
    assert (after.family, after.fingerprint, after.since) == (before.family, before.fingerprint, 0)
    sampled = [t for t in records(searched)[TRIALS:] if t.origin == "sampled"]
    assert sampled and not any(one.box.contains(t.params) for t in sampled)


def test_another_objective_makes_regions_stale(
    searched: Path, small: Path, atml: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    one = rejected(searched)
    judge = searched / "judge.py"
    usual = (Path(__file__).parents[2] / "objectives" / "afib.py").read_text(encoding="utf-8")
    judge.write_text(usual.replace("QUALIFIES = 0.80", "QUALIFIES = 0.70"), encoding="utf-8")
    more = ["--max-macs", 1, "--objective", judge, "--accept-changes"]
    # Without regions the claims are about something else all the same.
    done = atml(*line(small, searched, TRIALS + 1, *more, "--no-regions"))
    assert done.returncode == 0, done.stderr
    assert {r.status for r in standing(searched).found} == {"open"}
    done = atml(*line(small, searched, TRIALS + 16, *more))
    assert done.returncode == 0, done.stderr
    assert "they are learned anew" in done.stdout
    state = standing(searched)
    assert state.ledger.since == TRIALS + 1
    (former,) = state.ledger.former
    stale = {row["id"]: row for row in former["regions"]}
    assert stale[one.id]["status"] == "stale" and stale[one.id]["evidence"] == one.words()
    assert former["fingerprint"]["qualifies"] == "0.8"
    assert not any(r.binds for r in state.found)
    assert atml("regions").stdout.count("stale") == 1
    listed = atml("regions", "--all").stdout
    assert any(text.split()[:2] == [one.id, "stale"] for text in listed.splitlines())


def test_a_study_of_before_counts_only_what_is_still_to_come(small: Path, tmp_path: Path, atml: Run) -> None:
    assert atml(*line(small, tmp_path, 8, "--max-macs", 1, "--no-regions")).returncode == 0
    refused = atml("regions")
    assert refused.returncode == 2
    assert "'s' has no regions: only a search with --learn-regions" in refused.stderr
    done = atml(*line(small, tmp_path, 30, "--max-macs", 1))
    assert done.returncode == 0, done.stderr
    state = standing(tmp_path)
    assert state.ledger.since == 8
    # What breaks the budget is never trained, and so no draw that could have learned.
    drawn = [o for o in state.outcomes if o.origin == "reference"]
    assert drawn and {o.verdict for o in drawn} == {"untrained"}
    assert not any(r.evidence.trials for r in state.found)


def judged(folder: Path, hopeless: float) -> Path:
    usual = (Path(__file__).parents[2] / "objectives" / "afib.py").read_text(encoding="utf-8")
    judge = folder / "judge.py"
    judge.write_text(usual.replace('{"value": 0.60', f'{{"value": {hopeless}'), encoding="utf-8")
    assert f'"value": {hopeless}' in judge.read_text(encoding="utf-8")
    return judge


def test_reference_draws_are_not_compared_before_they_have_given_their_evidence(
    small: Path, tmp_path: Path, atml: Run
) -> None:
    words = line(small, tmp_path, 16, "--objective", judged(tmp_path, -9.0), steps=10)
    done = atml(*words)
    assert done.returncode == 0, done.stderr
    drawn = [t for t in records(tmp_path) if t.origin == "reference"]
    assert len(drawn) == 15
    assert all(EVIDENCE in t.steps or not t.feasible for t in drawn)
    assert {o.verdict for o in standing(tmp_path).outcomes} <= {"qualifies", "learned", "collapsed"}
    # After that they are trials like any other.
    assert any(t.state == "pruned" and t.feasible for t in drawn)
    # The same draws, where nobody learns of regions.
    (tmp_path / "studies.db").unlink()
    assert atml(*words, "--no-regions").returncode == 0
    cut = [t for t in records(tmp_path) if t.origin == "reference" and t.state == "pruned" and t.feasible]
    assert any(EVIDENCE not in t.steps for t in cut)
    assert all(t.params == drawn[t.number - 1].params for t in cut)


def test_a_rule_fixed_before_the_search_ends_them(small: Path, tmp_path: Path, atml: Run) -> None:
    # So few that there is nobody to compare with.
    words = line(small, tmp_path, 5, "--objective", judged(tmp_path, 9.0), steps=20)
    done = atml(*words)
    assert done.returncode == 0, done.stderr
    assert "below the floor after one fold" in done.stdout
    default, *drawn = records(tmp_path)
    assert default.origin == "default" and default.state == "complete"
    assert all(t.origin == "reference" and t.state == "pruned" and not t.feasible for t in drawn)
    # Others learned nothing at all, which is a constraint of its own.
    given_up = [t for t in drawn if "hopeless" in t.constraints]
    assert len(given_up) > 1
    for trial in given_up:
        assert trial.constraints["hopeless"] == pytest.approx(9.0 - trial.steps[3])
        assert sorted(trial.steps) == [0, 1, 2, 3]
    assert [o.verdict for o in standing(tmp_path).outcomes[1:]] == ["collapsed"] * 4
    (tmp_path / "studies.db").unlink()
    assert atml(*words, "--no-regions").returncode == 0
    assert not any("hopeless" in t.constraints for t in records(tmp_path))


def test_a_draw_that_a_lost_worker_took_along_counts_once(
    small: Path, tmp_path: Path, start: Start, url: str
) -> None:
    # The one after DEFAULT.
    gate, lost = Gate(tmp_path, url, trials=1), 1
    process = start(*line(small, tmp_path, 4, "--objective", gate.judge))
    os.kill(gate.held(process), signal.SIGKILL)
    gate.open()
    output, _ = process.communicate(timeout=200)
    assert process.returncode == 0, output
    every = records(tmp_path)
    (again,) = [t for t in every if "again" in t.marks]
    assert every[lost].state == "failed" and again.params == every[lost].params
    assert again.marks == {"known": 0, "again": lost}
    assert again.origin == every[lost].origin == "reference"
    outcomes = standing(tmp_path).outcomes
    assert [o.number for o in outcomes] == [t.number for t in every if t.number != again.number]
    (once,) = [o for o in outcomes if o.params == again.params]
    assert once.number == lost and once.verdict in ("collapsed", "learned", "qualifies")


@pytest.mark.parametrize("file", ["regions.json", "avoid.txt"])
def test_imported_regions_are_audited_first(
    searched: Path, small: Path, atml: Run, capsys: pytest.CaptureFixture[str], file: str
) -> None:
    one = rejected(searched)
    where = f"sqlite:///{searched / 'studies.db'}"
    assert cli.run(["regions", "export", "s", "--out", str(searched), "--storage", where]) == 0
    assert capsys.readouterr().err == ""
    words = line(small, searched, 26, "--max-macs", 1, "--study", "new", "--regions", searched / file)
    done = atml(*words)
    assert done.returncode == 0, done.stderr
    assert f"1 regions of {searched / file} are tested first" in done.stdout
    store = Store(where, create=False)
    found, trials = region_learning.state(store, "new"), store.trials("new")
    store.close()
    (imported,) = [r for r in found.found if r.candidate.source == "imported"]
    assert (imported.id, imported.status) == (one.id, "imported")
    audits = [t for t in trials if t.origin == "audit"]
    assert [t.number for t in audits] == [25]
    assert all(t.marks["aimed"] == one.id and one.box.contains(t.params) for t in audits)
    # It broke the budget, and what is never trained is no evidence.
    assert imported.evidence.trials == ()
    # A study that has begun takes none, but the very line that began it goes on.
    if file == "avoid.txt":
        begun = atml(*line(small, searched, TRIALS, "--max-macs", 1, "--regions", searched / file))
        assert begun.returncode == 2 and "study 's' has already begun" in begun.stderr
        again = atml(*words)
        assert again.returncode == 0, again.stderr


def test_regions_are_learned_only_where_asked_for_or_begun(tmp_path: Path) -> None:
    assert not learns(Options(trials=10_000), begun=False)
    assert learns(Options(trials=1), begun=True)
    assert learns(Options(trials=1, imported=tmp_path / "avoid.txt"), begun=False)
    assert learns(Options(trials=1, regions=True), begun=False)
    assert not learns(Options(trials=10_000, regions=False), begun=True)
