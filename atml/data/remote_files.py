"""Files from a server, through the ``wfdb`` package: gone on with, held against their checksums, retried."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import posixpath
import re
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from atml.errors import DataError, MissingExtraError

SUMS, PART = "SHA256SUMS.txt", ".part"
PAUSES = (1.0, 3.0, 10.0, 30.0)
"""Seconds between one try and the next; a try that brought something starts them anew."""
PATIENCE = 60.0
"""Seconds that a server may be silent."""
CHUNK = 512 * 1024
"""Bytes asked for at a time."""
LARGEST, LONGEST_LIST = 1 << 28, 1 << 24
"""Bytes that no file of these databases has, and none of their lists."""

Say = Callable[[str], object]
T = TypeVar("T")


class _Broken(Exception):
    """The connection failed in a way that may pass; the message says how."""


@dataclass(frozen=True)
class Server:
    """Where the files of one database lie: ``base/FILE``."""

    base: str
    say: Say
    pauses: tuple[float, ...]

    def listing(self, file: str) -> bytes:
        """Return a small file."""

        def whole() -> bytes:
            with contextlib.closing(self._open(file)) as remote:
                return _read(file, remote, LONGEST_LIST)

        return self._patiently(file, whole, lambda: 0)

    def bring(self, file: str, wanted: str, part: Path) -> None:
        """Bring a file into ``part``, from where an earlier try got to; it has its name once it is right."""
        aside = part / (file + PART)
        # The second time from the start: what was there before may have been the wrong part.
        for _ in range(2):
            aside.touch()
            self._patiently(file, lambda: self._append(file, aside), lambda: aside.stat().st_size)
            if is_whole(aside, wanted):
                aside.replace(part / file)
                return
            with aside.open("rb") as content:
                error = not_as_published(file, content.read(200), aside.stat().st_size)
            aside.unlink()
        raise error

    def _append(self, file: str, aside: Path) -> None:
        """Write what comes after the bytes that a file has already."""
        with contextlib.closing(self._open(file)) as remote, aside.open("ab") as local:
            remote.seek(local.tell())
            while content := _read(file, remote, CHUNK):
                local.write(content)
                if local.tell() > LARGEST:
                    aside.unlink()
                    raise DataError(f"{file}: the server sends more than {LARGEST >> 20} MiB: not this file")

    def _open(self, file: str) -> Any:
        from wfdb.io import _url

        return _url.openurl(posixpath.join(self.base, file), "rb")

    def _patiently(self, file: str, action: Callable[[], T], size: Callable[[], int]) -> T:
        """Try until it works, or until it failed once more than there are pauses and nothing came."""
        failed, before = 0, size()
        while True:
            try:
                return action()
            except _Broken as error:
                failed, before = (0 if size() > before else failed), size()
                if failed == len(self.pauses):
                    raise DataError(
                        f"{file}: {error}, {failed + 1} times, at {self.base}; "
                        "what arrived is kept; run the same command again to continue"
                    ) from None
                pause = self.pauses[failed]
                failed += 1
                self.say(f"{file}: {error}, trying again in {pause:g} s")
            time.sleep(pause)


def _read(file: str, remote: Any, size: int) -> bytes:
    """Read from the server; what may pass is _Broken, what will not is a DataError."""
    try:
        return bytes(remote.read(size))
    except OSError as error:  # all that requests and wfdb raise are of this kind
        status = getattr(error, "status_code", None)
        if status is None:
            raise _Broken(f"the connection failed ({type(error).__name__})") from None
        if status >= 500 or status in (408, 425, 429):
            raise _Broken(f"the server answered {status}") from None
        raise DataError(f"{file}: the server answered {status} for {getattr(error, 'url', file)}") from None


@contextlib.contextmanager
def connected(url: str | None) -> Iterator[str]:
    """Give the session of the ``wfdb`` package a limit to its patience for a while; yields the address."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of pandas, at how wfdb uses it
            from wfdb.io import _url, download
    except ImportError:
        raise MissingExtraError("downloading", "wfdb") from None
    session = _url._get_session()
    session.request = functools.partial(session.request, timeout=PATIENCE)
    try:
        yield url or download.config.db_index_url
    finally:
        vars(session).pop("request", None)
        session.close()


def is_whole(path: Path, wanted: str) -> bool:
    """Whether a file is there and has this sha256."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == wanted


def not_as_published(file: str, head: bytes, size: int) -> DataError:
    """Return the error for a file of ``size`` bytes that begins with ``head`` and is not the right one."""
    page = ", a web page" if re.match(rb"\s*(<!doctype|<html|<\?xml)", head, re.IGNORECASE) else ""
    return DataError(
        f"{file}: the server sent {size} bytes{page}, and their checksum is not the one in {SUMS}; "
        "nothing of it is kept, try again later or from another network"
    )
