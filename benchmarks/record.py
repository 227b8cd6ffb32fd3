"""Records a table of real trials, to replay searches on: every one drawn at random, none cut short.

Run as ``python benchmarks/record.py --data ../shared/data/iesd2024.zip --out table.jsonl [--trials 500]
[--folds 5] [--seeds 1] [--share 1.0] [--objective NAME] [--window S] [--processes 2]``. The same line again
goes on where it stopped, with more trials if more are asked for.

A trial's parameters are drawn uniformly from the task's search space, as reference draws of a search
are, by a seed of its own. It is trained over all folds, with no pruning: what a search would have
seen of it at any step is in the table. ``--share`` shortens every training alike (0.25: a quarter of the
steps), which makes hundreds of trials affordable. Values are lower than in a whole training: the table
compares ways to search, it does not say how good a detector can be.

With ``--seeds 2`` every config is trained twice, so that the table knows how far two trainings of one config
differ.

One JSON object a line. The first says what was recorded; then for each training the number of its config, its
seed, its parameters, the constraints it broke (not trained then), at each step its number, the reported
value, CPU seconds so far, AUC and spread of the margin, mean training loss since the last; its value, its
four metrics, and the figure of each subject (two hexadecimal digits each, 255 is 1, in the order of their
names; what the figure is: `versus_real.by_subject`). The table holds no ECG.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import json
import math
import time
from pathlib import Path
from typing import Any

import optuna
from processes import pool
from versus_real import by_subject
from versus_sides import over

from atml import data, task_files
from atml.data.dataset import Dataset, DataSource, Fold
from atml.searching import pruning
from atml.searching.plan import trial_seed
from atml.task_files.definition import TaskDefinition
from atml.training import cross_validation
from atml.training.records import ReportPoint

_FOLDS = 5
"""Folds of every trial, unless asked for otherwise."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """What all trials of a table share; ``share`` of a config's steps are trained."""

    task: str
    data: str
    folds: int
    share: float
    seed: int
    objective: str | None = None
    window: float | None = None

    def about(self) -> dict[str, Any]:
        """Return what the first line of a table says; what was not asked for is not said."""
        told = {name: one for name, one in dataclasses.asdict(self).items() if one is not None}
        return {**told, "data": Path(self.data).name, "space": self.definition().space_hash}

    def definition(self) -> TaskDefinition:
        """Load the task's files."""
        return task_files.find(self.task, objective=self.objective, window=self.window)


class Recorder:
    """The data and the task, loaded once a process."""

    def __init__(self, setting: Setting) -> None:
        import torch

        torch.set_num_threads(1)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.setting = setting
        self.definition = setting.definition()
        self.dataset: Dataset = self.definition.open(DataSource(paths=(Path(setting.data),)))
        self.folds: tuple[Fold, ...] = data.folds(
            self.dataset.y, self.dataset.subject, setting.folds, setting.seed
        )

    def row(self, number: int, again: int) -> dict[str, Any]:
        """Draw config ``number`` and train it with its first seed, or the one of number ``again``."""
        seed = trial_seed(self.setting.seed, number)
        asked = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed)).ask()
        config = self.definition.suggest(asked)
        row: dict[str, Any] = {"number": number, "seed": again, "params": asked.params, "constraints": {}}
        row["constraints"] = {name: round(more, 4) for name, more in over(self.definition, config).items()}
        if row["constraints"]:
            return row
        steps: list[tuple[float | None, ...]] = []
        began = time.process_time()

        def keep(point: ReportPoint) -> bool:
            at = time.process_time() - began
            step = pruning.step(point.fold, point.fraction)
            figures = (point.value, point.auc, point.spread)
            value, auc, spread = (round(f, 4) if math.isfinite(f) else None for f in figures)
            steps.append((step, value, round(at, 2), auc, spread))
            return True

        measured = cross_validation.run(
            dataclasses.replace(config, steps=max(1, round(config.steps * self.setting.share))),
            self.definition.task,
            self.dataset,
            self.folds,
            self.definition.value,
            seed=trial_seed(seed, again, "again") if again else seed,
            on_progress=keep,
            judged=self.definition.agreement,
        )
        if measured.diverged or measured.collapsed:
            row["constraints"] = {"diverged" if measured.diverged else "constant": 1.0}
        losses = [loss for curve in measured.curves for _, loss, _ in curve]
        row["steps"] = [
            (*step, round(loss, 4) if math.isfinite(loss) else None)
            for step, loss in zip(steps, losses, strict=True)
        ]
        row["value"] = round(measured.value, 4)
        if measured.finished and measured.predictions is not None:
            four = self.definition.target.four(measured.predictions)
            row["metrics"] = {name: round(value, 4) for name, value in four.items()}
            told = by_subject(self.definition.target, measured.predictions)
            row["subjects"] = bytes(round(255 * told[name]) for name in sorted(told)).hex()
        return row


_recorder: Recorder | None = None


def _begin(setting: Setting) -> None:
    global _recorder
    _recorder = Recorder(setting)


def _row(number: int, again: int) -> dict[str, Any]:
    assert _recorder is not None
    return _recorder.row(number, again)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--task", default="afib")
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--folds", type=int, default=_FOLDS)
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each config")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--objective", help="one of the task's (default: its own)")
    parser.add_argument("--window", type=float, help="seconds")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    setting = Setting(
        given.task, given.data, given.folds, given.share, given.seed, given.objective, given.window
    )
    about = {"about": setting.about()}
    lines = given.out.read_text().splitlines() if given.out.exists() else []
    if lines and json.loads(lines[0]) != about:
        raise SystemExit(f"{given.out} was recorded with {lines[0]}, not {json.dumps(about)}; name another")
    # A line that was cut off has no end; it is recorded again.
    whole = [line for line in lines if line.endswith("}")]
    done = {(row["number"], row.get("seed", 0)) for row in map(json.loads, whole[1:])}
    given.out.write_text("".join(line + "\n" for line in whole or [json.dumps(about)]))
    every = [(number, again) for number in range(given.trials) for again in range(given.seeds)]
    todo = [job for job in every if job not in done]
    with pool(given.processes, _begin, setting) as several, given.out.open("a") as file:
        jobs = [several.submit(_row, *job) for job in todo]
        for count, job in enumerate(concurrent.futures.as_completed(jobs), len(done) + 1):
            row = job.result()
            file.write(json.dumps(row, separators=(",", ":")) + "\n")
            file.flush()
            seconds = row["steps"][-1][2] if row.get("steps") else 0.0
            value = row.get("value")
            print(f"{count}/{len(every)}  trial {row['number']}  {value}  {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
