"""Pages with what is known of each of their pixels, as a network learns them; cached on disk."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from atml.arrays import Bools, Float32, Floats, Int64, Strings
from atml.data import cache
from atml.data.out_folder import whole
from atml.data.rates import rate_of, resampled
from atml.errors import InputError
from atml.pages.geometry import STEP, Geometry
from atml.pages.page_folder import Truth
from atml.pages.page_layout import LAYOUTS
from atml.pages.picture import pillow
from atml.pages.twelve_leads import LEADS
from atml.paper.page_sources import PageSource, sources

UInt8 = npt.NDArray[np.uint8]

RATE, SAMPLES = 500, 5000
"""Rate in Hz and length of all signals, whatever those of their sources."""

STRETCHES = 13
"""Most stretches of leads on a page: twelve leads, and one a second time."""

PRINT = 255
"""Value of `Pages.who` for print that is no trace."""

VERSION = 4
"""Increased whenever the content of entries changes; older ones are then ignored."""


@dataclass(frozen=True, kw_only=True)
class Pages:
    """Pictures of pages, all of one size, with their truth; arrays may be memory maps.

    ``rgb (n, rows, columns, 3)``. ``who (n, rows, columns)`` is 0 where no ink is, 1 and up for the stretch
    whose trace a pixel belongs to, `PRINT` for other ink. ``place (n, 2, nodes, nodes)`` are x and y on the
    flat page in mm of points of the picture `STEP` pixels apart, from its corner on. ``zero (n, STRETCHES)``
    is how far below the page's top the zero line of each stretch lies, in mm; ``centre (n, STRETCHES,
    columns)`` the mean row of its trace in each column of the picture. ``signal (n, 12, SAMPLES)`` in mV at
    `RATE`. NaN where there is nothing. ``flat (n,)`` are pages that were laid flat by what is known of them:
    what a network sees when it reads a page for the second time (`reading`). ``layout (n,)``; ``scale (n,
    2)`` are speed in mm/s and gain in mm/mV. Of pages that are not ``known (n,)`` only pictures and signals
    are there: readings of them can be judged, and nothing can be learned from them.
    """

    rgb: UInt8
    who: UInt8
    place: Float32
    zero: Float32
    centre: Float32
    signal: Float32
    scale: Float32
    layout: Strings
    subject: Strings
    kind: Strings
    name: Strings
    flat: Bools
    known: Bools

    def __len__(self) -> int:
        """Count the pages."""
        return len(self.subject)

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the pictures."""
        return self.rgb.shape[1], self.rgb.shape[2]

    def take(self, rows: Int64) -> Pages:
        """Return some of the pages, in this order; arrays that are maps stay so only for a slice."""
        return Pages(**{name: getattr(self, name)[rows] for name in FIELDS})


FIELDS = (
    "rgb",
    "who",
    "place",
    "zero",
    "centre",
    "signal",
    "scale",
    "layout",
    "subject",
    "kind",
    "name",
    "flat",
    "known",
)


def opened(
    root: Path | Sequence[Path], size: tuple[int, int], at: Path | None = None, *, both: bool = False
) -> Pages:
    """Open sets of pages whose signals are known, from the cache where they have been read before.

    Where there are several sets, names of pages and subjects begin with that of their set.

    Args:
        root: A set, or several (`atml.paper.page_sources`).
        size: Rows and columns to which pictures are brought, their shape kept, as when they are read.
        at: Folder of the cache, by default the usual one.
        both: After all pages as they are, those that are not flat once more, laid flat.

    Raises:
        DataError: No pages, or one that is not whole.
    """
    roots = [root] if isinstance(root, Path) else [Path(one) for one in root]
    pages = [source for one in roots for source in _prefixed(one, several=len(roots) > 1)]
    about = [str(one.resolve()) for one in roots], size, [page.stamp for page in pages], both
    entry = cache.root(at) / f"paper-{cache.key('paper', VERSION, *about)}"
    if not (entry / "name.npy").is_file():
        try:
            with whole(entry) as new:
                _fill(new, entries(pages, both), size)
        except InputError:
            return read(pages, size, both=both)  # no room for a cache, or another process was first
    return Pages(**{name: np.load(entry / f"{name}.npy", mmap_mode="r") for name in FIELDS})


def _prefixed(root: Path, *, several: bool) -> list[PageSource]:
    found = sources(root)
    if several:
        prefix = root.resolve().name
        for page in found:
            page.name, page.subject = f"{prefix}/{page.name}", f"{prefix}/{page.subject}"
    return found


def read(pages: Sequence[PageSource], size: tuple[int, int], *, both: bool = False) -> Pages:
    """Read pages into memory; see `opened`."""
    parts = [one_page(page, size, flat=flat) for page, flat in entries(pages, both)]
    return Pages(**{name: np.stack([part[name] for part in parts]) for name in FIELDS})


def entries(pages: Sequence[PageSource], both: bool) -> list[tuple[PageSource, bool]]:
    """Return pages, and whether to lay each flat; with ``both`` what is not flat comes a second time."""
    found = [(page, False) for page in pages]
    if not both:
        return found
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        bent = list(pool.map(lambda page: page.bent, pages))
    return found + [(page, True) for page, so in zip(pages, bent, strict=True) if so]


def _fill(
    folder: Path, pages: Sequence[tuple[PageSource, bool]], size: tuple[int, int], batch: int = 32
) -> None:
    """Write the arrays of pages, some pages at a time."""
    maps: dict[str, Any] = {}
    longest = {
        name: max([len(text), *(len(getattr(page, name)) for page, _ in pages)])
        for name, text in (("name", ""), ("subject", ""), ("kind", "-"))
    } | {"layout": max(map(len, LAYOUTS))}

    def one(entry: tuple[PageSource, bool]) -> dict[str, npt.NDArray[Any]]:
        return one_page(entry[0], size, flat=entry[1])

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for at in range(0, len(pages), batch):
            for number, part in enumerate(pool.map(one, pages[at : at + batch])):
                for name, value in part.items():
                    if name not in maps:
                        kind = np.dtype(f"U{longest[name]}") if name in longest else value.dtype
                        file, shape = folder / f"{name}.npy", (len(pages), *value.shape)
                        maps[name] = np.lib.format.open_memmap(file, mode="w+", dtype=kind, shape=shape)
                    maps[name][at + number] = value
    for array in maps.values():
        array.flush()


def one_page(page: PageSource, size: tuple[int, int], *, flat: bool = False) -> dict[str, npt.NDArray[Any]]:
    """Read one page, brought to a size; the arrays are those of `Pages`, without the first axis.

    With ``flat`` it is first laid flat by what is known of it.

    Raises:
        DataError: A file of it is not there or can't be read.
    """
    loaded = page.load()
    layers = loaded.rgb, loaded.wave, loaded.other
    rgb, wave, other = (_padded(one, size) for one in layers)
    known = loaded.truth
    out = {
        "signal": at_rate(known.signal, float(known.about["fs"])),
        "subject": np.array(page.subject),
        "kind": np.array(page.kind),
        "name": np.array(page.name),
        "flat": np.array(flat),
        "known": np.array(wave is not None),
    }
    if rgb is None or wave is None or other is None:
        assert rgb is not None
        return out | _unknown(rgb, size)
    if flat:
        rgb, wave, other = (_laid_flat(one, known.geometry) for one in (rgb, wave, other))
        known = replace(known, geometry=Geometry(np.eye(3)))
    factor = np.array([size[1] / rgb.shape[1], size[0] / rgb.shape[0]])
    place = _places(known, size, factor)
    leads = known.about["leads"][:STRETCHES]
    scale = known.about["physical_params"]
    zero = np.full(STRETCHES, np.nan, np.float32)
    centre = np.full((STRETCHES, size[1]), np.nan, np.float32)
    for number, lead in enumerate(leads):
        zero[number] = lead["y"] / float(scale["pixels_per_mm"])
        centre[number] = _centre(known, lead, factor, size[1])
    return out | {
        "rgb": _resized(rgb, size, smooth=True),
        "who": _owners(_resized(wave, size), _resized(other, size), place, leads, zero),
        "place": place,
        "zero": zero,
        "centre": centre,
        "scale": np.array([scale["paper_speed_mm_s"], scale["gain_mm_mv"]], np.float32),
        "layout": np.array(known.about["layout_type"]),
    }


def _unknown(rgb: UInt8, size: tuple[int, int]) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of a page of which the signals alone are known."""
    rows, columns = (-(-n // STEP) + 1 for n in size)
    return {
        "rgb": _resized(rgb, size, smooth=True),
        "who": np.zeros(size, np.uint8),
        "place": np.full((2, rows, columns), np.nan, np.float32),
        "zero": np.full(STRETCHES, np.nan, np.float32),
        "centre": np.full((STRETCHES, size[1]), np.nan, np.float32),
        "scale": np.full(2, np.nan, np.float32),
        "layout": np.array(""),
    }


def _padded(image: UInt8 | None, size: tuple[int, int]) -> UInt8 | None:
    """Make a picture or a mask as wide for its height as ``size``: below or to the right of it is its edge.

    Of a mask, nothing is there.
    """
    if image is None:
        return None
    rows, columns = image.shape[:2]
    scale = max(rows / size[0], columns / size[1])
    more = [(0, max(0, round(scale * n) - m)) for n, m in zip(size, (rows, columns), strict=True)]
    return np.pad(image, [*more, (0, 0)], mode="edge") if image.ndim == 3 else np.pad(image, more)


def _resized(image: UInt8, size: tuple[int, int], *, smooth: bool = False) -> UInt8:
    if image.shape[:2] == size:
        return image
    ways = pillow().Resampling
    how = ways.LANCZOS if smooth else ways.NEAREST
    return np.asarray(pillow().fromarray(image).resize((size[1], size[0]), how), np.uint8)


def _laid_flat(layer: UInt8, geometry: Geometry) -> UInt8:
    """Look colours, ``(rows, columns, 3)``, or a mask up where each pixel of the flat page lies."""
    from scipy.ndimage import map_coordinates, maximum_filter

    shape = (layer.shape[0], layer.shape[1])
    rows, columns = (-(-n // STEP) + 1 for n in shape)
    y, x = np.mgrid[:rows, :columns] * float(STEP)
    nodes = geometry.to_picture(np.stack([x, y], -1)).astype(np.float32)
    at = np.stack([upsampled(nodes[..., axis], shape) for axis in (1, 0)]) - 0.5
    if layer.ndim == 3:
        seen = [
            map_coordinates(layer[..., colour].astype(np.float32), at, order=3, mode="nearest")
            for colour in range(layer.shape[2])
        ]
        return np.clip(np.rint(np.stack(seen, -1)), 0, 255).astype(np.uint8)
    # A thin line would break up if its mask were taken pixel by pixel: how much is inked decides.
    inked = map_coordinates((layer > 0).astype(np.float32), at, order=1) > 0.45
    names = np.where(layer > 0, layer, maximum_filter(layer, 3))
    return np.where(inked, map_coordinates(names, at, order=0), 0).astype(np.uint8)


def _places(known: Truth, size: tuple[int, int], factor: Floats) -> Float32:
    """Return where the nodes of the picture lie on the flat page, in mm."""
    rows, columns = (-(-n // STEP) + 1 for n in size)
    y, x = np.mgrid[:rows, :columns] * float(STEP)
    page = known.geometry.to_page(np.stack([x, y], -1) / factor)
    per_mm = float(known.about["physical_params"]["pixels_per_mm"])
    return np.asarray(np.moveaxis(page / per_mm, -1, 0), np.float32)


def _centre(known: Truth, lead: dict[str, Any], factor: Floats, columns: int) -> Float32:
    """Return the mean row of a trace in each column of the picture, NaN where it is not."""
    scale = known.about["physical_params"]
    values = known.signal[LEADS.index(lead["lead"]), lead["start"] : lead["stop"]].astype(np.float64)
    steps = np.arange(len(values)) / known.about["fs"]
    x = lead["x"] + steps * scale["pixels_per_s"]
    y = lead["y"] - values * scale["pixels_per_mv"]
    fine = np.linspace(x[0], x[-1], int((x[-1] - x[0]) * 8) + 2)
    there = np.isfinite(np.interp(fine, x, y))
    line = np.stack([fine, np.interp(fine, x, y)], -1)[there]
    seen = _to_picture(known.geometry, line) * factor
    column = np.floor(seen[:, 0]).astype(np.int64)
    use = (column >= 0) & (column < columns)
    count = np.bincount(column[use], minlength=columns)
    total = np.bincount(column[use], seen[use, 1], columns)
    with np.errstate(invalid="ignore"):
        return np.where(count >= 2, total / count, np.nan).astype(np.float32)


def _to_picture(geometry: Geometry, points: Floats) -> Floats:
    return geometry.to_picture(points)


def _owners(
    wave: UInt8, other: UInt8, place: Float32, leads: Sequence[dict[str, Any]], zero: Float32
) -> UInt8:
    """Say which stretch each inked pixel belongs to: of a lead that is there twice, the nearer row."""
    who = np.where((wave == 0) & (other > 0), PRINT, 0).astype(np.uint8)
    down = upsampled(place[1], wave.shape)
    for number, name in enumerate(LEADS):
        mine = wave == number + 1
        own = [at for at, lead in enumerate(leads) if lead["lead"] == name]
        if not own or not mine.any():
            continue
        away = np.abs(down[mine][:, None] - zero[own])
        who[mine] = np.asarray(own)[away.argmin(1)] + 1
    return who


def upsampled(nodes: Float32, shape: tuple[int, ...], corner: tuple[int, int] = (0, 0)) -> Float32:
    """Interpolate values at nodes of a picture, ``(rows, columns)``, to the middle of each pixel.

    Example:
        >>> upsampled(np.array([[0, 8], [0, 8]], np.float32), (8, 8))[0, :3].tolist()
        [0.5, 1.5, 2.5]
    """
    rows, columns = ((first + np.arange(n) + 0.5) / STEP for n, first in zip(shape, corner, strict=False))
    i, j = rows.astype(np.int64), columns.astype(np.int64)
    v, u = (rows - i)[:, None].astype(np.float32), (columns - j)[None].astype(np.float32)
    top = nodes[i][:, j] * (1 - u) + nodes[i][:, j + 1] * u
    low = nodes[i + 1][:, j] * (1 - u) + nodes[i + 1][:, j + 1] * u
    return np.asarray(top * (1 - v) + low * v, np.float32)


def at_rate(signal: Float32, rate: float) -> Float32:
    """Return a signal ``(12, samples)`` at `RATE` and `SAMPLES` long; what is beyond its end is NaN.

    Each stretch between samples that are missing is resampled by itself.

    Example:
        >>> at_rate(np.ones((12, 2500), np.float32), 250).shape
        (12, 5000)
    """
    out = np.full((len(signal), SAMPLES), np.nan, np.float32)
    for number, lead in enumerate(signal):
        there = np.isfinite(lead)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], there, [0]]).astype(np.int8)))
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            part = resampled(lead[None, start:stop], rate_of(rate), RATE)[0]
            first = round(start * RATE / rate)
            part = part[: max(0, SAMPLES - first)]
            out[number, first : first + len(part)] = part
    return out
