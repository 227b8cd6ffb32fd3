"""`atml digitize` and `atml.digitize`: what is written, what is refused, and that other readers take it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import atml
from atml.digitising.record_files import MISSING, write_record
from atml.errors import DataError
from atml.pages.twelve_leads import LEADS
from tests.digitising.conftest import Made
from tests.terminal import run


def test_the_command_writes_all_of_it(clean: Made, tmp_path: Path) -> None:
    wfdb = pytest.importorskip("wfdb", reason="the package wfdb is not installed here")
    picture = clean.save(tmp_path / "my page.png")
    (tmp_path / "no picture.png").write_bytes(b"nothing")
    done = run(tmp_path, "digitize", str(picture), "no picture.png", "--out", "OUT")
    assert done.returncode == 0, done.stderr
    assert "my-page: 3x4+1, 25 mm/s, 10 mm/mV; confidence" in done.stdout
    assert "refused: no picture.png is no picture that can be read" in " ".join(done.stdout.split())
    out = tmp_path / "OUT"
    names = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    assert names == [
        "my-page.csv", "my-page_overlay.png", "records/my-page.dat", "records/my-page.hea", "summary.json",
    ]  # fmt: skip
    summary = json.loads((out / "summary.json").read_text())
    page = summary["pages"][0]
    assert page["layout"] == "3x4+1" and page["rate_hz"] == 500 and len(summary["refused"]) == 1
    assert page["drawn_s"]["II"] == pytest.approx(10, abs=0.1)
    assert page["drawn_s"]["V6"] == pytest.approx(2.5, abs=0.1)
    table = np.genfromtxt(out / "my-page.csv", delimiter=",", names=True)
    assert table.dtype.names == ("time_s", *LEADS)
    record = wfdb.rdrecord(str(out / "records" / "my-page"))
    assert record.sig_name == list(LEADS) and record.fs == 500
    for number, lead in enumerate(LEADS):
        assert np.allclose(record.p_signal[:, number], table[lead], atol=6e-4, equal_nan=True)
    from PIL import Image

    with Image.open(out / "my-page_overlay.png") as overlay:
        assert overlay.size == (1344, 1024)


def test_nothing_is_written_where_nothing_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"nothing")
    done = run(tmp_path, "digitize", "x.png", "none.png", "--out", "OUT")
    assert done.returncode == 2 and not (tmp_path / "OUT").exists()
    assert done.stderr.count("\n") == 1 and "1 more were refused" in done.stderr
    (tmp_path / "OUT").mkdir()
    (tmp_path / "OUT" / "mine.txt").write_text("x")
    done = run(tmp_path, "digitize", "x.png", "--out", "OUT")
    assert done.returncode == 2 and "is there already and not empty" in done.stderr
    done = run(tmp_path, "digitize", "x.png", "--out", "NEW", "--layout", "4x4")
    assert done.returncode == 2 and "--layout '4x4' is not known" in done.stderr


def test_several_pages_of_one_file(clean: Made, turned: Made, tmp_path: Path) -> None:
    from PIL import Image

    first, second = (Image.fromarray(one.picture.rgb) for one in (clean, turned))
    first.save(tmp_path / "both.tif", save_all=True, append_images=[second])
    found = atml.digitize(tmp_path / "both.tif")
    assert [page.name for page in found.pages] == ["both_p01", "both_p02"]
    assert found.pages[1].page == 2 and found.out is None
    alone = atml.digitize([clean.save(tmp_path / "a.png")]).pages[0]
    assert np.array_equal(alone.signal, found.pages[0].signal, equal_nan=True)
    assert set(alone.confidence) == set(LEADS) and alone.rate == 500


def test_no_picture_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        atml.digitize(tmp_path / "none.png")


def test_a_model_decides_what_was_read(clean: Made, tmp_path: Path) -> None:
    """By lead II, which is drawn throughout; of the others most is missing."""
    pytest.importorskip("wfdb", reason="the package wfdb is not installed here")
    export = Path(__file__).parents[1] / "fixtures" / "v0.1" / "exports" / "small" / "97-91-t0138"
    (tmp_path / "records").mkdir()
    write_record(tmp_path / "records", "page", clean.signal, 500)
    found = atml.predict(export, tmp_path / "records", lead="II")
    assert len(found.windows) == 2 and set(found.windows["decision"]) <= {"AF", "other"}
    assert not [note for note in found.notes if "misses samples" in note]


def test_a_lead_that_is_not_drawn_throughout_is_named(clean: Made, tmp_path: Path) -> None:
    """Lead I is the first one, which a model of one lead takes where none is asked for."""
    pytest.importorskip("wfdb", reason="the package wfdb is not installed here")
    export = Path(__file__).parents[1] / "fixtures" / "v0.1" / "exports" / "small" / "97-91-t0138"
    write_record(tmp_path, "page", clean.signal, 500)
    found = atml.predict(export, tmp_path / "page.hea")
    assert found.windows["decision"].isna().all()
    assert (
        "page: lead I misses samples in every window, so nothing is decided; name another lead" in found.notes
    )


def test_a_record_says_what_is_missing(tmp_path: Path) -> None:
    signal = np.full((12, 40), np.nan, np.float32)
    signal[1] = np.linspace(-1, 1, 40)
    signal[3, 10:] = 50  # beyond what 16 bits hold
    write_record(tmp_path, "x", signal, 500, ["two\nlines"])
    units = np.frombuffer((tmp_path / "x.dat").read_bytes(), "<i2").reshape(40, 12)
    assert (units[:, 0] == MISSING).all() and units[-1, 3] == 32767
    head = (tmp_path / "x.hea").read_text().splitlines()
    assert head[0] == "x 12 500 40" and head[-1] == "# two lines"
    fields = head[2].split()
    assert int(fields[6]) == int(units[:, 1].astype(int).sum()) & 0xFFFF and fields[8] == "II"
