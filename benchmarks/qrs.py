"""QRS detection against reference annotations by ANSI/AAMI EC57: by record and gross, jitter, time for a day.

    python benchmarks/qrs.py FOLDER [FOLDER ...] [--rates 360 250 125] [--learning 300] [--hours 24]

A folder holds WFDB records with ``.atr`` annotations; the first lead is read, resampled to each rate with
`atml.ecg.resampling`, and compared at that rate. Without a folder records are made. "stream" is
`atml.ecg.qrs`, "whole" is `atml.ecg.beats.beats` over a whole record. Jitter is how far a beat found lies
from its reference, in ms: the median and the 95th percentile of its size, and the median with its sign.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from atml.data.formats import annotation_file
from atml.data.formats.annotations import Marks
from atml.ecg import qrs
from atml.ecg.beats import beats
from atml.ecg.resampling import resample
from atml.scoring.rules.ec57 import RR, Comparison, aggregate, compare, of_record

Floats = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

DETECTORS: dict[str, Callable[[Floats, float], Int64]] = {
    "stream": qrs.detect,
    "whole": lambda x, rate: np.flatnonzero(beats(x, rate)),
}

DAY_RATE = 250


@dataclass
class Record:
    """One lead ``x (samples,)`` in mV at ``rate`` Hz, and its annotations."""

    name: str
    x: Floats
    rate: int
    marks: Marks


def of_folder(folder: Path) -> Iterator[Record]:
    """Read the records of a folder that have annotations."""
    import wfdb

    for path in sorted(folder.glob("*.atr")):
        read = wfdb.rdrecord(str(path.with_suffix("")), channels=[0])
        marks, _ = annotation_file.parse(path.read_bytes())
        yield Record(path.stem, read.p_signal[:, 0], int(read.fs), marks)


def made(minutes: float, rate: int = 360) -> Iterator[Record]:
    """Draw records of some of the project's own rhythms."""
    from atml.data.synthetic import beat_shapes
    from atml.data.synthetic.generator import noise
    from atml.data.synthetic.rhythms import RHYTHMS

    samples = round(60 * minutes * rate)
    for name in ("N", "AB", "B", "AFIB"):
        random = np.random.default_rng(0)
        who = beat_shapes.heart(random, 1)
        activity = RHYTHMS[name](random, who, 60 * minutes, samples)
        x = beat_shapes.render(activity, who, samples, rate, random)[0] + noise(random, 1, samples, rate)[0]
        at = np.rint(activity.at[activity.kind != beat_shapes.P_ALONE] * rate).astype(np.int64)
        yield Record(name, x, rate, of_beats(at[(at >= 0) & (at < samples)]))


def of_beats(at: Int64) -> Marks:
    """Return annotations that call every beat N."""
    return Marks(at, "N" * len(at), np.zeros(len(at), np.int64), [""] * len(at))


@dataclass
class Judged:
    """A comparison, and how far each beat found lies from its reference, in ms."""

    found: Comparison
    away: Floats


def judged(record: Record, rate: int, detector: str, learning: float) -> Judged:
    """Find the beats of a record at a rate and compare them there."""
    x = resample(record.x, record.rate, rate)
    at = np.rint(record.marks.sample * (rate / record.rate)).astype(np.int64)
    marks = Marks(at, record.marks.symbol, record.marks.subtype, record.marks.note)
    test = of_beats(DETECTORS[detector](x, rate))
    found = compare(marks, test, rate, length=len(x), learning=learning)
    both = (found.pairs.reference >= 0) & (found.pairs.test >= 0)
    away = test.sample[found.pairs.test[both]] - at[found.pairs.reference[both]]
    return Judged(found, away * (1000 / rate))


def line(
    name: str, counts: Int64, figures: dict[str, float | None], away: Floats, error: float | None
) -> str:
    """Return one line of the table."""
    missed, extra = int(counts[:5, 5:].sum()), int(counts[5:, :5].sum())
    shown = "".join(f"{figures[key] or 0.0:8.2f}" for key in ("Q Se", "Q +P"))
    size = np.abs(away) if len(away) else np.zeros(1)
    told = f"{np.median(size):7.1f}{np.percentile(size, 95):7.1f}{np.median(away) if len(away) else 0:+7.1f}"
    return (
        f"{name:<22}{len(away):>8}{missed:>8}{extra:>7}{shown}{told}{error if error is not None else 0:9.2f}"
    )


def day(detector: str, hours: float) -> float:
    """Return the seconds that a detector takes for so many hours of made signal at `DAY_RATE` Hz."""
    piece = next(made(5, DAY_RATE)).x
    x = np.tile(piece, int(np.ceil(hours * 12)))[: round(hours * 3600 * DAY_RATE)]
    begun = time.perf_counter()
    DETECTORS[detector](x, DAY_RATE)
    return time.perf_counter() - begun


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("folders", type=Path, nargs="*")
    options.add_argument("--rates", type=int, nargs="+", default=[360, 250, 125])
    options.add_argument("--learning", type=float, default=300.0, help="seconds of which no beat counts")
    options.add_argument("--minutes", type=float, default=10.0, help="of records that are made")
    options.add_argument("--hours", type=float, default=24.0)
    chosen = options.parse_args()
    records = [one for folder in chosen.folders for one in of_folder(folder)] or list(made(chosen.minutes))
    head = f"{'':<22}{'matched':>8}{'missed':>8}{'extra':>7}{'Se':>8}{'+P':>8}{'ms':>7}{'95%':>7}{'bias':>7}"
    for detector in DETECTORS:
        for rate in chosen.rates:
            print(f"\n{detector}, {rate} Hz\n{head}{'RR err':>9}")
            every = [judged(one, rate, detector, chosen.learning) for one in records]
            if rate == chosen.rates[0]:
                for record, one in zip(records, every, strict=True):
                    print(
                        line(
                            record.name, one.found.counts, of_record(one.found), one.away, one.found.rr_error
                        )
                    )
            total = aggregate([one.found for one in every])
            counts = np.sum([one.found.counts for one in every], axis=0)
            away = np.concatenate([one.away for one in every])
            print(line("gross", counts, total.gross, away, total.average[RR]), flush=True)
    print()
    for detector in DETECTORS:
        print(f"{detector}: {chosen.hours:g} h at {DAY_RATE} Hz in {day(detector, chosen.hours):.1f} s")


if __name__ == "__main__":
    main()
