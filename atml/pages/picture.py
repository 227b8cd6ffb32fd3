"""A picture of a page: written and spilled on, folded, laid on a desk, lit, and seen through a camera."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from atml.arrays import Float32
from atml.errors import MissingExtraError
from atml.pages import bending, light_and_stains
from atml.pages.geometry import Geometry
from atml.pages.page_drawing import INKED, Page
from atml.pages.wear_ranges import DEGRADATIONS

UInt8 = npt.NDArray[np.uint8]
Chance = Callable[[str], np.random.Generator]


@dataclass(frozen=True)
class Picture:
    """A picture of a page: ``rgb (rows, columns, 3)``, its masks as those of `Page`, and where the page lies.

    ``wear`` holds how much there is of each of `wear_ranges.DEGRADATIONS`.
    """

    page: Page
    rgb: UInt8
    wave: UInt8
    grid: UInt8
    other: UInt8
    geometry: Geometry
    wear: dict[str, float]


def pillow(doing: str = "making pictures") -> Any:
    """Return the module PIL.Image; raises MissingExtraError, which says what needs it, without Pillow."""
    try:
        from PIL import Image
    except ImportError:
        raise MissingExtraError(doing, "images") from None
    return Image


def take(page: Page, wear: dict[str, float], key: tuple[int, ...]) -> Picture:
    """Take a picture of a page.

    Args:
        page: The page; it stays as it is.
        wear: How much of each of `wear_ranges.DEGRADATIONS`; {} for the page itself.
        key: Seed. Each degradation draws for itself, so that one more or less does not change the others.

    Raises:
        MissingExtraError: JPEG compression, and Pillow is not installed.
    """

    def chance(name: str) -> np.random.Generator:
        return np.random.default_rng([*key, list(DEGRADATIONS).index(name)])

    size = page.wave.shape
    assert len(size) == 2
    rgb, text = page.rgb.copy(), page.text
    if notes := int(wear.get("handwriting", 0)):
        pen, colour = light_and_stains.handwriting(chance("handwriting"), notes, size)
        rgb += 0.85 * pen[..., None] * (np.array(colour, np.float32) - rgb)
        text = np.maximum(text, pen)
    if amount := wear.get("stain"):
        rgb *= light_and_stains.stain(chance("stain"), amount, size)
    found = bending.folds(chance("crease"), wear.get("crease", 0.0), size)
    geometry = bending.seen(chance("rotation"), wear, size, found)
    if (lit := bending.fold_light(size, geometry.lattice, found, "bend" in wear)) is not None:
        rgb *= lit[..., None]
    wave, grid, other = page.wave, page.grid, _mask(text)
    if bending.FLAT & wear.keys() or geometry.lattice is not None:
        flat = "perspective" not in wear  # a scanner, not a camera
        rgb, wave, grid, other = _laid(page, rgb, text, geometry, chance("frame"), flat)
    whole = _through_camera(rgb, wear, chance)
    return Picture(page, whole, wave, grid, other, geometry, dict(wear))


def _mask(text: Float32) -> UInt8:
    return np.where(text > INKED, 255, 0).astype(np.uint8)


def _laid(
    page: Page,
    rgb: Float32,
    text: Float32,
    geometry: Geometry,
    random: np.random.Generator,
    flat: bool,
) -> tuple[Float32, UInt8, UInt8, UInt8]:
    """Lay a page on a desk, or ``flat`` in a scanner; return the picture and its three masks."""
    from scipy.ndimage import gaussian_filter, map_coordinates, maximum_filter

    size = page.wave.shape
    rows, columns = size[0], size[1]
    y, x = np.mgrid[:rows, :columns] + 0.5
    seen = geometry.to_page(np.stack([x, y], -1))
    at = np.stack([seen[..., 1], seen[..., 0]]) - 0.5

    def warped(layer: npt.NDArray[Any], order: Literal[0, 1] = 1) -> Any:
        return map_coordinates(layer, at, order=order, mode="nearest")

    # How much of a pixel is page: 1 inside, 0 beyond its edge.
    inside = np.minimum(seen, [columns, rows] - seen).min(-1)
    alpha = np.clip(inside + 0.5, 0, 1).astype(np.float32)
    ground = light_and_stains.desk(random, (rows, columns), scanner=flat)
    fall = gaussian_filter(np.roll(alpha, (3, 4), (0, 1)), (2 if flat else 5) * columns / 672)
    ground *= 1 - (0.2 if flat else 0.45) * fall[..., None]  # the page's own shadow
    paper = np.stack([warped(rgb[..., channel]) for channel in range(3)], -1)
    out = (paper * alpha[..., None] + ground * (1 - alpha[..., None])).astype(np.float32)
    here = alpha > 0.5
    # A thin line would break up if its mask were taken pixel by pixel: coverage decides, the name follows.
    names = np.where(page.wave > 0, page.wave, maximum_filter(page.wave, 3))
    wave = np.where((warped(page.ink) > page.inked) & here, warped(names, 0), 0).astype(np.uint8)
    grid = np.where(here, warped(page.grid, 0), 0).astype(np.uint8)
    return out, wave, grid, np.where(here, _mask(warped(text)), 0).astype(np.uint8)


def _through_camera(light: Float32, wear: dict[str, float], chance: Chance) -> UInt8:
    """Light the scene, blur it, add noise, and compress it; return whole numbers."""
    rgb: npt.NDArray[np.floating] = light
    size = (rgb.shape[0], rgb.shape[1])
    unit = size[1] / 672
    if amount := wear.get("light"):
        rgb = rgb * light_and_stains.lamp(chance("light"), amount, size)
    if amount := wear.get("shadow"):
        dim = light_and_stains.shadow(chance("shadow"), amount, size)
        # What is in the shade is lit by the sky or the ceiling, which is colder.
        rgb = rgb * (dim[..., None] ** np.array([1.08, 1.0, 0.92], np.float32))
    if amount := wear.get("blur"):
        from scipy.ndimage import gaussian_filter

        shaken = chance("blur").random() < 0.3  # a hand that moves blurs more in one direction
        sigma = (amount * unit, amount * unit * (1.5 if shaken else 1.0), 0)
        rgb = gaussian_filter(rgb, sigma)
    if amount := wear.get("noise"):
        random = chance("noise")
        grey = random.standard_normal(size, np.float32)[..., None]
        colour = random.standard_normal((*size, 3), np.float32)
        # Photons are counted: what is dark has less noise in all, but more of it for its light.
        rgb = rgb + amount * (0.8 * grey + 0.5 * colour) * (0.4 + 0.6 * np.sqrt(np.clip(rgb, 0, 1)))
    whole: UInt8 = np.rint(np.clip(rgb, 0, 1) * 255).astype(np.uint8)
    if quality := wear.get("jpeg"):
        image, packed = pillow(), io.BytesIO()
        image.fromarray(whole).save(packed, "JPEG", quality=int(quality))
        packed.seek(0)
        whole = np.asarray(image.open(packed).convert("RGB"), np.uint8)
    return whole
