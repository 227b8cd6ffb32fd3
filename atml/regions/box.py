"""Boxes: parts of a search space that a person can read.

A box is a conjunction of conditions on parameters, "cell = gru and learning_rate in [0.02, 0.1]". A config
without one of the parameters is not in it.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

from atml.errors import RegionError
from atml.regions.space import Space, literal, number, same


@dataclass(frozen=True)
class Choice:
    """The parameter ``name`` has one of ``values``."""

    name: str
    values: tuple[Any, ...]
    kind: ClassVar[Literal["choice"]] = "choice"

    def holds(self, value: Any) -> bool:
        """Whether a value of the parameter meets the condition."""
        return any(same(value, one) for one in self.values)

    def implies(self, other: Condition) -> bool:
        """Whether whatever meets this condition meets ``other``."""
        return other.name == self.name and all(other.holds(value) for value in self.values)

    def words(self) -> str:
        """Write it as a person reads it."""
        values = [_word(value) for value in self.values]
        said = f"= {values[0]}" if len(values) == 1 else f"in {{{', '.join(values)}}}"
        return f"{_name(self.name)} {said}"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return {"parameter": self.name, "values": list(self.values)}


@dataclass(frozen=True)
class Interval:
    """The parameter ``name`` lies from ``low`` to ``high``, both inside, in the parameter's own scale."""

    name: str
    low: float
    high: float
    kind: ClassVar[Literal["interval"]] = "interval"

    def holds(self, value: Any) -> bool:
        """Whether a value of the parameter meets the condition."""
        return number(value) and self.low <= value <= self.high

    def implies(self, other: Condition) -> bool:
        """Whether whatever meets this condition meets ``other``."""
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
    """A conjunction of conditions on different parameters, kept by parameter name.

    Raises RegionError for no condition at all, for two on one parameter, for an empty choice, and for an
    interval that ends before it begins or is not finite.
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
                raise RegionError(f"[{c.low}, {c.high}] is no interval of {c.name!r}: write [low, high]")
        object.__setattr__(self, "conditions", tuple(sorted(self.conditions, key=lambda c: c.name)))

    @cached_property
    def key(self) -> str:
        """One line of JSON: two boxes are the same where it is."""
        return json.dumps(self.to_dict(), sort_keys=True)

    @property
    def id(self) -> str:
        """Six hexadecimal digits to name it by."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:6]

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters it is about."""
        return tuple(c.name for c in self.conditions)

    def contains(self, params: Mapping[str, Any]) -> bool:
        """Whether a config lies in it; one that lacks a named parameter does not."""
        return all(c.name in params and c.holds(params[c.name]) for c in self.conditions)

    def within(self, other: Box) -> bool:
        """Whether it lies in ``other`` as a whole, as far as the conditions tell."""
        return all(any(mine.implies(theirs) for mine in self.conditions) for theirs in other.conditions)

    def __and__(self, other: Box) -> Box:
        """Return what lies in both; they must be about different parameters."""
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
            raise RegionError(f"{json.dumps(fields, default=str)[:80]} is no region: {error!r}") from error


def check(box: Box, space: Space) -> None:
    """Raise RegionError where ``box`` says something that the space can't mean."""
    for c in box.conditions:
        axis = space.axes.get(c.name)
        if axis is None:
            raise RegionError(f"region {box.words()!r}: this search space has no parameter {c.name!r}")
        if isinstance(c, Choice) != (axis.kind == "categorical"):
            wanted = "a choice, NAME = VALUE" if axis.kind == "categorical" else "an interval, NAME in [A, B]"
            raise RegionError(f"region {box.words()!r}: {c.name!r} takes {wanted}")
        if isinstance(c, Choice):
            gone = [value for value in c.values if not axis.contains(value)]
            if gone:
                known = ", ".join(map(str, axis.choices))
                raise RegionError(f"region {box.words()!r}: {c.name!r} is one of {known}, never {gone[0]}")
        elif c.high < axis.low or axis.high < c.low:
            raise RegionError(
                f"region {box.words()!r}: {c.name!r} lies in [{axis.low:g}, {axis.high:g}], outside of it"
            )


# --- words

_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[{}\[\],=]|#.*|[^\s{}\[\],="#]+)')
_BARE = re.compile(r'[^\s{}\[\],="#]+')


def parse(line: str) -> Box | None:
    """Read one line of an ``avoid.txt``; None where it holds a comment or nothing.

    Raises RegionError, quoting the line, where it says no region.
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
            f"{line.strip()!r} is no region; write it as: cell = gru and learning_rate in [0.02, 0.1]"
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
            # A quote that nothing closes.
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
        raise ValueError(f"{value!r} is no number")
    return value  # type: ignore[no-any-return]


def _word(value: Any) -> str:
    """Write a choice without quotes where that reads back as the same."""
    if isinstance(value, str) and _BARE.fullmatch(value) and value not in ("and", "in"):
        try:
            json.loads(value)
        except json.JSONDecodeError:
            return value
    return literal(value)


def _name(name: str) -> str:
    bare = _BARE.fullmatch(name) and name not in ("and", "in")
    return name if bare else literal(name)
