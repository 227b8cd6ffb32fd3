"""The family "page_unet": a U-Net that says of each pixel of a page what it is and where."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from atml.errors import ConfigError
from atml.models.budget import Cost
from atml.models.config import ModelConfig
from atml.models.families.base import Layer
from atml.models.paper_config import PAGE_UNET, PaperConfig
from atml.tasks.task import Task

if TYPE_CHECKING:
    from atml.models.network import Network

MAPS = 10
"""Maps that it gives, see `atml.models.unet.OUTPUTS`."""

OVERHEAD_BYTES, NODE_BYTES = 4000, 230
"""Of an ONNX file, beside its weights: what it says of itself, and of each convolution."""


class PageUNet:
    """See `atml.models.families.base.Family`; costs are those of one picture."""

    name = PAGE_UNET

    def check(self, config: ModelConfig, task: Task) -> None:
        """Raise ConfigError where a config can't be built."""
        own(config).check()
        if task.picture is None:
            raise ConfigError(f"family {self.name} reads pictures, and task {task.name!r} has signals")

    def cost(self, config: ModelConfig, task: Task) -> Cost:
        """Count parameters, products and bytes of one picture."""
        self.check(config, task)
        layers = self.layers(config, task)
        parameters, fixed = sum(one.parameters for one in layers), sum(one.fixed for one in layers)
        rows, columns = own(config).pixels
        return Cost(
            parameters=parameters,
            fixed=fixed,
            macs=sum(one.macs for one in layers),
            size_bytes=4 * (parameters + fixed)
            + OVERHEAD_BYTES
            + NODE_BYTES * len(layers) * (2 if own(config).separable else 1),
            # At full resolution the decoder reads the level below and what was kept beside it.
            peak_bytes=4 * rows * columns * (sum(own(config).widths[:2]) + 2 * own(config).base),
        )

    def layers(self, config: ModelConfig, task: Task) -> tuple[Layer, ...]:
        """List what a picture passes, from the input on; the sums are those of `cost`."""
        paper = own(config)
        widths, (rows, columns) = paper.widths, paper.pixels
        found = [Layer("input", (3, rows, columns))]
        for level, out in enumerate(widths):
            size = (rows >> level, columns >> level)
            found += self._block(paper, 3 if level == 0 else widths[level - 1], out, size, level == 0, "down")
        for level in reversed(range(len(widths) - 1)):
            size = (rows >> level, columns >> level)
            found += self._block(paper, widths[level] + widths[level + 1], widths[level], size, False, "up")
        head = widths[0] * MAPS
        found.append(Layer("maps", (MAPS, rows, columns), head + MAPS, 0, head * rows * columns))
        return tuple(found)

    def _block(
        self, config: PaperConfig, wide: int, out: int, size: tuple[int, int], first: bool, way: str
    ) -> list[Layer]:
        found = []
        wide += 2 * config.coordinates
        for number, inputs in enumerate((wide, out)):
            apart = config.separable and not (first and number == 0)
            weights = 9 * inputs + inputs * out if apart else 9 * inputs * out
            name = f"{way}: {'separable ' if apart else ''}conv 3 x 3, batch norm, relu"
            found.append(Layer(name, (out, *size), weights + 2 * out, 2 * out, weights * size[0] * size[1]))
        return found

    def density(self, config: ModelConfig, task: Task) -> float:
        """0: on a CPU it trains in float32."""
        return 0.0

    def build(self, config: ModelConfig, task: Task) -> Network:
        """Return a network with fresh weights."""
        from atml.models.unet import UNet

        self.check(config, task)
        return cast("Network", UNet(own(config)))


def own(config: ModelConfig) -> PaperConfig:
    """Return a config of this family.

    Raises:
        ConfigError: It is another kind of config.
    """
    if not isinstance(config, PaperConfig):
        raise ConfigError(f"family {PAGE_UNET} takes a PaperConfig: return one from suggest")
    return config
