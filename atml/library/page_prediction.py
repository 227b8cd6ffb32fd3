"""A model's decisions on pictures of pages: a row a page, with a probability and a decision a label."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from atml.arrays import Float32
from atml.data import out_folder
from atml.data.formats.made_pages import subject_of
from atml.data.label_names import JOINT
from atml.data.pictures import blank
from atml.errors import DataError, InputError
from atml.formatting import columns, listed, plural, shorter
from atml.library import page_input
from atml.library.decisions import decided, named, scored
from atml.library.loaded_model import Model
from atml.library.notes import shortened, trained_on
from atml.library.path_arguments import PathLike
from atml.metrics.label_sets import truth
from atml.tasks.task import MULTILABEL

if TYPE_CHECKING:
    from pandas import DataFrame
    from rich.table import Table

SHOWN = 40
"""Rows of the table in a terminal."""


@dataclass(frozen=True, kw_only=True)
class PagePrediction:
    """A model's decisions on one page or more; ``print(result)`` shows what ``atml predict`` prints.

    ``notes`` are one line each: pages that were left out or undecided.
    """

    WRITES: ClassVar[str] = "pages.csv"
    """What `predict_pages` writes into a folder."""

    model: Model = field(repr=False)
    pages: DataFrame = field(repr=False)
    """One row a page: ``page``, ``decision`` (names of its labels with "+" between, or "none"), and for each
    label ``called_LABEL`` (true or false) and ``score_LABEL`` (0 to 1, not calibrated). A blank page has no
    decision and NaN scores."""
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return what ``atml predict --json`` prints; what is not a number there becomes None."""
        rows = self.pages.astype(object).where(self.pages.notna(), None).to_dict("records")
        return {
            "model": str(self.model.exported.folder or self.model.path),
            "pages": rows,
            "notes": list(self.notes),
        }

    def table(self) -> Table:
        """Return a row a page with the scores of its labels, the called ones marked."""
        names = [name.removeprefix("score_") for name in self.pages.columns if name.startswith("score_")]
        lines = []
        for row in self.pages.head(SHOWN).to_dict("records"):
            cells = [_score(row[f"score_{name}"], row[f"called_{name}"]) for name in names]
            decision = row["decision"] if isinstance(row["decision"], str) else "undecided"
            lines.append([shorter(row["page"]), decision, *cells])
        if len(self.pages) > SHOWN:
            lines.append([f"... {plural(len(self.pages) - SHOWN, 'more row')}", *[""] * (len(names) + 1)])
        return columns(("page", "decision", *names), lines, right=range(2, 2 + len(names)))

    def __str__(self) -> str:
        from rich.console import Console

        console = Console(width=140, color_system=None)
        with console.capture() as kept:
            console.print(self.table())
        folder = self.model.exported.folder or self.model.path
        rows, wide = self.model.task.picture or (0, 0)
        head = f"{folder}: {self.model.task.name}, pages of {rows} x {wide} pixels; * marks what is called"
        return "\n".join([head, kept.get().rstrip(), *self.notes])


def _score(score: float, called: bool | None) -> str:
    return "-" if np.isnan(score) else f"{score:.2f}{'*' if called else ' '}"


def predict_pages(
    model: Model,
    files: PathLike | Sequence[PathLike],
    *,
    classes: Sequence[str] = (),
    out: PathLike | None = None,
    on_page: Callable[[int], None] | None = None,
) -> PagePrediction:
    """Decide on the pages in files and folders; see `atml.library.prediction.predict`.

    Raises:
        DataError: Nothing there, a file that is no picture, or no page that can be read.
        InputError: An unknown label, or a folder ``out`` that holds something or can't be written.
    """
    import pandas as pd

    task = model.task
    for name in classes:
        if name not in task.classes:
            raise InputError(f"no label {name!r}; the model decides {listed(task.classes)}")
    wanted = tuple(dict.fromkeys(classes)) or task.classes
    folder = None if out is None else out_folder.free(Path(out))
    names: list[str] = []
    parts: list[Float32] = []
    left: list[str] = []
    empty: list[str] = []
    held: list[page_input.Page] = []

    def decide() -> None:
        parts.append(model.logits(np.stack([page.x for page in held if page.x is not None])))
        held.clear()

    for number, page in enumerate(page_input.read(files, task), 1):
        if on_page is not None:
            on_page(number)
        if page.x is None:
            left.append(f"left out: {page.why}")
            continue
        names.append(page.name)
        empty += [page.name] if blank(page.x) else []
        held.append(page)
        if len(held) == page_input.BLOCK:
            decide()
    if held:
        decide()
    if not parts:
        raise DataError(left[0].removeprefix("left out: ") if left else "no page there")
    table = pd.DataFrame(_columns(model, names, np.concatenate(parts), set(empty), wanted))
    notes = [*trained_on(model, {(name, subject_of(name)) for name in names}), *shortened(left)]
    if empty:
        notes.append(f"{plural(len(empty), 'page')} blank and undecided: {', '.join(shortened(empty))}")
    result = PagePrediction(model=model, pages=table, notes=tuple(notes))
    if folder is not None:
        with out_folder.whole(folder) as new:
            table.to_csv(new / "pages.csv", index=False, errors="backslashreplace")
    return result


def _columns(
    model: Model, names: Sequence[str], logits: Float32, empty: set[str], wanted: Sequence[str]
) -> dict[str, Any]:
    """Return the columns of `PagePrediction.pages`."""
    task = model.task
    labels = decided(logits, task)
    of_each = np.arange(len(task.classes)) == labels[:, None]
    called = truth(labels, len(task.classes)) if task.kind == MULTILABEL else of_each
    decision = named(labels, task).astype(object)
    if task.kind == MULTILABEL and tuple(wanted) != task.classes:
        decision = np.array([_only(name, wanted) for name in decision], object)
    known = np.array([name not in empty for name in names], np.bool_)
    decision[~known] = None
    scores = scored(logits, task)
    scores[~known] = np.nan
    found: dict[str, Any] = {"page": list(names), "decision": decision}
    for name in wanted:
        index = task.classes.index(name)
        column = called[:, index].astype(object)
        column[~known] = None
        found |= {f"called_{name}": column, f"score_{name}": scores[:, index]}
    return found


def _only(decision: str, wanted: Sequence[str]) -> str:
    return JOINT.join(name for name in decision.split(JOINT) if name in wanted) or "none"
