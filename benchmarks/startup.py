"""How long `atml --help` and the listing commands take to answer: median of several starts.

Run as ``python benchmarks/startup.py [--repeats 10]``. Goal: `atml --help` within 0.3 s.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time

COMMANDS = (["--help"], ["search", "--help"], ["tasks"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=10)
    repeats = parser.parse_args().repeats
    print(f"{'command':22} {'median s':>9} {'fastest s':>10}")
    with tempfile.TemporaryDirectory() as empty:
        for command in COMMANDS:
            times = []
            for _ in range(repeats):
                began = time.perf_counter()
                subprocess.run(
                    [sys.executable, "-m", "atml", *command], check=True, stdout=subprocess.DEVNULL, cwd=empty
                )
                times.append(time.perf_counter() - began)
            print(f"atml {' '.join(command):17} {statistics.median(times):9.3f} {min(times):10.3f}")


if __name__ == "__main__":
    main()
