"""What each change to training windows buys the default of `afib`, at home and on recorders it never saw.

Run as ``python benchmarks/augmentation.py --data SET [--outside SET ...] [--variants both,speed]
[--longer 4] [--seeds 1] [--folds 5]``. The default config of today's space is trained with one change at a
time, ``--longer`` times as long as a trial of it: on every fold of SET, which gives its objective out of fold
at threshold 0, and on all of SET, which is then judged on each ``--outside`` set, by record (a record's score
is the mean margin of its windows, its decision their majority; by subject where records are not told) and
upside down as well.

On two cores a variant takes about five minutes a seed.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from atml import data, task_files
from atml.data.dataset import Dataset, DataSource, Rows
from atml.metrics import roc_auc
from atml.models.config import ModelConfig
from atml.models.network import Network
from atml.searching.samplers.parameters import from_params
from atml.training.loop import fit, predict

OFF: dict[str, Any] = {"polarity": 0.0, "stretch": 0.0, "filter": 0.0, "upright": False}
VARIANTS: dict[str, dict[str, Any]] = {
    "former": {},
    "both": {"polarity": 0.5},
    "upright": {"upright": True},
    "speed": {"stretch": 0.15},
    "speed+both": {"stretch": 0.15, "polarity": 0.5},
    "speed+filter+both": {"stretch": 0.15, "filter": 0.15, "polarity": 0.5},
    "loud": {"stretch": 0.15, "filter": 0.15, "noise": 0.3, "wander": 1.0},
    "loud+both": {"stretch": 0.15, "filter": 0.15, "noise": 0.3, "wander": 1.0, "polarity": 0.5},
}
"""What is changed against the default without polarity, speed and filter."""

Floats = npt.NDArray[np.float64]


def margins(model: Network, x: Any) -> Floats:
    """Positive logit less the other, ``(n,)``."""
    logits = predict(model, x)
    return np.asarray(logits[:, 1] - logits[:, 0], np.float64)


def by_record(margin: Floats, found: Dataset) -> tuple[Floats, Floats, Floats]:
    """Mean margin, majority and label of every record, ``(records,)`` each."""
    names = found.record if found.record is not None else found.subject
    _, code = np.unique(np.asarray(names), return_inverse=True)
    count = np.bincount(code)
    mean, votes, truth = (np.bincount(code, w) / count for w in (margin, margin >= 0, found.y))
    return mean, votes > 0.5, truth > 0.5


def abroad(model: Network, found: Dataset) -> str:
    """AUC as recorded and upside down, sensitivity and specificity, by record."""
    mean, called, truth = by_record(margins(model, found.x), found)
    turned, _, _ = by_record(margins(model, -np.asarray(found.x)), found)
    if truth.all() or not truth.any():
        return "one class"
    auc, other = (roc_auc(score, truth) for score in (mean, turned))
    return f"{auc:.3f} {other:.3f} {called[truth].mean():.2f} {1 - called[~truth].mean():.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--outside", type=Path, action="append", default=[])
    parser.add_argument("--variants", default=",".join(VARIANTS))
    parser.add_argument("--longer", type=float, default=4.0)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--folds", type=int, default=5)
    given = parser.parse_args()
    definition = task_files.find("afib")
    home = definition.open(DataSource(paths=(given.data,)))
    sets = [definition.open(DataSource(paths=(path,))) for path in given.outside]
    folds = data.folds(home.y, home.subject, given.folds, 0)
    default: ModelConfig = from_params(definition.suggest, definition.default)
    default = dataclasses.replace(default, **OFF, steps=max(1, round(default.steps * given.longer)))
    print(
        f"{'':22}{'out of fold':>12}"
        + "".join(f"  {path.name}: AUC, turned, Se, Sp" for path in given.outside)
    )
    for name in given.variants.split(","):
        config = dataclasses.replace(default, **VARIANTS[name])
        for seed in range(given.seeds):
            logits = np.zeros((len(home), 2), np.float32)
            for number, fold in enumerate(folds):
                rows = fold.train
                job = (Rows(home.x, rows), home.y[rows], home.subject[rows])
                model = fit(config, definition.task, *job, seed=1000 * seed + number).model
                logits[fold.held_out, 1] = margins(model, Rows(home.x, fold.held_out))
            value = definition.value(definition.target.predictions(logits, home.y, home.subject))
            whole = fit(config, definition.task, home.x, home.y, home.subject, seed=1000 * seed + 5).model
            told = "".join(f"  {abroad(whole, found):>24}" for found in sets)
            print(f"{f'{name}, seed {seed}':22}{value:12.4f}{told}", flush=True)


if __name__ == "__main__":
    main()
