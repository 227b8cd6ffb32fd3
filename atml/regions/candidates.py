"""Which boxes are tested: a family declared before the first trial, and boxes mined later."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from atml.errors import RegionError
from atml.regions.box import Box, Choice, Interval, parse
from atml.regions.space import Axis, Bools, Columns, Space, check, structural
from atml.regions.values import literal

Floats = npt.NDArray[np.floating[Any]]

LIMIT = 6
"""Most boxes in the declared family; each further one makes all others need more evidence."""

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


def declare(space: Space, named: Sequence[str] = ()) -> tuple[Box, ...]:
    """Return the family of a space: a few boxes on its structure, the same for the same space.

    ``named`` is ``REGIONS`` of the file: parameters, of which every part is tested, and regions in words, as
    ``"family = cnn and norm = none"``. The parts of a categorical parameter are its choices, or groups of
    choices with which the same further parameters exist; those of a numeric one are the lowest and highest
    quarter of Q (with few values, the fewest that hold a quarter).

    Where nothing is named, these are the first parameter that decides whether others exist (else the first
    categorical one) and the log-uniform one that most configs have.

    Raises:
        RegionError: ``named`` has what is not of this space, or makes more than `LIMIT` boxes.
    """
    boxes: dict[str, Box] = {}
    for entry in named or _usual(space):
        for box in _named(space, entry):
            boxes.setdefault(box.key, box)
    if named and len(boxes) > LIMIT:
        raise RegionError(
            f"REGIONS makes {len(boxes)} boxes, and {LIMIT} at most are tested: name fewer parameters, or"
            ' single boxes as "family = cnn and norm = none"'
        )
    return tuple(boxes.values())[:LIMIT]


def _usual(space: Space) -> list[str]:
    """Return the parameters that are tested where a file names none."""
    axes, shapes = list(space.axes.values()), structural(space)
    choices = [axis for axis in axes if axis.kind == "categorical" and axis.choices[1:]]
    first = next((axis for axis in choices if axis.name in shapes), None) or next(iter(choices), None)
    log = [axis for axis in axes if axis.log and axis.low < axis.high]
    # Rounded, so that chance in the sample does not decide.
    rate = max(log, key=lambda axis: round(space.presence(axis), 1), default=None)
    return [axis.name for axis in (first, rate) if axis is not None]


def _named(space: Space, entry: object) -> list[Box]:
    """Return the boxes of one entry of ``REGIONS``."""
    if isinstance(entry, str) and entry in space.axes:
        found = _parts(space, space.axes[entry])
        return [box for box in found if LEAST_SHARE <= space.share(box) < 1]
    try:
        box = parse(entry) if isinstance(entry, str) else None
        if box is None:
            raise RegionError("name a parameter, or a region in words")
        check(box, space)
    except RegionError as error:
        raise RegionError(f"REGIONS has {entry!r}: {error}") from error
    share = space.share(box)
    if not LEAST_SHARE <= share < 1:
        raise RegionError(
            f"REGIONS has {entry!r}, which is {100 * share:.0f}% of the search space: a box has at least"
            f" {100 * LEAST_SHARE:.0f}% and is not all of it"
        )
    return [box]


def _parts(space: Space, axis: Axis) -> list[Box]:
    """Return the groups of choices of a categorical parameter, or the outer quarters of a numeric one."""
    if axis.kind != "categorical":
        return _outer(axis)
    names = {choice: {n for p in draws for n in p} for choice, draws in _by_choice(space, axis).items()}
    groups: dict[frozenset[str], list[Any]] = {}
    for choice in axis.choices:
        groups.setdefault(frozenset(names.get(literal(choice), ())), []).append(choice)
    if len(groups) < 2:
        return _outer(axis)
    return [Box((Choice(axis.name, tuple(group)),)) for group in groups.values()]


def _by_choice(space: Space, axis: Axis) -> dict[str, list[dict[str, Any]]]:
    """Sort the sample of a space by its choice of a parameter."""
    found: dict[str, list[dict[str, Any]]] = {}
    for params in space.sample:
        if axis.name in params:
            found.setdefault(literal(params[axis.name]), []).append(params)
    return found


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
