"""Architecture and training of one model, as a search draws it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from atml.errors import ConfigError

CONV_RECURRENT = "conv_recurrent"
"""The family of a config that names none."""
_SINCE: dict[str, Any] = {
    "family": CONV_RECURRENT, "upright": False, "patch": 1, "init": "random",
    "polarity": 0.0, "stretch": 0.0, "filter": 0.0, "thinning": 0.0,
    "views": "whole", "own_views": False, "vote": "mean", "size": 128, "rotation": 0.0,
    "each_lead": False,
}  # fmt: skip
"""Fields that are younger than version 0.1, and the value by which they change nothing."""

KINDS: dict[str, type[ModelConfig]] = {}
"""Configs with fields of their own, by the name of their family."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Architecture and training of one model; every field is searchable.

    ``family`` names who builds it (`atml.models.families`) and so which fields of the architecture count.

    Example:
        >>> config = ModelConfig(channels=(8, 16), kernels=(7, 5), strides=(2, 2), cell="gru", units=12)
        >>> config.describe()
        'cnn 8-16 + gru 12, lr 0.002, 1000 x 128'
        >>> ModelConfig.from_dict(config.to_dict()) == config
        True
    """

    family: str = CONV_RECURRENT

    # Input. Both steps are part of the exported graph.
    normalise: str = "zscore"
    """Per window and lead: "none", "centre" (minus mean), "zscore" (and over its standard deviation),
    "maxabs" (minus mean, over the largest magnitude), "rr" (the series of RR intervals: beats are found by
    `atml.ecg.beats`' rule, and each sample holds ``3 * log(RR / 0.8 s)`` of the last complete interval),
    "beat" (of windows round beats alone: how like the beat and how large beside it each moment is, and the
    beat's own shape; three rows of a lead, see `atml.models.beat_view`)."""
    decimation: int = 1
    """Mean over this many neighbouring samples; 1 leaves the rate as it is."""
    upright: bool = False
    """Turn a window upside down, lead by lead, where its third central moment is negative: a lead and the
    same lead the other way round are one to the network."""
    each_lead: bool = False
    """Of a task of several leads: the network sees one lead at a time, in training one drawn at random for
    each window. It decides on all of them, each class by its largest logit."""

    # Input of networks for pictures, whose ``normalise`` is "ink" (how dark a pixel is beside the paper, how
    # colourful) or "zscore" (each of three colours by itself); part of the exported graph too.
    views: str = "whole"
    """"whole" (the page), "columns" (left, centre, right) or "rows" (top, centre, bottom); three overlap."""
    size: int = 128
    """Pixels of a view's longer side, where the picture has more."""
    own_views: bool = False
    """A network for each of three views, in place of one for all."""
    vote: str = "mean"
    """How three views become one answer: "concat" (256 units see what describes all three), or each gives its
    labels, of which the "mean", the "max" or a "learned" mean is taken."""

    # Convolutions: one entry a layer in each of the three.
    channels: tuple[int, ...] = (8, 16, 32)
    kernels: tuple[int, ...] = (7, 7, 7)
    strides: tuple[int, ...] = (2, 2, 2)
    separable: bool = False
    """Depthwise then pointwise from the second layer on; the first is always plain."""
    norm: str = "batch"
    activation: str = "relu"
    init: str = "random"
    """Weights of the convolutions before the first step: "random", or "data" (then scaled so that, over some
    training windows, every channel has mean 0 and variance 1 before its activation)."""

    # Recurrent layers.
    patch: int = 1
    """Samples that a recurrent network without convolutions reads at once, as so many channels."""
    cell: str = "none"
    units: int = 16
    layers: int = 1
    bidirectional: bool = False

    # Head.
    pool: str = "mean"
    """How time is left behind: "mean", "max", "mean_max", "last" or "attention"."""
    dropout: float = 0.0

    # Training.
    optimizer: str = "adamw"
    learning_rate: float = 2e-3
    schedule: str = "cosine"
    """"constant", "cosine", "onecycle" or "step"; all but "constant" end near zero."""
    weight_decay: float = 1e-2
    batch: int = 128
    steps: int = 1000
    loss: str = "cross_entropy"
    label_smoothing: float = 0.0
    focal_gamma: float = 2.0
    class_weights: str = "none"
    """"none" or "balanced" (inverse class frequency in the training rows)."""
    positive_weight: float = 1.0
    """Further factor on the loss of the positive class: above 1 leans towards sensitivity."""
    sampling: str = "uniform"
    """What a batch is drawn from: "uniform" over windows, "subject" (subjects alike, then windows), or
    "class" (classes alike, of each the subjects that have it alike, then windows)."""
    thinning: float = 0.0
    """Windows of the most frequent class over those of all others together, in what batches are drawn from:
    1 for as many. Which ones is drawn anew for each pass, the same share of each subject's. 0 takes all."""
    averaging: float = 0.0
    """Decay a step of an exponential moving average of the weights; 0 keeps the last weights."""

    # Augmentation, on training batches only; 0 switches one off.
    scale: float = 0.0
    """Standard deviation of the logarithm of a random gain per window."""
    noise: float = 0.0
    """White noise: its standard deviation over the window's own."""
    wander: float = 0.0
    """Baseline wander, a sine of 0.05 to 0.5 Hz: its amplitude over the window's standard deviation."""
    shift: float = 0.0
    """Largest circular shift, as a share of the window."""
    mixup: float = 0.0
    """Alpha of the Beta distribution that mixes two windows and their labels."""
    polarity: float = 0.0
    """Probability that a window is turned upside down."""
    stretch: float = 0.0
    """Standard deviation of the logarithm of a random change of speed: rates change, rhythms do not."""
    filter: float = 0.0
    """Largest share of its second difference added to a window, or taken off: other bandwidths."""
    rotation: float = 0.0
    """Of pictures: largest rotation, in degrees to either side. Of the others ``noise`` is then a share of
    full scale, ``scale`` changes the contrast, ``stretch`` the size, and ``shift`` moves paper in."""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON types, in declared order.

        Fields that version 0.1 did not have are left out where they hold their default, so that what it
        stored compares equal.
        """
        fields = {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(self).items()}
        for name, default in _SINCE.items():
            if fields[name] == default:
                del fields[name]
        return fields

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> ModelConfig:
        """Rebuild from `to_dict`, as its family has it; raises ConfigError for a key that is no field."""
        kind = KINDS.get(fields.get("family", CONV_RECURRENT))
        if kind is not None:
            return kind.from_dict(fields)
        known = {f.name for f in dataclasses.fields(cls)}
        for key in fields:
            if key not in known:
                raise ConfigError(f"unknown key {key!r} in a model config; known: {', '.join(sorted(known))}")
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
        return cls(**values)

    def describe(self) -> str:
        """Say what it is in one short line: "cnn 8-16-32 + lstm 16, lr 0.002, 900 x 128"."""
        parts = []
        if self.channels:
            kind = "separable cnn" if self.separable else "cnn"
            parts.append(f"{kind} {'-'.join(map(str, self.channels))}")
        if self.cell != "none":
            deep = f" x{self.layers}" if self.layers > 1 else ""
            parts.append(f"{'bi' if self.bidirectional else ''}{self.cell} {self.units}{deep}")
        # Other families use the fields in ways of their own: their name says more.
        what = " + ".join(parts) if self.family == CONV_RECURRENT else self.family
        if self.family.startswith("page_"):
            what += f" {self._pictures()}"
        return f"{what}, lr {self.learning_rate:.2g}, {self.steps} x {self.batch}"

    def _pictures(self) -> str:
        """Say what a network for pictures sees, and at what widths: "16-32-64, 3 columns of 128, concat"."""
        published = self.family in (
            "page_densenet121",
            "page_efficientnetv2_s",
            "page_resnet50",
            "page_vit_b16",
        )
        widths = [] if published else ["-".join(map(str, self.channels))]
        if self.views == "whole":
            return ", ".join([*widths, f"whole page of {self.size}"])
        own = ", a network each" if self.own_views else ""
        return ", ".join([*widths, f"3 {self.views} of {self.size}{own}", self.vote])
