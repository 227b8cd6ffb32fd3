"""Reading pictures of pages with an exported network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from atml.artifacts.model import load
from atml.artifacts.page_reader import reader_of
from atml.digitising.digitiser import Asked, Digitised
from atml.errors import DataError
from atml.pages.picture import UInt8
from atml.paper.reading import Reader
from atml.paper.rows_and_scale import Scale


def page_reader(export: Path) -> Reader:
    """Return what reads pictures with a network: an export folder of a task "waveform", or its ONNX file.

    Raises:
        ExportError: No export there, or one of another kind of task.
    """
    return reader_of(load(Path(export)))


def network_digitiser(export: Path) -> Callable[[UInt8, Asked], Digitised]:
    """Return what reads a picture as `atml.digitising.digitiser.digitise` does, with an exported network.

    Raises:
        ExportError: No export of such a network; what is returned raises DataError for what it can't read.
    """
    reader = page_reader(export)

    def read(rgb: UInt8, asked: Asked) -> Digitised:
        known = asked.speed is not None and asked.gain is not None
        scale = Scale(asked.speed or 25.0, asked.gain or 10.0, 1.0) if known else None
        found = reader.read(rgb, scale=scale)
        if not found.refused and scale is None and (asked.speed or asked.gain):
            seen = found.scale
            scale = Scale(asked.speed or seen.speed, asked.gain or seen.gain, seen.surety)
            found = reader.read(rgb, scale=scale)
        if found.refused:
            raise DataError(found.refused)
        if asked.layout not in (None, found.layout):
            raise DataError(f"rows of layout {found.layout} were found, and {asked.layout} was asked for")
        notes = []
        if found.scale.surety == 0:
            notes.append("no calibration pulse was found: 25 mm/s and 10 mm/mV are assumed (--speed, --gain)")
        return Digitised(
            found.signal,
            found.confidence,
            found.layout,
            found.scale.speed,
            found.scale.gain,
            tuple(notes),
            found.turned,
            found.pixels_per_mm,
            list(found.paths),
        )

    return read
