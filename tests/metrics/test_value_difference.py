"""Differences of an objective between models on the same subjects."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from atml.errors import TaskFileError
from atml.metrics.predictions import Predictions
from atml.metrics.value_difference import SubjectValues, value_difference

SUBJECTS, EACH = 20, 30
Value = Callable[[Predictions], float]


def run(wrong: np.ndarray, seed: int = 0) -> Predictions:
    """Subject i has a share ``wrong[i]`` of its windows decided wrong."""
    random = np.random.default_rng(seed)
    y = np.tile(np.arange(EACH) % 2, SUBJECTS)
    flipped = random.random(len(y)) < np.repeat(wrong, EACH)
    logits = np.eye(2, dtype=np.float32)[np.where(flipped, 1 - y, y)]
    return Predictions(logits, y, np.repeat([f"s{i:02d}" for i in range(SUBJECTS)], EACH))


def mean_accuracy(found: Predictions) -> float:
    names = np.unique(found.subject)
    return float(np.mean([(found.decided() == found.truth())[found.subject == n].mean() for n in names]))


def youden(found: Predictions) -> float:
    """No mean over subjects: a rate over all windows of each class, times the other."""
    if len(np.unique(found.y)) < 2:
        raise TaskFileError("one class")
    right = found.decided() == found.truth()
    return float(right[found.truth()].mean() * right[~found.truth()].mean())


@pytest.mark.parametrize(("value", "paired"), [(mean_accuracy, True), (youden, False)])
def test_what_is_better_for_everybody_is_better_and_luck_is_not(value: Value, paired: bool) -> None:
    hard = np.linspace(0.0, 0.5, SUBJECTS)
    base, again, better = (
        SubjectValues(run(hard * share, seed), value) for share, seed in ((1.0, 1), (1.0, 2), (0.5, 3))
    )
    assert (base.each is not None) == paired
    gain = value_difference([better], [base])
    assert gain.value == pytest.approx(better.whole - base.whole) and gain.low > 0
    luck = value_difference([again], [base])
    assert luck.low < 0 < luck.high
    back = value_difference([base], [better])
    assert (back.low, back.high) == pytest.approx((-gain.high, -gain.low), abs=1e-9)
    # Subjects differ more than models do: unpaired, the gain would drown.
    assert gain.high - gain.low < 2 * np.std(hard) / np.sqrt(SUBJECTS) * 2


def test_both_ways_give_the_same_interval_up_to_their_draws() -> None:
    """An objective that is a mean over subjects, with its values by subject withheld."""
    hard = np.linspace(0.0, 0.5, SUBJECTS)
    pair = [SubjectValues(run(hard * share, seed), mean_accuracy) for share, seed in ((0.6, 1), (1.0, 2))]
    direct = value_difference(pair[:1], pair[1:])
    for one in pair:
        one.__dict__["each"] = None
    drawn = value_difference(pair[:1], pair[1:])
    assert drawn.value == direct.value
    assert (drawn.low, drawn.high) == pytest.approx((direct.low, direct.high), abs=0.02)


def test_more_seeds_narrow_what_seeds_blur() -> None:
    hard = np.full(SUBJECTS, 0.2)
    first, second = (
        [SubjectValues(run(hard, s), mean_accuracy) for s in seeds] for seeds in ((1, 2), (3, 4))
    )
    one, two = value_difference(first[:1], second[:1]), value_difference(first, second)
    assert two.high - two.low < one.high - one.low


def test_other_subjects_are_refused() -> None:
    found = run(np.zeros(SUBJECTS))
    fewer = Predictions(found.logits[EACH:], found.y[EACH:], found.subject[EACH:])
    with pytest.raises(ValueError, match="same subjects"):
        value_difference([SubjectValues(found, youden)], [SubjectValues(fewer, youden)])


@pytest.mark.parametrize("subjects", [2, 4, 12])
def test_equals_are_called_different_as_rarely_as_it_says_with_few_people_too(subjects: int) -> None:
    """Two models of one quality for each subject: an interval of 90% excludes 0 for one pair in ten."""
    random = np.random.default_rng(0)
    who = np.repeat(np.arange(subjects).astype(str), 40)

    def drawn() -> SubjectValues:
        right = random.random(len(who)) < np.repeat(random.uniform(0.4, 0.9, subjects), 40)
        y = np.zeros(len(who), np.int64)
        return SubjectValues(Predictions(np.eye(2, dtype=np.float32)[(~right).astype(int)], y, who), share)

    def share(found: Predictions) -> float:
        return float((found.labels() == found.y).mean())

    gaps = [value_difference([drawn()], [drawn()]) for _ in range(200)]
    apart = np.mean([gap.low > 0 or gap.high < 0 for gap in gaps])
    assert 0.04 < apart < 0.16, apart
    one = [SubjectValues(d._found.take(who == "0"), share) for d in (drawn(), drawn())]
    alone = value_difference(one[:1], one[1:])
    assert (alone.low, alone.high) == (-np.inf, np.inf)
