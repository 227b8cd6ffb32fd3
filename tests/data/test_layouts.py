"""Known layouts open as they are: PTB-XL, the challenges of 2020 and 2021, Chapman-Shaoxing, plain tables."""

from __future__ import annotations

import dataclasses
import json
import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import atml.data
from atml.cli import run
from atml.data.dataset import Dataset, DataSource
from atml.data.formats import column_file, label_table
from atml.data.formats.base import Asked
from atml.data.formats.detection import kind_of, look_all
from atml.data.formats.statements import CODES, UNLABELLED, decide
from atml.data.formats.wfdb_header import Unusable
from atml.errors import DataError
from atml.tasks.task import Task

Opened = Callable[..., Dataset]
TASK = Task(name="af", classes=("other", "AF"), positive=1, sampling_rate=50, window=100)
TWELVE = "I II III aVR aVL aVF V1 V2 V3 V4 V5 V6".split()
LABELS = {"AFIB": 1, "N": 0, "SBR": 0, "SARRH": 0, "BBB": 0}


@pytest.fixture
def label() -> Callable[[str], int | None]:
    return LABELS.get


def twelve(seed: int, samples: int) -> np.ndarray:
    """Twelve leads in whole microvolts, of which II is I + III, ``(12, samples)``."""
    x = np.random.default_rng(seed).integers(-900, 900, (12, samples))
    x[1] = x[0] + x[2]
    return x.astype("<i2")


def record(
    folder: Path, name: str, values: np.ndarray, rate: int, leads: Sequence[str] = TWELVE, dx: str = ""
) -> None:
    """Write a WFDB record by hand as the challenges have it: a signal in MATLAB's version 4."""
    folder.mkdir(parents=True, exist_ok=True)
    head = struct.pack("<5i4s", 30, len(values), values.shape[1], 0, 4, b"val\0")
    (folder / f"{name}.mat").write_bytes(head + np.ascontiguousarray(values.T).tobytes())
    lines = [f"{name} {len(values)} {rate} {values.shape[1]} 05-Feb-2020 11:39:16"]
    for lead, row in zip(leads, values, strict=True):
        total = (int(row.sum(dtype=np.int64)) + (1 << 15)) % (1 << 16) - (1 << 15)
        lines.append(f"{name}.mat 16+24 1000/mV 16 0 {row[0]} {total} 0 {lead}")
    said = ["#Age: 74", "#Sex: Female", f"#Dx: {dx}", "#Rx: Unknown"] if dx else []
    (folder / f"{name}.hea").write_text("\n".join([*lines, *said]) + "\n")


def ptbxl(root: Path, rows: Sequence[tuple[str, str, str]], **fixed: str) -> Path:
    """Write records of 4 s at 50 Hz (lr) and at 250 Hz (hr), and their table ``patient, codes, fold``."""
    lines = ["ecg_id,patient_id,scp_codes,strat_fold,filename_lr,filename_hr"]
    for at, (patient, codes, fold) in enumerate(rows, 1):
        slow, fast = f"records100/00000/{at:05}_lr", f"records500/00000/{at:05}_hr"
        record(root / "records100/00000", f"{at:05}_lr", twelve(at, 200), 50)
        record(root / "records500/00000", f"{at:05}_hr", twelve(at, 1000), 250)
        lines.append(f'{at},{patient},"{codes}",{fold},{slow},{fast}')
    (root / "ptbxl_database.csv").write_text("\n".join(lines) + "\n")
    (root / "scp_statements.csv").write_text(",description,diagnostic,form,rhythm\nSR,sinus rhythm,,,1.0\n")
    (root / "RECORDS").write_text("".join(f"{line.split(',')[-1]}\n" for line in lines[1:]))
    return root


ROWS = [
    ("15709.0", "{'NORM': 100.0, 'SR': 0.0}", "3"),
    ("15709.0", "{'AFIB': 0.0, 'CRBBB': 100.0}", "3"),
    ("13243.0", "{'SR': 0.0, 'AFIB': 0.0}", "9"),
    ("20372.0", "{'SBRAD': 0.0}", "10"),
    ("20372.0", "{'AFIB': 0.0}", "10"),
]


@pytest.fixture
def wfdb() -> None:
    pytest.importorskip("wfdb", reason="no wfdb; pip install 'atml[wfdb]'")


@pytest.mark.usefixtures("wfdb")
def test_ptbxl_opens_with_its_patients_labels_and_test_fold(opened: Opened, tmp_path: Path) -> None:
    root = ptbxl(tmp_path / "ptbxl", ROWS)
    assert kind_of(root) == "table"
    train, test = opened(root), opened(root, split="test")
    assert set(train.subject.tolist()) == {"15709"} and set(test.subject.tolist()) == {"20372"}
    assert train.rhythm.tolist() == ["N", "N", "AFIB", "AFIB"] and train.y.tolist() == [0, 0, 1, 1]
    assert test.rhythm.tolist() == ["SBR", "SBR", "AFIB", "AFIB"] and not train.bare
    first = np.concatenate([twelve(1, 200)[0], twelve(2, 200)[0]]).reshape(4, 1, 100) / 1000
    np.testing.assert_allclose(train.x, first, atol=1e-6)
    notes = "\n".join(train.notes)
    assert "labels stand in ptbxl_database.csv, column 'scp_codes'" in notes
    assert "2 windows left out, of rhythms unknown to the task: 'AFIB+N' (2)" in notes
    assert "records100/00000/00003_lr" in notes and "lead I of each" in notes


@pytest.mark.usefixtures("wfdb")
def test_the_fast_files_are_read_where_the_task_is_faster(opened: Opened, tmp_path: Path, task: Task) -> None:
    root = ptbxl(tmp_path / "ptbxl", ROWS)
    found = opened(root, task=dataclasses.replace(task, sampling_rate=250, window=500), leads=("v2",))
    np.testing.assert_allclose(found.x[0, 0], twelve(1, 1000)[7, :500] / 1000, atol=1e-6)


@pytest.mark.usefixtures("wfdb")
@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda root: (root / "records100/00000/00001_lr.hea").unlink(), None),
        (
            lambda root: [file.unlink() for file in root.rglob("00001_?r.hea")],
            r"records500/00000/00001_hr: is not there, but line 2 of ptbxl_database\.csv names it",
        ),
        (
            lambda root: (root / "labels.csv").write_text("file,label\n00001_lr,AFIB\n"),
            r"several tables of labels \(labels\.csv, ptbxl_database\.csv\): choose with --labels FILE",
        ),
        (
            lambda root: change(root / "ptbxl_database.csv", "15709.0", ""),
            r"00001_lr at 0:00: has no subject",
        ),
        (
            lambda root: change(root / "ptbxl_database.csv", "{'NORM': 100.0, 'SR': 0.0}", "{'NORM'"),
            r"ptbxl_database\.csv line 2: \"\{'NORM'\" is no list of labels",
        ),
        (
            lambda root: change(root / "ptbxl_database.csv", "/00002_", "/00001_"),
            r"ptbxl_database\.csv: lines 2 and 3 both name records100/00000/00001_lr\.hea",
        ),
    ],
)
def test_what_is_wrong_with_a_table_is_one_line(
    opened: Opened, tmp_path: Path, break_it: Callable[[Path], object], says: str | None
) -> None:
    root = ptbxl(tmp_path / "ptbxl", ROWS)
    break_it(root)
    if says is None:  # the other rate is there
        assert len(opened(root)) == 4
        return
    with pytest.raises(DataError, match=says) as caught:
        opened(root)
    assert "\n" not in str(caught.value)


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@pytest.mark.usefixtures("wfdb")
def test_the_challenges_of_2020_and_2021(opened: Opened, tmp_path: Path) -> None:
    root = tmp_path / "training"
    record(root / "georgia/g1", "E00001", twelve(1, 200), 50, dx="426783006,39732003")
    record(root / "georgia/g1", "E00002", twelve(2, 200), 50, dx="164889003,59118001")
    other = [TWELVE[at] for at in (11, *range(11))]  # another order of leads
    record(root / "georgia/g2", "E00003", twelve(3, 200)[[11, *range(11)]], 50, other, dx="164889003")
    record(root / "georgia/g2", "E00004", twelve(4, 200)[1:], 50, TWELVE[1:], dx="426177001")
    swapped = twelve(5, 200)[[1, 0, *range(2, 12)]]
    record(root / "georgia/g2", "E00005", swapped, 50, dx="164889003,426783006")
    record(root / "georgia/g2", "E00006", twelve(6, 200), 50, dx="426177001")
    assert kind_of(root) == "dx"
    found = opened(root)
    assert found.bare and found.record is not None
    assert found.record.tolist() == [f"georgia/g{1 + (at > 2)}/E0000{at}" for at in (1, 1, 2, 2, 3, 3, 6, 6)]
    assert found.rhythm.tolist() == ["N"] * 2 + ["AFIB"] * 4 + ["SBR"] * 2
    expected = np.concatenate([twelve(at, 200)[0] for at in (1, 2, 3, 6)]).reshape(8, 1, 100) / 1000
    np.testing.assert_allclose(found.x, expected, atol=1e-6)
    notes = "\n".join(found.notes)
    assert "1 recordings lack a lead that is wanted and are left out: georgia/g2/E00004" in notes
    assert "2 recordings have other leads or another order of leads than most" in notes
    assert (
        "in 1 recordings lead II is not I + III: leads may be swapped or misnamed: georgia/g2/E00005" in notes
    )
    assert "1 records have several diagnoses that are of no one class: georgia/g2/E00005" in notes
    with pytest.raises(DataError, match=r"E00001.*: has no lead 'X'; its leads are I, II, III"):
        opened(root, leads=("X",))


@pytest.mark.usefixtures("wfdb")
def test_what_lies_beside_records_with_diagnoses_is_told(opened: Opened, tmp_path: Path) -> None:
    for at, place in enumerate(("train_data", "test_data", "val_data")):
        for dx in ("426783006", "164889003"):
            record(tmp_path / "set" / place, f"{place[:2]}{dx[:3]}", twelve(at + int(dx), 200), 50, dx=dx)
    found = opened(tmp_path / "set")
    assert {name[:2] for name in found.subject.tolist()} == {"tr"} and len(found) == 4 and not found.bare
    assert any(note.startswith("2 records are in neither train nor test") for note in found.notes)
    np.savez(tmp_path / "other.npz", x=np.zeros((2, 100)), y=[0, 1], subject=["a", "b"])
    with pytest.raises(DataError, match=r"holds 2 sets: other\.npz, set; give each by itself"):
        opened(tmp_path)


@pytest.mark.usefixtures("wfdb")
def test_a_header_without_a_diagnosis_among_others_is_refused(opened: Opened, tmp_path: Path) -> None:
    record(tmp_path / "set", "A1", twelve(1, 200), 50, dx="426783006")
    record(tmp_path / "set", "A2", twelve(2, 200), 50)
    with pytest.raises(DataError, match=r"A2\.hea: has no line '# Dx:'"):
        opened(tmp_path / "set")


@pytest.mark.usefixtures("wfdb")
@pytest.mark.parametrize("unit", [" /mV", "/V V"])
def test_a_header_with_a_word_too_many_is_refused(opened: Opened, tmp_path: Path, unit: str) -> None:
    """It makes another name of each lead; a record without the lead that is wanted would be left out."""
    for at, dx in enumerate(("426783006", "164889003", "426783006")):
        record(tmp_path / "set", f"A{at}", twelve(at, 200), 50, dx=dx)
    change(tmp_path / "set" / "A2.hea", "1000/mV", f"1000{unit}")
    with pytest.raises(DataError, match=r"A2\.hea: gives lead 0 "):
        opened(tmp_path / "set", leads=("II",))


def chapman(root: Path, rows: Sequence[tuple[str, str]], header: str = "") -> Path:
    (root / "ECGDataDenoised").mkdir(parents=True)
    lines = ["FileName,Rhythm,Beat,PatientAge,Gender"]
    for at, (name, rhythm) in enumerate(rows, 1):
        text = "".join(",".join(map(str, row)) + "\n" for row in twelve(at, 2000).T.tolist())
        (root / "ECGDataDenoised" / f"{name}.csv").write_text(header + text)
        lines.append(f"{name},{rhythm},NONE,80,MALE")
    (root / "Diagnostics.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.mark.parametrize("header", ["", ",".join(TWELVE) + "\n"])
def test_chapman_has_microvolts_at_500_hz_and_calls_flutter_af(
    opened: Opened, tmp_path: Path, task: Task, header: str
) -> None:
    rows = [("MUSE_1", "SB"), ("MUSE_2", "AFIB"), ("MUSE_3", "AF")]
    root = chapman(tmp_path / "chapman", rows, header)
    af = {**LABELS, "AF": 1}.get
    found = opened(
        root, task=dataclasses.replace(task, sampling_rate=500, window=2000), leads=("II",), label=af
    )
    assert found.rhythm.tolist() == ["SBR", "AFIB"] and found.subject.tolist()[0].endswith("MUSE_1")
    np.testing.assert_allclose(found.x[:, 0], [twelve(at, 2000)[1] / 1000 for at in (1, 2)], atol=1e-6)
    assert "1 windows left out, of rhythms unknown to the task: 'AFL' (1)" in found.notes


def numbers(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


def test_tables_of_numbers_need_a_table_of_labels(opened: Opened, tmp_path: Path) -> None:
    root = tmp_path / "set"
    x = np.round(np.random.default_rng(0).normal(size=(2, 200)), 3)
    for name, row in zip("ab", x, strict=True):
        numbers(
            root, f"{name}.csv", "time,ECG (uV)\n" + "".join(f"{i / 50},{v}\n" for i, v in enumerate(row))
        )
    with pytest.raises(DataError, match=r"a\.csv, b\.csv and says nowhere what they show: .*--labels FILE"):
        opened(root)
    labels = numbers(tmp_path, "labels.csv", "file;label;person\na;N;P1\nb.csv;AFIB;P2\n")
    found = opened(root, labels=labels)
    assert found.subject.tolist() == ["P1", "P1", "P2", "P2"] and found.y.tolist() == [0, 0, 1, 1]
    assert "columns that are no leads are passed over (time): 2 recordings, a, b" in found.notes
    assert not [note for note in found.notes if "no unit" in note]
    np.testing.assert_allclose(found.x, x.reshape(4, 1, 100) / 1000, atol=1e-9)
    labels.write_text("file;label;person\na;AFIB;P1\nb.csv;N;P2\n")
    assert opened(root, labels=labels).y.tolist() == [1, 1, 0, 0]
    with pytest.raises(DataError, match=r"--labels .*a\.csv: no table with a column for the file"):
        opened(root, labels=root / "a.csv")
    with pytest.raises(DataError, match=r"no such file: --labels .*none\.csv"):
        opened(root, labels=tmp_path / "none.csv")
    with pytest.raises(DataError, match=r"names recordings in a folder, and .*labels\.csv is none"):
        opened(labels, labels=labels)


def test_names_may_tell_the_patient(opened: Opened, tmp_path: Path) -> None:
    root = tmp_path / "set"
    for name in ("p00001_s00", "p00001_s01", "p00002_s00"):
        values = np.random.default_rng(list(name.encode())).normal(size=200)
        numbers(root, f"{name}.csv", "t,I\n" + "".join(f"{at / 50},{v:.3f}\n" for at, v in enumerate(values)))
    labels = [
        f"p0000{name},{rhythm}\n" for name, rhythm in (("1_s00", "N"), ("1_s01", "AFIB"), ("2_s00", "N"))
    ]
    numbers(root, "labels.csv", "file,label\n" + "".join(labels))
    assert opened(root).subject.tolist() == ["p00001"] * 4 + ["p00002"] * 2


def test_where_labels_are_is_told(opened: Opened, tmp_path: Path) -> None:
    part = chapman(tmp_path / "chapman", [("MUSE_1", "SB")]) / "ECGDataDenoised"
    change(tmp_path / "chapman" / "Diagnostics.csv", "MUSE_1", "ECGDataDenoised/MUSE_1")
    with pytest.raises(DataError, match=r"whose labels stand in Diagnostics\.csv: give that folder"):
        opened(part)
    (tmp_path / "chapman" / "Diagnostics.csv").rename(tmp_path / "chapman" / "Diagnostics.xlsx")
    with pytest.raises(DataError, match=r"may stand in Diagnostics\.xlsx: save it there as \.csv"):
        opened(tmp_path / "chapman")


def test_without_a_rate_the_option_is_named(opened: Opened, tmp_path: Path) -> None:
    root = tmp_path / "set"
    x = np.random.default_rng(0).normal(size=(2, 200))
    for name, row in zip("ab", x, strict=True):
        numbers(root, f"{name}.csv", "".join(f"{v:.4f}\n" for v in row))
    numbers(root, "labels.csv", "file,label\na,N\nb,AFIB\n")
    with pytest.raises(DataError, match=r"a\.csv: does not tell its rate: give --sampling-rate HZ"):
        opened(root)
    found = opened(root, sampling_rate=50)
    np.testing.assert_allclose(found.x.ravel(), x.round(4).ravel(), atol=1e-6)
    assert "tables that tell no unit are taken for mV: 2 recordings, a, b" in found.notes


@pytest.mark.parametrize(
    ("text", "names", "rate", "first", "dropped"),
    [
        ("1.5\n2\n4\n", ("0",), None, [1.5, 2, 4], ()),
        ("0,5\n1,7\n2,6\n3,8\n", ("0",), None, [5, 7, 6, 8], ("column 1",)),
        ("0.00;5\n0.01;7\n0.02;6\n", ("0",), 100, [5, 7, 6], ("column 1",)),
        ("'sample #','MLII','V5'\n0,995,1\n1,990,2\n", ("MLII", "V5"), None, [995, 990], ("sample #",)),
        (
            "'Elapsed time','MLII'\n'hh:mm:ss.mmm','mV'\n0:00.000,-.145\n0:00.004,-.2\n0:00.008,3\n",
            ("MLII",),
            250,
            [-0.145, -0.2, 3],
            ("Elapsed time",),
        ),
        ("time [ms]\tII [uV]\n0\t1000\n2\t\n4\t500\n", ("II",), 500, [1, np.nan, 0.5], ("time",)),
        ("t;I\n0,00;1,5\n0,02;2,5\n0,04;0,5\n", ("I",), 50, [1.5, 2.5, 0.5], ("t",)),
        ("1,2,\n3,4,\n", ("0", "1"), None, [1, 3], ()),
        ("1\n\n3\n\n", ("0",), None, [1, np.nan, 3], ()),
    ],
)
def test_columns_are_leads_but_for_index_and_time(
    tmp_path: Path, text: str, names: tuple[str, ...], rate: int | None, first: list[float], dropped: object
) -> None:
    found = column_file.read(numbers(tmp_path, "r.csv", text), "r.csv")
    assert (found.names, found.rate, found.dropped) == (names, rate, dropped)
    np.testing.assert_allclose(found.x[0], first)


def test_a_first_column_that_goes_on_is_never_a_signal(tmp_path: Path) -> None:
    """A time with a gap, one that is rounded, an index that begins anew: refused or the rate, no samples."""
    wave = np.sin(np.arange(60.0)).round(3).tolist()

    def table(first: list[float]) -> column_file.ColumnFile:
        text = "".join(f"{at},{value}\n" for at, value in zip(first, wave, strict=True))
        return column_file.read(numbers(tmp_path, "r.csv", text), "r.csv")

    rounded = table([round(at / 360, 3) for at in range(60)])
    assert (rounded.rate, rounded.dropped, rounded.names) == (360, ("column 1",), ("0",))
    assert table([at / 62.4725 for at in range(60)]).rate == Fraction(24989, 400)
    for odd in (
        [at + 40 * (at > 30) for at in range(60)],
        [at % 32 for at in range(60)],
        [round(at / 250, 2) for at in range(60)],
        [float("nan") if at == 7 else at / 250 for at in range(60)],
    ):
        with pytest.raises(Unusable, match=r"'column 1'.*time"):
            table(odd)
    assert table([at * 1.5 % 1 for at in range(60)]).names == ("0", "1")


@pytest.mark.parametrize("first", [True, False])
def test_a_column_that_only_rises_is_no_signal_whatever_its_name(tmp_path: Path, first: bool) -> None:
    wave = np.sin(np.arange(60.0)).round(3)
    stamp = 1_700_000_000_000 + 4 * np.arange(60) + np.arange(60) % 2  # ms, none of them at its very place
    columns = {"stamp_ms": stamp, "ECG": wave}
    names = list(columns) if first else list(columns)[::-1]
    lines = "".join(",".join(str(columns[name][at]) for name in names) + "\n" for at in range(60))
    with pytest.raises(Unusable, match=r"column 'stamp_ms'"):
        column_file.read(numbers(tmp_path, "r.csv", ",".join(names) + "\n" + lines), "r.csv")


def test_a_bare_name_that_two_folders_hold_needs_its_folder(opened: Opened, tmp_path: Path) -> None:
    root = tmp_path / "set"
    for at, folder in enumerate(("a", "b")):
        root.mkdir(exist_ok=True)
        values = np.random.default_rng(at).normal(size=200)
        numbers(
            root / folder, "r1.csv", "t,I\n" + "".join(f"{k / 50},{v:.3f}\n" for k, v in enumerate(values))
        )
    table = numbers(root, "labels.csv", "file,label,patient\nr1,N,P1\n")
    with pytest.raises(
        DataError, match=r"'r1' in the table of labels may be a/r1\.csv, b/r1\.csv: give its folder"
    ):
        opened(root)
    table.write_text("file,label,patient\na/r1,N,P1\nb/r1,AFIB,P2\n")
    assert opened(root).subject.tolist() == ["P1"] * 2 + ["P2"] * 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds no sample"),
        ("I,II\n", "holds no sample"),
        ("I,II\n1,2,3\n1,2,3\n", "names 2 columns and holds 3"),
        ("I,II\n1,2\n1,x\n", "line 3, column 'II': 'x' is no number"),
        ("1,2\n3,4\n5,6,7\n", "no table of numbers: .*3"),
        ("I (mmHg)\n1\n2\n", "gives 'I' in 'mmHg', not in mV"),
        ("time,I\n0,1\n0.02,2\n0.08,3\n0.1,4\n", "does not go on evenly; are samples missing"),
        ("time,I\n0,1\n4,2\n8,3\n12,4\n", "tells 0.25 Hz: is it in s"),
        ("time,I\n0,1\n1,2\n2,3\n3,4\n", "tells 1 Hz: is it in s"),
        ("time\n0\n1\n2\n", "tells 1|no column beside"),
    ],
)
def test_what_is_no_table_of_numbers_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(Unusable, match=says):
        column_file.read(numbers(tmp_path, "r.csv", text), "r.csv")


@pytest.mark.parametrize(
    ("said", "code", "name"),
    [
        (["164889003"], "SNOMED CT", "AFIB"),
        (["713427006", "164889003"], "SNOMED CT", "AFIB"),  # the rhythm, whatever the conduction
        (["713427006"], "SNOMED CT", "BBB"),
        (["164889003", "164890007"], "SNOMED CT", "AFIB+AFL"),  # the task does not know flutter
        (["426783006", "427393009"], "SNOMED CT", "N"),  # of one class
        (["39732003"], "SNOMED CT", "39732003"),
        (["SR", "LVOLT"], "SCP-ECG", "N"),
        (["BIGU"], "SCP-ECG", "BIGU"),
        (["AF"], "Chapman", "AFL"),
        (["AF"], "", "AF"),
        ([" "], "", UNLABELLED),
        (["AFIB", "N"], "", "AFIB+N"),
    ],
)
def test_statements_come_to_one_name(said: list[str], code: str, name: str) -> None:
    assert decide(said, LABELS.get, code) == name


def test_no_statement_is_in_two_places() -> None:
    for rhythms, others in CODES.values():
        assert not set(rhythms) & set(others)


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("{'SR': 0.0, 'AFIB': 100.0}", ["SR", "AFIB"]),
        ("['SR', 'PVC']", ["SR", "PVC"]),
        ("SR; PVC |N", ["SR", "PVC", "N"]),
        ("", []),
        ("__import__('os')", ["__import__('os')"]),
    ],
)
def test_labels_in_a_cell(cell: str, found: list[str]) -> None:
    assert list(label_table.statements(cell, "here")) == found


def test_a_copy_is_made_anew_for_a_task_that_takes_the_labels_otherwise(tmp_path: Path, task: Task) -> None:
    root = chapman(tmp_path / "chapman", [("MUSE_1", "SB"), ("MUSE_2", "AFIB")])
    options = [
        look_all(root, Asked(task=task, label=label))[0].contents.options
        for label in ({"SB": 0, "AFIB": 1}.get, {"SBR": 0, "AFIB": 1}.get, {"SBR": 0, "AFIB": 1}.get)
    ]
    assert options[0] != options[1] == options[2]
    assert look_all(root, Asked(task=task, label=LABELS.get))[0].contents.tells_rate
    assert atml.data.inspect(root, task=task, label={"SBR": 0, "AFIB": 1}.get).faults == ()


def test_the_table_is_asked_for_on_the_command_line_and_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "set"
    for name, seed in (("a", 0), ("b", 1)):
        values = np.random.default_rng(seed).normal(size=3000)
        numbers(
            root,
            f"{name}.csv",
            "time,I (mV)\n" + "".join(f"{i / 250},{v:.3f}\n" for i, v in enumerate(values)),
        )
    labels = numbers(tmp_path, "labels.csv", "file,label,patient\na,N,P1\nb,AFIB,P2\n")
    assert run(["data", "inspect", str(root), "--labels", str(labels), "--json"]) == 2  # for its two people
    said = capsys.readouterr()
    assert "2 subjects are too few for 5 folds: no number of folds can; add subjects" in said.err
    found = json.loads(said.out)["splits"][0]
    assert found["total"]["windows"] == {"AF": 2, "other": 2}
    source = DataSource(paths=(root,), labels=labels)
    assert DataSource.from_dict(json.loads(json.dumps(source.to_dict()))).labels == labels.resolve()
    assert DataSource.from_dict({"data": None, "sampling_rate": None}).labels is None


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("listed")
    for name, seed in (("a", 0), ("b", 1)):
        values = np.random.default_rng(seed).normal(size=200)
        numbers(
            root, f"{name}.csv", "t,I (mV)\n" + "".join(f"{at / 50},{v:.3f}\n" for at, v in enumerate(values))
        )
    return root


@settings(max_examples=40)
@given(
    name=st.sampled_from(["a.csv", "labels.csv"]),
    place=st.floats(0, 1, exclude_max=True),
    put=st.sampled_from(
        [",", "\n", '"', "{", "[", "\0", "\ufeff", "nan", "-1", "1e400", ";", "../", "x", ""]
    ),
    length=st.integers(0, 6),
)
def test_a_changed_table_is_refused_or_read(
    listed: Path, name: str, place: float, put: str, length: int
) -> None:
    """No traceback, and nobody is made another person: people and labels are those that the table has."""
    table = "file,label,patient,split\na,N,P1,train\nb.csv,AFIB,P2,train\n"
    numbers(listed, "labels.csv", table)
    file = listed / name
    whole = file.read_text()
    at = int(place * min(len(whole), 300))
    file.write_text(whole[:at] + put + whole[at + length :])
    try:
        found = atml.data.inspect(listed, task=TASK, label=LABELS.get)
        assert all("\n" not in fault.detail for fault in found.faults)
        if name == "a.csv" and not found.faults:
            people = {part.name for part in found.splits[0].subjects}
            lacking = any("lack a lead that is wanted" in note for note in found.splits[0].notes)
            assert people == {"P1", "P2"} or (lacking and people < {"P1", "P2"})
    except DataError as error:
        assert "\n" not in str(error)
    finally:
        file.write_text(whole)
