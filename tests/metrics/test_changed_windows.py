"""Predictions that hold outputs on changed windows too."""

from __future__ import annotations

import numpy as np
import pytest

from atml.metrics import Predictions
from atml.tasks.targets import shifted


def made(classes: int = 2, n: int = 60, seed: int = 0) -> Predictions:
    random = np.random.default_rng(seed)
    logits = random.normal(size=(3, n, classes)).astype(np.float32)
    logits[1:] = logits[0] + 0.5 * logits[1:]
    return Predictions(
        logits[0],
        random.integers(0, classes, n),
        np.array([f"S{i % 5}" for i in range(n)]),
        1 if classes == 2 else None,
        {"polarity": logits[1], "gain": logits[2]},
    )


@pytest.mark.parametrize("classes", [2, 3])
def test_agreement_and_the_worst_case_window_by_window(classes: int) -> None:
    found = made(classes)
    assert found.changed is not None
    before = found.labels()
    after = {kind: logits.argmax(axis=1) for kind, logits in found.changed.items()}
    stays = {kind: np.mean([a == b for a, b in zip(before, one, strict=True)]) for kind, one in after.items()}
    assert found.agreement() == pytest.approx(stays)
    assert 0.5 < min(stays.values()) < 1
    worst = found.at_worst()
    right = worst.labels() == found.y
    for i in range(len(before)):
        assert right[i] == (before[i] == found.y[i] and all(one[i] == found.y[i] for one in after.values()))
        if before[i] != found.y[i]:
            np.testing.assert_array_equal(worst.logits[i], found.logits[i])
    assert 0 < right.sum() < (before == found.y).sum()


def test_the_other_classes_of_a_binary_task_are_one() -> None:
    logits = np.array([[2, 0, 0], [0, 0, 2]], np.float32)
    found = Predictions(logits, np.array([0, 2]), np.array(["a", "b"]), 1, {"gain": logits[::-1]})
    assert found.agreement() == {"gain": 1.0}
    np.testing.assert_array_equal(found.at_worst().logits, logits)


def test_changed_outputs_follow_wherever_predictions_go() -> None:
    found = made()
    rows = np.flatnonzero(found.subject == "S1")
    part = found.take(rows)
    assert part.changed is not None and found.changed is not None
    np.testing.assert_array_equal(part.changed["gain"], found.changed["gain"][rows])
    moved = shifted(found, (0.0, 0.7))
    assert moved.agreement() == {
        kind: float(((logits[:, 1] - logits[:, 0] >= 0.7) == found.decided(0.7)).mean())
        for kind, logits in found.changed.items()
    }
    assert moved.agreement() != found.agreement()
    both = Predictions.joined([part, found.take(slice(0, 7))])
    assert both.changed is not None
    np.testing.assert_array_equal(
        both.changed["polarity"],
        np.concatenate([part.changed["polarity"], found.changed["polarity"][:7]]),
    )
    plain = Predictions(found.logits, found.y, found.subject)
    assert Predictions.joined([found, plain]).changed is None
    assert plain.take(rows).changed is None and shifted(plain, (0.0, 1.0)).changed is None


def test_who_did_not_ask_for_them_is_told_how() -> None:
    plain = Predictions(np.eye(2, dtype=np.float32), np.array([0, 1]), np.array(["a", "b"]))
    for ask in (plain.agreement, plain.at_worst):
        with pytest.raises(ValueError, match=r'AGREEMENT = \("robust",\)'):
            ask()
    none = Predictions(plain.logits, plain.y, plain.subject, 1, {})
    assert none.agreement() == {} and none.at_worst().logits.tolist() == plain.logits.tolist()
