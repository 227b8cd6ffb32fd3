"""From parsed numbers to rows of a dataset: resampled, cut into windows, checked."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from atml.arrays import Float32, Inputs
from atml.data.rates import Rate, resampled, shown
from atml.ecg.resampling import windows

DROPPED = ("not finite", "flat", "blank")
"""Kinds of fault that leave a row out; every other kind stops `atml.data.open`."""


@dataclass(frozen=True)
class Shape:
    """What a row must be: ``leads`` x ``window`` samples at ``sampling_rate`` Hz; files are at ``given`` Hz.

    ``given`` None says that nothing told the rate of the files: it is taken for the task's, and then
    every segment must be exactly one window long, or be of the one length, in samples, and rate, in Hz, in
    which such files are ``published``.
    """

    sampling_rate: int
    window: int
    leads: int
    given: Rate | None = None
    published: tuple[int, int] | None = None


@dataclass
class Rows:
    """Rows of one chunk of files.

    ``x (rows, leads, window)``, or of pictures ``(rows, 3, height, width)``; ``digest (rows, 16)`` bytes of
    each row, ``owner (rows,)`` the number of the file it came from; ``length``, ``low`` and ``high``
    ``(files,)`` samples as stored (of pictures `atml.data.pictures.code` of their size) and the range of
    values, -1 and NaN where a file could not be read. ``faults`` are ``(file number, kind, detail)``.
    """

    x: Inputs
    digest: npt.NDArray[np.uint8]
    owner: npt.NDArray[np.int64]
    length: npt.NDArray[np.int64]
    low: Float32
    high: Float32
    faults: list[tuple[int, str, str]] = field(default_factory=list)


def make(segments: Iterable[npt.NDArray[np.floating] | tuple[str, str]], shape: Shape) -> Rows:
    """Turn segments ``(leads, samples)``, or the ``(kind, detail)`` of one that can't be read, into rows."""
    kept: list[npt.NDArray[np.floating]] = []
    owner: list[int] = []
    length: list[int] = []
    faults: list[tuple[int, str, str]] = []
    for number, segment in enumerate(segments):
        if isinstance(segment, tuple):
            length.append(-1)
            faults.append((number, *segment))
            continue
        length.append(segment.shape[1])
        cut, problem = fit(segment, shape)
        if problem:
            faults.append((number, "length", problem))
        kept.extend(cut)
        owner.extend([number] * len(cut))
    x = np.empty((len(kept), shape.leads, shape.window), np.float32)
    with np.errstate(over="ignore"):  # too large for float32 becomes infinite, and is found just below
        for row, segment in enumerate(kept):
            x[row] = segment
    return check(x, np.asarray(owner, np.int64), np.asarray(length, np.int64), faults)


def fit(
    segment: npt.NDArray[np.floating], shape: Shape
) -> tuple[npt.NDArray[np.floating] | list[npt.NDArray[np.floating]], str]:
    """Bring one segment to the task's rate and window: its windows, or none and why."""
    samples = segment.shape[1]
    if segment.shape[0] != shape.leads:
        return [], f"{segment.shape[0]} leads where the task has {shape.leads}"
    given = shape.given
    if given is None:
        if samples == shape.window:
            return segment[None], ""
        if shape.published is None or samples != shape.published[0]:
            return [], (
                f"{samples} samples where the task's window has {shape.window}: give the files' rate with"
                " --sampling-rate, and longer ones are cut"
            )
        given = shape.published[1]
    if given != shape.sampling_rate:
        finite = np.isfinite(segment).all()  # a filter would spread one NaN over its neighbours
        filled = segment if finite else np.full_like(segment, np.nan)
        segment = resampled(filled, given, shape.sampling_rate)
    cut = windows(segment, shape.window)
    if len(cut):
        return cut, ""
    # Rounded down: a window that is a sample longer than this would be refused again.
    other = f"give --window {math.floor(1000 * samples / given) / 1000:g} or less if the task takes it"
    if shape.given is None:
        return [], (
            f"{samples} samples are taken for {float(samples / given):g} s at {shown(given)} Hz, less than "
            f"the task's window of {shape.window / shape.sampling_rate:g} s: {other}, or --sampling-rate"
        )
    return [], (
        f"{samples} samples at {shown(given)} Hz are {segment.shape[1]} at {shape.sampling_rate} Hz, "
        f"fewer than the task's window of {shape.window}: {other}"
    )


def check(
    x: Float32,
    owner: npt.NDArray[np.int64],
    length: npt.NDArray[np.int64],
    faults: list[tuple[int, str, str]],
) -> Rows:
    """Leave out rows that are not finite or flat in every lead, and take each row's digest."""
    files = len(length)
    low, high = np.full(files, np.nan, np.float32), np.full(files, np.nan, np.float32)
    with np.errstate(invalid="ignore"):
        bottom, top = x.min(axis=2), x.max(axis=2)
    finite = np.isfinite(bottom).all(axis=1) & np.isfinite(top).all(axis=1)
    flat = finite & (bottom == top).all(axis=1)
    for row in np.flatnonzero(~finite):
        bad = np.argwhere(~np.isfinite(x[row]))[0, 1]
        faults.append((int(owner[row]), "not finite", f"sample {bad} of {x.shape[2]} is NaN or infinite"))
    for row in np.flatnonzero(flat):
        faults.append((int(owner[row]), "flat", f"every sample is {x[row, 0, 0]:g}"))
    np.fmin.at(low, owner, bottom.min(axis=1))
    np.fmax.at(high, owner, top.max(axis=1))
    good = finite & ~flat
    if not good.all():
        x, owner = x[good], owner[good]
    digest = np.empty((len(x), 16), np.uint8)
    for at in range(len(x)):
        digest[at] = np.frombuffer(hashlib.sha256(x[at]).digest()[:16], np.uint8)
    faults.sort(key=lambda fault: fault[0])
    return Rows(x, digest, owner, length, low, high, faults)


def join(parts: Sequence[Rows], order: Sequence[int]) -> Rows:
    """Make one of several chunks, with their files in a new order."""
    starts = np.cumsum([0, *(len(part.length) for part in parts)])
    files = np.asarray(order, np.int64)
    place = np.empty(len(files), np.int64)
    place[files] = np.arange(len(files))
    owner = place[np.concatenate([start + part.owner for start, part in zip(starts, parts, strict=False)])]
    rows = np.argsort(owner, kind="stable")
    faults = [
        (int(place[start + at]), kind, detail)
        for start, part in zip(starts, parts, strict=False)
        for at, kind, detail in part.faults
    ]
    return Rows(
        x=np.concatenate([part.x for part in parts])[rows],
        digest=np.concatenate([part.digest for part in parts])[rows],
        owner=owner[rows],
        length=np.concatenate([part.length for part in parts])[files],
        low=np.concatenate([part.low for part in parts])[files],
        high=np.concatenate([part.high for part in parts])[files],
        faults=sorted(faults, key=lambda fault: fault[0]),
    )


def in_one_file(parts: Sequence[Rows]) -> Rows:
    """Make one of the rows of one file that were checked part by part, without their x."""
    first = parts[0]
    if len(parts) == 1:
        return first
    return Rows(
        x=first.x[:0],
        owner=np.concatenate([part.owner for part in parts]),
        digest=np.concatenate([part.digest for part in parts]),
        length=first.length,
        low=np.fmin.reduce([part.low for part in parts]),
        high=np.fmax.reduce([part.high for part in parts]),
        faults=[fault for part in parts for fault in part.faults],
    )


def one_after_another(parts: Sequence[Rows], x: Inputs) -> Rows:
    """Make one of several parts, with their files one after another and ``x`` for theirs."""
    starts = np.cumsum([0, *(len(part.length) for part in parts)]).tolist()
    both = list(zip(starts, parts, strict=False))
    return Rows(
        x=x,
        owner=np.concatenate([np.empty(0, np.int64), *(start + part.owner for start, part in both)]),
        digest=np.concatenate([np.empty((0, 16), np.uint8), *(part.digest for part in parts)]),
        length=np.concatenate([np.empty(0, np.int64), *(part.length for part in parts)]),
        low=np.concatenate([np.empty(0, np.float32), *(part.low for part in parts)]),
        high=np.concatenate([np.empty(0, np.float32), *(part.high for part in parts)]),
        faults=[(start + at, kind, detail) for start, part in both for at, kind, detail in part.faults],
    )
