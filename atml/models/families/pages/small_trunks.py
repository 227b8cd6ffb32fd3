"""Networks for one view of a page, at sizes that a search trains: each reads the same fields of a config."""

from __future__ import annotations

from atml.errors import ConfigError
from atml.models.config import ModelConfig
from atml.models.pictures.steps import Add, Conv, Encoder, Join, Patches, Pool, Step, TokenNorm, Trunk

POOLS = ("mean", "max", "mean_max")
ACTIVATIONS = ("relu", "leaky_relu", "elu", "silu", "hardswish", "tanh")
EXPANDED = 4
"""How many times as many channels a fused block has inside."""
HEAD_WIDTH = 16
"""Width of one head of attention."""


def check(config: ModelConfig) -> None:
    """Raise ConfigError for the first field of a small network that can't be."""
    for name, known in (("pool", POOLS), ("activation", ACTIVATIONS), ("norm", ("batch",))):
        value = getattr(config, name)
        if value not in known:
            raise ConfigError(f"unknown {name} {value!r} of {config.family}; known: {', '.join(known)}")
    if len({len(config.channels), len(config.kernels), len(config.strides)}) != 1 or not config.channels:
        raise ConfigError(
            f"channels {config.channels}, kernels {config.kernels} and strides {config.strides}"
            " need one entry a layer each"
        )
    for name in ("channels", "kernels", "strides"):
        for value in getattr(config, name):
            if value < 1:
                raise ConfigError(f"{name} holds {value}; it must be 1 or more")
    if config.family != "page_vit" and any(kernel % 2 == 0 for kernel in config.kernels):
        raise ConfigError(f"kernels {config.kernels} of a network for pictures must be odd")


def plain(config: ModelConfig) -> Trunk:
    """One convolution, then two a stage, the first of which strides."""
    act = config.activation
    first, *others = _stages(config)
    steps: list[Step] = [Conv(*first, activation=act)]
    for width, kernel, stride in others:
        steps += [Conv(width, kernel, stride, activation=act), Conv(width, 3, activation=act)]
    return Trunk(tuple(steps), config.pool)


def residual(config: ModelConfig) -> Trunk:
    """One convolution, then a residual block of two a stage (He et al. 2016)."""
    act = config.activation
    first, *others = _stages(config)
    steps: list[Step] = [Conv(*first, activation=act)]
    before = first[0]
    for width, kernel, stride in others:
        body = (Conv(width, kernel, stride, activation=act), Conv(width, 3, activation=""))
        shortcut = () if stride == 1 and width == before else (Conv(width, 1, stride, activation=""),)
        steps.append(Add(body, shortcut, act))
        before = width
    return Trunk(tuple(steps), config.pool)


def dense(config: ModelConfig) -> Trunk:
    """One convolution, then stages that end with half their channels new, in two steps (Huang et al. 2017).

    Raises:
        ConfigError: A width that is no multiple of 4.
    """
    act = config.activation
    first, *others = _stages(config)
    steps: list[Step] = [Conv(*first, activation=act)]
    for width, kernel, stride in others:
        if width % 4:
            raise ConfigError(f"channels {config.channels} of page_dense must be multiples of 4")
        steps.append(Conv(width // 2, 1, activation=act))
        if stride > 1:
            steps.append(Pool("mean", stride, stride))
        steps += [Join((Conv(width // 4, kernel, activation=act),)) for _ in range(2)]
    return Trunk(tuple(steps), config.pool)


def fused_mbconv(config: ModelConfig) -> Trunk:
    """One convolution, then two fused inverted residual blocks a stage (Tan and Le 2021)."""
    act = config.activation
    first, *others = _stages(config)
    steps: list[Step] = [Conv(*first, activation=act)]
    before = first[0]
    for width, kernel, stride in others:
        inner, outer = Conv(EXPANDED * before, kernel, stride, activation=act), Conv(width, 1, activation="")
        block: tuple[Step, ...] = (inner, outer)
        steps += [Add(block)] if stride == 1 and width == before else [*block]
        steps.append(Add((Conv(EXPANDED * width, kernel, activation=act), outer)))
        before = width
    return Trunk(tuple(steps), config.pool)


def vit(config: ModelConfig) -> Trunk:
    """Patches of ``kernels[0]`` pixels, then a transformer layer for each entry of ``channels``.

    Raises:
        ConfigError: Widths that differ, or are no multiple of a head's.
    """
    width = config.channels[0]
    if set(config.channels) != {width} or width % HEAD_WIDTH:
        raise ConfigError(
            f"channels {config.channels} of page_vit must be one width, a multiple of {HEAD_WIDTH}"
        )
    layers = [Encoder(width // HEAD_WIDTH, 2 * width) for _ in config.channels]
    return Trunk((Patches(width, config.kernels[0]), *layers, TokenNorm()), config.pool)


def _stages(config: ModelConfig) -> list[tuple[int, int, int]]:
    return list(zip(config.channels, config.kernels, config.strides, strict=True))
