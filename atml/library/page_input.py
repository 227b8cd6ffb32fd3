"""Pages for a model about pictures: arrays as they are, files brought to its size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from atml.arrays import Float32, UInt8
from atml.data.formats.detection import kind_of
from atml.data.formats.made_pages import PICTURE, folders
from atml.data.formats.picture_table import pictures
from atml.data.pictures import ENDINGS, fit
from atml.errors import DataError, MissingExtraError
from atml.library.path_arguments import is_path, paths
from atml.pages import picture_file
from atml.tasks.task import Task
from atml.watching import Counter

BLOCK = 16
"""Pages that are decided at once."""


@dataclass(frozen=True)
class Page:
    """A page ``x (3, rows, columns)`` at the model's size; where ``x`` is None, ``why`` it has none."""

    name: str
    x: UInt8 | None
    why: str = ""


def blocks(given: Any, task: Task) -> Iterator[Float32]:
    """Yield what a network takes, ``(n, 3, rows, columns)`` of 0 to 255, of an array or of files.

    Args:
        given: ``(n, 3, rows, columns)`` or one page ``(3, rows, columns)``, whole numbers or others, of the
            model's size; or a path, or several, of which every page counts.
        task: What the model decides.

    Raises:
        DataError: Another shape, shares of 1 in place of 0 to 255, values that are no shades, or a file that
            can't be read.
    """
    if is_path(given):
        rest = read(given, task)
        while several := list(islice(rest, BLOCK)):
            if bad := next((page for page in several if page.x is None), None):
                raise DataError(bad.why)
            yield np.stack([page.x for page in several if page.x is not None]).astype(np.float32)
        return
    x = _array(given, task)
    if x.dtype.kind == "f" and 0 < x.max(initial=0) <= 1:
        raise DataError("all values of x are at most 1, nearly black pages: give 0 to 255")
    for at in range(0, len(x), BLOCK):
        part = np.ascontiguousarray(x[at : at + BLOCK], np.float32)
        if not np.isfinite(part).all() or part.min(initial=0) < 0 or part.max(initial=0) > 255:
            raise DataError(
                f"pages {at} to {at + len(part) - 1} have values that are no shades; give 0 (black) to 255"
            )
        yield part


def _array(given: Any, task: Task) -> npt.NDArray[Any]:
    try:
        x: npt.NDArray[Any] = np.asanyarray(given)
    except ValueError as error:
        raise DataError(f"the pages are not an array: {error}") from error
    x = x[None] if x.ndim == len(task.shape) else x
    if x.shape[1:] != task.shape or x.dtype.kind not in "fiu":
        shape = ", ".join(map(str, task.shape))
        raise DataError(f"x is {x.dtype} {x.shape}; the model takes pages (n, {shape}) of 0 to 255, or files")
    return x


def read(given: Any, task: Task) -> Iterator[Page]:
    """Read the pages in files and folders, one after another, at the model's size.

    Of a folder that `atml data make pages` wrote these are its pages, of any other all pictures in it. A
    file that is named by itself has to be a picture; one in a folder that can't be read has no ``x``.

    Raises:
        DataError: Nothing there, or no picture.
        MissingExtraError: Pillow is not installed, or what reads a PDF.
    """
    taken: dict[str, int] = {}
    assert task.picture is not None
    for path in paths(given):
        files = _files(path)
        counter = Counter(path)
        counter.expect(len(files), "pages")
        for name, file in files:
            try:
                held = [fit(page, task.picture) for page in picture_file.open_pages(file)]
            except MissingExtraError:
                raise
            except DataError as error:
                if file == path:
                    raise
                yield Page(name, None, str(error))
                counter.passed()
                continue
            for number, page in enumerate(held, 1):
                called = name if len(held) == 1 else f"{name} page {number}"
                again = taken[called] = taken.get(called, 0) + 1
                yield Page(called if again == 1 else f"{called} ({again})", page)
            counter.passed()


def _files(path: Path) -> Sequence[tuple[str, Path]]:
    """Return name and file of each picture at a path; raises DataError for none."""
    if not path.is_dir():
        return [(path.name, path)]
    if kind_of(path, pictures=True) == "pages":
        return [(name, path / name / f"{name}{PICTURE}") for name in sorted(folders(path))]
    found = [(name, path / name) for name in pictures(path)]
    if not found:
        read = ", ".join(ending for ending in ENDINGS if ending != ".heic")  # those are found, and refused
        raise DataError(f"{path} holds no picture ({read}), and the model decides on pictures")
    return found
