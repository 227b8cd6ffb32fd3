"""Every block builds, runs, learns and costs what it says."""

import copy
import dataclasses

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from atml.errors import ConfigError, ShapeError
from atml.models import build, cost, time_major
from atml.models.beat_view import beat_plan
from atml.models.blocks import ACTIVATION, CELL, NORM
from atml.models.config import ModelConfig
from atml.models.families.conv_recurrent.net import patches
from atml.models.families.conv_recurrent.shapes import ACTIVATIONS, CELLS, NORMALISATIONS, NORMS, POOLS
from atml.models.rr_series import rr_plan
from atml.tasks.task import Task

# Of windows round beats, which one way to normalise asks for and all others take as well.
TASK = Task(
    name="t", classes=("a", "b", "c"), positive=1, sampling_rate=50, window=101, leads=2, after_beat=0.8
)
BASE = ModelConfig(channels=(4, 6, 5), kernels=(7, 4, 3), strides=(2, 1, 2))

VARIANTS = {
    "plain": BASE,
    "separable": dataclasses.replace(BASE, separable=True),
    "decimated": dataclasses.replace(BASE, decimation=3),
    **{f"normalise {n}": dataclasses.replace(BASE, normalise=n) for n in NORMALISATIONS},
    **{f"norm {n}": dataclasses.replace(BASE, norm=n, separable=True) for n in NORMS},
    **{f"activation {n}": dataclasses.replace(BASE, activation=n) for n in ACTIVATIONS},
    **{f"pool {n}": dataclasses.replace(BASE, pool=n) for n in POOLS},
    **{
        f"{cell} {layers} {'both' if both else 'forward'} {pool}": dataclasses.replace(
            BASE, cell=cell, units=3, layers=layers, bidirectional=both, pool=pool
        )
        for cell in ("lstm", "gru")
        for layers in (1, 2)
        for both in (False, True)
        for pool in POOLS
    },
    "upright": dataclasses.replace(BASE, upright=True),
    "gru on patches": ModelConfig(channels=(), kernels=(), strides=(), cell="gru", decimation=2, patch=3),
    "lstm alone": ModelConfig(channels=(), kernels=(), strides=(), cell="lstm", decimation=4),
    "gru alone": ModelConfig(channels=(), kernels=(), strides=(), cell="gru", decimation=4, pool="last"),
}


def test_the_lists_of_names_are_those_that_can_be_built():
    assert set(NORMS) == set(NORM)
    assert set(ACTIVATIONS) == set(ACTIVATION)
    assert set(CELLS) == {"none", *CELL}


@pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS.keys())
def test_builds_runs_and_costs_what_it_says(config):
    torch.manual_seed(0)
    net = build(config, TASK)
    x = torch.randn(5, TASK.leads, TASK.window)
    logits = net(x)
    assert logits.shape == (5, 3)
    logits.square().sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
    expected = cost(config, TASK)
    assert expected.parameters == sum(p.numel() for p in net.parameters())
    assert expected.fixed == sum(b.numel() for b in net.buffers())
    if config.cell == "none":
        with FlopCounterMode(display=False) as counter:
            net.to("meta")(x.to("meta"))
        steps = {
            "rr": rr_plan(TASK.sampling_rate, TASK.window).operations,
            "beat": beat_plan(TASK).operations,
        }
        macs = expected.macs - TASK.leads * steps.get(config.normalise, 0)
        assert macs * 2 * 5 == counter.get_total_flops()


def plain(net, x):
    """The same network in torch's own layout."""
    h = net.inputs(x)
    for block in net.convs:
        h = block(h)
    if net.patch > 1:
        h = patches(h, net.patch)
    h = h.transpose(1, 2)
    if net.recurrent is not None:
        h, _ = net.recurrent(h)
    return net.head(net.dropout(net.pool(h)))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS.keys())
def test_time_major_kernels_compute_what_torch_computes(config, training):
    torch.manual_seed(0)
    ours = build(config, TASK).train(training)
    for tensor in ours.buffers():
        tensor.copy_(torch.rand_like(tensor) + 0.5)
    theirs = copy.deepcopy(ours)
    x = torch.randn(6, TASK.leads, TASK.window) + 3.0
    target = torch.arange(6) % 3
    outputs = ours(x), plain(theirs, x)
    torch.testing.assert_close(*outputs, atol=2e-5, rtol=1e-4)
    for out in outputs:
        torch.nn.functional.cross_entropy(out, target).backward()
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, atol=2e-5, rtol=1e-3, msg=lambda m, n=name: f"{n}: {m}")
    for a, b in zip(ours.buffers(), theirs.buffers(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (1, 3), (2, 5), (5, 1), (6, 2), (7, 3), (9, 4)])
@pytest.mark.parametrize("samples", [20, 23])
def test_convolution_and_its_gradients_for_every_kernel_and_stride(kernel, stride, samples):
    generator = torch.Generator().manual_seed(kernel * 10 + stride)
    x = torch.randn(samples, 3, 5, generator=generator, requires_grad=True)
    weight = torch.randn(4, 3, kernel, generator=generator, requires_grad=True)
    ours = time_major.conv(x, weight, stride)
    theirs = torch.nn.functional.conv1d(x.permute(2, 1, 0), weight, stride=stride).permute(2, 1, 0)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    seed = torch.randn(ours.shape, generator=generator)
    for a, b in zip(
        torch.autograd.grad(ours, (x, weight), seed),
        torch.autograd.grad(theirs, (x, weight), seed),
        strict=True,
    ):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_batch_norm_stays_exact_far_from_zero():
    generator = torch.Generator().manual_seed(0)
    y = torch.randn(50, 2, 32, generator=generator) + torch.tensor([1000.0, 0.0])[:, None]
    mean, var = torch.zeros(2), torch.ones(2)
    out = time_major.batch_norm(y, torch.ones(2), torch.zeros(2), mean, var, momentum=1.0, eps=1e-5)
    torch.testing.assert_close(out.mean((0, 2)), torch.zeros(2), atol=1e-3, rtol=0)
    torch.testing.assert_close(out.var((0, 2)), torch.ones(2), atol=1e-2, rtol=0)
    torch.testing.assert_close(var, y.var((0, 2)), atol=1e-2, rtol=0)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("both", [False, True])
def test_the_products_of_a_recurrent_layer_are_its_matrices_at_every_step(cell, both):
    config = dataclasses.replace(BASE, cell=cell, units=3, layers=2, bidirectional=both)
    net = build(config, TASK)
    matrices = sum(p.numel() for n, p in net.recurrent.named_parameters() if n.startswith("weight"))
    without = dataclasses.replace(config, cell="none")
    plain = cost(without, TASK).macs - 5 * 3
    steps = 26
    assert cost(config, TASK).macs == plain + matrices * steps + net.head.in_features * 3


def test_the_output_is_that_of_plain_torch():
    torch.manual_seed(1)
    net = build(BASE, TASK).eval()
    x = torch.randn(4, 2, 101)
    h = (x - x.mean(-1, keepdim=True)) / (x.std(-1, correction=0, keepdim=True) + 1e-6)
    for block, kernel, stride in zip(net.convs, BASE.kernels, BASE.strides, strict=True):
        h = torch.nn.functional.conv1d(h, block.conv.weight, None, stride, kernel // 2)
        h = h.relu() / (1 + 1e-5) ** 0.5
    torch.testing.assert_close(net(x), net.head(h.mean(-1)), atol=1e-5, rtol=1e-5)


def test_decimation_is_a_mean_and_drops_the_rest():
    net = build(dataclasses.replace(BASE, decimation=4, normalise="none"), TASK)
    x = torch.arange(101.0).expand(1, 2, 101)
    got = net.inputs(x)
    assert got.shape == (1, 2, 25)
    assert got[0, 0, :2].tolist() == [1.5, 5.5]


@pytest.mark.parametrize("kind", NORMALISATIONS)
def test_a_flat_segment_stays_finite(kind):
    net = build(dataclasses.replace(BASE, normalise=kind), TASK)
    assert torch.isfinite(net.inputs(torch.full((1, 2, 101), 3.0))).all()


def test_upright_turns_what_points_down():
    x = torch.randn(6, 2, 50)
    x[..., 10] += 9.0  # a spike upwards in every lead
    up = dataclasses.replace(BASE, upright=True, normalise="none", decimation=1)
    seen = build(up, TASK).inputs
    down = x * torch.tensor([1.0, -1.0])[:, None]
    torch.testing.assert_close(seen(down), x)
    torch.testing.assert_close(seen(x), x)


def test_a_patch_holds_the_samples_of_one_step():
    x = torch.arange(22.0).view(1, 2, 11)
    steps = patches(x, 3)[0].T
    assert steps.tolist() == [[0, 1, 2, 11, 12, 13], [3, 4, 5, 14, 15, 16], [6, 7, 8, 17, 18, 19]]


@pytest.mark.parametrize("separable", [False, True])
def test_weights_scaled_to_data_give_unit_outputs_whatever_their_scale(separable):
    net = build(dataclasses.replace(BASE, norm="none", separable=separable), TASK)
    x = net.inputs(torch.randn(64, TASK.leads, TASK.window)) * 0.01
    net.scale_to(x)
    for block in net.convs:
        seen = block.conv(x if block.depthwise is None else block.depthwise(x))
        torch.testing.assert_close(seen.mean((0, 2)), torch.zeros(seen.shape[1]), atol=1e-4, rtol=0)
        torch.testing.assert_close(seen.std((0, 2)), torch.ones(seen.shape[1]), atol=1e-3, rtol=0)
        x = block(x)


def test_scaling_leaves_networks_with_a_norm_alone():
    torch.manual_seed(0)
    net, same = build(BASE, TASK), build(BASE, TASK)
    same.load_state_dict(net.state_dict())
    net.eval().scale_to(torch.randn(8, TASK.leads, TASK.window // BASE.decimation))
    for name, value in net.state_dict().items():
        torch.testing.assert_close(value, same.state_dict()[name], atol=0, rtol=0)


def test_last_of_a_bidirectional_cell_is_where_each_direction_ends():
    torch.manual_seed(0)
    net = build(dataclasses.replace(BASE, cell="lstm", units=3, bidirectional=True, pool="last"), TASK)
    x = torch.randn(2, 26, 5)
    out, (last, _) = net.recurrent(x)
    torch.testing.assert_close(net.pool(out), torch.cat([last[0], last[1]], 1))


def test_a_separable_net_is_plain_in_its_first_layer():
    net = build(dataclasses.replace(BASE, separable=True), TASK)
    assert [block.depthwise is None for block in net.convs] == [True, False, False]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"decimation": 102}, "decimation=102"),
        ({"decimation": 30}, "kernel 7"),
        ({"strides": (50, 2, 4)}, "convolution 2"),
    ],
)
def test_a_signal_that_vanishes_is_a_shape_error(change, words):
    config = dataclasses.replace(BASE, **change)
    for call in (build, cost):
        with pytest.raises(ShapeError, match=words):
            call(config, TASK)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"normalise": "median"}, "unknown normalise 'median'"),
        ({"norm": "x"}, "unknown norm 'x'"),
        ({"activation": "x"}, "unknown activation 'x'"),
        ({"cell": "rnn"}, "unknown cell 'rnn'"),
        ({"pool": "sum"}, "unknown pool 'sum'"),
        ({"channels": (4,)}, "one entry a layer"),
        ({"channels": (), "kernels": (), "strides": ()}, "needs one of the two"),
        ({"decimation": 0}, "decimation holds 0"),
        ({"channels": (4, 0, 5)}, "channels holds 0"),
        ({"cell": "gru", "units": 0}, "units holds 0"),
        ({"dropout": 1.0}, "dropout=1.0"),
        ({"init": "zeros"}, "unknown init 'zeros'"),
        ({"patch": 3}, "patch=3 is for recurrent layers without convolutions"),
        ({"upright": True, "normalise": "rr"}, "upright=True has no meaning"),
    ],
)
def test_an_impossible_config_says_which_value(change, words):
    with pytest.raises(ConfigError, match=words):
        build(dataclasses.replace(BASE, **change), TASK)


def test_size_leaves_batch_norm_out_and_peak_is_the_widest_layer():
    task = dataclasses.replace(TASK, leads=1, window=100, classes=("a", "b"))
    config = ModelConfig(channels=(8,), kernels=(3,), strides=(1,), norm="batch")
    got = cost(config, task)
    assert got.peak_bytes == 4 * (100 + 8 * 100)
    bare = cost(dataclasses.replace(config, norm="none"), task)
    assert got.size_bytes == bare.size_bytes
    assert got.parameters == 8 * 3 + 16 + 8 * 2 + 2
    assert bare.parameters == 8 * 3 + 8 + 8 * 2 + 2
