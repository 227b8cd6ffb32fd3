"""How fast contest text is read: cold, beside a plain `np.loadtxt` loop, and from the cache.

    python benchmarks/reading.py [--files 50000] [--folder DIR]

Makes the files first, from synthetic ECG. "Cold" means an empty cache of ours: the files were just written,
so the operating system holds them in memory, for every row alike. A slow disk would add to the first two.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import atml.data
from atml.data.formats.contest_reader import cores
from atml.tasks.task import Task

TASK = Task(name="afib", classes=("other", "AF"), positive=1, sampling_rate=250, window=1250)
LOADTXT_FILES = 3000
GOAL_RATE, GOAL_SECONDS = 4000, 1.0


def label(rhythm: str) -> int:
    return int(rhythm == "AFIB")


def write(folder: Path, files: int) -> None:
    """Write ``files`` windows as the contest does: one value a line, seven decimals."""
    (folder / "train_data").mkdir(parents=True)
    drawn = atml.data.open(None, task=TASK, label=label, cache=folder / "drawn")
    random = np.random.default_rng(0)
    pattern = "%.7f\n" * TASK.window
    rows = random.permutation(len(drawn))  # they come rhythm by rhythm: a few files have to hold both classes
    for number in range(files):
        row = int(rows[number % len(rows)])
        signal = drawn.x[row, 0] * random.uniform(0.8, 1.2)
        name = f"S{number // 500}-{drawn.rhythm[row]}-{number}.txt"
        (folder / "train_data" / name).write_text(pattern % tuple(signal.tolist()))


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--files", type=int, default=50_000)
    options.add_argument("--folder", type=Path, help="where to make the files; default: a temporary folder")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        data, cache = Path(folder) / "set", Path(folder) / "cache"
        print(f"writing {chosen.files} files of {TASK.window} values ...", flush=True)
        write(data, chosen.files)
        files = sorted((data / "train_data").iterdir())
        print(f"cores: {cores()}, load average before: {os.getloadavg()[0]:.1f}\n")
        print(f"{'what':<46}{'files':>8}{'seconds':>10}{'CPU s':>8}{'files/s':>10}")

        some = files[:LOADTXT_FILES]
        plain = [timed("np.loadtxt, one file after the other", len(some), lambda: loadtxt(some))]
        opened = {"task": TASK, "label": label, "cache": cache}
        cold = timed(
            "cold: read, parse, check, write the cache", len(files), lambda: atml.data.open(data, **opened)
        )
        plain.append(timed("np.loadtxt once more", len(some), lambda: loadtxt(some)))
        again = timed("again: from the cache", len(files), lambda: atml.data.open(data, **opened))

    rate, seconds = len(files) / cold, again
    peer = 2 * len(some) / sum(plain)
    good = rate >= GOAL_RATE and seconds < GOAL_SECONDS
    print(f"\ncold over np.loadtxt: {rate / peer:.1f} times")
    print(f"goals, {GOAL_RATE} files/s cold and then under {GOAL_SECONDS:g} s: {'met' if good else 'MISSED'}")
    sys.exit(0 if good else 1)


def loadtxt(files: list[Path]) -> None:
    for file in files:
        np.loadtxt(file, dtype=np.float32)


def timed(what: str, count: int, work: Callable[[], object]) -> float:
    """Print and return how long it took; CPU seconds, helpers too, tell a busy machine from slow code."""
    before, start = sum(os.times()[:4]), time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    cpu = sum(os.times()[:4]) - before
    print(f"{what:<46}{count:>8}{seconds:>10.2f}{cpu:>8.2f}{count / seconds:>10.0f}", flush=True)
    return seconds


if __name__ == "__main__":
    main()
