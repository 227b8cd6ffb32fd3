import numpy as np
import pytest
from sklearn.metrics import f1_score

from atml.errors import ExportError, InputError
from atml.scoring.rules import cinc2017

FOUR = ("N", "A", "O", "~")


def drawn(classes, seed=0, n=300):
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, n)
    called = np.where(random.random(n) < 0.7, truth, random.integers(0, classes, n))
    return truth, called, [f"A{i:05d}" for i in range(n)]


def test_score_is_the_mean_of_three_f1(judged):
    truth, called, subject = drawn(4)
    got = cinc2017.score(judged(truth, called, subject, classes=FOUR), {})
    each = f1_score(truth, called, average=None)
    assert got["F1"] == pytest.approx(each[:3].mean())
    assert [got[key] for key in ("F1n", "F1a", "F1o", "F1p")] == pytest.approx(each)
    assert got["accuracy"] == pytest.approx(np.mean(truth == called))
    assert got.total is None


def test_classes_are_found_by_name_in_any_order(judged):
    truth, called, subject = drawn(3, seed=1)
    got = cinc2017.score(judged(truth, called, subject, classes=("other", "Afib", "NORMAL")), {})
    each = f1_score(truth, called, average=None)
    assert got["F1"] == pytest.approx(each.mean())
    assert (got["F1n"], got["F1a"], got["F1o"]) == pytest.approx(tuple(each[::-1]))
    rows = got.table("confusion").records
    assert [row["true"] for row in rows] == ["Normal", "AF", "Other"]
    assert rows[0]["Other"] == np.sum((truth == 2) & (called == 0))


def test_a_class_that_nobody_has_is_zero(judged):
    got = cinc2017.score(judged([0, 0, 1], [0, 0, 1], ["a", "b", "c"], classes=FOUR), {})
    assert (got["F1n"], got["F1a"], got["F1o"]) == (1, 1, 0)
    assert got["F1"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    "classes", [("no shock", "shock"), ("N", "A"), ("N", "A", "AF"), ("N", "A", "O", "X"), ("N", "A", "~")]
)
def test_other_classes_are_refused(judged, classes):
    with pytest.raises(ExportError, match=r"judges the classes Normal, AF and Other.*choose another rule"):
        cinc2017.fits(judged([0], [0], ["S"], classes=classes).task)


def test_the_largest_output_decides(judged):
    assert cinc2017.decide([[1, 3, 2], [2, 2, 1], [0, 0, 1]]).tolist() == [1, 0, 2]
    with pytest.raises(InputError, match=r"\(1, 2\)"):
        cinc2017.decide([[1, 2]])
    with pytest.raises(InputError, match="no windows"):
        cinc2017.score(judged([], [], [], classes=FOUR), {})
