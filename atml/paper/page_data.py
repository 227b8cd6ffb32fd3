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
from atml.data.parsing import some
from atml.data.subjects import matching
from atml.errors import DataError
from atml.formatting import plural
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
    roots: tuple[Path, ...]
    cache: Path | None = None

    def to_train_on(self, rows: Int64, size: tuple[int, int]) -> tuple[Pages, Int64]:
        """Return pages of a size, and the places in them of some rows, as they are and laid flat.

        Those of which it is not known where their leads lie are left out.
        """
        pages = self.pages if size == self.pages.size else opened(self.roots, size, self.cache, both=True)
        names = np.asarray(self.pages.name)[rows]
        return pages, np.flatnonzero(np.isin(pages.name, names) & pages.known)


def open_pages(
    paths: Sequence[Path],
    task: Task,
    *,
    leave_out: Collection[str] | Callable[[Strings], npt.NDArray[np.bool_]] = (),
    cache: Path | None = None,
    learn: bool = True,
) -> PageDataset:
    """Open sets of pages whose signals are known (`atml.paper.page_sources`).

    Args:
        paths: The folders of the sets.
        task: Its picture's size and its leads.
        leave_out: Subjects that are left out.
        cache: Folder for the parsed copy, by default the usual one.
        learn: Whether pages are to be learned from, and not judged only.

    Raises:
        DataError: No set, two of one name, no page that is not left out, or none to learn from.
    """
    if not paths:
        raise DataError(
            f"task {task.name!r} has no pages: name a folder with --data, as atml data make pages writes it"
        )
    roots = tuple(Path(path) for path in paths)
    names = [root.resolve().name for root in roots]
    if twice := [name for name in names if names.count(name) > 1]:
        raise DataError(f"two sets are called {twice[0]!r}: subjects are named by their set, so rename one")
    assert task.picture is not None
    pages = opened(roots, task.picture, cache, both=learn)
    out = matching(pages.subject, leave_out) if not callable(leave_out) else leave_out(pages.subject)
    notes: list[str] = []
    if np.any(out):
        kept = np.flatnonzero(~np.asarray(out))
        if len(kept) == 0:
            where = ", ".join(map(str, roots))
            raise DataError(f"{where} has no page of anyone who is not left out")
        # In order, so that those laid flat stay behind all others.
        pages = pages.take(kept)
        notes.append(f"{len(set(pages.subject.tolist()))} subjects; pages of the others are left out")
    count = int((~np.asarray(pages.flat)).sum())
    notes += _unlearned(pages, count, roots) if learn else []
    drawn = (np.abs(pages.signal[:count]) > 0).any(2)  # NaN is not drawn, and 0 throughout is no signal
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
        name="+".join(names),
        notes=tuple(notes),
        bare=True,
        labels=drawn.shape[1],
        record=np.asarray(pages.name[:count]),
        pages=pages,
        roots=roots,
        cache=cache,
    )


def _unlearned(pages: Pages, count: int, roots: Sequence[Path]) -> list[str]:
    """Return a note about pages that are judged only; raises DataError where all are."""
    known = np.asarray(pages.known[:count])
    if known.all():
        return []
    if not known.any():
        raise DataError(
            f"{', '.join(map(str, roots))}: on none of {plural(count, 'page')} is it known where the leads"
            " lie, and without that nothing can be learned: name a set of atml data make pages as well"
        )
    names = np.asarray(pages.name[:count])[~known].tolist()
    return [
        f"{len(names)} of {plural(count, 'page')} are judged and not learned from, as it is not known where"
        f" their leads lie: {some(names)}"
    ]
