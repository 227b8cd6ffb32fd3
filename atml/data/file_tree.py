"""Files in a folder, a zip or a tar, listed and read in memory; archives are never unpacked to disk."""

from __future__ import annotations

import hashlib
import lzma
import os
import posixpath
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from atml.data import file_names
from atml.data.file_names import plain
from atml.errors import DataError

DEPTH = 12
"""Levels of subfolders that are searched, more than any published set has."""

TAR_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")
ENDINGS = (*TAR_ENDINGS, ".zip", ".npz", ".h5", ".hdf5", ".parquet")
"""Endings of files that are opened directly."""

# zipfile raises RuntimeError for an encrypted file, and its NotImplementedError for unknown compression.
_BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError)


Read = Callable[[Sequence[str]], Iterator[tuple[str, "bytes | str"]]]


class Listed(NamedTuple):
    """Names of the files of a set, sorted, and how many others macOS ``left``."""

    names: tuple[str, ...]
    left: int = 0


@dataclass(frozen=True)
class Source:
    """The files under ``path``; ``identity`` changes with their content.

    The identity of a folder is a hash of names, sizes and times of change; that of an archive, of its own
    size, time, first and last bytes. ``listed`` is None for a tar, which has to be read from start to end to
    be listed: `names` does so on first use.
    """

    path: Path
    kind: str
    identity: str
    listed: Listed | None = field(repr=False)

    @cached_property
    def _listed(self) -> Listed:
        return _list_tar(self.path, self.path.stat().st_mtime_ns) if self.listed is None else self.listed

    @property
    def names(self) -> tuple[str, ...]:
        """Names relative to ``path``, with "/", sorted; raises DataError for a damaged tar."""
        return self._listed.names

    @property
    def notes(self) -> list[str]:
        """What is odd about the names; raises as `names` does."""
        return file_names.notes(*self._listed)

    @cached_property
    def _by_plain_name(self) -> dict[str, str]:
        return {plain(name): name for name in self.names}

    def called(self, name: str) -> str:
        """Return the file of that name, or of one that differs in case or Unicode form alone; "" for none."""
        return self._by_plain_name.get(plain(name), "")

    @contextmanager
    def opened(self) -> Iterator[Read]:
        """Open an archive once for many reads, and yield a function that reads files by name.

        It yields ``(name, bytes)`` for each name, or ``(name, why)`` where the file can't be read, in the
        order of the archive for a tar, otherwise in the order asked for.
        """
        if self.kind == "folder":
            yield partial(_read_folder, self.path)
        elif self.kind == "tar":
            yield partial(_read_tar, self.path)
        else:
            with zipfile.ZipFile(self.path) as archive:
                yield partial(_read_zip, archive)

    def only(self, name: str) -> bytes:
        """Return the bytes of one file; raises DataError where it can't be read."""
        with self.opened() as read:
            found = dict(read([name])).get(name, "not there any more")
        if isinstance(found, str):
            raise DataError(f"can't read {self.path / name}: {found}")
        return found


def find(path: Path) -> Source:
    """Recognise the folder or archive at ``path`` and list its files; a tar is listed later.

    Raises:
        DataError: Nothing is there, it is neither a folder nor a known archive, the zip is damaged, or two
            files in it differ in case alone.
    """
    try:
        if path.is_dir():
            return _find_folder(path)
        if not path.exists():
            raise DataError(f"no such file or folder: {path}")
        lower = path.name.lower()
        if lower.endswith(".zip"):
            return _find_zip(path, path.stat().st_mtime_ns)
        if lower.endswith(TAR_ENDINGS):
            return Source(path, "tar", identity(path), None)
    except _BROKEN as error:
        raise _incomplete(path, error) from None
    if lower.endswith((".hea", ".dat", ".atr")):
        raise DataError(f"{path} is one file of a WFDB record: give its folder, {path.parent}")
    raise DataError(
        f"can't read {path}: not a folder, .zip, .tar (.gz, .xz, .bz2), .npz, .mat, .h5 or .parquet"
    )


@lru_cache(maxsize=4)
def _find_zip(path: Path, changed: int) -> Source:
    """List a zip, once for all formats that try it; ``changed`` is its time of change, for the cache."""
    with zipfile.ZipFile(path) as archive:
        names = [_clean(info.filename) for info in archive.infolist() if not info.is_dir()]
    return Source(path, "zip", identity(path), _members(path, names))


@lru_cache(maxsize=4)
def _list_tar(path: Path, changed: int) -> Listed:
    """List a tar, once for all that ask; ``changed`` is its time of change, for the cache."""
    try:
        with tarfile.open(path) as archive:
            members = list(archive)
    except _BROKEN as error:
        raise _incomplete(path, error) from None
    folders = {_clean(member.name) for member in members if member.isdir()}
    names = [_clean(member.name) for member in members if member.isfile() or member.islnk()]
    # A link to a file is one, as in a folder; where it leads nowhere, reading it reports an error.
    links = [member for member in members if member.issym()]
    names += [_clean(member.name) for member in links if _target(member) not in folders]
    return _members(path, names)


def _target(link: tarfile.TarInfo) -> str:
    """Return where in its archive a link leads."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(_clean(link.name)), link.linkname))


def _members(path: Path, names: Sequence[str]) -> Listed:
    """Return the files of an archive that count, and how many macOS left.

    Raises:
        DataError: One is there twice, lies outside, or differs from another in case alone.
    """
    if odd := next((name for name in names if ".." in name.split("/")), None):
        raise DataError(f"{path} holds {odd}, a place outside of it: pack the folder itself")
    found = sorted(name for name in names if not name.endswith("/") and not file_names.is_hidden(name))
    if len(set(found)) < len(found):
        twice = min(name for name, count in Counter(found).items() if count > 1)
        raise DataError(f"{path} holds {twice} twice: unpack it and give the folder")
    file_names.told_apart(path, found)
    return Listed(tuple(found), sum(map(file_names.is_left, names)))


def _incomplete(path: Path, error: BaseException) -> DataError:
    return DataError(f"can't read {path}: {_reason(error)}; is it complete?")


def _reason(error: BaseException) -> str:
    """Return the system's message in one line."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())


def _clean(name: str) -> str:
    """Return a name in an archive as a path; Windows' own archiver writes backslashes for slashes."""
    return "/".join(part for part in name.replace("\\", "/").split("/") if part != ".")


def _find_folder(path: Path) -> Source:
    found: list[tuple[str, int, int]] = []
    left = 0

    def walk(folder: str, prefix: str, depth: int) -> None:
        nonlocal left
        with os.scandir(folder) as entries:
            for entry in entries:
                name = prefix + entry.name
                left += entry.name.startswith("._")
                if "\\" in entry.name:
                    raise DataError(
                        f"{path / name} has a backslash in its name, as from an archive of Windows that was"
                        " unpacked without its folders: give the archive itself"
                    )
                if file_names.is_hidden(entry.name) or entry.name == "__MACOSX":
                    continue
                if entry.is_dir():
                    if entry.is_symlink() and _leads_back(entry.path):
                        continue  # it would be read again and again
                    if not depth:
                        raise DataError(
                            f"{path / name} is more than {DEPTH} folders down: give one further down"
                        )
                    walk(entry.path, name + "/", depth - 1)
                elif entry.is_file() or entry.is_symlink():
                    # A broken link is kept, so that reading it reports an error.
                    stat = entry.stat(follow_symlinks=entry.is_file())
                    found.append((name, stat.st_size, stat.st_mtime_ns))

    walk(str(path), "", DEPTH)
    found.sort()
    listing = "\n".join(f"{name}\0{size}\0{time}" for name, size, time in found)
    digest = hashlib.sha256(listing.encode(errors="surrogateescape"))  # a name may be no valid text
    listed = Listed(tuple(name for name, _, _ in found), left)
    file_names.told_apart(path, listed.names)
    return Source(path, "folder", digest.hexdigest(), listed)


def _leads_back(link: str) -> bool:
    """Tell whether a link leads to a folder that it lies in."""
    return Path(link).resolve() in Path(link).parent.resolve().joinpath("_").parents


def file_there(folder: Path, name: str) -> Path | None:
    """Return the file of that name in or below a folder, or the one that differs in case alone.

    None where there is neither. Raises DataError where several differ in case alone and none is the one.
    """
    return _there(folder, name, Path.is_file)


def folder_there(folder: Path, name: str) -> Path | None:
    """Return the folder of that name, as `file_there` does a file."""
    return _there(folder, name, Path.is_dir)


def _there(folder: Path, name: str, wanted: Callable[[Path], bool]) -> Path | None:
    try:
        if wanted(folder / name):
            return folder / name
        at, parts = folder, PurePosixPath(name).parts
        for number, part in enumerate(parts, 1):
            fits = wanted if number == len(parts) else Path.is_dir
            if not fits(at / part):
                names = _by_plain_name(str(at), at.stat().st_mtime_ns).get(plain(part), ())
                found = [one for one in names if fits(at / one)]
                if len(found) > 1:
                    raise file_names.alike(at, *found[:2])
                if not found:
                    return None
                part = found[0]
            at = at / part
    except (OSError, ValueError):  # a name that no file can have
        return None
    return at


@lru_cache(maxsize=64)
def _by_plain_name(folder: str, changed: int) -> dict[str, list[str]]:
    """List a folder; ``changed`` is its time of change, for the cache."""
    found: dict[str, list[str]] = {}
    with os.scandir(folder) as entries:
        for name in sorted(entry.name for entry in entries):
            found.setdefault(plain(name), []).append(name)
    return found


def identity(path: Path, edge: int = 1 << 16) -> str:
    """Hash size, time, first and last bytes of a file; the checksums of a zip are in its last bytes."""
    stat = path.stat()
    with path.open("rb") as file:
        head = file.read(edge)
        file.seek(max(0, stat.st_size - edge))
        tail = file.read(edge)
    return hashlib.sha256(f"{stat.st_size} {stat.st_mtime_ns} ".encode() + head + tail).hexdigest()


def _read_folder(path: Path, names: Sequence[str]) -> Iterator[tuple[str, bytes | str]]:
    root = str(path)
    for name in names:
        try:
            # Plain system calls: a Python file object takes longer than the read itself.
            number = os.open(f"{root}/{name}", os.O_RDONLY)
            try:
                parts = []
                while part := os.read(number, 1 << 16):
                    parts.append(part)
            finally:
                os.close(number)
            yield name, b"".join(parts)
        except OSError as error:
            yield name, _reason(error)


def _read_zip(archive: zipfile.ZipFile, names: Sequence[str]) -> Iterator[tuple[str, bytes | str]]:
    there = {_clean(info.filename): info for info in archive.infolist()}
    for name in names:
        try:
            yield name, archive.read(there[name])
        except (*_BROKEN, KeyError) as error:
            yield name, _reason(error)


def _read_tar(path: Path, names: Sequence[str]) -> Iterator[tuple[str, bytes | str]]:
    left = set(names)
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = _clean(member.name)
                if name not in left or member.isdir():
                    continue
                left.discard(name)
                try:
                    file = archive.extractfile(member)
                except KeyError:
                    file = None
                yield name, file.read() if file is not None else "is a link that leads nowhere"
                if not left:
                    return
        problem = "not there any more"
    except _BROKEN as error:
        problem = _reason(error)
    for name in sorted(left):
        yield name, problem
