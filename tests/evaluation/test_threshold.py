import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atml.evaluation import decision
from atml.evaluation.gate import Gate
from atml.metrics import four_metrics, mean_subject_f_beta
from atml.metrics.predictions import Predictions
from atml.tasks import targets
from atml.tasks.targets.base import CANDIDATES
from atml.tasks.targets.binary import BinaryTarget, candidates
from atml.tasks.task import Task

TARGET = BinaryTarget(Task(name="t", classes=("other", "AF"), positive=1, sampling_rate=250, window=1250))


def choose_threshold(predictions, value, floor=0.0, count=CANDIDATES):
    """The threshold that the target chooses; the other offset is 0."""
    zero, threshold = TARGET.choose(predictions, value, floor=floor, count=count)
    assert zero == 0.0
    return threshold


def shifted(predictions, threshold):
    """Move the margin by a threshold, or by one for each row."""
    moves = np.zeros_like(predictions.logits)
    moves[:, 1] = threshold
    return targets.shifted(predictions, moves)


def cross_fitted(predictions, fold, value, **options):
    return decision.cross_fitted(TARGET, predictions, fold, value, **options)


def with_margins(margins, y, subject=None):
    margins = np.asarray(margins, np.float32)
    logits = np.stack([np.zeros_like(margins), margins], axis=1)
    subject = np.array(["S"] * len(margins)) if subject is None else np.array(subject)
    return Predictions(logits, np.array(y, np.int64), subject)


def accuracy(predictions):
    return four_metrics(predictions)["accuracy"]


def test_a_gap_is_cut_in_its_middle():
    p = with_margins([1.0, 2.0, 6.0, 9.0], [0, 0, 1, 1])
    assert choose_threshold(p, accuracy) == 4.0
    assert accuracy(shifted(p, 4.0)) == 1.0


def test_zero_is_kept_when_nothing_beats_it():
    p = with_margins([-3.0, -1.0, 1.0, 3.0], [0, 0, 1, 1])
    assert choose_threshold(p, accuracy) == 0.0


def test_of_equal_stretches_the_nearest_to_zero():
    # 3 of 4 are right just above -8 and just above 1; both cuts are as good.
    p = with_margins([-9.0, -7.0, 1.0, 3.0], [0, 1, 0, 1])
    assert choose_threshold(p, accuracy) == 2.0


def test_the_middle_of_a_plateau():
    # The value cares for a range of cuts only: all from 3.5 to 7.5 are equally good.
    p = with_margins(np.arange(10.0), [0] * 10)

    def value(q):
        return 1.0 if 3.4 < 10 - q.decided().sum() < 8.6 else 0.0

    assert choose_threshold(p, value) == 5.5


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(-5, 5, width=32), st.booleans()), min_size=1, max_size=60),
    st.sampled_from([accuracy, mean_subject_f_beta]),
)
def test_never_worse_than_zero_and_best_of_all_cuts(rows, value):
    p = with_margins([m for m, _ in rows], [int(y) for _, y in rows])
    best = value(shifted(p, choose_threshold(p, value)))
    assert best >= value(p)
    assert best >= max(value(shifted(p, t)) for t in candidates(p.margin(), 10_000)) - 1e-9


def test_a_floor_keeps_a_greedy_value_from_giving_precision_away():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    p = with_margins(1.5 * (2 * y - 1) + rng.normal(size=400) * 1.5, y)

    def recall(q):
        return four_metrics(q)["recall"]

    def lowest(t):
        return min(four_metrics(shifted(p, t)).values())

    greedy = choose_threshold(p, recall)
    assert recall(shifted(p, greedy)) == 1.0 and lowest(greedy) < 0.6
    held = choose_threshold(p, recall, floor=0.75)
    assert lowest(held) >= 0.75
    assert greedy < held < 0 and recall(shifted(p, held)) > recall(p)
    # A floor that no threshold reaches changes nothing.
    assert choose_threshold(p, recall, floor=0.999) == greedy
    folds = np.arange(400) % 4
    assert (
        min(four_metrics(cross_fitted(p, folds, recall, gate=Gate.of_four(0.75)).predictions).values()) > 0.72
    )


def test_many_margins_are_thinned_and_the_ends_are_there():
    margin = np.random.default_rng(0).normal(size=5000).astype(np.float32)
    grid = candidates(margin, 200)
    assert 200 <= len(grid) <= 203
    assert (np.diff(grid) > 0).all() and 0.0 in grid
    assert (margin >= grid[0]).all() and not (margin >= grid[-1]).any()


def test_shift_moves_the_decision_of_every_row_by_its_own():
    p = with_margins([1.0, 1.0, 3.0], [0, 1, 1])
    assert shifted(p, 1.0).decided().tolist() == p.decided(1.0).tolist() == [True, True, True]
    assert shifted(p, np.array([2.0, 0.0, 4.0])).decided().tolist() == [False, True, False]
    assert p.logits[0, 1] == 1.0  # the original stays


def test_cross_fitting_judges_a_fold_by_the_others():
    # Fold 0 is cut right at 2, fold 1 at 12: each is judged at the other's.
    p = with_margins([1, 3, 11, 13], [0, 1, 0, 1], ["a", "a", "b", "b"])
    got = cross_fitted(p, np.array([0, 0, 1, 1]), accuracy)
    assert got.offsets == ((0.0, 12.0), (0.0, 2.0))
    assert got.predictions.decided().tolist() == [False, False, True, True]
    assert got.value == 0.5


def test_cross_fitting_is_less_rosy_than_tuning_on_noise():
    rng = np.random.default_rng(0)
    tuned, honest = [], []
    for _ in range(20):
        n = 60
        p = with_margins(rng.normal(size=n), rng.integers(0, 2, n), np.repeat(list("abcdef"), 10))
        tuned.append(accuracy(shifted(p, choose_threshold(p, accuracy))))
        honest.append(cross_fitted(p, np.repeat(np.arange(6), 10), accuracy).value)
    assert np.mean(tuned) > 0.56
    assert np.mean(honest) < 0.53


def test_one_fold_alone_is_judged_at_zero():
    p = with_margins([1, 3], [0, 1])
    assert cross_fitted(p, np.array([2, 2]), accuracy).offsets == ((0.0, 0.0),)


@pytest.mark.parametrize("positive", [0, 1, 2])
def test_any_class_may_be_positive(positive):
    logits = np.random.default_rng(positive).normal(size=(50, 3)).astype(np.float32)
    y = np.random.default_rng(9).integers(0, 3, 50)
    p = Predictions(logits, y, np.array(["S"] * 50), positive)
    task = Task(name="t", classes=("a", "b", "c"), positive=positive, sampling_rate=250, window=1250)
    offsets = BinaryTarget(task).choose(p, accuracy, floor=0.0, count=CANDIDATES)
    assert targets.shifted(p, offsets).decided().tolist() == p.decided(offsets[positive]).tolist()
