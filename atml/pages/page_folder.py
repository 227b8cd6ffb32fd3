"""A folder a page: its picture, masks, geometry and labels, and its signals in a table beside.

``ID_vKK_LAYOUT_KIND/`` holds the files below, each named by the folder; ID is the heart, KK counts its pages.

::

    ..._dirty.png          the picture
    ..._label_wave.png     0 none, 1 to 12 the leads of `twelve_leads.LEADS`
    ..._label_grid.png     0 none, 128 lines 1 mm apart, 255 lines 5 mm apart
    ..._label_other.png    255 text, calibration pulses, handwriting
    ..._displacement.npy   of a page that is not flat: `Geometry.lattice`
    ..._metadata.json      how it was made, where everything lies, labels
    signals/ID_vKK.csv     12 columns in mV; empty where a lead is not drawn
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from atml.arrays import Float32
from atml.errors import DataError
from atml.pages.geometry import Geometry
from atml.pages.page_drawing import MAJOR, MINOR
from atml.pages.page_layout import PAPER_WIDTH
from atml.pages.picture import Picture, pillow
from atml.pages.twelve_leads import LEADS

SIGNALS = "signals"


@dataclass(frozen=True)
class About:
    """What a page is of: ``subject`` is the heart, ``version`` counts its pages.

    ``labels`` are 1, 0 or, where nobody knows, None.
    """

    subject: str
    version: int
    kind: str
    source: str
    labels: dict[str, int | None]

    @property
    def stem(self) -> str:
        """Return what names the page's signals."""
        return f"{self.subject}_v{self.version:02d}"

    def folder(self, layout: str) -> str:
        """Return the name of the page's folder."""
        return f"{self.stem}_{layout}_{self.kind}"


def write(root: Path, picture: Picture, about: About) -> str:
    """Write a page into a set's folder, and return the name of the page's own folder."""
    page, image = picture.page, pillow()
    name = about.folder(page.style.layout)
    folder = root / name
    folder.mkdir(parents=True)
    for ending, array in (
        ("dirty", picture.rgb),
        ("label_wave", picture.wave),
        ("label_grid", picture.grid),
        ("label_other", picture.other),
    ):
        image.fromarray(array).save(folder / f"{name}_{ending}.png", compress_level=3)
    if picture.geometry.lattice is not None:
        np.save(folder / f"{name}_displacement.npy", picture.geometry.lattice, allow_pickle=False)
    text = json.dumps(metadata(picture, about), indent=1) + "\n"
    (folder / f"{name}_metadata.json").write_text(text, encoding="utf-8", newline="\n")
    (root / SIGNALS).mkdir(exist_ok=True)
    table = signal_table(page.signal)
    (root / SIGNALS / f"{about.stem}.csv").write_text(table, encoding="utf-8", newline="\n")
    return name


def signal_table(signal: Float32) -> str:
    """Return ``signal (12, samples)`` in mV as a table with a line a sample, empty where it is NaN.

    Example:
        >>> signal_table(np.full((12, 1), np.nan, np.float32)).splitlines()[1]
        ',,,,,,,,,,,'
    """
    values = np.round(signal.T.astype(np.float64), 3) + 0.0
    line = ",".join(["%.3f"] * len(LEADS)) + "\n"
    body = (line * len(values)) % tuple(values.ravel().tolist())
    return ",".join(LEADS) + "\n" + body.replace("nan", "")


def metadata(picture: Picture, about: About) -> dict[str, Any]:
    """Return all about a page that is no array, as JSON types; points are x, y in pixels of the flat page."""
    page, look, geometry = picture.page, picture.page.style, picture.geometry
    rows, columns = page.wave.shape
    name = about.folder(look.layout)
    flat = geometry.lattice is None
    return {
        "id": about.subject,
        "version": about.version,
        "subject": about.subject,
        "source": about.source,
        "labels": about.labels,
        "fs": page.rate,
        "sig_len": page.signal.shape[1],
        "signals": f"{SIGNALS}/{about.stem}.csv",
        "layout_type": look.layout,
        "degradation_type": about.kind,
        "degradations": picture.wear,
        "physical_params": {
            "paper_speed_mm_s": look.speed,
            "gain_mm_mv": look.gain,
            "pixels_per_mm": page.scale,
            "pixels_per_mv": page.scale * look.gain,
            "pixels_per_s": page.scale * look.speed,
            "paper_mm": [PAPER_WIDTH, rows / page.scale],
            "paper": look.paper,
            "calibration_pulse": look.pulse or None,
        },
        "image_size": [rows, columns],
        "paper_paste_offset": [0, 0],
        "geometric_transform": geometry.to_json() if flat else None,
        "plane_transform": None if flat else geometry.to_json(),
        "displacement": None if flat else f"{name}_displacement.npy",
        "lead_to_id_map": {lead: at + 1 for at, lead in enumerate(LEADS)},
        "grid_values": {"1 mm": MINOR, "5 mm": MAJOR},
        "leads": [
            {
                "lead": place.lead,
                "start": place.start,
                "stop": place.stop,
                "x": place.x * page.scale,
                "y": place.y * page.scale,
            }
            for place in page.places
        ],
    }


@dataclass(frozen=True)
class Truth:
    """What is known of a page that was written: ``signal (12, samples)`` in mV, NaN where it is not drawn.

    ``about`` are its metadata. A sample of ``about["leads"]`` lies at x + (its number - start) / fs *
    pixels_per_s and y - mV * pixels_per_mv on the flat page; `Geometry.to_picture` brings it to the picture.
    """

    signal: Float32
    geometry: Geometry
    about: dict[str, Any]


def truth(folder: Path) -> Truth:
    """Read the truth of a page from its folder.

    Raises:
        DataError: A file of it is not there, or is not what `write` writes.
    """
    file = folder / f"{folder.name}_metadata.json"
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
        table = folder.parent / about["signals"]
        signal = np.genfromtxt(table, delimiter=",", skip_header=1, dtype=np.float32).T
        lattice = None
        if about["displacement"]:
            lattice = np.load(folder / about["displacement"], allow_pickle=False)
        matrix = about["plane_transform"] if lattice is not None else about["geometric_transform"]
        return Truth(signal, Geometry.from_json(matrix, lattice), about)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder} is no page with its truth: {error}") from None
