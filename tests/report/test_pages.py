"""A study of pages with several labels, searched, exported and scored for real, in every part of a report."""

from __future__ import annotations

import datetime
import json
import re
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from atml import report
from atml.artifacts.model import CARD
from atml.dashboard.artifact_store import Shelf
from atml.dashboard.read_only_storage import Overlay
from atml.report import compose, kind, page, page_pictures, page_saliency
from atml.report.headline import headline
from atml.report.material import Material
from atml.report.page import Drawing, Empty, Grid, Section, Windows
from atml.report.page_preparation import resized
from tests import browser as chromium
from tests.report import made_pages
from tests.report.conftest import Searched
from tests.report.test_sections import chart, words
from tests.terminal import run

if TYPE_CHECKING:
    from playwright.sync_api import Browser

LABELS = made_pages.LABELS
NOW = datetime.datetime(2026, 3, 2)


@pytest.fixture(scope="module")
def material(pages: Searched) -> Material:
    return Material(pages.store(), pages.study)


@pytest.fixture(scope="module")
def written(material: Material) -> dict[str, Section]:
    return {section.anchor: section for section in compose(material)}


def grids(section: Section) -> list[Grid]:
    return [block for block in section.flat if isinstance(block, Grid)]


def test_every_part_is_written_of_pages(written: dict[str, Section]) -> None:
    assert len(written) == len(report.SECTIONS) - 1 and "beats" not in written
    figures = list(page.figures(list(written.values())))
    assert all(len(figure.says) > 30 and figure.says[-1] == "." for figure in figures)
    names = {figure.name for figure in figures}
    assert {"roc", "precision-recall", "calibration", "subjects", "carry-over", "prepared-after"} <= names
    assert "confusion" not in names, "labels do not exclude each other"
    for name, section in written.items():
        said = words(section).lower()
        assert "nan" not in said.split() and "positive class" not in said, name
        assert " hz" not in said and "softmax" not in said, name
        assert not re.search(r"\bwindows?\b", said), (name, re.findall(r".{40}\bwindows?\b.{20}", said))


def test_the_table_by_label_is_that_of_the_card(written: dict[str, Section], material: Material) -> None:
    text = (material.winner.folder / CARD).read_text(encoding="utf-8")
    table = grids(written["results"])[0]
    assert table.columns[:4] == ("label", "pages", "subjects", "F1")
    for row, name in zip(table.rows, LABELS, strict=True):
        cells = re.search(rf"^\| {name} +\| +(\d+) \| +(\d+) \| (\S+) .*?\| (\S+) .*?\| (\S+) ", text, re.M)
        pages, people, sensitivity, specificity, f1 = cells.groups()
        shown = [cell.split(" ")[0] for cell in row]
        assert shown[:6] == [name, pages, people, f1, sensitivity, specificity]


def test_counts_of_labels_add_up(written: dict[str, Section], material: Material) -> None:
    table = grids(written["results"])[1]
    pages = len(material.dataset)
    for row in table.rows:
        if row[1] in ("trained on", "out of fold"):
            assert sum(map(int, row[2:6])) == pages, row
    assert {row[1] for row in table.rows} >= {"trained on", "out of fold"}


def test_accuracy_stands_beside_calling_nothing(written: dict[str, Section], material: Material) -> None:
    rows = {row[0]: row for row in grids(written["results"])[2].rows}
    nothing = rows["binary accuracy of calling nothing"]
    wanted = 1 - np.mean([name in made_pages.labels(heart) for heart in range(12) for name in LABELS])
    assert nothing[1] == f"{wanted:.3f}" and nothing[2].startswith(nothing[1])
    assert "-" not in nothing, "test data too"
    tiles = {name: value for name, value, _ in headline(material, NOW).facts}
    assert tiles["Accuracy of calling nothing"] == nothing[1] and "Macro F1" in tiles


def test_each_label_has_its_curve_by_its_own_logit(written: dict[str, Section], material: Material) -> None:
    lines = [t for t in chart(written["results"], "roc").figure.data if t.mode == "lines"]
    assert {t.name for t in lines if t.name != "chance"} == set(LABELS)
    rates = material.winner.metrics["rates"]
    points = [t for t in chart(written["results"], "roc").figure.data if t.mode == "markers"]
    assert [t.y[0] for t in points] == [rates[f"sensitivity {name}"]["value"] for name in LABELS]
    assert "sigmoid" in words(written["results"])


def test_decisions_one_by_one_are_those_that_are_counted(material: Material) -> None:
    decided, found = material.outcome.decided, material.outcome.cross_validation
    assert len(decided.rows) == 3 * len(material.dataset)
    cells = np.zeros((3, 2, 2), int)
    for called in decided.called:
        np.add.at(cells, (called // 2, decided.truth % 2, called % 2), 1)
    assert cells.tolist() == found.table.pooled().tolist()


def test_pages_are_shown_where_signals_are_drawn(written: dict[str, Section]) -> None:
    for name in ("data", "preparation", "failures"):
        shown = [b for b in written[name].flat if isinstance(b, Drawing) and "<image" in b.svg]
        assert shown, name
    (browser,) = [b for b in written["failures"].flat if isinstance(b, Windows)] or [None]
    if browser is not None:
        assert len(browser.picture) == len(browser.rows) and max(browser.picture) < len(browser.pictures)
    example = next(b for b in written["failures"].flat if isinstance(b, Drawing))
    assert re.search(r"(miss|false alarm|hit): out of fold logits? ", example.says)


def test_what_a_paper_lists_of_a_training(written: dict[str, Section], material: Material) -> None:
    rows = dict(next(g for g in grids(written["parameters"]) if g.columns[0] == "what").rows)
    assert {"trainable parameters", "fixed parameters", "epochs", "time an epoch", "training time"} <= set(
        rows
    )
    assert {"preparation time", "device", "optimiser", "batch", "train", "validation", "test"} <= set(rows)
    assert rows["trainable parameters"].startswith(f"{material.best.cost.parameters:,}, 0.00")
    assert rows["epochs"].startswith("4.0: 12 steps, 3.0 an epoch of 24 pages")
    assert "by rule labels" in rows["test"]


def test_no_board_for_pages(written: dict[str, Section]) -> None:
    (said,) = written["device"].flat
    assert isinstance(said, Empty) and "onnxruntime" in said.why


def test_without_data_the_rest_is_there(pages: Searched) -> None:
    material = Material(pages.store(), pages.study)
    pages.data.rename(pages.data.with_suffix(".gone"))
    try:
        sections = compose(material)
    finally:
        pages.data.with_suffix(".gone").rename(pages.data)
    assert "Each label out of fold" in words(sections[0])


def test_a_picture_is_a_png_of_its_size() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (3, 5, 7)).astype(np.uint8)
    data = page_pictures.png(rgb)
    width, height, depth, colour = struct.unpack(">IIBB", data[16:26])
    assert (width, height, depth, colour) == (7, 5, 8, 2)
    at = data.index(b"IDAT") + 4
    lines = np.frombuffer(zlib.decompress(data[at:-12]), np.uint8).reshape(5, 22)
    assert (lines[:, 0] == 0).all()
    shown = lines[:, 1:].reshape(5, 7, 3).astype(int)
    assert np.abs(shown - np.moveaxis(rgb, 0, -1)).max() <= 16


def test_views_are_resized_by_areas() -> None:
    x = np.zeros((3, 6, 6))
    x[:, :, :3] = 9.0
    found = resized(x, (2, 4))
    assert found[0].tolist() == [[9.0, 9.0, 0.0, 0.0]] * 2 and resized(x, (4, 4)).mean() == x.mean()


def test_saliency_lies_where_the_label_is(material: Material) -> None:
    exported, _ = material.outcome.exported
    x = np.array(material.dataset.x[0])
    own, found = page_saliency.saliency(exported, x, 1)
    assert np.isfinite(found).all() and found.shape[0] >= 2
    blank = np.full_like(x, 255)
    assert page_saliency.saliency(exported, blank, 1)[1] == pytest.approx(np.zeros_like(found), abs=1e-5)
    assert np.isfinite(own)


def test_thresholds_in_words(material: Material) -> None:
    task, offsets = material.definition.task, (0.0, -0.25, 0.125)
    told = dict(kind.of(task).decision(task, {"offsets": offsets}))["thresholds"]
    assert "AF +0.000, PVC -0.250 and RBBB +0.125" in told
    assert "a threshold below 0 is called more often" in " ".join(
        kind.of(task).last_layer(task, {"offsets": offsets}).split()
    )


def test_every_command_knows_pages(pages: Searched, tmp_path: Path) -> None:
    told = ["--storage", pages.url]
    said = run(tmp_path, "best", pages.study, *told)
    words_of = " ".join(said.stdout.split())
    assert said.returncode == 0 and "page_plain" in words_of, said.stderr
    assert "accuracy of calling nothing" in words_of and "MACs a page" in words_of, words_of
    said = run(tmp_path, "status", pages.study, *told)
    assert said.returncode == 0 and "balanced accuracy" in said.stdout, said
    said = run(tmp_path, "device", "estimate", pages.export, "--board", "l432kc", *told)
    assert said.returncode == 2 and "pictures" in said.stderr and "Traceback" not in said.stderr
    said = run(tmp_path, "annotate", pages.export, pages.data)
    assert said.returncode == 2 and "decides on pictures" in said.stderr


def test_scores_of_pages(pages: Searched) -> None:
    (file,) = (pages.export / "scores").glob("*.json")
    found = json.loads(file.read_text(encoding="utf-8"))
    assert found["rule"] == "labels" and found["segments"] == 16 and found["people"] == 8
    assert [row["label"] for row in found["labels"]] == list(LABELS)
    assert {"F1", "always_no", "prior"} <= set(found["intervals"])
    assert not any("tie" in note or "flat" in note or "time to decision" in note for note in found["notes"])


def test_the_dashboard_says_pages(pages: Searched, tmp_path: Path) -> None:
    store = pages.store()
    overlay = Overlay(store, Shelf(tmp_path / "uploads"), tmp_path / "reports")
    (study,) = overlay.get_all_studies()
    said = overlay.study_note(study._study_id)
    assert ": pages, 2 folds by subject" in said and "windows of" not in said
    note = overlay.trial_notes(study._study_id, [0])[0]
    assert "MACs a page" in note and "MACs a window" not in note
    store.close()


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_on_a_phone(
    material: Material, written: dict[str, Section], tmp_path: Path, dark: bool, browser: Browser
) -> None:
    from atml.report import writing

    file = tmp_path / "index.html"
    file.write_text(writing.html(headline(material, NOW), list(written.values())), encoding="utf-8")
    with chromium.visit(browser, file.as_uri(), width=390, dark=dark) as seen:
        seen.walk()
        assert seen.overflow() == 0 and seen.troubles == []
        assert not [request for request in seen.requests if request.startswith("http")]
        wrong = "[...document.images].filter((one) => !one.complete || !one.naturalWidth).length"
        assert seen.page.evaluate(wrong) == 0
