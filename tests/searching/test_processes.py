"""Searches whose processes are killed, stopped, asked to leave, or not alone."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.held import Gate
from tests.processes import workers_of
from tests.searching.studies import Run, Space, Start, counted, finished, line, trials


def test_a_killed_worker_costs_its_trial_and_no_more(
    start: Start, small: Path, space: Space, tmp_path: Path, url: str
) -> None:
    gate = Gate(tmp_path, url, trials=0)
    words = line(small, space(), 4, "--workers", 2, "--finalists", 1, "--objective", gate.judge)
    process = start(*words)
    worker = gate.held(process)
    assert worker in workers_of(process.pid)
    os.kill(worker, signal.SIGKILL)
    gate.open()
    output, _ = process.communicate(timeout=200)
    assert process.returncode == 0, output
    assert "killed by SIGKILL" in output
    states = counted(tmp_path)
    assert states["failed"] == 1
    assert states["running"] == states["waiting"] == 0
    assert finished(tmp_path) == 4
    # The same parameters were tried again.
    lost = next(t for t in trials(tmp_path) if t.state == "failed")
    assert any(t.params == lost.params and t.finished for t in trials(tmp_path))


def test_a_worker_killed_among_the_finalists_leaves_them_their_seeds(
    start: Start, small: Path, space: Space, tmp_path: Path, url: str
) -> None:
    # The fourth trial is a repeat.
    gate = Gate(tmp_path, url, trials=3)
    words = line(small, space(), 3, "--workers", 2, "--repeats", 2, "--objective", gate.judge)
    process = start(*words)
    os.kill(gate.held(process), signal.SIGKILL)
    gate.open()
    output, _ = process.communicate(timeout=200)
    assert process.returncode == 0, output
    assert "was lost" in output
    again = [t for t in trials(tmp_path) if t.role == "finalist"]
    done = Counter((t.of, t.seed) for t in again if t.state == "complete")
    # The lost one was done, on the same seed, and none twice.
    lost = [(t.of, t.seed) for t in again if t.state == "failed"]
    assert lost and all(done[key] == 1 for key in lost)
    assert set(done.values()) == {1}


@pytest.mark.parametrize(
    ("number", "group"),
    [(signal.SIGINT, True), (signal.SIGTERM, False)],
    ids=["Ctrl-C, which its group gets", "kill, which it gets alone"],
)
def test_a_signal_puts_running_trials_back(
    start: Start,
    atml: Run,
    small: Path,
    space: Space,
    tmp_path: Path,
    url: str,
    number: signal.Signals,
    group: bool,
) -> None:
    gate = Gate(tmp_path, url, trials=0)
    words = line(small, space(), 3, "--workers", 2, "--finalists", 1, "--objective", gate.judge)
    process = start(*words, fresh=group)
    gate.held(process)
    (os.killpg if group else os.kill)(process.pid, number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert f"stopped by {number.name}" in output
    assert workers_of(process.pid) == []
    states = counted(tmp_path)
    assert states["running"] == states["failed"] == 0
    assert states["waiting"] >= 1
    if group:
        gate.open()
        done = atml(*words)
        assert done.returncode == 0, done.stderr
        assert finished(tmp_path) == 3
        assert counted(tmp_path)["waiting"] == 0


def test_a_killed_search_goes_on(
    start: Start, atml: Run, small: Path, space: Space, tmp_path: Path, url: str
) -> None:
    # With two workers the third trial begins when one has ended.
    gate = Gate(tmp_path, url, trials=2)
    words = line(small, space(), 4, "--workers", 2, "--finalists", 1, "--objective", gate.judge)
    process = start(*words, fresh=True)
    stuck = gate.held(process)
    os.kill(stuck, signal.SIGSTOP)
    process.kill()
    process.communicate(timeout=60)
    # One that says nothing more goes too.
    for _ in range(300):
        state = Path(f"/proc/{stuck}/stat")
        if not state.exists() or ") Z" in state.read_text():
            break
        time.sleep(0.1)
    else:
        os.kill(stuck, signal.SIGKILL)
        pytest.fail("a worker that was stuck outlived its search")
    assert counted(tmp_path)["running"] >= 1 and finished(tmp_path) >= 1
    gate.open()
    done = atml(*words)
    assert done.returncode == 0, done.stderr
    assert "requeue" in done.stdout
    assert finished(tmp_path) == 4
    assert set(counted(tmp_path)) <= {"complete", "pruned"}


def test_two_searches_of_one_study_share_it_exactly(
    start: Start, small: Path, space: Space, tmp_path: Path
) -> None:
    one, two = (start(*line(small, space(), 9, "--workers", 1)) for _ in range(2))
    outputs = [process.communicate(timeout=200)[0] for process in (one, two)]
    assert [one.returncode, two.returncode] == [0, 0], outputs
    assert finished(tmp_path) == 9
    assert set(counted(tmp_path)) <= {"complete", "pruned"}
    every = trials(tmp_path)
    assert sum(t.origin == "default" for t in every) == 1
    searched = [str(t.params) for t in every if t.role == "search"]
    assert len(set(searched)) == len(searched)
    repeats = [(t.of, t.seed) for t in every if t.role == "finalist" and t.state == "complete"]
    assert len(set(repeats)) == len(repeats)
