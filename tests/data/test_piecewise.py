"""Long recordings are handled in pieces: the same bits as of the whole, in memory that does not grow."""

from __future__ import annotations

import itertools
import tracemalloc
import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import atml.data
from atml.data import piecewise, resuming, scratch, windowing
from atml.data.parsing import Parsed
from atml.data.rates import Rate, resampled
from atml.data.reading import Reading
from atml.data.soundness import railed, still
from atml.data.stretch import Stretch
from atml.data.windowing import Recording
from atml.tasks.task import Task

FRACTION = Fraction(1263, 5)
RATES = [(360, 250), (128, 250), (1000, 128), (250, 250), (FRACTION, 250), (257, 250)]


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every piece small."""
    monkeypatch.setattr(piecewise, "PIECE", 1003)
    monkeypatch.setattr(windowing, "BLOCK", 300)
    monkeypatch.setattr(scratch, "LARGE", 1000)
    monkeypatch.setattr(resuming, "MOST", 10_000)


def noise(samples: int, leads: int = 2, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(3, 1, (leads, samples)).astype(np.float32)


@pytest.mark.parametrize(("rate", "target"), RATES)
def test_a_part_is_resampled_as_the_whole_is(
    monkeypatch: pytest.MonkeyPatch, rate: Rate, target: int
) -> None:
    x = noise(5001)
    whole = np.stack([resampled(lead, rate, target).astype(np.float32) for lead in x])
    monkeypatch.setattr(piecewise, "PIECE", 1003)
    signal = piecewise.Resampled(x, rate, target)
    assert signal.samples == whole.shape[1]
    for start, end in [*itertools.pairwise(range(0, signal.samples, 487)), (0, signal.samples)]:
        np.testing.assert_array_equal(signal.part(start, end), whole[:, start:end])


def troubled(rate: Rate) -> list[Recording]:
    """Return recordings with gaps, leads that are off and amplifiers at their rail, across pieces."""
    x = noise(6 * 1003 + 17).clip(0.5, 5.5)
    x[0, 900:1100] = np.nan
    x[1, 2005:2008] = np.nan
    x[0, 2900 : 2900 + int(2 * rate)] = 3.25
    x[1, 4000 : 4000 + int(rate // 10)] = 5.5
    x[0, 5000 : 5000 + int(rate // 10)] = 0.5
    gone = noise(3000, seed=1)
    gone[:, :1003] = np.nan
    stretches = [Stretch(0, 1500, "N"), Stretch(1500, 1510, "", "noise"), Stretch(1510, x.shape[1], "AFIB")]
    return [
        Recording("a", "a", rate, x, stretches),
        Recording("b", "b", rate, gone, [Stretch(0, 3000, "N")]),
    ]


def parsed(rate: Rate, target: int) -> Parsed:
    task = Task(name="t", classes=("N", "AF"), positive=1, sampling_rate=target, window=100, leads=2)
    return windowing.parse(Path("set"), troubled(rate), task, Reading(Path("set")))


def flat(found: Parsed) -> str:
    names = ("length", "low", "high", "owner", "digest")
    return repr([[getattr(found, name).tolist() for name in names], found.faults, found.notes, found.seconds])


@pytest.mark.parametrize(("rate", "target"), RATES[:5])
def test_windows_are_those_of_the_whole(request: pytest.FixtureRequest, rate: Rate, target: int) -> None:
    whole = parsed(rate, target)
    lost = {reason for row in whole.seconds for reason in row.left_out}
    assert {"flat", "missing samples", "noise"} <= lost
    assert "saturated" in lost or rate == 1000  # there the lead that is off comes over it
    request.getfixturevalue("tiny")
    again = parsed(rate, target)
    assert len(again.blocks) > len(whole.blocks) or rate == 1000  # a window or two in each stretch
    np.testing.assert_array_equal(np.concatenate(again.blocks), np.concatenate(whole.blocks))
    assert flat(again) == flat(whole)


@pytest.mark.usefixtures("tiny")
def test_what_is_still_or_at_the_rail_is_told_for_any_part() -> None:
    x = troubled(250)[0].x
    low, high = np.nanmin(x, axis=1, keepdims=True), np.nanmax(x, axis=1, keepdims=True)
    whole = still(x, 250), railed(x, 250, low, high)
    doubts = piecewise.Doubts(x, 250)
    for start in [*range(0, x.shape[1], 77), 5, 2000]:
        for mask, wanted in zip(doubts.within(start, start + 300), whole, strict=True):
            np.testing.assert_array_equal(mask, wanted[:, start : start + 300])


MISSING = -(1 << 15)


def header(name: str, x: np.ndarray, rate: str) -> str:
    sums = x.sum(axis=0, dtype=np.int64) % 65536
    lines = [f"{name}.dat 16 200(0)/mV 16 0 0 {total} 0 lead{lead}" for lead, total in enumerate(sums)]
    return "\n".join([f"{name} 3 {rate} {len(x)}", *lines, ""])


def day(folder: Path, samples: int, rate: str = "128", lacking: slice = slice(0)) -> Path:
    """Write a WFDB record of three leads in 16 bits."""
    wfdb = pytest.importorskip("wfdb")
    folder.mkdir()
    x = np.random.default_rng(0).integers(-900, 900, (samples, 3)).astype("<i2")
    x[lacking] = MISSING
    (folder / "day.dat").write_bytes(x.tobytes())
    (folder / "day.hea").write_text(header("day", x, rate))
    marks = np.array([0, samples // 2])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of pandas, for how wfdb calls it
        wfdb.wrann("day", "atr", marks, ["+", "+"], aux_note=["(N", "(AFIB"], write_dir=str(folder))
    return folder


def in_parts(folder: Path, samples: int) -> Path:
    """Write such a record in two parts with a gap between, at 249.5 Hz.

    Files are named in capitals beyond ASCII; the headers and the list, in UTF-16, name them in small letters.
    """
    gap = slice(samples * 2 // 5, samples * 9 // 20)
    whole = day(folder.with_name(f"{folder.name} whole"), samples, "249.5", gap)
    x = np.fromfile(whole / "day.dat", "<i2").reshape(-1, 3)
    folder.mkdir()
    parts = {"teil\N{LATIN SMALL LETTER A WITH DIAERESIS}": x[: gap.start], "teil2": x[gap.stop :]}
    name = "t\N{LATIN SMALL LETTER A WITH DIAERESIS}g"
    told = [(part, len(values)) for part, values in parts.items()]
    told.insert(1, ("~", gap.stop - gap.start))
    lines = [f"{part} {count}" for part, count in told]
    texts = {f"{name}.hea": "\n".join([f"{name}/3 3 249.5 {samples}", *lines, ""]), "records": f"{name}\n"}
    for part, values in parts.items():
        texts[f"{part}.hea"] = header(part, values, "249.5")
        (folder / f"{part}.dat".upper()).write_bytes(values.tobytes())
    for file, text in texts.items():
        (folder / (file if file == "records" else file.upper())).write_bytes(text.encode("utf-16"))
    (folder / f"{name}.atr".upper()).write_bytes((whole / "day.atr").read_bytes())
    return folder


LONG = Task(name="t", classes=("N", "AF"), positive=1, sampling_rate=100, window=500, leads=3)


def test_parts_in_capitals_and_utf_16_are_read_in_pieces_as_one_plain_record(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    found = in_parts(tmp_path / "parts", 30_000)
    label = {"N": 0, "AFIB": 1}.get
    plain = atml.data.open(tmp_path / "parts whole", task=LONG, label=label, cache=tmp_path / "cache")
    request.getfixturevalue("tiny")
    again = atml.data.open(found, task=LONG, label=label, cache=tmp_path / "cache")
    assert set(again.y.tolist()) == {0, 1} and len(again.y) == 22
    np.testing.assert_array_equal(again.x, plain.x)
    np.testing.assert_array_equal(again.y, plain.y)
    notes = "\n".join(again.notes)
    assert "resampled from 249.5 Hz to 100 Hz" in notes and "7 files are named in other letters" in notes
    assert "left out: tei" not in notes  # the list need not name parts


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("write", [day, in_parts])
def test_memory_does_not_grow_with_a_record(tmp_path: Path, write: Callable[[Path, int], Path]) -> None:
    peaks = []
    for samples in (5_000, 10_000, 50_000):  # the first is for what is imported and kept
        path = write(tmp_path / str(samples), samples)
        tracemalloc.start()
        found = atml.data.open(path, task=LONG, label={"N": 0, "AFIB": 1}.get, cache=tmp_path / "cache")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert found.x.nbytes > 220_000
    assert peaks[2] < peaks[1] + 200_000, peaks  # a copy of the signal has 480,000 more
