import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn import metrics as sk

from atml import metrics
from atml.metrics.multiclass import ClassCounts
from atml.metrics.predictions import Predictions


def labels(max_size=60):
    return st.lists(
        st.tuples(st.booleans(), st.booleans(), st.sampled_from(["S1", "S11", "S2", "a-b"])),
        min_size=1,
        max_size=max_size,
    )


def columns(rows):
    truth, decided, subject = zip(*rows, strict=True)
    return np.array(truth), np.array(decided), np.array(subject)


def predictions(truth, decided, subject):
    logits = np.zeros((len(truth), 2), np.float32)
    logits[:, 1] = np.where(decided, 1.0, -1.0)
    return Predictions(logits, truth.astype(np.int64), subject)


@given(labels())
def test_pooled_rates_agree_with_sklearn(rows):
    truth, decided, subject = columns(rows)
    got = metrics.confusion(truth, decided)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tn, fp, fn, tp = sk.confusion_matrix(truth, decided, labels=[False, True]).ravel()
        assert (got.tp, got.fp, got.fn, got.tn) == (tp, fp, fn, tn)
        assert got.n == len(rows)
        four = got.four()
        assert four["F1"] == pytest.approx(sk.f1_score(truth, decided, zero_division=0))
        assert four["accuracy"] == pytest.approx(sk.accuracy_score(truth, decided))
        assert four["precision"] == pytest.approx(sk.precision_score(truth, decided, zero_division=0))
        assert four["recall"] == pytest.approx(sk.recall_score(truth, decided, zero_division=0))
        assert got.f_beta(2.0) == pytest.approx(sk.fbeta_score(truth, decided, beta=2.0, zero_division=0))
        assert got.specificity == pytest.approx(sk.recall_score(~truth, ~decided, zero_division=0))
        assert got.npv == pytest.approx(sk.precision_score(~truth, ~decided, zero_division=0))
    assert metrics.four_metrics(predictions(truth, decided, subject)) == four


@given(labels())
def test_subjects_agree_with_sklearn_but_for_the_conventions(rows):
    truth, decided, subject = columns(rows)
    table = metrics.counts(truth, decided, subject)
    assert table.names.tolist() == sorted(set(subject))
    expected = []
    for i, name in enumerate(table.names):
        t, d = truth[subject == name], decided[subject == name]
        f = sk.fbeta_score(t, d, beta=2.0, zero_division=0) if t.any() else 1.0
        expected.append(f)
        assert table.f_beta()[i] == pytest.approx(f, abs=5.1e-6)
    got = metrics.mean_subject_f_beta(predictions(truth, decided, subject))
    assert got == pytest.approx(np.mean(expected), abs=5.1e-6)
    assert table.pooled() == metrics.confusion(truth, decided)


@given(labels(), st.randoms())
def test_order_of_segments_does_not_matter(rows, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    first = metrics.counts(*columns(rows)).rows()
    assert metrics.counts(*columns(shuffled)).rows() == first
    assert sum(row.n for row in first) == len(rows)


@given(st.lists(st.sampled_from(["S1", "S11", "S2", "", "x" * 30]), min_size=1, max_size=40))
def test_subject_codes_equal_unique(subjects):
    names, code = metrics.subject_codes(np.array(subjects))
    expected, inverse = np.unique(np.array(subjects), return_inverse=True)
    assert names.tolist() == expected.tolist()
    assert code.tolist() == inverse.tolist()


def row(truth, decided):
    table = metrics.counts(np.array(truth, bool), np.array(decided, bool), np.array(["S"] * len(truth)))
    return table.rows()[0]


def test_no_positives_is_perfect_whatever_the_false_positives():
    got = row([0, 0, 0, 0], [1, 1, 1, 1])
    assert (got.ppv, got.sensitivity, got.f_beta) == (1.0, 1.0, 1.0)
    assert (got.specificity, got.npv) == (0.0, 0.0)


def test_a_model_that_always_alarms_gains_nothing_from_healthy_subjects_if_asked():
    y = np.array([0, 0, 0, 0, 1, 1], np.int64)
    subject = np.array(["well"] * 4 + ["ill"] * 2)
    alarm = Predictions(np.tile(np.array([[0.0, 1.0]], np.float32), (6, 1)), y, subject)
    assert metrics.mean_subject_f_beta(alarm) == 1.0
    assert metrics.mean_subject_f_beta(alarm, without_positives="specificity") == 0.5
    with pytest.raises(ValueError, match="'none'"):
        metrics.mean_subject_f_beta(alarm, without_positives="none")


def test_positives_of_which_none_is_called():
    got = row([1, 1, 0], [0, 0, 0])
    assert (got.ppv, got.sensitivity, got.f_beta) == (0.0, 0.0, 0.0)
    assert got.npv == pytest.approx(0.33333, abs=1e-12)


def test_positives_called_nowhere_but_wrongly():
    assert row([1, 0], [0, 1]).f_beta == 0.0


def test_no_negatives():
    got = row([1, 1, 1, 1], [1, 0, 0, 0])
    assert (got.specificity, got.npv, got.ppv) == (1.0, 1.0, 1.0)
    assert got.sensitivity == 0.25
    assert got.f_beta == round(5 * 0.25 / 4.25, 5)


def test_values_are_rounded_before_the_mean():
    truth = np.array([1, 1, 1, 1, 1, 1])
    decided = np.array([1, 1, 0, 1, 0, 0])
    subject = np.array(["A", "A", "A", "B", "B", "B"])
    f = [5 * (2 / 3) / (4 + 2 / 3), 5 * (1 / 3) / (4 + 1 / 3)]
    exact = (round(f[0], 5) + round(f[1], 5)) / 2
    assert exact != sum(f) / 2
    assert metrics.mean_subject_f_beta(predictions(truth, decided, subject)) == exact


def test_worst_subjects_come_first_and_false_alarms_break_ties():
    truth = np.array([1, 1, 0, 0, 0, 0, 1])
    decided = np.array([0, 0, 0, 1, 0, 0, 1])
    subject = np.array(["miss", "miss", "calm", "alarm", "alarm", "calm", "calm"])
    assert [r.subject for r in metrics.counts(truth, decided, subject).rows()] == ["miss", "alarm", "calm"]


def test_a_tie_counts_as_positive_and_the_positive_class_may_be_any():
    logits = np.array([[1, 0, 1], [2, 0, 1], [0, 3, 3]], np.float32)
    p = Predictions(logits, np.array([2, 0, 1]), np.array(["a", "a", "a"]), positive=2)
    assert p.decided().tolist() == [True, False, True]
    assert metrics.confusion(p.truth(), p.decided()) == metrics.Confusion(tp=1, fp=1, fn=0, tn=1)


def table_of(subjects, seed):
    rng = np.random.default_rng(seed)
    n = subjects * 50
    truth = rng.random(n) < 0.4
    decided = truth ^ (rng.random(n) < np.repeat(rng.random(subjects) * 0.3, 50))
    return metrics.counts(truth, decided, np.repeat([f"S{i}" for i in range(subjects)], 50))


def test_bootstrap_is_seeded_and_holds_the_sample():
    table = table_of(20, 0)
    first, again, other = (metrics.bootstrap(table, seed=s) for s in (3, 3, 4))
    assert first == again != other
    assert set(first) == {"F", "G", "pooled F", *metrics.FOUR, "specificity"}
    assert first["F"].value == pytest.approx(table.f_beta().mean())
    assert first["G"].value == pytest.approx((table.f_beta() > 0.9).mean())
    for key, value in table.pooled().four().items():
        assert first[key].value == pytest.approx(value)
    assert first["pooled F"].value == pytest.approx(table.pooled().f_beta(2.0))
    assert first["specificity"].value == pytest.approx(table.pooled().specificity)
    for interval in first.values():
        assert 0 <= interval.low < interval.value < interval.high <= 1


def test_bootstrap_narrows_with_more_subjects_not_with_more_segments():
    def width(table):
        found = metrics.bootstrap(table)["F"]
        return found.high - found.low

    few, many = table_of(10, 1), table_of(160, 1)
    assert width(many) < 0.5 * width(few)
    repeated = metrics.Counts(few.names, few.tp * 9, few.fp * 9, few.fn * 9, few.tn * 9)
    assert width(repeated) == pytest.approx(width(few), rel=1e-3)


def test_bootstrap_of_repeats_is_of_their_mean():
    first, second = table_of(20, 0), table_of(20, 1)
    both = metrics.bootstrap(first, second)
    for key in both:
        alone = [metrics.bootstrap(table)[key].value for table in (first, second)]
        assert both[key].value == pytest.approx(np.mean(alone))
    assert metrics.bootstrap(first, first) == metrics.bootstrap(first)
    with pytest.raises(ValueError, match="different subjects"):
        metrics.bootstrap(first, table_of(19, 0))


def test_bootstrap_without_rounding():
    table = metrics.counts(np.array([1, 1, 1]), np.array([1, 1, 0]), np.array(["S"] * 3))
    exact = 5 * (2 / 3) / (4 + 2 / 3)
    assert metrics.bootstrap(table)["F"].value == round(exact, 5)
    assert metrics.bootstrap(table, decimals=None)["F"].value == pytest.approx(exact, abs=1e-12)
    assert table.rows(decimals=None)[0].f_beta == pytest.approx(exact, abs=1e-12)


def test_resampled_sums_are_of_subjects():
    table = table_of(20, 0)
    cells = np.stack([table.tp, table.fn], axis=1)
    found = metrics.resampled(cells, lambda sums: {"Se": sums[:, 0] / sums.sum(axis=1)})["Se"]
    known = metrics.bootstrap(table)["recall"]
    assert found.value == pytest.approx(known.value)
    assert (found.low, found.high) == pytest.approx((known.low, known.high), abs=0.01)
    one = metrics.resampled(cells[:1], lambda sums: {"Se": sums[:, 0] / sums.sum(axis=1)})["Se"]
    assert one.low == one.value == one.high


def test_bootstrap_of_one_perfect_subject_is_a_point():
    table = metrics.counts(np.array([True, False]), np.array([True, False]), np.array(["S", "S"]))
    assert metrics.bootstrap(table)["F"] == metrics.Interval(1.0, 1.0, 1.0)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 300), st.floats(0, 1), st.sampled_from([0.9, 0.95, 0.99]))
def test_clopper_pearson_agrees_with_scipy(n, share, level):
    successes = round(n * share)
    got = metrics.clopper_pearson(successes, n, level)
    expected = binomtest(successes, n).proportion_ci(level, method="exact")
    assert (got.low, got.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    lower = metrics.clopper_pearson(successes, n, level, one_sided=True)
    expected = binomtest(successes, n, alternative="greater").proportion_ci(level, method="exact")
    assert (lower.low, lower.high) == pytest.approx((expected.low, 1.0), abs=1e-9)


def test_clopper_pearson_edges():
    assert metrics.clopper_pearson(0, 0) == metrics.Interval(0.0, 0.0, 1.0)
    assert metrics.clopper_pearson(0, 10).low == 0.0
    assert metrics.clopper_pearson(10, 10).high == 1.0
    with pytest.raises(ValueError, match="11 successes of 10"):
        metrics.clopper_pearson(11, 10)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_that_of_scipy(counted):
    k, n = counted
    expected = binomtest(k, n).proportion_ci(method="wilson")
    found = metrics.wilson(k, n)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_wilson_edges():
    assert metrics.wilson(0, 0) == metrics.Interval(0.0, 0.0, 1.0)
    with pytest.raises(ValueError, match="4 successes of 3"):
        metrics.wilson(4, 3)


def test_empty_is_no_crash():
    none = np.empty(0, bool)
    table = metrics.counts(none, none, np.empty(0, "U3"))
    assert table.rows() == ()
    assert table.pooled().n == 0
    assert metrics.bootstrap(table)["F"] == metrics.Interval(0.0, 0.0, 1.0)


def test_a_subject_without_positives_is_the_worst_if_all_of_it_is_called_positive() -> None:
    truth, decided = [0, 0, 0, 1, 1, 1, 1, 0], [1, 1, 1, 1, 0, 1, 1, 0]
    rows = metrics.counts(truth, decided, np.array(list("aaabbccc"))).rows()
    assert [(row.subject, row.sensitivity, row.specificity) for row in rows] == [
        ("a", 1.0, 0.0),
        ("b", 0.5, 1.0),
        ("c", 1.0, 1.0),
    ]
    assert rows[0].f_beta == 1.0


def test_of_people_with_nothing_right_the_one_with_most_windows_comes_first():
    cells = np.zeros((3, 3, 3), np.int64)
    cells[0, 0, 0], cells[1, 0, 1], cells[2, 2, 1] = 4, 3, 6
    table = ClassCounts(np.array(["right", "a", "b"]), cells)
    assert [row.subject for row in table.rows()] == ["b", "a", "right"]
