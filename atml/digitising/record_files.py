"""What was read from a page as files: a table in mV, a WFDB record, and the traces over the picture."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from atml.arrays import Float32, Floats
from atml.pages.picture import UInt8, pillow
from atml.pages.twelve_leads import LEADS

GAIN = 1000
"""Units a mV in WFDB records: microvolts."""

MISSING = -32768
"""What a sample that is missing is in a WFDB record of format 16."""

COLOURS = ((214, 39, 40), (31, 119, 180), (44, 130, 44), (148, 60, 189), (200, 100, 0), (0, 140, 140))


def write_table(file: Path, signal: Float32, rate: int) -> None:
    """Write ``signal (12, samples)`` in mV as CSV: seconds, then the leads, empty where there is nothing."""
    lines = ["time_s," + ",".join(LEADS)]
    for number, row in enumerate(signal.T.tolist()):
        values = ("" if value != value else f"{value:.3f}" for value in row)
        lines.append(f"{number / rate:.3f}," + ",".join(values))
    file.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def write_record(folder: Path, name: str, signal: Float32, rate: int, comments: Sequence[str] = ()) -> None:
    """Write ``signal (12, samples)`` in mV as a WFDB record of format 16: NAME.hea and NAME.dat.

    Format: https://physionet.org/physiotools/wag/header-5.htm. Samples that are NaN are marked as missing;
    values beyond 32.767 mV are cut off.
    """
    units = np.rint(np.clip(np.nan_to_num(signal.astype(np.float64)) * GAIN, -32767, 32767)).astype("<i2")
    units[~np.isfinite(signal)] = MISSING
    lines = [f"{name} {len(LEADS)} {rate} {units.shape[1]}"]
    for lead, values in zip(LEADS, units, strict=True):
        checksum = int(values.astype(np.int64).sum()) & 0xFFFF
        lines.append(f"{name}.dat 16 {GAIN}(0)/mV 16 0 {values[0]} {checksum} 0 {lead}")
    lines += [f"# {' '.join(comment.split())}" for comment in comments]
    (folder / f"{name}.hea").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    (folder / f"{name}.dat").write_bytes(np.ascontiguousarray(units.T).tobytes())


def overlay(rgb: UInt8, paths: Sequence[tuple[str, Floats, Floats]]) -> Any:
    """Return the picture, paler, with the traces that were read drawn over it, as an image of Pillow."""
    image = pillow("drawing an overlay")
    from PIL import ImageDraw

    zoom = max(1, round(1300 / rgb.shape[1]))
    pale = image.fromarray((rgb.astype(np.uint16) // 2 + 127).astype(np.uint8))
    pale = pale.resize((rgb.shape[1] * zoom, rgb.shape[0] * zoom))
    draw = ImageDraw.Draw(pale)
    width = max(1, round(max(pale.size) / 1400))
    for (lead, x, y), colour in zip(paths, itertools.cycle(COLOURS), strict=False):
        points = [((a + 0.5) * zoom, (b + 0.5) * zoom) for a, b in zip(x.tolist(), y.tolist(), strict=True)]
        if len(points) > 1:
            draw.line(points, fill=colour, width=width)
            high = min(b for _, b in points[: max(1, len(points) // 6)])
            draw.text((points[0][0] + 3, max(0, high - 14)), lead, fill=colour)
    return pale
