"""Pictures from files: pixels in red, green and blue, the right way up, or one line that says why not.

A picture that is read wrongly does not look wrong to a program: 16 bits taken for 8 are black, what is
transparent is any colour, a photograph lies on its side. All of it is put right here; the rest is refused.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from atml.errors import DataError, MissingExtraError, in_one_line
from atml.pages.picture import UInt8, pillow

MOST_PIXELS = 100_000_000
"""Pixels that a picture may have: A4 at 1,000 dots an inch. More are refused before they are decoded."""

PDF_DPI = 200
"""Dots an inch that pages of a PDF are drawn with."""

MOST_PAGES = 100
"""Pages that a file may have."""

_BROKEN = (OSError, SyntaxError, ValueError, EOFError, TypeError, IndexError, KeyError, OverflowError)
"""What Pillow raises for damaged files, besides `struct.error` and `zlib.error`."""


def read(path: Path) -> UInt8:
    """Read a picture, ``(rows, columns, 3)``: red, green and blue, 0 to 255.

    It is turned as its EXIF says, what is transparent is white, and 16 bits become 8.

    Raises:
        DataError: It is no picture, damaged, larger than `MOST_PIXELS`, or holds several pages.
        MissingExtraError: Pillow is not installed, or what reads a PDF.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> file = Path(tempfile.mkdtemp()) / "one.png"
        >>> Image.new("LA", (4, 3), (0, 0)).save(file)
        >>> read(file).shape, int(read(file).min())
        ((3, 4, 3), 255)
    """
    pages = open_pages(path)
    if len(pages) > 1:
        raise DataError(f"{path} holds {len(pages)} pages and one is asked for; save the one as a picture")
    return pages[0]


def open_pages(path: Path) -> list[UInt8]:
    """Read all pages of a PDF or a TIFF, or the one picture of any other file; each as `read` does.

    Raises as `read`.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            head = file.read(1024)
    except IsADirectoryError:
        raise DataError(f"{path} is a folder; name the pictures in it") from None
    except FileNotFoundError:
        raise DataError(f"no such file: {path}") from None
    if not head:
        raise DataError(f"{path} is empty")
    if b"%PDF-" in head:
        return _pdf_pages(path)
    if head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"mif1", b"hevc", b"msf1"):
        raise DataError(f"{path} is a HEIC picture, which is not read; save it as JPEG or PNG")
    image = pillow("reading pictures")
    with _told(path), _quiet(), image.open(path) as opened:
        _check_size(path, opened.size)
        frames = getattr(opened, "n_frames", 1) if opened.format == "TIFF" else 1
        _check_count(path, frames)
        if opened.format == "PNG":
            with image.open(path) as twin:
                twin.verify()  # the checksums, which decoding leaves out
        pages = []
        for number in range(frames):
            if number:
                opened.seek(number)
                _check_size(path, opened.size)
            opened.load()
            pages.append(_rgb(path, opened))
    return pages


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what Pillow raises into one line."""
    image = pillow("reading pictures")
    try:
        yield
    except image.DecompressionBombError:
        raise _too_large(path, "far too many pixels") from None
    except PermissionError:
        raise
    except (*_BROKEN, struct.error, zlib.error) as error:
        if type(error).__name__ == "UnidentifiedImageError":
            raise DataError(f"{path} is no picture that can be read; give a PNG, JPEG, TIFF or PDF") from None
        raise DataError(
            f"{path} is damaged or cut short ({in_one_line(error)}); copy or save it again"
        ) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Let Pillow warn of large pictures and odd EXIF data to nobody: sizes are checked here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _check_size(path: Path, size: tuple[int, int]) -> None:
    if size[0] * size[1] > MOST_PIXELS:
        raise _too_large(path, f"{size[0]:,} x {size[1]:,} pixels")


def _too_large(path: Path, what: str) -> DataError:
    return DataError(f"{path} has {what}; {MOST_PIXELS // 10**6} million are the most: make it smaller")


def _check_count(path: Path, count: int) -> None:
    if not 1 <= count <= MOST_PAGES:
        raise DataError(f"{path} holds {count} pages; give one of 1 to {MOST_PAGES}")


def _rgb(path: Path, opened: Any) -> UInt8:
    """Return a decoded picture as `read` does."""
    from PIL import ImageOps

    if opened.mode in ("F", "I") or opened.mode.startswith("I;16"):
        values = np.asarray(opened)
        if not np.isfinite(values).all() or values.min() < 0 or values.max() > 65535 or opened.mode == "F":
            raise DataError(f"{path} has pixels that are no shades of 0 to 65535; save it with 8 bits")
        # Scanners write 10 to 14 bits into 16.
        full = next(2**bits - 1 for bits in (8, 10, 12, 14, 16) if values.max() < 2**bits)
        shade = np.rint(values.astype(np.float64) * (255 / full)).astype(np.uint8)
        turned = pillow().fromarray(shade)
        turned.info = dict(opened.info)
        if exif := opened.getexif():
            turned.info["exif"] = exif.tobytes()
        opened = turned
    # A frame of a TIFF is turned as its own tags say.
    found = ImageOps.exif_transpose(opened)
    if found.has_transparency_data:
        clear = found.convert("RGBA")
        white = pillow().new("RGBA", clear.size, (255, 255, 255, 255))
        found = pillow().alpha_composite(white, clear)
    whole: UInt8 = np.array(found.convert("RGB"), np.uint8)
    return whole


def _pdf_pages(path: Path) -> list[UInt8]:
    """Draw the pages of a PDF."""
    try:
        import pypdfium2
    except ImportError:
        raise MissingExtraError("reading a PDF", "pdf") from None
    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        said = in_one_line(error)
        if "assword" in said:
            raise DataError(f"{path} asks for a password; save a copy without one") from None
        raise DataError(f"{path} is a damaged PDF ({said}); copy or save it again") from None
    try:
        _check_count(path, len(document))
        return [_pdf_page(path, document, number) for number in range(len(document))]
    except pypdfium2.PdfiumError as error:
        raise DataError(f"{path} is a damaged PDF ({in_one_line(error)}); copy or save it again") from None
    finally:
        document.close()


def _pdf_page(path: Path, document: Any, number: int) -> UInt8:
    page = document[number]
    scale = PDF_DPI / 72
    width, height = page.get_size()
    _check_size(path, (int(width * scale), int(height * scale)))
    drawn = page.render(scale=scale, rev_byteorder=True, prefer_bgrx=False).to_numpy()
    whole: UInt8 = np.array(drawn[..., :3] if drawn.shape[2] > 1 else np.repeat(drawn, 3, 2), np.uint8)
    return whole
