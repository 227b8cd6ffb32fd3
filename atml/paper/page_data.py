"""A set of pages with their signals, as a data set that can be searched."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from atml.arrays import Float32, Int64, Strings
from atml.data.dataset import Dataset
from atml.data.subjects import matching
from atml.errors import DataError
from atml.metrics.label_sets import bits
from atml.paper.page_truth import Pages, opened
from atml.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class PageDataset(Dataset):
    """`Dataset` whose ``x (n, 3, rows, columns)`` are the first ``n`` of ``pages``.

    ``y (n,)`` is the set of leads that are drawn. After the first ``n``, ``pages`` holds those that are not
    flat a second time, laid flat, to be trained on.
    """

    pages: Pages
    root: Path
    cache: Path | None = None

    def to_train_on(self, rows: Int64, size: tuple[int, int]) -> tuple[Pages, Int64]:
        """Return pages of a size, and the places in them of some rows, as they are and laid flat."""
        pages = self.pages if size == self.pages.size else opened(self.root, size, self.cache, both=True)
        names = np.asarray(self.pages.name)[rows]
        return pages, np.flatnonzero(np.isin(pages.name, names))


def open_pages(
    paths: Sequence[Path],
    task: Task,
    *,
    leave_out: Collection[str] | Callable[[Strings], npt.NDArray[np.bool_]] = (),
    cache: Path | None = None,
) -> PageDataset:
    """Open one set of pages whose signals and geometry are known, as ``atml data make pages`` writes it.

    Args:
        paths: The set's folder.
        task: Its picture's size and its leads.
        leave_out: Subjects that are left out.
        cache: Folder for the parsed copy, by default the usual one.

    Raises:
        DataError: No set, several of them, or no page that is not left out.
    """
    if len(paths) != 1:
        what = "is one set of pages" if paths else "has no pages"
        raise DataError(
            f"task {task.name!r} {what}: name one folder with --data, as atml data make pages writes it"
        )
    assert task.picture is not None
    pages = opened(Path(paths[0]), task.picture, cache, both=True)
    out = matching(pages.subject, leave_out) if not callable(leave_out) else leave_out(pages.subject)
    notes: tuple[str, ...] = ()
    if np.any(out):
        kept = np.flatnonzero(~np.asarray(out))
        if len(kept) == 0:
            raise DataError(f"{paths[0]} has no page of anyone who is not left out")
        # In order, so that those laid flat stay behind all others.
        pages = pages.take(kept)
        notes = (f"{len(set(pages.subject.tolist()))} subjects; pages of the others are left out",)
    count = int((~np.asarray(pages.flat)).sum())
    drawn = np.isfinite(pages.signal[:count]).any(2)
    digest = hashlib.sha256(np.ascontiguousarray(pages.signal).tobytes())
    for name in ("name", "subject"):
        digest.update("\n".join(getattr(pages, name).tolist()).encode())
    for row in pages.rgb:
        digest.update(np.ascontiguousarray(row[::8, ::8]).tobytes())
    return PageDataset(
        x=cast("Float32", np.moveaxis(pages.rgb, -1, 1)[:count]),  # uint8, as all pictures
        y=bits(np.asarray(drawn)),
        subject=np.asarray(pages.subject[:count]),
        rhythm=np.asarray(pages.kind[:count]),
        sampling_rate=0,
        fingerprint=digest.hexdigest(),
        name=Path(paths[0]).resolve().name,
        notes=notes,
        bare=True,
        labels=drawn.shape[1],
        record=np.asarray(pages.name[:count]),
        pages=pages,
        root=Path(paths[0]),
        cache=cache,
    )
