from __future__ import annotations

import os
import re
import tracemalloc
import warnings
from collections import Counter, defaultdict

import numpy as np
import pytest

from atml.data import file_tree, piecewise
from atml.data.formats import wfdb_folder, wfdb_formats, wfdb_header, wfdb_record
from atml.data.formats.base import Asked
from atml.data.formats.detection import look_all
from atml.data.labelling import judge
from atml.errors import DataError, MissingExtraError
from atml.tasks.task import Task

TASK = Task(name="defib", classes=("no shock", "shock"), positive=1, sampling_rate=250, window=500)
RATE = 360
LABELS = {"N": 0, "VF": 1}


def noise(seconds, rate=RATE, leads=2, seed=0):
    return np.round(np.random.default_rng(seed).normal(0, 0.3, (int(seconds * rate), leads)), 2)


@pytest.fixture
def record(tmp_path):
    """Write a record: signal (samples, leads) in mV, and marks (seconds, symbol, note or subtype)."""
    wfdb = pytest.importorskip("wfdb")

    def write(name, marks, x=None, rate=RATE, folder=tmp_path, names=("MLII", "V1"), units="mV", **other):
        folder.mkdir(exist_ok=True)
        x = noise(20, rate) if x is None else x
        leads = x.shape[1]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of pandas, for how wfdb calls it
            wfdb.wrsamp(
                name,
                fs=rate,
                units=[units] * leads,
                sig_name=list(names)[:leads],
                p_signal=x,
                fmt=["212"] * leads,
                adc_gain=[200.0] * leads,
                baseline=[0] * leads,
                write_dir=str(folder),
                **other,
            )
            if marks:
                wfdb.wrann(
                    name,
                    "atr",
                    np.array([round(mark[0] * rate) for mark in marks]),
                    [mark[1] for mark in marks],
                    subtype=np.array([mark[2] if isinstance(mark[2], int) else 0 for mark in marks]),
                    aux_note=[mark[2] if isinstance(mark[2], str) else "" for mark in marks],
                    fs=rate,
                    write_dir=str(folder),
                )
        return folder

    return write


BOTH = [(1, "+", "(N\0"), (10, "+", "(VF\0")]


def read(path, leads=(), task=TASK, split="train"):
    return wfdb_folder.read(path, split, task, leads)


def x_of(parsed):
    return np.concatenate(parsed.blocks)


def account(parsed, record=None):
    """Return (kept, left out) of each rhythm."""
    rows = [row for row in parsed.seconds if record in (None, row.record)]
    return {
        row.rhythm: (round(row.kept, 3), {k: round(v, 3) for k, v in row.left_out.items()}) for row in rows
    }


def test_windows_lie_inside_one_rhythm(record):
    parsed = read(record("r1", BOTH))
    rows = parsed.files.take(parsed.owner)
    assert rows.rhythm.tolist() == ["N"] * 4 + ["VF"] * 5 and set(rows.subject.tolist()) == {"r1"}
    assert parsed.files.place.tolist() == ["r1 at 0:01", "r1 at 0:10"]
    assert x_of(parsed).shape == (9, 1, 500) and x_of(parsed).dtype == np.float32
    assert parsed.faults == [] and parsed.length.tolist() == [9 * RATE, 10 * RATE]
    assert account(parsed) == {
        "": (0, {"no rhythm annotated": 1}),
        "N": (8, {"rest of a stretch": 1}),
        "VF": (10, {}),
    }


def test_values_are_millivolts_and_windows_adjacent(record):
    x = noise(20, 250)
    parsed = read(record("r1", BOTH, x, rate=250))
    np.testing.assert_allclose(x_of(parsed)[:, 0].ravel(), np.r_[x[250:2250, 0], x[2500:, 0]], atol=0.0026)


def test_microvolts_become_millivolts(record):
    parsed = read(record("r1", BOTH, noise(20, 250), rate=250, units="uV"))
    assert x_of(parsed).std() == pytest.approx(0.3e-3, rel=0.05)


def test_a_unit_that_is_no_voltage_is_a_fault(record):
    fault = read(record("r1", BOTH, units="mmHg")).faults[0]
    assert fault.file == "r1.hea" and "'mmHg', not in mV" in fault.detail


def rewritten(path, old, new, encoding="utf-8"):
    """Change the header of a record to what another program would have written."""
    text = (path / "r1.hea").read_text()
    assert old in text
    (path / "r1.hea").write_bytes(text.replace(old, new).encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
@pytest.mark.parametrize("unit", ["\N{MICRO SIGN}V", "uV", "UV"])
def test_a_micro_sign_is_no_volt(record, unit, encoding):
    path = record("r1", BOTH)
    inside = x_of(read(path))
    found = x_of(read(rewritten(path, "/mV", f"/{unit}", encoding)))
    assert np.allclose(found, inside / 1000)


def test_a_gain_whose_unit_is_apart_is_a_fault(record):
    for old, new in (("/mV", "/ mV"), ("/mV", " /mV"), ("/mV", "/")):
        fault = damaged(record("r1", BOTH), "r1.hea", lambda p, o=old, n=new: rewritten(p.parent, o, n))
        assert fault.kind == "unit" and "gives lead 0 the gain" in fault.detail


def test_a_rate_that_is_not_whole_is_that_rate(record):
    """As the waveforms of MIMIC-IV have it: taken for 250 Hz, a day of it would be 38 s too short."""
    time = np.arange(7200) / 249.89
    path = record("r1", BOTH, np.stack([np.sin(2 * np.pi * 5 * time)] * 2, axis=1), 360)
    parsed = read(rewritten(path, " 360 ", " 249.89 "))
    assert "resampled from 249.89 Hz to 250 Hz" in parsed.notes
    assert account(parsed)["VF"][0] == 18 and parsed.files.place.tolist() == ["r1 at 0:01", "r1 at 0:10"]
    first, second = 250, 2499  # samples of the annotations, which tell a rate of their own, 360 Hz
    begin = first / 249.89 + np.ceil((second - first) * 250 / 249.89) / 250
    wanted = np.sin(2 * np.pi * 5 * (begin + np.arange(9 * 500) / 250))
    got = x_of(parsed)[parsed.files.rhythm[parsed.owner] == "VF"].ravel()
    assert np.abs(got - wanted).max() < 0.01


def test_files_named_beyond_ascii_are_read_whatever_the_header_is_encoded_in(record):
    path, name = record("r1", BOTH), "r\N{LATIN SMALL LETTER U WITH DIAERESIS}"
    inside = x_of(read(path))
    header = (path / "r1.hea").read_text().replace("r1", name)
    for ending in ("hea", "dat", "atr"):
        (path / f"r1.{ending}").rename(path / f"{name}.{ending}")
    for encoding in ("utf-8", "latin-1", "utf-16", "utf-8-sig"):
        (path / f"{name}.hea").write_bytes(header.encode(encoding))
        found = read(path)
        assert not found.faults and set(found.files.subject.tolist()) == {name}
        assert np.array_equal(x_of(found), inside)
    (path / f"{name}.dat").unlink()
    (fault,) = read(path).faults
    assert (fault.kind, fault.file) == ("missing", f"{name}.dat")


JOINED = "M\N{LATIN SMALL LETTER U WITH DIAERESIS}ller"


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16"])
def test_records_in_parts_and_leads_may_be_named_beyond_ascii(record, encoding):
    """Names of parts, of their files and of their leads."""
    names = {"p1": f"{JOINED}_1", "p2": f"{JOINED}-2"}
    record("p1", [(0, "+", "(N"), (20, "+", "(VF")])
    path = record("p2", [], noise(20, seed=1))
    plain = {name: (path / f"{name}.hea").read_text() for name in names}
    (path / "p1.atr").rename(path / f"{JOINED}.atr")
    for name, new in names.items():
        text = plain[name].replace(name, new).replace("MLII", "Abl. II \N{MICRO SIGN}")
        (path / f"{name}.hea").unlink()
        (path / f"{new}.hea").write_bytes(text.encode(encoding))
        (path / f"{name}.dat").rename(path / f"{new}.dat")
    head = [f"{JOINED}/3 2 {RATE} 18000", f"{names['p1']} 7200", "~ 3600", f"{names['p2']} 7200"]
    (path / f"{JOINED}.hea").write_bytes("\n".join(head).encode(encoding))
    found = wfdb_header.header(path, JOINED)
    assert found.leads == ("Abl. II \N{MICRO SIGN}", "V1") and found.parts == tuple(names.values())
    x = wfdb_record.signal(path, found, [1, 0])
    np.testing.assert_allclose(x[:, : 20 * RATE], noise(20)[:, ::-1].T, atol=0.0026)
    assert np.isnan(x[:, 20 * RATE : 30 * RATE]).all()
    np.testing.assert_allclose(x[:, 30 * RATE :], noise(20, seed=1)[:, ::-1].T, atol=0.0026)
    parsed = read(path, ("Abl. II \N{MICRO SIGN}",))
    assert parsed.faults == [] and set(parsed.files.subject.tolist()) == {JOINED}
    assert account(parsed) == {"N": (20, {}), "VF": (20, {"missing samples": 10})}
    (path / f"{names['p2']}.hea").unlink()
    (fault,) = read(path).faults
    assert fault.file == f"{names['p2']}.hea" and f"is not there, but {JOINED}.hea names it" in fault.detail


def test_parts_whose_leads_change_go_by_name(record):
    """As bedside monitors write them: the first part but lists all leads, others have some, in any order."""
    record("p1", [(0, "+", "(N")], names=("V1", "II"))
    path = record("p2", [], noise(20, leads=1, seed=1), names=("II",))
    (path / "all.hea").write_text("all 2 360 0\n~ 0 200/mV 12 0 0 0 0 II\n~ 0 200/mV 12 0 0 0 0 V1\n")
    (path / "p1.atr").rename(path / "r.atr")
    (path / "r.hea").write_text(f"r/3 2 {RATE} {40 * RATE}\nall 0\np1 {20 * RATE}\np2 {20 * RATE}\n")
    found = wfdb_header.header(path, "r")
    x = wfdb_record.signal(path, found, [0, 1])
    assert found.leads == ("II", "V1") and np.isnan(x[1, 20 * RATE :]).all()
    np.testing.assert_allclose(x[:, : 20 * RATE], noise(20)[:, ::-1].T, atol=0.0026)
    np.testing.assert_allclose(x[0, 20 * RATE :], noise(20, leads=1, seed=1)[:, 0], atol=0.0026)


@pytest.mark.parametrize(
    ("old", "new", "file", "says"),
    [
        ("p2 7200", "p2 7000", "both.hea", "says 14400 samples, and its parts add up to 14200"),
        ("both/2", "both/3", "both.hea", "says 3 parts and lists 2"),
        ("p2 7200", "both 7200", "both.hea", "names itself as a part of it"),
        ("p2 7200", "two 7200", "two.hea", "is a part of both, and has parts itself"),
        ("both/2 2 360", "both/2 2 250", "p1.hea", "has 360 Hz where both.hea says 250 Hz"),
        ("MLII", "V5", "p2.hea", "has the leads V5, V1, other parts of both MLII, V1"),
    ],
)
def test_a_record_that_its_parts_contradict_is_a_fault(record, old, new, file, says):
    record("p1", [(0, "+", "(N"), (20, "+", "(VF")])
    path = record("p2", [], names=("V5", "V1") if new == "V5" else ("MLII", "V1"))
    (path / "p1.atr").rename(path / "both.atr")
    text = f"both/2 2 {RATE} {40 * RATE}\np1 {20 * RATE}\np2 {20 * RATE}\n"
    (path / "both.hea").write_text(text.replace(old, new))
    (path / "two.hea").write_text(text.replace("both", "two"))
    (path / "RECORDS").write_text("both\n")
    (fault,) = read(path).faults
    assert fault.file == file and says in fault.detail


@pytest.mark.parametrize(
    "told", ["-5 7200", "360,5 7200", "3.6e2 7200", "abc 7200", f"{RATE} 7200.5", f"{RATE} -3"]
)
def test_a_rate_or_length_that_is_no_number_is_refused(record, told):
    path = record("r1", BOTH)
    head = path / "r1.hea"
    before = head.read_text()
    wanted = read(path).length.tolist()
    first, _, rest = before.partition("\n")
    head.write_text(" ".join([*first.split()[:2], told]) + f"\n{rest}")
    (fault,) = read(path).faults
    assert fault.kind == "header" and "which is no number that can be" in fault.detail
    head.write_text(before.replace(f" {RATE} ", f" {RATE}/125(10) "))
    assert read(path).length.tolist() == wanted


def test_a_length_of_nothing_and_fields_that_are_no_numbers_are_refused(record):
    fault = damaged(record("r1", BOTH), "r1.hea", lambda p: rewritten(p.parent, " 7200", " 0"))
    assert fault.kind == "length" and "says 0 samples" in fault.detail
    fault = damaged(record("r1", BOTH), "r1.hea", lambda p: rewritten(p.parent, "/mV 12", "/V V 12"))
    assert fault.kind == "header" and "'V' is no whole number" in fault.detail


def test_several_samples_a_frame_are_refused(record):
    """wfdb would average them: half the rate, and nothing said."""
    path = rewritten(record("r1", BOTH), " 7200", " 3600")
    fault = damaged(path, "r1.hea", lambda p: rewritten(path, " 212 ", " 212x2 "))
    assert fault.kind == "header" and "has 2 samples a frame in lead 0 (MLII)" in fault.detail


def test_a_lead_that_lags_is_moved_and_its_sum_is_that_of_the_file(record):
    """A skew of two samples: sample 2 of the file is the first of the record."""
    x = noise(20, TASK.sampling_rate)
    plain = x_of(read(record("r1", [(0, "+", "(N\0")], x, TASK.sampling_rate, names=("ECG", "V1"))))
    moved = record("r1", [(0, "+", "(N\0")], x, TASK.sampling_rate, names=("ECG", "V1"))
    parsed = read(rewritten(moved, " 212 ", " 212:2 "))
    assert parsed.faults == []
    assert np.allclose(x_of(parsed)[0, 0, :-2], plain[0, 0, 2:])


@pytest.mark.parametrize("fmt", ["516", "524", "508"])
def test_missing_samples_of_compressed_signals(fmt):
    """-32768 of format 516 is no -164 mV."""
    bits = {"508": 8, "516": 16, "524": 24}[fmt]
    assert wfdb_formats.MISSING[fmt] == -(1 << (bits - 1))


def test_a_missing_sample_in_a_compressed_file_is_a_gap(record):
    """Taken for a value it was -164 mV, and the range of the record."""
    soundfile = pytest.importorskip("soundfile", reason="no soundfile")
    path = record("r1", BOTH)
    values = np.round(noise(20)[:, 0] * 200).astype(np.int16)
    values[5 * RATE : 5 * RATE + 3] = -(1 << 15)
    soundfile.write(str(path / "r1.dat"), values, RATE, subtype="PCM_16", format="FLAC")
    (path / "r1.hea").write_text(f"r1 1 {RATE} 7200\nr1.dat 516 200/mV 16 0 0 0 0 ECG\n")
    parsed = read(path)
    assert parsed.faults == [] and np.abs(x_of(parsed)).max() < 2
    assert account(parsed)["N"][1]["missing samples"] == round(3 / RATE, 3)


def test_values_that_no_ecg_has_are_told(record):
    path = record("r1", BOTH)
    assert not any("for an ECG" in note for note in judge(read(path)))
    for unit, size in (("V", "large"), ("uV", "small")):
        told = judge(read(rewritten(path, "/mV", f"/{unit}")))
        assert any(f"too {size} for an ECG in mV; are unit and gain right?" in note for note in told)
        rewritten(path, f"/{unit}", "/mV")


def test_a_record_in_another_unit_than_the_others_is_told(record):
    for name in ("r1", "r2", "r3"):
        path = record(name, BOTH)
    head = path / "r2.hea"
    head.write_text(head.read_text().replace("/mV", "/V"))
    told = next(note for note in judge(read(path)) if "too large for an ECG" in note)
    assert told.startswith("values of 2 of 6 files range over more than 50 times") and "r2 at" in told


def test_a_whole_recording_is_resampled_not_each_window(record):
    time = np.arange(20 * RATE) / RATE
    x = np.sin(2 * np.pi * 5 * time)[:, None]
    parsed = read(record("r1", [(0, "+", "(N"), (10, "+", "(VF")], x))
    wanted = np.sin(2 * np.pi * 5 * np.arange(20 * 250) / 250)
    got = x_of(parsed)[:, 0].ravel()
    assert got.shape == wanted.shape
    inner = slice(50, -50)  # the recording itself has ends
    assert np.abs(got - wanted)[inner].max() < 0.01


def test_what_lies_above_the_new_rate_does_not_fold_back(record):
    time = np.arange(20 * RATE) / RATE
    parsed = read(record("r1", BOTH, np.sin(2 * np.pi * 170 * time)[:, None]))
    assert x_of(parsed)[1:-1].std() < 0.02


def test_missing_samples_part_a_stretch_and_spread_nowhere(record):
    x = noise(20)
    x[5 * RATE : 5 * RATE + 36, 0] = np.nan
    parsed = read(record("r1", BOTH, x))
    assert np.isfinite(x_of(parsed)).all()
    assert account(parsed)["N"] == (8, {"missing samples": 0.1, "rest of a stretch": 0.9})
    assert (np.abs(x_of(parsed)) < 2).all()
    assert account(read(parsed.path, ("V1",)))["N"] == (8, {"rest of a stretch": 1})


def test_noise_is_left_out_and_no_fault(record):
    marks = [(0, "+", "(N"), (4, "+", "(NOISE"), (10, "+", "(VF"), (14, "~", 1), (16, "~", 0), (18, "~", -1)]
    parsed = read(record("r1", marks))
    assert account(parsed) == {"N": (4, {"noise": 6}), "VF": (6, {"noise": 2, "unreadable": 2})}
    assert parsed.faults == []


def test_a_stretch_shorter_than_the_window_gives_none(record):
    parsed = read(record("r1", [(0, "+", "(N"), (10, "+", "(VF"), (11.5, "+", "(N")]))
    assert account(parsed)["VF"] == (0, {"stretch shorter than the window": 1.5})


def test_saturated_windows_are_left_out(record):
    x = noise(20)
    x[:, 0] = np.clip(x[:, 0], -1, 1)
    x[10 * RATE : 10 * RATE + RATE // 2, 0] = 1.2  # half a second of a window of two
    parsed = read(record("r1", [(0, "+", "(N")], x))
    assert account(parsed) == {"N": (18, {"saturated": 2})}


def test_a_touch_of_the_rail_is_not_saturation(record):
    x = noise(20)
    x[:, 0] = np.clip(x[:, 0], -1, 1)
    x[10 * RATE : 10 * RATE + 20, 0] = 1.2  # 56 ms
    x[14 * RATE : 18 * RATE : 4, 0] = 1.2  # a quarter of the samples, each alone
    assert account(read(record("r1", [(0, "+", "(N")], x))) == {"N": (20, {})}


def test_a_flat_lead_is_left_out_but_standstill_is_not(record):
    x = noise(20)
    x[4 * RATE : 8 * RATE, 0] = 0.1  # the lead is off
    x[8 * RATE : 12 * RATE, 0] = np.random.default_rng(1).choice([-0.005, 0, 0.005], 4 * RATE)
    assert account(read(record("r1", [(0, "+", "(ASYS")], x))) == {"ASYS": (16, {"flat": 4})}


def test_leads_by_name_number_and_alternatives(record):
    path = record("r1", BOTH)
    first, second = x_of(read(path)), x_of(read(path, ("V1",)))
    assert not np.array_equal(first, second)
    for same in ("1", "v1", "V5,V1", "ECG, 1"):
        np.testing.assert_array_equal(x_of(read(path, (same,))), second)
    two = Task(name="defib", classes=("a", "b"), positive=1, sampling_rate=250, window=500, leads=2)
    swapped = x_of(read(path, ("V1", "MLII"), two))
    np.testing.assert_array_equal(swapped, np.concatenate([second, first], axis=1))
    np.testing.assert_array_equal(x_of(read(path, (), two))[:, ::-1], swapped)


@pytest.mark.parametrize("lead", ["V5", "2", "-1", "", "V"])
def test_a_lead_that_is_not_there_lists_those_that_are(record, lead):
    fault = read(record("r1", BOTH), (lead,)).faults[0]
    assert (fault.kind, fault.file) == ("lead", "r1.hea")
    assert f"no lead {lead!r}; its leads are 0 MLII, 1 V1" in fault.detail


def test_leads_must_be_as_many_as_the_task_has(record):
    with pytest.raises(DataError, match=r"--lead MLII V1 names 2 leads, task 'defib' has 1"):
        read(record("r1", BOTH), ("MLII", "V1"))


def test_different_leads_are_said(record):
    record("r1", BOTH)
    path = record("r2", BOTH, names=("V1", "V2"))
    note = next(note for note in read(path).notes if "differ" in note)
    assert note == "the leads differ: MLII in 1 (r1), V1 in 1 (r2)"


# What lies where.


def test_a_folder_of_records_is_told_from_others(record, tmp_path):
    assert not wfdb_folder.is_wfdb(tmp_path) and not wfdb_folder.is_wfdb(tmp_path / "none")
    path = record("r1", BOTH)
    assert wfdb_folder.is_wfdb(path) and not wfdb_folder.is_wfdb(path / "r1.hea")
    assert wfdb_folder.splits(path) == () and len(set(read(path).files.subject)) == 1
    assert any("nothing separates train from test" in note for note in read(path).notes)


def test_splits_are_folders(record, tmp_path):
    path = tmp_path / "set"
    path.mkdir()
    record("r1", BOTH, folder=path / "train_data")
    assert wfdb_folder.is_wfdb(path) and wfdb_folder.splits(path) == ("train",)
    with pytest.raises(DataError, match=r"no test split in .*: it holds train only"):
        read(path, split="test")
    record("r2", BOTH, folder=path / "test_data")
    assert wfdb_folder.splits(path) == ("train", "test")
    assert set(read(path).files.subject.tolist()) == {"r1"}
    assert set(read(path, split="test").files.subject.tolist()) == {"r2"}


def test_the_identity_changes_with_content(record):
    path = record("r1", BOTH)
    before = file_tree.find(path).identity
    assert file_tree.find(path).identity == before
    os.utime(path / "r1.dat", (1, 1))
    assert file_tree.find(path).identity != before


def test_records_far_below_are_noticed_when_they_change(record, tmp_path):
    """Some published sets keep records four folders down; a copy parsed before must not stand for them."""
    inside = tmp_path / "set" / "files" / "p1" / "p10" / "s4"
    inside.mkdir(parents=True)
    record("r1", BOTH, folder=inside)
    (tmp_path / "set" / "RECORDS").write_text("files/p1/p10/s4/r1\n")
    before = file_tree.find(tmp_path / "set").identity
    assert [row.rhythm for row in read(tmp_path / "set").seconds] == ["", "N", "VF"]
    record("r1", [(1, "+", "(VF\0"), (10, "+", "(N\0")], folder=inside)
    assert file_tree.find(tmp_path / "set").identity != before


def test_a_list_may_name_folders_endings_and_have_a_mark(record, tmp_path):
    for folder, name in (("set", "r3"), ("set/one", "r1"), ("set/two", "r2")):
        record(name, BOTH, folder=tmp_path / folder)
    (tmp_path / "set" / "one" / "RECORDS").write_text("r1\n")
    (tmp_path / "set" / "RECORDS").write_text("one/\ntwo/\nr3.hea\n", encoding="utf-8-sig")
    parsed = read(tmp_path / "set")
    assert parsed.faults == []
    assert {row.record for row in parsed.seconds} == {"one/r1", "two/r2", "r3"}


@pytest.mark.parametrize(
    "names",
    [
        ("p00000_s00", "p00000_s01", "p00001_s00"),
        ("p1/p1000/s4/a", "p1/p1000/s5/b", "p1/p1001/s6/c"),
    ],
)
def test_records_that_are_named_by_patient(record, tmp_path, names):
    for name in names:
        folder = (tmp_path / "set" / name).parent
        folder.mkdir(parents=True, exist_ok=True)
        record(name.rpartition("/")[2], BOTH, folder=folder)
    (tmp_path / "set" / "RECORDS").write_text("\n".join(names))
    parsed = read(tmp_path / "set")
    assert len(set(parsed.files.subject.tolist())) == 2
    assert "3 records are named by patient: 2 subjects" in parsed.notes
    (tmp_path / "set" / "RECORDS").write_text("\n".join([*names, "other"]))
    record("other", BOTH, folder=tmp_path / "set")
    assert len(set(read(tmp_path / "set").files.subject.tolist())) == 4


def test_records_beside_the_splits_are_told(record, tmp_path):
    for folder, name in (("train_data", "r1"), ("test_data", "r2"), ("val_data", "r3")):
        (tmp_path / "set").mkdir(exist_ok=True)
        record(name, BOTH, folder=tmp_path / "set" / folder)
    assert "records in val_data are in neither train nor test, and left out" in read(tmp_path / "set").notes


def test_what_a_mac_leaves_is_passed_over(record):
    path = record("r1", BOTH)
    (path / "._r1.hea").write_bytes(b"\0\5\x16\7")
    (found,) = look_all(path, Asked(task=TASK, label=LABELS.get))
    parsed = found.read("train")
    assert parsed.faults == [] and {row.record for row in parsed.seconds} == {"r1"}
    assert parsed.notes.count("passed over: 1 file named ._*, left by macOS") == 1


def in_capitals(folder):
    """Name all in a folder as a disk of another system does."""
    for file in sorted(folder.rglob("*"), reverse=True):
        file.rename(file.with_name(file.name.upper()))


@pytest.mark.parametrize("listed", ["", "r1\nr2\n", "R1.HEA\nR2.HEA\n"])
def test_names_in_capitals_are_read_as_others(record, tmp_path, listed):
    """The header names r1.dat, and the list r1 or R1.HEA; the folders of the splits are in capitals too."""
    root = tmp_path / "set"
    root.mkdir()
    for split, names in (("train", ("r1", "r2")), ("test", ("r3",))):
        for at, name in enumerate(names):
            record(name, BOTH, noise(20, seed=at), folder=root / f"{split}_data")
    if listed:
        (root / "train_data" / "RECORDS").write_text(listed)
    inside = {split: x_of(read(root, split=split)) for split in ("train", "test")}
    in_capitals(root)
    (found,) = look_all(root, Asked(task=TASK, label=LABELS.get))
    assert (found.kind, found.splits) == ("wfdb", ("train", "test"))
    for split, x in inside.items():
        parsed = found.read(split)
        assert parsed.faults == []
        np.testing.assert_array_equal(x_of(parsed), x)
        wanted = {"train": {"r1", "r2"}, "test": {"r3"}}[split]
        assert {name.casefold() for name in parsed.files.subject.tolist()} == wanted
        (note,) = [note for note in parsed.notes if "other letters than usual" in note]
        count = 9 + bool(listed)
        assert note.startswith(f"{count} files are named in other letters than usual, capital or small")


def test_two_files_that_differ_in_case_alone_are_refused(record):
    path = record("r1", BOTH)
    (path / "R1.ATR").write_bytes((path / "r1.atr").read_bytes())
    if len(list(path.iterdir())) == 3:
        pytest.skip("this disk does not tell them apart")
    (found,) = look_all(path, Asked(task=TASK, label=LABELS.get))
    with pytest.raises(DataError, match=r"holds R1\.ATR and r1\.atr, whose names differ in case or Unicode"):
        found.read("train")
    (path / "r1.atr").unlink()
    assert found.read("train").faults == []


def test_patients_in_names_are_known_in_capitals_too(record):
    for name in ("p00001_s00", "p00001_s01"):
        path = record(name, BOTH)
    in_capitals(path)
    assert set(read(path).files.subject.tolist()) == {"P00001"}


@pytest.mark.parametrize("listed", [True, False])
def test_a_damaged_record_is_taken_out_as_the_message_has_it(record, listed):
    """Its signal file alone removed, the header would name one that is not there; so would RECORDS."""
    path = record("r1", BOTH)
    record("r2", BOTH)
    (path / "r2.dat").write_bytes((path / "r2.dat").read_bytes()[:100])
    if listed:
        (path / "RECORDS").write_text("r1\nr2\n")
    way = "take the record out of RECORDS" if listed else "remove the record"
    with pytest.raises(DataError, match=rf"r2.dat: .*is it complete\?; {way}, or see `atml data inspect"):
        judge(read(path))
    (path / "r2.dat").unlink()
    with pytest.raises(DataError, match=rf"r2.dat: is not there, .*; put it back or {way}, or see"):
        judge(read(path))
    if listed:
        (path / "RECORDS").write_text("r1\n")
    else:
        for file in path.glob("r2.*"):
            file.unlink()
    parsed = read(path)
    judge(parsed)
    assert set(parsed.files.subject.tolist()) == {"r1"}


def test_records_lists_which_count(record):
    record("r1", BOTH)
    path = record("r2", BOTH)
    (path / "RECORDS").write_text("r2\n\nr2\n")
    parsed = read(path)
    assert set(parsed.files.subject.tolist()) == {"r2"}
    assert "1 records are not in RECORDS and left out: r1" in parsed.notes


def test_mitdb_has_paced_records_and_one_patient_twice(record, tmp_path):
    for name in ("102", "201", "202", "100"):
        record(name, BOTH, folder=tmp_path / "arrhythmia")
    parsed = read(tmp_path / "arrhythmia")
    assert set(parsed.files.subject.tolist()) == {"100", "201"}
    assert account(parsed, "102") == {"": (0, {"paced": 20})}
    assert "records 201 and 202 are of one patient, called 201" in parsed.notes
    assert "paced records left out, as EC57 has it: 102" in parsed.notes


def test_records_that_are_only_numbered_like_mitdb_are_somebody_elses(record, tmp_path):
    for name in ("102", "201", "202"):
        record(name, BOTH, folder=tmp_path / "ours", rate=250)
    assert set(read(tmp_path / "ours").files.subject.tolist()) == {"102", "201", "202"}


def test_brackets_and_beats_tell_a_rhythm(record):
    beats = [(at * 0.75, "N", "") for at in range(1, 13)]
    parsed = read(record("cu01", [*beats, (10, "[", ""), (16, "]", "")]))
    rhythms = parsed.files.rhythm[parsed.owner].tolist()
    assert rhythms == ["N"] * 4 + ["VF"] * 3
    assert any("tachycardia too: cu01" in note for note in parsed.notes)


# What is damaged.


def damaged(path, file, change):
    target = path / file
    change(target)
    faults = read(path).faults
    assert len(faults) == 1, faults
    return faults[0]


def edit(pattern, new):
    def change(path):
        text = path.read_text()
        changed = re.sub(pattern, new, text, count=1)
        assert changed != text
        path.write_text(changed)

    return change


def cut_to(share):
    def change(path):
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])

    return change


@pytest.mark.parametrize(
    ("file", "change", "kind", "says"),
    [
        ("r1.dat", cut_to(0.5), "cut short", "holds 3600 samples a lead where r1.hea says 7200"),
        ("r1.dat", cut_to(0), "cut short", "holds 0 samples"),
        ("r1.dat", lambda p: p.unlink(), "missing", "is not there, but r1.hea names it"),
        ("r1.dat", lambda p: p.write_bytes(b"\7" + p.read_bytes()[1:]), "checksum", "r1.hea says"),
        ("r1.atr", lambda p: p.unlink(), "missing", "is not there, so no rhythm is known"),
        ("r1.atr", cut_to(0.6), "annotations", "without the mark of the end"),
        ("r1.atr", cut_to(0), "annotations", "0 bytes"),
        ("r1.hea", cut_to(0), "header", "not a complete WFDB header"),
        ("r1.hea", cut_to(0.4), "header", "says 2 signals and describes 1"),
        ("r1.hea", edit("r1 2 ", "r1 3 "), "header", "says 3 signals and describes 2"),
        (
            "r1.hea",
            edit("360 7200", "360 9000"),
            "cut short",
            "holds 7200 samples a lead where r1.hea says 9000",
        ),
        ("r1.hea", edit("360 7200", "360 7000"), "checksum", "one is damaged"),
        ("r1.hea", edit("360 7200", "0.36 7200"), "header", "0.36 Hz, which is no rate of an ECG"),
        ("r1.hea", edit(r"212 200\.0", "212 0"), "header", "lead 0 (MLII) has no gain"),
        ("r1.hea", edit(r"212 200\.0.*", "212"), "header", "lead 0 (lead 0) has no gain"),
        ("r1.hea", lambda p: p.write_bytes(bytes(range(128, 256))), "header", ""),
    ],
)
def test_damage_is_a_fault_that_names_the_file(record, file, change, kind, says):
    fault = damaged(record("r1", BOTH), file, change)
    blamed = "r1.dat" if kind in ("cut short", "checksum", "length") and file == "r1.hea" else file
    assert (fault.kind, fault.file) == (kind, blamed) and says in fault.detail and "\n" not in fault.detail


def test_a_list_of_labels_that_is_not_read_is_named(record):
    """PTB-XL keeps its labels and patients in a table beside the records."""
    path = record("r1", [])
    (path / "ptbxl_database.csv").write_text("ecg_id,patient_id,scp_codes\n")
    (fault,) = read(path).faults
    assert "labels may lie in ptbxl_database.csv" in fault.detail and "--labels FILE" in fault.detail


def test_a_longer_signal_without_a_checksum_is_a_fault(record):
    path = record("r1", BOTH)
    head = re.sub(r" (-?\d+) (-?\d+) 0 (\w+)\n", r" \1 0 0 \3\n", (path / "r1.hea").read_text())
    (path / "r1.hea").write_text(head.replace("7200", "7000"))
    fault = read(path).faults[0]
    assert (fault.kind, fault.file) == ("length", "r1.dat") and "7200 samples a lead" in fault.detail


@pytest.mark.parametrize(
    ("file", "change", "kind", "says"),
    [
        ("p2.dat", cut_to(0.5), "cut short", "holds 3600 samples a lead where p2.hea says 7200"),
        ("p2.dat", lambda p: p.unlink(), "missing", "is not there, but p2.hea names it"),
        ("p2.dat", lambda p: p.write_bytes(b"\7" + p.read_bytes()[1:]), "checksum", "p2.hea says"),
        ("p1.hea", edit(r"212 200\.0", "212 0"), "header", "lead 0 (MLII) has no gain"),
        ("p1.hea", edit(r"200\.0\(0\)/mV", "200.0(0)/mmHg"), "unit", "in 'mmHg', not in mV"),
    ],
)
def test_each_part_of_a_joined_record_is_checked(record, file, change, kind, says):
    record("p1", [(0, "+", "(N"), (20, "+", "(VF")])
    path = record("p2", [])
    (path / "p1.atr").rename(path / "both.atr")
    (path / "both.hea").write_text(f"both/2 2 {RATE} {40 * RATE}\np1 {20 * RATE}\np2 {20 * RATE}\n")
    assert read(path).faults == []
    (path / "RECORDS").write_text("both\n")
    fault = damaged(path, file, change)
    assert (fault.kind, fault.file) == (kind, file) and says in fault.detail


def test_one_damaged_record_leaves_the_others(record):
    record("r1", BOTH)
    path = record("r2", BOTH)
    (path / "RECORDS").write_text("r1\nr2\nr3\n")
    (path / "r1.atr").unlink()
    parsed = read(path)
    assert [(fault.kind, fault.file) for fault in parsed.faults] == [
        ("missing", "r3.hea"),
        ("missing", "r1.atr"),
    ]
    assert set(parsed.files.subject.tolist()) == {"r2"}


def test_a_record_in_parts_is_one_and_its_parts_are_none(record):
    record("p1", [(0, "+", "(N"), (20, "+", "(VF")])
    path = record("p2", [])
    (path / "p1.atr").rename(path / "both.atr")
    (path / "both.hea").write_text(f"both/2 2 {RATE} {40 * RATE}\np1 {20 * RATE}\np2 {20 * RATE}\n")
    parsed = read(path)
    assert parsed.faults == [] and set(parsed.files.subject.tolist()) == {"both"}
    assert account(parsed) == {"N": (20, {}), "VF": (20, {})}
    (path / "p2.dat").unlink()
    fault = read(path).faults[0]
    assert (fault.kind, fault.file) == ("missing", "p2.dat") and "p2.hea names it" in fault.detail


def test_a_gap_between_parts_is_missing_time(record):
    """A part named ``~`` holds no signal, in records whose parts are all alike too."""
    record("p1", [(0, "+", "(N"), (30, "+", "(VF")])
    path = record("p2", [])
    (path / "p1.atr").rename(path / "both.atr")
    text = f"both/3 2 {RATE} {50 * RATE}\np1 {20 * RATE}\n~ {10 * RATE}\np2 {20 * RATE}\n"
    (path / "both.hea").write_text(text)
    parsed = read(path)
    assert parsed.faults == []
    assert account(parsed) == {"N": (20, {"missing samples": 10}), "VF": (20, {})}
    (path / "both.hea").write_text(text.replace(f"~ {10 * RATE}", f"p1 {10 * RATE}\n~ 0").replace("/3", "/4"))
    fault = read(path).faults[0]
    assert (fault.kind, fault.file) == ("length", "p1.hea") and "both.hea says" in fault.detail


def test_a_lead_of_a_part_with_a_word_too_many_is_refused_not_missed(record):
    """Where leads change from part to part they go by name, and such a word is a part of the name."""
    for name in ("p1", "p2"):
        path = record(name, [])
    lines = "".join(f"~ 0 200 0 0 0 0 0 {lead}\n" for lead in ("MLII", "V1"))
    (path / "plan.hea").write_text(f"plan 2 {RATE} 0\n{lines}")
    told = f"both/3 2 {RATE} {40 * RATE}\nplan 0\np1 {20 * RATE}\np2 {20 * RATE}\n"
    (path / "both.hea").write_text(told)
    head = wfdb_header.header(path, "both")
    assert np.isfinite(wfdb_record.signal(path, head, [0])).all()
    wfdb_header.check_lines(path, head)
    part = (path / "p2.hea").read_text()
    (path / "p2.hea").write_text(part.replace("/mV ", "/mV V ", 1))
    with pytest.raises(wfdb_header.Unusable, match=r"p2\.hea: .*'V' is no whole number"):
        wfdb_record.signal(path, head, [0])


def test_a_long_record_of_parts_is_read_in_pieces_too(record, monkeypatch):
    for name, seed in (("p1", 1), ("p2", 2)):
        path = record(name, [], noise(20, seed=seed))
    (path / "both.hea").write_text(f"both/2 2 {RATE} {40 * RATE}\np1 {20 * RATE}\np2 {20 * RATE}\n")
    head = wfdb_header.header(path, "both")
    whole = wfdb_record.signal(path, head, [1, 0])
    monkeypatch.setattr(piecewise, "PIECE", 5003)
    np.testing.assert_array_equal(wfdb_record.signal(path, head, [1, 0]), whole)


def test_a_long_record_is_read_in_pieces_and_is_the_same(record, monkeypatch):
    """Whole, it is in memory once in float32; wfdb's integers, 64 bits each, a piece at a time."""
    path = record("long", [], noise(300))
    head = wfdb_header.header(path, "long")
    whole = wfdb_record.signal(path, head, [0, 1])
    monkeypatch.setattr(piecewise, "PIECE", 5003)
    peaks = {}
    for leads in ([0, 1], [1]):
        tracemalloc.start()
        x = wfdb_record.signal(path, head, leads)
        peaks[len(leads)] = tracemalloc.get_traced_memory()[1] / x.nbytes
        tracemalloc.stop()
        np.testing.assert_array_equal(x, whole[leads])
    assert max(peaks.values()) < 2, peaks
    # The checksum is of all pieces together.
    data = bytearray((path / "long.dat").read_bytes())
    data[200_000] ^= 1
    (path / "long.dat").write_bytes(data)
    with pytest.raises(wfdb_header.Unusable, match="adds up to"):
        wfdb_record.signal(path, head, [0, 1])


def test_a_listing_of_nothing_is_refused(tmp_path):
    (tmp_path / "RECORDS").write_text("\n")
    with pytest.raises(DataError, match="RECORDS lists no record"):
        read(tmp_path)


def test_without_the_package_the_extra_is_named(record, monkeypatch):
    path = record("r1", BOTH)
    monkeypatch.setitem(__import__("sys").modules, "wfdb", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'atml\[wfdb\]'"):
        read(path)


# Episodes.


def test_an_episode_has_the_signal_before_it(record):
    x = noise(20, 250)
    marks = [
        (0, "+", "(N"),
        (5, "+", "(VF"),
        (10, "+", "(NOISE"),
        (12, "+", "(VT"),
        (15, "+", "(N"),
        (16, "+", "(VF"),
    ]
    found = wfdb_folder.episodes(record("r1", marks, x, rate=250), "train", TASK, ())
    assert [(e.rhythm, e.onset, e.x.shape[1] - e.onset) for e in found] == [
        ("N", 0, 1250),
        ("VF", 500, 1250),
        ("VT", 0, 750),
        ("VF", 500, 1000),
    ]
    np.testing.assert_allclose(found[1].x[0], x[750:2500, 0], atol=0.0026)
    assert {e.subject for e in found} == {"r1"} and found[0].x.dtype == np.float32


def test_episodes_of_damaged_records_are_refused(record):
    path = record("r1", BOTH)
    (path / "r1.atr").unlink()
    with pytest.raises(DataError, match=r"r1\.atr: is not there"):
        wfdb_folder.episodes(path, "train", TASK, ())


# Real records.


@pytest.mark.parametrize("name", ["vfdb", "mitdb"])
def test_seconds_of_real_records_are_those_of_the_annotations(real_data, name):
    wfdb = pytest.importorskip("wfdb")
    path = real_data / name
    parsed = read(path, task=Task(name="d", classes=("a", "b"), positive=1, sampling_rate=250, window=1000))
    assert parsed.faults == []
    length: dict[str, float] = defaultdict(float)
    wanted: dict[tuple[str, str], float] = Counter()
    for record in (path / "RECORDS").read_text().split():
        head = wfdb.rdheader(str(path / record))
        told = wfdb.rdann(str(path / record), "atr", return_label_elements=["label_store"])
        plus = [
            (at, note.strip("\0("))
            for at, note, code in zip(told.sample, told.aux_note, told.label_store, strict=True)
            if code == 28
        ]
        length[record] = head.sig_len / head.fs
        for (start, rhythm), (end, _) in zip(plus, [*plus[1:], (head.sig_len, "")], strict=True):
            wanted[record, rhythm] += (end - start) / head.fs
    found = {(row.record, row.rhythm): row for row in parsed.seconds}
    for record, seconds in length.items():
        rows = [row for row in parsed.seconds if row.record == record]
        assert sum(row.found for row in rows) == pytest.approx(seconds)
        assert all(row.kept + sum(row.left_out.values()) == pytest.approx(row.found) for row in rows)
        marked = sum(row.left_out.get("noise", 0) for row in rows)
        assert name != "vfdb" or marked == pytest.approx(wanted[record, "NOISE"])
    for (record, rhythm), seconds in wanted.items():
        if name == "vfdb" and rhythm != "NOISE":
            row = found[record, rhythm]
            assert row.found - row.left_out.get("noise", 0) == pytest.approx(seconds)
        elif name == "mitdb" and rhythm != "VFL":  # brackets stand around flutter, a tenth of a second apart
            assert found[record, rhythm].found == pytest.approx(seconds, abs=0.7)
    kept = sum(row.kept for row in parsed.seconds)
    assert kept == pytest.approx(4 * len(parsed.owner)) and kept > 0.7 * sum(length.values())


def test_records_without_a_signal_are_left_out_and_said(record):
    """As two of the Atrial Fibrillation Database are."""
    folder = record("04015", BOTH)
    (folder / "00735.hea").write_text("00735 0 250 9225000\n")
    (folder / "00735.atr").write_bytes((folder / "04015.atr").read_bytes())
    (folder / "RECORDS").write_text("00735\n04015\n")
    parsed = read(folder)
    assert parsed.faults == [] and "records without a signal left out: 00735" in parsed.notes
    assert account(parsed, "00735") == {"": (0, {"no signal": 36900})}
    assert set(parsed.files.subject.tolist()) == {"04015"} and len(x_of(parsed)) == 9


def test_records_that_a_program_alone_annotated_are_left_out_and_said(record):
    """As half of the Sudden Cardiac Death Holter Database is."""
    folder = record("30", BOTH)
    record("31", [])
    assert [fault.file for fault in read(folder).faults] == ["31.atr"]
    (folder / "31.ari").write_bytes((folder / "30.atr").read_bytes())
    parsed = read(folder)
    assert parsed.faults == [] and set(parsed.files.subject.tolist()) == {"30"}
    assert "records annotated by a program alone (.ari, no .atr) left out: 31" in parsed.notes
    (folder / "30.atr").unlink()
    assert [fault.file for fault in read(folder).faults] == ["30.atr", "31.atr"]


def test_records_in_a_folder_a_patient(record, tmp_path):
    """As Icentia11k has them: some of its patients, and no RECORDS."""
    root = tmp_path / "icentia"
    for name in ("p00001_s00", "p00001_s01", "p00002_s00"):
        (root / "p00").mkdir(parents=True, exist_ok=True)
        record(name, BOTH, folder=root / "p00" / name[:6])
    record("r1", BOTH, folder=tmp_path / "z")  # another set beside it
    assert wfdb_folder.is_wfdb(root) and not wfdb_folder.is_wfdb(tmp_path)
    parsed = read(root)
    assert parsed.faults == [] and len(x_of(parsed)) == 27
    rows = parsed.files.take(parsed.owner)
    assert rows.subject.tolist() == ["p00001"] * 18 + ["p00002"] * 9
    assert "3 records are named by patient: 2 subjects" in parsed.notes


def test_two_leads_of_one_name_are_two(record):
    """As the Long-Term AF Database has them."""
    x = noise(20, 250)
    folder = record("00", BOTH, x, rate=250, names=("ECG", "ECG2"))
    (folder / "00.hea").write_text((folder / "00.hea").read_text().replace("ECG2", "ECG"))
    for leads, at in (((), 0), (("ECG",), 0), (("1",), 1)):
        np.testing.assert_allclose(x_of(read(folder, leads))[0, 0], x[250:750, at], atol=0.0026)
