"""The network: shapes, costs known before it is built, and the same maps from its ONNX file."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch

from atml import models
from atml.artifacts.backends.onnx import Onnx
from atml.artifacts.model import infer
from atml.errors import ConfigError
from atml.models import families
from atml.models.config import ModelConfig
from atml.models.families.page_unet import MAPS
from atml.models.paper_config import PaperConfig
from atml.models.unet import OUTPUTS, UNet
from atml.tasks.task import Task

TASK = Task(name="paper", kind="waveform", classes=("I", "II"), picture=(64, 96), leads=3)
SHAPES = [
    PaperConfig(base=4, depth=3, pixels=(64, 96), crop=(32, 32)),
    PaperConfig(base=4, depth=2, separable=True, pixels=(64, 96), crop=(32, 32)),
    PaperConfig(base=4, depth=4, coordinates=True, pixels=(64, 96), crop=(32, 32)),
    PaperConfig(base=2, depth=5, coordinates=True, separable=True, pixels=(64, 96), crop=(32, 32)),
]


def trained(config: PaperConfig) -> UNet:
    """Return a network whose batch norms have seen something."""
    torch.manual_seed(0)
    net = UNet(config)
    for part in net.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            assert part.running_mean is not None and part.running_var is not None
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
    return net.eval()


@pytest.mark.parametrize("config", SHAPES, ids=PaperConfig.describe)
def test_costs_are_known_from_shapes(config: PaperConfig) -> None:
    cost, net = models.cost(config, TASK), UNet(config)
    assert cost.parameters == sum(part.numel() for part in net.parameters())
    assert cost.fixed == sum(b.numel() for name, b in net.named_buffers() if "running" in name)
    assert cost.macs == sum(layer.macs for layer in families.of(config).layers(config, TASK))
    size = len(Onnx().write(trained(config), TASK, {}))  # type: ignore[arg-type]
    assert 0.4 * cost.size_bytes < size < cost.size_bytes
    assert MAPS == OUTPUTS


@pytest.mark.parametrize("config", SHAPES, ids=PaperConfig.describe)
@pytest.mark.parametrize("shape", [(64, 96), (32, 160)])
def test_the_file_gives_the_same_maps(config: PaperConfig, shape: tuple[int, int]) -> None:
    net = trained(config)
    file = Onnx().write(net, TASK, {"a": "b"})  # type: ignore[arg-type]
    assert onnx.load_model_from_string(file).graph.input[0].name == "page"
    page = np.random.default_rng(0).uniform(0, 255, (3, 3, *shape)).astype(np.float32)
    with torch.no_grad():
        expected = net(torch.from_numpy(page)).numpy()
    assert np.abs(infer(file, page) - expected).max() < 1e-4


def test_crops_see_what_the_whole_picture_sees() -> None:
    """With coordinates a crop is told where it lies; far from its edges its maps are those of the picture."""
    net = trained(PaperConfig(base=4, depth=2, coordinates=True, pixels=(64, 96), crop=(32, 32)))
    page = torch.rand(1, 3, 64, 96) * 255
    y, x = (torch.arange(64) + 0.5) / 32 - 1, (torch.arange(96) + 0.5) / 48 - 1
    where = torch.stack([x.expand(64, -1), y[:, None].expand(-1, 96)])[None]
    with torch.no_grad():
        whole, crop = net(page), net(page[..., 16:48, 32:80], where[..., 16:48, 32:80])
    assert torch.allclose(whole[..., 28:36, 48:64], crop[..., 12:20, 16:32], atol=1e-4)


def test_it_is_not_for_signals() -> None:
    signals = Task(name="t", classes=("a", "b"), positive=1, sampling_rate=100, window=500)
    with pytest.raises(ConfigError, match="reads pictures, and task 't' has signals"):
        models.cost(PaperConfig(), signals)
    with pytest.raises(ConfigError, match="takes a PaperConfig"):
        models.cost(ModelConfig(family="page_unet"), TASK)


def test_configs_are_read_back_as_what_they_were() -> None:
    config = PaperConfig(base=16, coordinates=True, crop=(64, 128), theta=0.1)
    assert ModelConfig.from_dict(config.to_dict()) == config
    with pytest.raises(ConfigError, match="unknown key 'kernels' in a config"):
        ModelConfig.from_dict({**config.to_dict(), "kernels": [3]})


def test_names_that_are_no_utf8_travel_in_the_file() -> None:
    file = Onnx().write(trained(SHAPES[0]), TASK, {"data": "caf\udce9"})  # type: ignore[arg-type]
    (held,) = onnx.load_model_from_string(file).metadata_props
    assert held.value == "caf\\udce9"
