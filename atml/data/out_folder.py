"""A folder that a command makes: it appears whole or not at all."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from atml.errors import InputError


def free(folder: Path) -> Path:
    """Return a folder that files can go to; raises InputError where something is in it."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there already and not empty; name a new folder with --out")
    return folder


@contextlib.contextmanager
def whole(folder: Path) -> Iterator[Path]:
    """Give a folder beside to write into, which gets its name at the end; nothing is left where that fails.

    Raises InputError where the folder can't be written.

    Example:
        >>> import tempfile
        >>> at = Path(tempfile.mkdtemp()) / "made"
        >>> with whole(at) as new:
        ...     _ = (new / "one.txt").write_text("1")
        >>> [file.name for file in at.iterdir()], [one.name for one in at.parent.iterdir()]
        (['one.txt'], ['made'])
    """
    folder = folder.absolute()
    aside: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        new = aside / "new"
        new.mkdir()
        yield new
        if folder.is_dir():
            folder.rmdir()
        new.rename(folder)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{folder} can't be written: {reason}; name another folder with --out") from error
    finally:
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)
