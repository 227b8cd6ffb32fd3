"""Networks for pictures: what they see and cost; every view and vote in torch and in their file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from atml.artifacts.backends import BACKENDS
from atml.errors import ConfigError, ShapeError
from atml.models import build, cost, families
from atml.models.config import ModelConfig
from atml.models.pictures.page_input import PageInput, ink_rows
from atml.models.pictures.page_views import view_plan
from atml.models.pictures.step_layers import ConvLayer
from atml.models.pictures.steps import Conv
from atml.tasks.task import Task
from atml.training.loop import predict

TASK = Task(name="p", kind="multilabel", classes=tuple("ABCDEFGHIJ"), picture=(96, 128), leads=3)
PLAIN = ModelConfig(
    family="page_plain",
    channels=(4, 8),
    kernels=(5, 3),
    strides=(2, 2),
    normalise="ink",
    size=64,
    pool="mean_max",
)
SMALL = {
    **{one: replace(PLAIN, family=f"page_{one}") for one in ("plain", "residual", "dense", "fused_mbconv")},
    "vit": replace(PLAIN, family="page_vit", channels=(16, 16), kernels=(8, 8), strides=(1, 1)),
}
SEEN = (
    ("whole", False, "mean"),
    ("whole", False, "concat"),
    ("columns", False, "mean"),
    ("columns", False, "max"),
    ("columns", False, "learned"),
    ("rows", False, "concat"),
    ("columns", True, "concat"),
    ("rows", True, "max"),
    ("columns", True, "mean"),
    ("rows", True, "learned"),
)


def pages(n: int = 3) -> np.ndarray:
    """Paper with a red grid, a trace and noise."""
    x = 225 + np.random.default_rng(0).normal(0, 6, (n, *TASK.shape))
    x[:, 1:, :, ::8] -= 60
    x[:, :, 40:42] = 30
    return np.clip(x, 0, 255).astype(np.float32)


@pytest.mark.parametrize("family", SMALL)
@pytest.mark.parametrize(("views", "own", "vote"), SEEN)
def test_file_and_network_agree_for_every_view_and_vote(
    family: str, views: str, own: bool, vote: str
) -> None:
    config = replace(SMALL[family], views=views, own_views=own, vote=vote)
    # A side of 51 asks for resizing, and three colours for another first layer.
    for one in (config, replace(config, normalise="zscore", size=51, activation="silu")):
        torch.manual_seed(1)
        net = build(one, TASK)
        with torch.no_grad():  # statistics that batch normalisation has after training
            net(torch.from_numpy(pages(4)))
            for parameter in net.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.05)
        written = BACKENDS["onnx"].write(net.eval(), TASK, {})
        expected = predict(net, pages())
        assert np.abs(expected - expected[0]).max() > 1e-4  # pages differ, by noise alone
        np.testing.assert_allclose(BACKENDS["onnx"].run(written, pages()), expected, atol=1e-4)
        counted = cost(one, TASK)
        assert counted.parameters == sum(p.numel() for p in net.parameters())
        assert counted.fixed == sum(b.numel() for b in net.buffers())
        assert len(written) <= counted.size_bytes <= 1.1 * len(written) + 4096
        layers = families.of(one).layers(one, TASK)
        for field in ("parameters", "fixed", "macs"):
            assert sum(getattr(layer, field) for layer in layers) == getattr(counted, field), field


def test_products_are_those_that_are_done() -> None:
    done = 0

    def count(module: torch.nn.Module, given: tuple[torch.Tensor, ...], out: torch.Tensor) -> None:
        nonlocal done
        weight = module.weight
        assert isinstance(weight, torch.Tensor)
        places = out.numel() // out.shape[1] if out.dim() == 4 else out.numel() // out.shape[-1]
        done += weight.numel() * places

    for family in ("plain", "residual", "dense", "fused_mbconv"):
        for views, vote in (("whole", "mean"), ("columns", "concat"), ("rows", "max")):
            config, done = replace(SMALL[family], views=views, vote=vote), 0
            net = build(config, TASK).eval()
            for module in net.modules():
                if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
                    module.register_forward_hook(count)
            predict(net, pages(1))
            assert cost(config, TASK).macs == done, config.describe()


def test_shade_and_the_colour_of_the_grid_matter_little() -> None:
    page = torch.from_numpy(pages(1))
    light = torch.linspace(1.0, 0.6, 128)
    ink, grid = ink_rows(page)[0]
    shaded = ink_rows(page * light)[0]
    trace = slice(40, 42)
    assert ink[trace].min() > 3 > 1 > ink[50:].max()  # the grid is no ink
    assert (shaded[0] - ink)[trace].abs().max() < 0.25
    assert grid[50:, ::8].mean() > 4 * grid[50:, 4::8].mean()


def test_views_overlap_and_keep_their_proportions() -> None:
    plan = view_plan(replace(PLAIN, views="columns", size=96), TASK)
    assert [(box.left, box.right) for box in plan.boxes] == [(0, 51), (38, 89), (77, 128)]
    assert plan.seen == (2, 96, 51)
    plan = view_plan(replace(PLAIN, views="rows", size=64), TASK)
    assert [(box.top, box.bottom) for box in plan.boxes] == [(0, 38), (29, 67), (58, 96)]
    assert plan.seen == (2, 19, 64) and plan.factor == 2
    assert view_plan(replace(PLAIN, size=1000), TASK).seen == (2, 96, 128)  # never enlarged
    seen = PageInput(replace(PLAIN, views="columns", size=96), TASK)(torch.from_numpy(pages(2)))
    assert seen.shape == (2, 3, 2, 96, 51)
    whole = ink_rows(torch.from_numpy(pages(2)))
    assert torch.equal(seen[:, 1], whole[..., 38:89])


def test_what_is_too_small_to_see_is_said() -> None:
    small = replace(TASK, picture=(30, 34))
    with pytest.raises(ShapeError, match="views='columns' of a picture of 30 x 34 pixels are 30 x 14"):
        cost(replace(PLAIN, views="columns"), small)
    deep = replace(PLAIN, channels=(4,) * 7, kernels=(3,) * 7, strides=(2,) * 7)
    with pytest.raises(ShapeError, match="gets only 1 x 1 pixels; use fewer layers"):
        cost(replace(deep, size=64), TASK)


def test_unusable_pages_have_no_decision() -> None:
    net = build(PLAIN, TASK).eval()
    x = pages(2)
    x[0, 0, 3, 3] = np.nan
    found = BACKENDS["onnx"].run(BACKENDS["onnx"].write(net, TASK, {}), x)
    assert np.isnan(found[0]).all() and np.isfinite(found[1]).all()


def test_what_a_config_says() -> None:
    joined = replace(PLAIN, views="rows", vote="learned", own_views=True, steps=9, batch=8)
    assert joined.describe() == "page_plain 4-8, 3 rows of 64, a network each, learned, lr 0.002, 9 x 8"
    assert ModelConfig(family="page_resnet50").describe().startswith("page_resnet50 whole page of 128, lr")
    with pytest.raises(ConfigError, match="three views"):
        cost(replace(PLAIN, vote="learned"), TASK)


def test_a_strided_convolution_of_one_pixel_learns_as_any_other() -> None:
    """torch writes beyond its memory where its own kernel does this with 8 channels, channels innermost."""
    torch.manual_seed(0)
    layer = ConvLayer(Conv(16, 1, 2, norm=False, activation=""), 8)
    x = torch.rand(8, 8, 65, 84).contiguous(memory_format=torch.channels_last)
    seen = layer(x)
    expected = torch.nn.functional.conv2d(x.contiguous(), layer.conv.weight, layer.conv.bias, stride=2)
    torch.testing.assert_close(seen, expected)
    (found,) = torch.autograd.grad(seen.square().mean(), [layer.conv.weight])
    (wanted,) = torch.autograd.grad(expected.square().mean(), [layer.conv.weight])
    torch.testing.assert_close(found, wanted)
