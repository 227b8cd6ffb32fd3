"""EDF, EDF+ and BDF: leads in mV, rhythms by annotations, patients by their code."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import atml.data
from atml.data import piecewise
from atml.data.dataset import Dataset
from atml.data.formats import edf_file
from atml.data.formats.detection import kind_of
from atml.data.formats.wfdb_header import Unusable
from atml.data.stretch import Stretch
from atml.data.unlabelled import signals
from atml.errors import DataError, MissingExtraError
from atml.tasks.task import Task

edfio = pytest.importorskip("edfio", reason="no edfio; pip install 'atml[edf]'")

Opened = Callable[..., Dataset]
RATE = 50
Note = tuple[float, float | None, str]


def x_of(seed: int, seconds: int = 8, rate: int = RATE) -> np.ndarray:
    return np.round(np.random.default_rng(seed).normal(0, 0.5, seconds * rate), 3)


def write(
    file: Path,
    x: np.ndarray,
    notes: Sequence[Note],
    *,
    code: str = "X",
    unit: str = "mV",
    label: str = "ECG II",
    rate: int = RATE,
    others: Sequence[Any] = (),
) -> Path:
    file.parent.mkdir(exist_ok=True, parents=True)
    kind, whole = (edfio.BdfSignal, edfio.Bdf) if file.suffix == ".bdf" else (edfio.EdfSignal, edfio.Edf)
    fixed = {"physical_range": (-32.0, 32.0), "digital_range": (-32000, 32000)}
    ecg = kind(x, rate, label=label, physical_dimension=unit, **fixed)
    annotations = [edfio.EdfAnnotation(*note) for note in notes]
    patient = edfio.Patient(code=code)
    whole([*others, ecg], patient=patient, annotations=annotations or None).write(file)
    return file


@pytest.mark.parametrize("ending", ["edf", "bdf"])
def test_a_long_file_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    file = write(tmp_path / f"a.{ending}", x_of(1, 60), [(0, None, "N")])
    whole = edf_file.opened(file, file.name).load([0])
    monkeypatch.setattr(piecewise, "PIECE", 333)
    np.testing.assert_array_equal(edf_file.opened(file, file.name).load([0]), whole)


def breathing() -> Any:
    return edfio.EdfSignal(np.sin(np.arange(80.0)), 10, label="Resp", physical_dimension="uV")


@pytest.mark.parametrize("ending", ["edf", "bdf"])
def test_rhythms_leads_units_and_patients(opened: Opened, tmp_path: Path, ending: str) -> None:
    root = tmp_path / "set"
    other = [breathing()] if ending == "edf" else []
    write(root / f"a.{ending}", x_of(1), [(0, None, "N"), (4, None, "AFIB")], code="P1", others=other)
    write(root / f"b.{ending}", x_of(2), [(2, 4, "N")], code="P1", unit="uV", label="Lead II")
    write(root / f"c.{ending}", x_of(3), [(0, 8, "AFIB")])
    write(root / f"d.{ending}", x_of(4), [])
    assert kind_of(root) == "edf"
    found = opened(root)
    assert found.subject.tolist() == ["P1"] * 6 + ["c"] * 4
    assert found.rhythm.tolist() == ["N"] * 2 + ["AFIB"] * 2 + ["N"] * 2 + ["AFIB"] * 4
    expected = np.concatenate([x_of(1), x_of(2)[100:300] / 1000, x_of(3)]).reshape(10, 1, 100)
    np.testing.assert_allclose(found.x, expected, atol=2e-6)
    notes = "\n".join(found.notes)
    assert "1 files have no annotations and are left out: d" in notes
    assert "1 files name no patient, and each is taken for one subject: c" in notes


def test_files_without_annotations_need_a_table(opened: Opened, tmp_path: Path) -> None:
    root = tmp_path / "set"
    for at, name in enumerate("ab"):
        write(root / f"{name}.edf", x_of(at), [])
    with pytest.raises(DataError, match=r"holds a, b without annotations.*--labels FILE.*'file,label'"):
        opened(root)
    (tmp_path / "labels.csv").write_text("file,label\na.edf,N\nb,AFIB\n")
    assert opened(root, labels=tmp_path / "labels.csv").rhythm.tolist() == ["N"] * 4 + ["AFIB"] * 4


def test_files_beside_the_splits_are_told_and_wfdb_goes_first(opened: Opened, tmp_path: Path) -> None:
    root = tmp_path / "set"
    for at, place in enumerate(("train_data/a", "test_data/b", "val_data/c")):
        write(root / f"{place}.edf", x_of(at), [(0, None, "N"), (4, None, "AFIB")])
    found = opened(root)
    assert set(found.subject.tolist()) == {"a"} and not found.bare
    assert "1 files are in neither train nor test, and left out: val_data/c.edf" in found.notes
    (root / "train_data" / "a.hea").write_text("a 0 250\n")
    assert kind_of(root) != "edf"


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-60])


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (cut, r"a\.edf: .*truncated.*: is it complete"),
        (lambda file: file.write_bytes(file.read_bytes()[:100]), r"a\.edf: can't be read as EDF"),
        (lambda file: file.write_bytes(b""), r"a\.edf: can't be read as EDF"),
        (
            lambda file: write(file, x_of(1), [(0, None, "N")], unit="kPa"),
            r"a\.edf: gives 'ECG II' in 'kPa', not in mV",
        ),
        (
            lambda file: write(file, x_of(1), [(0, None, "N")], unit=""),
            r"a\.edf: gives 'ECG II' no unit",
        ),
        (
            lambda file: write(
                file,
                x_of(1),
                [(0, None, "N")],
                others=[edfio.EdfSignal(x_of(1, rate=100), 100, label="ECG I", physical_dimension="mV")],
            ),
            r"a\.edf: has leads at several rates \(I 100, II 50 Hz\)",
        ),
        (
            lambda file: change(file, b"EDF+C", b"EDF+D", b"+2\x14\x14", b"+3\x14\x14"),
            r"a\.edf: has gaps \(EDF\+D\)",
        ),
    ],
)
def test_what_is_wrong_is_one_line(
    opened: Opened, tmp_path: Path, spoil: Callable[[Path], object], says: str
) -> None:
    spoil(write(tmp_path / "set" / "a.edf", x_of(1), [(0, None, "N")]))
    with pytest.raises(DataError, match=says) as caught:
        opened(tmp_path / "set")
    assert "\n" not in str(caught.value)


def change(file: Path, *pairs: bytes) -> None:
    data = file.read_bytes()
    for old, new in zip(pairs[::2], pairs[1::2], strict=True):
        assert old in data
        data = data.replace(old, new)
    file.write_bytes(data)


def test_a_rate_need_not_be_whole_but_one_of_an_ecg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "a.edf", x_of(1), [])
    header = bytearray(file.read_bytes())
    header[244:252] = b"1.1     "  # seconds of a data record
    file.write_bytes(header)
    found = edf_file.opened(file, "a.edf")
    assert found.rate == Fraction(500, 11)
    whole = found.load([0])
    monkeypatch.setattr(piecewise, "PIECE", 33)
    np.testing.assert_array_equal(edf_file.opened(file, "a.edf").load([0]), whole)
    header[244:252] = b"1000    "
    file.write_bytes(header)
    with pytest.raises(Unusable, match=r"0\.05 Hz, which is no rate of an ECG"):
        edf_file.opened(file, "a.edf")


def test_a_micro_sign_in_a_header_is_one(tmp_path: Path) -> None:
    file = write(tmp_path / "a.edf", x_of(1), [], unit="uV")
    change(file, b"uV      ", b"\xb5V      ")
    found = edf_file.opened(file, "a.edf")
    np.testing.assert_allclose(found.load([0])[0], x_of(1) / 1000, atol=1e-9)


def test_signals_need_no_annotations(tmp_path: Path, task: Task) -> None:
    write(tmp_path / "a.edf", x_of(1), [], others=[breathing()])
    (found,) = signals(tmp_path / "a.edf", task)
    assert (found.name, found.rate) == ("a", RATE)
    np.testing.assert_allclose(found.x[0], x_of(1), atol=1e-6)
    with pytest.raises(DataError, match="tells 50 Hz; leave out --sampling-rate 100"):
        list(signals(tmp_path / "a.edf", task, sampling_rate=100))


def test_annotations_become_stretches() -> None:
    notes: list[Note] = [(1, None, "N"), (2, 2, "AFIB"), (3, None, "N"), (20, None, "VF")]
    assert edf_file.stretches(notes, 60, 10) == [
        Stretch(0, 10, "", "no rhythm annotated"),
        Stretch(10, 20, "N"),
        Stretch(20, 30, "AFIB"),
        Stretch(30, 60, "N"),
    ]


def test_without_the_package_the_extra_is_named(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "set" / "a.edf", x_of(1), [(0, None, "N")])
    monkeypatch.setitem(__import__("sys").modules, "edfio", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'atml\[edf\]'"):
        opened(tmp_path / "set")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    file = write(tmp_path_factory.mktemp("edf") / "a.edf", x_of(1), [(0, None, "N"), (4, None, "AFIB")])
    return file.read_bytes()


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 1023), byte=st.integers(0, 255))
def test_a_changed_byte_is_refused_or_read(
    whole: bytes, tmp_path: Path, task: Task, at: int, byte: int
) -> None:
    """No traceback, whatever the header says."""
    data = bytearray(whole)
    data[at] = byte
    root = tmp_path / "set"
    root.mkdir(exist_ok=True)
    (root / "a.edf").write_bytes(data)
    two = dataclasses.replace(task, window=50)
    try:
        found = atml.data.inspect(root, task=two, label={"N": 0, "AFIB": 1}.get)
    except DataError as error:
        assert "\n" not in str(error)
        return
    assert all("\n" not in fault.detail for fault in found.faults)
