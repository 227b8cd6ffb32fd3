"""`benchmarks/processes.py`: what trains in a benchmark's pool ends with the benchmark."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.tiny import REPO

PROGRAM = """
import os, sys, time
from processes import pool

def begin(name):
    open(name, "w").write(str(os.getpid()))

def work(seconds):
    time.sleep(seconds)
    return os.getpid()

if __name__ == "__main__":
    with pool(1, begin, sys.argv[1]) as several:
        print(several.submit(work, 0).result(), flush=True)
        several.submit(work, 600)
        time.sleep(600)
"""


def test_processes_end_when_the_benchmark_is_killed(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": str(REPO / "benchmarks")}
    line = [sys.executable, program, tmp_path / "pid"]
    with subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        one = int(running.stdout.readline())
        assert one == int((tmp_path / "pid").read_text()) != running.pid
        os.kill(one, 0)
        running.kill()
    end = time.monotonic() + 60
    while _alive(one):
        assert time.monotonic() < end, "it works on without its parent"
        time.sleep(0.05)


def _alive(process: int) -> bool:
    """Whether it runs; one that has ended may wait for whoever inherited it to ask."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
