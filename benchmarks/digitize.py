"""How near `atml.digitize` comes to the signals of made pages, by kind of picture, beside what pixels allow.

Run as ``python benchmarks/digitize.py [--hearts 60] [--pages 4] [--seed 900] [--size 512x672,1024x1344]
[--layout NAME,...]``, or with ``--data DIR`` for a set that is there already. Pages are drawn as
``atml data make pages`` draws them; kinds take turns, so that of 60 hearts with 4 pages each kind has 60.
Pages of any kind with a stain, with a crease, and of each layout have lines of their own besides. A page that
is refused counts as nothing read: 0 dB, r = 0.

With ``--agreement`` the same pages are pictured in every kind, and readings of one page are compared with
each other: dB and r of the second where the first is taken for the truth, over pages of which both were read.

"ceiling" is what a reader would get that knew where everything lies and read the mean of each column of
pixels without fault: the resolution's own loss, without a line's width, noise or light.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from atml.arrays import Floats
from atml.digitising.digitiser import RATE, digitise
from atml.digitising.signal_rules import PictureMatch, Signal, cinc2024, kaggle2025, mean_db, mean_pearson
from atml.errors import DataError
from atml.formatting import table
from atml.page_sets.page_set import Asked, make
from atml.pages.page_folder import Truth, truth
from atml.pages.page_layout import LAYOUTS
from atml.pages.picture_file import read
from atml.pages.twelve_leads import LEADS
from atml.pages.wear_ranges import KINDS

ALIKE = 0.9
"""Pearson's r from which two readings of one page are taken to agree."""

PAIRS = ("pictures", "pairs", "both read", "dB", "mean r", "median r", f"r < {ALIKE}")


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


@dataclass(frozen=True)
class Page:
    """What became of a page: ``found`` as it was read, ``best`` as pixels allow, and its seconds."""

    kind: str
    layout: str
    degradations: frozenset[str]
    found: PictureMatch
    best: PictureMatch
    refused: bool
    seconds: float


def folders(made: Path) -> list[Path]:
    """Return the folders of a set's pages."""
    return [one for one in sorted(made.iterdir()) if (one / f"{one.name}_metadata.json").is_file()]


def signal_of(folder: Path) -> tuple[Signal | None, float]:
    """Read a page's picture; return its signals, None where it is refused, and seconds."""
    picture = read(folder / f"{folder.name}_dirty.png")
    before = time.perf_counter()
    try:
        signal = digitise(picture).signal.astype(np.float64)
    except DataError:
        return None, time.perf_counter() - before
    return signal, time.perf_counter() - before


def judged(folder: Path) -> Page:
    """Read the page of a set's folder, and compare it with its truth."""
    page = truth(folder)
    signal, seconds = signal_of(folder)
    read_or_not = np.full((len(LEADS), 1), np.nan) if signal is None else signal
    return Page(
        page.about["degradation_type"],
        page.about["layout_type"],
        frozenset(page.about["degradations"]),
        PictureMatch.of(page.signal, read_or_not, RATE),
        PictureMatch.of(page.signal, ceiling(page), RATE),
        signal is None,
        seconds,
    )


def row(name: str, pages: list[Page]) -> list[str]:
    found = [page.found for page in pages]
    return [
        name,
        str(len(pages)),
        str(sum(page.refused for page in pages)),
        f"{kaggle2025(found):.2f}",
        f"{mean_db(found):.2f}",
        f"{cinc2024(found):.2f}",
        f"{mean_pearson(found):.3f}",
        f"{kaggle2025([page.best for page in pages]):.2f}",
        f"{np.mean([page.seconds for page in pages]):.2f}",
    ]


def lines(pages: list[Page]) -> list[list[str]]:
    """Return a line for each kind of picture, for stains and creases, for each layout, and for all."""
    groups = [(kind, [page for page in pages if page.kind == kind]) for kind in KINDS]
    for name in ("stain", "crease"):
        groups.append((f"with a {name}", [page for page in pages if name in page.degradations]))
    groups += [(layout, [page for page in pages if page.layout == layout]) for layout in LAYOUTS]
    return [row(name, those) for name, those in [*groups, ("all", pages)] if those]


def of_set(made: Path) -> list[Page]:
    """Judge every page of a set."""
    found = folders(made)
    if not found:
        raise SystemExit(f"{made} holds no pages: give a folder that atml data make pages has written")
    return [judged(folder) for folder in found]


def agreement(hearts: int, seed: int, size: tuple[int, int], layouts: tuple[str, ...]) -> list[list[str]]:
    """Read the same pages in every kind of picture, and return a line for each pair of kinds."""
    read_as: dict[str, dict[str, Signal | None]] = {}
    with tempfile.TemporaryDirectory() as root:
        for kind in KINDS:
            made = Path(root) / kind
            make(made, Asked(hearts, 1, (kind,), layouts, size, seed))
            read_as[kind] = {folder.name[: -len(kind)]: signal_of(folder)[0] for folder in folders(made)}
    found = []
    for one, other in itertools.combinations(KINDS, 2):
        pairs = [(a, read_as[other][name]) for name, a in read_as[one].items()]
        both = [PictureMatch.of(a, b, RATE) for a, b in pairs if a is not None and b is not None]
        r = [match.pearson for match in both]
        found.append(
            [
                f"{one}, {other}",
                str(len(pairs)),
                str(len(both)),
                *([f"{mean_db(both):.2f}", f"{np.mean(r):.3f}", f"{np.median(r):.3f}"] if both else [""] * 3),
                str(sum(value < ALIKE for value in r)),
            ]
        )
    return found


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--data", type=Path, help="a set of pages that is there already")
    options.add_argument("--hearts", type=int, default=60)
    options.add_argument("--pages", type=int, default=4)
    options.add_argument("--seed", type=int, default=900)
    options.add_argument("--size", default="512x672,1024x1344")
    options.add_argument("--layout", default=",".join(LAYOUTS))
    options.add_argument("--agreement", action="store_true", help="of readings of one page in two pictures")
    asked = options.parse_args()
    header = ("pages", "number", "refused", "kaggle2025", "mean dB", "cinc2024", "r", "ceiling", "s/page")
    if asked.data is not None:
        if not asked.data.is_dir():
            options.error(f"--data {asked.data} is no folder")
        print(asked.data)
        print(table(header, lines(of_set(asked.data))))
        return
    layouts = tuple(asked.layout.split(","))
    for size in asked.size.split(","):
        rows, columns = (int(n) for n in size.split("x"))
        print(f"{size}, {asked.hearts} hearts, seed {asked.seed}")
        if asked.agreement:
            found = agreement(asked.hearts, asked.seed, (rows, columns), layouts)
            print(table(PAIRS, found))
            continue
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
            pages = of_set(made)
        print(table(header, lines(pages)))


if __name__ == "__main__":
    main()
