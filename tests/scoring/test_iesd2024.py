import numpy as np
import pytest

from atml import scoring
from atml.errors import InputError
from atml.scoring import iesd2024

# score, F, G, ms, KB as printed; F is rounded, which moves a recomputed score by up to 0.024.
LEADERBOARD = [
    (67.978, 0.935, 0.833, 4.883, 178),
    (66.975, 0.932, 0.778, 3.488, 210),
    (65.651, 0.941, 0.778, 6.075, 197),
    (65.625, 0.954, 0.889, 11.896, 178),
    (62.227, 0.856, 0.722, 2.845, 162),
    (60.425, 0.941, 0.833, 13.789, 471),
]


@pytest.mark.parametrize(("total", "f", "g", "ms", "kb"), LEADERBOARD)
def test_leaderboard(total, f, g, ms, kb):
    assert sum(iesd2024.points(f, g, ms, kb).values()) == pytest.approx(total, abs=0.024)


def test_perfect_is_eighty():
    assert iesd2024.points(1.0, 1.0, 0.5, 50) == {"F": 25.0, "G": 15.0, "latency": 35.0, "size": 5.0}


def test_each_part_is_floored_and_none_is_capped():
    assert sum(iesd2024.points(0.1, 0.2, 400, 4000).values()) == 0.0
    assert iesd2024.points(0.1, 1.0, 0.5, 50)["G"] == 15.0
    generous = iesd2024.points(1.0, 1.0, 0.1, 20)
    assert generous["latency"] > 35 and generous["size"] > 5


@pytest.mark.parametrize(("ms", "kib"), [(0, 50), (-1, 50), (float("nan"), 50), (1, 0), (1, float("inf"))])
def test_a_measurement_that_is_none(ms, kib):
    with pytest.raises(InputError, match="is no measurement"):
        iesd2024.points(1.0, 1.0, ms, kib)


def test_tie_counts_as_af():
    assert iesd2024.decide([[1, 1], [1, 0], [0, 1], [1.0000001, 1.0]]).tolist() == [1, 0, 1, 0]
    with pytest.raises(InputError, match=r"\(1, 3\)"):
        iesd2024.decide([[1, 2, 3]])


def subjects_with(*found):
    """One subject for each ``(called, positives)``."""
    truth, called, subject = [], [], []
    for i, (hits, positives) in enumerate(found):
        truth += [1] * positives
        called += [1] * hits + [0] * (positives - hits)
        subject += [f"S{i}"] * positives
    return np.array(truth), np.array(called), np.array(subject)


def test_g_is_strict_after_rounding():
    # With P = 1, F = 5 R / (4 + R): R = 36/41 is exactly 0.9.
    exactly = subjects_with((36, 41))
    assert iesd2024.score(*exactly).f_beta == 0.9
    assert iesd2024.score(*exactly).g == 0.0
    # A hair above 0.9 that rounds back to it does not count; the next step does.
    above = subjects_with((878050, 1000000))
    assert 5 * 0.87805 / 4.87805 > 0.9
    assert iesd2024.score(*above).g == 0.0
    assert iesd2024.score(*subjects_with((37, 41))).g == 1.0


def test_score_of_a_small_set():
    truth, called, subject = subjects_with((4, 4), (1, 4), (0, 2))
    truth, called = np.append(truth, [0, 0]), np.append(called, [1, 0])
    subject = np.append(subject, ["calm", "calm"])
    got = iesd2024.score(truth, called, subject)
    assert got.f_beta == pytest.approx((1 + round(5 * 0.25 / 4.25, 5) + 0 + 1) / 4)
    assert got.g == 0.5
    assert [row.subject for row in got.subjects] == ["S2", "S1", "calm", "S0"]
    assert got.pooled.four()["recall"] == 0.5
    assert got.total is None and got.points is None


def test_total_only_with_latency_and_size():
    data = subjects_with((4, 4), (4, 4))
    assert iesd2024.score(*data, latency_ms=1.0).total is None
    assert iesd2024.score(*data, size_kib=60).total is None
    got = iesd2024.score(*data, latency_ms=0.5, size_kib=50)
    assert got.total == 80.0 == got.best
    assert got.total == sum(got.points.values())


def test_nothing_to_score():
    with pytest.raises(InputError, match="no segments"):
        iesd2024.score([], [], np.empty(0, "U1"))


def test_rules_are_found_by_name():
    for name, rule in scoring.RULES.items():
        assert scoring.rule(name) is rule
        assert rule.NAME == name
    with pytest.raises(InputError, match=r"'iesd2025'.*iesd2024"):
        scoring.rule("iesd2025")
