from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atml.annotating import patterns
from atml.data.formats.annotation_file import parse
from atml.data.formats.annotations import BEATS


def of(text: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ectopic, plain and linked of a sequence of letters; "|" is time that was not analysed."""
    letters = np.array([letter for letter in text if letter != "|"])
    linked, gap = [], False
    for letter in text:
        if letter != "|":
            linked.append(not gap)
        gap = letter == "|"
    return letters == "V", (letters == "N") | (letters == "S"), np.array(linked, bool)


def spans(found: list[patterns.Span]) -> list[tuple[int, int]]:
    return [(span.first, span.last) for span in found]


@pytest.mark.parametrize(
    ("text", "runs", "couplets", "singles"),
    [
        ("NNNN", [], [], []),
        ("", [], [], []),
        ("V", [], [], [0]),
        ("NVNVVNVVVNVVVVN", [(6, 8), (10, 13)], [(3, 4)], [1]),
        ("VVV", [(0, 2)], [], []),
        ("VV|V", [], [(0, 1)], [2]),
        ("VVQVV", [], [(0, 1), (3, 4)], []),
        ("VVSV", [], [(0, 1)], [3]),
    ],
)
def test_runs_couplets_and_singles(text, runs, couplets, singles):
    ectopic, _, linked = of(text)
    assert spans(patterns.runs(ectopic, linked)) == runs
    assert spans(patterns.couplets(ectopic, linked)) == couplets
    assert patterns.singles(ectopic, linked) == singles


@pytest.mark.parametrize(
    ("text", "bigeminy", "trigeminy"),
    [
        ("NVNVNN", [], []),
        ("NVNVNVN", [(1, 5)], []),
        ("VNVNVNNVNNVNNV", [(0, 4)], [(4, 13)]),  # one beat ends the one and begins the other
        ("NVNNVNNVN", [], [(1, 7)]),
        ("NVNNVNN", [], []),
        ("VSVNVN", [(0, 4)], []),
        ("VNVQVNVN", [], []),
        ("VNV|NVNV", [], []),
        ("VNVN|VNV", [], []),
        ("VNVNVVNVNVNV", [(7, 11)], []),  # the beats of a couplet are part of no episode
        ("VVNVNVNVN", [(3, 7)], []),
        ("VVNVVNVVN", [], []),
        ("VNVNVNNNNVNVNV", [(0, 4), (9, 13)], []),
    ],
)
def test_bigeminy_and_trigeminy(text, bigeminy, trigeminy):
    ectopic, plain, linked = of(text)
    assert spans(patterns.bigeminy(ectopic, plain, linked)) == bigeminy
    assert spans(patterns.trigeminy(ectopic, plain, linked)) == trigeminy


@given(st.text("NSVQ|", max_size=60))
def test_every_ectopic_beat_is_single_or_in_one_couplet_or_run(text):
    ectopic, plain, linked = of(text.lstrip("|"))
    parts = [*patterns.runs(ectopic, linked), *patterns.couplets(ectopic, linked)]
    beats = [beat for span in parts for beat in range(span.first, span.last + 1)]
    beats += patterns.singles(ectopic, linked)
    assert sorted(beats) == np.flatnonzero(ectopic).tolist()
    for span in (*patterns.bigeminy(ectopic, plain, linked), *patterns.trigeminy(ectopic, plain, linked)):
        assert (
            ectopic[span.first]
            and ectopic[span.last]
            and ectopic[span.first : span.last + 1].sum() == span.ectopics
        )


# Rhythms that annotations of mitdb name, in 8 records: how often, and how often the pattern is there.
NAMED = {"(VT": ("runs", 31, 31), "(B": ("bigeminy", 66, 65), "(T": ("trigeminy", 60, 60)}


@pytest.mark.parametrize("name", NAMED)
def test_reference_beats_have_patterns_where_cardiologists_named_them(real_data, name):
    """In the beats' own annotations: so the lengths that are asked for are those that people go by."""
    kind, named, with_pattern = NAMED[name]
    seen = met = 0
    for file in sorted((real_data / "mitdb").glob("*.atr")):
        marks, _ = parse(file.read_bytes())
        beats = [at for at, symbol in enumerate(marks.symbol) if symbol in BEATS]
        sample, ectopic = marks.sample[beats], np.array([marks.symbol[at] in "VE" for at in beats])
        linked = np.ones(len(beats), bool)
        others = () if kind == "runs" else (~ectopic,)
        found = getattr(patterns, kind)(ectopic, *others, linked)
        changes = [at for at, symbol in enumerate(marks.symbol) if symbol == "+"]
        ends = [*marks.sample[changes[1:]].tolist(), sample[-1] + 1]
        for at, end in zip(changes, ends, strict=True):
            if marks.note[at].rstrip("\0") == name:
                start = marks.sample[at]
                seen += 1
                met += any(sample[one.first] < end and start < sample[one.last] for one in found)
    assert (seen, met) == (named, with_pattern)
