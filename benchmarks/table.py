"""A table of recorded trials, asked what a config would come to: what searches are replayed on.

Read from a file of `benchmarks/record.py`, or from a study in a database. Nobody recorded the config that a
replayed search asks for, so **the table answers by a forest**: a regression forest is grown on the
recorded values; for a config it falls through one tree, drawn at random, and one of the recorded trials
in the leaf that it reaches, drawn at random, is what it came to, with all its reports, its time and its
metrics. That draws from the forest's estimate of how outcomes are distributed given the config (quantile
regression forests, Meinshausen, Journal of Machine Learning Research 7, 2006), noise between like configs
included. How well the forest knows the table is printed: R squared on trials left out of each tree.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import r2_score
from sklearn.model_selection import GroupKFold, cross_val_predict

from atml import task_files
from atml.regions.space import Space, learn
from atml.regions.values import number
from atml.searching.collapse import BELOW_FLOOR
from atml.storage import Store
from atml.task_files.definition import TaskDefinition
from atml.training.records import points_from

TREES = 200
LEAF = 4
"""Trees of the forest, and the fewest recorded trials in a leaf."""


@dataclass(frozen=True)
class Recorded:
    """One trial as it ran: values and training seconds by step, what it broke, whether it qualifies."""

    params: dict[str, Any]
    constraints: dict[str, float]
    steps: dict[int, float]
    seconds: dict[int, float]
    qualifies: bool
    value: float | None
    number: int = 0
    """Of its config: trainings of one config, from several seeds, share it."""
    points: dict[int, tuple[float, float]] = field(default_factory=dict)
    """AUC and spread by step; tables recorded before atml reported them have none."""

    @property
    def last(self) -> float:
        """Its last reported value, which is the objective where it ran over every fold."""
        return list(self.steps.values())[-1]


class Table:
    """Recorded trials of one space; those that were never trained are left out, as their price is known."""

    def __init__(
        self, records: list[Recorded], definition: TaskDefinition, space: Space, folds: int, about: str
    ) -> None:
        self.records = [record for record in records if record.steps]
        self.untrained = len(records) - len(self.records)
        self.definition, self.space, self.folds, self.about = definition, space, folds, about
        self._columns = _columns(space)
        rows = np.array([self._row(record.params) for record in self.records])
        self._forest = RandomForestRegressor(
            TREES, min_samples_leaf=LEAF, max_features=0.5, oob_score=True, random_state=0
        )
        worth = np.array([record.last for record in self.records])
        self._forest.fit(rows, worth)
        numbers = np.array([record.number for record in self.records])
        self.trainings = int(np.unique(numbers, return_counts=True)[1].max())
        if self.trainings > 1:  # a tree may have seen the other training of a config that it is asked about
            told = cross_val_predict(self._forest, rows, worth, groups=numbers, cv=GroupKFold(10))
            self.known = float(r2_score(worth, told))
        else:
            self.known = float(self._forest.oob_score_)
        self.noise = _noise(numbers, worth)
        self._leaves = self._forest.apply(rows)
        self._trees = [one.tree_ for one in self._forest.estimators_]
        self._means = [tree.value[:, 0, 0] for tree in self._trees]

    def draw(self, params: dict[str, Any], rng: np.random.Generator) -> tuple[Recorded, float]:
        """Return what a config came to, and the mean of what it might have come to."""
        row = np.array([self._row(params)], np.float32)
        # The forest's own predict and apply start threads for a single row.
        reached = [int(tree.apply(row)[0]) for tree in self._trees]
        tree = int(rng.integers(TREES))
        inside = np.flatnonzero(self._leaves[:, tree] == reached[tree])
        mean = np.mean([self._means[i][leaf] for i, leaf in enumerate(reached)])
        return self.records[int(rng.choice(inside))], float(mean)

    def _row(self, params: dict[str, Any]) -> npt.NDArray[np.float64]:
        return np.array([_place(self.space, name, choice, params) for name, choice in self._columns])


def _noise(numbers: npt.NDArray[np.int64], worth: npt.NDArray[np.float64]) -> float:
    """Return the standard deviation of one training of a config, NaN where all were trained once."""
    groups = [worth[numbers == one] for one in np.unique(numbers)]
    several = [group for group in groups if len(group) > 1]
    if not several:
        return math.nan
    free = sum(len(group) - 1 for group in several)
    return math.sqrt(sum(float(((group - group.mean()) ** 2).sum()) for group in several) / free)


def _columns(space: Space) -> list[tuple[str, Any]]:
    """A column for each numeric parameter, and for each choice of a categorical one."""
    return [
        (name, choice)
        for name, axis in space.axes.items()
        for choice in (axis.choices if axis.kind == "categorical" else (None,))
    ]


def _place(space: Space, name: str, choice: Any, params: dict[str, Any]) -> float:
    """Where a config lies in a column; -1 without the parameter."""
    if name not in params:
        return -1.0
    axis, value = space.axes[name], params[name]
    if axis.kind == "categorical":
        return float(value == choice)
    assert number(value)
    return math.log(value) if axis.log else float(value)


def from_file(path: Path, space: Path | None = None) -> Table:
    """Read what `benchmarks/record.py` wrote on ``space``, by default the file whose hash it notes."""
    first, *lines = path.read_text().splitlines()
    about = json.loads(first)["about"]
    definition = task_files.find(about["task"], space=space or space_of(about))
    records = []
    for line in lines:
        row = json.loads(line)
        steps = row.get("steps", [])
        metrics = row.get("metrics")
        good = (
            not row["constraints"] and metrics is not None and min(metrics.values()) >= definition.qualifies
        )
        records.append(
            Recorded(
                params=row["params"],
                constraints=row["constraints"],
                steps={step: value for step, value, *_ in steps},
                seconds={step: at for step, _, at, *_ in steps},
                qualifies=good,
                value=row.get("value") if metrics is not None else None,
                number=row["number"],
                points=points_from({str(step): more[:2] for step, _, _, *more in steps if more}),
            )
        )
    said = (
        f"{path.name}: {about['data']}, every trial drawn at random and trained over {about['folds']} folds"
    )
    return Table(records, definition, learn(definition.suggest), about["folds"], said)


def space_of(about: dict[str, Any]) -> Path:
    """Find the search space that a table was recorded on, the present one or one of earlier.

    Tables from before their space was noted are of the first.
    """
    folder, task = Path(__file__).resolve().parent.parent / "search_spaces", about["task"]
    if "space" not in about:
        return folder / "earlier" / f"{task}_1.py"
    known = [folder / f"{task}.py", *sorted((folder / "earlier").glob(f"{task}_*.py"))]
    for path in known:
        if task_files.find(task, space=path).space_hash == about["space"]:
            return path
    raise SystemExit(
        f"no file in {folder} has the hash {about['space']} of the table's space; name one: --space"
    )


def from_study(storage: str, study: str | None) -> Table:
    """Read the trials of a study; one that was cut short keeps its last value."""
    store = Store(storage, create=False)
    name = study or store.studies()[0]
    spec = store.spec(name)
    if spec is None:
        raise SystemExit(f"no study {name!r} in {store.name}")
    given = Path(spec["space_path"])
    definition = task_files.find(
        spec["task"],
        space=given if given.is_file() else None,
        objective=spec.get("objective_name") or None,
        window=spec.get("window"),
    )
    records = []
    for trial in store.trials(name):
        if trial.role != "search" or not trial.finished or not trial.params:
            continue
        each = float(trial.result.get("training_s", 0.0)) / max(len(trial.steps), 1)
        broken = {key: excess for key, excess in trial.constraints.items() if excess > 0}
        # What the fixed rule ended says nothing about where another one would.
        broken.pop(BELOW_FLOOR, None)
        metrics = trial.result.get("metrics")
        records.append(
            Recorded(
                params=trial.params,
                constraints=broken,
                steps=dict(sorted(trial.steps.items())),
                seconds={step: each * (i + 1) for i, step in enumerate(sorted(trial.steps))},
                qualifies=trial.feasible
                and metrics is not None
                and min(metrics.values()) >= definition.qualifies,
                value=trial.value,
                number=trial.number,
            )
        )
    store.close()
    said = f"study {name}, in which pruning cut trials short and the sampler chose where to look"
    if definition.space_hash != spec["space"]:
        said += f"; {definition.space_path} changed since"
    return Table(records, definition, learn(definition.suggest), spec["folds"], said)
