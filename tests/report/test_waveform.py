"""A report about networks that read pages speaks of decibels, and of no decision."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from atml.metrics import Predictions
from atml.models.paper_config import PaperConfig
from atml.report import SECTIONS
from atml.report.material import Material
from atml.report.page import Grid, Text
from atml.report.sections import waveform
from atml.task_files import find


def material() -> Material:
    """A study of four pages of two hearts in two folds, as far as these sections ask."""
    definition = find("paper")
    rows = np.arange(4)
    db = np.full((4, 12), 15.0) - 12 * np.arange(4)[:, None] / 3
    db[3, 5] = -20.0
    people = np.array(["a", "a", "b", "b"])
    run = Predictions((db - 10).astype(np.float32), np.full(4, 4095), people, None, multilabel=True)
    data = SimpleNamespace(
        subject=people,
        rhythm=np.array(["clean", "photo"] * 2),
        record=np.array(["a1", "a2", "b1", "b2"]),
        name="set",
        notes=("a note",),
        __len__=lambda: 4,
    )
    data = type("Pages", (), {**vars(data), "__len__": lambda self: 4})()
    fold = SimpleNamespace(train=rows[:2], held_out=rows[2:])
    plan = SimpleNamespace(
        dataset=data,
        definition=definition,
        folds=(fold, fold),
        fold_by="subject",
        seed=0,
        budget=definition.budget,
        origin=SimpleNamespace(held_out=("c",)),
    )
    found: Any = SimpleNamespace(
        plan=plan,
        plan_gone="",
        definition=definition,
        task=definition.task,
        best=SimpleNamespace(config=PaperConfig()),
        winner=None,
        exports=(),
        out_of_fold=((rows, run),),
        outcome=SimpleNamespace(why=""),
    )
    return cast("Material", found)


def test_figures_are_decibels() -> None:
    found = waveform.failures(material())
    people, pages = (block for block in found if isinstance(block, Grid))
    assert [row[0] for row in people.rows] == ["b", "a"]
    assert people.rows[0][2] == f"{(7 + 3 - 23 / 12) / 2:.2f}"
    assert pages.rows[0] == ("b2", "b", "photo", f"{3 - 23 / 12:.2f}", "all")
    assert pages.rows[-1][:4] == ("a1", "a", "clean", "15.00") and pages.rows[-1][4] == ""


def test_the_data_the_task_and_the_losses() -> None:
    study = material()
    text = " ".join(block.text for block in waveform.data_overview(study) if isinstance(block, Text))
    assert "set: 4 pages of 2 subjects; by kind of picture: 2 clean, 2 photo" in text
    assert "A note." in text and "Held out of the search, for `atml score`: c." in text
    assert "random crops of 128 x 256 pixels" in str(waveform.preparation(study)[0])
    (losses,) = waveform.losses(study)
    assert isinstance(losses, Grid) and losses.rows[-1][:2] == ("signal", "2")


def test_what_stands_instead_is_a_section() -> None:
    assert set(waveform.INSTEAD) <= set(SECTIONS)
    assert waveform.is_about(material())
