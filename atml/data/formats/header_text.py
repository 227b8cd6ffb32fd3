"""The text of a WFDB header, in whatever encoding it is, and a copy of it that the package wfdb can read."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from atml.data import text
from atml.data.file_tree import file_there


@contextmanager
def readable(header: Path, lines: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield where wfdb finds a record, and the names of its signal files where it can't read them itself.

    It drops what is not ASCII, names of files too, and looks for names as they are spelled alone: it is given
    a header without, and links to the files.
    """
    words = [line.split() for line in lines]
    _, slash, parts = words[0][0].partition("/") if words else ("", "", "")
    files = list(dict.fromkeys(line[0] for line in words[1:]))
    there = {} if slash else {file: file_there(header.parent, file) for file in files}
    as_told = all(found is None or found == header.parent / file for file, found in there.items())
    plain = all(line.isascii() for line in lines) and b"\0" not in header.read_bytes()
    if not words or (header.suffix == ".hea" and as_told and not slash and plain):
        yield str(header.with_suffix("")), []
        return
    with tempfile.TemporaryDirectory(prefix="atml-") as place:
        aliases = {file: f"s{at}" if slash else f"{at}.dat" for at, file in enumerate(files)}
        for file, found in there.items():
            if found is not None:
                (Path(place) / aliases[file]).symlink_to(found.absolute())
        told = [[f"r{slash}{parts}", *words[0][1:]]]
        told += [[aliases[line[0]] if line[0] != "~" else "~", *line[1:]] for line in words[1:]]
        rewritten = "\n".join(" ".join(line) for line in told) + "\n"
        (Path(place) / "r.hea").write_bytes(rewritten.encode("ascii", "ignore"))
        yield str(Path(place) / "r"), [line[0] for line in words[1:]]


def lines_of(header: Path) -> list[str]:
    """Return the lines of a header that are neither empty nor comments, in whatever encoding it is."""
    lines = text.read(header).splitlines()
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
