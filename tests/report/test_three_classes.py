"""A study of three classes, searched and exported for real, in every part of a report."""

from __future__ import annotations

import dataclasses
import datetime
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from atml import report
from atml.artifacts.model import CARD
from atml.dashboard.artifact_store import Shelf
from atml.dashboard.read_only_storage import Overlay
from atml.metrics import FOUR
from atml.report import compose, kind, matrix, page
from atml.report.headline import headline
from atml.report.material import Material
from atml.report.page import Drawing, Empty, Grid, Section, Text
from tests import browser as chromium
from tests.report.conftest import Searched
from tests.report.test_sections import chart, words

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CLASSES = ("N", "AF", "O")


@pytest.fixture(scope="module")
def material(three: Searched) -> Material:
    return Material(three.store(), three.study)


@pytest.fixture(scope="module")
def written(material: Material) -> dict[str, Section]:
    return {section.anchor: section for section in compose(material)}


def test_every_part_is_written_and_knows_no_positive_class(written: dict[str, Section]) -> None:
    assert len(written) == len(report.SECTIONS) - 1
    assert "beats" not in written, "it is of tasks about single beats"
    figures = list(page.figures(list(written.values())))
    assert all(len(figure.says) > 30 and figure.says[-1] == "." for figure in figures)
    names = {figure.name for figure in figures}
    assert {"confusion", "roc", "precision-recall", "calibration", "subjects", "carry-over"} <= names
    for name, section in written.items():
        said = words(section)
        assert "nan" not in said.lower().split() and "positive class" not in said, name
        assert "F-beta" not in said, name


def test_the_confusion_matrix_counts_every_window(written: dict[str, Section], material: Material) -> None:
    found = material.outcome.cross_validation
    windows = len(material.dataset)
    assert found.table.pooled().sum() == 2 * windows  # of two trainings
    (drawing,) = [b for b in written["results"].flat if isinstance(b, Drawing) and b.name == "confusion"]
    counts = [int(n) for n in re.findall(r'font-weight="600">(\d+)<', drawing.svg)]
    # Two matrices of three by three: trained on, and out of fold.
    assert len(counts) == 18 and sum(counts[:9]) == sum(counts[9:]) == windows
    sizes = np.bincount(material.dataset.y).tolist()
    assert [sum(counts[9 + 3 * i : 12 + 3 * i]) for i in range(3)] == sizes
    wrong = sum(counts[9:]) - counts[9] - counts[13] - counts[17]
    assert f"out of fold: {wrong} of {windows} windows wrong" in drawing.says


def test_figures_are_those_of_the_card(written: dict[str, Section], material: Material) -> None:
    text = (material.winner.folder / CARD).read_text(encoding="utf-8")
    table = dict(re.findall(r"^\| ([a-zA-Z\d ]+?) +\| +(\d\.\d{3}) \|", text, re.M))
    rows = next(b for b in written["results"].flat if isinstance(b, Grid)).rows
    figures = {name: out_of_fold.split(" ")[0] for name, _, out_of_fold, *_ in rows}
    for name in ("macro F1", "accuracy", "macro precision"):
        assert figures[name] == table[name]
    for name in CLASSES:
        rates = re.search(rf"^\| {name} +\| +\d+ \| +\d+ \| (\d\.\d+) \(.*?\) \| (\d\.\d+) ", text, re.M)
        assert rates and (figures[f"sensitivity {name}"], figures[f"specificity {name}"]) == rates.groups()


def test_decisions_row_by_row_are_those_that_are_counted(material: Material) -> None:
    decided, found = material.outcome.decided, material.outcome.cross_validation
    counted = np.zeros((3, 3), int)
    for called in decided.called:
        np.add.at(counted, (decided.truth, called), 1)
    assert counted.tolist() == found.table.pooled().tolist()
    assert (decided.margins >= 0).all()


def test_each_class_has_its_curves(written: dict[str, Section], material: Material) -> None:
    for name in ("roc", "precision-recall"):
        lines = [t for t in chart(written["results"], name).figure.data if t.mode == "lines"]
        assert [t.name for t in lines if t.name in CLASSES] == [c for c in CLASSES for _ in range(2)]
    rates = material.winner.metrics["rates"]
    points = [t for t in chart(written["results"], "roc").figure.data if t.mode == "markers"]
    assert [t.y[0] for t in points] == [rates[f"sensitivity {name}"]["value"] for name in CLASSES]


def test_examples_are_right_and_wrong_as_said(written: dict[str, Section]) -> None:
    drawn = [b for b in written["failures"].flat if isinstance(b, Drawing)]
    kinds = set()
    for block in drawn:
        truth, called = re.search(r"is (N|AF|O) .*called (N|AF|O)<", block.svg).groups()
        assert (truth == called) == block.name.startswith("example-right")
        assert f"against {called}" in block.svg and f"{called} ahead by" in block.says
        kinds.add((truth, called))
    assert {(name, name) for name in CLASSES} <= kinds and len(kinds) > 3


def test_the_task_and_its_offsets(written: dict[str, Section], material: Material) -> None:
    said = words(written["task"])
    assert "N, AF or O" in said and "threshold" not in said
    offsets = (0.0, -0.25, 0.125)
    task = material.definition.task
    told = dict(kind.of(task).decision(task, {"offsets": offsets}))["offsets"]
    assert "N +0.000, AF -0.250 and O +0.125" in told
    assert "an offset below 0 is called more often" in kind.of(task).last_layer(task, {"offsets": offsets})
    figures = {**material.winner.metrics, "offsets": offsets}
    name, worth = kind.of(task).chosen(figures, task)
    assert name == "offsets" and f"{material.winner.metrics['value']:.3f}, the value to rely on" in worth


def test_classes_and_folds_add_up(written: dict[str, Section], material: Material) -> None:
    for name in ("data-subjects", "data-folds"):
        bars = {bar.name: sum(bar.x) for bar in chart(written["data"], name).figure.data}
        assert bars == dict(zip(CLASSES, np.bincount(material.dataset.y).tolist(), strict=True))
    assert "9 have N, 9 have AF and 9 have O" in words(written["data"])


def test_subjects_are_compared_by_accuracy(written: dict[str, Section], material: Material) -> None:
    worst = material.winner.metrics["subjects"][0]
    told = f"{worst['subject']}, has {worst['accuracy']:.3f}"
    assert told in next(b for b in written["carry_over"].flat if isinstance(b, Text)).text
    bars = chart(written["failures"], "subjects").figure.data[0]
    assert bars.x[0] == pytest.approx(worst["accuracy"])


def test_without_data_the_rest_is_there(three: Searched) -> None:
    material = Material(three.store(), three.study)
    material.__dict__["_opened"] = (None, "the data can't be opened any more: three.npz is gone")
    found = {section.anchor: section for section in compose(material)}
    why = [b.why for b in found["results"].flat if isinstance(b, Empty)]
    # The counts of pairs of classes lie in the export's file.
    assert not any("can't be counted" in w for w in why)
    assert not [b for b in found["carry_over"].flat if isinstance(b, Empty) and "three.npz" in b.why]
    facts = headline(material, datetime.datetime(2026, 1, 1)).facts
    assert facts[0][1] == f"{material.judged[material.best.number]:.3f}"


def test_a_matrix_of_any_size_has_its_right_decisions_on_the_diagonal() -> None:
    cells = np.arange(16).reshape(4, 4)
    names = ("a", "b", "c", "d")
    svg = matrix.confusions([("one", cells)], names, names)
    colours = re.findall(r'<rect [^>]*fill="(#\w+)"', svg)
    assert len(colours) == 16 and len(set(colours)) == 2
    assert [colours[5 * i] for i in range(4)] == [colours[0]] * 4 and colours.count(colours[0]) == 4


def test_the_dashboard_has_notes_of_three_classes(three: Searched, tmp_path: Path) -> None:
    store = three.store()
    overlay = Overlay(store, Shelf(tmp_path / "uploads"), tmp_path / "reports")
    (study,) = overlay.get_all_studies()
    said, (trial, *_) = overlay.study_note(study._study_id), store.trials(three.study)
    assert "or means over all classes where the task has none" in said and three.export.name in said
    note = overlay.trial_notes(study._study_id, [trial.number])[trial.number]
    cells = [f"{trial.result['metrics'][name]:.3f}" for name in FOUR]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in note.splitlines()]
    assert [f"{trial.value:.3f}", *cells] in rows
    store.close()


def test_a_kind_of_a_users_own_has_the_report_of_its_like(material: Material) -> None:
    task = material.definition.task
    assert kind.of(dataclasses.replace(task, kind="ordinal")) is kind.of(task)


@pytest.fixture(scope="module")
def index(three: Searched, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the study."""
    made = report.write(three.store(), three.study, tmp_path_factory.mktemp("report"), charts=False)
    assert len([file for file in made.figures if file.suffix == ".svg"]) > 10
    return made.index


@pytest.mark.parametrize(("width", "dark"), [(chromium.DESKTOP, False), (chromium.PHONE, True)])
def test_the_page_in_a_browser(browser: Browser, index: Path, width: int, dark: bool) -> None:
    with chromium.visit(browser, index.as_uri(), width=width, dark=dark) as seen:
        seen.walk()
        assert seen.page.locator("figure.chart").count() > 5
        seen.until(
            "[...document.querySelectorAll('.plot')].every(plot => plot.querySelector('.main-svg'))",
        )
        assert seen.overflow() == 0
        assert seen.troubles == []
        assert [url for url in seen.requests if not url.startswith(("file:", "data:", "blob:"))] == []
        background = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (background == "rgb(254, 254, 254)") is not dark, background
