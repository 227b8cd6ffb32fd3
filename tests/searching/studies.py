"""A search of a few tiny nets as one types it, and what its study holds."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from atml.searching.progress import View
from atml.searching.trials import Trials
from atml.searching.workers.jobs import TrialJob
from atml.storage import Store
from atml.training.records import TrialRecord
from tests.forked import Forked

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Process = subprocess.Popen[str] | Forked
Start = Callable[..., Process]
Space = Callable[..., Path]
"""What the fixtures `atml`, `start` and `space` are."""

ONE = {"workers": 1, "folds": 3, "finalists": 1, "repeats": 1}


def line(small: Path, space: Path, trials: int, *more: object) -> list[object]:
    return [
        "search", "--data", small, "--space", space, "--trials", trials, "--folds", 3, "--study", "s",
        "--finalists", 2, "--repeats", 1, "--workers", 1, *more,
    ]  # fmt: skip


def trials(folder: Path) -> list[TrialRecord]:
    store = Store(f"sqlite:///{folder / 'studies.db'}", create=False)
    found = store.trials("s")
    store.close()
    return found


def counted(folder: Path) -> Counter[str]:
    return Counter(t.state for t in trials(folder) if t.role == "search")


def finished(folder: Path) -> int:
    states = counted(folder)
    return states["complete"] + states["pruned"]


class Told(View):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def change(store: Store, **fields: object) -> None:
    spec = store.spec("s")
    assert spec is not None
    store.study("s", {**spec, **fields})


def job_of(trials: Trials) -> TrialJob:
    job = trials.next()
    assert isinstance(job, TrialJob)
    return job
