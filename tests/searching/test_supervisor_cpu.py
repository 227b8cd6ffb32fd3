"""While workers train, the process that supervises them sleeps: its share of a core in every phase."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from atml.searching.entry_points import worker_setup
from atml.searching.exporting import Exports
from atml.searching.finalists import Finalists
from atml.searching.plan import prepare
from atml.searching.progress import Terminal, View
from atml.searching.repeats import Repeats
from atml.searching.search_options import Options
from atml.searching.trials import Trials
from atml.searching.workers.dispatch import Dispatcher, JobSource
from atml.searching.workers.jobs import Job, Report
from atml.searching.workers.pool import Pool
from tests.searching.studies import Space

MOST = 0.02
"""Share of a core. A loaded machine only makes it smaller, since training takes longer then."""


class Metered:
    """CPU over wall seconds of `Dispatcher.work`.

    What a source does to find a job, and with its result, is work of a fixed size, and left out.
    """

    def __init__(self, source: JobSource) -> None:
        self._source, self._next, self._ended, self.spent = source, source.next, source.ended, 0.0
        self.asked = 0
        source.next = self.next  # type: ignore[method-assign]
        source.ended = self.ended  # type: ignore[method-assign]

    def next(self) -> Job | None:
        began = time.process_time()
        job = self._next()
        self.spent += time.process_time() - began
        self.asked += 1
        return job

    def ended(self, job: Job, report: Report, device: str) -> None:
        began = time.process_time()
        self._ended(job, report, device)
        self.spent += time.process_time() - began

    def share(self, dispatcher: Dispatcher) -> float:
        cpu, wall = time.process_time(), time.monotonic()
        dispatcher.work(self._source)
        return (time.process_time() - cpu - self.spent) / (time.monotonic() - wall)


@pytest.fixture
def view(tmp_path: Path) -> Iterator[View]:
    """The live board, which draws all the time: every other view does less."""
    with (tmp_path / "screen").open("w", encoding="utf-8") as screen:
        shown = Terminal(Console(file=screen, force_terminal=True, width=120, height=40))
        yield shown
        shown.close()


def test_the_supervisor_sleeps_in_every_phase(small: Path, space: Space, tmp_path: Path, view: View) -> None:
    """More jobs than workers, so that some are left while every worker is busy."""
    options = Options(
        data=(small,), space=space(600), folds=2, trials=2, workers=1, finalists=2, repeats=1,
        storage=f"sqlite:///{tmp_path / 's.db'}", out=tmp_path / "exports", study="s",
    )  # fmt: skip
    plan = prepare(options, lambda line: None)
    study = plan.store.study(plan.name)
    finalists = Finalists(plan, study, view, options)
    with Dispatcher(Pool(worker_setup(plan), ["cpu"]), view, 2, plan.store.slots.beat) as dispatcher:
        for phase in (
            lambda: Trials(plan, study, view, options, 1, None),
            lambda: Repeats(finalists),
            lambda: Exports(finalists),
        ):
            source = phase()
            metered = Metered(source)
            assert metered.share(dispatcher) < MOST, type(source).__name__
            assert metered.asked < 20, f"{type(source).__name__}: asked for jobs again and again"
    plan.store.close()
