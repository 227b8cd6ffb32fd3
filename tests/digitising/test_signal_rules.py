"""The rules against values that were computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from atml.digitising.signal_rules import (
    PictureMatch,
    align,
    cinc2024,
    kaggle2025,
    matched,
    mean_db,
    mean_pearson,
)


def wave(samples: int = 1000) -> np.ndarray:
    """A wave that is like itself nowhere else."""
    random = np.random.default_rng(3)
    return np.convolve(random.normal(size=samples + 8), np.hanning(9), "valid")


def test_offset_and_shift_cost_nothing_in_one_rule_and_much_in_the_other() -> None:
    x = wave()[None]
    late = np.full_like(x, np.nan)
    late[0, 40:] = x[0, :-40] + 0.3
    lead = matched(x, late, 500)[0]
    assert lead is not None
    # The end of the wave is not there any more: 40 samples count as 0.
    lost = float((x[0, -40:] ** 2).sum())
    assert lead.noise == pytest.approx(lost, rel=1e-6)
    assert lead.db == pytest.approx(10 * np.log10((x**2).sum() / lost), rel=1e-6)
    assert lead.raw_db < 3


def test_a_shift_beyond_the_limit_is_not_undone() -> None:
    x = wave()
    late = np.full_like(x, np.nan)
    late[150:] = x[:-150]
    found = align(x, late, 100)
    assert np.nansum((found - x) ** 2) > 0.2 * (x**2).sum()


def test_missing_counts_as_nothing() -> None:
    x = np.tile(wave(), (2, 1))
    half = x.copy()
    half[0, 500:] = np.nan
    half[1] = np.nan
    first, second = matched(x, half, 500)
    assert first is not None and second is not None
    assert first.noise == pytest.approx(float((x[0, 500:] ** 2).sum()), rel=1e-3)
    assert second.raw_db == second.db == 0.0 and second.pearson == 0.0


def test_what_is_not_drawn_does_not_count() -> None:
    x = np.tile(wave(), (2, 1))
    x[1] = np.nan
    x[0, :300] = np.nan
    found = matched(x, np.nan_to_num(x) + np.where(np.isnan(x), 7.0, 0), 500)
    assert found[1] is None
    assert found[0] is not None and found[0].raw_noise == 0 and found[0].raw_db == 60


def test_a_shorter_test_misses_its_end_and_a_longer_one_is_cut() -> None:
    x = wave()[None]
    short, long = matched(x, x[:, :600], 500)[0], matched(x, np.pad(x, ((0, 0), (0, 99))), 500)[0]
    assert short is not None and long is not None
    assert short.raw_noise == pytest.approx(float((x[0, 600:] ** 2).sum()))
    assert long.raw_noise == 0


def test_scores_of_several_pictures() -> None:
    x = np.tile(wave(), (12, 1))
    x -= x.mean(1, keepdims=True)
    good, bad = (PictureMatch.of(x, factor * x, 500) for factor in (0.99, 0.5))
    # Ratios of 1e4 and 4: 40 and 6.02 dB; their mean is 5002, 36.99 dB.
    assert kaggle2025([good, bad]) == pytest.approx(10 * np.log10(5002), abs=1e-6)
    assert mean_db([good, bad]) == cinc2024([good, bad]) == pytest.approx((40 + 10 * np.log10(4)) / 2)
    assert mean_pearson([good, bad]) == pytest.approx(1)
    # Leads count by their energy, not alike.
    part = x.copy()
    part[0] = 0
    one = PictureMatch.of(x, part, 500)
    assert one.ratio == pytest.approx(12, rel=1e-3)


def test_a_lead_without_signal_has_no_decibels_of_its_own() -> None:
    x = np.stack([wave(), np.zeros(1000)])  # an electrode was off
    found = PictureMatch.of(x, 0.9 * x + 0.001, 500)
    only = PictureMatch.of(x[:1], 0.9 * x[:1] + 0.001, 500)
    assert cinc2024([found]) == pytest.approx(cinc2024([only]))
    assert np.isfinite(mean_db([found])) and np.isfinite(kaggle2025([found]))
    assert found.pearson == only.pearson
    # What was read where nothing is counts as noise of the picture.
    assert found.ratio == pytest.approx(only.ratio, rel=1e-3)


def test_what_can_not_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="can't be compared"):
        matched(np.zeros((12, 5)), np.zeros((11, 5)), 500)
    with pytest.raises(ValueError, match="can't be compared"):
        matched(np.zeros((12, 5)), np.zeros((12, 5)), 0)
