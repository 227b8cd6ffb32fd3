import numpy as np
import pytest

from atml.errors import ExportError, InputError
from atml.scoring.rules import iesd2024

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
    with pytest.raises(InputError, match="is not a measurement"):
        iesd2024.points(1.0, 1.0, ms, kib)


def test_tie_counts_as_af():
    assert iesd2024.decide([[1, 1], [1, 0], [0, 1], [1.0000001, 1.0]]).tolist() == [1, 0, 1, 0]
    with pytest.raises(InputError, match=r"\(1, 3\)"):
        iesd2024.decide([[1, 2, 3]])


def test_a_model_of_other_classes(judged):
    with pytest.raises(ExportError, match=r"2 classes with the positive one at 1; .* has 'a', 'b', 'c'"):
        iesd2024.fits(judged([0], [0], ["S"], classes=("a", "b", "c")).task)
    with pytest.raises(ExportError, match="positive 0"):
        iesd2024.fits(judged([0], [0], ["S"], positive=0).task)
    iesd2024.fits(judged([0], [0], ["S"]).task)


def subjects_with(*found):
    """One subject for each ``(called, positives)``."""
    truth, called, subject = [], [], []
    for i, (hits, positives) in enumerate(found):
        truth += [1] * positives
        called += [1] * hits + [0] * (positives - hits)
        subject += [f"S{i}"] * positives
    return np.array(truth), np.array(called), np.array(subject)


def test_g_is_strict_after_rounding(judged):
    # With P = 1, F = 5 R / (4 + R): R = 36/41 is exactly 0.9.
    exactly = iesd2024.score(judged(*subjects_with((36, 41))), {})
    assert exactly["F"] == 0.9
    assert exactly["G"] == 0.0
    # A hair above 0.9 that rounds back to it does not count; the next step does.
    above = judged(*subjects_with((878050, 1000000)))
    assert 5 * 0.87805 / 4.87805 > 0.9
    assert iesd2024.score(above, {})["G"] == 0.0
    assert iesd2024.score(judged(*subjects_with((37, 41))), {})["G"] == 1.0


def test_score_of_a_small_set(judged):
    truth, called, subject = subjects_with((4, 4), (1, 4), (0, 2))
    truth, called = np.append(truth, [0, 0]), np.append(called, [1, 0])
    subject = np.append(subject, ["calm", "calm"])
    got = iesd2024.score(judged(truth, called, subject), {})
    assert got["F"] == pytest.approx((1 + round(5 * 0.25 / 4.25, 5) + 0 + 1) / 4)
    assert got["G"] == 0.5
    assert [row["subject"] for row in got.table("subjects").records] == ["S2", "S1", "calm", "S0"]
    assert [row[0] for row in got.table("subjects").cells] == ["S2", "S1", "calm", "S0"]
    assert got["recall"] == 0.5 and got["specificity"] == 0.5
    assert got.details["confusion"] == {"tp": 5, "fp": 1, "fn": 5, "tn": 1}
    assert got.total.value is None and got.to_dict()["points"] is None


def test_total_only_with_latency_and_size(judged):
    data = subjects_with((4, 4), (4, 4))
    for given in ({"latency_ms": 1.0}, {"size_kib": 60}):
        assert iesd2024.score(judged(*data, **given), {}).total.value is None
    got = iesd2024.score(judged(*data, latency_ms=0.5, size_kib=50), {}).total
    assert got.value == 80.0 == got.best == sum(got.parts.values())
    with pytest.raises(InputError, match="latency 0 ms is not a measurement"):
        iesd2024.score(judged(*data, latency_ms=0.0), {})


def test_the_json_that_programs_read(judged):
    got = iesd2024.score(judged(*subjects_with((4, 4), (1, 4))), {}).to_dict()
    for key in (
        "F",
        "G",
        "F1",
        "accuracy",
        "precision",
        "recall",
        "sensitivity",
        "specificity",
        "PPV",
        "NPV",
    ):
        assert 0 <= got[key] <= 1
    assert set(got["intervals"]["G"]) == {"value", "low", "high"}
    assert {"rule", "latency_ms", "size_kib", "points", "total", "confusion", "subjects"} <= set(got)


def test_nothing_to_score(judged):
    with pytest.raises(InputError, match="no windows"):
        iesd2024.score(judged([], [], []), {})
