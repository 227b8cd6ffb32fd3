"""Thousands of cheap trials under fire: nothing lost, nothing doubled, exactly as many as were asked for.

Run as ``python benchmarks/soak.py [--storage URL] [--trials 3000] [--supervisors 3] [--every 6]``; what
follows ``--`` goes to `atml search`. Several supervisors (`atml search`, one worker process each) share one
study of nets that train for one step on a handful of windows. Every few seconds one thing happens, drawn by a
seed: a worker is killed (SIGKILL) or stopped (SIGSTOP, so that it hangs), a supervisor is killed (its workers
end by themselves), one is asked to leave (SIGTERM), one joins.

It prints what a person would fear: ``lost``, results that a supervisor printed and the study does not hold,
or not with that value; ``doubled``, trials that ended twice, or that fill two slots; ``overshoot``, results
beyond the number asked for; ``RUNNING``, trials that still run when nobody is there; ``orphans``, worker
processes without a supervisor. Then the memory of the supervisors by the number of trials, and seconds a
trial.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from atml.storage import Store

STUDY = "soak"
SPACE = """
from atml import ModelConfig

DEFAULT = {"width": 4, "kernel": 5, "learning_rate": 0.005, "dropout": 0.0}

def suggest(trial):
    width = trial.suggest_int("width", 2, 12)
    kernel = trial.suggest_int("kernel", 3, 9, step=2)
    return ModelConfig(
        decimation=10, channels=(width,), kernels=(kernel,), strides=(4,),
        learning_rate=trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True),
        dropout=trial.suggest_float("dropout", 0.0, 0.5), steps=1, batch=8,
    )
"""
ENDED = re.compile(r"^\s*\d+/\d+  trial\s+(\d+)  (complete|pruned|refused)\s+(-?[\d.]+)?")
"""How a supervisor prints a result."""


@dataclass
class Supervisor:
    """One `atml search`, and what it said."""

    number: int
    process: subprocess.Popen[bytes]
    log: Path
    leaving: bool = False
    sizes: list[tuple[int, float]] = field(default_factory=list)
    """Finished trials of the study, and the memory of this process in MiB."""

    def alive(self) -> bool:
        """Whether it runs."""
        return self.process.poll() is None


def children(pid: int) -> list[int]:
    """Worker processes of a supervisor, which the fork server between them has begun."""
    found = []
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            for grandchild in Path(f"/proc/{child}/task/{child}/children").read_text().split():
                if Path(f"/proc/{grandchild}/comm").read_text().startswith("atml-worker-"):
                    found.append(int(grandchild))
    return found


def resident(pid: int) -> float | None:
    """Memory of a process in MiB, None where it is gone."""
    try:
        found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return None
    return int(found[1]) / 1024 if found else None


def write_files(folder: Path) -> None:
    """Write a search space and a few windows of noise."""
    (folder / "space.py").write_text(SPACE, encoding="utf-8")
    rng = np.random.default_rng(0)
    y = np.arange(32) % 2
    subject = np.array([f"S{i // 4}" for i in range(32)])
    x = rng.normal(size=(32, 1250)).astype(np.float32)
    np.savez(folder / "data.npz", x=x, y=y, subject=subject, split=np.full(32, "train"))


class Soak:
    """The supervisors of one run, and what is done to them."""

    def __init__(self, folder: Path, storage: str, total: int, seed: int, extra: list[str]) -> None:
        self._folder = folder
        self._storage = storage
        self._total = total
        self._extra = extra
        self._rng = random.Random(seed)
        self.all: list[Supervisor] = []
        self.done: Counter[str] = Counter()
        self._workers: set[int] = set()

    def join(self) -> None:
        """Start one more supervisor."""
        log = self._folder / f"supervisor{len(self.all)}.log"
        command = [
            *(sys.executable, "-m", "atml", "search", "--data", "data.npz", "--space", "space.py"),
            *("--study", STUDY, "--folds", "2", "--trials", str(self._total), "--workers", "1"),
            *("--patience", "0", "--finalists", "1", "--repeats", "1", *self._extra),
        ]
        with log.open("wb") as file:
            process = subprocess.Popen(
                command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                start_new_session=True, env={**os.environ, "ATML_STORAGE": self._storage},
            )  # fmt: skip
        self.all.append(Supervisor(len(self.all), process, log))

    def alive(self) -> list[Supervisor]:
        """Who is there."""
        return [one for one in self.all if one.alive()]

    def watch(self, finished: int) -> None:
        """Write down the memory of who is there."""
        for one in self.alive():
            self._workers.update(children(one.process.pid))
            size = resident(one.process.pid)
            if size is not None:
                one.sizes.append((finished, size))

    def happen(self, want: int) -> None:
        """Let one thing happen; ``want`` supervisors are to be there by and large."""
        there = [one for one in self.alive() if not one.leaving]
        if len(there) < max(1, want - 1):
            what = "join"
        else:
            what = self._rng.choice(
                ["worker killed"] * 3 + ["worker hangs"] + ["supervisor killed"] * 2 + ["leave", "join"]
            )
        if what == "join":
            if len(there) > want:
                return
            self.join()
        else:
            one = self._rng.choice(there)
            workers = children(one.process.pid)
            if what == "supervisor killed":
                one.process.kill()
            elif what == "leave":
                one.leaving = True
                one.process.terminate()
            elif workers:
                os.kill(
                    self._rng.choice(workers), signal.SIGKILL if what == "worker killed" else signal.SIGSTOP
                )
            else:
                return
        self.done[what] += 1

    def orphans(self) -> int:
        """Count the workers that outlived their supervisors; a stopped one can't know yet, and is ended."""
        left = 0
        for pid in self._workers:
            with contextlib.suppress(OSError):
                status = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
                if Path(f"/proc/{pid}/cwd").resolve() != self._folder.resolve():
                    continue  # the number is another process's by now
                if status[0] == "T":
                    os.kill(pid, signal.SIGKILL)
                elif status[0] != "Z":
                    left += 1
        return left

    def leave(self) -> None:
        """Ask everybody to leave, and wait for them."""
        for one in self.alive():
            one.process.terminate()
        for one in self.all:
            one.process.wait(120)

    def end(self) -> None:
        """End whoever is still there."""
        for one in self.alive():
            one.process.kill()
            one.process.wait()


def soak(given: argparse.Namespace, folder: Path, storage: str) -> bool:
    """Run, and print what came of it; whether nothing is wrong."""
    write_files(folder)
    run = Soak(folder, storage, given.trials, given.seed, given.extra)
    began = time.monotonic()
    marks: dict[int, float] = {}
    try:
        for _ in range(given.supervisors):
            run.join()
        store: Store | None = None
        finished, last = 0, began
        while True:
            time.sleep(1.0)
            with contextlib.suppress(Exception):
                store = store or Store(storage, create=False)
                finished = len([t for t in store.trials(STUDY) if t.finished and t.role == "search"])
            run.watch(finished)
            now = time.monotonic()
            marks.setdefault(finished // 100 * 100, now - began)
            if finished >= given.trials:
                if run.alive():
                    continue
                if any(one.process.returncode == 0 for one in run.all):
                    break
                # The last one was killed after its last trial: what it left is for the next one.
                run.join()
                continue
            if now - last > given.every * random.Random(finished).uniform(0.5, 1.5):
                last = now
                run.happen(given.supervisors)
            if not run.alive():
                run.join()
            if now - began > given.limit:
                print(f"# asked to leave after {given.limit:.0f} s: what is not there yet is missing")
                run.leave()
                break
        # Whoever was stopped when its supervisor died is only noticed, and whoever else may still be ending.
        time.sleep(3)
        assert store is not None
        return report(run, store, given.trials, marks, time.monotonic() - began)
    finally:
        run.end()
        run.orphans()


def report(run: Soak, store: Store, total: int, marks: dict[int, float], wall: float) -> bool:
    """Print what a run came to."""
    trials = store.trials(STUDY)
    held = {t.number: t for t in trials}
    finished = [t for t in trials if t.finished and t.role == "search"]
    said: Counter[int] = Counter()
    lost = 0
    for one in run.all:
        for line in one.log.read_text(errors="replace").splitlines():
            if found := ENDED.match(line):
                number, value = int(found[1]), found[3]
                said[number] += 1
                kept = held.get(number)
                same = kept is not None and kept.finished and (
                    value is None or kept.value is None or abs(kept.value - float(value)) < 1e-4
                )  # fmt: skip
                lost += not same
    slots = Counter(number for _, _, number in store.slots.of(STUDY))
    doubled = sum(count > 1 for count in said.values()) + sum(count > 1 for count in slots.values())
    numbers = [t.number for t in trials]
    wrong = {
        "lost": lost,
        "doubled": doubled + len(numbers) - len(set(numbers)),
        "overshoot": max(len(finished) - total, 0),
        "missing": max(total - len(finished), 0),
        "RUNNING": sum(t.state == "running" for t in trials),
        "slots without a result": len(set(slots) ^ {t.number for t in finished}),
        "orphans": run.orphans(),
    }
    did = ", ".join(f"{count} x {what}" for what, count in sorted(run.done.items()))
    states = Counter(t.state for t in trials)
    print(f"{len(finished)} of {total} trials in {wall:.0f} s, {len(run.all)} supervisors in all; {did}")
    print("states: " + ", ".join(f"{count} {state}" for state, count in sorted(states.items())))
    codes = Counter(one.process.returncode for one in run.all)
    print("exit codes: " + ", ".join(f"{count} x {code}" for code, count in sorted(codes.items())))
    print(", ".join(f"{what} {count}" for what, count in wrong.items()))
    for one in run.all:
        if one.process.returncode not in (0, 130, -signal.SIGKILL, -signal.SIGTERM):
            tail = one.log.read_text(errors="replace").splitlines()[-3:]
            print(f"# supervisor {one.number} ended with {one.process.returncode}: " + " | ".join(tail))
    print("\nseconds a trial, all supervisors together:")
    points = sorted(marks.items())
    for (a, at_a), (b, at_b) in itertools.pairwise(points):
        if b % 500 == 0 or b == points[-1][0]:
            print(f"{b:7} trials  {(at_b - at_a) / (b - a):6.2f} s")
    print("\nmemory of supervisors that lived longest:")
    lived = sorted(run.all, key=lambda one: one.sizes[-1][0] - one.sizes[0][0] if one.sizes else 0)[-5:]
    for one in reversed(lived):
        # The first seconds are imports.
        sizes = one.sizes[20:]
        if len(sizes) > 1:
            (a, from_mib), (b, to_mib) = sizes[0], sizes[-1]
            print(
                f"supervisor {one.number:3}: {from_mib:.0f} MiB at {a} trials, {to_mib:.0f} at {b},"
                f" {1000 * (to_mib - from_mib) / max(b - a, 1):.1f} MiB a thousand"
            )
    return not any(wrong.values())


def main() -> None:
    """Parse, run, and leave with 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--storage", help="URL of an empty database; left out: SQLite in a temporary folder")
    parser.add_argument("--trials", type=int, default=3000)
    parser.add_argument("--supervisors", type=int, default=3, help="how many there are by and large")
    parser.add_argument("--every", type=float, default=6.0, help="seconds from one kill to the next")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=float, default=7200.0, help="seconds after which it gives up")
    parser.add_argument("extra", nargs="*", help="more options for `atml search`, after --")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        storage = given.storage or f"sqlite:///{folder}/studies.db"
        sys.exit(0 if soak(given, Path(folder), storage) else 1)


if __name__ == "__main__":
    main()
