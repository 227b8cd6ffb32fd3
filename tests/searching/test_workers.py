"""Worker processes that are killed, stopped and starved for real: each costs its own job."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from atml.errors import InputError
from atml.models.config import ModelConfig
from atml.searching.entry_points import worker_setup
from atml.searching.plan import Plan, prepare
from atml.searching.samplers.parameters import from_params
from atml.searching.search_options import Options
from atml.searching.workers.jobs import Report, TrialJob
from atml.searching.workers.pool import Pool
from atml.searching.workers.process import in_words
from atml.training.device import deal

SPACE = """
from atml import ModelConfig

DEFAULT = {"learning_rate": 0.005}

def suggest(trial):
    rate = trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True)
    return ModelConfig(decimation=10, channels=(4,), kernels=(5,), strides=(4,), steps=20, batch=16,
                       learning_rate=rate)
"""


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plan]:
    folder = tmp_path_factory.mktemp("workers")
    (folder / "space.py").write_text(SPACE)
    where = f"sqlite:///{folder / 'studies.db'}"
    made = prepare(Options(space=folder / "space.py", study="s", storage=where, folds=2), lambda line: None)
    yield made
    made.store.close()


@pytest.fixture
def config(plan: Plan) -> ModelConfig:
    return from_params(plan.definition.suggest, plan.definition.default)


def until(pool: Pool, wanted: Callable[[Report], bool]) -> Report:
    """Answer what a pool reports up to the report that is wanted."""
    while True:
        for report in pool.reports(1.0):
            if report.kind == "progress":
                pool.go_on(report.worker, True)
            if wanted(report):
                return report


def ready(report: Report) -> bool:
    return report.kind == "ready"


def test_a_worker_that_is_killed_hangs_or_starves_costs_its_job(plan: Plan, config: ModelConfig) -> None:
    pool = Pool(worker_setup(plan), ["cpu"])
    try:
        long = TrialJob(number=3, config=replace(config, steps=300_000), seed=1)
        until(pool, ready)
        pool.give(0, long)
        os.kill(pool._workers[0].process.pid, signal.SIGKILL)
        lost = until(pool, lambda report: report.job is not None)
        assert (lost.kind, lost.job) == ("lost", long)
        assert lost.text == "was killed by SIGKILL, perhaps out of memory"

        # 64 TiB of row numbers: torch asks for them and is refused, by an exception.
        until(pool, ready)
        started = pool.started
        hungry = TrialJob(number=4, config=replace(config, sampling="subject", batch=2**41), seed=1)
        pool.give(0, hungry)
        crashed = until(pool, lambda report: report.job is not None)
        assert (crashed.kind, crashed.job) == ("crashed", hungry)
        assert crashed.text.splitlines()[-1].startswith("ran out of memory: RuntimeError")
        assert pool.started == started + 1 and not pool.busy()

        # Steps are signs of life: a fold may take longer than a worker may be silent.
        until(pool, ready)
        pool.give(0, long)
        signs = 0
        while signs < 3:
            before = pool._workers[0].silent
            assert pool.reports(0.3) == []
            signs += pool._workers[0].silent < before
        pool._hang_after = 4.0
        os.kill(pool._workers[0].process.pid, signal.SIGSTOP)
        hung = until(pool, lambda report: report.kind != "progress")
        assert (hung.kind, hung.job) == ("lost", long)
        assert hung.text == "hung: no sign of life for 4 s"

        # Its successor, before it is ready.
        os.kill(pool._workers[0].process.pid, signal.SIGSTOP)
        stillborn = until(pool, lambda report: True)
        assert (stillborn.kind, stillborn.job) == ("stillborn", None)
        assert stillborn.text == hung.text
    finally:
        pool.stop()


def test_what_was_not_listened_to_is_no_silence(plan: Plan) -> None:
    pool = Pool(worker_setup(plan), ["cpu"], hang_after=100.0)
    try:
        # The supervisor was stopped for an hour, and looks again.
        pool._looked -= 3600
        assert {report.kind for report in pool.reports(0.0)} <= {"ready"}
        assert pool._workers[0].silent <= 5.0
    finally:
        pool.stop()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "ran out of memory: MemoryError: "),
        (RuntimeError("CUDA out of memory. Tried to allocate"), "ran out of memory: RuntimeError: CUDA out"),
        (RuntimeError("[enforce]\nDefaultCPUAllocator: can't allocate memory: you"), "ran out of memory: "),
        (ValueError("two\nlines"), "raised ValueError: two lines"),
    ],
)
def test_too_little_memory_is_called_so(error: Exception, words: str) -> None:
    assert in_words(error).startswith(words) and "\n" not in in_words(error)


@pytest.mark.parametrize(
    ("wanted", "found", "dealt"),
    [
        ("auto", 0, ("cpu",) * 5),
        ("cpu", 4, ("cpu",) * 5),
        ("auto", 2, ("cuda:0", "cuda:1", "cuda:0", "cuda:1", "cuda:0")),
        ("cuda", 1, ("cuda:0",) * 5),
        ("cuda:1", 2, ("cuda:1",) * 5),
        ("cuda:1, cuda:3", 4, ("cuda:1", "cuda:3", "cuda:1", "cuda:3", "cuda:1")),
        ("cuda:0,cuda:0,cuda:1", 2, ("cuda:0", "cuda:0", "cuda:1", "cuda:0", "cuda:0")),
        ("cuda:0,cpu", 1, ("cuda:0", "cpu", "cuda:0", "cpu", "cuda:0")),
    ],
)
def test_devices_are_dealt_in_turn(wanted: str, found: int, dealt: tuple[str, ...]) -> None:
    assert deal(wanted, 5, found) == dealt


@pytest.mark.parametrize(
    ("wanted", "found", "says"),
    [
        ("cuda", 0, "no CUDA device here for --device cuda; use --device cpu"),
        ("cuda:0", 0, "no CUDA device here"),
        ("cuda:2", 2, "no device cuda:2 here; there are cuda:0, cuda:1"),
        ("cuda:0,cuda:4", 1, "no device cuda:4 here; there is cuda:0"),
        ("gpu", 2, "no device called 'gpu'; it is auto, cpu, cuda"),
        ("cuda:0,", 2, "no device called 'cuda:0,'"),
        ("cuda:x", 0, "no device called 'cuda:x'"),
    ],
)
def test_a_device_that_is_not_there_is_refused(wanted: str, found: int, says: str) -> None:
    with pytest.raises(InputError, match=says):
        deal(wanted, 1, found)


def test_files_that_changed_since_are_not_trained_with(plan: Plan) -> None:
    for change, says in (
        ({"code": {**plan.code, "modules": "0" * 16}}, "modules that train 00000000 when the search began"),
        ({"space": Path("gone.py")}, "gone.py is not a file"),
    ):
        pool = Pool(replace(worker_setup(plan), **change), ["cpu"])
        try:
            refused = until(pool, lambda report: True)
        finally:
            pool.stop()
        assert refused.kind == "refused" and says in refused.text
