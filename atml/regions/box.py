"""Boxes: parts of a search space that a person can read.

A box is a conjunction of conditions on parameters: "cell = gru and learning_rate in [0.02, 0.1]". A config
that lacks one of the parameters is not in it.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from atml.errors import RegionError
from atml.regions.values import literal, number, same


@dataclass(frozen=True)
class Choice:
    """The parameter ``name`` has one of ``values``."""

    name: str
    values: tuple[Any, ...]

    def holds(self, value: Any) -> bool:
        """Whether a value of the parameter meets the condition."""
        return any(same(value, one) for one in self.values)

    def implies(self, other: Condition) -> bool:
        """Whether every value that meets this condition meets ``other``."""
        return other.name == self.name and all(other.holds(value) for value in self.values)

    def words(self) -> str:
        """Write it as a person reads it."""
        values = [_word(value) for value in self.values]
        condition = f"= {values[0]}" if len(values) == 1 else f"in {{{', '.join(values)}}}"
        return f"{_name(self.name)} {condition}"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return {"parameter": self.name, "values": list(self.values)}


@dataclass(frozen=True)
class Interval:
    """The parameter ``name`` lies from ``low`` to ``high``, inclusive, in the parameter's own unit."""

    name: str
    low: float
    high: float

    def holds(self, value: Any) -> bool:
        """Whether a value of the parameter meets the condition."""
        return number(value) and self.low <= value <= self.high

    def implies(self, other: Condition) -> bool:
        """Whether every value that meets this condition meets ``other``."""
        return (
            isinstance(other, Interval)
            and other.name == self.name
            and other.low <= self.low
            and self.high <= other.high
        )

    def words(self) -> str:
        """Write it as a person reads it."""
        return f"{_name(self.name)} in [{literal(self.low)}, {literal(self.high)}]"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return {"parameter": self.name, "low": self.low, "high": self.high}


Condition = Choice | Interval


@dataclass(frozen=True)
class Box:
    """A conjunction of conditions on different parameters, sorted by parameter name.

    Raises RegionError for no condition at all, for two on one parameter, for an empty choice, and for an
    interval that ends before it begins or is not finite.

    >>> box = Box((Choice("cell", ("gru",)), Interval("learning_rate", 0.02, 0.1)))
    >>> box.words()
    'cell = gru and learning_rate in [0.02, 0.1]'
    >>> box.contains({"cell": "gru", "learning_rate": 0.05}), box.contains({"cell": "gru"})
    (True, False)
    """

    conditions: tuple[Condition, ...]

    def __post_init__(self) -> None:
        names = [c.name for c in self.conditions]
        if not names:
            raise RegionError("a region without a condition is the whole space: name a parameter")
        if len(set(names)) < len(names):
            raise RegionError(f"a region has one condition for each parameter, not two: {', '.join(names)}")
        for c in self.conditions:
            if isinstance(c, Choice) and not c.values:
                raise RegionError(f"a region on {c.name!r} names no value")
            if isinstance(c, Interval) and not (math.isfinite(c.low) and c.low <= c.high < math.inf):
                raise RegionError(f"[{c.low}, {c.high}] is not an interval of {c.name!r}: write [low, high]")
        object.__setattr__(self, "conditions", tuple(sorted(self.conditions, key=lambda c: c.name)))

    @cached_property
    def key(self) -> str:
        """One line of JSON; two boxes are equal where their keys are."""
        return json.dumps(self.to_dict(), sort_keys=True)

    @property
    def id(self) -> str:
        """Six hexadecimal digits that people name it by."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:6]

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters that it has a condition on."""
        return tuple(c.name for c in self.conditions)

    def contains(self, params: Mapping[str, Any]) -> bool:
        """Whether a config lies in it; one that lacks a parameter of it does not."""
        return all(c.name in params and c.holds(params[c.name]) for c in self.conditions)

    def within(self, other: Box) -> bool:
        """Whether the conditions imply that all of it lies in ``other``."""
        return all(any(mine.implies(theirs) for mine in self.conditions) for theirs in other.conditions)

    def __and__(self, other: Box) -> Box:
        """Return the intersection; raises RegionError where both have a condition on one parameter."""
        return Box(self.conditions + other.conditions)

    def words(self) -> str:
        """Write it as a person reads it; `parse` reads it back."""
        return " and ".join(c.words() for c in self.conditions)

    def to_dict(self) -> list[dict[str, Any]]:
        """Return the conditions as JSON types."""
        return [c.to_dict() for c in self.conditions]

    @classmethod
    def from_dict(cls, fields: Any) -> Box:
        """Rebuild from `to_dict`; raises RegionError for anything else."""
        try:
            return cls(
                tuple(
                    Choice(str(c["parameter"]), tuple(c["values"]))
                    if "values" in c
                    else Interval(str(c["parameter"]), _numeric(c["low"]), _numeric(c["high"]))
                    for c in fields
                )
            )
        except (KeyError, TypeError, ValueError) as error:
            raise RegionError(f"{json.dumps(fields, default=str)[:80]} is not a region: {error!r}") from error


# --- words

_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[{}\[\],=]|#.*|[^\s{}\[\],="#]+)')
_BARE = re.compile(r'[^\s{}\[\],="#]+')


def parse(line: str) -> Box | None:
    """Read one line of an ``avoid.txt``; None for a comment or an empty line.

    Raises RegionError, which quotes the line, where it is not a region.

    >>> parse("cell in {gru, lstm}  # too slow").names
    ('cell',)
    """
    tokens = _tokens(line)
    if not tokens:
        return None
    rest = iter([*tokens, ""])
    conditions: list[Condition] = []
    try:
        while True:
            conditions.append(_condition(rest))
            joint = next(rest)
            if joint == "":
                return Box(tuple(conditions))
            if joint != "and":
                raise ValueError(joint)
    except (StopIteration, ValueError) as error:
        raise RegionError(
            f"{line.strip()!r} is not a region; write it as: cell = gru and learning_rate in [0.02, 0.1]"
        ) from error


def _condition(tokens: Iterator[str]) -> Condition:
    token = next(tokens)
    name = str(json.loads(token)) if token.startswith('"') else token
    if not name or token in "{}[],=":
        raise ValueError(token)
    sign = next(tokens)
    if sign == "=":
        return Choice(name, (_value(next(tokens)),))
    opening = next(tokens)
    if sign != "in" or opening not in "{[":
        raise ValueError(sign)
    values, closing = [_value(next(tokens))], next(tokens)
    while closing == ",":
        values.append(_value(next(tokens)))
        closing = next(tokens)
    if opening + closing == "{}":
        return Choice(name, tuple(values))
    if opening + closing != "[]" or len(values) != 2:
        raise ValueError(closing)
    return Interval(name, _numeric(values[0]), _numeric(values[1]))


def _tokens(line: str) -> list[str]:
    found: list[str] = []
    at = 0
    line = line.rstrip()
    while at < len(line):
        match = _TOKEN.match(line, at)
        if match is None:
            # A quote without its end.
            return [*found, '"']
        if match[1].startswith("#"):
            break
        found.append(match[1])
        at = match.end()
    return found


def _value(token: str) -> Any:
    if not token or token in "{}[],=":
        raise ValueError(token)
    try:
        return json.loads(token)
    except json.JSONDecodeError:
        if token.startswith('"'):
            raise
        return token


def _numeric(value: Any) -> float:
    if not number(value):
        raise ValueError(f"{value!r} is not a number")
    return value  # type: ignore[no-any-return]


def _word(value: Any) -> str:
    """Write a choice without quotes where it reads back as the same value."""
    if isinstance(value, str) and _BARE.fullmatch(value) and value not in ("and", "in"):
        try:
            json.loads(value)
        except json.JSONDecodeError:
            return value
    return literal(value)


def _name(name: str) -> str:
    bare = _BARE.fullmatch(name) and name not in ("and", "in")
    return name if bare else literal(name)
