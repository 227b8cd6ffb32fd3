"""What those who work on one study tell each other: where it is to get to, by what rules, that time is up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from atml.errors import InputError, StudyError
from atml.searching.entry_points import worker_setup
from atml.searching.joining import join
from atml.searching.plan import prepare
from atml.searching.progress import View
from atml.searching.search_options import Goal, Options
from atml.searching.study_spec import CODE
from atml.searching.trials import Trials
from atml.searching.workers.dispatch import Dispatcher
from atml.searching.workers.jobs import Report, TrialJob
from atml.searching.workers.pool import Pool
from atml.storage import ProcessRole, Store
from atml.training import fingerprint
from atml.training.records import Measurement
from tests.searching.conftest import wait_for
from tests.searching.studies import ONE, Run, Space, Start, Told, change, job_of


def goal(store: Store) -> Goal:
    found = Goal.of(store.facts("s"))
    assert found is not None
    return found


@pytest.fixture
def other(store: Store, url: str) -> Iterator[Store]:
    """Another process's view of the study, as far as the study can tell."""
    made = Store(url)
    yield made
    made.close()


@pytest.fixture
def few(small: Path, space: Space) -> list[object]:
    """A search of the study, without its total."""
    line = ["search", "--data", small, "--space", space(), "--study", "s", "--workers", 1, "--patience", 0]
    return [*line, "--folds", 3, "--finalists", 1, "--repeats", 1, "--no-regions"]


def test_everybody_follows_the_goal(store: Store) -> None:
    told = Told()
    plan = join(store, "s", (), lambda line: None)
    trials = Trials(plan, store.study("s"), told, Options(trials=3), 1, None)
    jobs = [job_of(trials) for _ in range(3)]
    assert trials.next() is None and trials.exhausted() and trials.waits()
    Goal(trials=4, patience=0, regions=False).keep(store, "s")
    nothing = Measurement(
        value=0.9, fold_values=(), train_values=(), curves=(), seconds=1.0, steps=1, finished=False
    )
    trials.ended(jobs[0], Report(0, "measured", measurement=nothing), "cpu")
    assert told.lines == ["the goal of study s is 4 trials now"]
    job_of(trials)
    assert trials.next() is None
    store.keep("s", CODE, {**fingerprint.here(), "atml": "9.9"})
    with pytest.raises(StudyError, match=r"atml 9.9 there"):
        trials.ended(jobs[1], Report(0, "measured", measurement=nothing), "cpu")


def test_a_search_whose_time_is_over_takes_its_workers_along(
    store: Store, atml: Run, start: Start, few: list[object]
) -> None:
    Goal(trials=5000, patience=0, regions=False).keep(store, "s")
    worker = start("worker", "--study", "s", "--workers", 1)
    wait_for(worker, "/5000  trial")
    done = atml(*few, "--trials", 5000, "--timeout", "6s")
    assert done.returncode == 0, done.stderr
    said, _ = worker.communicate(timeout=60)
    assert worker.returncode == 0, said
    assert "the search of s has used up its time" in said
    assert (
        "the workers that joined the search stop now" in done.stdout
        and "others still train" not in done.stdout
    )
    trials = store.trials("s")
    assert not [t for t in trials if t.state == "running"]
    repeated = any(t.role == "finalist" and t.state == "complete" for t in trials)
    assert repeated or "left out for lack of time" in done.stdout  # on a slow machine
    # Whoever comes later has nothing to do until somebody searches on.
    late = atml("worker", "--study", "s", "--workers", 1)
    assert (
        late.returncode == 0
        and "has used up its time; run the same `atml search` again to continue" in late.stdout
    )
    number = sum(t.finished and t.role == "search" for t in trials)
    assert atml(*few, "--trials", number + 1).returncode == 0
    goal = Goal.of(store.facts("s"))
    assert goal is not None and not goal.over


def test_a_worker_with_nothing_in_hand_is_told_too(
    store: Store, other: Store, atml: Run, few: list[object]
) -> None:
    other.slots.works_on("s", ProcessRole.WORKER)
    done = atml(*few, "--trials", 5000, "--timeout", "6s")
    assert done.returncode == 0, done.stderr
    assert goal(store).over and "the workers that joined the search stop now" in done.stdout
    whole = {t.role for t in store.trials("s") if t.state == "complete"}
    # On a slow machine there is no time for a repeat, or for a trial over every fold.
    assert whole in ({"search", "finalist"}, set()) or "left out for lack of time" in done.stdout


def test_while_another_search_has_time_its_workers_go_on(
    store: Store, other: Store, atml: Run, few: list[object]
) -> None:
    other.slots.works_on("s", ProcessRole.SEARCH)
    assert atml(*few, "--trials", 5000, "--timeout", "2s").returncode == 0
    assert not goal(store).over
    # The last one calls: who is past its own time counts no more.
    other.slots.works_on("s", ProcessRole.ENDING)
    assert atml(*few, "--trials", 5000, "--timeout", "2s").returncode == 0
    assert goal(store).over


def test_a_search_with_time_takes_the_workers_back(store: Store, other: Store) -> None:
    plan = join(store, "s", (), lambda line: None)
    Goal(trials=9, patience=0, regions=False, over=True).keep(store, "s")
    serving = Trials(plan, store.study("s"), View(), Options(trials=3), 1, None, serve=True)
    assert serving.state.over() and serving.stop_now()
    searching = Trials(plan, store.study("s"), View(), Options(trials=3), 1, None)
    assert not searching.stop_now()
    assert goal(store) == Goal(trials=9, patience=0, regions=False)


def test_a_goal_of_a_later_version_is_read_as_far_as_it_is_known(store: Store) -> None:
    store.keep("s", "goal", {"trials": 7, "patience": 1, "regions": True, "mood": "good"})
    assert goal(store) == Goal(trials=7, patience=1, regions=True)


def test_what_a_worker_says_of_its_own_time(store: Store, atml: Run) -> None:
    Goal(trials=5000, patience=0, regions=False).keep(store, "s")
    done = atml("worker", "--study", "s", "--workers", 1, "--timeout", "2s")
    assert done.returncode == 0 and "the time limit of 2 s is reached" in done.stdout
    assert "finalists" not in done.stdout


def test_changed_rules_stop_who_works_by_the_old_ones(store: Store) -> None:
    plan = join(store, "s", (), lambda line: None)
    trials = Trials(plan, store.study("s"), View(), Options(trials=3), 1, None)
    job_of(trials)
    change(store, max_size_kib=9.0)
    with pytest.raises(StudyError, match=r"'s' continues with another size budget, by --accept-changes"):
        trials.state.refresh()


def test_a_worker_process_does_not_judge_by_an_edited_objective(
    url: str, small: Path, space: Space, tmp_path: Path
) -> None:
    judge = tmp_path / "judge.py"
    usual = (Path(__file__).parents[2] / "objectives" / "afib.py").read_text(encoding="utf-8")
    judge.write_text(usual, encoding="utf-8")
    options = Options(study="s", storage=url, data=(small,), space=space(), objective=judge, trials=3, **ONE)
    plan = prepare(options, lambda line: None)
    judge.write_text(usual.replace("QUALIFIES = 0.80", "QUALIFIES = 0.10"), encoding="utf-8")
    source = Trials(plan, plan.store.study("s"), View(), options, 1, None)
    with (
        Dispatcher(Pool(worker_setup(plan), ["cpu"]), View(), 3, lambda: None) as crew,
        pytest.raises(InputError, match=r"judge.py changed since the search began: restore it"),
    ):
        crew.work(source)
    assert [t.state for t in plan.store.trials("s") if t.state == "running"] == []
    plan.store.close()


class Batch:
    """Workers that report all at once what they have, and two of whom the first breaks the search off."""

    devices = ("cpu", "cpu")

    def __init__(self) -> None:
        self.given: dict[int, TrialJob] = {}

    def idle(self) -> list[int]:
        return [i for i in range(2) if i not in self.given]

    def busy(self) -> dict[int, TrialJob]:
        return {}

    def give(self, worker: int, job: TrialJob) -> None:
        self.given[worker] = job

    def reports(self, timeout: float) -> list[Report]:
        return [
            Report(0, "broken task file", self.given[0], text="broken"),
            Report(1, "refused", self.given[1], text=""),
        ]

    def drop(self, *, replace: bool) -> None:
        """They are done."""

    def stop(self) -> None:
        """They are done."""


def test_what_came_in_with_a_fault_is_put_back(store: Store) -> None:
    plan = join(store, "s", (), lambda line: None)
    source = Trials(plan, store.study("s"), View(), Options(trials=3), 2, None)
    with Dispatcher(Batch(), View(), 3, lambda: None) as crew, pytest.raises(InputError, match="broken"):  # type: ignore[arg-type]
        crew.work(source)
    assert [t.state for t in store.trials("s")] == ["waiting", "waiting"]
