"""Paths as the library's functions take them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

PathLike = str | os.PathLike[str]


def is_path(given: object) -> bool:
    """Tell whether a thing is a path, or a list of them.

    Example:
        >>> is_path("a.png"), is_path([Path("a.png"), "b"]), is_path([0.5]), is_path([])
        (True, True, False, False)
    """
    several = [given] if isinstance(given, str | os.PathLike) else given
    if not isinstance(several, list | tuple) or not several:
        return False
    return all(isinstance(one, str | os.PathLike) for one in several)


def paths(given: PathLike | Sequence[PathLike] | None) -> tuple[Path, ...]:
    """Return one path, several, or none as a tuple; ``~`` is the home folder."""
    several = () if given is None else (given,) if isinstance(given, str | os.PathLike) else given
    return tuple(Path(path).expanduser() for path in several)
