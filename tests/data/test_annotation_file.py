from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atml.data.formats.annotation_file import CODES, Damaged, parse


@pytest.fixture
def written(tmp_path):
    """Write an annotation file with wfdb and return its bytes."""
    wfdb = pytest.importorskip("wfdb")

    def write(sample, symbol, subtype=None, note=None, rate=None):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of pandas, for how wfdb calls it
            wfdb.wrann(
                "r",
                "atr",
                np.array(sample),
                list(symbol),
                subtype=None if subtype is None else np.array(subtype),
                aux_note=note,
                fs=rate,
                write_dir=str(tmp_path),
            )
        return (tmp_path / "r.atr").read_bytes()

    return write


def test_what_wfdb_writes_is_read(written):
    sample, note = [5, 900, 2000, 70_000, 70_001], ["(N", "", "(NOISE\0\0", "odd", ""]
    marks, rate = parse(written(sample, "+N~+[", [0, 0, -1, 17, 0], note))
    assert marks.sample.tolist() == sample and marks.symbol == list("+N~+[")
    assert marks.subtype.tolist() == [0, 0, -1, 17, 0] and rate is None
    assert [text.rstrip("\0") for text in marks.note] == [text.rstrip("\0") for text in note]


def test_the_rate_that_times_count_in_is_told(written):
    marks, rate = parse(written([100, 200], "NN", rate=360))
    assert rate == 360 and marks.sample[-2:].tolist() == [100, 200]


def test_codes_are_those_of_wfdb():
    table = pytest.importorskip("wfdb").io.annotation.ann_label_table
    theirs = dict(zip(table["label_store"].tolist(), table["symbol"].tolist(), strict=True))
    assert {code: theirs[code] for code in CODES} == CODES and set(CODES) == set(theirs) - {0}


def test_every_cut_is_noticed(written):
    data = written([5, 900, 70_000], "+N+", note=["(N", "", "(VF"])
    for length in range(len(data) - 1):
        with pytest.raises(Damaged, match="without the mark of the end"):
            parse(data[:length])


def test_bytes_after_the_end_are_noticed(written):
    data = written([5], "N")
    assert parse(data + bytes(10))[0].sample.tolist() == [5]
    with pytest.raises(Damaged, match="goes on after the mark of the end"):
        parse(data + b"\1\2")


def test_times_that_run_backwards_are_noticed():
    backwards = np.array([1 << 10 | 50, 59 << 10, 0xFFFF, 0xFFF0, 1 << 10 | 1, 0], "<u2").tobytes()
    with pytest.raises(Damaged, match="backwards"):
        parse(backwards)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    try:
        marks, _ = parse(data)
    except Damaged:
        return
    assert (np.diff(marks.sample) >= 0).all()
    assert len(marks.sample) == len(marks.symbol) == len(marks.subtype) == len(marks.note)


@pytest.mark.parametrize("name", ["vfdb", "mitdb"])
def test_real_annotations_are_read_as_wfdb_reads_them(real_data, name):
    wfdb = pytest.importorskip("wfdb")
    for file in sorted((real_data / name).glob("*.atr")):
        marks, _ = parse(file.read_bytes())
        told = wfdb.rdann(str(file.with_suffix("")), "atr", return_label_elements=["label_store"])
        assert marks.sample.tolist() == told.sample.tolist()
        assert marks.symbol == [CODES[code] for code in told.label_store.tolist()]
        assert marks.subtype.tolist() == told.subtype.tolist()
        assert marks.note == [note or "" for note in told.aux_note]
