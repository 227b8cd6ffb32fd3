"""Whatever encoding a list, a header or a table is in, and whatever its ends of lines, it says the same."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from atml.data.dataset import Dataset
from atml.data.text import beginning, decoded
from atml.data.unlabelled import signals
from atml.scoring import published
from atml.task_files.loading import execute, hash_of_file
from tests.data.conftest import TASK
from tests.data.mutations import annotations, checksum, ints

E = "\N{LATIN SMALL LETTER E WITH ACUTE}"
MICRO = "\N{MICRO SIGN}"
ENCODINGS: dict[str, Callable[[str], bytes]] = {
    "UTF-8 with a mark": lambda text: text.encode("utf-8-sig"),
    "UTF-8 of Windows": lambda text: text.replace("\n", "\r\n").encode(),
    "Latin-1": lambda text: text.encode("latin-1"),
    "UTF-16": lambda text: text.replace("\n", "\r\n").encode("utf-16"),
    "UTF-16, the other end first": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "UTF-16 without a mark": lambda text: text.encode("utf-16-le"),
    "UTF-32": lambda text: text.encode("utf-32"),
}
Write = Callable[[Path, str], object]
RHYTHM = ("N", "AFIB")


def rows(at: int, samples: int = 200) -> np.ndarray:
    return ints(at, samples)


def record(folder: Path, name: str, at: int, write: Write, said: str = "", matlab: bool = False) -> None:
    """Write a record of one lead in microvolts; ``matlab`` as the challenge of 2017 has it."""
    values, ending, fmt = rows(at), "mat" if matlab else "dat", "16+24" if matlab else "16"
    head = struct.pack("<5i4s", 30, 1, len(values), 0, 4, b"val\0") if matlab else b""
    (folder / f"{name}.{ending}").write_bytes(head + values.tobytes())
    line = f"{name}.{ending} {fmt} 2/{MICRO}V 16 0 {values[0]} {checksum(values)} 0 Abl{E}"
    write(folder / f"{name}.hea", f"{name} 1 50 {len(values)}\n{line}\n# {E}\n{said}")


def wfdb(folder: Path, write: Write) -> tuple[Path, dict[str, object]]:
    for at, rhythm in enumerate(RHYTHM):
        record(folder, f"r{at}{E}", at, write)
        (folder / f"r{at}{E}.atr").write_bytes(annotations([(0, rhythm)]))
    record(folder, "unlisted", 2, write)
    write(folder / "RECORDS", f"r0{E}\nr1{E}\n")
    return folder, {}


def parts(folder: Path, write: Write) -> tuple[Path, dict[str, object]]:
    for at, rhythm in enumerate(RHYTHM):
        record(folder, f"p{at}{E}", at, write)
        write(folder / f"r{at}{E}.hea", f"r{at}{E}/3 1 50 500\np{at}{E} 200\n~ 100\np{at}{E} 200\n")
        (folder / f"r{at}{E}.atr").write_bytes(annotations([(0, rhythm)]))
    write(folder / "RECORDS", f"r0{E}\nr1{E}\n")
    return folder, {}


def ascii_alone(folder: Path, write: Write) -> tuple[Path, dict[str, object]]:
    for at, rhythm in enumerate(RHYTHM):
        line = f"r{at}.dat 16 2000/mV 16 0 {rows(at)[0]} {checksum(rows(at))} 0 II"
        write(folder / f"r{at}.hea", f"r{at} 1 50 200\n{line}\n")
        (folder / f"r{at}.dat").write_bytes(rows(at).tobytes())
        (folder / f"r{at}.atr").write_bytes(annotations([(0, rhythm)]))
    return folder, {}


def diagnoses(folder: Path, write: Write) -> tuple[Path, dict[str, object]]:
    for at, code in enumerate(("426783006", "164889003")):
        record(folder, f"r{at}", at, write, f"#Age: 70\n#Dx: {code}\n")
    return folder, {}


def cinc2017(folder: Path, write: Write) -> tuple[Path, dict[str, object]]:
    for at in range(2):
        record(folder, f"A{at}{E}", at, write, matlab=True)
    write(folder / "RECORDS", f"A0{E}\nA1{E}\n")  # a part of the set: the third need not be there
    write(folder / "REFERENCE.csv", f"A0{E},N\nA1{E},A\nA2{E},N\n")
    return folder, {"label": {"N": 0, "AF": 1}.get}


def indices(folder: Path, write: Write) -> tuple[Path, dict[str, object]]:
    (folder / "data_indices").mkdir()
    names = [f"S{at}{E}-{rhythm}-{at}.txt" for at, rhythm in enumerate(RHYTHM)]
    for at, name in enumerate(names):
        write(folder / name, "".join(f"{value / 1000:.3f}\n" for value in rows(at, 100)))
    for split in ("train", "test"):
        lines = [f"{at},{name}\n" for at, name in enumerate(names)]
        write(folder / "data_indices" / f"{split}_indice.csv", "".join(["label,Filename\n", *lines]))
    return folder, {}


def columns(folder: Path, write: Write) -> tuple[Path, dict[str, object]]:
    for at, rhythm in enumerate(RHYTHM):
        lines = "".join(f"{row / 50},{value / 1000}\n" for row, value in enumerate(rows(at, 100)))
        write(folder / f"S{at}{E}-{rhythm}-{at}.txt", f"time,Abl{E} (mV)\n" + lines)
    return folder, {}


def ptbxl(folder: Path, write: Write) -> tuple[Path, dict[str, object]]:
    lines = ["ecg_id,patient_id,scp_codes,filename_lr"]
    for at, code in enumerate(("SR", "AFIB")):
        record(folder, f"r{at}_lr", at, write)
        lines.append(f"{at},P{at}{E},\"{{'{code}': 100.0}}\",r{at}_lr")
    write(folder / "ptbxl_database.csv", "\n".join(lines) + "\n")
    return folder, {}


def options(folder: Path, write: Write) -> tuple[Path, dict[str, object]]:
    """Tables of numbers, whose labels and people are in tables elsewhere."""
    (folder / "set").mkdir()
    for at in range(2):
        lines = "".join(f"{row / 50},{value}\n" for row, value in enumerate(rows(at)))
        write(folder / "set" / f"r{at}{E}.csv", f"time,Abl{E} ({MICRO}V)\n" + lines)
    write(folder / "labels.csv", f"file,label\nr0{E},N\nr1{E}.csv,AFIB\n")
    write(folder / "people.csv", f"recording;subject\nr0{E};B{E}\nr1{E};b{E}b\n")
    return folder / "set", {"labels": folder / "labels.csv", "subjects": folder / "people.csv"}


LISTS = {
    "headers and RECORDS of WFDB": wfdb,
    "headers of parts": parts,
    "a header of plain letters": ascii_alone,
    "diagnoses in headers": diagnoses,
    "REFERENCE.csv": cinc2017,
    "indices of contest text": indices,
    "columns of contest text": columns,
    "ptbxl_database.csv": ptbxl,
    "--labels and --subjects": options,
}


@pytest.mark.parametrize("kind", LISTS)
def test_lists_headers_and_tables_in_any_encoding(
    opened: Callable[..., Dataset], tmp_path: Path, kind: str
) -> None:
    if kind != "--labels and --subjects":
        pytest.importorskip("wfdb", reason="no wfdb; pip install 'atml[wfdb]'")
    (tmp_path / "plain").mkdir()
    path, asked = LISTS[kind](tmp_path / "plain", lambda file, text: file.write_text(text, encoding="utf-8"))
    plain = opened(path, **asked)
    assert sorted(set(plain.y.tolist())) == [0, 1] and len(set(plain.subject.tolist())) == 2
    for name, encode in ENCODINGS.items():
        (tmp_path / name).mkdir()
        path, asked = LISTS[kind](tmp_path / name, lambda f, text, encode=encode: f.write_bytes(encode(text)))
        found = opened(path, **asked)
        assert found.fingerprint == plain.fingerprint, name
        assert found.subject.tolist() == plain.subject.tolist()
        np.testing.assert_array_equal(found.x, plain.x)
        if kind in ("headers and RECORDS of WFDB", "REFERENCE.csv"):  # what `atml predict` reads
            (first, *_) = signals(path, TASK)
            np.testing.assert_allclose(first.x[0, :100], found.x[0, 0], atol=1e-7)


def test_figures_and_task_files_in_any_encoding(tmp_path: Path) -> None:
    entry = {"name": f"mod{E}le", "metrics": {"F": 0.5}}
    fields = {"format": 1, "task": "afib", "rule": "iesd2024", "data": "d", "source": E, "entries": [entry]}
    code = f"DEFAULT = {{}}\n\n\ndef suggest(trial):\n    '''Give {E}.'''\n    return '{E}'\n"
    (tmp_path / "plain.py").write_text(code, encoding="utf-8")
    for encode in ENCODINGS.values():
        (tmp_path / "one.json").write_bytes(encode(json.dumps(fields, ensure_ascii=False)))
        found = published.read(str(tmp_path / "one.json"))
        assert (found.source, found.entries[0].name) == (E, f"mod{E}le")
        (tmp_path / "one.py").write_bytes(encode(code))
        assert execute(tmp_path / "one.py")[0].suggest(None) == E
        assert hash_of_file(tmp_path / "one.py") == hash_of_file(tmp_path / "plain.py")


def test_the_first_bytes_tell_the_encoding() -> None:
    for encode in ENCODINGS.values():
        raw = encode(f"a{E}b\n" * 9)
        encoding, text = beginning(raw[:41])
        assert raw.decode(encoding).lstrip("\N{BYTE ORDER MARK}").startswith(text.rstrip("\r\n\ufffd"))
    assert decoded(b"") == "" and decoded(b"\0") == "\0" and decoded(b"\0\0") == "\0\0"
