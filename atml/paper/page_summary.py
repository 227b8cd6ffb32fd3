"""What sets of pages with their signals hold, for a person who is to learn from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from atml.errors import DataError
from atml.formatting import plural, table
from atml.paper.page_data import open_pages
from atml.tasks.task import Task


@dataclass(frozen=True)
class PageSummary:
    """Pages of each subject and kind of picture: ``rows`` of subject, kind, pages and those learned from."""

    name: str
    rows: tuple[tuple[str, str, int, int], ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        names = ("subject", "kind", "pages", "learned_from")
        rows = [dict(zip(names, row, strict=True)) for row in self.rows]
        return {"name": self.name, "pages": rows, "notes": list(self.notes)}

    def text(self, most: int = 100) -> str:
        """Lay it out for a terminal; of more than ``most`` lines the rest is counted."""
        people = len({row[0] for row in self.rows})
        pages, known = sum(row[2] for row in self.rows), sum(row[3] for row in self.rows)
        lines = [[row[0], row[1] or "unknown", str(row[2]), str(row[3])] for row in self.rows[:most]]
        lines.append(["all", "", str(pages), str(known)])
        said = [f"{self.name}: {plural(pages, 'page')} with their signals, of {plural(people, 'subject')}"]
        said.append(table(["subject", "kind of picture", "pages", "learned from"], lines, left=2))
        if len(self.rows) > most:
            said.append(f"{len(self.rows) - most} lines more: --json lists them")
        return "\n".join([*said, *self.notes])


def summary(paths: Sequence[Path], task: Task, *, folds: int, cache: Path | None = None) -> PageSummary:
    """Open sets as a search does, and count.

    Raises:
        DataError: What a search would refuse, fewer subjects than folds among it.
    """
    found = open_pages(list(paths), task, cache=cache)
    known = np.asarray(found.pages.known[: len(found)])
    pairs = list(zip(found.subject.tolist(), found.rhythm.tolist(), strict=True))
    rows = []
    for pair in sorted(set(pairs)):
        mine = np.array([one == pair for one in pairs])
        rows.append((*pair, int(mine.sum()), int(known[mine].sum())))
    people = len({subject for subject, _ in pairs})
    if people < folds:
        raise DataError(
            f"`atml search` would refuse it: {found.name} has {plural(people, 'subject')}, too few for"
            f" {folds} folds; add pages of others, or give --folds {max(2, people)}"
        )
    return PageSummary(found.name, tuple(rows), found.notes)
