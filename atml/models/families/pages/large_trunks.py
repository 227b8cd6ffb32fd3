"""Networks for one view of a page as they were published, with the 1,000 outputs of their last layer.

The three views of the founding design keep that last layer as a description of a view; 256 units join them.
"""

from __future__ import annotations

from atml.models.config import ModelConfig
from atml.models.pictures.steps import (
    Add,
    Conv,
    Encoder,
    Excite,
    Join,
    NormAct,
    Patches,
    Pool,
    Step,
    TokenNorm,
    Trunk,
)

DESCRIBED = 1000
"""Outputs of the last layer: the classes of ImageNet, for which the networks were drawn up."""


def check(config: ModelConfig) -> None:
    """Nothing of a published network is chosen but what every network for pages has."""


def densenet121(config: ModelConfig) -> Trunk:
    """Huang et al., "Densely connected convolutional networks", 2017; 7,978,856 parameters."""
    growth = 32
    steps: list[Step] = [Conv(64, 7, 2), Pool("max", 3, 2, padded=True)]
    width = 64
    for stage, layers in enumerate((6, 12, 24, 16)):
        if stage:
            width //= 2
            steps += [NormAct(), Conv(width, 1, norm=False, bias=False, activation=""), Pool("mean")]
        new = Conv(growth, 3, norm=False, bias=False, activation="")
        steps += [Join((NormAct(), Conv(4 * growth, 1), new)) for _ in range(layers)]
        width += layers * growth
    return Trunk((*steps, NormAct()), "mean", DESCRIBED)


def resnet50(config: ModelConfig) -> Trunk:
    """He et al., "Deep residual learning for image recognition", 2016; 25,557,032 parameters."""
    steps: list[Step] = [Conv(64, 7, 2), Pool("max", 3, 2, padded=True)]
    for stage, layers in enumerate((3, 4, 6, 3)):
        width = 64 * 2**stage
        for layer in range(layers):
            stride = 2 if stage and not layer else 1
            body = (Conv(width, 1), Conv(width, 3, stride), Conv(4 * width, 1, activation=""))
            shortcut = () if layer else (Conv(4 * width, 1, stride, activation=""),)
            steps.append(Add(body, shortcut, "relu"))
    return Trunk(tuple(steps), "mean", DESCRIBED)


def efficientnetv2_s(config: ModelConfig) -> Trunk:
    """Tan and Le, "EfficientNetV2: smaller models and faster training", 2021; 21,458,488 parameters."""
    steps: list[Step] = [Conv(24, 3, 2, activation="silu")]
    before = 24
    for expanded, width, layers, stride, fused in (
        (1, 24, 2, 1, True),
        (4, 48, 4, 2, True),
        (4, 64, 4, 2, True),
        (4, 128, 6, 2, False),
        (6, 160, 9, 1, False),
        (6, 256, 15, 2, False),
    ):
        for layer in range(layers):
            pace = 1 if layer else stride
            inner = before * expanded
            block: tuple[Step, ...]
            if expanded == 1:
                block = (Conv(width, 3, pace, activation="silu"),)
            elif fused:
                block = (Conv(inner, 3, pace, activation="silu"), Conv(width, 1, activation=""))
            else:
                block = (
                    Conv(inner, 1, activation="silu"),
                    Conv(inner, 3, pace, groups=inner, activation="silu"),
                    Excite(before // 4),
                    Conv(width, 1, activation=""),
                )
            steps += [Add(block)] if pace == 1 and width == before else [*block]
            before = width
    return Trunk((*steps, Conv(1280, 1, activation="silu")), "mean", DESCRIBED)


def vit_b16(config: ModelConfig) -> Trunk:
    """Dosovitskiy et al., "An image is worth 16x16 words", 2021; 86,567,656 parameters at 224 x 224."""
    layers = [Encoder(12, 3072) for _ in range(12)]
    return Trunk((Patches(768, 16, token=True), *layers, TokenNorm()), "first", DESCRIBED)
