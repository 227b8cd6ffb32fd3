"""The write-up of a study: one HTML file that a person reads from top to bottom.

::

    what a report is made of      page.py, theme.py
    all that is read of a study   material.py
    its parts, in order           headline.py, sections/
    the files                     writing.py, static.py (page.css, page.js), pictures.py
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from atml.report import page, pictures, writing
from atml.report.headline import headline
from atml.report.material import Material
from atml.report.page import Section
from atml.storage import Store

SECTIONS: tuple[str, ...] = (
    "task_description",
    "data_overview",
    "preparation",
    "losses",
    "architectures",
    "training_parameters",
    "search_course",
    "curves",
    "results",
    "examples",
    "fitting",
    "changes",
    "families",
    "carry_over",
    "limits",
)  # fmt: skip
"""Modules in `atml.report.sections`, in the order of the page; each has ``section(material)``."""


@dataclass(frozen=True)
class Written:
    """A report on disk: its page, the files of its figures, and why charts are not among them."""

    index: Path
    figures: tuple[Path, ...]
    why_no_charts: str


def compose(material: Material, names: Sequence[str] = SECTIONS) -> list[Section]:
    """Write each part of a report."""
    made = [import_module(f"atml.report.sections.{name}").section(material) for name in names]
    return list(made)


def write(
    store: Store,
    study: str,
    out: Path,
    *,
    charts: bool = True,
    say: Callable[[str], None] = lambda line: None,
) -> Written:
    """Write the report of a study to a folder of its name below ``out``, whole, in place of an earlier one.

    ``charts`` asks for the charts as files too, which takes a browser; drawings are always written.

    Raises:
        StudyError: No such study.
        InputError: The folder can't be written; nothing was.
    """
    from atml.artifacts.export import safe_name

    folder = Path(out) / safe_name(study)
    writing.check_writable(folder)
    material = Material(store, study)
    parts = compose(material)
    figures = list(page.figures(parts))
    html = writing.html(headline(material, datetime.datetime.now()), parts)
    names: list[str] = []
    why = ""

    def fill(aside: Path) -> None:
        nonlocal why
        files = pictures.drawings(figures, aside)
        if charts:
            made, why = pictures.charts(figures, aside)
            files += made
            if why:
                say(why)
        names.extend(file.name for file in files)

    index = writing.publish(folder, html, fill)
    return Written(index, tuple(folder / writing.FIGURES / name for name in names), why)
