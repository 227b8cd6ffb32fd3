"""Paths as the library's functions take them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

PathLike = str | os.PathLike[str]


def paths(given: PathLike | Sequence[PathLike] | None) -> tuple[Path, ...]:
    """Return one path, several, or none as a tuple; ``~`` is the home folder."""
    several = () if given is None else (given,) if isinstance(given, str | os.PathLike) else given
    return tuple(Path(path).expanduser() for path in several)
