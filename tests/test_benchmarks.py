"""Every benchmark runs, at the smallest size that still goes through all of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import browser, tiny

REPO = Path(__file__).resolve().parent.parent
FOLDER = REPO / "benchmarks"

RUNS: dict[str, tuple[str, str]] = {
    "augmentation": (
        "--data afib.npz --outside afib.npz --variants both,upright --longer 0.003 --folds 2",
        "upright, seed 0 ",
    ),
    "growth": ("--to 8 --timed 3", "      8 "),
    # Twenty files are read slower than the goal says, so that it ends with 1 and "MISSED".
    "reading": ("--files 20", "cold over np.loadtxt: "),
    "record": (
        "--data afib.npz --out out.jsonl --trials 2 --folds 2 --share 0.01 --processes 1",
        "2/2  trial ",
    ),
    "regions": (f"--table {FOLDER}/tables/afib_iesd2024.jsonl --seeds 1 --trials 8", "best after 8 trials "),
    "regions_simulation": ("--searches 2 --draws 40 --real 1", "atml.regions itself, 1 searches "),
    "report": ("--trials 20 --repeats 1", "opens: loaded after "),
    "search": ("--data data.npz --folder . --trials 2 --workers 1", "rule iesd2024 on data: "),
    "soak": (
        "--trials 3 --supervisors 1 --every 600",
        "lost 0, doubled 0, overshoot 0, missing 0, RUNNING 0",
    ),
    "startup": ("--repeats 1", "atml tasks "),
    "throughput": (
        "--repeats 1 --seconds 0.1 --nets small --files 40 --processes 1",
        "c/b of each repeat: ",
    ),
}
"""Arguments, and what is printed at the end. A benchmark that isn't here can't be made small (it measures a
GPU, say): ``--help`` imports it."""

ELSEWHERE = ("table", "versus", "versus_real", "versus_replay", "versus_sides")
"""`table.py` is a module of `regions.py` and runs there; `tests/benchmarks/test_versus.py` has the others."""


def run(folder: Path, name: str, arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, FOLDER / f"{name}.py", *arguments.split()],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPO)},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


@pytest.mark.parametrize("name", sorted({path.stem for path in FOLDER.glob("*.py")} - {*ELSEWHERE}))
def test_it_runs(name: str, tmp_path: Path) -> None:
    if name == "report" and browser.executable() is None:
        pytest.skip("no Chromium here; Debian's package is chromium")
    tiny.folder(tmp_path)
    shutil.copy(REPO / "tests" / "fixtures" / "v0.1" / "afib.npz", tmp_path)
    arguments, last = RUNS.get(name, ("--help", ""))
    done = run(tmp_path, name, arguments)
    assert done.returncode == (1 if "MISSED" in done.stdout else 0), done.stdout + done.stderr
    assert last in done.stdout, done.stdout + done.stderr


def test_each_of_these_is_there() -> None:
    assert {*RUNS, *ELSEWHERE} <= {path.stem for path in FOLDER.glob("*.py")}
