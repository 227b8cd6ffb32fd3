"""Many contest files to rows, on every core.

Helpers are plain child processes that are sent chunks of names and send rows back: no fork of a process that
may hold threads, and no second run of the caller's main module, so it is safe under any caller and system. A
helper that dies costs nothing but time: its chunk is read here.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import pickle
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

import atml
from atml.data.file_tree import Listed, Read, Source
from atml.data.formats.contest_columns import Columns, parse
from atml.data.formats.number_text import BadText
from atml.data.reading import Part, Reading
from atml.data.rows import Rows, Shape, join, make

CHUNK = 250
"""Files a message: small enough to share evenly, large enough not to count."""

ALONE = 3000
"""Fewer files than this are read faster than helpers start."""


def read(
    source: Source,
    names: Sequence[str],
    shape: Shape,
    processes: int | None = None,
    *,
    columns: Columns | None = None,
    reading: Reading | None = None,
) -> list[tuple[list[str], Rows]]:
    """Read and parse files of these ``columns``, None for plain numbers; ``reading`` takes the x of the rows.

    Returns chunks of names with what is known of their rows.

    Chunks are in the order of ``names``, which must be sorted. A tar can be read from front to back only,
    and so by this process alone; its x stays in memory, in what is returned.
    """
    reading = reading or Reading(source.path)
    reading.expect(len(names), "files")
    if source.kind == "tar":
        chunks = _sorted(list(_front_to_back(source, names, shape, columns, reading)))
        for _, rows in chunks:
            reading.add(rows.x)
        return chunks
    work = _Work([list(names[at : at + CHUNK]) for at in range(0, len(names), CHUNK)], reading)
    helpers = _start((processes or cores()) - 1) if work.files() >= ALONE else []
    threads = [
        threading.Thread(target=_drive, args=(helper, (source, shape, columns), work), daemon=True)
        for helper in helpers
    ]
    try:
        for thread in threads:
            thread.start()
        with source.opened() as opened:
            while True:
                with contextlib.suppress(IndexError):  # helpers have the rest
                    while True:
                        number = work.pending.popleft()
                        work.results[number] = _rows(opened, work.chunks[number], shape, columns)
                        work.hand_on()
                for thread in threads:
                    thread.join()
                if not work.pending:  # else a helper died over one
                    break
            work.hand_on()
    finally:
        for helper in helpers:
            helper.kill()
            helper.wait()
        for thread, helper in zip(threads, helpers, strict=True):
            thread.join()
            for pipe in (helper.stdin, helper.stdout):
                with contextlib.suppress(OSError):  # what was still to be written to it is lost with it
                    pipe.close() if pipe else None
    return list(zip(work.chunks, work.known, strict=True))


class _Work:
    """Chunks of names to read, shared between threads, and what came of them, handed on in their order.

    What an interrupted reading has read is not read again.
    """

    def __init__(self, chunks: list[list[str]], reading: Reading) -> None:
        self.chunks, self.reading = chunks, reading
        self.results: dict[int, Rows] = {}
        self.known: list[Rows] = []
        self.past = [reading.finished(self.key(number)) for number in range(len(chunks))]
        self.pending = deque(number for number, part in enumerate(self.past) if part is None)

    def key(self, number: int) -> str:
        """Name a chunk within the reading."""
        names = self.chunks[number]
        return f"{len(names)} files from {names[0]} to {names[-1]}"

    def files(self) -> int:
        """Count the files that are to be read."""
        return sum(len(self.chunks[number]) for number in self.pending)

    def hand_on(self) -> None:
        """Give the reading what is next in order, as far as it is there."""
        while (number := len(self.known)) < len(self.chunks):
            part = self.past[number]
            if part is None:
                rows = self.results.pop(number, None)
                if rows is None:
                    return
                self.reading.add(rows.x)
                part = self.reading.close(Part(self.key(number), rows))
            self.known.append(part.rows)
            self.reading.passed(len(self.chunks[number]))


def cores() -> int:
    """Count the cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _rows(reading: Read, names: Sequence[str], shape: Shape, columns: Columns | None) -> Rows:
    return make((_parsed(raw, columns) for _, raw in reading(names)), shape)


def _parsed(raw: bytes | str, columns: Columns | None) -> npt.NDArray[np.float64] | tuple[str, str]:
    if isinstance(raw, str):
        return "unreadable", raw
    try:
        values = parse(raw, columns)
    except BadText as error:
        return "text", str(error)
    return values[None] if len(values) else ("text", "holds no number")


def _front_to_back(
    source: Source, names: Sequence[str], shape: Shape, columns: Columns | None, reading: Reading
) -> Iterator[tuple[list[str], Rows]]:
    """Read a tar a chunk at a time, so that texts don't pile up in memory."""
    with source.opened() as opened:
        files = opened(names)
        while some := list(itertools.islice(files, CHUNK)):
            yield [name for name, _ in some], make((_parsed(raw, columns) for _, raw in some), shape)
            reading.passed(len(some))


def _sorted(chunks: list[tuple[list[str], Rows]]) -> list[tuple[list[str], Rows]]:
    """Bring what came in an archive's order into that of names: the same data are then the same rows."""
    names = [name for part, _ in chunks for name in part]
    order = sorted(range(len(names)), key=names.__getitem__)
    if order == list(range(len(names))):
        return chunks
    return [([names[at] for at in order], join([rows for _, rows in chunks], order))]


def _start(count: int) -> list[subprocess.Popen[bytes]]:
    here = str(Path(atml.__file__).parents[1])
    path = os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))
    helpers: list[subprocess.Popen[bytes]] = []
    with contextlib.suppress(OSError):  # no room for one more process: those that there are will do
        for _ in range(count):
            helpers.append(
                subprocess.Popen(
                    [sys.executable, "-c", "from atml.data.formats.contest_reader import serve; serve()"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env={**os.environ, "PYTHONPATH": path},
                )
            )
    return helpers


def _drive(
    helper: subprocess.Popen[bytes],
    about: tuple[Source, Shape, Columns | None],
    work: _Work,
) -> None:
    """Feed one helper until nothing is left or it dies."""
    requests, replies = helper.stdin, helper.stdout
    assert requests is not None and replies is not None
    source, shape, columns = about
    message: object = (dataclasses.replace(source, listed=Listed(())), shape, columns)
    while True:
        try:
            number = work.pending.popleft()
        except IndexError:
            return
        whole = False
        try:
            if message is not None:
                pickle.dump(message, requests)
                message = None
            pickle.dump(work.chunks[number], requests)
            requests.flush()
            work.results[number] = pickle.load(replies)
            whole = True
        except (OSError, EOFError, pickle.UnpicklingError):
            return
        finally:
            if not whole:
                work.pending.appendleft(number)


def serve() -> None:
    """Be a helper: what to read and chunks of names come in on stdin, rows go out on stdout."""
    requests, replies = sys.stdin.buffer, sys.stdout.buffer
    source, shape, columns = pickle.load(requests)
    with source.opened() as reading:
        while True:
            try:
                names = pickle.load(requests)
            except EOFError:
                return
            pickle.dump(_rows(reading, names, shape, columns), replies, protocol=5)
            replies.flush()
