"""Small sets of recordings with something odd about them, as `tests.data.mutations` has it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.data.mutations import (
    MILLIVOLTS,
    NOBODY,
    PEOPLE,
    RATE,
    TASK,
    UNITS,
    WINDOW,
    Draw,
    Row,
    checksum,
    encoded,
    hit,
    ints,
    rarely,
    wave,
)

Asked = tuple[Path, "list[Row] | None", dict[str, Any]]


def windows(split: str, subject: str, klass: int, x: np.ndarray) -> list[Row]:
    """Return the adjacent windows of a recording of one rhythm."""
    return [Row(split, subject, klass, x[at : at + WINDOW]) for at in range(0, len(x) - WINDOW + 1, WINDOW)]


def damaged(draw: Draw, folder: Path, guarded: Callable[[Path], bool]) -> bool:
    """Rarely change bytes of one file; return whether nothing in it would tell."""
    if draw(st.integers(1, 3)) > 1:
        return False
    file = draw(st.sampled_from(sorted(path for path in folder.rglob("*") if path.is_file())))
    before = file.read_bytes()
    file.write_bytes(hit(draw, before))
    return before != file.read_bytes() and not guarded(file)


def edf(draw: Draw, folder: Path) -> Asked:
    """Draw EDF and EDF+ files by hand: units, ranges, patients, other signals, annotations."""
    rows: list[Row] | None = []
    label = draw(st.sampled_from(["ECG II", "II", "EKG", "Lead V5"]))
    for at in range(2):
        made = _edf_file(draw, folder, f"r{at}", at, label)
        rows = None if made is None or rows is None else rows + made
    if damaged(draw, folder, lambda file: False):
        rows = None
    return folder, rows, {}


def _edf_file(draw: Draw, folder: Path, name: str, at: int, label: str) -> list[Row] | None:
    seconds, each = draw(st.sampled_from([(1, 4), (2, 2), (4, 1)]))
    unit = rarely(draw, "uV", "\xb5V", "V", "mmHg", "", usual="mV")
    low, high = draw(st.sampled_from([(-32.0, 32.0), (-3276.8, 3276.7), (5.0, -5.0), (0.0, 8.0)]))
    span = draw(st.sampled_from([(-32768, 32767), (-2048, 2047), (0, 4095)]))
    values = (ints(at, 4 * RATE) + (1500 if span[0] == 0 else 0)).astype("<i2")
    factor = MILLIVOLTS.get(f"/{unit}", 0.0)
    x = ((values - float(span[0])) * ((high - low) / (span[1] - span[0])) + low) * factor
    code = rarely(draw, "X", "P\xe9", "s1", usual=f"P{at}")
    plus = draw(st.integers(1, 4)) > 1
    said = "N" if at == 0 else "AFIB"
    other = draw(st.booleans())
    # label, unit, physical, digital, samples a record
    signals = [(label, unit, (low, high), span, RATE * seconds)]
    if other:
        signals.append(("Resp", "l", (-1.0, 1.0), (-2048, 2047), 10 * seconds))
    notes = draw(st.sampled_from(["whole", "two", "none"])) if plus else "none"
    if plus:
        signals.append(("EDF Annotations", "", (-1.0, 1.0), (-32768, 32767), 60))
    count = rarely(draw, each + 1, each - 1, -1, usual=each, of=8)
    patient = f"{code} M 01-JAN-1950 name" if plus else code
    fixed = [("0", 8), (patient, 80), ("Startdate 01-JAN-2020 X X X", 80), ("01.01.20", 8), ("10.00.00", 8)]
    fixed += [(str(256 * (len(signals) + 1)), 8), ("EDF+C" if plus else "", 44), (str(count), 8)]
    fixed += [(str(seconds), 8), (str(len(signals)), 4)]
    for get, width in (
        (lambda s: s[0], 16),
        (lambda s: "", 80),
        (lambda s: s[1], 8),
        (lambda s: f"{s[2][0]:g}", 8),
        (lambda s: f"{s[2][1]:g}", 8),
        (lambda s: str(s[3][0]), 8),
        (lambda s: str(s[3][1]), 8),
        (lambda s: "", 80),
        (lambda s: str(s[4]), 8),
        (lambda s: "", 32),
    ):
        fixed += [(get(signal), width) for signal in signals]
    code_page = draw(st.sampled_from(["utf-8", "latin-1"]))
    data = b"".join(text.encode(code_page)[:width].ljust(width) for text, width in fixed)
    for part in range(each):
        data += values[part * RATE * seconds : (part + 1) * RATE * seconds].tobytes()
        if other:
            data += ints(99, 10 * seconds).tobytes()
        if plus:
            tal = f"+{part * seconds}\x14\x14\0"
            if part == 0 and notes == "whole":
                tal += f"+0\x14{said}\x14\0"
            elif part == 0 and notes == "two":
                tal += "+0\x152\x14N\x14\0+2\x152\x14AFIB\x14\0"
            data += tal.encode().ljust(120, b"\0")
    (folder / f"{name}.edf").write_bytes(data)
    if count != each:
        return None
    if notes == "none":
        return []
    if code.startswith("P\xe9") and code_page == "utf-8":
        code = "P\xe9"
    subject = name if code == "X" else code
    if notes == "whole":
        return windows("", subject, int(said == "AFIB"), x)
    half = 2 * RATE
    return windows("", subject, 0, x[:half]) + windows("", subject, 1, x[half:])


def tables(draw: Draw, folder: Path) -> Asked:
    """Draw recordings in tables of numbers, their labels and people in tables beside or elsewhere."""
    root = folder / "set"
    root.mkdir()
    rows: list[Row] = []
    people = draw(st.lists(st.sampled_from(PEOPLE), min_size=4, max_size=4))
    if draw(st.integers(1, 10)) == 1:
        people[0] = draw(st.sampled_from(NOBODY))
    mark = draw(st.sampled_from([",", ";", "\t"]))
    outside, mapped, timed = draw(st.booleans()), draw(st.booleans()), draw(st.booleans())
    lines, told = [["file", "label", "patient"]], [["recording", "subject"]]
    for at in range(4):
        name, klass = f"r{at}", at % 2
        x = wave(at, 250)
        unit = rarely(draw, "uV", "\xb5V", "V", "mmHg", usual="mV")
        rows_of_file = [f"{value:.3f}" for value in x]
        head, columns = [f"II ({unit})"], [rows_of_file]
        if draw(st.booleans()):
            head, columns = ["V1 (mV)", *head], [[f"{value:.3f}" for value in wave(at + 50, 250)], *columns]
        first = draw(st.sampled_from(["time", "ms"] if timed else ["index", ""]))
        if first == "time":
            head, columns = ["time", *head], [[f"{row / RATE:g}" for row in range(250)], *columns]
        elif first == "ms":
            head, columns = ["time (ms)", *head], [[f"{1000 * row / RATE:g}" for row in range(250)], *columns]
        elif first == "index":
            head, columns = ["sample", *head], [[str(row) for row in range(250)], *columns]
        inner = draw(st.sampled_from([",", ";", "\t"]))
        comma = inner != "," and draw(st.booleans())
        body = [inner.join(head), *(inner.join(cells) for cells in zip(*columns, strict=True))]
        text = "\n".join(body) + rarely(draw, "", "\n\n", usual="\n")
        if comma:
            text = "\n".join([body[0], *(line.replace(".", ",") for line in body[1:])]) + "\n"
        (root / f"{name}.csv").write_bytes(encoded(draw, text))
        lines.append([rarely(draw, f"{name}.csv", f" {name} ", usual=name), ("N", "AFIB")[klass], people[at]])
        told.append([rarely(draw, f"{name}.csv", usual=name), f"Q{at // 2}"])
        whose = f"Q{at // 2}" if mapped else people[at].removesuffix(".0")
        rows = (
            rows + windows("", whose, klass, x * MILLIVOLTS.get(f"/{unit}", 0.0))
            if rows is not None
            else None
        )
    rarely(draw, lambda: lines.append(["r9", "N", "S1"]), usual=lambda: None, of=8)()
    listed = encoded(draw, "".join(mark.join(line) + "\n" for line in lines))
    (folder / "labels.csv" if outside else root / "labels.csv").write_bytes(listed)
    options: dict[str, Any] = {"leads": ("II",), "sampling_rate": None if timed else RATE}
    if outside:
        options["labels"] = folder / "labels.csv"
    if mapped:
        (folder / "people.csv").write_bytes(encoded(draw, "".join(mark.join(line) + "\n" for line in told)))
        options["subjects"] = folder / "people.csv"
    return root, None if damaged(draw, folder, lambda file: False) else rows, options


def multilead(draw: Draw, folder: Path, name: str, at: int, said: str = "") -> tuple[np.ndarray, bool] | None:
    """Write a record of three leads with checksums; return lead II in mV and whether sums guard all.

    None where a header says what a reader has to refuse, so that rows can't be told.
    """
    folder.mkdir(parents=True, exist_ok=True)
    order = draw(st.permutations(["I", "II", "V1"]))
    values = {lead: ints(10 * at + number, 250) for number, lead in enumerate(("I", "II", "V1"))}
    matlab = draw(st.booleans())
    gain = draw(st.sampled_from([1000.0, 200.0]))
    unit = rarely(draw, *UNITS, usual="/mV", of=12)
    zero = rarely(draw, -3, 1024, usual=0)
    rate = rarely(draw, f"{RATE}/{RATE}", "249.5", "0", usual=str(RATE), of=24)
    length = rarely(draw, 200, 300, usual=250, of=24)
    ending = "mat" if matlab else "dat"
    lines = [f"{name} 3 {rate} {length} 05-Feb-2020 11:39:16"]
    guarded = True
    for lead in order:
        total = rarely(draw, 0, 7, usual=checksum(values[lead]), of=36)
        guarded = guarded and total == checksum(values[lead])
        fmt = "16+24" if matlab else "16"
        lines.append(f"{name}.{ending} {fmt} {gain:g}{unit} 16 {zero} {values[lead][0]} {total} 0 {lead}")
    head = struct.pack("<5i4s", 30, 3, 250, 0, 4, b"val\0") if matlab else b""
    body = np.stack([values[lead] for lead in order], axis=1).astype("<i2").tobytes()
    (folder / f"{name}.{ending}").write_bytes(head + body)
    (folder / f"{name}.hea").write_bytes(encoded(draw, "\n".join(lines) + f"\n#Age: 74\n{said}"))
    return (values["II"] - zero) / gain * MILLIVOLTS.get(unit, 0.0), guarded


def guarded_signal(file: Path) -> bool:
    """Whether checksums elsewhere guard a file."""
    return file.suffix in (".dat", ".mat")


def ptbxl(draw: Draw, folder: Path) -> Asked:
    """Draw a set in the layout of PTB-XL: a table with patients, statements and folds."""
    rows: list[Row] | None = []
    mark = draw(st.sampled_from([",", ";"]))
    lines = [["ecg_id", "patient_id", "scp_codes", "strat_fold", "filename_lr"]]
    folds = draw(
        st.sampled_from([["3", "9", "10", "10"], ["1", "2", "3", "4"], ["3.0", "4.0", "10.0", "10"]])
    )
    with_folds = draw(st.booleans())
    for at in range(4):
        name = f"records/{at:05}_lr"
        made = multilead(draw, folder / "records", f"{at:05}_lr", at)
        patient = rarely(draw, "15709.0", " 15709", "nan", "", "0418", usual=str(at // 2))
        code, klass = (("SR", 0), ("AFIB", 1))[at % 2]
        cell = f"{{'{code}': 0.0, 'NORM': 100.0}}"
        cell = rarely(draw, f"['{code}']", f"{{'{code}'", code, usual=cell)
        cell = f'"{cell}"' if mark == "," and "," in cell else cell
        lines.append([str(at), patient, cell, folds[at] if with_folds else "", name])
        if not with_folds:
            lines[-1].pop(3)
        if made is None or not made[1] or rows is None:
            rows = None
            continue
        split = ("test" if folds[at].startswith("10") else "train") if with_folds else ""
        subject = patient.strip().removesuffix(".0")
        rows += windows(split, subject, klass, made[0])
    if not with_folds:
        lines[0].pop(3)
    if draw(st.integers(1, 10)) == 1:
        lines.append(list(draw(st.sampled_from(lines[1:]))))
    (folder / "ptbxl_database.csv").write_bytes(
        encoded(draw, "".join(mark.join(row) + "\n" for row in lines))
    )
    if damaged(draw, folder, guarded_signal):
        rows = None
    return folder, rows, {"leads": ("II",)}


def chapman(draw: Draw, folder: Path) -> Asked:
    """Draw a set in the layout of Chapman-Shaoxing: tables of numbers in microvolts at 500 Hz."""
    (folder / "ECGData").mkdir()
    lines, named = ["FileName,Rhythm,Beat,PatientAge,Gender"], draw(st.booleans())
    rows: list[Row] | None = []
    for at in range(4):
        values, code = ints(at, 250), ("SR", "AFIB")[at % 2]
        body = "".join(f"{v},{-v}\n" for v in values.tolist())
        text = ("I,II\n" if named else "") + body
        (folder / "ECGData" / f"M{at}.csv").write_bytes(encoded(draw, text))
        lines.append(f"M{at}{rarely(draw, '.csv', usual='')},{code},NONE,{rarely(draw, '', usual='80')},MALE")
        rows = [*(rows or ()), *windows("", f"ECGData/M{at}", at % 2, values / 1000)]
    (folder / "Diagnostics.csv").write_bytes(encoded(draw, "\n".join(lines) + "\n"))
    if damaged(draw, folder, lambda file: False):
        rows = None
    return folder, rows, {"task": replace(TASK, sampling_rate=500)}


CODES = (("426783006", 0), ("164889003", 1))


def dx(draw: Draw, folder: Path) -> Asked:
    """Draw a set in the layout of the challenges of 2020 and 2021: diagnoses in headers."""
    rows: list[Row] | None = []
    above = draw(st.sampled_from(["", "g1/", "georgia/g1/"]))
    splits = draw(st.booleans())
    for at in range(4):
        split = ("train", "test")[at // 2] if splits else ""
        place = folder / (f"{split}_data" if split else "") / above
        code, klass = CODES[at % 2]
        other = rarely(draw, ",39732003", ", 39732003 ", usual="")
        said = rarely(draw, f"# dx : {code}{other}\n", "", usual=f"#Dx: {code}{other}\n", of=16)
        made = multilead(draw, place, f"E{at}", at, said)
        name = f"{above}E{at}"
        if made is None or not made[1] or rows is None or not said:
            rows = None
            continue
        rows += windows(split, name, klass, made[0])
    if damaged(draw, folder, guarded_signal):
        rows = None
    return folder, rows, {"leads": ("II",)}


def icentia(draw: Draw, folder: Path) -> Asked:
    """Draw records named by patient, their rhythms opened and closed."""
    rows: list[Row] | None = []
    below = draw(st.booleans())
    for at, name in enumerate(("p00001_s00", "p00001_s01", "p00002_s00")):
        place = folder / (f"p0000/{name[:6]}" if below else "")
        place.mkdir(parents=True, exist_ok=True)
        values = ints(at, 600)
        total = rarely(draw, 0, 7, usual=checksum(values), of=12)
        unit = rarely(draw, *UNITS, usual="/mV", of=6)
        header = f"{name} 1 {RATE} 600\n{name}.dat 16 1000{unit} 16 0 {values[0]} {total} 0 ECG\n"
        (place / f"{name}.hea").write_bytes(encoded(draw, header))
        (place / f"{name}.dat").write_bytes(values.tobytes())
        first, end = draw(st.sampled_from([(0, 200), (0, 300), (100, 200)]))
        last = draw(st.sampled_from([500, 600]))
        told = [(first, "(N"), *([(end, ")")] if end < 300 else []), (300, "(AFIB")]
        told += [(last, ")")] if last < 600 else []
        (place / f"{name}.atr").write_bytes(_closed(told))
        x = values / 1000 * MILLIVOLTS.get(unit, 0.0)
        if total != checksum(values) or rows is None:
            rows = None
            continue
        rows += windows("", name[:6], 0, x[first:end]) + windows("", name[:6], 1, x[300:last])
    if damaged(draw, folder, lambda file: file.suffix == ".dat"):
        rows = None
    return folder, rows, {}


def _closed(told: list[tuple[int, str]]) -> bytes:
    """Write annotations whose text is given whole."""
    found, last = b"", 0
    for sample, note in told:
        text = f"{note}\0".encode()
        found += (
            struct.pack("<HH", 28 << 10 | sample - last, 63 << 10 | len(text))
            + text
            + b"\0" * (len(text) % 2)
        )
        last = sample
    return found + b"\0\0"


RECORDINGS = {
    "EDF": edf,
    "tables, --labels and --subjects": tables,
    "PTB-XL": ptbxl,
    "Chapman": chapman,
    "CinC 2020": dx,
    "Icentia11k": icentia,
}
