"""Which boxes are tested: a family declared before the first trial, and boxes mined later."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from atml.regions.box import Box, Choice, Interval
from atml.regions.space import Axis, Bools, Columns, Space, structural

Floats = npt.NDArray[np.floating[Any]]

LIMIT = 30
"""Most boxes in the declared family; each further one makes all others need more evidence."""

PAIRS = 4
"""Most of those that are on two parameters."""

LEAST_SHARE = 0.05
"""Share of Q below which a box holds too few reference draws to be judged."""

LARGEST_SHARE = 0.6
"""Share of Q above which a mined box is not a part of the space but most of it."""

CUTS = 8
"""A mined interval ends at one of the quantiles that part Q into this many."""

SURPRISE = 2.0
"""A mined box is nominated where, at the success rate of all trials, failures alone have chance exp(-2)."""

ALIKE = 0.8
"""Two boxes are taken as one where their intersection is this share of their union."""


def declare(space: Space) -> tuple[Box, ...]:
    """Return the family of a space: at most `LIMIT` boxes, the same for the same space.

    It has each branch of a categorical parameter, and the lowest and highest quarter of each numeric one (of
    a parameter with few values, the fewest that hold a quarter of Q). Where that makes more than `LIMIT`,
    parameters that decide whether others exist come first, then log-uniform ones, then categorical ones, each
    in the order of asking. Up to `PAIRS` boxes join two boxes of the first two kinds, preferably a branch and
    an interval.
    """
    shapes = structural(space)

    def rank(axis: Axis) -> int:
        return 0 if axis.name in shapes else 1 if axis.log else 2 if axis.kind == "categorical" else 3

    axes = sorted(space.axes.values(), key=rank)
    singles = [(axis, box) for axis in axes for box in _outer(axis)]
    singles = [(axis, box) for axis, box in singles if LEAST_SHARE <= space.share(box) < 1]
    chosen = _pairs(space, [box for axis, box in singles if rank(axis) < 2])[:PAIRS]
    return (*(box for _, box in singles[: LIMIT - len(chosen)]), *chosen)


def _pairs(space: Space, boxes: Sequence[Box]) -> list[Box]:
    """Join boxes on different parameters, one pair for any two parameters."""
    pairs = [a & b for a, b in itertools.combinations(boxes, 2) if a.names != b.names]
    pairs = [pair for pair in pairs if space.share(pair) >= LEAST_SHARE and _is_new(space, pair, boxes)]

    def rank(pair: Box) -> tuple[int, float]:
        # The largest hold most draws. Rounded, so that chance in the sample does not decide.
        return len({type(c) for c in pair.conditions}), round(space.share(pair), 1)

    first: dict[tuple[str, ...], Box] = {}
    for pair in sorted(pairs, key=rank, reverse=True):
        first.setdefault(pair.names, pair)
    return list(first.values())


def mine(
    space: Space,
    configs: Sequence[dict[str, Any]],
    qualified: Sequence[bool],
    known: Sequence[Box],
    count: int,
) -> tuple[Box, ...]:
    """Nominate up to ``count`` boxes in which no config qualified and many failed.

    It tries every pair of one-sided cuts and branches: an exhaustive tree of depth two. ``configs`` may be
    chosen in any way, since a nominated box is tested on later draws. Left out are boxes much like a
    ``known`` one, and those inside a ``known`` box in which nothing qualified. Nothing is nominated before
    the first config qualifies: until then no part of the space stands out.
    """
    wins = np.asarray(qualified, dtype=bool)
    atoms = [box for axis in space.axes.values() for box in _cuts(axis)]
    if not atoms or not wins.any() or wins.all():
        return ()
    tried = Columns(configs)
    holds = np.stack([tried.inside(atom) for atom in atoms]).astype(np.float32)
    of_q = np.stack([space.inside(atom) for atom in atoms]).astype(np.float32)
    share = of_q @ of_q.T / len(space.sample)
    won = holds[:, wins] @ holds[:, wins].T
    allowed = np.triu((won == 0) & (share >= LEAST_SHARE) & (share <= LARGEST_SHARE))
    for box in known:
        if not (tried.inside(box) & wins).any():
            allowed &= ~_mostly(space, box, of_q, share)
    least = SURPRISE / -math.log(1 - float(wins.mean()))
    left = ~wins
    found: list[Box] = []
    while len(found) < count:
        failed = holds[:, left] @ holds[:, left].T
        # Of boxes with equally many failures, the larger one claims more.
        score = np.where(allowed & (failed >= least), failed + share, 0)
        best = _best(space, atoms, score, (*known, *found))
        if best is None:
            break
        found.append(best)
        allowed &= ~_mostly(space, best, of_q, share)
        left &= ~tried.inside(best)
    return tuple(found)


def _best(space: Space, atoms: Sequence[Box], score: Floats, known: Sequence[Box]) -> Box | None:
    """Join the two atoms with the highest score whose box is new."""
    flat = score.ravel()
    for index in np.argsort(-flat, kind="stable"):
        if flat[index] <= 0:
            return None
        box = _joined(*(atoms[i] for i in divmod(int(index), len(atoms))))
        if box is not None and _is_new(space, box, known):
            return box
    return None


def _outer(axis: Axis) -> list[Box]:
    """Return the branches of a categorical parameter, or the outer quartiles of a numeric one."""
    if axis.kind == "categorical":
        return [Box((Choice(axis.name, (value,)),)) for value in axis.choices] if axis.choices[1:] else []
    return _interval(axis, 0.25) if axis.low < axis.high else []


def _cuts(axis: Axis) -> list[Box]:
    """Return every branch, or every interval from an end of the range to a cut."""
    if axis.kind == "categorical" or axis.low == axis.high:
        return _outer(axis)
    boxes = [box for cut in range(1, CUTS) for box in _interval(axis, cut / CUTS)]
    return list({box.key: box for box in boxes}.values())


def _interval(axis: Axis, share: float) -> list[Box]:
    """Return the lowest and highest ``share`` of a numeric parameter, unless that is all of it."""
    low, high = axis.quantile(share), axis.quantile(share, upper=True)
    ends = [(axis.low, low), (high, axis.high)]
    return [Box((Interval(axis.name, *end),)) for end in ends if end != (axis.low, axis.high)]


def _joined(one: Box, other: Box) -> Box | None:
    """Join two atoms; None for two different choices of one parameter."""
    if one.key == other.key:
        return one
    if one.names != other.names:
        return one & other
    a, b = one.conditions[0], other.conditions[0]
    if isinstance(a, Choice) or isinstance(b, Choice):
        return None
    return Box((Interval(a.name, max(a.low, b.low), min(a.high, b.high)),))


def _is_new(space: Space, box: Box, known: Sequence[Box]) -> bool:
    """Whether no known box is much like it (see `ALIKE`)."""
    inside = space.inside(box)
    for other in known:
        theirs = space.inside(other)
        if (inside & theirs).sum() >= ALIKE * (inside | theirs).sum():
            return False
    return True


def _mostly(space: Space, box: Box, of_q: Floats, share: Floats) -> Bools:
    """Return which pairs of atoms, ``(atoms, atoms)``, make a box that lies mostly in ``box``."""
    part = of_q[:, space.inside(box)]
    return np.asarray(part @ part.T / len(space.sample) >= 0.9 * share)
