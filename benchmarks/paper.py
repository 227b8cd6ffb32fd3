"""How near signals read off pages come to the true ones, by kind of picture, of hearts held out.

Run as ``python benchmarks/paper.py --test DIR [--data DIR] [--weights FILE | --export FOLDER] [--steps 2000]
[--base 8] [--depth 4] [--size 512x672] [--pixels 512x672] [--limit N] [--begin FILE] [--threads 1]
[--baseline]``.

DIR are sets of pages made by ``atml data make pages``, with other seeds: no heart is in both; or any other
sets whose signals are known (`atml.paper.page_sources`): pictures of a contest, say. The network is
trained on ``--data`` (its weights are kept in FILE, and the training goes on where it was killed), or loaded.
With ``--baseline`` the same pages are read without a network (`atml.digitising`), and differences are paired
by heart, with a 95% interval over hearts.

Decibels are those of the rule kaggle2025: leads aligned by up to 0.2 s and to their level, what is missing
counts as 0; the ratio of a page is that of the sums over its leads. "mean dB" is the mean over pages, "rule"
the decibels of the mean ratio. r is Pearson's, the mean over leads and pages. The ceiling is what the mean
row of each trace in each column of the picture holds, read without a fault, from what is known of the page;
pages of which the signals alone are known have none.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from itertools import compress
from pathlib import Path

import numpy as np
import torch

from atml.arrays import Float32, Floats
from atml.digitising.signal_rules import PictureMatch, kaggle2025, mean_db, mean_pearson
from atml.formatting import table
from atml.models.paper_config import PaperConfig
from atml.models.unet import UNet
from atml.pages.page_layout import LAYOUTS, TRACE_WIDTH
from atml.pages.twelve_leads import LEADS
from atml.paper.learner import maps_of
from atml.paper.learning import fit
from atml.paper.page_truth import RATE, SAMPLES, Pages, opened, upsampled
from atml.paper.reading import Reader
from atml.paper.weights_file import load, save
from atml.training.loop import settled

DRAWS = 2000


def main() -> None:
    """Train or load a network, read the test pages, print the table."""
    options = parsed()
    size = tuple(int(n) for n in options.size.split("x"))
    assert len(size) == 2
    test = opened(options.test, size)
    rows = np.arange(len(test))[: options.limit]
    seen = tuple(int(n) for n in (options.pixels or options.size).split("x"))
    assert len(seen) == 2
    reader = network(options, seen)
    found: dict[str, list[PictureMatch | None]] = {}
    begun = time.perf_counter()
    with settled("cpu", options.threads):
        found["network"] = measured(test, rows, lambda row: reader.read(np.asarray(test.rgb[row])).signal)
    took = (time.perf_counter() - begun) / len(rows)
    if options.baseline:
        found["baseline"] = measured(test, rows, without_network(test))
    found["ceiling"] = [
        PictureMatch.of(np.asarray(test.signal[row]), perfect(test, row), RATE) if test.known[row] else None
        for row in rows
    ]
    report(test, rows, found, options.test)
    print(f"{len(rows)} pages of {len(set(test.subject[rows].tolist()))} hearts, {took:.2f} s a page read")


def parsed() -> argparse.Namespace:
    """Read the command line."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    asked.add_argument("--test", type=Path, required=True)
    asked.add_argument("--data", type=Path)
    asked.add_argument("--weights", type=Path)
    asked.add_argument("--export", type=Path)
    asked.add_argument("--begin", default="")
    asked.add_argument("--steps", type=int, default=2000)
    asked.add_argument("--batch", type=int, default=8)
    asked.add_argument("--crop", default="128x256")
    asked.add_argument("--base", type=int, default=8)
    asked.add_argument("--depth", type=int, default=4)
    asked.add_argument("--size", default="512x672")
    asked.add_argument("--pixels", help="what the network sees of them, where that is another size")
    asked.add_argument("--limit", type=int)
    asked.add_argument("--threads", type=int, default=1)
    asked.add_argument("--baseline", action="store_true")
    return asked.parse_args()


def network(options: argparse.Namespace, size: tuple[int, int]) -> Reader:
    """Return what reads pages, trained before where it has to be."""
    if options.export is not None:
        from atml.library.page_reader import page_reader

        return page_reader(options.export)
    high, wide = (int(n) for n in options.crop.split("x"))
    config = PaperConfig(
        base=options.base,
        depth=options.depth,
        steps=options.steps,
        batch=options.batch,
        crop=(high, wide),
        pixels=size,
        begin=options.begin,
    )
    if options.weights is not None and options.weights.is_file():
        net = UNet(config)
        load(net, options.weights)
        return Reader(config, maps_of(net.eval()))
    if options.data is None:
        raise SystemExit("give --data to train on, or --weights or --export of a trained network")
    pages = opened(options.data, size, both=True)
    kept = None if options.weights is None else options.weights.with_suffix(".state")
    learned = fit(config, pages, np.arange(len(pages)), seed=0, checkpoint=kept, log=Printed())
    print(f"{config.describe()}: {learned.steps} steps in {learned.seconds:.0f} s")
    if options.weights is not None:
        save(learned.model, options.weights)
    return Reader(config, maps_of(learned.model))


class Printed:
    """Prints the losses now and then."""

    def add_scalar(self, name: str, value: float, step: int) -> None:
        """Print one."""
        if name in ("loss/total", "loss/signal"):
            print(f"step {step}: {name} {value:.4f}", flush=True)


def measured(pages: Pages, rows: np.ndarray, read: Callable[[int], Float32]) -> list[PictureMatch | None]:
    """Compare what is read of each page with what is known of it."""
    return [PictureMatch.of(np.asarray(pages.signal[row]), read(int(row)), RATE) for row in rows]


def without_network(pages: Pages) -> Callable[[int], Float32]:
    """Return what reads pages without a network; of one that it refuses nothing is known."""
    from atml.digitising.digitiser import digitise
    from atml.errors import DataError

    def read(row: int) -> Float32:
        try:
            return digitise(np.asarray(pages.rgb[row])).signal
        except DataError:
            return np.full((len(LEADS), SAMPLES), np.nan, np.float32)

    return read


def perfect(pages: Pages, row: int) -> Float32:
    """Read a page column by column from what is known of it."""
    from scipy.interpolate import CubicSpline

    x, y = (upsampled(axis, pages.size) for axis in np.asarray(pages.place[row]))
    speed, gain = (float(value) for value in pages.scale[row])
    shown = min(SAMPLES, round(TRACE_WIDTH / speed * RATE))
    signal = np.full((len(LEADS), SAMPLES), np.nan, np.float32)
    stretch, left = 0, 0.0
    for names in LAYOUTS[str(pages.layout[row])]:
        for place, name in enumerate(names):
            centre = np.asarray(pages.centre[row][stretch])
            columns = np.flatnonzero(np.isfinite(centre))
            at = np.clip(centre[columns].astype(np.int64), 0, pages.size[0] - 1)
            slope = np.gradient(y, axis=0)[at, columns]
            down = y[at, columns] + (centre[columns] - at - 0.5) * slope
            across = x[at, columns]
            order = np.argsort(across)
            across, down = across[order], down[order]
            apart = np.concatenate([[True], np.diff(across) > 1e-3])
            start, stop = (shown * n // len(names) for n in (place, place + 1))
            # Whole periods of the grid apart from where the row begins, alignment does the rest.
            left = across[0] if place == 0 else left
            times = np.clip(left + np.arange(start, stop) / RATE * speed, across[0], across[-1])
            value = (pages.zero[row][stretch] - CubicSpline(across[apart], down[apart])(times)) / gain
            signal[LEADS.index(name)] = np.nan
            signal[LEADS.index(name), start:stop] = value
            stretch += 1
    return signal


def decibels(found: Sequence[PictureMatch | None]) -> Floats:
    """Return the decibels of each page, 60 at most."""
    return np.array([np.nan if one is None else one.db for one in found])


def groups(pages: Pages, rows: np.ndarray, root: Path) -> dict[str, np.ndarray]:
    """Say which pages are of a kind, which have a stain or a crease where the set tells, and all of them."""
    kinds, names = np.asarray(pages.kind)[rows], np.asarray(pages.name)[rows]
    found = {kind: kinds == kind for kind in dict.fromkeys(kinds.tolist())}
    files = [root / str(name) / f"{name}_metadata.json" for name in names]
    if all(file.is_file() for file in files):
        worn = [json.loads(file.read_text(encoding="utf-8")).get("degradations", ()) for file in files]
        for what in ("stain", "crease"):
            found[f"with a {what}"] = np.array([what in one for one in worn])
    found["all"] = np.ones(len(rows), bool)
    return {name: of for name, of in found.items() if of.any()}


def report(pages: Pages, rows: np.ndarray, found: dict[str, list[PictureMatch | None]], root: Path) -> None:
    """Print a line for each kind of picture and what reads it."""
    subjects, split = np.asarray(pages.subject)[rows], groups(pages, rows, root)
    lines = [["pictures", "read by", "pages", "mean dB", "median", "rule", "r"]]
    for kind, of in split.items():
        for name, every in found.items():
            those = [one for one in compress(every, of) if one is not None]
            if not those:
                continue
            figures = [mean_db(those), np.median(decibels(those)), kaggle2025(those)]
            lines.append([kind, name, str(len(those)), *(f"{one:.2f}" for one in figures)])
            lines[-1].append(f"{mean_pearson(those):.3f}")
    print(table(lines[0], lines[1:], left=2))
    if "baseline" in found:
        for kind, of in split.items():
            gain = (decibels(found["network"]) - decibels(found["baseline"]))[of]
            low, high = interval(gain, subjects[of])
            print(
                f"{kind}: network over baseline {gain.mean():+.2f} dB, {low:+.2f} to {high:+.2f} over hearts"
            )


def interval(values: Floats, subjects: np.ndarray) -> tuple[float, float]:
    """Return the 95% interval of the mean over subjects' means, by drawing subjects."""
    each = np.array([values[subjects == name].mean() for name in np.unique(subjects)])
    drawn = np.random.default_rng(0).choice(each, (DRAWS, len(each))).mean(1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
