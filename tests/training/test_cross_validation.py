"""A trial: folds in order, predictions out of fold, an honest value, and every way to end."""

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from atml.data.dataset import Dataset, Fold
from atml.ecg.changes import CHANGES
from atml.metrics import macro_f1
from atml.models.config import ModelConfig
from atml.tasks.task import Task
from atml.training import cross_validation
from atml.training.loop import fit, predict

TASK = Task(name="t", classes=("slow", "fast"), positive=1, sampling_rate=50, window=100)
CONFIG = ModelConfig(channels=(4, 6), kernels=(7, 5), strides=(2, 2), batch=32, steps=60)


def accuracy(predictions):
    return float((predictions.decided() == predictions.truth()).mean())


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    n = 180
    y = np.arange(n) % 2
    hz = np.where(y == 1, 4.0, 2.0)[:, None]
    x = np.sin(2 * np.pi * hz * np.arange(100) / 50 + random.uniform(0, 6.3, (n, 1)))
    x = (x + random.normal(0, 0.3, x.shape))[:, None].astype(np.float32)
    x.setflags(write=False)
    return Dataset(
        x=x,
        y=y.astype(np.int64),
        subject=np.array([f"S{i // 30}" for i in range(n)]),
        rhythm=np.where(y == 1, "fast", "slow"),
        sampling_rate=50,
        fingerprint="0",
        name="sines",
    )


@pytest.fixture(scope="module")
def folds(dataset):
    rows = np.arange(len(dataset))
    return tuple(Fold(train=rows[rows // 60 != k], held_out=rows[rows // 60 == k]) for k in range(3))


@pytest.fixture(scope="module")
def measured(dataset, folds):
    seen = []
    result = cross_validation.run(
        CONFIG, TASK, dataset, folds, accuracy, seed=0, on_progress=lambda point: seen.append(point) or True
    )
    return result, seen


def test_a_trial_predicts_every_row_once_out_of_fold(measured, dataset):
    result, _ = measured
    assert sorted(result.rows.tolist()) == list(range(len(dataset)))
    np.testing.assert_array_equal(result.predictions.y, dataset.y[result.rows])
    np.testing.assert_array_equal(result.predictions.subject, dataset.subject[result.rows])
    assert result.finished
    assert not result.diverged
    assert result.steps == 180
    assert result.seconds > 0


def test_its_value_is_the_objective_over_all_of_them(measured):
    result, _ = measured
    assert result.value == accuracy(result.predictions)
    assert result.value > 0.9
    for k in range(3):
        part = slice(60 * k, 60 * (k + 1))
        p = result.predictions
        alone = dataclasses.replace(p, logits=p.logits[part], y=p.y[part], subject=p.subject[part])
        assert result.fold_values[k] == accuracy(alone)
    assert len(result.train_values) == 3
    assert min(result.train_values) > 0.9


def test_progress_is_of_the_fold_before_its_end_and_of_all_subjects_at_it(measured):
    result, seen = measured
    assert [(point.fold, point.fraction) for point in seen] == [
        (k, f) for k in range(3) for f in (0.25, 0.5, 0.75, 1.0)
    ]
    for point in seen:
        of_fold = next(p for p in result.curves[point.fold] if p[0] == point.fraction)
        if point.fraction < 1.0:
            assert point.value == of_fold[2]
        else:
            assert point.value == pytest.approx(np.mean(result.fold_values[: point.fold + 1]))
    assert seen[-1].value == result.value


def test_a_report_carries_how_well_a_fold_is_ranked_and_how_far_its_outputs_lie_apart(measured):
    result, seen = measured
    p = result.predictions
    margin = p.margin().astype(float)
    for point in (p for p in seen if p.fraction == 1.0):
        part = slice(60 * point.fold, 60 * (point.fold + 1))
        assert point.auc == pytest.approx(roc_auc_score(p.truth()[part], margin[part]))
        assert point.spread == pytest.approx(margin[part].std())
    assert seen[3].auc > 0.95 and seen[0].spread < seen[3].spread


def test_a_fold_without_a_class_has_no_ranking(dataset, folds):
    seen = []
    held_out = folds[0].held_out
    one_class = (Fold(folds[0].train, held_out[dataset.y[held_out] == 1]),)
    cross_validation.run(CONFIG, TASK, dataset, one_class, accuracy, seed=0, on_progress=seen.append)
    assert np.isnan(seen[0].auc) and seen[0].spread > 0


def test_one_seed_gives_one_measurement(dataset, folds):
    a, b, c = (cross_validation.run(CONFIG, TASK, dataset, folds, accuracy, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(a.predictions.logits, b.predictions.logits)
    assert a.curves == b.curves
    assert not np.array_equal(a.predictions.logits, c.predictions.logits)


@pytest.mark.parametrize(
    ("fold", "fraction", "rows", "complete"),
    [(0, 0.5, 0, 0), (0, 1.0, 60, 1), (1, 0.25, 60, 1), (1, 1.0, 120, 2)],
)
def test_the_hook_stops_it_and_what_is_finished_is_measured(dataset, folds, fold, fraction, rows, complete):
    result = cross_validation.run(
        CONFIG,
        TASK,
        dataset,
        folds,
        accuracy,
        seed=0,
        on_progress=lambda point: (point.fold, point.fraction) != (fold, fraction),
    )
    assert not result.finished
    assert not result.diverged
    assert len(result.rows) == rows
    assert len(result.fold_values) == len(result.train_values) == complete
    assert len(result.curves) == fold + 1
    assert result.curves[-1][-1][0] == fraction
    if rows:
        assert result.value == accuracy(result.predictions)
    else:
        assert result.predictions is None
        assert result.value == result.curves[0][-1][2]


def test_stopping_after_the_last_fold_is_finishing(dataset, folds):
    result = cross_validation.run(
        CONFIG,
        TASK,
        dataset,
        folds,
        accuracy,
        seed=0,
        on_progress=lambda point: (point.fold, point.fraction) != (2, 1.0),
    )
    assert result.finished
    assert len(result.rows) == 180


def test_divergence_is_a_result_of_zero(dataset, folds):
    config = dataclasses.replace(
        CONFIG, optimizer="sgd", learning_rate=1e30, norm="none", schedule="constant"
    )
    result = cross_validation.run(config, TASK, dataset, folds, accuracy, seed=0)
    assert result.diverged
    assert not result.finished
    assert result.value == 0.0
    assert result.predictions is None


def test_a_model_that_calls_everything_the_same_ends_the_trial(dataset, folds):
    result = cross_validation.run(
        dataclasses.replace(CONFIG, positive_weight=1e6), TASK, dataset, folds, accuracy, seed=0
    )
    assert result.collapsed
    assert not result.finished
    assert not result.diverged
    assert len(result.fold_values) == 1
    assert result.predictions.decided().all()


def test_three_classes_collapse_only_where_one_class_is_called(dataset, folds):
    task = dataclasses.replace(TASK, kind="multiclass", classes=("N", "AF", "O"), positive=None)
    # Class 1 is never seen and so never called: the other two are learned all the same.
    learned = cross_validation.run(
        dataclasses.replace(CONFIG, steps=200),
        task,
        dataclasses.replace(dataset, y=2 * dataset.y),
        folds,
        macro_f1,
        seed=0,
    )
    assert set(learned.predictions.labels().tolist()) == {0, 2}
    assert not learned.collapsed and learned.finished
    one_class = dataclasses.replace(dataset, y=np.zeros_like(dataset.y))
    assert cross_validation.run(CONFIG, task, one_class, folds, macro_f1, seed=0).collapsed


def test_only_rows_of_the_folds_are_touched(dataset, folds):
    x = dataset.x.copy()
    x[150:] = np.nan
    broken = dataclasses.replace(dataset, x=x)
    kept = tuple(Fold(f.train[f.train < 150], f.held_out[f.held_out < 150]) for f in folds)
    result = cross_validation.run(CONFIG, TASK, broken, kept, accuracy, seed=0)
    assert not result.diverged
    assert result.rows.max() == 149


def test_the_training_value_is_over_a_sample_of_many_rows(dataset, folds, monkeypatch):
    monkeypatch.setattr(cross_validation, "TRAIN_SAMPLE", 50)
    counts = []

    def value(predictions):
        counts.append(len(predictions.y))
        return 0.5

    cross_validation.run(CONFIG, TASK, dataset, folds, value, seed=0)
    assert counts.count(50) == 3


def test_changed_windows_are_predicted_where_asked_for_and_change_no_number(dataset, folds, measured):
    plain, _ = measured
    assert plain.predictions.changed is None
    with_them = cross_validation.run(CONFIG, TASK, dataset, folds, accuracy, seed=0, agreement=True)
    assert (with_them.value, with_them.curves) == (plain.value, plain.curves)
    np.testing.assert_array_equal(with_them.predictions.logits, plain.predictions.logits)
    changed = with_them.predictions.changed
    assert set(changed) == set(CHANGES)
    # The model of the last fold again, on windows that were changed by hand.
    fold = folds[-1]
    model = fit(
        CONFIG, TASK, dataset.x[fold.train], dataset.y[fold.train], dataset.subject[fold.train], seed=2
    ).model
    by_hand = predict(model, -dataset.x[fold.held_out])
    np.testing.assert_array_equal(changed["polarity"][-len(by_hand) :], by_hand)
    agreement = with_them.predictions.agreement()
    assert agreement["gain"] > 0.9 and agreement["noise"] > 0.9


def test_an_objective_that_asks_for_changed_windows_gets_them_wherever_it_judges(dataset, folds, measured):
    plain, _ = measured
    seen = []

    def value(predictions):
        seen.append(len(predictions.y))
        return accuracy(predictions.at_worst())

    result = cross_validation.run(CONFIG, TASK, dataset, folds[:2], value, seed=0, judged=True)
    # Four report points a fold, all subjects so far at its end, a sample of its training rows; the whole.
    assert seen == [60] * 4 + [60, 120] + [60] * 4 + [120, 120] + [120]
    assert result.value == accuracy(result.predictions.at_worst()) <= accuracy(result.predictions)
    np.testing.assert_array_equal(result.predictions.logits, plain.predictions.logits[:120])
