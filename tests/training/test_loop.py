"""Training: it learns, it repeats, it stops, and each of its parts does what its name says."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from atml.errors import ConfigError, ShapeError
from atml.models import build
from atml.models.config import ModelConfig
from atml.models.families.conv_recurrent import ConvRecurrent
from atml.tasks.task import Task
from atml.training import loop, losses, optimizers
from atml.training.augmentation import Augment

TASK = Task(name="t", classes=("slow", "fast"), positive=1, sampling_rate=50, window=100)
CONFIG = ModelConfig(channels=(6, 8), kernels=(7, 5), strides=(2, 2), batch=32, steps=60)


def sines(n=240, seed=0, window=100):
    """Two classes told apart by their frequency alone; six subjects of unequal length."""
    random = np.random.default_rng(seed)
    y = np.arange(n) % 2
    hz = np.where(y == 1, 4.0, 2.0)[:, None]
    time = np.arange(window) / 50.0
    x = np.sin(2 * np.pi * hz * time + random.uniform(0, 6.3, (n, 1))) + random.normal(0, 0.3, (n, window))
    subject = np.array([f"S{min(5, i * 10 // n)}" for i in range(n)])
    return x[:, None].astype(np.float32), y.astype(np.int64), subject


def accuracy(model, x, y):
    return float((loop.predict(model, x).argmax(1) == y).mean())


def fit(config=CONFIG, *, seed=0, **more):
    return loop.fit(config, TASK, *sines(), seed=seed, **more)


LEARNERS = {
    "cnn": CONFIG,
    "separable": dataclasses.replace(CONFIG, separable=True),
    "lstm": dataclasses.replace(CONFIG, cell="lstm", units=8, learning_rate=5e-3),
    "gru": dataclasses.replace(CONFIG, cell="gru", units=8, learning_rate=5e-3, bidirectional=True),
    "gru alone": dataclasses.replace(
        CONFIG, channels=(), kernels=(), strides=(), cell="gru", units=12, decimation=4, learning_rate=1e-2
    ),
    "sgd": dataclasses.replace(CONFIG, optimizer="sgd", learning_rate=0.1, schedule="onecycle"),
    "rmsprop": dataclasses.replace(CONFIG, optimizer="rmsprop", schedule="step"),
    "adam": dataclasses.replace(CONFIG, optimizer="adam", schedule="constant", averaging=0.9),
    "focal": dataclasses.replace(CONFIG, loss="focal", class_weights="balanced", sampling="subject"),
    "wide, in bfloat16": dataclasses.replace(CONFIG, channels=(16, 32), kernels=(9, 9)),
    "augmented": dataclasses.replace(
        CONFIG, scale=0.1, noise=0.1, wander=0.2, shift=0.5, mixup=0.2, label_smoothing=0.1, dropout=0.1
    ),
}


@pytest.mark.parametrize("config", LEARNERS.values(), ids=LEARNERS.keys())
def test_every_way_of_training_learns(config):
    fitted = fit(dataclasses.replace(config, steps=120))
    x, y, _ = sines(seed=9)
    assert not fitted.diverged
    assert accuracy(fitted.model, x, y) > 0.95


@pytest.mark.parametrize("name", ["cnn", "lstm", "augmented"])
def test_one_seed_gives_the_same_numbers_bit_for_bit_whatever_the_global_state(name):
    config = LEARNERS[name]
    torch.manual_seed(1)
    first = fit(config, seed=3)
    torch.manual_seed(2)
    again = fit(config, seed=3)
    other = fit(config, seed=4)
    x, _, _ = sines(seed=9)
    np.testing.assert_array_equal(loop.predict(first.model, x), loop.predict(again.model, x))
    assert first.curve[-1][1] == again.curve[-1][1]
    assert first.curve[-1][1] != other.curve[-1][1]


def test_training_leaves_the_global_random_state_and_the_thread_count_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    threads = torch.get_num_threads()
    fit(dataclasses.replace(CONFIG, dropout=0.5, steps=3))
    torch.testing.assert_close(torch.rand(3), expected, atol=0, rtol=0)
    assert torch.get_num_threads() == threads


def test_the_curve_is_taken_at_the_fractions_asked_for():
    seen = []
    fitted = fit(
        fractions=(0.5, 1.0),
        evaluate=lambda model: 0.25 if model.training else 0.75,
        on_progress=lambda fraction, value: seen.append((fraction, value)) or True,
    )
    assert seen == [(0.5, 0.75), (1.0, 0.75)]
    assert [point[0] for point in fitted.curve] == [0.5, 1.0]
    assert fitted.steps == 60
    assert not fitted.stopped
    assert not fitted.model.training


def test_the_hook_stops_training():
    fitted = fit(on_progress=lambda fraction, value: fraction < 0.5)
    assert fitted.stopped
    assert fitted.steps == 30
    assert [point[0] for point in fitted.curve] == [0.25, 0.5]


def test_evaluation_is_not_counted_as_training():
    import time

    def slow(model):
        time.sleep(0.3)
        return 0.0

    assert fit(dataclasses.replace(CONFIG, steps=4), evaluate=slow).seconds < 0.9


def test_a_learning_rate_that_explodes_is_divergence_and_ends_at_once():
    config = dataclasses.replace(
        CONFIG, optimizer="sgd", learning_rate=1e30, norm="none", schedule="constant"
    )
    fitted = fit(config)
    assert fitted.diverged
    assert fitted.steps < 60


def test_a_value_that_is_not_finite_is_divergence():
    fitted = fit(evaluate=lambda model: math.nan)
    assert fitted.diverged
    assert fitted.steps == 15
    assert fitted.curve == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"optimizer": "lion"}, "unknown optimizer 'lion'"),
        ({"schedule": "x"}, "unknown schedule"),
        ({"loss": "hinge"}, "unknown loss"),
        ({"class_weights": "x"}, "unknown class_weights"),
        ({"sampling": "x"}, "unknown sampling"),
        ({"batch": 1}, "batch=1"),
        ({"steps": 0}, "steps=0"),
        ({"learning_rate": 0.0}, "learning_rate=0.0"),
        ({"learning_rate": math.nan}, "learning_rate=nan"),
        ({"weight_decay": -1.0}, "weight_decay=-1.0"),
        ({"averaging": 1.0}, "averaging=1.0"),
        ({"positive_weight": 0.0}, "positive_weight=0.0"),
        ({"shift": 1.5}, "shift=1.5"),
        ({"mixup": -0.1}, "mixup=-0.1"),
        ({"polarity": 50.0}, "polarity=50.0 must be 0 to 1"),
        ({"polarity": math.nan}, "polarity=nan"),
        ({"stretch": -0.1}, "stretch=-0.1"),
        ({"filter": math.inf}, "filter=inf"),
        ({"normalise": "rr", "polarity": 0.5}, "polarity=0.5 has no meaning for RR intervals"),
        ({"normalise": "rr", "stretch": 0.1}, "stretch=0.1 has no meaning for RR intervals"),
    ],
)
def test_an_impossible_training_says_which_value(change, words):
    with pytest.raises(ConfigError, match=words):
        fit(dataclasses.replace(CONFIG, **change))


def test_impossible_layers_and_no_rows_are_refused():
    with pytest.raises(ShapeError):
        fit(dataclasses.replace(CONFIG, decimation=50))
    x, y, subject = sines()
    with pytest.raises(ConfigError, match="no rows"):
        loop.fit(CONFIG, TASK, x[:0], y[:0], subject[:0], seed=0)


def test_bfloat16_is_for_wide_layers_only():
    assert ConvRecurrent().density(CONFIG, TASK) == pytest.approx(
        (7 * 6 * 50 + 6 * 8 * 5 * 25) / (6 * 50 + 8 * 25)
    )
    assert ConvRecurrent().density(CONFIG, TASK) < loop.HALF_FROM
    assert ConvRecurrent().density(LEARNERS["wide, in bfloat16"], TASK) > loop.HALF_FROM
    assert ConvRecurrent().density(LEARNERS["gru alone"], TASK) == 0


def test_predict_is_the_same_in_batches_and_for_no_rows():
    model = build(CONFIG, TASK)
    x, _, _ = sines(70)
    np.testing.assert_allclose(loop.predict(model, x), loop.predict(model, x, batch=16), atol=1e-5, rtol=1e-5)
    assert loop.predict(model, x[:0]).shape == (0, 2)
    assert loop.predict(model, x).dtype == np.float32


def test_uniform_rows_deal_whole_decks():
    config = dataclasses.replace(CONFIG, batch=10, steps=7)
    got = loop.rows(config, np.array(["a"] * 35), np.zeros(35, np.int64), seed=0).flatten()
    assert sorted(got[:35].tolist()) == list(range(35))
    assert sorted(got[35:].tolist()) == list(range(35))
    assert got[:35].tolist() != got[35:].tolist()


def test_subject_rows_draw_subjects_alike():
    subject = np.array(["long"] * 900 + ["b"] * 10 + ["long"] * 80 + ["c"] * 10)
    config = dataclasses.replace(CONFIG, batch=100, steps=60, sampling="subject")
    got = subject[loop.rows(config, subject, np.zeros(len(subject), np.int64), seed=0).flatten().numpy()]
    for name in ("long", "b", "c"):
        assert abs((got == name).mean() - 1 / 3) < 0.03


def test_schedules_warm_up_and_end_near_zero():
    for schedule in optimizers.SCHEDULES:
        rates = [optimizers.rate_at(schedule, step, 400) for step in range(400)]
        assert rates[0] < 0.1
        assert max(rates) == pytest.approx(1.0, abs=1e-3)
        assert rates[-1] == 1.0 if schedule == "constant" else rates[-1] <= 0.01
        assert optimizers.rate_at(schedule, 0, 1) > 0


def test_cross_entropy_is_that_of_torch():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(20, 3, generator=generator)
    y = torch.arange(20) % 3
    y[:9] = 0
    target = torch.eye(3)[y]
    ce = torch.nn.functional.cross_entropy
    plain = losses.loss_of(dataclasses.replace(CONFIG, label_smoothing=0.1), target, np.ones(target.shape[1]))
    torch.testing.assert_close(plain(logits, target), ce(logits, y, label_smoothing=0.1))
    weight = 20 / (3 * target.sum(0))
    balanced = losses.loss_of(
        dataclasses.replace(CONFIG, class_weights="balanced"), target, np.ones(target.shape[1])
    )
    torch.testing.assert_close(balanced(logits, target), ce(logits, y, weight=weight))
    leaning = losses.loss_of(CONFIG, target, np.array([1.0, 3.0, 1.0]))
    weight = torch.tensor([1.0, 3.0, 1.0])
    torch.testing.assert_close(leaning(logits, target), ce(logits, y, weight=weight))


def test_focal_loss_is_its_formula():
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    target = torch.eye(2)[[0, 0]]
    p = logits.softmax(1)[:, 0]
    focal = losses.loss_of(
        dataclasses.replace(CONFIG, loss="focal", focal_gamma=2.0), target, np.ones(target.shape[1])
    )
    torch.testing.assert_close(focal(logits, target), (-((1 - p) ** 2) * p.log()).mean())


def test_averaged_weights_come_and_go():
    model = build(CONFIG, TASK)
    weights = optimizers.Weights(model, 0.5)
    before = weights.flat.clone()
    weights.flat.add_(1.0)
    weights.average(step=100)
    with weights.averaged():
        torch.testing.assert_close(weights.flat, before + 0.5)
        torch.testing.assert_close(model.head.weight.flatten()[0], before[_at(model)] + 0.5)
    torch.testing.assert_close(weights.flat, before + 1.0)


def _at(model):
    """Where the head's matrix begins in the flat weights: after those of the convolutions."""
    return sum(block.conv.weight.numel() for block in model.convs)


def test_long_gradients_are_cut_and_short_ones_kept():
    weights = optimizers.Weights(build(CONFIG, TASK), 0.0)
    weights.gradient.fill_(1.0)
    weights.cut(2.0)
    assert weights.gradient.norm().item() == pytest.approx(2.0, rel=1e-4)
    weights.gradient.fill_(1e-4)
    weights.cut(2.0)
    assert weights.gradient[0].item() == pytest.approx(1e-4)


def augment(seed=0, **change):
    return Augment(dataclasses.replace(CONFIG, **change), rate=50.0, decimation=4, seed=seed)


def augmented(x, seed=0, **change):
    return augment(seed, **change)(x, x.std(-1, correction=0, keepdim=True))


def batch(n=64):
    return torch.from_numpy(sines(n)[0])


def test_nothing_asked_for_changes_nothing():
    x = batch()
    assert augmented(x) is x
    assert augment().mixed(x, x)[0] is x


def test_scale_changes_the_amplitude_only():
    x = batch()
    ratio = augmented(x, scale=0.3) / x
    assert ratio.std(-1).max() < 1e-3
    assert 0.2 < ratio.mean(-1).log().std() < 0.4


def test_shift_is_circular_and_bounded():
    x = torch.arange(100.0).expand(64, 1, 100)
    got = augmented(x, shift=0.1)
    torch.testing.assert_close(got.sort(-1).values, x)
    steps = got.diff(dim=-1)
    assert set(steps.unique().tolist()) == {1.0, -99.0}
    first = got[:, 0, 0]
    assert ((first <= 10) | (first >= 90)).all()
    assert len(first.unique()) > 10


def test_noise_is_relative_to_the_segment_and_shrinks_with_decimation():
    x = batch() * 7.0
    added = augmented(x, noise=0.4) - x
    expected = 0.4 / math.sqrt(4) * x.std(-1, correction=0)
    assert ((added.std(-1) / expected) - 1).abs().max() < 0.35
    assert ((added.std(-1) / expected) - 1).mean().abs() < 0.03


def test_noise_of_a_batch_larger_than_the_bank():
    x = torch.randn(2, 1, (1 << 19) + 1)
    assert (augmented(x, noise=0.4) - x).std().item() == pytest.approx(0.2, rel=0.02)


def test_wander_is_one_slow_sine():
    x = torch.zeros(64, 1, 1000)
    x[..., 0], x[..., 1] = 1.0, -1.0
    added = augmented(x, wander=0.5) - x
    power = torch.fft.rfft(added).abs().square()
    hz = torch.fft.rfftfreq(1000, 1 / 50)
    share = power[..., hz <= 0.6].sum() / power.sum()
    assert share > 0.97
    spread = x.std(-1, correction=0).max().item()
    assert added.abs().max().item() == pytest.approx(0.5 * spread, rel=0.02)


def test_polarity_turns_about_as_many_as_asked_for_and_nothing_else():
    x = batch(400)
    got = augmented(x, polarity=0.3)
    turned = (got == -x).all(-1).all(-1)
    assert ((got == x).all(-1).all(-1) | turned).all()
    assert 0.2 < turned.float().mean() < 0.4


def test_stretch_changes_the_rate_and_not_the_values():
    samples = torch.arange(1000.0)
    x = torch.sin(2 * math.pi * samples / 20).expand(64, 1, 1000).contiguous()
    got = augmented(x, stretch=0.2)
    hz = torch.fft.rfft(got).abs().argmax(-1) / 50  # over 50 cycles
    assert 0.12 < hz.log().std() < 0.3
    assert got.abs().max() <= 1.0
    torch.testing.assert_close(got[..., 499:501].mean(-1), x[..., 499:501].mean(-1), atol=0.05, rtol=0)


def test_filter_softens_or_sharpens_and_leaves_the_mean():
    x = torch.randn(200, 1, 500)
    got = augmented(x, filter=0.2)
    fast = [torch.fft.rfft(s)[..., 150:].abs().square().sum(-1) for s in (got, x)]
    ratio = fast[0] / fast[1]
    assert (ratio < 0.8).any() and (ratio > 1.2).any()
    slow = [torch.fft.rfft(s)[..., 1:5].abs() for s in (got, x)]
    torch.testing.assert_close(slow[0], slow[1], rtol=0.01, atol=0.3)


def test_augmentation_leaves_its_input_alone_and_repeats_with_its_seed():
    x = batch()
    before = x.clone()
    change = {"scale": 0.2, "noise": 0.2, "wander": 0.2, "shift": 0.2}
    change |= {"polarity": 0.5, "stretch": 0.1, "filter": 0.1}
    a, b, c = (augmented(x, s, **change) for s in (1, 1, 2))
    torch.testing.assert_close(x, before, atol=0, rtol=0)
    torch.testing.assert_close(a, b, atol=0, rtol=0)
    assert not torch.equal(a, c)


def test_mixup_mixes_labels_as_it_mixes_signals():
    x = torch.arange(8.0)[:, None, None].expand(8, 1, 5).contiguous()
    target = torch.eye(8)
    mixed, labels = augment(mixup=0.5).mixed(x, target)
    torch.testing.assert_close(labels.sum(1), torch.ones(8))
    torch.testing.assert_close(mixed[:, 0, 0], labels @ torch.arange(8.0))
    assert (labels.max(1).values < 1).any()


def test_class_rows_draw_classes_alike_and_their_subjects():
    subject = np.array(["a"] * 900 + ["b"] * 80 + ["c"] * 20)
    y = np.array([0] * 900 + [1] * 80 + [1] * 20)
    config = dataclasses.replace(CONFIG, batch=100, steps=60, sampling="class")
    got = subject[loop.rows(config, subject, y, seed=0).flatten().numpy()]
    for name, share in (("a", 1 / 2), ("b", 1 / 4), ("c", 1 / 4)):
        assert abs((got == name).mean() - share) < 0.03


@pytest.mark.parametrize("sampling", ["uniform", "subject"])
def test_thinning_leaves_rows_of_the_most_frequent_class_out_of_each_pass(sampling):
    y = np.array([0] * 90 + [1] * 6 + [2] * 4)
    config = dataclasses.replace(CONFIG, batch=10, steps=30, thinning=2.0, sampling=sampling)
    got = loop.rows(config, np.array(["a"] * 100), y, seed=0).flatten()
    again = loop.rows(config, np.array(["a"] * 100), y, seed=0).flatten()
    assert got.tolist() == again.tolist() and len(got) == 300
    assert abs((y[got] == 0).mean() - 2 / 3) < 0.08
    if sampling == "uniform":
        first, second = got[:30].tolist(), got[30:60].tolist()
        assert len(set(first)) == 30 and {row for row in first if y[row]} == set(range(90, 100))
        assert set(first) != set(second)
    # A share that the rows fall short of anyway takes all.
    every = dataclasses.replace(config, thinning=50.0)
    plain = dataclasses.replace(config, thinning=0.0)
    subject = np.array(["a"] * 100)
    assert torch.equal(loop.rows(every, subject, y, seed=0), loop.rows(plain, subject, y, seed=0))
