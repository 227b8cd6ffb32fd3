"""Training on pictures with several labels: losses, batches, changes of pictures, and the loop."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from atml.data.dataset import Rows
from atml.errors import ConfigError
from atml.models.config import ModelConfig
from atml.models.families import build
from atml.tasks.task import Task
from atml.training.batches import rows, seen_more_labels
from atml.training.label_losses import MARGIN, label_loss_of
from atml.training.loop import _prepared, fit, predict
from atml.training.page_augmentation import PageAugment

TASK = Task(name="p", kind="multilabel", classes=("A", "B", "C"), picture=(40, 56), leads=3)
CONFIG = ModelConfig(
    family="page_plain",
    channels=(6, 8),
    kernels=(3, 3),
    strides=(2, 2),
    normalise="ink",
    size=56,
    pool="mean_max",
    learning_rate=1e-2,
    batch=12,
    steps=100,
)
NONE = torch.empty(0)


def pages(n: int = 48) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A bar of another height and place for each label, as uint8; labels as bits; two pages a subject."""
    random = np.random.default_rng(0)
    y = random.integers(0, 8, n)
    x = 230 + random.normal(0, 4, (n, *TASK.shape))
    for page, one in zip(x, y, strict=True):
        for label in range(3):
            if one >> label & 1:
                page[:, 6 : 14 + 9 * label, 6 + 17 * label : 12 + 17 * label] = 40
    return np.clip(x, 0, 255).astype(np.uint8), y, np.array([f"S{row // 2}" for row in range(n)])


@pytest.mark.parametrize(
    "change",
    [
        {"loss": "cross_entropy", "class_weights": "balanced", "label_smoothing": 0.05},
        {"loss": "focal", "sampling": "class", "mixup": 0.2},
        {"loss": "asymmetric", "sampling": "subject", "averaging": 0.9},
        {"thinning": 0.1, "rotation": 3.0, "stretch": 0.03, "shift": 0.02, "noise": 0.01, "scale": 0.1},
    ],
    ids=lambda change: "-".join(map(str, change.values())),
)
def test_it_learns_every_label(change: dict[str, object]) -> None:
    x, y, subject = pages()
    fitted = fit(replace(CONFIG, **change), TASK, x, y, subject, seed=0)  # type: ignore[arg-type]
    called = predict(fitted.model, x) >= 0
    assert (called == (y[:, None] >> np.arange(3) & 1)).mean() > 0.9
    again = fit(replace(CONFIG, **change), TASK, Rows(x, np.arange(len(y))), y, subject, seed=0)  # type: ignore[arg-type]
    assert np.array_equal(predict(again.model, x), predict(fitted.model, x))


def test_cross_entropy_is_that_of_each_label_by_itself() -> None:
    target = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    logits = torch.tensor([[0.5, -1.0], [2.0, 0.0], [-1.0, 3.0], [0.0, 0.2]])
    p = logits.sigmoid()
    plain = label_loss_of(CONFIG, target, np.ones(2))(logits, target)
    by_hand = -(target * p.log() + (1 - target) * (1 - p).log()).mean()
    assert plain.item() == pytest.approx(by_hand.item(), rel=1e-6)
    balanced = label_loss_of(replace(CONFIG, class_weights="balanced"), target, np.array([1.0, 2.0]))
    weighed = -(target * torch.tensor([3.0, 6.0]) * p.log() + (1 - target) * (1 - p).log()).mean()
    assert balanced(logits, target).item() == pytest.approx(weighed.item(), rel=1e-6)
    none = torch.zeros(4, 2)  # a label that no row has weighs nothing, and is no division by 0
    assert math.isfinite(
        label_loss_of(replace(CONFIG, class_weights="balanced"), none, np.ones(2))(logits, none).item()
    )


def test_focal_and_asymmetric_losses_follow_their_papers() -> None:
    target, logits = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.4, -0.3]])
    p = logits.sigmoid()
    focal = label_loss_of(replace(CONFIG, loss="focal", focal_gamma=2.0), target, np.ones(2))
    expected = -((1 - p[0, 0]) ** 2 * p[0, 0].log() + p[0, 1] ** 2 * (1 - p[0, 1]).log()) / 2
    assert focal(logits, target).item() == pytest.approx(expected.item(), rel=1e-5)
    asymmetric = label_loss_of(replace(CONFIG, loss="asymmetric", focal_gamma=4.0), target, np.ones(2))
    shifted = p[0, 1] - MARGIN
    expected = -(p[0, 0].log() + shifted**4 * (1 - shifted).log()) / 2
    assert asymmetric(logits, target).item() == pytest.approx(expected.item(), rel=1e-5)
    easy = torch.tensor([[30.0, -30.0]], requires_grad=True)
    for loss in (focal, asymmetric):
        loss(easy, target).backward()
        assert easy.grad is not None and torch.isfinite(easy.grad).all()


def test_a_loss_for_several_labels_is_refused_for_one() -> None:
    one = replace(TASK, kind="multiclass")
    x, y, subject = pages()
    with pytest.raises(ConfigError, match="loss='asymmetric' is for several labels at once"):
        fit(replace(CONFIG, loss="asymmetric"), one, x, y % 3, subject, seed=0)


def test_batches_have_labels_alike_and_leave_surplus_out() -> None:
    # Of 90 rows 80 have no label, 8 the first, 2 both.
    y = np.array([0] * 80 + [1] * 8 + [3] * 2)
    true = (y[:, None] >> np.arange(2) & 1).astype(bool)
    subject = np.array([f"S{row // 2}" for row in range(90)])
    config = replace(CONFIG, steps=400, sampling="class")
    drawn = rows(config, subject, y, seed=0, true=true)
    seen = true[drawn.numpy().ravel()]
    # A third of the rows are drawn for each label and for none: 1/3 * (4/5 + 1/5) + 1/3 have the first.
    assert seen[:, 0].mean() == pytest.approx(2 / 3, abs=0.03)
    more = seen_more_labels(config, true, drawn)
    assert more is not None
    share = seen.mean(0)
    expected = np.log(share / (1 - share)) - np.log(true.mean(0) / (1 - true.mean(0)))
    np.testing.assert_allclose(more, expected)
    thinned = rows(replace(config, sampling="uniform", thinning=2.0), subject, y, seed=0, true=true)
    counts = np.bincount(y[thinned.numpy().ravel()], minlength=4) / thinned.numel()
    np.testing.assert_allclose(counts, [2 / 3, 8 / 30, 0, 2 / 30], atol=0.01)
    assert seen_more_labels(replace(config, sampling="uniform"), true, drawn) is None


def views(n: int = 4) -> torch.Tensor:
    """Three views of white paper with one upright line in each."""
    x = torch.zeros(n, 3, 2, 41, 61)
    x[..., 5:36, 30] = 1.0
    return x


def test_a_rotation_turns_and_never_mirrors() -> None:
    x = views(64)
    x[..., 5:12, 31:40] = 1.0  # a flag to the right of its pole
    turned = PageAugment(replace(CONFIG, rotation=20.0), seed=0)(x, NONE)
    assert turned.shape == x.shape and not torch.equal(turned, x)
    for page in turned[:, 0, 0]:
        rows_, columns = (page > 0.3).nonzero().T.double()
        top, bottom = rows_ < 14, rows_ > 26
        pole = columns[bottom].mean()
        # The flag stays at the top, and to the right of the line through the pole.
        lean = (columns[(rows_ > 14) & (rows_ < 26)].mean() - pole) / 12
        assert columns[top].max() > pole + lean * 20 + 2
    # All views of a page are turned alike.
    assert torch.allclose(turned[:, 0], turned[:, 2], atol=1e-5)


def test_what_is_moved_in_is_paper() -> None:
    full = torch.ones(16, 1, 2, 40, 40)
    moved = PageAugment(replace(CONFIG, shift=0.3), seed=1)(full, NONE)
    assert moved.min() == 0 and moved.max() <= 1.0 + 1e-6
    shares = moved.mean((1, 2, 3, 4))
    assert 0.4 < shares.min() < 0.95 and (moved >= 0).all()


def test_noise_and_contrast_are_as_large_as_asked_for() -> None:
    x = torch.zeros(8, 3, 2, 64, 64)
    noise = PageAugment(replace(CONFIG, noise=0.05), seed=0)(x, NONE)
    assert noise.std().item() == pytest.approx(0.05 * 4.0, rel=0.02)
    assert not torch.equal(noise[0], noise[1])
    gains = PageAugment(replace(CONFIG, scale=0.3), seed=0)(torch.ones(500, 1, 2, 2, 2), NONE)
    assert gains[:, 0, 0, 0, 0].log().std().item() == pytest.approx(0.3, rel=0.15)
    assert torch.equal(PageAugment(CONFIG, seed=0)(views(), NONE), views())


def test_mixing_mixes_pages_and_labels_alike() -> None:
    change = PageAugment(replace(CONFIG, mixup=0.5), seed=0)
    pages_, labels = torch.eye(4).reshape(4, 1, 1, 2, 2), torch.eye(4)
    mixed, target = change.mixed(pages_, labels)
    assert torch.allclose(mixed.reshape(4, 4), target) and not torch.equal(target, labels)
    assert torch.allclose(target.sum(1), torch.ones(4))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"wander": 0.1}, "wander=0.1 has no meaning for pictures"),
        ({"polarity": 0.5}, "polarity=0.5 has no meaning"),
        ({"rotation": 80.0}, "rotation=80.0 must be 0 to 50 degrees"),
        ({"rotation": -1.0}, "rotation=-1.0"),
        ({"loss": "hinge"}, "unknown loss 'hinge'; known: cross_entropy, focal, asymmetric"),
    ],
)
def test_changes_that_cannot_be_are_said(change: dict[str, object], words: str) -> None:
    x, y, subject = pages()
    with pytest.raises(ConfigError, match=words):
        fit(replace(CONFIG, **change), TASK, x, y, subject, seed=0)  # type: ignore[arg-type]


def test_signals_are_not_turned() -> None:
    task = Task(name="b", classes=("other", "AF"), positive=1, sampling_rate=50, window=125)
    x = np.zeros((4, 1, 125), np.float32)
    with pytest.raises(ConfigError, match="rotation=3 is for pictures"):
        fit(ModelConfig(rotation=3), task, x, np.array([0, 1, 0, 1]), np.array(list("aabb")), seed=0)


def test_prepared_pages_are_kept_in_16_bits_and_decided_on_a_few_at_a_time() -> None:
    x, _, _ = pages(40)
    net = build(CONFIG, TASK).eval()
    kept = _prepared(net, Rows(x, np.arange(40)), "cpu")
    assert kept.dtype == torch.float16 and kept.shape == (40, 1, 2, 40, 56)
    with torch.no_grad():
        whole = net(torch.from_numpy(x.astype(np.float32)))
        assert (net.decide(kept.float()) - whole).abs().max() < 0.01
    np.testing.assert_allclose(predict(net, x), whole.numpy(), atol=1e-5)
