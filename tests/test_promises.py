"""What a search over several supervisors promises, each kept by real processes on a real PostgreSQL."""

from __future__ import annotations

import contextlib
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from atml.storage import Store
from tests.forked import Forked
from tests.postgres import Server
from tests.terminal import run
from tests.tiny import folder

STUDY = "shared"
ENDED = re.compile(r"^ *\d+/\d+  trial +(\d+)  (?:complete|pruned|refused) +(-?[\d.]+)?", re.MULTILINE)
CLOCK = """
import datetime, sys, time, types

if __name__ == "__main__":
    BY, right, real = 60 * float(sys.argv[1]), time.time, datetime.datetime

    class Kind(type):
        def __instancecheck__(cls, value):
            return isinstance(value, real)

    class Wrong(real, metaclass=Kind):
        @classmethod
        def now(cls, tz=None):
            return real.now(tz) + datetime.timedelta(seconds=BY)

    import atml.searching.entry_points, atml.storage
    from atml import cli

    time.time = lambda: right() + BY
    wrong = types.SimpleNamespace(**{**vars(datetime), "datetime": Wrong})
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] in ("atml", "optuna"):
            for here, value in list(vars(module).items()):
                if value is datetime or value is real:
                    setattr(module, here, wrong if value is datetime else Wrong)
    cli.main(sys.argv[2:])
"""
"""Runs atml in a process whose clock is wrong by so many minutes."""


def search(total: int) -> tuple[object, ...]:
    """The line that begins and goes on with the study."""
    return (
        *("search", "--data", "data.npz", "--study", STUDY, "--folds", 2, "--workers", 1),
        *("--trials", total, "--patience", 0, "--finalists", 1, "--repeats", 1, "--no-regions"),
    )


class Search:
    """One `atml search`, and what it printed so far."""

    def __init__(self, where: Path, url: str, total: int, wrong_by: int | None = None) -> None:
        clock, words = None, search(total)
        if wrong_by is not None:
            clock, words = where / "clock.py", (wrong_by, *words)
            clock.write_text(CLOCK, encoding="utf-8")
        self.process = Forked(words, where, script=clock, environment={"ATML_STORAGE": url})
        self.said = ""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        with self.process.stdout as lines:
            for line in lines:
                self.said += line

    def until(self, come: Callable[[str], object], limit: float = 120) -> None:
        """Wait until what was printed satisfies ``come``."""
        end = time.monotonic() + limit
        while not come(self.said):
            assert self.process.poll() is None, self.said
            assert time.monotonic() < end, self.said
            time.sleep(0.02)

    def results(self) -> list[tuple[int, float | None]]:
        """Trials that it said had ended with a result, and their values."""
        return [(int(n), float(v) if v else None) for n, v in ENDED.findall(self.said)]

    def end(self, limit: float = 120) -> int:
        """Wait for its end, and return its exit code."""
        code = self.process.wait(limit)
        self._reader.join()
        return code


class Start:
    """Starts searches of one study in the database at ``url``."""

    def __init__(self, where: Path, url: str) -> None:
        self._where = where
        self.url = url
        self.all: list[Search] = []

    def __call__(self, total: int, wrong_by: int | None = None) -> Search:
        self.all.append(Search(self._where, self.url, total, wrong_by))
        return self.all[-1]


@pytest.fixture
def start(tmp_path: Path, postgres: Server) -> Iterator[Start]:
    """Start searches of one study in a new database; who is still there at the end is killed."""
    made = Start(tmp_path / "work", postgres.url(postgres.new_database()))
    yield made
    for one in made.all:
        one.process.kill()
        one.end()


def share(*searches: Search, limit: float = 150) -> None:
    """Wait until each has a result; who has one before the others is stopped for that long, not given up."""
    end, stopped = time.monotonic() + limit, set()
    while not all(one.results() for one in searches):
        for one in searches:
            assert one.process.poll() is None and time.monotonic() < end, one.said
            if one.results() and one not in stopped:
                one.process.send_signal(signal.SIGSTOP)
                stopped.add(one)
        time.sleep(0.02)
    for one in stopped:
        one.process.send_signal(signal.SIGCONT)


def kept(start: Start, total: int, *searches: Search) -> None:
    """Check that exactly ``total`` trials have a result, each told once and as it was said; none runs."""
    said = "\n\n".join(one.said for one in searches)
    with contextlib.closing(Store(start.url)) as store:
        trials = [t for t in store.trials(STUDY) if t.role == "search"]
        finished = {t.number: t for t in trials if t.finished}
        slots = sorted(store.slots.of(STUDY))
        assert store.studies() == [STUDY]
    assert len(finished) == total, said
    assert not [t for t in trials if t.state in ("running", "waiting")], said
    assert [slot for slot, _, _ in slots] == list(range(total))
    assert sorted(number for _, _, number in slots) == sorted(finished)
    results = [result for one in searches for result in one.results()]
    assert max(Counter(number for number, _ in results).values()) == 1, said
    for number, value in results:
        assert number in finished, said
        assert value is None or finished[number].value == pytest.approx(value, abs=1e-4)


def test_supervisors_join_leave_and_are_killed(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder(tmp_path / "work", steps=80)
    total = 6
    first = start(total)
    first.until(lambda said: f"1/{total}" in said)
    second, third = start(total), start(total)
    first.process.kill()
    first.end()
    share(second, third)
    second.process.send_signal(signal.SIGTERM)
    assert second.end() == 130, second.said
    assert third.end() == 0, third.said
    kept(start, total, first, second, third)
    assert "exported" in third.said
    # Once it is whole, the same line has nothing to do.
    monkeypatch.setenv("ATML_STORAGE", start.url)
    again = run(tmp_path / "work", *search(total))
    assert again.returncode == 0, again.stderr
    assert not ENDED.search(again.stdout)
    kept(start, total, first, second, third)


def test_the_server_restarts_and_connections_are_cut(start: Start, tmp_path: Path, postgres: Server) -> None:
    folder(tmp_path / "work", steps=80, qualifies=2.0)
    total = 6
    one = start(total)
    one.until(lambda said: f"2/{total}" in said)
    assert postgres.cut(start.url.rsplit("/", 1)[1]) > 0
    one.until(lambda said: f"3/{total}" in said)
    postgres.stop()
    # It may be asked while it still says that it is about to end.
    one.until(lambda said: "; waiting up to" in said)
    postgres.start()
    one.until(lambda said: "is back after" in said)
    assert one.end() == 0, one.said
    assert one.said.count("; waiting up to") == one.said.count("is back after") == 1
    assert "correct" not in one.said and "Traceback" not in one.said
    kept(start, total, one)


def test_two_supervisors_started_at_the_same_moment_share_a_study(start: Start, tmp_path: Path) -> None:
    folder(tmp_path / "work", steps=80, qualifies=2.0)
    total = 6
    both = [start(total), start(total)]
    share(*both)
    assert [one.end() for one in both] == [0, 0], both[0].said + both[1].said
    kept(start, total, *both)


def test_clocks_that_disagree_by_minutes(start: Start, tmp_path: Path) -> None:
    folder(tmp_path / "work", steps=80, qualifies=2.0)
    total = 6
    three = [start(total), start(total, wrong_by=10), start(total, wrong_by=-10)]
    share(*three)
    codes, said = [one.end() for one in three], "\n\n".join(one.said for one in three)
    assert codes == [0, 0, 0], said
    assert "requeued" not in said
    kept(start, total, *three)
    with contextlib.closing(Store(start.url)) as store:
        started = [t.started for t in store.trials(STUDY) if t.started]
    # All by one clock.
    assert (max(started) - min(started)).total_seconds() < 300
