"""Small sets of each format with something odd about them, and what has to come out, worked out here.

Each function draws one set, writes it into a folder and returns its path and its windows: who, which class
and which values are in which split. None in place of windows says that nothing in the file guards what was
damaged, so that only a clean refusal or a clean result can be asked for.
"""

from __future__ import annotations

import io
import struct
import unicodedata
import warnings
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from hypothesis import strategies as st

from atml.tasks.task import Task

RATE, WINDOW = 250, 100
TASK = Task(name="af", classes=("other", "AF"), positive=1, sampling_rate=RATE, window=WINDOW)
LABELS = {"N": 0, "AFIB": 1, "AF": 1, "T": 0, "": 0, "O": 0}

ACUTE = "P\N{LATIN SMALL LETTER E WITH ACUTE}"
PEOPLE = (
    *("S1", "s1", "S1 ", " S2", "S2", "418", "0418", "418.0", "M\xfcller", "mu\N{COMBINING DIAERESIS}ller"),
    *(ACUTE, "Pe\N{COMBINING ACUTE ACCENT}", "a.b", "\u5fc3", "S1\xa0", "x" * 60),
)
NOBODY = ("", "nan", "None", " ")

Draw = Callable[..., Any]


@dataclass(frozen=True)
class Row:
    """One window that has to come out; ``split`` "" for a set that does not tell train from test."""

    split: str
    subject: str
    klass: int
    x: np.ndarray


Drawn = tuple[Path, list[Row] | None]


def who(name: str) -> str:
    """Return what all spellings of a person's name have in common."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).strip().casefold())


def rarely(draw: Draw, *odd: Any, usual: Any = None, of: int = 4) -> Any:
    """Draw the usual value most of the time, else one of the odd ones."""
    return draw(st.sampled_from(odd)) if draw(st.integers(1, of)) == 1 else usual


def people(draw: Draw) -> list[str]:
    """Draw the names of four rows: two of N, two of AFIB; rarely nobody's."""
    names = draw(st.lists(st.sampled_from(PEOPLE), min_size=4, max_size=4))
    if draw(st.integers(1, 10)) == 1:
        names[draw(st.integers(0, 3))] = draw(st.sampled_from(NOBODY))
    return names


def wave(at: int, samples: int = WINDOW) -> np.ndarray:
    """Return noise with three decimals, in mV, another for each number."""
    return np.round(np.random.default_rng(at).normal(0, 0.5, samples), 3)


def encoded(draw: Draw, text: str) -> bytes:
    """Write a list or a header in some encoding, with some ends of lines."""
    text = text.replace("\n", rarely(draw, "\r\n", usual="\n"))
    code = rarely(draw, "utf-8-sig", "utf-16", "latin-1", usual="utf-8")
    try:
        return text.encode(code)
    except UnicodeEncodeError:
        return text.encode()


def hit(draw: Draw, data: bytes) -> bytes:
    """Change, cut or lengthen bytes in one place."""
    at = draw(st.integers(0, max(0, len(data) - 1)))
    how = draw(st.sampled_from(["flip", "cut", "out", "double"]))
    if how == "flip":
        return (
            data[:at] + bytes([data[at] ^ (1 << draw(st.integers(0, 7)))]) + data[at + 1 :] if data else data
        )
    if how == "cut":
        return data[:at]
    length = draw(st.integers(1, 40))
    return data[:at] + (data[at + length :] if how == "out" else data[at : at + length] + data[at:])


def contest_zip(draw: Draw, folder: Path) -> Drawn:
    """Draw a zip of contest text, with slashes of any archiver, clutter, numbers in many spellings."""
    spell = draw(st.sampled_from(["%.3f", "%.6e", " %.3f ", "%+.3f", "%.3f\t", "%08.3f"]))
    end = rarely(draw, "\r\n", "\r", usual="\n")
    mark = rarely(draw, "\N{BYTE ORDER MARK}", usual="")
    tail = rarely(draw, "\n\n", "\n \n", usual="")
    above = rarely(draw, "set/", "./", "a/b/", usual="")
    slash = rarely(draw, "\\", usual="/")
    splits = draw(st.sampled_from([("train_data", "test_data"), ("train_data",), ("",)]))
    column = rarely(draw, "{}\t", "{:.3f};", "{} ", usual="", of=6)  # counts the samples
    capitals = draw(st.integers(1, 8)) == 1
    rows: list[Row] = []
    file = folder / f"set{rarely(draw, '.ZIP', usual='.zip')}"
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w") as archive:
        warnings.simplefilter("ignore")  # of names that are there twice
        for part in splits:
            for at, name in enumerate(people(draw)):
                rhythm = draw(st.sampled_from(["N", "T", ""])) if at % 2 == 0 else "AFIB"
                x = wave(len(rows))
                called = f"{name}-{rhythm}-{len(rows)}.{rarely(draw, 'TXT', usual='txt', of=8)}"
                lines = (column.format(k) + spell % value for k, value in enumerate(x))
                text = mark + end.join(lines) + end + tail
                inner = "/".join(filter(None, (part.upper() if capitals else part, called)))
                info = zipfile.ZipInfo((above + inner).replace("/", slash))
                info.filename = (above + inner).replace("/", slash)
                info.compress_type = draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
                archive.writestr(info, text)
                rows.append(Row(part.removesuffix("_data"), name, LABELS[rhythm], x))
        for clutter in draw(st.sets(st.sampled_from(["__MACOSX/._S1-N-0.txt", ".DS_Store", "readme.txt"]))):
            archive.writestr(clutter, "not a number")
    if draw(st.integers(1, 3)) == 1:
        file.write_bytes(hit(draw, file.read_bytes()))
    return file, rows


def npz(draw: Draw, folder: Path) -> Drawn:
    """Draw an ``.npz`` with arrays of many kinds; what it holds is guarded by the checksums of a zip."""
    splits = rarely(draw, ["train"] * 8, ["Train "] * 4 + ["TEST"] * 4, [b"train"] * 4 + [b"test"] * 4)
    if splits is None and draw(st.booleans()):
        splits = ["train"] * 4 + ["test"] * 4
    names: Any = people(draw) + people(draw)
    x = np.stack([wave(at) for at in range(8)])
    y: Any = np.arange(8) % 2
    rows = [
        Row(
            "" if splits is None else (s.decode() if isinstance(s, bytes) else s).strip().lower(),
            n,
            int(k),
            v,
        )
        for s, n, k, v in zip(splits or [""] * 8, names, y, x, strict=True)
    ]
    kind = rarely(draw, "bytes", "latin", "object", "number", usual="text")
    if kind == "number":
        names = np.arange(8) // 2 + 0.0
        names[0] = rarely(draw, np.nan, usual=0.0, of=3)
        rows = [Row(r.split, str(n), r.klass, r.x) for r, n in zip(rows, names, strict=True)]
    elif kind in ("bytes", "latin"):
        code = "utf-8" if kind == "bytes" else "latin-1"
        try:
            names = np.array([name.encode(code) for name in names])
        except UnicodeEncodeError:
            names = np.array(names)
    else:
        names = np.array(names, object if kind == "object" else np.str_)
    held: dict[str, Any] = {"x": x, "y": y, "subject": names}
    held["x"] = x.astype(rarely(draw, ">f4", ">f8", "<f4", usual="<f8"))
    held["x"] = held["x"][:, None] if draw(st.booleans()) else held["x"]
    held["x"] = rarely(draw, np.asfortranarray(held["x"]), held["x"][:, :-1], usual=held["x"], of=8)
    held["y"] = y.astype(rarely(draw, np.int8, np.bool_, np.uint64, np.float64, usual=np.int64))
    if splits is not None:
        held["split"] = np.array(splits)
    if (rate := rarely(draw, RATE, float(RATE), 249.5, 0, -250, np.nan)) is not None:
        held["sampling_rate"] = rate
    if draw(st.booleans()):
        held["rhythm"] = np.array(["AFIB" if klass else "N" for klass in y])
    if draw(st.integers(1, 6)) == 1:
        held.pop(draw(st.sampled_from(sorted(held))))
        if "split" not in held:
            rows = [Row("", row.subject, row.klass, row.x) for row in rows]
    if rate == 249.5:  # is resampled
        rows = None  # type: ignore[assignment]
    file = folder / "set.npz"
    draw(st.sampled_from([np.savez, np.savez_compressed]))(file, **held)
    if draw(st.integers(1, 3)) == 1:
        file.write_bytes(hit(draw, file.read_bytes()))
    return file, rows


def matlab_struct(draw: Draw, folder: Path) -> Drawn:
    """Draw a MATLAB struct of segments; a compressed one is guarded by checksums."""
    names: Any = people(draw) + people(draw)
    shock = np.arange(8) % 2
    waves = [wave(at) for at in range(8)]
    train: Any = rarely(draw, [1] * 8, [2] * 8, usual=[1] * 4 + [0] * 4)
    fields: dict[str, list[Any]] = {
        "pat_ID": [*names],
        "s_ns": [*(1 - shock if draw(st.booleans()) else shock)],
        "r_type": ["AFIB" if klass else draw(st.sampled_from(["N", "T"])) for klass in shock],
        "s_ecg": [x[None] if draw(st.booleans()) else x[:, None] for x in waves],
        "train": train,
    }
    if draw(st.booleans()):
        numbers = [at // 2 for at in range(8)]
        fields["pat_ID"], names = [float(n) for n in numbers], [str(n) for n in numbers]
        if draw(st.integers(1, 4)) == 1:
            fields["pat_ID"][0], names[0] = np.nan, "nan"
    if gone := rarely(draw, *fields, of=6):
        fields.pop(gone)
    told = ["train" if part == 1 else "test" for part in train] if "train" in fields else [""] * 8
    rows = [Row(*row) for row in zip(told, names, shock.tolist(), waves, strict=True)]
    odd = rarely(draw, np.array([[]]), np.zeros((2, 2)), "text", np.nan, of=8)
    if odd is not None:
        field = draw(st.sampled_from(sorted(fields)))
        fields[field][draw(st.integers(0, 7))] = odd
        rows = None  # type: ignore[assignment]  # may be one more spelling, or nothing
    data = np.empty((1, 8), dtype=[(name, object) for name in fields])
    for name, values in fields.items():
        for at in range(8):
            data[0, at][name] = values[at]
    file, guarded = folder / "set.mat", draw(st.booleans())
    scipy.io.savemat(file, {rarely(draw, "other", usual="data", of=8): data}, do_compression=guarded)
    if draw(st.integers(1, 3)) == 1:
        file.write_bytes(hit(draw, file.read_bytes()))
        rows = rows if guarded else None  # type: ignore[assignment]
    return file, rows


MILLIVOLTS = {"": 1.0, "/mV": 1.0, "/mv": 1.0, "/uV": 1e-3, "/\xb5V": 1e-3, "/\u03bcV": 1e-3, "/V": 1e3}
UNITS = (*MILLIVOLTS, "/", "/mmHg", " /mV", "/V V")


@dataclass(frozen=True)
class Written:
    """A signal file of 16-bit samples and what its header has to say of it."""

    values: np.ndarray
    gain: float
    baseline: int
    factor: float

    @property
    def x(self) -> np.ndarray:
        """Return it in mV."""
        return (self.values - self.baseline) / self.gain * self.factor


def ints(at: int, samples: int) -> np.ndarray:
    """Return 16-bit noise, another for each number."""
    return np.random.default_rng(at).integers(-900, 900, samples).astype("<i2")


def checksum(values: np.ndarray) -> int:
    """Return the sum of samples as a header has it."""
    return (int(values.sum(dtype=np.int64)) + (1 << 15)) % (1 << 16) - (1 << 15)


def annotations(rhythms: Sequence[tuple[int, str]]) -> bytes:
    """Write an annotation file that names the rhythm from each sample on."""
    found, last = io.BytesIO(), 0
    for sample, rhythm in rhythms:
        note = f"({rhythm}\0".encode()
        found.write(struct.pack("<HH", 28 << 10 | sample - last, 63 << 10 | len(note)))
        found.write(note + b"\0" * (len(note) % 2))
        last = sample
    return found.getvalue() + b"\0\0"


def wfdb(draw: Draw, folder: Path) -> Drawn:
    """Draw a folder of two WFDB records, their headers spelled in many ways and sometimes wrong."""
    names = draw(
        st.sampled_from([("r1", "r2"), ("M\xfcller", "r2"), ("p00001_s00", "p00001_s01"), ("a-1", "A-1b")])
    )
    rows: list[Row] | None = []
    for at, name in enumerate(names):
        made = _record(draw, folder, name, at)
        rows = None if made is None or rows is None else [*rows, *made]
    if rows is not None and names[0] == "p00001_s00":
        rows = [Row(row.split, "p00001", row.klass, row.x) for row in rows]
    if draw(st.integers(1, 3)) == 1:
        listed = "".join(f"{name}{rarely(draw, '.hea', usual='')}\n" for name in names)
        (folder / "RECORDS").write_bytes(encoded(draw, listed))
    if draw(st.booleans()):
        (folder / "._r1.hea").write_bytes(b"\0\5\x16\7")
    if draw(st.integers(1, 3)) == 1:
        file = draw(st.sampled_from(sorted(folder.iterdir())))
        file.write_bytes(hit(draw, file.read_bytes()))
        if file.suffix != ".dat":
            rows = None
    if draw(st.integers(1, 6)) == 1:
        for file in sorted(folder.iterdir()):
            file.rename(file.with_name(file.name.upper()))
    return folder, rows


def _record(draw: Draw, folder: Path, name: str, at: int) -> list[Row] | None:
    """Write a record of 2.4 s: N, then AFIB from half of it on; None for a header that says less than all."""
    samples = 600
    lags = rarely(draw, 7, usual=0, of=6)
    unit = rarely(draw, *UNITS, usual="/mV", of=2)
    gain = draw(st.sampled_from([200.0, 1000.0, 12.5]))
    zero = rarely(draw, -3, 1024, usual=0)
    baseline = rarely(draw, 50, usual=None)
    written = Written(
        ints(at, samples), gain, zero if baseline is None else baseline, MILLIVOLTS.get(unit, 0.0)
    )
    offset = rarely(draw, 24, usual=0, of=6)
    fmt = "16" + (f":{lags}" if lags else "") + (f"+{offset}" if offset else "")
    rate = rarely(
        draw, f"{RATE}.0", f"{RATE}/360", f"{RATE}/360(7)", "249.5", "0", "-250", "x", usual=str(RATE)
    )
    length = rarely(draw, samples - 50, samples + 50, 0, "", usual=samples, of=6)
    told = rarely(draw, 0, 7, usual=checksum(written.values), of=6)
    guarded = told == checksum(written.values)
    first = f"{name} 1 {rate} {length}".rstrip() + (
        " 10:00:00 1/1/2000" if length and draw(st.booleans()) else ""
    )
    shown = f"{gain:g}{'' if baseline is None else f'({baseline})'}{unit}"
    lead = rarely(draw, "M\xfcll II", usual="II")
    line = f"{name}.dat {fmt} {shown} 16 {zero} {written.values[0]} {told} 0 {lead}"
    comments = rarely(draw, "# a comment\n", "#\xc4ge: 4\n\n", usual="")
    (folder / f"{name}.hea").write_bytes(encoded(draw, comments + f"{first}\n{line}\n# age: 40\n"))
    (folder / f"{name}.dat").write_bytes(b"\0" * offset + written.values.tobytes())
    (folder / f"{name}.atr").write_bytes(annotations([(0, "N"), (samples // 2, "AFIB")]))
    if not guarded or length == "" or rate == "249.5":
        return None
    x = written.x[lags:]
    cut = [(0, samples // 2, 0), (samples // 2, len(x), 1)]
    return [
        Row("", name, klass, x[start : start + WINDOW])
        for begin, stop, klass in cut
        for start in range(begin, stop - WINDOW + 1, WINDOW)
    ]


def cinc2017(draw: Draw, folder: Path) -> Drawn:
    """Draw a set in the layout of the challenge of 2017, a folder or a zip of any archiver."""
    files: dict[str, bytes] = {}
    rows: list[Row] | None = []
    lines = []
    for at in range(4):
        name, label = f"A0000{at + 1}", draw(st.sampled_from(["N", "O"])) if at % 2 == 0 else "A"
        unit, gain = rarely(draw, *UNITS, usual="/mV"), draw(st.sampled_from([1000.0, 200.0]))
        zero = rarely(draw, 12, usual=0)
        written = Written(ints(at, 250), gain, zero, MILLIVOLTS.get(unit, 0.0))
        sum_told = rarely(draw, 0, 7, usual=checksum(written.values), of=8)
        rate = rarely(draw, f"{RATE}.0", "299.5", "0", "x", usual=str(RATE), of=8)
        length = rarely(draw, 200, 300, 0, usual=250, of=8)
        header = f"{name} 1 {rate} {length} 2014-05-08 05:05:15 \n"
        header += f"{name}.mat 16+24 {gain:g}{unit} 16 {zero} {written.values[0]} {sum_told} 0 ECG \n"
        files[f"{name}.hea"] = encoded(draw, header)
        body = struct.pack("<5i4s", 30, 1, 250, 0, 4, b"val\0") + written.values.tobytes()
        files[f"{name}.mat"] = body
        blank = rarely(draw, " ", usual="")
        lines.append(f"{name},{blank}{label}{rarely(draw, ' ', ',', usual='')}\n")
        guarded = sum_told == checksum(written.values)
        found = [Row("", name, int(label == "A"), written.x[k : k + WINDOW]) for k in (0, WINDOW)]
        rows = [*rows, *found] if rows is not None and guarded and rate != "299.5" else None
    if draw(st.integers(1, 8)) == 1:
        lines.append(draw(st.sampled_from(["A00001,A\n", "A00009,N\n", "\n", "A00001\n", "A00002,X\n"])))
    files["REFERENCE.csv"] = encoded(draw, "".join(lines))
    if draw(st.booleans()):
        files["RECORDS"] = encoded(draw, "A00001\nA00002\nA00003\nA00004\n")
    if draw(st.integers(1, 3)) == 1:
        name = draw(st.sampled_from(sorted(files)))
        files[name] = hit(draw, files[name])
        rows = rows if name.endswith(".mat") else None
    above, slash = rarely(draw, "training2017/", usual=""), rarely(draw, "\\", usual="/")
    if draw(st.booleans()):
        with zipfile.ZipFile(folder / "set.zip", "w") as archive:
            for name, body in files.items():
                info = zipfile.ZipInfo(above + name)
                info.filename = (above + name).replace("/", slash)
                archive.writestr(info, body)
        return folder / "set.zip", rows
    place = folder / "set" / above
    place.mkdir(parents=True)
    for name, body in files.items():
        (place / name).write_bytes(body)
    return folder / "set", rows


FORMATS = {
    "contest text": contest_zip,
    "npz": npz,
    "MATLAB struct": matlab_struct,
    "WFDB": wfdb,
    "CinC 2017": cinc2017,
}
