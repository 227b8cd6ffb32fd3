"""What every layer of a config sees and leaves, worked out without building anything."""

from __future__ import annotations

from dataclasses import dataclass

from atml.errors import ConfigError, ShapeError
from atml.models.beat_view import beat_plan
from atml.models.blocks import rows_of
from atml.models.config import ModelConfig
from atml.models.rr_series import rr_plan
from atml.tasks.task import Task

NORMALISATIONS = ("none", "centre", "zscore", "maxabs", "rr", "beat")
NORMS = ("batch", "layer", "none")
ACTIVATIONS = ("relu", "leaky_relu", "elu", "silu", "hardswish", "tanh")
CELLS = ("none", "lstm", "gru")
INITS = ("random", "data")
POOLS = ("mean", "max", "mean_max", "last", "attention")


@dataclass(frozen=True)
class ConvShape:
    """One convolution: ``inputs x length_in`` becomes ``outputs x length_out``, in channels and samples."""

    inputs: int
    outputs: int
    kernel: int
    stride: int
    length_in: int
    length_out: int
    separable: bool


@dataclass(frozen=True)
class Shapes:
    """The whole signal path: rows, samples after decimation, convolutions, width and steps at the pool."""

    rows: int
    """Channels of the signal after normalisation: those of the task, or three of each; of one lead where the
    network sees each lead by itself."""
    decimated: int
    convs: tuple[ConvShape, ...]
    width_in: int
    """Channels that the recurrent layers (or, without any, the pool) get."""
    width: int
    """Channels that the pool gets."""
    steps: int
    """Time steps that the recurrent layers and the pool get."""
    features: int
    """Inputs of the linear layer."""
    passes: int
    """How often the layers are passed for one window: once, or for each lead where it sees each by itself."""


def shapes(config: ModelConfig, task: Task) -> Shapes:
    """Follow one window through the layers.

    A convolution pads ``kernel // 2`` zeros on both sides, so ``length_out = (length_in + 2 * (kernel // 2)
    - kernel) // stride + 1``.

    Raises:
        ConfigError: an unknown name, or a number that can't be.
        ShapeError: a decimation, kernel or stride longer than the signal it gets.
    """
    _check(config, task)
    length = task.window // config.decimation
    if length < 1:
        raise ShapeError(
            f"decimation={config.decimation} leaves nothing of a window of {task.window} samples;"
            " use a smaller one"
        )
    passes = task.leads if config.each_lead else 1
    rows = task.leads // passes * rows_of(config.normalise)
    decimated, width = length, rows
    convs = []
    for i, (out, kernel, stride) in enumerate(
        zip(config.channels, config.kernels, config.strides, strict=True)
    ):
        if max(kernel, stride) > length:
            raise ShapeError(
                f"convolution {i + 1} (kernel {kernel}, stride {stride}) gets only {length} samples;"
                " use fewer layers, smaller strides or less decimation"
            )
        after = (length + 2 * (kernel // 2) - kernel) // stride + 1
        convs.append(ConvShape(width, out, kernel, stride, length, after, config.separable and i > 0))
        width, length = out, after
    if config.patch > 1:
        if config.patch > length:
            raise ShapeError(f"patch={config.patch} is longer than the {length} samples of a window")
        width, length = width * config.patch, length // config.patch
    width_in = width
    if config.cell != "none":
        width = config.units * (2 if config.bidirectional else 1)
    return Shapes(
        rows=rows,
        decimated=decimated,
        convs=tuple(convs),
        width_in=width_in,
        width=width,
        steps=length,
        features=width * (2 if config.pool == "mean_max" else 1),
        passes=passes,
    )


def _check(config: ModelConfig, task: Task) -> None:
    """Raise ConfigError for the first field of the architecture that can't be."""
    if task.picture is not None:
        raise ConfigError(
            f"family {config.family!r} reads signals, and task {task.name!r} is about pictures; use one of"
            " the families whose names begin with page_"
        )
    for name, known in (
        ("normalise", NORMALISATIONS),
        ("norm", NORMS),
        ("activation", ACTIVATIONS),
        ("cell", CELLS),
        ("pool", POOLS),
        ("init", INITS),
    ):
        value = getattr(config, name)
        if value not in known:
            raise ConfigError(f"unknown {name} {value!r}; known: {', '.join(known)}")
    if config.normalise == "rr":
        rr_plan(task.sampling_rate, task.window)
    if config.normalise == "beat":
        beat_plan(task)
    if config.each_lead and task.leads < 2:
        raise ConfigError(
            f"each_lead=True is for tasks of several leads, and task {task.name!r} has one; leave it False"
        )
    layers = {len(config.channels), len(config.kernels), len(config.strides)}
    if len(layers) != 1:
        raise ConfigError(
            f"channels {config.channels}, kernels {config.kernels} and strides {config.strides}"
            " need one entry a layer each"
        )
    if not config.channels and config.cell == "none":
        raise ConfigError("channels is empty and cell is 'none'; a model needs one of the two")
    if config.patch != 1 and (config.channels or config.cell == "none"):
        raise ConfigError(f"patch={config.patch} is for recurrent layers without convolutions; leave it at 1")
    if config.upright and config.normalise in ("rr", "beat"):
        what = "RR intervals" if config.normalise == "rr" else "a beat compared with its neighbours"
        raise ConfigError(
            f"upright=True has no meaning for {what}; leave it False with normalise={config.normalise!r}"
        )
    counts = [("decimation", config.decimation), ("patch", config.patch)]
    for name in ("channels", "kernels", "strides"):
        counts += [(name, value) for value in getattr(config, name)]
    if config.cell != "none":
        counts += [("units", config.units), ("layers", config.layers)]
    for name, value in counts:
        if value < 1:
            raise ConfigError(f"{name} holds {value}; it must be 1 or more")
    if not 0.0 <= config.dropout < 1.0:
        raise ConfigError(f"dropout={config.dropout} must be at least 0 and below 1")
    if len(task.classes) < 2:
        raise ConfigError(f"task {task.name!r} has {len(task.classes)} classes; it needs two or more")
