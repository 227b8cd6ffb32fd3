"""Labelled windows, where they come from, and parts of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from atml.arrays import Float32, Int64, Strings


@dataclass(frozen=True)
class OtherLead:
    """The windows of a data set in another lead of their recordings, which training takes as further rows.

    ``x (m, 1, samples)`` float32, possibly a memory map; ``at (n,)`` is the row of it that belongs to each
    window of the data set, -1 where there is none.
    """

    x: Float32
    at: Int64


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Labelled windows of one split.

    Shapes: ``x (n, leads, samples)`` float32 (possibly a read-only memory map), ``y (n,)`` int64,
    ``subject (n,)`` and ``rhythm (n,)`` strings; ``sampling_rate`` is in Hz. ``fingerprint`` is a sha256 over
    all five. Each line of ``notes`` states what was left out, and why. ``bare`` is true where the data have
    no train and test split. ``record (n,)`` names the recording that each window is cut from; None where
    that is not known for all of them.

    Of a task about pictures ``x (n, colours, rows, columns)`` is uint8 and ``sampling_rate`` is 0. Where any
    number of ``labels`` may be true at once, ``y`` holds them as bits (`atml.metrics.label_sets`); else
    ``labels`` is 0.

    Example:
        >>> import numpy as np
        >>> data = Dataset(
        ...     x=np.zeros((2, 1, 500), np.float32), y=np.array([0, 1]), subject=np.array(["S1", "S2"]),
        ...     rhythm=np.array(["N", "AFIB"]), sampling_rate=100, fingerprint="", name="two",
        ... )
        >>> len(data), data.take(np.array([1])).subject.tolist()
        (2, ['S2'])
    """

    x: Float32
    y: Int64
    subject: Strings
    rhythm: Strings
    sampling_rate: int
    fingerprint: str
    name: str
    synthetic: bool = False
    notes: tuple[str, ...] = ()
    bare: bool = False
    record: Strings | None = None
    labels: int = 0
    other: OtherLead | None = None
    """The same windows in another lead, for training alone; None where there is none or none is wanted."""

    def __len__(self) -> int:
        """Count the windows."""
        return len(self.y)

    def take(self, rows: Int64) -> Dataset:
        """Return the windows of these row numbers, in this order; all else, the fingerprint too, stays."""
        return replace(
            self,
            x=self.x[rows],
            y=self.y[rows],
            subject=self.subject[rows],
            rhythm=self.rhythm[rows],
            record=None if self.record is None else self.record[rows],
            other=None if self.other is None else replace(self.other, at=self.other.at[rows]),
        )

    def training(self, rows: Int64 | None = None) -> tuple[Float32 | Rows, Int64, Strings]:
        """Return x, y and subjects of what a network that is trained on some windows sees, or on all.

        These are the windows, and after them those that have another lead, in that lead: to a network that
        is to know how a beat differs from its neighbours a lead more is nearly a person more.

        Example:
            >>> import numpy as np
            >>> x = np.arange(6, dtype=np.float32).reshape(3, 1, 2)
            >>> data = Dataset(
            ...     x=x, y=np.array([0, 1, 1]), subject=np.array(["a", "a", "b"]), rhythm=np.array(["N"] * 3),
            ...     sampling_rate=100, fingerprint="", name="three",
            ...     other=OtherLead(-x, np.array([0, -1, 2])),
            ... )
            >>> seen, y, subject = data.training(np.array([1, 2]))
            >>> seen[0:3][:, 0].tolist(), y.tolist(), subject.tolist()
            ([[2.0, 3.0], [4.0, 5.0], [-4.0, -5.0]], [1, 1, 1], ['a', 'b', 'b'])
        """
        if rows is None:
            if self.other is None:
                return self.x, self.y, self.subject
            rows = np.arange(len(self))
        if self.other is None:
            return Rows(self.x, rows), self.y[rows], self.subject[rows]
        at = self.other.at[rows]
        again = np.concatenate([rows, rows[at >= 0]])
        more = Rows(self.other.x, at[at >= 0])
        return BothRows(self.x, rows, more), self.y[again], self.subject[again]


@dataclass(frozen=True, kw_only=True)
class DataSource:
    """Where data come from and how to read them: stored with a study, and passed to its workers.

    No ``paths`` mean synthetic ECG. ``sampling_rate`` (Hz) is of files that don't state theirs; ``leads``
    names or numbers the leads wanted, one entry for each lead of the task, its alternatives between commas.
    ``held_out`` subjects are kept out of the search. ``labels`` is the table of the recordings in a folder.
    ``subjects`` is the table or the pattern that says whose each recording is, "" where the data do.
    """

    paths: tuple[Path, ...] = ()
    sampling_rate: int | None = None
    leads: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()
    labels: Path | None = None
    subjects: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON types, paths absolute."""
        return {
            "data": [str(path.resolve()) for path in self.paths] or None,
            "sampling_rate": self.sampling_rate,
            "leads": list(self.leads),
            "held_out": list(self.held_out),
            **({"labels": str(self.labels.resolve())} if self.labels else {}),
            **({"subjects_by": self.subjects} if self.subjects else {}),
        }

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> DataSource:
        """Rebuild from `to_dict`, or from what studies of version 0.1 kept: one path and a rate."""
        data = fields["data"] or []
        return cls(
            paths=tuple(Path(path) for path in ([data] if isinstance(data, str) else data)),
            sampling_rate=fields["sampling_rate"],
            leads=tuple(fields.get("leads", ())),
            held_out=tuple(fields.get("held_out", ())),
            labels=Path(fields["labels"]) if fields.get("labels") else None,
            subjects=str(fields.get("subjects_by", "")),
        )


@dataclass(frozen=True)
class Rows:
    """Rows of ``x (n, leads, samples)``, gathered slice by slice: no whole copy is made of a memory map."""

    x: Float32
    rows: Int64

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.rows)

    def __getitem__(self, part: slice) -> Float32:
        """Gather some of them."""
        return self.x[self.rows[part]]


@dataclass(frozen=True)
class BothRows(Rows):
    """Rows of ``x``, and after them those of another array."""

    more: Rows

    def __len__(self) -> int:
        """Count the rows of both."""
        return len(self.rows) + len(self.more)

    def __getitem__(self, part: slice) -> Float32:
        """Gather some of them, in their order."""
        own = len(self.rows)
        start, stop, _ = part.indices(len(self))
        parts = [self.x[self.rows[start:stop]]]
        if stop > own:
            parts.append(self.more[max(0, start - own) : stop - own])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


@dataclass(frozen=True)
class Fold:
    """Row numbers of one fold: trained on ``train``, predicted on ``held_out``; no shared subject."""

    train: Int64
    held_out: Int64
