from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atml.data.formats.annotations import Marks, rhythm_of, stretches
from atml.data.stretch import Stretch

RATE = 100
LENGTH = 10_000


def marks(*items):
    """Make marks of (sample, symbol) or (sample, symbol, note or subtype)."""
    items = [(*item, "") if len(item) == 2 else item for item in items]
    return Marks(
        sample=np.array([item[0] for item in items], np.int64),
        symbol=[item[1] for item in items],
        subtype=np.array([item[2] if isinstance(item[2], int) else 0 for item in items], np.int64),
        note=[item[2] if isinstance(item[2], str) else "" for item in items],
    )


def cut(*items, leads=(0,)):
    return [(s.start, s.end, s.rhythm, s.reason) for s in stretches(marks(*items), LENGTH, RATE, leads)]


@pytest.mark.parametrize("note", ["(VT", "(VT\0", "(VT \0\0", "VT", " (VT\n"])
def test_the_name_of_a_rhythm_is_bare(note):
    assert rhythm_of(note) == "VT"


def test_until_the_first_mark_there_is_no_rhythm():
    assert cut((18, "+", "(N\0"), (5000, "+", "(VF")) == [
        (0, 18, "", "no rhythm annotated"),
        (18, 5000, "N", ""),
        (5000, LENGTH, "VF", ""),
    ]
    assert cut() == [(0, LENGTH, "", "no rhythm annotated")]


def test_a_rhythm_named_again_goes_on():
    assert cut((0, "+", "(N"), (500, "+", "(N"), (900, "V")) == [(0, LENGTH, "N", "")]


def test_a_rhythm_goes_on_under_noise_until_the_next_is_named():
    assert cut((0, "+", "(VT"), (1000, "+", "(NOISE\0"), (2000, "+", "(N")) == [
        (0, 1000, "VT", ""),
        (1000, 2000, "VT", "noise"),
        (2000, LENGTH, "N", ""),
    ]


def test_noise_before_any_rhythm_is_noise():
    assert cut((0, "+", "(NOISE"), (900, "+", "(N"))[0] == (0, 900, "", "noise")


def test_an_empty_name_ends_a_rhythm():
    assert cut((0, "+", "(N"), (900, "+", ""))[1] == (900, LENGTH, "", "no rhythm annotated")


def test_a_closed_name_ends_a_rhythm_whatever_the_beats():
    """As Icentia11k has it: what follows was not looked at, and is not normal for its beats."""
    beats = [(at, "N") for at in range(0, LENGTH, 100)]
    items = sorted([(0, "+", "(AFIB"), (4000, "+", ")"), *beats], key=lambda item: item[0])
    assert cut(*items) == [(0, 4000, "AFIB", ""), (4000, LENGTH, "", "no rhythm annotated")]


def test_brackets_hold_fibrillation_between_beats():
    found = cut((100, "N"), (200, "N"), (300, "["), (900, "]"), (1000, "N"), (1100, "N"))
    assert found == [
        (0, 100, "", "no rhythm annotated"),
        (100, 200, "N", ""),
        (200, 300, "", "no rhythm annotated"),
        (300, 900, "VF", ""),
        (900, 1000, "", "no rhythm annotated"),
        (1000, 1100, "N", ""),
        (1100, LENGTH, "", "no rhythm annotated"),
    ]


def test_beats_that_hold_a_bracket_between_them_do_not_overrule_it():
    found = cut((100, "N"), (150, "["), (250, "]"), (300, "N"))
    assert [(s[2], s[0], s[1]) for s in found if s[2]] == [("N", 100, 150), ("VF", 150, 250), ("N", 250, 300)]


def test_beats_tell_a_rhythm_only_without_long_pauses():
    found = cut((100, "N"), (400, "N"), (701, "N"), (800, "N"))
    assert [s[:3] for s in found if s[2]] == [(100, 400, "N"), (701, 800, "N")]


def test_beats_of_several_kinds_tell_no_rhythm():
    assert cut((100, "N"), (200, "V"), (300, "N")) == [(0, LENGTH, "", "no rhythm annotated")]


def test_what_a_mark_names_goes_before_beats():
    assert [s[2] for s in cut((0, "+", "(AFIB"), (100, "N"), (200, "N"))] == ["AFIB"]


def test_brackets_of_flutter_are_flutter_from_one_to_the_other():
    """As in record 207 of mitdb, where the name comes just after the bracket."""
    found = cut((0, "+", "(N"), (100, "V"), (500, "["), (530, "+", "(VFL\0"), (900, "]"), (950, "+", "(N"))
    assert found == [
        (0, 500, "N", ""),
        (500, 900, "VFL", ""),
        (900, 950, "", "no rhythm annotated"),
        (950, LENGTH, "N", ""),
    ]
    assert cut((0, "+", "(VFL"), (500, "["), (900, "]"))[0] == (0, 900, "VFL", "")


def test_after_a_bracket_the_rhythm_before_it_returns():
    found = cut((0, "+", "(AFIB"), (500, "["), (900, "]"))
    assert [s[:3] for s in found] == [(0, 500, "AFIB"), (500, 900, "VF"), (900, LENGTH, "AFIB")]


def test_another_name_ends_an_open_bracket():
    assert [s[:3] for s in cut((0, "["), (500, "+", "(N"))] == [(0, 500, "VF"), (500, LENGTH, "N")]


def test_noise_inside_brackets_is_noise():
    found = cut((0, "["), (200, "+", "(NOISE"), (600, "+", "(VF"), (900, "]"))
    assert found[:3] == [(0, 200, "VF", ""), (200, 600, "VF", "noise"), (600, 900, "VF", "")]


@pytest.mark.parametrize(
    ("subtype", "lead", "reason"),
    [
        (0, 0, ""),
        (1, 0, "noise"),
        (2, 0, ""),
        (2, 1, "noise"),
        (3, 1, "noise"),
        (-1, 0, "unreadable"),
        (-1, 1, "unreadable"),
        (0x11, 0, "unreadable"),
        (0x10, 1, ""),
        (0x22, 1, "unreadable"),
    ],
)
def test_quality_is_told_of_each_lead(subtype, lead, reason):
    found = cut((0, "+", "(N"), (100, "~", subtype), (200, "~", 0), leads=(lead,))
    assert (found[1][3] if len(found) > 1 else "") == reason
    assert {s[3] for s in found if not 100 <= s[0] < 200} == {""}


def test_of_two_leads_one_noisy_is_enough():
    assert cut((0, "+", "(N"), (100, "~", 2), leads=(0, 1))[1][3] == "noise"


def test_marks_beyond_the_end_make_no_stretch():
    assert cut((0, "+", "(N"), (LENGTH + 5, "+", "(VF")) == [(0, LENGTH, "N", "")]


anything = st.tuples(
    st.integers(-5, 220),
    st.sampled_from("+[]~NV!"),
    st.sampled_from(["(N", "(VF\0", "(NOISE", "", "(VFL", "(what"]) | st.sampled_from([0, 1, -1, 16]),
)


@given(st.lists(anything, max_size=20))
def test_stretches_leave_no_gap_and_no_overlap(items):
    found = stretches(marks(*sorted(items, key=lambda item: item[0])), 200, RATE)
    assert found[0].start == 0 and found[-1].end == 200
    for before, after in itertools.pairwise(found):
        assert before.end == after.start and before.start < before.end
        assert (before.rhythm, before.reason) != (after.rhythm, after.reason)
    assert all(isinstance(s, Stretch) and (s.rhythm or s.reason) for s in found)
