"""The write-up of a study: one HTML file that a person reads from top to bottom.

::

    what a report is made of      page.py, theme.py
    all that is read of a study   material.py
    its parts, in order           headline.py, sections/
    the files                     writing.py, static.py (page.css, page.js), pictures.py
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from atml.report import page, pictures, writing
from atml.report.headline import headline
from atml.report.material import Material
from atml.report.page import Section
from atml.report.sections import waveform
from atml.storage import Store

SECTIONS: dict[str, tuple[str, str]] = {
    "results": ("results", "Results"),
    "beats": ("beats", "Beat by beat"),
    "failures": ("failures", "Where it fails"),
    "device": ("device", "On the board"),
    "search_course": ("search", "How the search went"),
    "data_overview": ("data", "The data"),
    "preparation": ("preparation", "Preparation and augmentation"),
    "limits": ("limits", "Limits"),
    "carry_over": ("carry_over", "Does it carry over to other people?"),
    "fitting": ("fitting", "Over- or underfitting"),
    "task_description": ("task", "The task"),
    "architectures": ("architectures", "Architectures and the last layer"),
    "families": ("families", "Families at equal size"),
    "losses": ("losses", "Losses"),
    "training_parameters": ("parameters", "Training and other parameters"),
    "changes": ("changes", "What was changed, and what came of it"),
    "curves": ("curves", "Learning curves"),
}
"""Modules of `atml.report.sections` in the order of the page, with the address and title of each section.

Each module has ``contents(material)``, which returns the blocks of its section; without any it is left out.
"""

FOLDED = tuple(SECTIONS)[tuple(SECTIONS).index("limits") :]
"""Those that a reader opens on demand: the verdict, results, failures, search and data come first."""


@dataclass(frozen=True)
class Written:
    """A report on disk: its page, the files of its figures, and why charts are not among them."""

    index: Path
    figures: tuple[Path, ...]
    why_no_charts: str


def section(name: str, material: Material) -> Section:
    """Write the section of a module of `SECTIONS`."""
    anchor, title = SECTIONS[name]
    contents = import_module(f"atml.report.sections.{name}").contents
    if waveform.is_about(material):
        contents = waveform.INSTEAD.get(name, contents)
    return Section(anchor, title, tuple(contents(material)), name in FOLDED)


def compose(material: Material) -> list[Section]:
    """Write every section of a report that has something in it."""
    return [made for name in SECTIONS if (made := section(name, material)).blocks]


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
