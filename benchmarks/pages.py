"""What networks are worth on pages of hearts that they never saw, beside baselines; one view beside three.

Run as ``python benchmarks/pages.py --data SET [--test SET | --hold-out 60] [--folds 3] [--repeats 1]
[--seed 0] [--views whole,columns,rows] [--set NAME=VALUE ...] [--traced FILE] [--export FOLDER ...]``;
make the set with ``atml data make pages --out SET --hearts 300 --pages 4 --kind mild``. The config is DEFAULT
of the search space, with fields set by ``--set``; ``--export`` judges what a search on ``--data`` exported,
and none is trained here.

So many hearts, or those of ``--test``, are held out of everything. Of the others each fold holds some out,
which is where the thresholds are chosen; then a network is trained on all of them and asked once, at these
thresholds, about the hearts held out. ``--views`` trains the same network, of the same size, on the whole
page and on three views, whose answers it averages. The prior calls every label, which has the largest macro
F1 to be had without looking; ``--traced`` reads the signals of the pages, a second each (FILE keeps what was
measured), and weighs figures of them; the task's baseline is fitted to the same pages. Differences are paired
by heart: 95% of 2,000 draws.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import atml
from atml import data, task_files
from atml.arrays import Floats, Int64
from atml.data.dataset import Dataset, DataSource, Rows
from atml.evaluation import baselines
from atml.formatting import table
from atml.metrics import Predictions
from atml.metrics.intervals import Interval, drawn_interval, subject_draws
from atml.metrics.label_sets import truth
from atml.metrics.multilabel import (
    LabelCounts,
    always_no,
    f1_by_label,
    has_all,
    label_counts,
    macro_label_four,
    prediction_label_counts,
)
from atml.models import cost
from atml.models.config import ModelConfig
from atml.searching.plan import trial_seed
from atml.searching.samplers.parameters import from_params
from atml.task_files.definition import TaskDefinition
from atml.tasks.targets import shifted
from atml.training.loop import fit, predict


@dataclass(frozen=True)
class Side:
    """What one way to decide made of the pages held out: one table a repeat."""

    name: str
    tables: tuple[LabelCounts, ...]
    auc: float
    kib: float
    seconds: float


def network(
    name: str,
    config: ModelConfig,
    definition: TaskDefinition,
    dataset: Dataset,
    sides: tuple[Int64, Int64],
    folds: int,
    seeds: Sequence[int],
) -> Side:
    """Train over folds for the thresholds, then on all pages of ``sides[0]``, and judge ``sides[1]``."""
    begun, (inside, outside) = time.perf_counter(), sides
    target, own = definition.target, dataset.take(inside)
    dealt = data.folds(own.y, own.subject, folds, 0, definition.task.classes, labels=dataset.labels)
    tables, areas = [], []
    for seed in seeds:
        parts = []
        for number, fold in enumerate(dealt):
            model = fit(
                config,
                definition.task,
                Rows(dataset.x, inside[fold.train]),
                own.y[fold.train],
                own.subject[fold.train],
                seed=seed + number,
            ).model
            logits = predict(model, Rows(dataset.x, inside[fold.held_out]))
            parts.append(target.predictions(logits, own.y[fold.held_out], own.subject[fold.held_out]))
        together = Predictions.joined(parts)
        offsets = target.choose(together, definition.value, floor=0.0, count=100)
        tuned = definition.value(shifted(together, offsets))
        print(f"  {name}: out of fold {tuned:.3f} where the thresholds were chosen", flush=True)
        model = fit(config, definition.task, Rows(dataset.x, inside), own.y, own.subject, seed=seed).model
        logits = predict(model, Rows(dataset.x, outside))
        found = target.predictions(logits, dataset.y[outside], dataset.subject[outside])
        areas.append(target.auc(found))
        tables.append(prediction_label_counts(shifted(found, offsets)))
    size = cost(config, definition.task).size_bytes / 1024
    return Side(name, tuple(tables), float(np.mean(areas)), size, time.perf_counter() - begun)


def without_network(
    definition: TaskDefinition,
    dataset: Dataset,
    sides: tuple[Int64, Int64],
    sets: Sequence[Path],
    traced: Path | None,
) -> list[Side]:
    """Judge the prior, what is traced from the pages of ``sets`` (kept in ``traced``), and the baseline."""
    inside, outside = sides
    true, subject = truth(dataset.y[outside], dataset.labels), dataset.subject[outside]
    found = [Side("prior: every label", (label_counts(true, np.ones_like(true), subject),), 0.5, 0.0, 0.0)]
    if traced:
        import pages_traced  # stands beside this file

        begun = time.perf_counter()
        own, every = dataset.take(inside), truth(dataset.y, dataset.labels)
        measured = pages_traced.kept(traced, dataset, sets)
        inner, outer = pages_traced.scores(measured, every, dataset.subject, inside, outside)
        target = definition.target
        fitted = target.predictions(inner.astype(np.float32), own.y, own.subject)
        offsets = target.choose(fitted, definition.value, floor=0.0, count=100)
        judged = target.predictions(outer.astype(np.float32), dataset.y[outside], subject)
        tables = (prediction_label_counts(shifted(judged, offsets)),)
        found.append(Side("traced", tables, target.auc(judged), 0.0, time.perf_counter() - begun))
    if definition.baseline:
        begun = time.perf_counter()
        method = baselines.method(definition.baseline, definition.task)
        measured = method.measure(dataset.x[inside], 0)
        own = dataset.take(inside)
        fitted = method.fit(measured, own.y, own.subject, definition.task, definition.value)
        judged = definition.target.predictions(
            fitted.logits(dataset.x[outside], 0), dataset.y[outside], subject
        )
        area, seconds = definition.target.auc(judged), time.perf_counter() - begun
        size = fitted.size_bytes / 1024
        found.append(Side(definition.baseline, (prediction_label_counts(judged),), area, size, seconds))
    return found


def exported(folder: Path, definition: TaskDefinition, dataset: Dataset, outside: Int64) -> Side:
    """Judge an export, at the thresholds in its file, on the pages held out."""
    begun, model = time.perf_counter(), atml.load(folder)
    parts = [model.logits(dataset.x[outside[i : i + 32]]) for i in range(0, len(outside), 32)]
    judged = definition.target.predictions(
        np.concatenate(parts), dataset.y[outside], dataset.subject[outside]
    )
    area, tables = definition.target.auc(judged), (prediction_label_counts(judged),)
    size, seconds = model.size_bytes / 1024, time.perf_counter() - begun
    return Side(f"network {folder.name}", tables, area, size, seconds)


def macro(side: Side) -> Floats:
    """Macro F1 over draws of hearts, ``(1 + draws,)``, the mean over the repeats."""
    pick = subject_draws(len(side.tables[0].names))
    sums = [one.cells[pick].sum(axis=1) for one in side.tables]
    # A draw without a label says nothing of the mean over labels.
    each = [np.where(has_all(cells), macro_label_four(cells)["F1"], np.nan) for cells in sums]
    return np.asarray(np.mean(each, axis=0))


def told(interval: Interval) -> str:
    """Write a figure and its interval."""
    return f"{interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"


def main() -> None:
    """Train, judge and print."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--data", type=Path, action="append", help="sets of pages; none: drawn ones")
    arguments.add_argument("--task", default="pages")
    arguments.add_argument("--hold-out", type=int, default=60, help="hearts")
    arguments.add_argument("--folds", type=int, default=3)
    arguments.add_argument("--repeats", type=int, default=1)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--views", default="", help="as whole,columns,rows; DEFAULT's own where not given")
    arguments.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="of the config")
    arguments.add_argument("--test", type=Path, help="a set of other hearts, held out whole")
    arguments.add_argument(
        "--traced", type=Path, metavar="FILE", help="trace the pages; an .npz of its figures"
    )
    arguments.add_argument("--export", type=Path, action="append", default=[], help="judged; none is trained")
    wanted = arguments.parse_args()
    definition = task_files.find(wanted.task)
    config = from_params(definition.suggest, definition.default)
    config = ModelConfig.from_dict(config.to_dict() | dict(map(_setting, wanted.set)))
    sets = [*(wanted.data or ()), *([wanted.test] if wanted.test else [])]
    dataset = definition.open(DataSource(paths=tuple(sets)))
    hearts = np.random.default_rng(wanted.seed).permutation(np.unique(dataset.subject))
    held = hearts[: wanted.hold_out]
    if wanted.test:  # of several sets each subject has the name of its own before it
        held = np.array([name for name in hearts if str(name).startswith(f"{wanted.test.name}/")])
    out = np.isin(dataset.subject, held)
    sides = np.flatnonzero(~out), np.flatnonzero(out)
    print(
        f"{dataset.name}: {len(sides[0])} pages of {len(hearts) - len(held)} hearts to learn from,"
        f" {len(sides[1])} of {len(held)} held out; {'exports' if wanted.export else config.describe()}",
        flush=True,
    )
    seeds = [trial_seed(wanted.seed, number, "pages") for number in range(wanted.repeats)]
    variants = {} if wanted.export else {"network": config}
    if wanted.views:
        variants = {
            f"network, {view}": replace(config, views=view, own_views=False, vote="mean")
            for view in wanted.views.split(",")
        }
    found = without_network(definition, dataset, sides, sets, wanted.traced)
    found += [exported(folder, definition, dataset, sides[1]) for folder in wanted.export]
    found += [
        network(name, one, definition, dataset, sides, wanted.folds, seeds) for name, one in variants.items()
    ]
    _print(found, definition)


def _setting(text: str) -> tuple[str, int | float | str]:
    name, _, value = text.partition("=")
    for kind in (int, float):
        try:
            return name, kind(value)
        except ValueError:
            continue
    return name, value


def _print(found: Sequence[Side], definition: TaskDefinition) -> None:
    drawn = {side.name: macro(side) for side in found}
    networks = [side for side in found if side.name.startswith("network")]
    best = max(networks, key=lambda side: float(drawn[side.name][0]))
    rows = []
    for side in found:
        cells = np.mean([one.pooled() for one in side.tables], axis=0)
        four = macro_label_four(cells)
        gain = drawn_interval(drawn[best.name] - drawn[side.name])
        rows.append(
            (
                side.name,
                told(drawn_interval(drawn[side.name])),
                f"{side.auc:.3f}",
                f"{float(four['accuracy']):.3f}",
                "" if side is best else told(gain),
                f"{side.kib:.1f}",
                f"{side.seconds:.0f}",
            )
        )
    header = ("", "macro F1", "AUC", "binary accuracy", f"{best.name} over it", "KiB", "s")
    print(table(header, rows, left=1))
    cells = found[0].tables[0].pooled()
    print(f"\nbinary accuracy of calling nothing: {float(always_no(cells)):.3f}\n")
    each = [np.mean([one.pooled() for one in side.tables], axis=0) for side in found]
    rows = [
        (name, str(int(cells[i, 1].sum())), *(f"{f1_by_label(one)[i]:.2f}" for one in each))
        for i, name in enumerate(definition.task.classes)
    ]
    print(table(("F1", "pages", *(side.name for side in found)), rows, left=1))


if __name__ == "__main__":
    main()
