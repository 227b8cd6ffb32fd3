"""The text of a WFDB header, in whatever encoding it is, and a copy of it that the package wfdb can read."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from atml.data import text


@contextmanager
def in_ascii(folder: Path, name: str) -> Iterator[tuple[str, list[str]]]:
    """Yield where wfdb finds a record, and the names of its signal files where it can't read them itself.

    It drops what is not ASCII, names of files too: it is given a header without, and links to the files.
    """
    lines = lines_of(folder, name)
    plain = all(line.isascii() for line in lines) and b"\0" not in (folder / f"{name}.hea").read_bytes()
    if not lines or plain or "/" in lines[0].split()[0]:
        yield str(folder / name), []
        return
    words = [line.split() for line in lines]
    with tempfile.TemporaryDirectory(prefix="atml-") as place:
        aliases = {file: f"{at}.dat" for at, file in enumerate(dict.fromkeys(line[0] for line in words[1:]))}
        for file, alias in aliases.items():
            (Path(place) / alias).symlink_to((folder / name).absolute().with_name(file))
        told = [["r", *words[0][1:]], *([aliases[line[0]], *line[1:]] for line in words[1:])]
        header = "\n".join(" ".join(line) for line in told) + "\n"
        (Path(place) / "r.hea").write_bytes(header.encode("ascii", "ignore"))
        yield str(Path(place) / "r"), [line[0] for line in words[1:]]


def lines_of(folder: Path, name: str) -> list[str]:
    """Return the lines of a header that are neither empty nor comments, in whatever encoding it is."""
    lines = text.read(folder / f"{name}.hea").splitlines()
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
