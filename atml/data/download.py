"""Download a public ECG database from PhysioNet, file by file, each checked against its published checksum.

The transfer uses the ``wfdb`` package: its server address, session and random-access file. Its functions
``dl_database`` and ``dl_files`` are not used: they check no checksums, leave incomplete files under their
final names and wait forever for a server that stops responding. Here files are written to ``.part`` within
the folder and moved to their places at the end, headers and the list of records last, so that a folder that
can be opened is complete. An interrupted download is resumed.
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
"""Version that is downloaded, by name on PhysioNet."""

RECORDS = "RECORDS"
SUFFIXES = (".dat", ".atr", ".hea")
"""Files of a record, in the order in which they are moved to their places."""


def fetch(
    name: str,
    directory: Path | None = None,
    *,
    url: str | None = None,
    say: Say | None = None,
    pauses: Sequence[float] = PAUSES,
) -> Path:
    """Download a database, or the missing part of it, and return its folder.

    Args:
        name: One of `DATABASES`.
        directory: Folder to write; None for one of that name in the working directory. It may hold part of
            the database, which is completed, but no other files.
        url: Address that ``NAME/VERSION/`` is appended to; None for that of the ``wfdb`` package, PhysioNet
            unless changed.
        say: Called with a line of progress for each file.
        pauses: Seconds between attempts.

    Raises:
        MissingExtraError: The ``wfdb`` package is not installed.
        DataError: An unknown name, a folder that can't be used or written, a server that can't be reached or
            sends something other than what is published. The message is one line that names the file; no
            incomplete file is left under its final name.
    """
    if name not in DATABASES:
        raise DataError(f"no database {name!r} to fetch; known: {', '.join(DATABASES)}")
    if url is not None and not re.match(r"https?://[^/]", url):
        raise DataError(f"{url!r} is not the address of a server: it begins with http:// or https://")
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
                "once that is fixed, run the same command again to continue"
            ) from None
    return folder


def _complete(server: Server, name: str, folder: Path) -> None:
    """Download every file of a database that is not yet in its folder."""
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
        # Headers after the files they describe, then the two lists: where the last one is, all are.
        files.sort(key=lambda file: SUFFIXES.index(Path(file).suffix))
        for file in (*files, RECORDS, SUMS):
            (part / file).replace(folder / file)
        for left in part.iterdir():
            if left.name.removesuffix(PART) in sums:
                left.unlink()
    with contextlib.suppress(OSError):  # it holds something else
        part.rmdir()
    server.say(f"{name}: all {len(wanted)} files are in {folder}, every checksum is right")


def checksums(text: str) -> dict[str, str]:
    """Read a list of checksums: sha256 in hexadecimal by file name.

    Raises:
        DataError: The text is something else, such as a web page.
    """
    found = {}
    for line in text.splitlines():
        match = re.fullmatch(r"([0-9a-fA-F]{64})\s+\*?(\S.*?)\s*", line)
        if match:
            found[match[2]] = match[1].lower()
        elif line.strip():
            raise DataError(
                f"{SUMS} from the server is not a list of checksums: it has the line {line[:60]!r}"
            )
    if not found:
        raise DataError(f"{SUMS} from the server is empty: try again later")
    return found


def _records(server: Server, sums: dict[str, str], places: Sequence[Path]) -> bytes:
    """Return the published list of records, from ``places`` if a correct copy is in one of them.

    Where the list of checksums lacks it, it is compared with the headers in that list.
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
    """Return the names of the files of each record; a record without a signal has no ``.dat`` file."""
    wanted = []
    for record in records:
        # A name with a path in it could lead out of the folder.
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
    """Raise DataError where a folder holds files of something else; hidden files are ignored."""
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
    """Lock a folder against a second download, on systems that have such locks."""
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
