"""What a search draws from: the parameters of a space and its reference distribution Q.

A search space is code, so nothing declares it: it is learnt by calling ``suggest`` with a `Draft`, which
stands in for an Optuna trial, some thousand times. Q is what Optuna's random sampler draws: every parameter
alike over its range (over its logarithm where it says so), each asked for only where the code asks.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from atml.regions.box import Box, Condition

Bools = npt.NDArray[np.bool_]

DRAWS = 2048
"""Draws a space is learnt from; a share of Q is known to within 0.022 (two standard errors)."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One parameter: "categorical" over ``choices``, or "int" or "float" from ``low`` to ``high``.

    Both ends are inside. ``step`` is the distance of two values, None for a float without steps. ``log`` says
    that it is drawn alike over its logarithm. ``when`` is ``(other parameter, its choices)`` where it exists,
    as far as one categorical parameter tells; None for a parameter of every config, or where it takes more.
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
        """Whether ``value`` is one of its values; steps are not looked at."""
        if self.kind == "categorical":
            return any(same(value, choice) for choice in self.choices)
        return number(value) and self.low <= value <= self.high

    def quantile(self, share: float, *, upper: bool = False) -> float:
        """Return the cut below which, or at which, at least ``share`` of Q lies; above it where ``upper``.

        A value between steps is rounded to three digits, so that a cut reads well.
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
    """Make an axis, once: a space is asked thousands of times."""
    return Axis(name=name, kind=kind, low=low, high=high, log=log, step=step)


class Draft:
    """Stands in for an Optuna trial: ``suggest(Draft(...))`` gives a whole config at once.

    Each value is ``fixed[name]`` where there is one, else what ``source(axis)`` returns. ``params`` and
    ``axes`` hold what was asked for, in the order of asking.
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
        """Return a float; the highest value is one that steps reach."""
        if step is not None:
            high = low + step * math.floor((high - low) / step + 1e-9)
        return float(self._value(_numeric(name, "float", float(low), float(high), log, step)))

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """Return an int; the highest value is one that steps reach."""
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
    """Configs parameter by parameter, to ask quickly which of them lie in a box."""

    def __init__(self, configs: Sequence[Mapping[str, Any]]) -> None:
        self._configs = configs
        self._numbers: dict[str, npt.NDArray[np.float64]] = {}
        self._literals: dict[str, npt.NDArray[np.str_]] = {}
        self._inside: dict[str, Bools] = {}

    def inside(self, box: Box) -> Bools:
        """Which configs lie in ``box``, ``(configs,)``; what `Box.contains` says of each."""
        if box.key not in self._inside:
            self._inside[box.key] = np.logical_and.reduce([self._meets(c) for c in box.conditions])
        return self._inside[box.key]

    def _meets(self, condition: Condition) -> Bools:
        name = condition.name
        if condition.kind == "choice":
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
    """A space as learnt: its ``axes`` by name, in the order of asking, and a ``sample`` of draws from Q."""

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
        """Which draws of the sample lie in ``box``, ``(draws,)``."""
        return self._columns.inside(box)

    def share(self, *boxes: Box) -> float:
        """Share of Q that ``boxes`` cover together."""
        if not boxes:
            return 0.0
        return float(np.logical_or.reduce([self.inside(box) for box in boxes]).mean())


def learn(suggest: Callable[[Any], Any], draws: int = DRAWS, seed: int = 0) -> Space:
    """Learn the space of ``suggest`` from ``draws`` draws; the same ``seed`` gives the same space.

    A range that differs from draw to draw is widened to hold all of them.
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


def structural(space: Space) -> set[str]:
    """Names of the parameters that say whether others exist."""
    return {axis.when[0] for axis in space.axes.values() if axis.when is not None}


def _when(
    axis: Axis, axes: dict[str, Axis], sample: tuple[dict[str, Any], ...]
) -> tuple[str, tuple[Any, ...]] | None:
    """Find the categorical parameter that says where ``axis`` exists."""
    if all(axis.name in params for params in sample):
        return None
    for other in axes.values():
        if other.kind != "categorical" or other.name == axis.name:
            continue
        there = {axis.name in params: set[str]() for params in sample}
        for params in sample:
            # Where the other one does not exist counts as one more of its choices.
            choice = literal(params[other.name]) if other.name in params else ""
            there[axis.name in params].add(choice)
        if not there[True] & there[False] and "" not in there[True]:
            return other.name, tuple(c for c in other.choices if literal(c) in there[True])
    return None


def literal(value: Any) -> str:
    """Write a parameter value as JSON, where 1, 1.0 and true differ."""
    return json.dumps(value)


def same(one: Any, other: Any) -> bool:
    """Whether two parameter values are one, where 1 and true are two."""
    return type(one) is type(other) and bool(one == other)


def number(value: Any) -> bool:
    """Whether a parameter value is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)
