"""Published networks for three views: the parameters that their papers, and the founding design, count."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from atml import task_files
from atml.artifacts.backends import BACKENDS
from atml.errors import ConfigError
from atml.models import build, cost
from atml.models.config import ModelConfig
from atml.models.families import FAMILIES, of
from atml.models.families.pages import PageFamily
from atml.models.pictures.steps import Trunk
from atml.searching.samplers.parameters import from_params
from atml.task_files import builtin
from atml.tasks.task import Task
from atml.training.loop import predict

# Columns of 224 x 224 pixels, the size that the networks were published at.
TASK = Task(name="p", kind="multilabel", classes=tuple("ABCDEFGHIJ"), picture=(224, 560), leads=3)
JOINED = (3 * 1000 + 1) * 256 + (256 + 1) * 10
"""Three descriptions of 1,000 numbers, 256 units, ten labels."""

PUBLISHED = {
    "page_densenet121": (7_978_856, 83_648),
    "page_efficientnetv2_s": (21_458_488, 153_872),
    "page_resnet50": (25_557_032, 53_120),
    "page_vit_b16": (86_567_656, 0),
}
"""Trained and fixed numbers of one network with its 1,000 outputs."""


def config(family: str, own: bool) -> ModelConfig:
    return ModelConfig(family=family, views="columns", own_views=own, vote="concat", size=224)


@pytest.mark.parametrize("family", PUBLISHED)
def test_one_network_for_three_views_has_the_published_size(family: str) -> None:
    trained, fixed = PUBLISHED[family]
    found = cost(config(family, own=False), TASK)
    assert (found.parameters, found.fixed) == (trained + JOINED, fixed)


@pytest.mark.parametrize(
    ("family", "trained", "fixed"),
    [("page_densenet121", 24_707_394, 250_944), ("page_efficientnetv2_s", 65_146_290, 461_616)],
)
def test_three_networks_have_the_size_of_the_founding_design(family: str, trained: int, fixed: int) -> None:
    found = cost(config(family, own=True), TASK)
    assert (found.parameters, found.fixed) == (trained, fixed)
    with torch.device("meta"):
        net = build(config(family, own=True), TASK)
    assert sum(p.numel() for p in net.parameters()) == trained
    assert sum(b.numel() for b in net.buffers()) == fixed


def test_more_than_a_hundred_million_are_refused_before_anything_is_built() -> None:
    wrong = config("page_vit_b16", own=True)
    for ask in (cost, build):
        with pytest.raises(ConfigError, match=r"^page_vit_b16 .*: 260\.5 M parameters, and 100 M"):
            ask(wrong, TASK)
    with torch.device("meta"):
        shared = build(replace(wrong, own_views=False), TASK)
    assert sum(p.numel() for p in shared.parameters()) == 86_567_656 + JOINED == 87_338_482


@pytest.mark.parametrize(
    ("family", "first"),
    # The stem, some blocks of every kind, what lies between stages.
    [("page_densenet121", 12), ("page_resnet50", 6), ("page_efficientnetv2_s", 18), ("page_vit_b16", 2)],
)
def test_their_blocks_are_written_as_they_are(
    family: str, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = of(config(family, own=False))
    assert isinstance(whole, PageFamily)
    drawn = whole.drawn

    def few(one: ModelConfig) -> Trunk:
        trunk = drawn(one)
        return replace(trunk, steps=trunk.steps[:first] + trunk.steps[-1:] * ("vit" in family), described=12)

    monkeypatch.setitem(FAMILIES, family, PageFamily(family, few, whole.checked))
    task = replace(TASK, picture=(64, 80))
    one = replace(config(family, own=False), size=64)
    torch.manual_seed(0)
    net = build(one, task)
    x = np.random.default_rng(0).uniform(0, 255, (2, 3, 64, 80)).astype(np.float32)
    with torch.no_grad():
        net(torch.from_numpy(x))
    written = BACKENDS["onnx"].write(net.eval(), task, {})
    np.testing.assert_allclose(BACKENDS["onnx"].run(written, x), predict(net, x), atol=1e-4)
    assert len(written) <= cost(one, task).size_bytes <= 1.1 * len(written) + 4096


def test_the_space_of_large_networks_draws_what_can_be_built() -> None:
    definition = task_files.find("pages", space=builtin.folder("search_spaces") / "pages_large.py")
    for params in (definition.default, *definition.portfolio):
        found = from_params(definition.suggest, params)
        assert cost(found, definition.task).parameters <= 100_000_000
