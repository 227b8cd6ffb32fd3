from __future__ import annotations

import numpy as np
import pytest

import atml.data
from atml.errors import DataError


@pytest.fixture
def made(tmp_path):
    """Write an npz of 12 segments, 3 subjects; None takes an array away."""

    def write(**other):
        random = np.random.default_rng(0)
        arrays = {
            "x": random.normal(size=(12, 100)),
            "y": np.tile([0, 1], 6),
            "subject": np.repeat(["a", "b", "c"], 4),
        }
        arrays = {name: array for name, array in {**arrays, **other}.items() if array is not None}
        np.savez(tmp_path / "set.npz", **arrays)
        return tmp_path / "set.npz"

    return write


@pytest.fixture
def opened(task, label, tmp_path):
    def call(path, split="train", **options):
        options = {"task": task, "label": label, **options}
        return atml.data.open(path, split=split, cache=tmp_path / "cache", **options)

    return call


def test_the_least_that_a_file_needs(made, opened):
    found = opened(made())
    assert found.x.shape == (12, 1, 100) and found.x.dtype == np.float32
    np.testing.assert_array_equal(found.y, np.tile([0, 1], 6))
    assert found.subject.tolist() == [*"aaaabbbbcccc"] and found.name == "set"
    assert found.rhythm[:2].tolist() == ["other", "AF"]  # no rhythm in the file: the class's name
    assert found.notes == ("no split array inside: nothing separates train from test",)


def test_subjects_may_be_numbers(made, opened):
    assert opened(made(subject=np.repeat([7, 8, 9], 4))).subject.tolist() == [*"777788889999"]


def test_rhythms_must_agree_with_classes(made, opened):
    rhythm = np.tile(["N", "AFIB"], 6)
    assert opened(made(rhythm=rhythm)).rhythm.tolist() == rhythm.tolist()
    rhythm[5] = "T"
    with pytest.raises(DataError, match=r"set\.npz row 5: labelled 1, but rhythm 'T' is 'other'"):
        opened(made(rhythm=rhythm))


def test_unknown_rhythms_are_left_out(made, opened):
    found = opened(made(rhythm=np.array(["N", "AFIB"] * 5 + ["VT", "VT"])))
    assert len(found) == 10
    assert any("2 windows left out, of rhythms unknown to the task: 'VT' (2)" in note for note in found.notes)


def test_a_split_array_is_obeyed(made, opened):
    path = made(split=np.array(["train"] * 8 + ["test"] * 4))
    assert (len(opened(path)), len(opened(path, "test"))) == (8, 4)
    assert set(opened(path, "test").subject) == {"c"}
    with pytest.raises(DataError, match=r"no test split in .*set\.npz: it holds train, val only"):
        opened(made(split=np.array(["train"] * 8 + ["val"] * 4)), "test")


@pytest.mark.parametrize("rate", [90, 89.5])
def test_another_rate_is_resampled_and_long_segments_are_cut(made, opened, rate):
    t = np.arange(450) / rate
    x = np.tile(np.sin(2 * np.pi * 2 * t), (12, 1)) * np.arange(1, 13)[:, None]
    found = opened(made(x=x, sampling_rate=rate))
    assert f"resampled from {rate} Hz to 50 Hz" in found.notes
    assert found.x.shape == (24, 1, 100)  # 5 s at 50 Hz are two windows and a half
    again = np.sin(2 * np.pi * 2 * np.arange(200) / 50) * 12
    np.testing.assert_allclose(found.x[22:, 0].ravel()[10:190], again[10:190], atol=0.15)
    if rate == 90:
        assert found.fingerprint == opened(made(x=x), sampling_rate=90).fingerprint


def test_two_rates_that_disagree_are_refused(made, opened):
    with pytest.raises(DataError, match="says 90 Hz, --sampling-rate says 100"):
        opened(made(sampling_rate=90), sampling_rate=100)


def test_leads_are_kept(made, opened, task):
    import dataclasses

    x = np.random.default_rng(1).normal(size=(12, 2, 100)).astype(np.float32)
    found = opened(made(x=x), task=dataclasses.replace(task, leads=2))
    np.testing.assert_array_equal(found.x, x)
    with pytest.raises(DataError, match="has 2 leads where task 'af' has 1"):
        opened(made(x=x))


def test_a_lead_may_be_flat_but_not_all(made, opened, task):
    import dataclasses

    x = np.random.default_rng(1).normal(size=(12, 2, 100))
    x[3, 1] = 0
    x[4] = 0
    found = opened(made(x=x), task=dataclasses.replace(task, leads=2))
    assert len(found) == 11 and "1 of 12 windows left out, flat: row 4" in found.notes


def test_missing_samples_leave_out_their_row(made, opened):
    x = np.random.default_rng(1).normal(size=(12, 100))
    x[7, 50] = np.nan
    found = opened(made(x=x))
    assert len(found) == 11 and "1 of 12 windows left out, not finite: row 7" in found.notes
    np.testing.assert_array_equal(found.x[7, 0], x[8].astype(np.float32))


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"x": None}, "has no array 'x'"),
        ({"subject": None}, "has no array 'subject'"),
        (
            {"x": np.zeros(12)},
            r"x in .* must be numbers \(n, samples\) or \(n, leads, samples\), not float64 \(12,\)",
        ),
        ({"x": np.zeros((0, 100)), "y": np.zeros(0, int), "subject": np.zeros(0)}, "x in"),
        ({"x": np.full((12, 100), "a")}, "must be numbers"),
        (
            {"x": np.ones((12, 99)) * np.arange(99)},
            r"set\.npz row 0: 99 samples where the task's window has 100",
        ),
        ({"y": np.zeros(11, int)}, r"y in .* has shape \(11,\) for 12 segments"),
        ({"y": np.full(12, 2)}, "class numbers 0 to 1; row 0 has 2"),
        ({"y": np.full(12, 0.5)}, "class numbers 0 to 1; it is float64"),
        ({"y": np.zeros(12, int)}, "holds only 'other' of the classes other, AF"),
        ({"subject": np.array([{}] * 12)}, "an array of Python objects"),
        ({"sampling_rate": -1}, "one number of Hz, 1 or more, not -1"),
        ({"sampling_rate": np.nan}, "one number of Hz, 1 or more, not nan"),
    ],
)
def test_what_cannot_be_used_is_named(made, opened, other, message):
    with pytest.raises(DataError, match=message) as caught:
        opened(made(**other))
    assert "set.npz" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_file_is_one_line(made, opened, share):
    path = made()
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(DataError, match=r"can't read .*set\.npz") as caught:
        opened(path)
    assert "\n" not in str(caught.value)
