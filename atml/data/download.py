"""Download a public database of ECG from PhysioNet, file by file, each held against its published checksum.

What moves the bytes is the ``wfdb`` package: its address of the server, its session, its random-access file.
Its verbs (``dl_database``, ``dl_files``) are not used: they know no checksum, write half a file under its
final name and wait for ever on a server that fell silent. Here a file is written aside, in ``.part`` within
the folder, and all are moved to their places at the end, headers and the list of records last: a folder that
can be opened is a whole one. What arrived before an interruption is gone on with.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import posixpath
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from atml.data.remote_files import PART, PAUSES, SUMS, Say, Server, connected, is_whole, not_as_published
from atml.errors import DataError

DATABASES = {"vfdb": "1.0.0", "cudb": "1.0.0", "mitdb": "1.0.0", "afdb": "1.0.0"}
"""Name on PhysioNet -> the version that is fetched."""

RECORDS = "RECORDS"
SUFFIXES = (".dat", ".atr", ".hea")
"""What is fetched of a record, in the order in which it is moved to its place."""


def fetch(
    name: str,
    directory: Path | None = None,
    *,
    url: str | None = None,
    say: Say | None = None,
    pauses: Sequence[float] = PAUSES,
) -> Path:
    """Download a database, or what is missing of it, and return its folder.

    Args:
        name: One of `DATABASES`.
        directory: Where to; None for a folder of that name in the working directory. One that holds other
            things is refused, one that holds part of the database is completed.
        url: Above ``NAME/VERSION/``; None for what the ``wfdb`` package is set to, PhysioNet unless changed.
        say: Is called with a line of progress now and then.
        pauses: Seconds between tries.

    Raises:
        MissingExtraError: The ``wfdb`` package is not installed.
        DataError: An unknown name, a folder that can't be used or written, a server that can't be reached or
            sends something other than what is published. One line that names the file; nothing stands half
            written under its final name.
    """
    if name not in DATABASES:
        raise DataError(f"no database {name!r} to fetch; known: {', '.join(DATABASES)}")
    if url is not None and not re.match(r"https?://[^/]", url):
        raise DataError(f"{url!r} is no address of a server: it begins with http:// or https://")
    folder = (Path(name) if directory is None else Path(directory)).absolute()
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file: name another folder")
    with connected(url) as address:
        base = posixpath.join(address, name, DATABASES[name])
        server = Server(base, say or (lambda line: None), tuple(pauses))
        try:
            _complete(server, name, folder)
        except OSError as error:
            raise DataError(
                f"can't write {error.filename or folder}: {error.strerror or error}; "
                "when that is put right, run the same line again to go on"
            ) from None
    return folder


def _complete(server: Server, name: str, folder: Path) -> None:
    """Bring every file of a database that is not yet in its folder."""
    published = server.listing(SUMS)
    sums = checksums(published.decode("utf-8", "replace"))
    _only_ours(folder, set(sums))
    part = folder / PART
    records = _records(server, sums, (folder, part))
    wanted = _wanted(records.decode("ascii", "replace").split(), sums)
    files = [file for file in wanted if not is_whole(folder / file, sums[file])]
    if not files and _holds(folder / RECORDS, records) and _holds(folder / SUMS, published):
        server.say(f"{name}: all {len(wanted)} files are in {folder}, every checksum is right")
        return
    part.mkdir(parents=True, exist_ok=True)
    with _alone(part):
        size = 0
        for number, file in enumerate(files, start=len(wanted) - len(files) + 1):
            if not is_whole(part / file, sums[file]):
                server.bring(file, sums[file], part)
            size += (part / file).stat().st_size
            server.say(f"{name}: file {number} of {len(wanted)}, {file}, {size / 1e6:.1f} MB")
        _check_headers([(part if file in files else folder) / file for file in wanted])
        (part / RECORDS).write_bytes(records)
        (part / SUMS).write_bytes(published)
        # Headers after what they describe, then the two lists: who finds the last one has all.
        files.sort(key=lambda file: SUFFIXES.index(Path(file).suffix))
        for file in (*files, RECORDS, SUMS):
            (part / file).replace(folder / file)
        for left in part.iterdir():
            if left.name.removesuffix(PART) in sums:
                left.unlink()
    with contextlib.suppress(OSError):  # somebody else keeps something there
        part.rmdir()
    server.say(f"{name}: all {len(wanted)} files are in {folder}, every checksum is right")


def checksums(text: str) -> dict[str, str]:
    """Read a list of checksums: file name -> sha256 in hexadecimal.

    Raises:
        DataError: It is something else, a web page say.
    """
    found = {}
    for line in text.splitlines():
        match = re.fullmatch(r"([0-9a-fA-F]{64})\s+\*?(\S.*?)\s*", line)
        if match:
            found[match[2]] = match[1].lower()
        elif line.strip():
            raise DataError(f"{SUMS} from the server is no list of checksums: it has the line {line[:60]!r}")
    if not found:
        raise DataError(f"{SUMS} from the server is empty: try again later")
    return found


def _records(server: Server, sums: dict[str, str], places: Sequence[Path]) -> bytes:
    """Return the list of records as published, from where it is already if it is right there.

    A published list of checksums that leaves it out tells by its headers which records there are.
    """
    if RECORDS in sums:
        for place in places:
            if is_whole(place / RECORDS, sums[RECORDS]):
                return (place / RECORDS).read_bytes()
    content = server.listing(RECORDS)
    if RECORDS in sums:
        right = hashlib.sha256(content).hexdigest() == sums[RECORDS]
    else:
        headers = {name.removesuffix(".hea") for name in sums if name.endswith(".hea") and "/" not in name}
        right = set(content.decode("ascii", "replace").split()) == headers
    if not right:
        raise not_as_published(RECORDS, content[:200], len(content))
    return content


def _wanted(records: Sequence[str], sums: dict[str, str]) -> list[str]:
    """Name the files of each record; one without a signal has none that could be fetched."""
    wanted = []
    for record in records:
        # A name that leads out of the folder is not followed.
        if not re.fullmatch(r"\w[\w-]*", record, re.ASCII):
            raise DataError(f"{RECORDS} from the server names a record {record!r}: not one of this database")
        for suffix in SUFFIXES:
            if record + suffix in sums:
                wanted.append(record + suffix)
            elif suffix != ".dat":
                raise DataError(f"{SUMS} from the server lacks {record + suffix}, which {RECORDS} calls for")
    if not wanted:
        raise DataError(f"{RECORDS} from the server names no record: try again later")
    return wanted


def _check_headers(paths: Sequence[Path]) -> None:
    """Raise DataError for a header whose signals are not among the files."""
    import wfdb

    names = {path.name for path in paths}
    for path in paths:
        if path.suffix != ".hea":
            continue
        header: Any = wfdb.rdheader(str(path.with_suffix("")))
        for signal in dict.fromkeys(header.file_name or ()):
            if signal not in names:
                raise DataError(f"{path.name} names the signal {signal}, which {SUMS} from the server lacks")


def _only_ours(folder: Path, listed: set[str]) -> None:
    """Raise DataError where a folder holds what is not of this database; hidden files are left alone."""
    if not folder.is_dir():
        return
    ours = {name.split("/")[0] for name in listed} | {SUMS, RECORDS}
    others = sorted(p.name for p in folder.iterdir() if p.name not in ours and not p.name.startswith("."))
    if others:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        raise DataError(
            f"{folder} holds other things ({others[0]}{more}): name a new or empty folder with --to"
        )


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep a second download out of a folder; where there are no such locks, nobody is kept out."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(f"another download into {folder.parent} is under way: wait for it") from None
        yield
    finally:
        os.close(handle)
