from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atml.annotating.lines import Lines
from atml.errors import DataError


def read(
    data: bytes, leads: int = 1, *, cuts: list[int] | None = None, lead: tuple[str, ...] = ()
) -> np.ndarray:
    lines = Lines(leads, lead)
    edges = [0, *sorted(cuts or []), len(data)]
    parts = [lines.push(data[a:b]) for a, b in itertools.pairwise(edges)]
    return np.concatenate([*parts, lines.end()], axis=1)


def test_a_number_a_line():
    assert read(b"1\n-2.5\n3e-1\n4").tolist() == [[1, -2.5, pytest.approx(0.3), 4]]
    assert read(b"\xef\xbb\xbf1\r\n2\r\n").tolist() == [[1, 2]]
    assert read(b"ECG\n1\n2\n").tolist() == [[1, 2]]
    assert read(b"").shape == (1, 0) and read(b"\n\n").shape == (1, 0)


def test_what_is_missing_is_a_sample_but_not_at_the_end():
    found = read(b"1\n\nnan\nNaN\n5\n\n\n")[0]
    assert [None if math.isnan(value) else value for value in found] == [1, None, None, None, 5]


@pytest.mark.parametrize(
    "text", ["time,V5,II\n0,1,2\n1,3,4\n", "0;1;2\n1;3;4\n", "0\t1\t2\n1\t3\t4", "0 1 2\n1 3  4\n"]
)
def test_columns_by_name_or_number(text):
    lead = ("II", "V5") if "V5" in text else ("2", "1")
    assert read(text.encode(), 2, lead=lead).tolist() == [[2, 4], [1, 3]]


def test_columns_that_are_all_leads_need_no_choice():
    assert read(b"1,2\n3,4\n", 2).tolist() == [[1, 3], [2, 4]]


def test_the_leads_of_the_training_are_taken_where_none_are_asked_for():
    lines = Lines(1, (), ("MLII,II",))
    assert lines.push(b"V1,II\n1,2\n").tolist() == [[2]]


@given(st.lists(st.integers(0, 200)))
def test_bytes_cut_anywhere_give_the_same(cuts):
    data = b"time,a,b\n" + b"".join(b"%d,%d.5,\n" % (at, at) if at % 3 else b"\n" for at in range(20))
    cuts = [cut for cut in cuts if cut < len(data)]
    assert np.array_equal(read(data, cuts=cuts, lead=("a",)), read(data, lead=("a",)), equal_nan=True)


@pytest.mark.parametrize(
    ("text", "leads", "lead", "says"),
    [
        (b"1\n2\nx\n4\n", 1, (), "line 3 holds 'x', which is no number"),
        (b"1\n2\n3,4\n", 1, (), "line 3 holds '3,4'|line 3 has 2 columns"),
        (b"1,2\n3\n", 2, (), "line 2 has 1 columns where the first line has 2"),
        (
            b"1,2,3\n",
            1,
            (),
            r"line 1 has 3 columns \(0, 1, 2\), the model takes 1 lead\(s\): choose with --lead",
        ),
        (b"a,b\n1,2\n", 1, ("c",), "line 1 has no column 'c'; it has a, b: choose with --lead"),
        (b"1" * 5000, 1, (), "line 1 is longer than 4096 bytes"),
        (b"?!\n", 1, (), "line 1 holds '\\?!', which is no number"),
    ],
)
def test_bad_lines_are_named(text, leads, lead, says):
    with pytest.raises(DataError, match=says):
        read(text, leads, lead=lead)


def test_many_plain_lines_are_read_fast_and_alike():
    data = b"".join(b"%d.25\n" % at for at in range(5000))
    assert read(data).tolist() == [[at + 0.25 for at in range(5000)]]
    with pytest.raises(DataError, match="line 4001 holds 'bad'"):
        read(data.replace(b"\n4000.25\n", b"\nbad\n"))
