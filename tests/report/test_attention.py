from __future__ import annotations

import dataclasses
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import torch

from atml import models
from atml.artifacts.backends.onnx import graph
from atml.artifacts.model import ExportedModel
from atml.errors import ExportError
from atml.models.config import ModelConfig
from atml.report import strip_attention, strips, theme
from atml.report.attention import Attention, nearest
from atml.report.strips import Strip
from tests.beats import BEATS

SVG = "{http://www.w3.org/2000/svg}"

CNN = ModelConfig(decimation=2, channels=(6, 6), kernels=(9, 5), strides=(2, 2), pool="attention")
GRU = dataclasses.replace(CNN, cell="gru", units=4, bidirectional=True)


def exported(config: ModelConfig) -> tuple[ExportedModel, torch.nn.Module]:
    torch.manual_seed(0)
    net = models.build(config, BEATS).eval()
    file = ExportedModel(
        path=None, folder=None, model=graph(net, BEATS).SerializeToString(), sha256="", task=BEATS,
        config=config, study="", trial=0, offsets=(0.0, 0.0, 0.0), data_name="", data_fingerprint="",
        synthetic=True, subjects=None,
    )  # type: ignore[arg-type]  # fmt: skip
    return file, net


@pytest.mark.parametrize("config", [CNN, GRU], ids=["convolutions", "recurrent"])
def test_the_weights_are_those_of_the_network(config: ModelConfig) -> None:
    file, net = exported(config)
    x = np.random.default_rng(1).normal(size=(1, BEATS.window)).astype(np.float32)
    scores = []
    net.pool.score.register_forward_hook(lambda module, given, out: scores.append(out.detach()))
    with torch.no_grad():
        net(torch.from_numpy(x[None]))
    weights = torch.softmax(scores[0].flatten(), 0).numpy()
    found = Attention(file)(x)
    assert found.shape == (BEATS.window,)
    assert found == pytest.approx((weights * len(weights))[nearest(config, BEATS)], rel=1e-4)
    assert len(np.unique(found)) > 20 and found.mean() == pytest.approx(1.0, abs=0.05)


def test_a_step_lies_where_its_samples_are() -> None:
    """The steps of a network that is all identity: a spike is where its step says."""
    config = ModelConfig(
        normalise="none",
        decimation=2,
        channels=(1, 1),
        kernels=(3, 3),
        strides=(2, 1),
        norm="none",
        pool="max",
    )
    net = models.build(config, BEATS).eval()
    with torch.no_grad():
        for values in net.parameters():
            values.zero_()
        for block in net.convs:
            block.conv.weight[0, 0, 1] = 1.0
        for at in (100, 201, 302):
            x = torch.zeros(1, 1, BEATS.window)
            x[0, 0, at - 2 : at + 3] = 1.0
            rows: list[torch.Tensor] = []
            hook = net.pool.register_forward_pre_hook(lambda module, given, rows=rows: rows.append(given[0]))
            net(x)
            hook.remove()
            assert abs(int(rows[0].flatten().argmax()) - int(nearest(config, BEATS)[at])) <= 1


def test_a_pool_without_weights_is_refused() -> None:
    with pytest.raises(ExportError, match="its pool is 'mean'"):
        Attention(exported(dataclasses.replace(CNN, pool="mean"))[0])


def test_the_lane_is_as_high_as_the_weights_and_the_mark_where_it_should_be() -> None:
    x = np.zeros((1, 250), np.float32)
    weights = np.concatenate([np.full(125, 0.5), np.full(125, 1.5)])
    plain = Strip(x=x, rate=125, title="t")
    strip = dataclasses.replace(plain, attention=weights, mark=1.2)
    svg = strips.draw([strip], unit="mV")
    root = ET.fromstring(svg)
    (area,) = [n.get("d") or "" for n in root.iter(f"{SVG}path") if n.get("fill") == theme.PURPLE]
    base = float(re.match(r"M[\d.]+ ([\d.]+)", area)[1])  # type: ignore[index]
    ups = [base - float(v) for v in re.findall(r"V([\d.]+)H", area)]
    full = (strip_attention.HIGH - 0.5) / strip_attention.EVEN
    assert ups == pytest.approx([0.5 * full, 1.5 * full], abs=0.02)
    assert [float(v) for v in re.findall(r"H([\d.]+)", area)] == pytest.approx(
        [strips.LEFT + 25, strips.LEFT + 50]
    )
    marks = [n.get("d") or "" for n in root.iter(f"{SVG}path") if n.get("stroke-width") == "2"]
    assert len(marks) == 1 and marks[0].startswith(f"M{strips.LEFT + 30:.2f} ")
    assert set(re.findall(r"#[0-9a-f]{6}", svg)) <= set(theme.DARK)
    assert "purple lane" in svg and "purple lane" not in strips.draw([plain], unit="mV")
