"""A study of single beats in a report: counted by patient, drawn, and judged over whole recordings."""

from __future__ import annotations

import dataclasses
import datetime
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from atml import report, task_files
from atml.artifacts.model import CARD
from atml.data.cases import WHOLE
from atml.errors import DataError
from atml.library.prediction import predict
from atml.report import beat_charts, beat_counts, compose
from atml.report.beat_places import BeatPlaces
from atml.report.headline import headline, use
from atml.report.material import Material
from atml.report.page import Block, Chart, Drawing, Grid, Section, Windows, flat
from atml.report.tested_beats import beat_by_beat
from atml.searching.verdict import evaluations
from tests import browser as chromium
from tests import untrained
from tests.report.test_sections import words
from tests.scoring.exported import score

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SVG = "{http://www.w3.org/2000/svg}"


def made(where: Path) -> Material:
    """A study of short synthetic recordings, its winner exported and scored on other people."""
    plan = untrained.plan(where, "beats", trials=1)
    trial = untrained.add(plan, 2.0, origin="default", units=4, cell="gru", pool="attention")
    finals = untrained.finals(plan, unqualified=True)
    untrained.repeat(finals, {trial.number: 2.0})
    untrained.export(finals)
    found = Material(plan.store, "s")
    assert found.winner is not None
    test = untrained.recordings(where / "test_data", "beats", people=3, split="test")
    definition = task_files.find("beats")
    score(found.winner.folder, test, rule="ec57", options={"learning": 0.0}, label=definition.label)
    return Material(plan.store, "s")


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return made(tmp_path_factory.mktemp("beats"))


@pytest.fixture(scope="module")
def written(material: Material) -> dict[str, Section]:
    return {section.anchor: section for section in compose(material)}


def grids(blocks: Section | list[Block]) -> dict[str, Grid]:
    """Tables by the name of their first column."""
    every = blocks.flat if isinstance(blocks, Section) else list(flat(blocks))
    return {block.columns[0]: block for block in every if isinstance(block, Grid)}


def test_places_are_those_of_the_rows(material: Material) -> None:
    plan, places = material.plan, material.places
    assert plan is not None and places is not None
    assert places.record.tolist() == plan.dataset.record.tolist()
    assert (np.diff(places.seconds[places.record == "train0"]) > 0.2).all()
    near = places.near(5, 2.3, 1.2)
    assert 5 in near and near == sorted(near) and len(near) >= 3
    away = [places.seconds[row] - places.seconds[5] for row in near]
    assert min(away) >= -2.3 and max(away) <= 1.2


def test_beats_of_different_recordings_are_no_neighbours() -> None:
    places = BeatPlaces.of(np.array(["a at 0:01.00", "b at 0:01.10", "a at 0:01.90", "a at 1:00:00.50"]))
    assert places.near(0, 5, 5) == [0, 2] and places.near(1, 5, 5) == [1] and places.near(3, 5, 5) == [3]
    assert places.seconds[3] == 3600.5


def test_matrix_figures_and_patients_agree_with_the_predictions(
    material: Material, written: dict[str, Section]
) -> None:
    tables = grids(written["beats"])
    found = material.outcome.decided
    assert found is not None and material.dataset is not None
    runs = len(found.called)
    counts = np.zeros((3, 3))
    for called in found.called:
        np.add.at(counts, (found.truth, called), 1 / runs)
    rows = [[float(cell.replace(",", "")) for cell in row[1:4]] for row in tables["truly"].rows[:3]]
    assert rows == pytest.approx(counts, abs=0.06)
    assert [row[0] for row in tables["truly"].rows] == ["N", "SVEB (S)", "VEB (V)", "called in all"]
    gross = {row[0]: [float(cell.split(" ")[0]) for cell in row[1:]] for row in tables["class"].rows}
    assert gross["VEB (V)"][0] == pytest.approx(100 * counts[2, 2] / counts[2].sum(), abs=0.01)
    assert gross["VEB (V)"][2] == pytest.approx(100 * counts[2, 2] / counts[:, 2].sum(), abs=0.01)
    people = tables["patient"].rows
    wrong = [float(row[2].replace(",", "")) for row in people]
    assert wrong == sorted(wrong, reverse=True)
    assert sum(wrong) == pytest.approx(counts.sum() - counts.trace(), abs=0.5)
    assert tables["patient"].columns[3:] == ("VEB", "VEB Se", "VEB +P", "SVEB", "SVEB Se", "SVEB +P")
    whose = material.dataset.subject[found.rows] == people[0][0]
    is_v, said_v = found.truth[whose] == 2, found.called[:, whose] == 2
    assert float(people[0][4]) == pytest.approx(100 * said_v[:, is_v].mean(), abs=0.01)
    mean = [float(row[4]) for row in people if row[4] != "-"]
    assert gross["VEB (V)"][1] == pytest.approx(np.mean(mean), abs=0.02)


def test_figures_that_are_not_defined_are_dashes() -> None:
    cells = np.array([[[5, 0, 1], [0, 0, 0], [0, 0, 0]], [[3, 0, 0], [0, 0, 0], [2, 0, 0]]])
    people = beat_counts.patients(np.array(["a", "b"]), cells, 1)
    assert [one.name for one in people] == ["b", "a"], "most wrong first"
    assert people[0].rate("+P", 2) is None and people[1].rate("Se", 2) is None
    assert people[1].rate("+P", 2) == 0
    gross, average = beat_counts.gross(cells), beat_counts.average(cells)
    assert gross[1] == average[1] == {"Se": None, "+P": None}
    assert gross[2]["Se"].value == 0 and average[0]["Se"].value == pytest.approx((5 / 6 + 1) / 2)
    assert [one.name for one in beat_charts.concerned(people, 2)] == ["b", "a"]
    assert beat_charts.concerned(people, 1) == []


def test_the_chart_has_who_is_found_missed_and_false(written: dict[str, Section]) -> None:
    (chart,) = [block for block in written["beats"].flat if isinstance(block, Chart)]
    table = {row[0]: row for row in grids(written["beats"])["patient"].rows}
    bars = chart.figure.data
    assert [bar.name for bar in bars] == ["found", "missed", "false"] * 2
    for name, found, missed in zip(bars[0].y, bars[0].x, bars[1].x, strict=True):
        assert found + missed == pytest.approx(float(table[name][3]), abs=0.06)
    assert "patients have VEB" in chart.says and "patients have SVEB" in chart.says


def test_what_the_figures_are_of_is_said(material: Material, written: dict[str, Section]) -> None:
    said = words(written["beats"])
    assert WHOLE in said and f"atml score {material.winner.folder} --data SET --rule ec57" in said
    assert "The test data were judged so" in said


def test_wrong_beats_are_drawn_by_kind_of_error(material: Material, written: dict[str, Section]) -> None:
    drawn = {b.name: b for b in written["failures"].flat if isinstance(b, Drawing)}
    found = material.outcome.decided
    assert found is not None and material.dataset is not None and material.plan is not None
    alike = (found.called == found.called[0]).all(axis=0)
    kinds = {}
    for truth, called in ((truth, called) for truth in range(3) for called in range(3) if truth != called):
        rows = found.rows[alike & (found.truth == truth) & (found.called[0] == called)]
        if len(rows):
            kinds[f"beats-{'NSV'[truth]}-called-{'NSV'[called]}"] = material.dataset.subject[rows]
    assert len(kinds) > 2 and {name for name in drawn if "-called-" in name} == set(kinds)
    for name, people in kinds.items():
        assert f": {len(people):,} of " in drawn[name].says
        texts = [node.text or "" for node in ET.fromstring(drawn[name].svg).iter(f"{SVG}text")]
        titles = [text for text in texts if text.startswith("Patient ")]
        assert len(titles) == min(3, len(people))
        assert len({title.split(" at ")[0] for title in titles}) == min(3, len(set(people)))
        assert all(re.search(r" at \d:\d\d\.\d\d: . called .$", title) for title in titles)
        assert sum("\N{RIGHTWARDS ARROW}" in text for text in texts) >= len(titles)
        assert any("purple lane" in text for text in texts)
    assert "beats-V-right" in drawn
    said = words(written["failures"])
    assert "How its margin" not in said and "The purple lane is attention" in said
    (listed,) = [b for b in written["failures"].flat if isinstance(b, Windows)]
    assert listed.what == "beats" and listed.columns[1] == "symbol" and len(listed.places) == len(listed.rows)
    assert listed.mark == pytest.approx((438 - 1 - 150) / 125)
    row = listed.rows[0][0]
    assert listed.places[0].startswith(f"{row[0]} at ")


def test_the_strip_is_of_the_beat_that_it_names(material: Material, written: dict[str, Section]) -> None:
    """The name above the mark is that of the beat in question, at its place."""
    drawn = next(b for b in written["failures"].flat if isinstance(b, Drawing) and "-called-" in b.name)
    _, truth, _, called = drawn.name.split("-")
    symbol = {"S": "A"}.get(truth, truth)
    root = ET.fromstring(drawn.svg)
    marks = [n.get("d") or "" for n in root.iter(f"{SVG}path") if n.get("stroke-width") == "2"]
    at = {float(re.match(r"M([\d.]+) ", mark)[1]) for mark in marks}  # type: ignore[index]
    assert len(at) == 1
    above = [n for n in root.iter(f"{SVG}text") if abs(float(n.get("x") or 0) - min(at)) < 0.3]
    assert [n.text for n in above if n.get("font-weight")] == [f"{symbol}\N{RIGHTWARDS ARROW}{called}"] * len(
        marks
    )


def test_test_data_judged_beat_by_beat(material: Material, written: dict[str, Section]) -> None:
    (one,) = material.winner.scores.values()
    tables = grids(written["results"])
    figures = {row[0]: row[1] for row in tables["figure, %"].rows}
    assert figures["VEB Se"].startswith(f"{100 * one['VEB Se']:.2f} (")
    says = tables["figure, %"].says
    assert says.startswith("Non-standard. ") and "learning period 0 s, not 300 s" in says
    assert "as atml's detector finds them" in says
    assert [row[0] for row in tables["reference"].rows] == ["N", "S", "V", "F", "Q", "O", "X"]
    assert int(tables["reference"].rows[0][1].replace(",", "")) == one["matrix"][0]["N"]
    wrong = [int(row[1].replace(",", "")) for row in tables["record"].rows]
    assert len(wrong) == 3 and wrong == sorted(wrong, reverse=True)
    assert [row[0] for row in tables["e and j as N"].rows] == ["gross", "average"]


def test_beats_of_the_reference_and_the_standard_are_told(material: Material) -> None:
    (one,) = material.winner.scores.values()
    other = {**one, "beats": "reference", "options": {"learning": 300.0, "window": 0.15}}
    (figures,) = [b for b in beat_by_beat("Said.", other) if isinstance(b, Grid) and "gross" in b.columns]
    assert "which no device has" in figures.says and "tandard" not in figures.says


def test_the_verdict_leads_with_ectopic_beats(material: Material) -> None:
    (found,) = evaluations(material.winner.folder)
    assert next(iter(found.headline)) == found.name == "VEB Se" and "QRS Se" not in found.headline
    assert str(found).startswith("VEB Se ")
    head = headline(material, datetime.datetime(2026, 1, 1))
    assert "VEB Se on test data" in [name for name, _, _ in head.facts]
    assert use("exports/s/1", task_files.find("beats").task) == "atml annotate exports/s/1 RECORD"


NOT_OF_BEATS = re.compile(
    r"\brhythms?\b|windows? (are|is) decided|segments?|adjacent|named rhythm|misjudged window"
)


def test_no_words_of_other_tasks(material: Material, written: dict[str, Section]) -> None:
    for name in ("results", "beats", "failures", "data", "task", "limits"):
        found = NOT_OF_BEATS.search(words(written[name]))
        assert found is None, (name, found)
    card = (material.winner.folder / CARD).read_text(encoding="utf-8")
    assert not re.search(r"(?i)rhythm|adjacent|segments", card)
    assert "the class of a beat from 3.504 s of ECG round it, 1.2 s of them after it" in card
    assert WHOLE in card and "## By symbol" in card and "Beats by true class" in card
    said = words(written["data"])
    assert "each with 3.504 s of ECG round it" in said and " in all, from" not in said
    assert "seconds" not in grids(written["data"])["symbol"].columns


def test_a_pool_without_weights_is_said(material: Material) -> None:
    found, exported = Material(material.store, "s"), material.outcome.exported[0]
    assert exported is not None
    other = dataclasses.replace(exported, config=dataclasses.replace(exported.config, pool="mean"))
    found.outcome.__dict__["exported"] = (other, "")
    said = words(report.section("failures", found))
    assert "No attention can be drawn: its pool is 'mean'" in said and "purple lane" not in said


def test_recordings_are_not_cut_into_adjacent_windows(material: Material, tmp_path: Path) -> None:
    import atml

    model = atml.load(material.winner.folder)
    x = np.random.default_rng(0).normal(size=438 * 3).astype(np.float32)
    for call in (model.predict, model.logits, model.predict_recording, model.decide_recording, model.plot):
        with pytest.raises(DataError, match=r"about single beats.*`atml annotate EXPORT RECORD`"):
            call(x)
    np.save(tmp_path / "one.npy", x)
    with pytest.raises(DataError, match="atml annotate"):
        predict(model, tmp_path / "one.npy")
    assert model.predict(x.reshape(3, 1, 438)).shape == (3,), "windows given by hand are decided"


@pytest.fixture(scope="module")
def index(material: Material, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the study."""
    return report.write(material.store, "s", tmp_path_factory.mktemp("report"), charts=False).index


@pytest.mark.parametrize(("width", "dark"), [(chromium.DESKTOP, False), (390, True)])
def test_the_page_in_a_browser(browser: Browser, index: Path, width: int, dark: bool) -> None:
    with chromium.visit(browser, index.as_uri(), width=width, dark=dark) as seen:
        seen.page.locator("#beats .plot").scroll_into_view_if_needed()
        seen.until(
            "[...document.querySelectorAll('#beats .plot')].every(plot => plot.querySelector('.main-svg'))",
        )
        assert seen.overflow() == 0
        assert seen.troubles == []
        assert "beats, 6 shown" in seen.page.inner_text(".windows")
        assert re.match(r"train\d at \d:\d\d", seen.page.inner_text(".windows figcaption"))
