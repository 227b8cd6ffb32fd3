from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atml.data.formats.annotation_file import CODES, parse
from atml.data.formats.annotation_writing import to_bytes
from atml.data.formats.annotations import Marks

KNOWN = sorted(set(CODES.values()))


def marks(sample, symbol, subtype=None, note=None):
    return Marks(
        np.array(sample, np.int64),
        list(symbol),
        np.zeros(len(sample), np.int64) if subtype is None else np.array(subtype, np.int64),
        [""] * len(sample) if note is None else note,
    )


def fields(found):
    return found.sample.tolist(), list(found.symbol), found.subtype.tolist(), list(found.note)


def read(folder, data, **more):
    """What wfdb reads of it."""
    wfdb = pytest.importorskip("wfdb")
    (folder / "r.atr").write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return wfdb.rdann(str(folder / "r"), "atr", **more)


@given(
    st.lists(
        st.tuples(
            st.one_of(
                st.integers(0, 1023), st.sampled_from([1024, 1 << 20, (1 << 31) - 1, 1 << 31, 1 << 33])
            ),
            st.sampled_from(KNOWN),
            st.integers(-128, 127),
            st.text(st.characters(max_codepoint=255), max_size=40),
        ),
        max_size=8,
    )
)
def test_what_is_written_is_read_again(found):
    made = marks(
        np.cumsum([step for step, *_ in found], dtype=np.int64),
        [symbol for _, symbol, _, _ in found],
        [subtype for *_, subtype, _ in found],
        [note for *_, note in found],
    )
    again, rate = parse(to_bytes(made))
    assert fields(again) == fields(made)
    assert rate is None or made.note[0].startswith("## time resolution:")


def test_the_rate_goes_before_the_annotations_and_is_not_doubled():
    made = marks([0, 100], "NV")
    data = to_bytes(made, rate=249.89)
    again, rate = parse(data)
    assert rate == 249.89
    assert fields(again)[0][-2:] == [0, 100] and list(again.symbol)[-2:] == ["N", "V"]
    assert to_bytes(again, rate) == data == to_bytes(again)


@pytest.mark.parametrize("rate", [None, 250])
def test_the_bytes_are_those_of_wfdb(tmp_path, rate):
    wfdb = pytest.importorskip("wfdb")
    made = marks([3, 700, 1723, 2747, 900_000], "N+V~N", [0, 0, 2, -1, 0], ["", "(VT\0", "", "odd", ""])
    channel = np.array([0, 0, 1, 1, 0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        wfdb.wrann(
            "r", "atr", made.sample, made.symbol, subtype=made.subtype, chan=channel,
            aux_note=made.note, fs=rate, write_dir=str(tmp_path),
        )  # fmt: skip
    assert to_bytes(made, rate, channel=channel) == (tmp_path / "r.atr").read_bytes()


def test_wfdb_reads_it(tmp_path):
    made = marks([0, 40_000, 90_000_000], "NAV", [0, -3, 5], ["", "(AFIB\0", "a note of odd length"])
    found = read(tmp_path, to_bytes(made, 360, channel=np.array([1, 0, 0])))
    assert found.sample.tolist() == made.sample.tolist() and found.symbol == made.symbol
    assert found.subtype.tolist() == [0, -3, 5] and found.chan.tolist() == [1, 0, 0] and found.fs == 360
    assert [note.rstrip("\0") for note in found.aux_note] == ["", "(AFIB", "a note of odd length"]


def test_no_annotations_are_a_file_too():
    assert to_bytes(marks([], "")) == b"\0\0"
    assert parse(to_bytes(marks([], ""), 128))[1] == 128


@pytest.mark.parametrize(
    ("made", "channel", "says"),
    [
        (marks([5, 4], "NN"), None, "4 comes after 5"),
        (marks([-1], "N"), None, "-1 is before the record"),
        (marks([1], ["X"]), None, "no symbol 'X'"),
        (marks([1], "N", [128]), None, "subtype 128"),
        (marks([1], "N", note=["ü" * 256]), None, "256 letters"),
        (marks([1], "N", note=["\N{EURO SIGN}"]), None, "Latin-1"),
        (marks([1], "N"), np.array([256]), "channel 256"),
    ],
)  # fmt: skip
def test_what_the_format_can_not_hold_is_refused(made, channel, says):
    with pytest.raises(ValueError, match=says):
        to_bytes(made, channel=channel)


@pytest.mark.parametrize("name", ["vfdb", "mitdb", "mitdb_ds1_rest"])
def test_real_annotations_come_out_as_they_went_in(real_data, tmp_path, name):
    files = sorted((real_data / name).glob("*.atr"))
    assert files
    for file in files:
        data = file.read_bytes()
        found, rate = parse(data)
        assert fields(parse(to_bytes(found, rate))[0]) == fields(found)
        # A subtype below 0 fills ten bits there, and eight in what wfdb writes; readers take eight.
        assert to_bytes(found) == data or (found.subtype < 0).any()
    theirs = read(tmp_path, to_bytes(found))
    assert theirs.sample.tolist() == found.sample.tolist() and theirs.symbol == list(found.symbol)
    assert theirs.subtype.tolist() == found.subtype.tolist()
