"""What every format of data sets has to do, run over all of them and over one that a user adds."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.io

import atml.data
from atml.data.formats import FORMATS
from atml.data.formats.base import Asked, Format, Segment
from atml.data.formats.detection import kind_of, look_all
from atml.errors import DataError
from atml.tasks.task import Task

RATE, WINDOW = 250, 1000
TASK = Task(name="rhythm", classes=("N", "AF", "O"), positive=1, sampling_rate=RATE, window=WINDOW)
RHYTHM = {"S1": "N", "S2": "AF", "S3": "O", "S4": "N"}
"""Of each subject; each has two windows."""


def label(rhythm: str) -> int | None:
    return {"N": 0, "AF": 1, "A": 1, "O": 2}.get(rhythm)


def x_of(subject: str) -> np.ndarray:
    """Two windows of one subject in mV, to three decimals; no value recurs for long."""
    draw = np.random.default_rng(list(subject.encode())).normal(0, 0.5, 2 * WINDOW)
    return np.round(draw, 3).astype(np.float32)


class CsvFolder(Format):
    """A user's own: files SUBJECT_RHYTHM.csv with a column of mV, at 250 Hz."""

    tells_rate = True

    @staticmethod
    def recognises(path):
        return path.is_dir() and any(path.glob("*_*.csv"))

    def read(self, split):
        files = sorted(self.path.glob("*_*.csv"))
        rows = [Segment(file.name, *file.stem.split("_"), np.loadtxt(file, ndmin=2).T) for file in files]
        return self.parsed(rows, rate=250)


def write_csv(folder, subjects):
    folder.mkdir()
    for name in subjects:
        np.savetxt(folder / f"{name}_{RHYTHM[name]}.csv", x_of(name))
    return folder


def write_contest(folder, subjects):
    folder.mkdir(parents=True)
    for name in subjects:
        for number, x in enumerate(x_of(name).reshape(2, WINDOW)):
            (folder / f"{name}-{RHYTHM[name]}-{number}.txt").write_text("".join(f"{v:.3f}\n" for v in x))
    return folder


def write_npz(folder, subjects):
    path = folder.with_suffix(".npz")
    rows = [name for name in subjects for _ in range(2)]
    np.savez(
        path,
        x=np.concatenate([x_of(name).reshape(2, WINDOW) for name in subjects]),
        y=np.array([label(RHYTHM[name]) for name in rows]),
        subject=np.array(rows),
        rhythm=np.array([RHYTHM[name] for name in rows]),
    )
    return path


def write_matlab(folder, subjects):
    path = folder.with_suffix(".mat")
    rows = [(name, x) for name in subjects for x in x_of(name).reshape(2, WINDOW)]
    data = np.zeros((1, len(rows)), [(field, object) for field in ("pat_ID", "s_ns", "r_type", "s_ecg")])
    for at, (name, x) in enumerate(rows):
        data[0, at] = (name, int(RHYTHM[name] == "AF"), RHYTHM[name], x[None].astype(float))
    scipy.io.savemat(path, {"data": data})
    return path


def write_cinc2017(folder, subjects):
    folder.mkdir(parents=True)
    for name in subjects:
        values = np.round(x_of(name) * 1000).astype("<i2")
        head = struct.pack("<5i4s", 30, 1, len(values), 0, 4, b"val\0")
        (folder / f"{name}.mat").write_bytes(head + values.tobytes())
        (folder / f"{name}.hea").write_text(
            f"{name} 1 {RATE} {len(values)} 2014-05-08 05:05:15\n{name}.mat 16+24 1000/mV 16 0 0 0 0 ECG\n"
        )
    listed = [f"{name},{'A' if RHYTHM[name] == 'AF' else RHYTHM[name]}\n" for name in subjects]
    (folder / "REFERENCE.csv").write_text("".join(listed))
    return folder


def write_wfdb(folder, subjects):
    wfdb = pytest.importorskip("wfdb", reason="no wfdb; pip install 'atml[wfdb]'")
    folder.mkdir(parents=True)
    for name in subjects:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of pandas, for how wfdb calls it
            wfdb.wrsamp(
                name,
                fs=RATE,
                units=["mV"],
                sig_name=["II"],
                p_signal=x_of(name)[:, None].astype(float),
                fmt=["16"],
                adc_gain=[1000.0],
                baseline=[0],
                write_dir=str(folder),
            )
            note = [f"({RHYTHM[name]}"]
            wfdb.wrann(name, "atr", np.array([0]), ["+"], aux_note=note, fs=RATE, write_dir=str(folder))
    return folder


def write_record(folder, name, comment=""):
    """Write a WFDB record by hand: lead II in format 16, and what its header has to say."""
    values = np.round(x_of(name) * 1000).astype("<i2")
    (folder / f"{name}.dat").write_bytes(values.tobytes())
    line = f"{name}.dat 16 1000/mV 16 0 {values[0]} {int(values.sum(dtype=np.int64)) & 0xFFFF} 0 II"
    (folder / f"{name}.hea").write_text(f"{name} 1 {RATE} {len(values)}\n{line}\n{comment}")


def write_dx(folder, subjects):
    pytest.importorskip("wfdb", reason="no wfdb; pip install 'atml[wfdb]'")
    folder.mkdir(parents=True)
    for name in subjects:
        code = {"N": "426783006", "AF": "164889003"}.get(RHYTHM[name], RHYTHM[name])
        write_record(folder, name, f"#Age: 70\n#Dx: {code}\n")
    return folder


def write_table(folder, subjects):
    pytest.importorskip("wfdb", reason="no wfdb; pip install 'atml[wfdb]'")
    folder.mkdir(parents=True)
    for name in subjects:
        write_record(folder, name)
    rows = [f"{name}.hea,{name},{RHYTHM[name]}\n" for name in subjects]
    (folder / "list.csv").write_text("".join(["File Name,Patient ID,Label\n", *rows]))
    return folder


def write_edf(folder, subjects):
    edfio = pytest.importorskip("edfio", reason="no edfio; pip install 'atml[edf]'")
    folder.mkdir(parents=True)
    for name in subjects:
        signal = edfio.EdfSignal(
            x_of(name).astype(float),
            RATE,
            label="ECG II",
            physical_dimension="mV",
            physical_range=(-32.0, 32.0),
            digital_range=(-32000, 32000),
        )
        note = edfio.EdfAnnotation(0, None, RHYTHM[name])
        patient = edfio.Patient(code=name)
        edfio.Edf([signal], patient=patient, annotations=[note]).write(folder / f"{name}.edf")
    return folder


def write_hdf5(folder, subjects):
    h5py = pytest.importorskip("h5py", reason="no h5py; pip install 'atml[hdf5]'")
    rows = [name for name in subjects for _ in range(2)]
    path = folder.with_suffix(".h5")
    with h5py.File(path, "w") as file:
        file["ECG"] = np.concatenate([x_of(name).reshape(2, WINDOW) for name in subjects])
        file["y"] = np.array([label(RHYTHM[name]) for name in rows])
        file["patient"] = rows
        file["rhythm"] = [RHYTHM[name] for name in rows]
    return path


def write_parquet(folder, subjects):
    pyarrow = pytest.importorskip("pyarrow", reason="no pyarrow; pip install 'atml[parquet]'")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [name for name in subjects for _ in range(2)]
    columns = {
        "x": [list(x) for name in subjects for x in x_of(name).reshape(2, WINDOW)],
        "label": [RHYTHM[name] for name in rows],
        "patient_id": rows,
        "age": [70] * len(rows),
    }
    parquet.write_table(pyarrow.table(columns), folder.with_suffix(".parquet"))
    return folder.with_suffix(".parquet")


WRITERS = {
    "contest": write_contest,
    "wfdb": write_wfdb,
    "cinc2017": write_cinc2017,
    "matlab": write_matlab,
    "npz": write_npz,
    "hdf5": write_hdf5,
    "parquet": write_parquet,
    "dx": write_dx,
    "table": write_table,
    "edf": write_edf,
    "csv": write_csv,
}


@pytest.fixture(autouse=True)
def _own(monkeypatch):
    monkeypatch.setitem(FORMATS, "csv", CsvFolder)


@pytest.fixture(params=WRITERS)
def kind(request) -> str:
    return request.param


@pytest.fixture
def written(kind, tmp_path) -> Path:
    return WRITERS[kind](tmp_path / "set", RHYTHM)


@pytest.fixture
def opened(tmp_path):
    def call(path, task=TASK, label=label, **options):
        return atml.data.open(path, task=task, label=label, cache=tmp_path / "cache", **options)

    return call


def test_every_format_is_written_here():
    assert set(WRITERS) == {kind for kind, one in FORMATS.items() if not one.pictures}


def test_it_is_recognised(kind, written, tmp_path):
    assert kind_of(written) == kind
    assert not FORMATS[kind].recognises(tmp_path / "nothing.here")
    assert not FORMATS[kind].recognises(tmp_path / "nothing")


def test_values_subjects_and_labels_are_those_written(written, opened):
    found = opened(written)
    rows = np.argsort(found.subject, kind="stable")
    assert found.subject[rows].tolist() == [name for name in RHYTHM for _ in range(2)]
    assert found.rhythm[rows].tolist() == [RHYTHM[name] for name in RHYTHM for _ in range(2)]
    assert found.y[rows].tolist() == [label(RHYTHM[name]) for name in RHYTHM for _ in range(2)]
    expected = np.concatenate([x_of(name).reshape(2, 1, WINDOW) for name in RHYTHM])
    assert found.x.dtype == np.float32
    np.testing.assert_allclose(found.x[rows], expected, atol=1e-6)


def test_a_name_need_not_be_utf8(kind, written, opened, tmp_path):
    odd = tmp_path / os.fsdecode(b"caf\xe9" + written.suffix.encode())
    written.rename(odd)
    found = opened(odd)
    assert found.name == "caf\N{LATIN SMALL LETTER E WITH ACUTE}" and len(found) == 8


@pytest.mark.parametrize("ending", ["zip", "gztar"])
def test_an_archive_of_it_opens_or_has_to_be_unpacked(kind, written, opened, tmp_path, ending):
    (tmp_path / "packed").mkdir()
    base = str(tmp_path / "packed" / "set")
    path = Path(shutil.make_archive(base, ending, root_dir=tmp_path, base_dir=written.name))
    if kind == "contest" or (kind, ending) == ("cinc2017", "zip"):
        assert opened(path).fingerprint == opened(written).fingerprint
        return
    with pytest.raises(DataError, match=r"set\.(zip|tar\.gz), .*: unpack it and give the folder"):
        opened(path)


def test_a_copy_is_the_same_and_made_anew_for_changed_files(written, opened):
    first, again = opened(written), opened(written)
    assert first.fingerprint == again.fingerprint and isinstance(again.x, np.memmap)
    asked = Asked(task=TASK, label=label)
    before = look_all(written, asked)[0].contents.identity
    file = (
        next(path for path in sorted(written.rglob("*")) if path.is_file()) if written.is_dir() else written
    )
    os.utime(file, ns=(1, 1))
    assert look_all(written, asked)[0].contents.identity != before


def test_the_record_of_a_window_is_known_where_there_are_records(kind, written, opened):
    found = opened(written)
    if FORMATS[kind].recordings:
        assert found.record is not None and found.record.tolist() == found.subject.tolist()
    else:
        assert found.record is None


def test_train_and_test_are_told_apart_where_it_says_so(kind, written, tmp_path, opened):
    assert opened(written).bare
    if kind not in ("contest", "wfdb", "cinc2017", "dx", "edf"):
        return
    both = tmp_path / "both"
    WRITERS[kind](both / "train_data", ["S1", "S2"])
    WRITERS[kind](both / "test_data", ["S3", "S4"])
    two = dataclasses.replace(TASK, classes=("N", "other"))
    train, test = (
        opened(both, two, lambda rhythm: int(rhythm != "N"), split=split) for split in ("train", "test")
    )
    assert not train.bare and not test.bare
    assert sorted({*train.subject.tolist()}) == ["S1", "S2"]
    assert sorted({*test.subject.tolist()}) == ["S3", "S4"]


def in_capitals(path):
    """Name a set, and all in it, as a disk of another system does."""
    for file in sorted(path.rglob("*"), reverse=True):
        file.rename(file.with_name(file.name.upper()))
    return path if path.is_dir() else path.rename(path.with_name(path.name.upper()))


def test_names_in_capitals_make_no_other_set(kind, written, tmp_path, opened):
    if kind == "csv":  # a user's own
        return
    before = opened(written)
    found = opened(in_capitals(written))
    assert found.fingerprint == before.fingerprint
    said = [note for note in found.notes if "other letters than usual, capital or small" in note]
    assert len(said) == (tmp_path / "set").is_dir()
    if kind not in ("contest", "wfdb", "cinc2017", "dx", "edf"):
        return
    both = tmp_path / "both"
    WRITERS[kind](both / "train_data", ["S1", "S2"])
    WRITERS[kind](both / "test_data", ["S3", "S4"])
    in_capitals(both)
    sets = [both]
    if kind in ("contest", "cinc2017"):
        sets.append(Path(shutil.make_archive(str(tmp_path / "both"), "zip", both)))
    if kind == "contest":
        sets.append(Path(shutil.make_archive(str(tmp_path / "both"), "gztar", both)))
    two = dataclasses.replace(TASK, classes=("N", "other"))
    for one in sets:
        for split, people in (("train", ["S1", "S2"]), ("test", ["S3", "S4"])):
            part = opened(one, two, lambda rhythm: int(rhythm != "N"), split=split)
            assert not part.bare and sorted({*part.subject.tolist()}) == people


def test_files_that_differ_in_case_alone_are_refused_with_both_names(kind, written, opened):
    if kind == "csv" or not written.is_dir():
        return
    file = next(path for path in sorted(written.iterdir()) if path.name.startswith("S1"))
    other = file.with_name(file.name.swapcase())
    other.write_bytes(file.read_bytes())
    if other.samefile(file):
        pytest.skip("this disk does not tell them apart")
    first, second = sorted([file.name, other.name])
    with pytest.raises(DataError, match=f"holds {re.escape(first)} and {re.escape(second)}, whose names"):
        opened(written)


def test_rhythms_that_the_task_does_not_know_are_left_out_and_said(written, opened):
    found = opened(written, label={"N": 0, "AF": 1}.get, split="test")
    assert set(found.subject.tolist()) == {"S1", "S2", "S4"}
    assert "2 windows left out, of rhythms unknown to the task: 'O' (2)" in found.notes


def test_too_few_classes_are_refused(written, opened):
    with pytest.raises(DataError, match=r"\(train\) holds only 'N', 'O' of the classes N, AF, O"):
        opened(written, label={"N": 0, "O": 2}.get)
    with pytest.raises(DataError, match=r"\(test\) holds only 'N' of the classes N, AF, O"):
        opened(written, label={"N": 0}.get, split="test")


def test_test_data_may_lack_a_class_and_say_so(written, opened):
    found = opened(written, label={"N": 0, "O": 2}.get, split="test")
    assert set(found.y.tolist()) == {0, 2}
    assert "no window of class 'AF': only 'N', 'O' can be judged" in found.notes


def test_a_rate_is_told_or_has_to_be_given(kind, written, opened):
    slow = dataclasses.replace(TASK, sampling_rate=125, window=500)
    if FORMATS[kind].tells_rate or kind == "cinc2017":
        assert opened(written, slow).x.shape == (8, 1, 500)
        with pytest.raises(DataError, match=r"--sampling-rate 250: .* tells its own rate; leave it out"):
            opened(written, slow, sampling_rate=250)
    else:
        with pytest.raises(DataError, match="--sampling-rate"):
            opened(written, slow)
        assert opened(written, slow, sampling_rate=250).x.shape == (8, 1, 500)


def test_leads_can_be_chosen_only_where_there_are_some(kind, written, opened):
    if look_all(written, Asked(task=TASK, label=label))[0].contents.chooses_leads:
        assert len(opened(written, leads=("II",))) == 8
    else:
        with pytest.raises(DataError, match=r"--lead II: .*; leave it out"):
            opened(written, leads=("II",))


def test_more_leads_than_there_are_is_one_line(written, opened):
    with pytest.raises(DataError, match="lead") as raised:
        opened(written, dataclasses.replace(TASK, leads=2))
    assert "\n" not in str(raised.value)


def test_looking_it_over_finds_no_fault(written):
    found = atml.data.inspect(written, task=TASK, label=label)
    assert found.faults == () and [split.refusal for split in found.splits] == [""]
    assert found.splits[0].total.windows == {"N": 4, "AF": 2, "O": 2}


def test_episodes_are_what_is_longer_than_a_window(kind, written):
    short = dataclasses.replace(TASK, window=250)
    rate = {} if FORMATS[kind].tells_rate or kind in ("cinc2017", "csv") else {"sampling_rate": 250}
    found = atml.data.episodes(written, task=short, label=label, **rate)
    if kind == "csv":  # says nothing of them
        assert found == ()
        return
    assert {(part.subject, part.label) for part in found} == {(n, label(r)) for n, r in RHYTHM.items()}
    assert all(part.x.shape[1] in (WINDOW, 2 * WINDOW) and part.onset == 0 for part in found)


def test_sets_of_different_formats_open_together(tmp_path, opened):
    first, second = write_npz(tmp_path / "one", RHYTHM), write_cinc2017(tmp_path / "two", ["S1", "S2"])
    found = opened([first, second])
    assert len(found) == 12 and "two/S1" in found.subject and found.record is None
    assert {name.partition("/")[0] for name in found.subject.tolist()} == {"one", "two"}


def test_a_path_of_no_format_is_refused(tmp_path, opened):
    (tmp_path / "note.pdf").write_text("no ECG")
    with pytest.raises(DataError, match=r"can't read .*note\.pdf: not a folder"):
        opened(tmp_path / "note.pdf")
    with pytest.raises(DataError, match="no such file or folder"):
        opened(tmp_path / "none")


def test_a_folder_of_several_sets_is_none(tmp_path):
    """The first one that is found in it would stand for all."""
    write_cinc2017(tmp_path / "all" / "one", ["S1", "S2"])
    write_npz(tmp_path / "all" / "two", ["S1", "S2"])
    with pytest.raises(DataError, match=r"all holds 2 sets: one, two\.npz; give each by itself"):
        look_all(tmp_path / "all", Asked(task=TASK, label=label))
    assert look_all(tmp_path / "all" / "one", Asked(task=TASK, label=label))[0].kind == "cinc2017"
