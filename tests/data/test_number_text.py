from __future__ import annotations

import codecs
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atml.data.formats.number_text import BadText, parse
from atml.data.text import decoded

FORMATS = ["{:.7f}", "{:.1f}", "{!r}", "{:e}", "{:.17g}", "{:+.3E}", "{:.0f}", "{:08.3f}"]


def same(found: np.ndarray, expected: list[float]) -> bool:
    """Equal bit for bit, but any NaN is a NaN: -0.0 is not 0.0."""
    assert found.dtype == np.float64
    return len(found) == len(expected) and all(
        (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
        for a, b in zip(found.tolist(), expected, strict=True)
    )


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1),
    st.sampled_from(FORMATS),
    st.sampled_from(["\n", "\r\n", "\n\n", " ", "\t", " \n"]),
    st.sampled_from(["", "\n", "\n\n\n", "\r\n", "  "]),
    st.sampled_from(["", "\ufeff", "\n"]),
)
def test_numbers_in_any_format_are_what_float_makes_of_them(values, form, between, end, start):
    tokens = [form.format(value) for value in values]
    raw = (start + between.join(tokens) + end).encode()
    assert same(parse(raw), [float(token) for token in tokens])


@given(
    st.lists(st.integers(-(10**15), 10**15), min_size=1),
    st.integers(1, 15),
    st.booleans(),
)
def test_plain_decimals_are_what_float_makes_of_them(numbers, places, last):
    # The fast path: every line with as many places.
    tokens = []
    for number in numbers:
        digits = str(abs(number)).rjust(places + 1, "0")
        tokens.append(("-" if number < 0 else "") + digits[:-places] + "." + digits[-places:])
    raw = ("\n".join(tokens) + "\n" * last).encode()
    assert same(parse(raw), [float(token) for token in tokens])


@given(st.text(alphabet="0123456789.-\n", max_size=40))
def test_what_looks_like_decimals_is_parsed_like_float_or_refused(text):
    check(text.encode())


@given(
    st.one_of(
        st.text(alphabet="0123456789.-+eEnaifty_,\n\r\t\x0b\x0c x\0", max_size=30), st.text(max_size=20)
    )
)
def test_any_text_is_parsed_like_float_or_refused(text):
    check(text.encode())


@given(st.binary(max_size=20))
def test_any_bytes_are_parsed_like_float_or_refused(raw):
    check(raw)


def check(raw: bytes) -> None:
    wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in raw[:2]
    plain = decoded(raw).encode() if wide else raw
    tokens = plain.removeprefix(b"\xef\xbb\xbf").split()
    try:
        expected = [float(token) for token in tokens]
    except ValueError:
        with pytest.raises(BadText):
            parse(raw)
        return
    try:
        found = parse(raw)
    except BadText:
        assert b"_" in plain  # float takes 1_000; no contest does
        return
    assert same(found, expected)


def test_negative_zero_stays_negative():
    assert same(parse(b"-0.0\n0.0\n-1.5\n"), [-0.0, 0.0, -1.5])


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        (b"1.0\n2.0\nabc\n4.0\n", r"line 3: 'abc'"),
        (b"1.0,2.0\n", r"line 1: '1.0,2.0'"),
        (b"1.0\n1_000\n", r"line 2: '1_000'"),
        (b"1.0\n2.0\0\n", r"line 2: '2.0\\x00'"),
        ("1.0\nab\n".encode("utf-16"), r"line 2: 'ab'"),
        ("1.0\n".encode("utf-16")[:-1], r"line 1: '1.0\N{REPLACEMENT CHARACTER}'"),
        (b"1.0\n--2.0\n", r"line 2: '--2.0'"),
        (b"1.0\n1-2.0\n", r"line 2: '1-2.0'"),
        (b"1.0\n.0\n1.\n-.\n", r"line 4: '-.'"),
        (b"0x10\n", r"line 1: '0x10'"),
        ("1.0\n½\n".encode(), r"line 2: '½'"),
        (b"1.0\n" + b"z" * 500, r"line 2: 'z{40}'"),
    ],
)
def test_what_is_no_number_is_named_with_its_line(raw, where):
    with pytest.raises(BadText, match=where):
        parse(raw)


def test_nothing_is_no_numbers():
    assert len(parse(b"")) == 0
    assert len(parse(b"\n\n \r\n")) == 0


def test_decimals_too_long_for_an_exact_quotient_are_still_exact():
    tokens = ["9007199254740993.1234567", "0.1234567890123456789", "-123456789012345678901234567890.5"]
    for token in tokens:
        assert same(parse(f"{token}\n{token}\n".encode()), [float(token)] * 2)
