"""The network: a U-Net (Ronneberger et al. 2015) that says what each pixel is, and where on the page."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from atml.models.paper_config import PaperConfig

CLASSES = ("nothing", "trace", "print")
"""What a pixel may be: traces, and names, pulses and notes."""

OUTPUTS = 10
"""Maps of the network: three logits of `CLASSES`; the baseline, how far below the pixel the zero line of its
lead lies, in `BASELINE_MM`; the phase of the 5-mm grid as cosine and sine across and down; theta, the
clockwise rotation of the grid here, in `THETA_DEGREES`; and the logit of the weight that a pixel of the trace
has in the mean row of its column. Ink tells where a trace has been, this how long: a steep stroke inks a
whole column in no time."""

BASELINE_MM, THETA_DEGREES = 10.0, 10.0
"""Units of two of the maps."""

SEGMENTATION, BASELINE, PHASE, THETA, WEIGHT = slice(0, 3), 3, slice(4, 8), 8, 9
"""Which maps are what."""


class Block(nn.Module):
    """Two convolutions of 3 x 3, each with batch norm and ReLU."""

    def __init__(self, wide: int, out: int, *, separable: bool, coordinates: bool, first: bool) -> None:
        super().__init__()
        self.coordinates = coordinates
        wide += 2 * coordinates
        self.one = _convolution(wide, out, separable and not first)
        self.two = _convolution(out, out, separable)

    def forward(self, x: Tensor, place: Tensor | None) -> Tensor:
        """``(n, channels, rows, columns)``; ``place (n, 2, rows, columns)`` are coordinates from -1 to 1."""
        if self.coordinates and place is not None:
            x = torch.cat([x, place], 1)
        out: Tensor = self.two(self.one(x))
        return out


def _convolution(wide: int, out: int, separable: bool) -> nn.Sequential:
    if separable:
        layers: list[nn.Module] = [
            nn.Conv2d(wide, wide, 3, padding=1, groups=wide, bias=False),
            nn.Conv2d(wide, out, 1, bias=False),
        ]
    else:
        layers = [nn.Conv2d(wide, out, 3, padding=1, bias=False)]
    return nn.Sequential(*layers, nn.BatchNorm2d(out), nn.ReLU(inplace=True))


class UNet(nn.Module):
    """``page (n, 3, rows, columns)``, 0 to 255, to maps ``(n, OUTPUTS, rows, columns)``, see `OUTPUTS`.

    Example:
        >>> net = UNet(PaperConfig(base=4, depth=3)).eval()
        >>> tuple(net(torch.zeros(1, 3, 32, 64)).shape)
        (1, 10, 32, 64)
    """

    def __init__(self, config: PaperConfig) -> None:
        super().__init__()
        config.check()
        self.config = config
        widths = config.widths

        def block(wide: int, out: int, first: bool = False) -> Block:
            return Block(wide, out, separable=config.separable, coordinates=config.coordinates, first=first)

        self.down = nn.ModuleList(
            block(3 if level == 0 else widths[level - 1], out, level == 0) for level, out in enumerate(widths)
        )
        self.up = nn.ModuleList(
            block(widths[level] + widths[level + 1], widths[level]) for level in range(len(widths) - 1)
        )
        self.head = nn.Conv2d(widths[0], OUTPUTS, 1)

    def forward(self, page: Tensor, place: Tensor | None = None) -> Tensor:
        """Maps of whole pictures, or of crops; of a crop ``place`` says where on the picture it lies."""
        x = page / 127.5 - 1.0
        if self.config.coordinates and place is None:
            place = coordinates(x.shape[2], x.shape[3], x).expand(len(x), -1, -1, -1)
        kept: list[tuple[Tensor, Tensor | None]] = []
        for level, block in enumerate(self.down):
            if level:
                x = functional.max_pool2d(x, 2)
                place = None if place is None else functional.avg_pool2d(place, 2)
            x = block(x, place)
            kept.append((x, place))
        for level in reversed(range(len(self.up))):
            beside, place = kept[level]
            x = torch.cat([functional.interpolate(x, scale_factor=2.0, mode="nearest"), beside], 1)
            x = self.up[level](x, place)
        out: Tensor = self.head(x)
        return out


def coordinates(rows: int, columns: int, like: Tensor) -> Tensor:
    """Return x and y of every pixel's middle from -1 to 1, ``(1, 2, rows, columns)``."""
    x = (torch.arange(columns, device=like.device, dtype=like.dtype) + 0.5) / columns * 2 - 1
    y = (torch.arange(rows, device=like.device, dtype=like.dtype) + 0.5) / rows * 2 - 1
    return torch.stack([x.expand(rows, -1), y[:, None].expand(-1, columns)])[None]
