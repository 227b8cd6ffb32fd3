"""The layout of PhysioNet/CinC Challenge 2017: short records with their rhythm in REFERENCE.csv."""

from __future__ import annotations

import dataclasses
import re
import struct
import zipfile
from collections import Counter

import numpy as np
import pytest

import atml.data
from atml.errors import DataError
from atml.tasks.task import Task

TASK = Task(name="rhythm", classes=("N", "AF", "O"), positive=1, sampling_rate=100, window=500)
LABELS = {"N": 0, "AF": 1, "O": 2}
ANY = {"N": 0, "AF": 1, "O": 2, "NOISE": 3}


@pytest.fixture
def write():
    """Write one record: whole numbers ``values`` behind a header with the date before the time."""

    def call(folder, name, values=None, *, rate=300, gain="1000/mV", head=True, **changed):
        folder.mkdir(parents=True, exist_ok=True)
        if values is None:
            values = np.random.default_rng(list(name.encode())).integers(-900, 900, 12 * rate)
        values = np.asarray(values, "<i2")
        (folder / f"{name}.mat").write_bytes(
            struct.pack("<5i4s", 30, 1, len(values), 0, 4, b"val\0") + values.tobytes()
        )
        if head:
            told = {"samples": len(values), "checksum": int(values.sum(dtype=np.int16)), **changed}
            (folder / f"{name}.hea").write_text(
                f"{name} 1 {rate} {told['samples']} 2014-05-08 05:05:15 \n"
                f"{name}.mat 16+24 {gain} 16 0 {values[0]} {told['checksum']} 0 ECG \n"
            )
        return values

    return call


@pytest.fixture
def folder(tmp_path, write):
    """Two normal records, one of fibrillation, one other, one too noisy, in a folder of their own."""
    inside = tmp_path / "set" / "training2017"
    for name in ("A00001", "A00002", "A00003", "A00004", "A00005"):
        write(inside, name)
    (inside / "REFERENCE.csv").write_text("A00001,N\nA00002,N\nA00003,A\nA00004,O\nA00005,~\n")
    (inside / "RECORDS").write_text("A00001\nA00002\nA00003\nA00004\nA00005\n")
    return inside


def opened(path, tmp_path, labels=LABELS, task=TASK, **options):
    return atml.data.open(path, task=task, label=labels.get, cache=tmp_path / "cache", **options)


@pytest.mark.parametrize("nested", [True, False])
def test_each_record_is_a_subject_of_one_rhythm(folder, tmp_path, nested):
    found = opened(folder.parent if nested else folder, tmp_path)
    assert found.x.shape == (8, 1, 500) and found.bare and found.sampling_rate == 100
    assert found.subject.tolist() == [name for name in ("A00001", "A00002", "A00003", "A00004") for _ in "12"]
    assert found.rhythm.tolist() == ["N"] * 4 + ["AF"] * 2 + ["O"] * 2
    assert found.y.tolist() == [0, 0, 0, 0, 1, 1, 2, 2]
    assert found.record is not None and found.record.tolist() == found.subject.tolist()


def test_values_are_millivolts(folder, tmp_path, write):
    values = write(folder, "A00001", gain="500(20)/mV")
    write(folder, "A00002", gain="1000/uV")
    found = opened(folder, tmp_path, task=dataclasses.replace(TASK, sampling_rate=300, window=1500))
    np.testing.assert_allclose(found.x[0, 0], (values[:1500] - 20) / 500, rtol=1e-6)
    assert np.abs(found.x[2]).max() < 0.001


def test_noisy_records_are_left_out_and_said(folder, tmp_path):
    notes = "\n".join(opened(folder, tmp_path).notes)
    assert "1 records are labelled too noisy, rhythm 'NOISE': A00005" in notes
    assert "2 windows left out, of rhythms unknown to the task: 'NOISE' (2)" in notes


def test_a_task_may_have_a_class_for_noisy_records(folder, tmp_path):
    task = dataclasses.replace(TASK, classes=("N", "AF", "O", "noise"))
    found = opened(folder, tmp_path, ANY, task)
    assert Counter(found.y.tolist()) == {0: 4, 1: 2, 2: 2, 3: 2}
    assert not any("unknown" in note for note in found.notes)


def test_short_records_are_left_out_and_counted(folder, tmp_path, write):
    write(folder, "A00002", np.arange(1499) % 700)
    found = opened(folder, tmp_path)
    assert set(found.subject.tolist()) == {"A00001", "A00003", "A00004"}
    assert "1 of 5 records are shorter than the window of 5 s and left out: A00002" in found.notes
    with pytest.raises(DataError, match=r"no usable window in .*stretch shorter than the window 53 s"):
        opened(folder, tmp_path, task=dataclasses.replace(TASK, window=2000))


def test_a_zip_reads_as_its_folder(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "training2017.zip", "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, f"training2017/{file.name}")
    one, other = opened(folder, tmp_path), opened(tmp_path / "training2017.zip", tmp_path)
    assert other.name == "training2017" and one.fingerprint == other.fingerprint


def test_train_and_test_folders_are_splits(tmp_path, write):
    for split, names in (("train", ("A00001", "A00002")), ("test", ("A00003", "A00004"))):
        inside = tmp_path / "both" / f"{split}_data"
        for name in names:
            write(inside, name)
        (inside / "REFERENCE.csv").write_text("".join(f"{n},{k}\n" for n, k in zip(names, "NA", strict=True)))
    two = dataclasses.replace(TASK, classes=("N", "AF"))
    train, test = (opened(tmp_path / "both", tmp_path, split=split, task=two) for split in ("train", "test"))
    assert not train.bare
    assert [sorted(set(part.subject.tolist())) for part in (train, test)] == [
        ["A00001", "A00002"],
        ["A00003", "A00004"],
    ]


def test_several_folders_that_no_name_tells_apart_are_refused(folder, tmp_path, write):
    write(folder.parent / "validation", "A00001")
    (folder.parent / "validation" / "REFERENCE.csv").write_text("A00001,N\n")
    with pytest.raises(DataError, match=r"2 folders of .*validation/REFERENCE.csv.*: give one of them"):
        opened(folder.parent, tmp_path)


def test_the_highest_version_of_the_labels_counts(folder, tmp_path):
    (folder / "REFERENCE-v3.csv").write_text("A00001,A\nA00002,N\nA00003,A\nA00004,O\nA00005,~\n")
    (folder / "REFERENCE-v2.csv").write_text("A00001,O\nA00002,N\nA00003,A\nA00004,O\nA00005,~\n")
    (folder / "REFERENCE-original.csv").write_text("A00001,~\n")
    assert opened(folder, tmp_path).y.tolist() == [1, 1, 0, 0, 1, 1, 2, 2]


def test_records_without_a_label_are_left_out_and_said(folder, tmp_path, write):
    write(folder, "A00009")
    found = opened(folder, tmp_path)
    assert "A00009" not in found.subject
    assert "1 records are not in REFERENCE.csv and left out: A00009" in found.notes


def test_a_label_outside_of_records_needs_no_file(folder, tmp_path):
    with (folder / "REFERENCE.csv").open("a") as file:
        file.write("A00077,N\n")
    assert len(opened(folder, tmp_path)) == 8


def edit(name, change):
    def damage(folder):
        file = folder / name
        file.write_bytes(change(file.read_bytes()))

    return damage


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda f: (f / "A00003.mat").unlink(), "A00003.mat: is not there, but line 3 of REFERENCE.csv"),
        (
            lambda f: (f / "A00003.hea").unlink(),
            r"A00003.hea: is not there, and A00003.mat does not state its",
        ),
        (edit("A00003.mat", lambda raw: raw[:-10]), "A00003.mat: holds 3595 samples where it says 3600"),
        (edit("A00003.mat", lambda raw: raw[:10]), "A00003.mat: has 10 bytes: is it complete"),
        (
            edit("A00003.mat", lambda raw: b"MATLAB 5.0 MAT-file" + raw),
            "A00003.mat: is not a row of 16-bit int",
        ),
        (edit("A00003.mat", lambda raw: raw[:24] + raw[26:] + b"\1\1"), "A00003.mat: adds up to .* damaged"),
        (edit("A00003.hea", lambda raw: raw.replace(b"3600", b"3000")), "3600 samples, A00003.hea says 3000"),
        (edit("A00003.hea", lambda raw: raw[:20]), "A00003.hea: is not a complete WFDB header"),
        (edit("A00003.hea", lambda raw: raw.replace(b"1000/mV", b"x")), "header: 'x' is not a gain"),
        (edit("A00003.hea", lambda raw: raw.replace(b"mV", b"NU")), "gives its signal in 'NU', not in mV"),
        (edit("A00003.hea", lambda raw: raw.replace(b"300 3600", b"0 3600")), "says 0 Hz"),
        (edit("A00003.hea", lambda raw: raw.replace(b"16+24", b"212")), "1 signals in format 212, not one"),
        (edit("REFERENCE.csv", lambda raw: raw.replace(b"3,A", b"3,X")), "line 3: label 'X' is none of N, A"),
        (edit("REFERENCE.csv", lambda raw: raw + raw[:9]), "line 6: lists A00001 again"),
        (edit("REFERENCE.csv", lambda raw: raw + b"A00009\n"), "line 6 is not RECORD,LABEL: 'A00009'"),
    ],
)
def test_damage_is_one_line_that_names_the_file(folder, tmp_path, damage, says):
    damage(folder)
    with pytest.raises(DataError, match=says) as raised:
        opened(folder, tmp_path)
    assert "\n" not in str(raised.value)


def test_records_without_headers_need_their_rate(folder, tmp_path):
    for file in folder.glob("*.hea"):
        file.unlink()
    with pytest.raises(DataError, match=r"A00001\.hea: is not there.*give --sampling-rate 300"):
        opened(folder, tmp_path)
    found = opened(folder, tmp_path, sampling_rate=300)
    assert len(found) == 8
    assert any("5 records have no header: they are taken for 300 Hz" in note for note in found.notes)


def test_a_rate_beside_headers_is_refused(folder, tmp_path):
    with pytest.raises(DataError, match=r"--sampling-rate 250: .* tells its own rate; leave it out"):
        opened(folder, tmp_path, sampling_rate=250)


def test_a_task_of_two_leads_is_refused(folder, tmp_path):
    with pytest.raises(DataError, match="have one lead, task 'rhythm' has 2"):
        opened(folder, tmp_path, task=dataclasses.replace(TASK, leads=2))


def test_inspecting_and_episodes(folder):
    found = atml.data.inspect(folder, task=TASK, label=LABELS.get)
    assert found.faults == () and found.splits[0].refusal == ""
    assert found.splits[0].total.rhythms == {"AF": 1, "N": 2, "NOISE": 1, "O": 1}
    assert found.splits[0].total.windows == {"N": 4, "AF": 2, "O": 2}
    long = atml.data.episodes(folder, task=TASK, label=LABELS.get)
    assert [(item.subject, item.label, item.onset, item.x.shape) for item in long] == [
        (f"A0000{number}", label, 0, (1, 1200)) for number, label in ((1, 0), (2, 0), (3, 1), (4, 2))
    ]


def test_the_published_records(real_data, tmp_path):
    if not (real_data / "cinc2017").is_dir():
        pytest.skip(f"no cinc2017 in {real_data}")
    task = dataclasses.replace(TASK, classes=("N", "AF", "O", "noise"), window=900)
    found = opened(real_data / "cinc2017", tmp_path, ANY, task)
    of = {str(record): str(rhythm) for record, rhythm in zip(found.record, found.rhythm, strict=True)}
    assert Counter(of.values()) == {"N": 75, "AF": 25, "O": 35, "NOISE": 15}
    assert np.isfinite(found.x).all() and 4000 / 9 < len(found) < 5000 / 9
    wfdb = pytest.importorskip("wfdb", reason="no wfdb; pip install 'atml[wfdb]'")
    for ending in ("hea", "mat"):
        content = (real_data / "cinc2017" / f"A00001.{ending}").read_bytes()
        # wfdb refuses the date before the time.
        (tmp_path / f"A00001.{ending}").write_bytes(
            re.sub(rb" 20\d\d-\d\d-\d\d [\d:]+", b"", content, count=1)
        )
    expected = wfdb.rdrecord(str(tmp_path / "A00001")).p_signal[:, 0]
    exact = opened(
        real_data / "cinc2017", tmp_path, ANY, dataclasses.replace(task, sampling_rate=300, window=2700)
    )
    np.testing.assert_allclose(exact.x[0, 0], expected[:2700], atol=1e-6)
