"""What is said beside a model's decisions on recordings."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress

from atml.data.formats.subject_map import meant
from atml.data.parsing import some
from atml.errors import DataError
from atml.library.loaded_model import Model


def trained_on(model: Model, people: Collection[tuple[str, str]]) -> list[str]:
    """Say whom of these, each a recording and a subject, the model was trained on, by their names."""
    exported = model.exported
    names = {subject or name for name, subject in people}
    with suppress(DataError):  # a table that is not on this machine
        names |= told.names(people) if (told := meant(exported.subjects_by)) else set()
    if exported.synthetic or not (known := exported.trained_on(names)):
        return []
    return [
        f"TRAINED ON, by name: {some(known)}. What the model decides on people that it was trained on looks"
        " better than what it decides on others"
    ]


def shortened(notes: Sequence[str], most: int = 5) -> list[str]:
    """Return a few of many notes, and how many more there are."""
    return [*notes[:most], *([f"... and {len(notes) - most} more like these"] if len(notes) > most else [])]
