"""Every way a picture can be stored gives the same pixels, and what can't be read is refused in one line."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from atml.errors import DataError
from atml.pages.picture_file import MOST_PIXELS, open_pages, read


@pytest.fixture
def grey() -> np.ndarray:
    """A ramp, ``(24, 32)``: dark at the left, and darker at the top."""
    y, x = np.mgrid[:24, :32]
    return np.asarray(6 * x + 2 * y, np.uint8)


def saved(tmp_path: Path, image: Image.Image, name: str, **options: object) -> Path:
    image.save(tmp_path / name, **options)
    return tmp_path / name


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "CMYK", "1", "YCbCr"])
def test_every_mode_gives_the_same_picture(mode: str, grey: np.ndarray, tmp_path: Path) -> None:
    if mode == "1":
        grey = np.where(grey > 100, 255, 0).astype(np.uint8)
    image = Image.fromarray(grey).convert(mode) if mode == "P" else Image.fromarray(grey).convert("RGB")
    image = image.convert(mode)
    name = "x.tif" if mode in ("CMYK", "YCbCr") else "x.png"
    found = read(saved(tmp_path, image, name))
    assert found.shape == (24, 32, 3) and found.dtype == np.uint8
    assert np.abs(found.astype(int) - grey[..., None]).max() <= 2


@pytest.mark.parametrize("bits", [10, 12, 16])
@pytest.mark.parametrize("name", ["x.png", "x.tif"])
def test_more_bits_become_eight(bits: int, name: str, grey: np.ndarray, tmp_path: Path) -> None:
    grey[0, 0] = 255
    deep = np.rint(grey.astype(np.float64) / 255 * (2**bits - 1)).astype(np.uint16)
    found = read(saved(tmp_path, Image.fromarray(deep), name))
    assert np.abs(found[..., 1].astype(int) - grey).max() <= 1


def test_what_is_transparent_is_white(grey: np.ndarray, tmp_path: Path) -> None:
    alpha = np.where(np.arange(32) < 16, 255, 0).astype(np.uint8) * np.ones((24, 1), np.uint8)
    found = read(saved(tmp_path, Image.fromarray(np.dstack([grey, grey, grey, alpha])), "x.png"))
    assert np.array_equal(found[:, :16, 0], grey[:, :16]) and (found[:, 16:] == 255).all()
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([10, 20, 30, 40, 50, 60])
    assert (read(saved(tmp_path, palette, "p.png", transparency=0)) == 255).all()


@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_turns_the_picture(turn: int, grey: np.ndarray, tmp_path: Path) -> None:
    stored = {1: grey, 2: grey[:, ::-1], 3: grey[::-1, ::-1], 4: grey[::-1], 5: grey.T}
    stored |= {6: np.rot90(grey), 7: grey[::-1, ::-1].T, 8: np.rot90(grey, -1)}
    exif = Image.Exif()
    exif[0x0112] = turn
    found = read(saved(tmp_path, Image.fromarray(np.ascontiguousarray(stored[turn])), "x.png", exif=exif))
    assert np.array_equal(found[..., 0], grey)
    deep = np.ascontiguousarray(stored[turn]).astype(np.uint16) * 257
    deep[np.unravel_index(deep.argmax(), deep.shape)] = 65535
    found = read(saved(tmp_path, Image.fromarray(deep), "deep.png", exif=exif))
    assert (found[..., 0] != grey).sum() <= 1


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.mark.parametrize("size", [(20_000, 10_000), (60_000, 60_000)])
def test_a_huge_picture_is_refused_before_it_is_decoded(size: tuple[int, int], tmp_path: Path) -> None:
    """Of its pixels nothing is there: whoever tried to decode them would say that it is damaged."""
    head = struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0)
    file = tmp_path / "huge.png"
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    with pytest.raises(DataError, match=rf"huge\.png has .*pixels; {MOST_PIXELS // 10**6} million"):
        read(file)


@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.tif", "x.bmp", "x.gif", "x.webp"])
def test_a_truncated_file_is_refused(name: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    whole = saved(tmp_path, Image.fromarray(noise), name)
    data = whole.read_bytes()
    cut = tmp_path / f"cut{whole.suffix}"
    for share in (0.02, 0.3, 0.6, 0.9, 0.97):
        cut.write_bytes(data[: int(share * len(data))])
        with pytest.raises(DataError, match=r"cut\.\w+ is (damaged|no picture)") as told:
            read(cut)
        assert "\n" not in str(told.value)


def test_a_damaged_png_is_refused(tmp_path: Path) -> None:
    whole = saved(tmp_path, Image.fromarray(np.full((64, 64), 9, np.uint8)), "x.png")
    data = bytearray(whole.read_bytes())
    data[len(data) // 2] ^= 0x40
    whole.write_bytes(bytes(data))
    with pytest.raises(DataError, match=r"x\.png is damaged"):
        read(whole)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"lead,mV\n1,2\n", "is no picture that can be read; give a PNG, JPEG, TIFF or PDF"),
        (b"\0\0\0\x18ftypheic" + b"\0" * 40, "HEIC picture, which is not read; save it as JPEG or PNG"),
        (b"%PDF-1.7\nnothing", "is a damaged PDF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is no picture"),
    ],
)
def test_what_is_no_picture_is_refused(content: bytes, says: str, tmp_path: Path) -> None:
    file = tmp_path / "x.png"
    file.write_bytes(content)
    with pytest.raises(DataError, match=says):
        read(file)


def test_no_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read(tmp_path / "none.png")
    with pytest.raises(DataError, match="is a folder; name the pictures in it"):
        read(tmp_path)


def test_pages_of_a_pdf_and_of_a_tiff(grey: np.ndarray, tmp_path: Path) -> None:
    pytest.importorskip("pypdfium2")
    one, two = (Image.fromarray(values).convert("RGB") for values in (grey, 255 - grey))
    file = saved(tmp_path, one, "x.pdf", save_all=True, append_images=[two], resolution=100)
    first, second = open_pages(file)
    assert first.shape[0] in (48, 49) and first.shape[1] in (64, 65)  # 200 dots an inch
    assert np.abs(first[1:48:2, 1:64:2, 0].astype(int) - grey).mean() < 6 < second[0, 0, 0]
    one, two = (Image.fromarray(values).convert("RGB") for values in (grey, 255 - grey))
    file = saved(tmp_path, one, "x.tif", save_all=True, append_images=[two])
    assert [np.array_equal(a[..., 0], b) for a, b in zip(open_pages(file), (grey, 255 - grey), strict=True)]
    with pytest.raises(DataError, match="holds 2 pages and one is asked for"):
        read(file)
