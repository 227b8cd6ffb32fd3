"""Sets of pages whose signals are known, in the formats of others, are opened as those made here."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from atml.errors import DataError
from atml.pages.page_folder import signal_table, truth
from atml.pages.twelve_leads import LEADS
from atml.paper.page_data import open_pages
from atml.paper.page_sources import MadePage, PictureOfSignals, SimulatedPage, sources
from atml.paper.page_truth import PRINT, Pages, opened, read
from atml.task_files import find
from tests.paper.conftest import SIZE

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed here")


@pytest.fixture(scope="module")
def kaggle(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean page and a photograph of one record, at 250 Hz, as the contest has them."""
    folder = tmp_path_factory.mktemp("kaggle") / "contest"
    (folder / "train" / "7").mkdir(parents=True)
    (folder / "train.csv").write_text("id,fs,sig_len\n7,250,2500\n")
    clean = next(one for one in sorted(root.glob("*_v*")) if one.name.endswith("_clean"))
    signal = truth(clean).signal[:, ::2]
    head = ",".join(LEADS)
    (folder / "train" / "7" / "7.csv").write_text(head + "\n" + signal_table(signal).split("\n", 1)[1])
    shutil.copy(clean / f"{clean.name}_dirty.png", folder / "train" / "7" / "7-0001.png")
    # A picture on which nothing can be found has its signals all the same.
    Image.new("RGB", (700, 500), (250, 250, 250)).save(folder / "train" / "7" / "7-0005.png")
    return folder


@pytest.fixture(scope="module")
def simulated(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first two pages as a simulator writes them: masks, and nothing of where leads lie."""
    folder = tmp_path_factory.mktemp("simulated") / "simulator"
    for page in sorted(root.glob("*_v*"))[:2]:
        shutil.copytree(page, folder / page.name)
        file = folder / page.name / f"{page.name}_metadata.json"
        about = json.loads(file.read_text())
        for name in ("leads", "signals", "plane_transform", "displacement", "degradations", "subject"):
            del about[name]
        about["geometric_transform"] = None
        about["lead_to_id_map"] = {lead: 13 - number for lead, number in about["lead_to_id_map"].items()}
        file.write_text(json.dumps(about))
        mask = folder / page.name / f"{page.name}_label_wave.png"
        wave = np.asarray(Image.open(mask))
        Image.fromarray(np.where(wave > 0, 13 - wave, 0).astype(np.uint8)).save(mask)
        whole = np.nan_to_num(truth(page).signal, nan=0.25)  # what is not drawn is in the table too
        table = signal_table(whole)
        (folder / f"{page.name[:11]}.csv").write_text(",".join(LEADS) + "\n" + table.split("\n", 1)[1])
    return folder


def near(found: Pages, there: Pages, row: int, other: int) -> None:
    """Two ways to know a page agree: mean rows to a pixel, the grid's phase to a quarter of a mm."""
    centre = np.abs(found.centre[row] - there.centre[other])
    assert np.isfinite(centre).mean() > 0.95 * np.isfinite(there.centre[other]).mean()
    assert np.nanpercentile(centre, 90) < 1.0
    inner = np.s_[:, 10:-10, 10:-10]
    away = (found.place[row][inner] - there.place[other][inner] + 2.5) % 5 - 2.5
    assert np.percentile(np.abs(away), 90) < 0.4
    inked = (there.who[other] > 0) & (there.who[other] != PRINT)
    assert (found.who[row] == there.who[other])[inked].mean() > 0.6
    assert np.allclose(found.scale[row], there.scale[other])


def test_a_contest_page_is_known_where_its_traces_fit(kaggle: Path, pages: Pages) -> None:
    found = read(sources(kaggle), SIZE, both=True)
    assert found.name.tolist() == ["7-0001", "7-0005", "7-0001"] and found.subject.tolist() == ["7"] * 3
    assert found.kind.tolist()[:2] == ["clean", "photo of a print"]
    assert found.known.tolist() == [True, False, True] and found.flat.tolist() == [False, False, True]
    near(found, pages, 0, 0)
    assert np.nanmax(np.abs(found.signal[0] - pages.signal[0])) < 0.6  # resampled from 250 Hz
    # Of the other only the signals are there, to be judged by.
    assert np.array_equal(found.signal[0], found.signal[1], equal_nan=True)
    assert np.isnan(found.centre[1]).all() and found.rgb[1].min() > 240


def test_a_simulated_page_is_known_by_its_masks(simulated: Path, pages: Pages) -> None:
    one, two = sources(simulated)
    assert isinstance(one, SimulatedPage) and isinstance(two, SimulatedPage)
    found = read([one, two], SIZE)
    assert found.known.all() and found.kind.tolist() == ["clean", "photo"]
    assert found.subject.tolist() == ["s5h0000"] * 2
    for row in (0, 1):
        near(found, pages, row, row)
        # What the page does not show is no part of its signals, whatever the table has.
        assert np.array_equal(np.isfinite(found.signal[row]), np.isfinite(pages.signal[row]))


def test_headers_that_name_pictures(root: Path, pages: Pages, tmp_path: Path) -> None:
    pytest.importorskip("wfdb", reason="the package wfdb is not installed here")
    page = sorted(root.glob("*_v*"))[0]
    shutil.copy(page / f"{page.name}_dirty.png", tmp_path / "00001-0.png")
    values = np.nan_to_num(np.round(truth(page).signal * 1000), nan=-32768).astype("<i2")
    (tmp_path / "00001.dat").write_bytes(values.T.tobytes())
    lines = ["00001 12 500 5000", *(f"00001.dat 16 1000/mV 16 0 0 0 0 {lead}" for lead in LEADS)]
    (tmp_path / "00001.hea").write_text("\n".join([*lines, "# Image: 00001-0.png", ""]))
    (source,) = sources(tmp_path)
    assert (source.name, source.subject) == ("00001/00001-0", "00001")
    assert isinstance(source, PictureOfSignals) and source.picture == tmp_path / "00001-0.png"
    signal, rate = source.signal()
    assert rate == 500 and np.nanmax(np.abs(signal - pages.signal[0])) < 1e-3
    assert np.array_equal(np.isfinite(signal), np.isfinite(pages.signal[0]))


def test_several_sets_go_together(root: Path, kaggle: Path, tmp_path: Path) -> None:
    blank = tmp_path / "contest"
    shutil.copytree(kaggle, blank)
    (blank / "train" / "7" / "7-0001.png").unlink()
    task = find("paper").task
    data = open_pages([root, blank], task, cache=tmp_path)
    assert data.name == "set+contest" and len(data) == 5
    assert sorted(set(data.subject.tolist())) == ["contest/7", "set/s5h0000", "set/s5h0001"]
    assert data.notes[-1].startswith("1 of 5 pages are judged and not learned from")
    pages, rows = data.to_train_on(np.arange(5), SIZE)
    assert len(rows) == 6 and "contest/7-0005" not in pages.name[rows].tolist()
    with pytest.raises(DataError, match="two sets are called 'set'"):
        open_pages([root, root], task, cache=tmp_path)
    # Nothing can be learned from the blank picture alone; it can be judged.
    with pytest.raises(DataError, match="on none of 1 page is it known where the leads lie"):
        open_pages([blank], task, cache=tmp_path)
    assert len(opened(blank, SIZE, tmp_path)) == 1


def test_what_lacks_something_is_one_line(simulated: Path, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    shutil.copytree(simulated, folder)
    page = min(one for one in folder.glob("*_v*") if one.is_dir())
    file = page / f"{page.name}_metadata.json"
    about = json.loads(file.read_text())
    for change, why in (
        ({"layout_type": "2x6"}, "layout_type '2x6' is not known; there are 3x4"),
        ({"physical_params": {}}, "has no speed: write physical_params.paper_speed_mm_s"),
        ({"fs": None}, "has no rate: write fs in Hz"),
    ):
        file.write_text(json.dumps(about | change))
        with pytest.raises(DataError, match=why):
            sources(folder)
    file.write_text(json.dumps(about))
    (folder / f"{page.name[:11]}.csv").unlink()
    with pytest.raises(DataError, match=r"has no signals of page .*: give a table of 12 columns in mV"):
        sources(folder)[0].load()
    (tmp_path / "bare").mkdir()
    shutil.copy(page / f"{page.name}_dirty.png", tmp_path / "bare" / "a.png")
    with pytest.raises(DataError, match="holds pictures and none of their signals"):
        sources(tmp_path / "bare")


def test_made_pages_are_read_as_ever(root: Path) -> None:
    found = sources(root)
    assert all(isinstance(one, MadePage) for one in found) and all(one.known for one in found)
    with (root / "labels.csv").open() as table:
        assert {one.subject for one in found} == {line["subject"] for line in csv.DictReader(table)}
