import numpy as np
import pytest

from atml.scoring.rules import iccad2022, iccad2023

# score, F, ms, KiB as printed.
BOARD_2022 = [
    (135.432, 0.972, 1.747, 26.39),
    (132.984, 0.946, 1.712, 24.48),
    (132.914, 0.934, 0.538, 11.18),
    (132.842, 0.978, 26.197, 35.46),
    (132.213, 0.930, 0.221, 16.40),
]
# score, F, G, ms, KiB as printed; G is a share of 19 subjects.
BOARD_2023 = [
    (132.285, 0.9736, 0.8947, 1.52, 12.83),
    (128.911, 0.9445, 0.8421, 1.33, 12.19),
    (128.058, 0.9223, 0.8421, 0.889, 10.25),
    (127.758, 0.9780, 0.8947, 7.996, 25.19),
]

# What rounding the printed figures moves a recomputed total by, at most: half a digit of each, by its weight,
# and half a digit of the total itself.
OFF_2022 = 100 * 0.0005 + 20 * 0.0005 / 199 + 20 * 0.005 / 251 + 0.0005
OFF_2023 = 70 * 0.00005 + 30 * 0.00005 + 20 * 0.005 / 199 + 20 * 0.005 / 59 + 0.0005


@pytest.mark.parametrize(("total", "f", "ms", "kib"), BOARD_2022)
def test_leaderboard_2022(total, f, ms, kib):
    assert sum(iccad2022.points(f, ms, kib).values()) == pytest.approx(total, abs=OFF_2022)


@pytest.mark.parametrize(("total", "f", "g", "ms", "kib"), BOARD_2023)
def test_leaderboard_2023(total, f, g, ms, kib):
    assert sum(iccad2023.points(f, g, ms, kib).values()) == pytest.approx(total, abs=OFF_2023)
    assert g == pytest.approx(round(g * 19) / 19, abs=0.00005)


def test_tolerances_would_notice_another_weight():
    assert OFF_2022 < 0.06 and OFF_2023 < 0.01


def test_speed_and_size_are_floored_and_not_capped():
    assert iccad2022.points(1.0, 1, 5) == {"F": 100, "latency": 20, "size": 20}
    assert iccad2022.points(0.0, 500, 500) == {"F": 0, "latency": 0, "size": 0}
    fast = iccad2022.points(1.0, 0.2, 3)
    assert fast["latency"] == pytest.approx(20 * (1 + 0.8 / 199)) and fast["size"] > 20
    assert iccad2023.points(1.0, 1.0, 1, 5) == {"F": 70, "G": 30, "latency": 20, "size": 20}
    assert iccad2023.points(0.5, 0.0, 500, 500) == {"F": 35, "G": 0, "latency": 0, "size": 0}
    assert iccad2023.points(1.0, 1.0, 0.2, 3)["size"] == pytest.approx(20 * (1 + 2 / 59))


def subjects(*found):
    """One subject for each ``(TP, FN, FP, TN)``."""
    truth, called, subject = [], [], []
    for i, (tp, fn, fp, tn) in enumerate(found):
        truth += [1] * (tp + fn) + [0] * (fp + tn)
        called += [1] * tp + [0] * fn + [1] * fp + [0] * tn
        subject += [f"S{i}"] * (tp + fn + fp + tn)
    return truth, called, subject


def test_2022_pools_segments(judged):
    got = iccad2022.score(judged(*subjects((9, 1, 0, 0), (0, 0, 5, 5))), {})
    assert got["F"] == pytest.approx(5 * 9 / (5 * 9 + 4 * 1 + 5))
    assert got.total.best == 140 and got.total.value is None


def test_2023_averages_subjects_without_rounding(judged):
    got = iccad2023.score(judged(*subjects((2, 1, 0, 0), (1, 2, 0, 0), (0, 0, 3, 1))), {})
    each = [5 * (2 / 3) / (4 + 2 / 3), 5 * (1 / 3) / (4 + 1 / 3), 1.0]
    assert got["F"] == pytest.approx(np.mean(each), abs=1e-12)
    assert got["F"] != pytest.approx(np.mean(np.round(each, 5)), abs=1e-9)
    assert got["G"] == pytest.approx(1 / 3)


def test_2023_counts_a_subject_above_095_strictly_and_unrounded(judged):
    # With P = 1, F = 5 R / (4 + R): R = 76/81 is 0.95 but for the last bit of a float.
    assert iccad2023.score(judged(*subjects((75, 6, 0, 0))), {})["G"] == 0
    # 0.950001 counts, though it is 0.95 to five decimals.
    r = 0.938274
    hits = round(r * 1_000_000)
    just = 5 * r / (4 + r)
    assert 0.95 < just < 0.950005
    assert iccad2023.score(judged(*subjects((hits, 1_000_000 - hits, 0, 0))), {})["G"] == 1


def test_total_with_a_measured_device(judged):
    data = subjects((10, 0, 0, 10))
    assert iccad2022.score(judged(*data, latency_ms=1, size_kib=5), {}).total.value == 140
    assert iccad2023.score(judged(*data, latency_ms=1, size_kib=5), {}).total.value == 140


def test_windows_that_are_no_segments_are_said(judged):
    data = subjects((1, 1, 1, 1))
    assert iccad2022.score(judged(*data), {}).notes == ()
    (note,) = iccad2023.score(judged(*data, window=1000), {}).notes
    assert note == "the contest judges windows of 5 s; here each window of 4 s counts"
