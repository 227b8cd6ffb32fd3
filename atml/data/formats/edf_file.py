"""One EDF, EDF+ or BDF file: its ECG leads in mV, and the rhythms that its annotations name.

Format: https://www.edfplus.info/specs/edf.html and edfplus.html; read by the package edfio.
"""

from __future__ import annotations

import datetime
import re
import warnings
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from atml.arrays import Float32, release
from atml.data.formats.annotations import UNNAMED, rhythm_of
from atml.data.formats.recording_set import Opened
from atml.data.formats.wfdb_header import MILLIVOLTS, NOT_MILLIVOLTS, Unusable
from atml.data.piecewise import pieces
from atml.data.rates import rate_of
from atml.data.scratch import room
from atml.data.stretch import Stretch
from atml.errors import MissingExtraError, in_one_line

ENDINGS = (".edf", ".bdf")

_DAMAGED = (
    *(ValueError, IndexError, KeyError, TypeError, OSError, AttributeError, ArithmeticError, EOFError),
    *(AssertionError, StopIteration, RuntimeError),
)

_ECG = re.compile(r"^(?:ecg|ekg|lead)[\s_:-]*(.*)$", re.IGNORECASE)
_LEAD = frozenset("i ii iii avr avl avf v1 v2 v3 v4 v5 v6 v7 v8 v9 mlii mli mliii".split())


def package() -> Any:
    """Return the package edfio; raises MissingExtraError where it is not installed."""
    try:
        import edfio
    except ImportError:
        raise MissingExtraError("reading EDF", "edf") from None
    return edfio


def opened(path: Path, file: str) -> Opened:
    """Read the header and the annotations of a file; ``file`` is what to call it.

    Where some of the signals are named as ECG leads, the others (breathing, oxygen) are set aside.

    Raises:
        Unusable: It is damaged, is not continuous, or its leads are not at one rate.
    """
    raw = _read(path, file)
    signals = [(_name(signal.label), signal) for signal in raw.signals]
    leads = [one for one in signals if _is_ecg(one[1].label)] or signals
    if not leads:
        raise Unusable("signal", file, "holds no signal")
    rates = {float(signal.sampling_frequency) for _, signal in leads}
    if len(rates) > 1:
        each = ", ".join(f"{name} {signal.sampling_frequency:g}" for name, signal in leads)
        raise Unusable("header", file, f"has leads at several rates ({each} Hz): leave one rate in it")
    rate = rates.pop()
    if not (np.isfinite(rate) and rate >= 1):
        raise Unusable("header", file, f"says {rate:g} Hz, which is no rate of an ECG")

    def load(numbers: Sequence[int]) -> Float32:
        parts = list(pieces(raw.num_data_records * leads[0][1].samples_per_data_record))
        if len(parts) < 2:
            return np.stack([_millivolts(leads[number][1], file) for number in numbers])
        x = room((len(numbers), parts[-1][1]))
        for start, end in parts:
            for row, number in enumerate(numbers):
                x[row, start:end] = _millivolts(leads[number][1], file, start / rate, end / rate)
            release(x)
        return x

    try:
        notes = [(note.onset, note.duration, str(note.text)) for note in raw.annotations]
    except _DAMAGED as error:
        raise Unusable("annotations", file, f"its annotations can't be read: {in_one_line(error)}") from None

    def told(samples: int, numbers: Sequence[int]) -> list[Stretch]:
        return stretches(notes, samples, rate)

    return Opened(rate_of(rate), tuple(name for name, _ in leads), load, told if notes else None)


def about(path: Path, file: str) -> tuple[str, bool]:
    """Return the patient's code, "" for none, and whether there are annotations; raises `Unusable`."""
    raw = _read(path, file)
    try:
        # EDF has any text there, EDF+ a code, "X" for one that is kept back; names are not read.
        plus = str(raw.reserved).startswith(("EDF+", "BDF+"))
        code = (str(raw.local_patient_identification).split() or [""])[0] if plus else ""
        return ("" if code in ("X", "") else code), bool(raw.annotations)
    except _DAMAGED as error:
        raise Unusable("annotations", file, f"its annotations can't be read: {in_one_line(error)}") from None


def start(path: Path) -> datetime.datetime | datetime.time | None:
    """Return when a recording begins, a time of day where its day is kept back; None where it tells none.

    Two figures tell the year, from 1985 to 2084; the first of January 1985 stands for a day that is kept
    back, and midnight of it for a time as well.
    """
    try:
        with path.open("rb") as file:
            fixed = file.read(184)[168:].decode("ascii")
        day, month, year = map(int, fixed[:8].split("."))
        hour, minute, second = map(int, fixed[8:].split("."))
        found = datetime.datetime(year + (1900 if year >= 85 else 2000), month, day, hour, minute, second)
    except (OSError, ValueError):
        return None
    if found.date() == datetime.date(1985, 1, 1):
        return found.time() if found.time() != datetime.time() else None
    return found


def stretches(notes: Sequence[tuple[float, float | None, str]], samples: int, rate: float) -> list[Stretch]:
    """Divide a recording by annotations ``(onset, duration, text)``, times in s.

    One with a duration names the rhythm as long as it lasts, one without from there to the next. Of two at
    one time the later in the list counts.
    """
    spans: list[tuple[int, int]] = []
    names: list[str] = []
    ordered = sorted(notes, key=lambda note: note[0])
    for at, (onset, duration, text) in enumerate(ordered):
        start = min(samples, max(0, round(onset * rate)))
        if duration:
            end = min(samples, max(start, round((onset + duration) * rate)))
        else:
            later = [note[0] for note in ordered[at + 1 :] if note[0] > onset]
            end = min(samples, round(later[0] * rate)) if later else samples
        names.append(rhythm_of(text))
        spans.append((start, end))
    edges = np.unique([0, samples, *(edge for span in spans for edge in span)])
    rhythm = np.full(len(edges) - 1, -1, np.int32)
    for at, (first, last) in enumerate(np.searchsorted(edges, spans).tolist() if spans else []):
        rhythm[first:last] = at
    found: list[Stretch] = []
    for (start, end), at in zip(pairwise(edges.tolist()), rhythm.tolist(), strict=True):
        name = names[at] if at >= 0 else ""
        if found and found[-1].rhythm == name:
            start = found.pop().start
        found.append(Stretch(start, end, name, "" if name else UNNAMED))
    return found


def _read(path: Path, file: str) -> Any:
    edfio = package()
    if not path.is_file():
        raise Unusable("missing", file, "is not there")
    try:
        with warnings.catch_warnings(record=True) as odd:
            warnings.simplefilter("always")
            raw = _of_any_encoding(edfio, path)
            continuous = raw.is_continuous
    except _DAMAGED as error:
        raise Unusable(
            "unreadable", file, f"can't be read as EDF: {in_one_line(error)}; is it complete?"
        ) from None
    # The package warns of a file that is too short, and goes on with what is there.
    for warning in odd:
        said = str(warning.message)
        if "truncated" in said or ("but file contains" in said and " indicates -1 " not in said):
            raise Unusable("cut short", file, f"{' '.join(said.split()).rstrip('.')}: is it complete?")
    if not continuous:
        raise Unusable("header", file, "has gaps (EDF+D): save it as continuous EDF+ (EDF+C)")
    return raw


def _of_any_encoding(edfio: Any, path: Path) -> Any:
    """Read a file; its header should be ASCII, and a unit of µV may be written in two ways."""
    if path.suffix.lower() == ".bdf":
        return edfio.read_bdf(path)
    with path.open("rb") as file:
        fixed = file.read(256)
        rest = file.read(min(max(int(fixed[184:192]) - 256, 0), 1 << 20))
    try:
        (fixed + rest).decode("utf-8")
    except UnicodeDecodeError:
        return edfio.read_edf(path, lazy_load_data=True, header_encoding="latin-1")
    return edfio.read_edf(path, lazy_load_data=True, header_encoding="utf-8")


def _millivolts(signal: Any, file: str, start: float | None = None, end: float | None = None) -> Float32:
    """Return a signal, or what it has from ``start`` to ``end`` s."""
    unit = str(signal.physical_dimension).strip()
    factor = MILLIVOLTS.get(unit.casefold())
    if factor is None:
        said = f"gives {signal.label!r} {f'in {unit!r}' if unit else 'no unit'}, {NOT_MILLIVOLTS}"
        raise Unusable("unit", file, said)
    try:
        values = signal.data if start is None else signal.get_data_slice(start, end)
        return np.asarray(values * factor, np.float32)
    except _DAMAGED as error:
        raise Unusable("signal", file, f"its signal can't be read: {in_one_line(error)}") from None


def _is_ecg(label: str) -> bool:
    return bool(_ECG.match(label.strip())) or _name(label).casefold() in _LEAD


def _name(label: str) -> str:
    """Return the lead that a label names: "ECG II" and "Lead II" are lead II."""
    match = _ECG.match(label.strip())
    return match[1].strip() if match and match[1].strip() else label.strip()
