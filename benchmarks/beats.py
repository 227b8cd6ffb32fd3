"""What a config is worth beat by beat, out of fold: whole recordings judged as ANSI/AAMI EC57 does.

Run as ``python benchmarks/beats.py --data DIR [--data DIR ...] [--export FOLDER] [--folds 5] [--repeats 2]
[--seed 0] [--learning 300]``. The config is that of an export, without one DEFAULT of the search space.

A search judges windows round those detected beats that match an annotated one. Here each fold's network calls
every beat of the recordings of the people whom it was not trained on: false detections, fusion and unknown
beats count, and beats that the detector missed are missed. It decides as an export would: as trained, or at
offsets tuned on the other folds where that pays. The same for the task's baseline, fitted without these
people, and for both on the reference's beats, which shows what the detector costs. ``--repeats`` trainings on
fresh seeds; figures are of their summed counts. Intervals and differences are over people, each with all
recordings: 95% of 2,000 draws. A record's line has the wrong beats of the first training.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from atml import data, task_files
from atml.arrays import Floats, Int64
from atml.artifacts.model import load
from atml.data.dataset import Dataset, DataSource, Fold, Rows
from atml.data.windowing import Recording
from atml.evaluation.baselines.out_of_fold import out_of_fold
from atml.evaluation.decision import decide
from atml.formatting import table
from atml.metrics import Predictions
from atml.metrics.counting import subject_codes
from atml.metrics.intervals import Interval, drawn_interval, subject_draws
from atml.models import cost
from atml.models.config import ModelConfig
from atml.scoring.beats import Decide, Which, called
from atml.scoring.rules import BeatRecord, ec57
from atml.scoring.rules.beat_by_beat import wrong_beats
from atml.scoring.rules.ec57.figures import parts
from atml.searching.plan import trial_seed
from atml.searching.samplers.parameters import from_params
from atml.task_files.definition import TaskDefinition
from atml.tasks.targets import shifted
from atml.training.loop import fit, predict

WHICH: tuple[Which, ...] = ("detected", "reference")
CLASSES = {"official": ec57.OFFICIAL, "e, j as N": ec57.ESCAPES_AS_N}


def networks(
    config: ModelConfig, definition: TaskDefinition, dataset: Dataset, folds: Sequence[Fold], seed: int
) -> list[Decide]:
    """Train a network for each fold; return how each decides."""
    target, models, found, of = definition.target, [], [], []
    for number, part in enumerate(folds):
        x, y, subject = dataset.training(part.train)
        model = fit(config, definition.task, x, y, subject, seed=seed + number).model
        held = part.held_out
        logits = predict(model, Rows(dataset.x, held))
        models.append(model)
        found.append(target.predictions(logits, dataset.y[held], dataset.subject[held]))
        of.append(np.full(len(held), number))
    together, fold = Predictions.joined(found), np.concatenate(of)
    chosen = decide(target, [together], [fold], definition.value, gate=definition.gate)
    rows = chosen.cross_fitted[0] if chosen.is_tuned else np.zeros_like(together.logits)
    print(
        f"  windows, out of fold: value {definition.value(shifted(together, rows)):.4f}, decided"
        f" {'at offsets tuned on the other folds' if chosen.is_tuned else 'as trained'}",
        flush=True,
    )

    def decider(number: int) -> Decide:
        offsets = np.asarray(rows[fold == number][0], np.float32)
        return lambda x: target.labels(predict(models[number], x) - offsets)

    return [decider(number) for number in range(len(folds))]


class Side:
    """What one way to decide made of the recordings, repeat by repeat."""

    def __init__(self, name: str, which: Which) -> None:
        self.name, self.which = name, which
        self.repeats: list[list[BeatRecord]] = []

    def counts(self, classes: str, learning: float) -> Int64:
        """Matrices of each recording summed over the repeats, ``(recordings, 7, 7)``."""
        each = [[one.counts for one in self._compared(r, classes, learning)] for r in self.repeats]
        summed: Int64 = np.sum(each, axis=0)
        return summed

    def wrong(self, learning: float) -> list[int]:
        """Wrong beats of each recording in the first repeat."""
        return [wrong_beats(one) for one in self._compared(self.repeats[0], "official", learning)]

    def _compared(self, records: list[BeatRecord], classes: str, learning: float) -> list[ec57.Comparison]:
        return [
            ec57.compare(
                one.reference,
                one.test,
                one.rate,
                length=one.length,
                learning=learning,
                classes=CLASSES[classes],
            )
            for one in records
        ]


class Draws:
    """Gross figures over draws of people, ``(1 + draws,)`` each, in percent."""

    def __init__(self, subjects: Sequence[str]) -> None:
        people, code = subject_codes(np.asarray(subjects, np.str_))
        drawn = subject_draws(len(people))
        self.often = (drawn[:, :, None] == np.arange(len(people))).sum(axis=1)[:, code]

    def __call__(self, counts: Int64) -> dict[str, Floats]:
        """Return every figure, and F1 of VEB and SVEB."""
        found = {
            name: 100.0 * right / np.where(of > 0, of, np.nan)
            for name, (right, of) in parts(np.tensordot(self.often, counts, axes=1)).items()
        }
        for kind in ("V", "S"):
            both = found[f"{kind} Se"], found[f"{kind} +P"]
            with np.errstate(invalid="ignore"):  # nothing called so in some draws
                found[f"{kind} F1"] = 2 * both[0] * both[1] / (both[0] + both[1])
        return found


def told(interval: Interval) -> str:
    """Write a figure and its interval."""
    return f"{interval.value:.2f} ({interval.low:.1f} to {interval.high:.1f})"


def main() -> None:
    """Train, call, compare and print."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--data", type=Path, action="append", help="folders of records; none: synthetic")
    arguments.add_argument("--task", default="beats")
    arguments.add_argument("--export", type=Path, help="an export, for its config")
    arguments.add_argument("--folds", type=int, default=5)
    arguments.add_argument("--repeats", type=int, default=2)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--learning", type=float, default=300.0, help="seconds; 300 is the standard")
    arguments.add_argument("--share", type=float, default=1.0, help="of the config's optimiser steps")
    wanted = arguments.parse_args()
    definition = task_files.find(wanted.task)
    made: Callable[[], ModelConfig] = lambda: from_params(definition.suggest, definition.default)  # noqa: E731
    config = made() if wanted.export is None else load(wanted.export).config
    config = replace(config, steps=max(1, round(config.steps * wanted.share)))
    dataset = definition.open(DataSource(paths=tuple(wanted.data or ())))
    folds = data.folds(dataset.y, dataset.subject, wanted.folds, wanted.seed)
    recordings = list(data.annotated(wanted.data, task=definition.task, split="train"))
    fold_of = {
        str(name): number
        for number, fold in enumerate(folds)
        for name in np.unique(dataset.subject[fold.held_out])
    }
    recordings = [one for one in recordings if one.subject in fold_of]
    size = cost(config, definition.task)
    print(
        f"{dataset.name}: {len(recordings)} recordings;"
        f" {size.size_bytes / 1024:.1f} KiB, {size.macs:,} MACs a beat",
        flush=True,
    )

    def judged(name: str, each: Sequence[Sequence[Decide]]) -> list[Side]:
        sides = [Side(name, which) for which in WHICH]
        for deciders in each:
            for side in sides:
                side.repeats.append(_called(recordings, deciders, fold_of, definition, side.which))
        return sides

    seeds = [trial_seed(wanted.seed, number, "beats") for number in range(wanted.repeats)]
    sides = judged("network", [networks(config, definition, dataset, folds, seed) for seed in seeds])
    if definition.baseline:
        fitted = out_of_fold(definition.baseline, dataset, folds, definition.task, definition.value).folds
        rate = definition.task.sampling_rate
        deciders: list[Decide] = [lambda x, one=one: one.decide(x, rate) for one in fitted]  # type: ignore[misc]
        sides += judged(definition.baseline, [deciders])
    _print(sides, recordings, wanted.learning)


def _called(
    recordings: Sequence[Recording],
    deciders: Sequence[Decide],
    fold_of: dict[str, int],
    definition: TaskDefinition,
    which: Which,
) -> list[BeatRecord]:
    return [called(one, [deciders[fold_of[one.subject]]], definition.task, which)[0] for one in recordings]


def _print(sides: Sequence[Side], recordings: Sequence[Recording], learning: float) -> None:
    draws = Draws([one.subject for one in recordings])
    names = ("Q Se", "Q +P", "V Se", "V +P", "S Se", "S +P")
    for classes in CLASSES:
        found = {(side.name, side.which): draws(side.counts(classes, learning)) for side in sides}
        rows = [
            (name, which, *(told(drawn_interval(figures[one])) for one in names))
            for (name, which), figures in found.items()
        ]
        print(f"\ngross, {classes}\n" + table(("side", "beats", *names), rows, left=2))
        lines = []
        own = found["network", "detected"]
        for (name, which), other in found.items():
            if (name, which) != ("network", "detected"):
                differences = (
                    drawn_interval(own[one] - other[one]) for one in ("V Se", "V +P", "V F1", "S F1")
                )
                lines.append((f"over {name}, {which}", *map(told, differences)))
        print("\n" + table(("network, detected", "V Se", "V +P", "V F1", "S F1"), lines))
    wrong = sides[0].wrong(learning)
    counts = sides[0].counts("official", learning)
    order = np.argsort([-one for one in wrong], kind="stable").tolist()
    lines = [
        (recordings[at].name, str(wrong[at]), *("/".join(map(str, pair)) for pair in _pairs(counts[at])))
        for at in order
    ]
    print("\n" + table(("record", "wrong", "V found/of", "V false", "S found/of", "S false"), lines))


def _pairs(counts: Int64) -> list[tuple[int, ...]]:
    figures = {name: (int(right), int(of)) for name, (right, of) in parts(counts).items()}
    found: list[tuple[int, ...]] = []
    for kind in ("V", "S"):
        found.append(figures[f"{kind} Se"])
        found.append((figures[f"{kind} +P"][1] - figures[f"{kind} +P"][0],))
    return found


if __name__ == "__main__":
    main()
