from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atml.annotating.contact import Contact, Seconds, cleaned, of_windows


def ecg(seconds: int, rate: int = 250, leads: int = 2) -> np.ndarray:
    random = np.random.default_rng(1)
    t = np.arange(seconds * rate) / rate
    beats = np.exp(-((((t + 0.4) % 0.8) - 0.4) ** 2) / 0.0008)
    return (beats + random.normal(0, 0.01, (leads, len(t)))).astype(np.float32)


def judged(x: np.ndarray, rate: float = 250) -> list[int]:
    one = Seconds(rate)
    return [*one.push(x).tolist(), *one.end().tolist()]


def test_each_kind_is_told_by_its_second():
    x = ecg(20)
    x[0, 3 * 250 + 100] = np.nan
    x[1, 6 * 250 : 8 * 250] = 0.25
    x[0, 10 * 250 : 10 * 250 + 125] = 0.25  # half a second is not more than half
    x[0, 12 * 250 + 10 : 12 * 250 + 35] = 9.0  # 0.1 s at the rail
    found = judged(x)
    wanted = dict.fromkeys(range(20), Contact.SOUND)
    wanted |= {3: Contact.MISSING, 6: Contact.FLAT, 7: Contact.FLAT, 12: Contact.SATURATED}
    assert dict(enumerate(found)) == wanted


def test_a_run_counts_whole_where_a_second_ends_within_it():
    x = ecg(6)
    # 0.15 s on either side of the edge: neither part would be long enough by itself.
    x[0, 3 * 250 - 38 : 3 * 250 + 38] = 0.3
    x[1, 4 * 250 - 8 : 4 * 250 + 8] = 5.0
    assert judged(x)[2:5] == [0, 0, 0]  # not more than half of either second, 3% of it at the rail
    x[1, 4 * 250 - 20 : 4 * 250 + 14] = 5.0
    assert judged(x)[3:5] == [Contact.SATURATED, Contact.SATURATED]


@pytest.mark.parametrize("rate", [128, 360, 249.89])
def test_the_last_second_may_be_short(rate):
    size = round(rate)
    x = ecg(4, size)[:, : 3 * size + size // 3]
    assert judged(x, rate) == [0, 0, 0, 0]
    x[:, 3 * size :] = 0
    assert judged(x, rate) == [0, 0, 0, Contact.FLAT]
    assert judged(x[:, :0], rate) == []
    assert judged(x[:, :40], rate) == [0]


@given(st.lists(st.integers(0, 900), max_size=10))
def test_pieces_of_any_length_give_the_same(lengths):
    x = ecg(9)
    x[0, 500:760] = 0.5
    x[1, 1500] = np.nan
    edges = [0, *np.cumsum(lengths).clip(0, x.shape[1]).tolist(), x.shape[1]]
    one = Seconds(250)
    parts = [one.push(x[:, a:b]).tolist() for a, b in itertools.pairwise(edges)]
    assert [*itertools.chain(*parts), *one.end().tolist()] == judged(x)


def test_windows_and_what_no_recorder_gives():
    x = np.stack([ecg(3), ecg(3), ecg(3)])
    x[1, 0] = 1.0
    x[2, 1, 5] = np.inf
    assert of_windows(cleaned(x), 250).tolist() == [Contact.SOUND, Contact.FLAT, Contact.MISSING]
    assert all(one.words for one in Contact if one)
