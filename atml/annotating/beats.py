"""What is kept of each beat: where it is, what it is called, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from atml.annotating.contact import Codes
from atml.arrays import Bools, Float32, Int64
from atml.data.formats.annotations import BEATS, Marks
from atml.data.rates import Rate
from atml.errors import InputError

UNDECIDED = "Q"
"""Symbol of a beat that was found and could not be named: "unclassifiable" in WFDB, class Q in EC57."""

VENTRICULAR, SUPRAVENTRICULAR = frozenset("VEr"), frozenset("AaJSejn")
"""Symbols of ventricular and of supraventricular ectopic beats, as ANSI/AAMI EC57 groups them."""

UNREADABLE = -1
"""Subtype of a ``~`` from which on nothing can be read; 0 where it is clean again."""


@dataclass(frozen=True)
class Beats:
    """Beats ``(n,)`` in the order of time.

    Attributes:
        sample: Where each is, at the recording's own rate.
        label: Number of its class, -1 where it could not be decided.
        logits: What the network gave for each class, ``(n, classes)``; NaN where it was not asked.
        why: Of those that could not be decided, what was the matter: `atml.annotating.contact.Contact`.
    """

    sample: Int64
    label: Int64
    logits: Float32
    why: Codes

    def __len__(self) -> int:
        return len(self.sample)

    @classmethod
    def none(cls, classes: int) -> Beats:
        """Return no beat."""
        whole = np.empty(0, np.int64)
        return cls(whole, whole, np.empty((0, classes), np.float32), np.empty(0, np.int8))

    @classmethod
    def joined(cls, parts: Sequence[Beats]) -> Beats:
        """Return the beats of one part after the other; at least one part."""
        names = [field.name for field in fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


@dataclass(frozen=True)
class Annotated:
    """A whole recording beat by beat, with what was the matter with each of its seconds.

    Attributes:
        beats: Its beats.
        classes: Symbols of the classes.
        rate: Sampling rate in Hz.
        samples: Length in samples.
        seconds: `atml.annotating.contact.Contact` of each stretch of ``second`` samples, from the first on.
        second: Samples of a stretch, about a second; the last may be shorter.
    """

    beats: Beats
    classes: tuple[str, ...]
    rate: Rate
    samples: int
    seconds: Codes
    second: int

    @property
    def symbols(self) -> list[str]:
        """The symbol of each beat."""
        names = [*self.classes, UNDECIDED]  # -1 is the last
        return [names[label] for label in self.beats.label.tolist()]

    def of_class(self, symbols: frozenset[str]) -> Bools:
        """Tell which beats are of classes with these symbols, ``(n,)``."""
        wanted = [number for number, name in enumerate(self.classes) if name in symbols]
        return np.isin(self.beats.label, wanted)

    @property
    def linked(self) -> Bools:
        """Tell which beats follow the one before without a second between that could not be analysed.

        The seconds in which both beats lie count too. The first beat follows none.
        """
        bad = np.concatenate([[0], np.cumsum(self.seconds != 0)])
        place = np.minimum(self.beats.sample // self.second, len(self.seconds) - 1)
        found = np.zeros(len(place), np.bool_)
        found[1:] = bad[place[1:] + 1] == bad[place[:-1]]
        return found

    def marks(self) -> Marks:
        """Return the beats as annotations, and ``~`` where seconds begin and cease to be readable.

        Example:
            >>> at, label, none = np.array([100, 500]), np.array([0, -1]), np.zeros(2, np.int8)
            >>> one = Beats(at, label, np.zeros((2, 1), np.float32), none)
            >>> Annotated(one, ("N",), 250, 750, np.array([0, 2, 0], np.int8), 250).marks().symbol
            ['N', '~', '~', 'Q']
        """
        off = np.concatenate([[False], self.seconds != 0])
        edges = np.flatnonzero(off[1:] != off[:-1])
        symbol = np.array([*("~" for _ in edges), *self.symbols], object)
        sample = np.concatenate([edges * self.second, self.beats.sample])
        subtype = np.zeros(len(sample), np.int64)
        subtype[: len(edges)] = np.where(off[1:][edges], UNREADABLE, 0)
        order = np.argsort(sample, kind="stable")
        return Marks(sample[order], symbol[order].tolist(), subtype[order], [""] * len(order))


def check_classes(classes: Sequence[str], model: object) -> None:
    """Raise InputError where the classes of a model can't be symbols of annotations.

    Example:
        >>> check_classes(("N", "S", "V"), "EXPORT")
    """
    if odd := [name for name in classes if name not in BEATS]:
        raise InputError(
            f"{model} calls a class {odd[0]!r}, which is no symbol of a beat in WFDB annotations;"
            f" its classes have to be among {' '.join(sorted(BEATS))}"
        )
