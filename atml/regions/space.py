"""What a search draws from: the parameters of a space and its reference distribution Q.

A search space is code, and no list of its parameters is declared. They are learnt by calling ``suggest``
some thousand times with a `Draft` in place of an Optuna trial. Q is the distribution that Optuna's random
sampler draws from: each parameter, where the code asks for it, is uniform over its range, or log-uniform
where it says ``log``.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from atml.errors import RegionError
from atml.regions.box import Box, Choice, Condition
from atml.regions.values import literal, number, same

Bools = npt.NDArray[np.bool_]

DRAWS = 2048
"""Draws that a space is learnt from: they tell a share of Q to within 0.022 (two standard errors)."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One parameter: "categorical" over ``choices``, or "int" or "float" from ``low`` to ``high``, inclusive.

    ``step`` is the distance between two values, None for a float without steps; ``log`` says that it is
    log-uniform. ``when`` is ``(other parameter, its choices)`` where one categorical parameter decides
    whether this one exists. It is None for a parameter of every config, and where several decide.
    """

    name: str
    kind: str
    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float | None = None
    when: tuple[str, tuple[Any, ...]] | None = None

    def draw(self, rng: random.Random) -> Any:
        """Draw one value from Q."""
        if self.kind == "categorical":
            return rng.choice(self.choices)
        if self.kind == "float" and self.step is None:
            if self.log:
                value = math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
            else:
                value = rng.uniform(self.low, self.high)
            return min(max(value, self.low), self.high)
        if self.log:
            value = math.exp(rng.uniform(math.log(self.low - 0.5), math.log(self.high + 0.5)))
            return min(max(round(value), int(self.low)), int(self.high))
        assert self.step is not None
        value = self.low + self.step * rng.randrange(round((self.high - self.low) / self.step) + 1)
        return int(value) if self.kind == "int" else min(value, self.high)

    def contains(self, value: Any) -> bool:
        """Whether ``value`` is one of its values; steps are not checked."""
        if self.kind == "categorical":
            return any(same(value, choice) for choice in self.choices)
        return number(value) and self.low <= value <= self.high

    def quantile(self, share: float, *, upper: bool = False) -> float:
        """Return the least value with at least ``share`` of Q at or below it.

        With ``upper``, return the greatest value with at least ``share`` of Q at or above it. A parameter
        without steps gives three significant digits, so that the cut reads well.
        """
        if self.kind == "float" and self.step is None:
            part = 1 - share if upper else share
            if self.log:
                cut = self.low * (self.high / self.low) ** part
            else:
                cut = self.low + part * (self.high - self.low)
            return min(max(float(f"{cut:.3g}"), self.low), self.high)
        values, weights = self._grid()
        if upper:
            values, weights = values[::-1], weights[::-1]
        cut = float(values[int(np.searchsorted(np.cumsum(weights), share - 1e-9))])
        return int(cut) if self.kind == "int" else cut

    def _grid(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Every value of a parameter with steps, and its share of Q."""
        step = self.step or 1.0
        values = self.low + step * np.arange(round((self.high - self.low) / step) + 1)
        weights = np.ones(len(values))
        if self.log:
            weights = np.log((values + 0.5) / (values - 0.5))
        return np.asarray(values, np.float64), np.asarray(weights / weights.sum(), np.float64)


@lru_cache(maxsize=1024)
def _numeric(name: str, kind: str, low: float, high: float, log: bool, step: float | None) -> Axis:
    """Make an axis, once for the thousands of drafts that ask for it."""
    return Axis(name=name, kind=kind, low=low, high=high, log=log, step=step)


class Draft:
    """Takes the place of an Optuna trial, so that ``suggest`` returns a whole config at once.

    Each value is ``fixed[name]`` where there is one, else what ``source(axis)`` returns. ``params`` and
    ``axes`` hold what was asked for, in that order.

    >>> draft = Draft(lambda axis: axis.low, fixed={"layers": 3})
    >>> draft.suggest_int("layers", 1, 4), draft.suggest_float("dropout", 0.0, 0.5)
    (3, 0.0)
    """

    number = 0

    def __init__(self, source: Callable[[Axis], Any], fixed: Mapping[str, Any] | None = None) -> None:
        self._source = source
        self._fixed = fixed or {}
        self.params: dict[str, Any] = {}
        self.axes: dict[str, Axis] = {}
        self.user_attrs: dict[str, Any] = {}

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """Return one of ``choices``."""
        return self._value(Axis(name=name, kind="categorical", choices=tuple(choices)))

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Return a float; the highest value is the last that ``step`` reaches."""
        if step is not None:
            high = low + step * math.floor((high - low) / step + 1e-9)
        return float(self._value(_numeric(name, "float", float(low), float(high), log, step)))

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """Return an int; the highest value is the last that ``step`` reaches."""
        high = low + step * ((high - low) // step)
        return int(self._value(_numeric(name, "int", low, high, log, step)))

    def set_user_attr(self, key: str, value: Any) -> None:
        """Keep it, as a trial does."""
        self.user_attrs[key] = value

    def _value(self, axis: Axis) -> Any:
        if axis.name not in self.params:
            fixed = axis.name in self._fixed
            self.params[axis.name] = self._fixed[axis.name] if fixed else self._source(axis)
            self.axes[axis.name] = axis
        return self.params[axis.name]


class Columns:
    """Configs kept as one array for each parameter, to find quickly which of them lie in a box."""

    def __init__(self, configs: Sequence[Mapping[str, Any]]) -> None:
        self._configs = configs
        self._numbers: dict[str, npt.NDArray[np.float64]] = {}
        self._literals: dict[str, npt.NDArray[np.str_]] = {}
        self._inside: dict[str, Bools] = {}

    def inside(self, box: Box) -> Bools:
        """Return which configs lie in ``box``, ``(configs,)``: `Box.contains` of each."""
        if box.key not in self._inside:
            self._inside[box.key] = np.logical_and.reduce([self._meets(c) for c in box.conditions])
        return self._inside[box.key]

    def _meets(self, condition: Condition) -> Bools:
        name = condition.name
        if isinstance(condition, Choice):
            if name not in self._literals:
                found = [literal(c[name]) if name in c else "" for c in self._configs]
                self._literals[name] = np.array(found, dtype=np.str_)
            return np.isin(self._literals[name], [literal(value) for value in condition.values])
        if name not in self._numbers:
            values = [c.get(name) for c in self._configs]
            self._numbers[name] = np.array([v if number(v) else np.nan for v in values], dtype=np.float64)
        column = self._numbers[name]
        return (column >= condition.low) & (column <= condition.high)


class Space:
    """A search space as learnt: its ``axes`` by name, in the order of asking, and a ``sample`` from Q."""

    def __init__(self, axes: dict[str, Axis], sample: tuple[dict[str, Any], ...]) -> None:
        self.axes = axes
        self.sample = sample
        self._columns = Columns(sample)

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that change with any parameter."""
        fields = [[a.name, a.kind, list(a.choices), a.low, a.high, a.log, a.step] for a in self.axes.values()]
        return hashlib.sha256(json.dumps(fields).encode()).hexdigest()[:16]

    def inside(self, box: Box) -> Bools:
        """Return which draws of the sample lie in ``box``, ``(draws,)``."""
        return self._columns.inside(box)

    def presence(self, axis: Axis) -> float:
        """Return the share of Q that has a parameter."""
        return sum(axis.name in params for params in self.sample) / len(self.sample)

    def share(self, *boxes: Box) -> float:
        """Return the share of Q that ``boxes`` cover together."""
        if not boxes:
            return 0.0
        return float(np.logical_or.reduce([self.inside(box) for box in boxes]).mean())


def learn(suggest: Callable[[Any], Any], draws: int = DRAWS, seed: int = 0) -> Space:
    """Learn the space of ``suggest`` from ``draws`` draws; the same ``seed`` gives the same space.

    A range that differs from draw to draw is widened to hold all of them.

    >>> space = learn(lambda trial: trial.suggest_categorical("cell", ["gru", "lstm"]), draws=8)
    >>> space.axes["cell"].choices
    ('gru', 'lstm')
    """
    rng = random.Random(seed)
    axes: dict[str, Axis] = {}
    sample = []
    for _ in range(draws):
        draft = Draft(lambda axis: axis.draw(rng))
        suggest(draft)
        sample.append(draft.params)
        for name, axis in draft.axes.items():
            known = axes.setdefault(name, axis)
            if known is not axis and (axis.low < known.low or axis.high > known.high):
                axes[name] = replace(known, low=min(axis.low, known.low), high=max(axis.high, known.high))
    kept = tuple(sample)
    return Space({name: replace(axis, when=_when(axis, axes, kept)) for name, axis in axes.items()}, kept)


def check(box: Box, space: Space) -> None:
    """Raise RegionError where ``box`` names a parameter or a value that ``space`` does not have."""
    for c in box.conditions:
        axis = space.axes.get(c.name)
        if axis is None:
            raise RegionError(f"region {box.words()!r}: this search space has no parameter {c.name!r}")
        if isinstance(c, Choice) != (axis.kind == "categorical"):
            wanted = "a choice, NAME = VALUE" if axis.kind == "categorical" else "an interval, NAME in [A, B]"
            raise RegionError(f"region {box.words()!r}: {c.name!r} takes {wanted}")
        if isinstance(c, Choice):
            unknown = [value for value in c.values if not axis.contains(value)]
            if unknown:
                known = ", ".join(map(str, axis.choices))
                raise RegionError(f"region {box.words()!r}: {c.name!r} is one of {known}, never {unknown[0]}")
        elif c.high < axis.low or axis.high < c.low:
            raise RegionError(
                f"region {box.words()!r}: {c.name!r} lies in [{axis.low:g}, {axis.high:g}], outside of it"
            )


def structural(space: Space) -> set[str]:
    """Return the names of the parameters that decide whether others exist."""
    return {axis.when[0] for axis in space.axes.values() if axis.when is not None}


def _when(
    axis: Axis, axes: dict[str, Axis], sample: tuple[dict[str, Any], ...]
) -> tuple[str, tuple[Any, ...]] | None:
    """Find the one categorical parameter that decides where ``axis`` exists."""
    if all(axis.name in params for params in sample):
        return None
    for other in axes.values():
        if other.kind != "categorical" or other.name == axis.name:
            continue
        there = {axis.name in params: set[str]() for params in sample}
        for params in sample:
            # Absence of the other parameter counts as one more choice of it.
            choice = literal(params[other.name]) if other.name in params else ""
            there[axis.name in params].add(choice)
        if not there[True] & there[False] and "" not in there[True]:
            return other.name, tuple(c for c in other.choices if literal(c) in there[True])
    return None
