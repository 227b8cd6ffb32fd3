"""How near `atml.digitize` comes to the signals of made pages, by kind of picture, beside what pixels allow.

Run as ``python benchmarks/digitize.py [--hearts 60] [--pages 4] [--seed 900] [--size 512x672,1024x1344]
[--layout NAME,...]``. Pages are drawn as ``atml data make pages`` draws them; kinds take turns, so that of 60
hearts with 4 pages each kind has 60. A page that is refused counts as nothing read: 0 dB, r = 0.

"ceiling" is what a reader would get that knew where everything lies and read the mean of each column of
pixels without fault: the resolution's own loss, without a line's width, noise or light.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from atml.arrays import Floats
from atml.digitising.digitiser import RATE, digitise
from atml.digitising.signal_rules import PictureMatch, cinc2024, kaggle2025, mean_db, mean_pearson
from atml.errors import DataError
from atml.formatting import table
from atml.page_sets.page_set import Asked, make
from atml.pages.page_folder import Truth, truth
from atml.pages.page_layout import LAYOUTS
from atml.pages.picture_file import read
from atml.pages.twelve_leads import LEADS


def ceiling(page: Truth) -> Floats:
    """Return the signals as the means of the page's columns of pixels say them."""
    out = np.full(page.signal.shape, np.nan)
    per_second = page.about["physical_params"]["pixels_per_s"]
    for place in page.about["leads"]:
        lead, start, stop = LEADS.index(place["lead"]), place["start"], place["stop"]
        values = page.signal[lead, start:stop].astype(np.float64)
        x = place["x"] + np.arange(len(values)) / RATE * per_second
        column = np.floor(x).astype(int)
        first = column - column.min()
        mean = np.bincount(first, values) / np.bincount(first)
        out[lead, start:stop] = np.interp(x, np.arange(len(mean)) + column.min() + 0.5, mean)
    return out


def row(
    name: str, found: list[PictureMatch], refused: int, best: list[PictureMatch], seconds: float
) -> list[str]:
    return [
        name,
        str(len(found)),
        str(refused),
        f"{kaggle2025(found):.2f}",
        f"{mean_db(found):.2f}",
        f"{cinc2024(found):.2f}",
        f"{mean_pearson(found):.3f}",
        f"{kaggle2025(best):.2f}",
        f"{seconds:.2f}",
    ]


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--hearts", type=int, default=60)
    options.add_argument("--pages", type=int, default=4)
    options.add_argument("--seed", type=int, default=900)
    options.add_argument("--size", default="512x672,1024x1344")
    options.add_argument("--layout", default=",".join(LAYOUTS))
    asked = options.parse_args()
    header = ("kind", "pages", "refused", "kaggle2025", "mean dB", "cinc2024", "r", "ceiling", "s/page")
    for size in asked.size.split(","):
        rows, columns = (int(n) for n in size.split("x"))
        found: dict[str, list[PictureMatch]] = {}
        best: dict[str, list[PictureMatch]] = {}
        refused: dict[str, int] = {}
        spent: dict[str, float] = {}
        layouts = tuple(asked.layout.split(","))
        with tempfile.TemporaryDirectory() as root:
            made = Path(root) / "pages"
            make(
                made,
                Asked(
                    hearts=asked.hearts,
                    pages=asked.pages,
                    layouts=layouts,
                    size=(rows, columns),
                    seed=asked.seed,
                ),
            )
            for folder in sorted(made.iterdir()):
                if not (folder / f"{folder.name}_metadata.json").is_file():
                    continue
                page = truth(folder)
                kind = page.about["degradation_type"]
                picture = read(folder / f"{folder.name}_dirty.png")
                before = time.perf_counter()
                try:
                    signal = digitise(picture).signal.astype(np.float64)
                except DataError:
                    signal = np.full((len(LEADS), 1), np.nan)
                    refused[kind] = refused.get(kind, 0) + 1
                spent[kind] = spent.get(kind, 0.0) + time.perf_counter() - before
                found.setdefault(kind, []).append(PictureMatch.of(page.signal, signal, RATE))
                best.setdefault(kind, []).append(PictureMatch.of(page.signal, ceiling(page), RATE))
        lines = [
            row(kind, found[kind], refused.get(kind, 0), best[kind], spent[kind] / len(found[kind]))
            for kind in ("clean", "scan", "mild", "photo")
            if kind in found
        ]
        every = [one for several in found.values() for one in several]
        whole = [one for several in best.values() for one in several]
        lines.append(row("all", every, sum(refused.values()), whole, sum(spent.values()) / len(every)))
        print(f"{size}, {asked.hearts} hearts, seed {asked.seed}")
        print(table(header, lines))


if __name__ == "__main__":
    main()
