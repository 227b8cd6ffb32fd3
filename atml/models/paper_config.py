"""Architecture and training of a network that reads the leads of a page back (`atml.paper`)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from atml.errors import ConfigError
from atml.models.config import KINDS, ModelConfig

PAGE_UNET = "page_unet"
"""Name of the family."""

SIGNAL_WEIGHT = 2.0
"""Weight of the loss of the signal. The other four are relative to it, so it is not searched."""

MOST = 128
"""Most channels of a level."""

READINGS = ("soft_argmax", "centroid")
RESAMPLINGS = ("fft", "linear")


@dataclass(frozen=True, kw_only=True)
class PaperConfig(ModelConfig):
    """Architecture and training of one network that reads pages; of `ModelConfig` the fields in `OWN` count.

    Example:
        >>> config = PaperConfig(base=8, depth=3, steps=500)
        >>> config.describe()
        'unet 8-16-32, lr 0.003, 500 x 8'
        >>> ModelConfig.from_dict(config.to_dict()) == config
        True
    """

    family: str = PAGE_UNET
    base: int = 8
    """Channels at full resolution; each level below has twice as many, `MOST` at most."""
    depth: int = 4
    """Levels, the one at full resolution included."""
    coordinates: bool = False
    """Each level also sees where on the picture a pixel lies (CoordConv, Liu et al. 2018)."""
    pixels: tuple[int, int] = (512, 672)
    """Rows and columns that the network sees; pictures of another size are resized to it."""

    reading: str = "soft_argmax"
    """How a column is read: at the "centroid" of its ink, or by learned weights, "soft_argmax"."""
    resampling: str = "fft"
    """From columns to samples: "linear" or "fft"."""

    segmentation: float = 1.0
    grid: float = 0.5
    baseline: float = 0.8
    theta: float = 0.3
    """Weights of the losses beside the signal's, `SIGNAL_WEIGHT`."""

    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    batch: int = 8
    steps: int = 2000
    clip: float = 2.0
    """Longer gradients are cut to this."""
    crop: tuple[int, int] = (128, 256)
    """Rows and columns of the pieces that it is trained on."""
    light: float = 0.2
    """Largest random change of brightness and contrast of a crop, as a share."""
    begin: str = ""
    """File of weights of a network of the same shape that training goes on from, "" for fresh ones
    (`atml.paper.weights_file`)."""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON types, in declared order."""
        return {
            name: list(value) if isinstance(value := getattr(self, name), tuple) else value for name in OWN
        }

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> PaperConfig:
        """Rebuild from `to_dict`; raises ConfigError for a key that is no field."""
        if unknown := sorted(set(fields) - set(OWN)):
            raise ConfigError(f"unknown key {unknown[0]!r} in a config; known: {', '.join(sorted(OWN))}")
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
        return cls(**values)

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each level, from full resolution down."""
        return tuple(min(MOST, self.base * 2**level) for level in range(self.depth))

    def describe(self) -> str:
        """Say what it is in one short line."""
        kind = "separable unet" if self.separable else "unet"
        widths = "-".join(map(str, self.widths))
        return f"{kind} {widths}, lr {self.learning_rate:.2g}, {self.steps} x {self.batch}"

    def check(self) -> None:
        """Raise ConfigError for a field that can't be."""
        least = 2 ** (self.depth - 1)
        wrong = [
            (self.base < 1, f"base {self.base}; give 1 or more channels"),
            (not 1 <= self.depth <= 6, f"depth {self.depth}; give 1 to 6 levels"),
            (self.reading not in READINGS, f"reading {self.reading!r}; it is one of {', '.join(READINGS)}"),
            (
                self.resampling not in RESAMPLINGS,
                f"resampling {self.resampling!r}; it is one of {', '.join(RESAMPLINGS)}",
            ),
            (self.batch < 1 or self.steps < 1, f"{self.steps} steps of {self.batch} crops; give 1 or more"),
            (not self.clip > 0, f"clip {self.clip}; give a length above 0"),
            (not self.learning_rate > 0, f"learning rate {self.learning_rate}; give one above 0"),
            (
                any(n % least for n in (*self.pixels, *self.crop)),
                f"pixels {self.pixels} and crops of {self.crop} with {self.depth} levels;"
                f" give multiples of {least}",
            ),
            (
                any(c > s for c, s in zip(self.crop, self.pixels, strict=True)),
                f"crops of {self.crop} of pictures of {self.pixels}; give smaller crops",
            ),
        ]
        for is_wrong, what in wrong:
            if is_wrong:
                raise ConfigError(what)


OWN = (
    *("family", "separable", "learning_rate", "weight_decay", "batch", "steps"),
    *(f.name for f in dataclasses.fields(PaperConfig) if f.name not in ModelConfig.__dataclass_fields__),
)
"""Fields that count, those of `ModelConfig` first."""

KINDS[PAGE_UNET] = PaperConfig
