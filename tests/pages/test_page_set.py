"""`atml data make pages`: sets that a seed repeats to the byte, whole or absent, of hearts or of records."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from atml.cli import reading_bar
from atml.cli.reading_bar import reading_shown
from atml.errors import DataError, InputError
from atml.page_sets.page_set import Asked, Made, make
from atml.page_sets.record_source import records
from atml.pages.condition_codes import labels
from atml.pages.conditions import CONDITIONS, conditions_of
from atml.pages.page_folder import truth
from atml.pages.twelve_leads import LEADS
from tests.terminal import run

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed here")
SMALL = (192, 256)


def sums(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(tmp_path_factory.mktemp("pages") / "set", Asked(hearts=3, pages=2, size=SMALL, seed=3))


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_set_holds_what_its_tables_say(made: Made) -> None:
    lines = table(made.folder)
    assert len(lines) == made.pages == 6 and made.subjects == 3
    assert [line["kind"] for line in lines] == ["clean", "scan", "scan", "mild", "mild", "photo"]
    for number, line in enumerate(lines):
        folder = made.folder / line["folder"]
        about = truth(folder).about
        assert line["subject"] == about["subject"] == f"s3h{number // 2:04d}"
        has = {name for name in CONDITIONS if line[name] == "1"}
        assert has == conditions_of(3, number // 2) and about["labels"] == {
            name: int(name in has) for name in CONDITIONS
        }
        for ending, mode in (
            ("dirty", "RGB"),
            ("label_wave", "L"),
            ("label_grid", "L"),
            ("label_other", "L"),
        ):
            with Image.open(folder / f"{folder.name}_{ending}.png") as picture:
                assert picture.size == SMALL[::-1] and picture.mode == mode
    with Image.open(made.folder / "contact_sheet.png") as sheet:
        assert sheet.size[0] == 4 * 336
    assert json.loads((made.folder / "set.json").read_text())["seed"] == 3


def test_the_truth_that_is_read_is_what_was_drawn(made: Made) -> None:
    for line in table(made.folder):
        found = truth(made.folder / line["folder"])
        about, signal = found.about, found.signal
        assert signal.shape == (12, about["sig_len"]) == (12, 5000) and about["fs"] == 500
        name = line["folder"]
        mask = np.asarray(Image.open(made.folder / name / f"{name}_label_wave.png"))
        hit = total = 0
        for place in about["leads"]:
            row = LEADS.index(place["lead"])
            assert np.isfinite(signal[row, place["start"] : place["stop"]]).all()
            at = np.arange(place["start"], place["stop"])
            scale = about["physical_params"]
            x = place["x"] + (at - place["start"]) / about["fs"] * scale["pixels_per_s"]
            y = place["y"] - signal[row, at] * scale["pixels_per_mv"]
            u, v = np.floor(found.geometry.to_picture(np.stack([x, y], 1))).astype(int).T
            for dx, dy in ((0, 0), (0, 1), (0, -1)):
                near = mask[np.clip(v + dy, 0, SMALL[0] - 1), np.clip(u + dx, 0, SMALL[1] - 1)]
                hit += int((near == about["lead_to_id_map"][place["lead"]]).sum())
            total += len(at)
        assert hit > 0.9 * total, (name, hit / total)
        limbs = {lead: signal[LEADS.index(lead)] for lead in LEADS[:3]}
        if about["layout_type"] in ("12x1", "6x2"):
            apart = np.abs(limbs["I"] + limbs["III"] - limbs["II"])
            assert np.nanmax(apart) < 1e-5


def test_a_seed_repeats_every_byte_and_more_hearts_change_none(made: Made, tmp_path: Path) -> None:
    again = make(tmp_path / "again", Asked(hearts=3, pages=2, size=SMALL, seed=3))
    first = sums(made.folder)
    assert sums(again.folder) == first
    fewer = sums(make(tmp_path / "fewer", Asked(hearts=1, pages=2, size=SMALL, seed=3)).folder)
    inner = {name: value for name, value in fewer.items() if "/" in name}
    assert inner and inner.items() <= first.items()
    other = make(tmp_path / "other", Asked(hearts=1, pages=1, size=SMALL, seed=4))
    drawn = {value for name, value in sums(other.folder).items() if name.endswith(("dirty.png", ".csv"))}
    assert len(drawn) == 3 and not drawn & set(first.values())
    people = [{folder.name.partition("_")[0] for folder in one.folder.glob("*_v*")} for one in (made, other)]
    assert people[1] and not people[0] & people[1], "other hearts have other names"


def test_a_set_is_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from atml.page_sets import page_set

    written = 0

    def full(*_: object) -> str:
        nonlocal written
        written += 1
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(page_set, "write", full)
    with pytest.raises(InputError, match="can't be written: No space left on device; name another folder"):
        make(tmp_path / "set", Asked(hearts=1, size=SMALL))
    assert written == 1 and list(tmp_path.iterdir()) == []
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("x")
    with pytest.raises(InputError, match="is there already and not empty"):
        make(tmp_path / "mine", Asked(hearts=1, size=SMALL))
    assert [p.name for p in tmp_path.rglob("*")] == ["mine", "file"]


def test_command(tmp_path: Path) -> None:
    words = (
        "--hearts",
        "2",
        "--pages",
        "1",
        "--kind",
        "clean, photo",
        "--layout",
        "6x2",
        "--size",
        "192x256",
    )
    done = run(tmp_path, "data", "make", "pages", "--out", "pages", *words)
    assert done.returncode == 0, done.stderr
    assert "pages: 2 pages of 2 subjects" in done.stdout and "contact_sheet.png" in done.stdout
    names = sorted(p.name for p in (tmp_path / "pages").iterdir() if p.is_dir())
    assert names == ["h0000_v00_6x2_clean", "h0001_v00_6x2_photo", "signals"]
    said = json.loads(run(tmp_path, "data", "make", "pages", "--out", "other", *words, "--json").stdout)
    assert said["pages"] == 2 and set(said["conditions"]) == set(CONDITIONS)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--kind", "sepia"), "--kind 'sepia' is not known; there are clean, scan, mild, photo"),
        (("--layout", "4x3"), "--layout '4x3' is not known; there are 3x4+1, 3x4, 6x2, 12x1"),
        (("--kind", ","), "--kind names none; there are clean"),
        (("--size", "512"), "must be height x width in pixels, such as 512x672"),
        (("--size", "512x4000"), "--size 512x4000 is no page"),
        (("--size", "100x120"), "--size 100x120 is no page"),
        (("--pages", "0"), "must be 1 or more"),
        (("--hearts", "0"), "must be 1 or more"),
        (("--records", "nowhere"), "--records nowhere is no folder"),
        (("--records", "."), "--records . holds no WFDB record"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    done = run(tmp_path, "data", "make", "pages", "--out", "pages", *words)
    assert done.returncode == 2 and said in done.stderr, done.stderr
    assert list(tmp_path.iterdir()) == [] and "Traceback" not in done.stderr


def test_a_missing_extra_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    done = run(tmp_path, "data", "make", "pages", "--out", "pages")
    assert done.returncode == 2 and "pip install 'atml[images]'" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_bar_says_that_pages_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(reading_bar, "SOON", 0.0)
    monkeypatch.setattr(reading_bar, "OFTEN", 0.0)
    monkeypatch.setattr(sys, "stderr", shown := Terminal())
    with reading_shown():
        make(tmp_path / "set", Asked(hearts=2, pages=1, kinds=("clean",), size=SMALL))
    assert "making set" in shown.getvalue() and "1 of 2 pages" in shown.getvalue()


def test_records_become_pages(real_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("wfdb", reason="wfdb is not installed here")
    source = real_data / "pages" / "record"
    if not source.is_dir():
        pytest.skip(f"no twelve-lead record at {source}")
    made = make(tmp_path / "set", Asked(records=source, pages=2, kinds=("scan",), size=SMALL))
    lines = table(made.folder)
    assert made.subjects == 1 and len(lines) == 2 and {line["subject"] for line in lines} == {"00001_lr"}
    assert {line[name] for line in lines for name in CONDITIONS} == {""}, "its header diagnoses nothing"
    import wfdb

    raw = wfdb.rdrecord(str(source / "00001_lr"))
    found = truth(made.folder / lines[0]["folder"]).signal
    shown = np.isfinite(found[1])
    again = np.interp(np.flatnonzero(shown) / 500, np.arange(1000) / 100, raw.p_signal[:, 1])
    assert np.corrcoef(again, found[1, shown])[0, 1] > 0.97


def test_records_that_cannot_be_drawn_are_named(tmp_path: Path) -> None:
    pytest.importorskip("wfdb", reason="wfdb is not installed here")
    source = tmp_path / "records"
    source.mkdir()

    def put(name: str, leads: tuple[str, ...], seconds: int, comments: list[str]) -> None:
        x = np.random.default_rng(0).normal(0, 300, (250 * seconds, len(leads))).astype("<i2")
        (source / f"{name}.dat").write_bytes(x.tobytes())
        lines = [f"{name} {len(leads)} 250 {len(x)}"]
        lines += [f"{name}.dat 16 1000/mV 16 0 {x[0, i]} 0 0 {lead}" for i, lead in enumerate(leads)]
        lines += [f"# {comment}" for comment in comments]
        (source / f"{name}.hea").write_text("\n".join(lines) + "\n")

    put("short", LEADS, 9, [])
    put("limbs", LEADS[:6], 12, [])
    with pytest.raises(DataError, match=r"holds no record that can be drawn: limbs\.hea: has no lead V1"):
        make(tmp_path / "set", Asked(records=source, pages=1, size=SMALL))
    put("whole", tuple(reversed([lead.upper() for lead in LEADS])), 12, ["Dx: 164889003,59118001"])
    made = make(tmp_path / "set", Asked(records=source, pages=1, kinds=("clean",), size=SMALL))
    assert made.subjects == 1 and len(made.left_out) == 2
    assert made.left_out[1].startswith("short") and "9 s long; a page needs 10 s" in made.left_out[1]
    (line,) = table(made.folder)
    assert (line["AF"], line["RBBB"], line["PVC"], line["STE_ANT"]) == ("1", "1", "0", "")
    assert [one.labels["AF"] for one in records(source)] == [None, None, 1]
    assert labels([])["AF"] == 0
