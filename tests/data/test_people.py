"""Who is who: however names are spelled, nobody is two people, and nobody goes missing between splits."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import atml.data
from atml.data import folds
from atml.data.dataset import Dataset
from atml.data.subjects import matching, person, same_subject
from atml.errors import DataError
from atml.tasks.task import Task

Opened = Callable[..., Dataset]
ACUTE = "P\N{LATIN SMALL LETTER E WITH ACUTE}"
SPELLED = ["P1", "P1 ", "P2", "p2", ACUTE, "Pe\N{COMBINING ACUTE ACCENT}"]


def npz(file: Path, subject: object, **other: object) -> Path:
    n = len(np.asarray(subject))
    x = np.random.default_rng(0).normal(size=(n, 100))
    np.savez(file, **{"x": x, "y": np.arange(n) % 2, "subject": subject, **other})  # type: ignore[arg-type]
    return file


def test_spellings_of_one_name_are_one_person(opened: Opened, tmp_path: Path) -> None:
    found = opened(npz(tmp_path / "set.npz", np.array([*SPELLED, "P4", "P4"])))
    assert found.subject.tolist() == ["P1", "P1", "P2", "P2", ACUTE, ACUTE, "P4", "P4"]
    (note,) = [note for note in found.notes if "one subject" in note]
    assert "'P1' and 'P1 '" in note and "'P2' and 'p2'" in note
    for fold in folds(found.y, found.subject, 2, 0):
        people = [{person(name) for name in found.subject[rows]} for rows in (fold.train, fold.held_out)]
        assert not people[0] & people[1]


def test_names_are_compared_by_what_spellings_have_in_common() -> None:
    assert same_subject("vfdb/p2", "P2 ") and not same_subject("p2", "p22")
    assert matching(["p1", "P3"], ["P1 "]).tolist() == [True, False]
    for odd in ("P\u200b 1", "P  1", "\ufeffp 1", "P\xa01", "P \uff11", "P 1\0"):  # unseen, doubled, wide
        assert same_subject(odd, "P 1"), ascii(odd)
    assert person("\ue001") != person("\ue002")


def test_one_person_in_both_splits_is_told_however_spelled(task: Task, label: object, tmp_path: Path) -> None:
    split = ["train", "train", "test", "test"]
    file = npz(tmp_path / "set.npz", np.array(["A", "B", "a ", "C"]), split=np.array(split))
    faults = atml.data.inspect(file, task=task, label=label).faults  # type: ignore[arg-type]
    assert [(fault.kind, fault.file) for fault in faults] == [("overlap", "A")]


@pytest.mark.parametrize(
    ("subject", "says"),
    [
        (np.array(["A", "", "B", "B"]), "row 1: has no subject, only ''"),
        (np.array([1.0, np.nan, 2.0, 2.0]), "row 1: has no subject, only 'nan'"),
        (np.array(["A", "None", "B", "B"]), "row 1: has no subject, only 'None'"),
        (np.array(["A", "NA", "B", "B"]), "row 1: has no subject, only 'NA'"),
        (np.array(["A", "\u200b", "B", "B"]), "row 1: has no subject, only"),
        (np.array(["A", None, "B", "B"], object), r"array of Python objects, .*astype\(str\)"),
        (np.array(["2020-01-01"] * 4, "datetime64[D]"), r"subject in .* is datetime64\[D\]; save it as text"),
    ],
)
def test_rows_of_nobody_are_refused(opened: Opened, tmp_path: Path, subject: object, says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        opened(npz(tmp_path / "set.npz", subject))
    assert "\n" not in str(caught.value) and "complete" not in str(caught.value)


def test_names_may_be_bytes_of_any_encoding(opened: Opened, tmp_path: Path) -> None:
    names = np.array([name.encode(code) for name in ("M\xfcller", "Ana") for code in ("utf-8", "latin-1")])
    found = opened(npz(tmp_path / "set.npz", names))
    assert found.subject.tolist() == ["M\xfcller", "M\xfcller", "Ana", "Ana"]


def test_rows_of_neither_split_are_told(opened: Opened, tmp_path: Path) -> None:
    split = np.array(["Train", "train ", "val", "val", "TEST", "test"])
    file = npz(tmp_path / "set.npz", np.array([*"AABBCC"]), split=split)
    for name, subject in (("train", "A"), ("test", "C")):
        found = opened(file, split=name)
        assert set(found.subject.tolist()) == {subject} and not found.bare
        assert "2 rows of split 'val' are in neither train nor test, and left out" in found.notes


def test_backslashes_in_an_archive_are_slashes(
    opened: Opened, put: Callable[..., Path], tmp_path: Path
) -> None:
    """As Windows' own archiver writes them: the test split must not be trained on."""
    folder = tmp_path / "set"
    for split, people in (("train_data", (1, 2)), ("test_data", (3,))):
        for subject in people:
            for number, rhythm in enumerate(("N", "AFIB")):
                put(folder / split, f"S{subject}-{rhythm}-{number}.txt")
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for file in sorted(folder.rglob("*.txt")):
            info = zipfile.ZipInfo(str(file.relative_to(tmp_path)))
            info.filename = info.filename.replace("/", "\\")
            archive.writestr(info, file.read_bytes())
    for split, people in (("train", {"S1", "S2"}), ("test", {"S3"})):
        found = opened(tmp_path / "set.zip", split=split)
        assert set(found.subject.tolist()) == people and not found.bare
        np.testing.assert_array_equal(found.x, opened(folder, split=split).x)
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "train_data\\S1-N-0.txt").write_text("1\n")
    with pytest.raises(DataError, match=r"has a backslash in its name, .*: give the archive itself"):
        opened(tmp_path / "flat")


RECORDS = ["p1_a", "p1_b", "p2_a", "p3_a"]


def recordings(kind: str, folder: Path, task: Task) -> Path:
    """Write the same four recordings, two of one person, in a format."""
    rng = np.random.default_rng(0)
    signals = {name: rng.normal(size=200).round(4) for name in RECORDS}
    folder.mkdir()
    if kind == "npz":
        file = folder / "set.npz"
        np.savez(file, x=np.stack([x[:100] for x in signals.values()]), y=[0, 1, 0, 1], subject=RECORDS)
        return file
    if kind == "text":
        for at, (name, x) in enumerate(signals.items()):
            text = "".join(f"{value:.4f}\n" for value in x[:100])
            (folder / f"{name}-{('N', 'AFIB')[at % 2]}-{at}.txt").write_text(text)
        return folder
    if kind == "table":
        lines = [f"{name}.csv,{('N', 'AFIB')[at % 2]}" for at, name in enumerate(signals)]
        for name, x in signals.items():
            (folder / f"{name}.csv").write_text(
                "time,ECG\n" + "".join(f"{i / 50},{v}\n" for i, v in enumerate(x))
            )
        (folder / "labels.csv").write_text("\n".join(["file,label", *lines]))
        return folder
    for at, (name, x) in enumerate(signals.items()):
        write_wfdb(folder, name, x, ("N", "AFIB")[at % 2], task.sampling_rate)
    return folder


def test_a_person_of_train_and_test_by_a_mapping_is_refused(
    opened: Opened, task: Task, label: object, tmp_path: Path
) -> None:
    """The data's own names are four people; what --subjects makes of them is in both splits."""
    split = ["train", "train", "test", "train"]
    sets = {
        "npz": npz(tmp_path / "set.npz", np.array(["p1_a", "p2_a", "p1_b", "p3_a"]), split=np.array(split))
    }
    for kind in ("text", "wfdb"):
        sets[kind] = tmp_path / kind
        for at, name in enumerate(RECORDS):
            part = sets[kind] / f"{'test' if name == 'p1_b' else 'train'}_data"
            part.mkdir(parents=True, exist_ok=True)
            x = np.random.default_rng(at).normal(size=200).round(4)
            if kind == "wfdb":
                write_wfdb(part, name, x, ("N", "AFIB")[at // 2], task.sampling_rate)
            else:
                text = "".join(f"{value:.4f}\n" for value in x[:100])
                (part / f"{name}-{('N', 'AFIB')[at // 2]}-{at}.txt").write_text(text)
    sets["table"] = recordings("table", tmp_path / "table", task)
    lines = [
        f"{name},{('N', 'AFIB')[at // 2]},{'test' if name == 'p1_b' else 'train'}"
        for at, name in enumerate(RECORDS)
    ]
    (sets["table"] / "labels.csv").write_text("\n".join(["file,label,split", *lines]))
    told = r"is of '1' by --subjects p\(\\d\)_\.\*, and in train and test; take that person out of one of"
    for place in sets.values():
        assert len(opened(place).subject) >= 3
        with pytest.raises(DataError, match=told):
            opened(place, subjects=r"p(\d)_.*")
        found = atml.data.inspect(place, task=task, label=label, subjects=r"p(\d)_.*")  # type: ignore[arg-type]
        assert [fault.kind for fault in found.faults] == ["overlap"] and len(found.refusals) == 1
        own = opened(place, subjects=r"(p\d_.).*")
        assert not any("train and in test" in note for note in own.notes)


def test_rows_go_by_their_record_or_their_number(opened: Opened, tmp_path: Path) -> None:
    x, y = np.random.default_rng(0).normal(size=(4, 100)), np.arange(4) % 2
    np.savez(tmp_path / "rows.npz", x=x, y=y)
    with pytest.raises(DataError, match=r"no array 'subject'; it needs .* --subjects FILE"):
        opened(tmp_path / "rows.npz")
    table = tmp_path / "people.csv"
    table.write_text("recording,subject\n0,A\nrow 1,A\n2,B\n3,C\n")
    assert opened(tmp_path / "rows.npz", subjects=table).subject.tolist() == [*"AABC"]
    table.write_text("recording,subject\n0,A\n1,A\n2,B\n")
    with pytest.raises(DataError, match="no line for 'row 3': add it"):
        opened(tmp_path / "rows.npz", subjects=table)
    np.savez(tmp_path / "named.npz", x=x, y=y, record=RECORDS)
    assert opened(tmp_path / "named.npz", subjects=r"p(\d)_.*").subject.tolist() == [*"1123"]
    arrow = pytest.importorskip("pyarrow", reason="no pyarrow; pip install 'atml[parquet]'")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {"x": x.tolist(), "y": y.tolist(), "Recording": RECORDS}
    parquet.write_table(arrow.table(columns), tmp_path / "named.parquet")
    assert opened(tmp_path / "named.parquet", subjects=r"p(\d)_.*").subject.tolist() == [*"1123"]


def write_wfdb(folder: Path, name: str, x: np.ndarray, rhythm: str, rate: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas, at how wfdb uses it
        import wfdb

        wfdb.wrsamp(name, rate, ["mV"], ["I"], p_signal=x[:, None], fmt=["16"], write_dir=str(folder))
        wfdb.wrann(name, "atr", np.array([1]), ["+"], aux_note=[f"({rhythm}"], write_dir=str(folder))


@pytest.mark.parametrize("kind", ["npz", "text", "table", "wfdb"])
def test_whose_a_recording_is_can_be_said_of_every_format(
    opened: Opened, task: Task, label: object, tmp_path: Path, kind: str
) -> None:
    place = recordings(kind, tmp_path / "set", task)
    assert len(set(opened(place).subject.tolist())) == 4
    table = tmp_path / "people.csv"
    table.write_bytes("\N{BYTE ORDER MARK}recording;patient\np1_a;7.0\np1_b;7\np2_a;P2\np3_a;p2 \n".encode())
    for subjects, people in ((r"p(\d)_.*", ["1", "1", "2", "3"]), (table, ["7", "7", "P2", "P2"])):
        found = opened(place, subjects=subjects)
        which = [RECORDS.index(name) for name in ("p1_a", "p1_b", "p2_a", "p3_a")]
        assert sorted(set(found.subject.tolist())) == sorted(set(people))
        plain = opened(place)
        np.testing.assert_array_equal(found.x, plain.x)
        assert found.fingerprint != plain.fingerprint
        pairs = set(zip(plain.subject.tolist(), found.subject.tolist(), strict=True))
        names = dict(sorted(pairs))
        assert [names[key] for key in sorted(names)] == [people[at] for at in which]
        told = [note for note in found.notes if "subject" in note]
        assert len(told) == 1 and told[0].startswith("subjects by --subjects")
        looked = atml.data.inspect(place, task=task, label=label, subjects=subjects)  # type: ignore[arg-type]
        assert {part.name for part in looked.splits[0].subjects} == set(people)
    for option, says in (
        (r"p([12])_.*", "does not fit 'p3_a"),
        (r"p(\d)_", "does not fit"),
        ("people", r"no such file; a pattern has brackets"),
        ("p(", "no pattern either"),
    ):
        with pytest.raises(DataError, match=says) as caught:
            opened(place, subjects=option)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("recording,subject\np1_a,A\np1_b,A\n", r"has no line for 'p2_a', 'p3_a': add it"),
        ("p1_a,A\np1_b,\np2_a,B\np3_a,B\n", r"line 2 names no subject"),
        ("p1_a,A\np1_b,nan\np2_a,B\np3_a,B\n", r"line 2 names no subject"),
        ("p1_a,A\n,A\n", r"line 2 names no recording"),
        ("p1_a,A\np1_a.hea,B\n", r"line 2 gives 'p1_a' to 'B', an earlier one to another"),
        ("recording,subject\n", "lists no recording"),
        ("", "lists no recording"),
        ("a,b,c\np1_a,A,1\n", "no columns recording and subject"),
    ],
)
def test_a_table_of_people_that_does_not_do_is_refused(
    opened: Opened, task: Task, tmp_path: Path, lines: str, says: str
) -> None:
    file = tmp_path / "people.csv"
    file.write_text(lines)
    with pytest.raises(DataError, match=says):
        opened(recordings("npz", tmp_path / "set", task), subjects=file)


def test_a_name_that_may_be_two_recordings_needs_its_folder(
    opened: Opened, put: Callable[..., Path], tmp_path: Path
) -> None:
    for at, part in enumerate(("train_data", "test_data")):
        put(tmp_path / "set" / part, "S1-N-0.txt")
        put(tmp_path / "set" / part, f"S{2 + at}-AFIB-1.txt")
    file = tmp_path / "people.csv"
    file.write_text("S1,A\nS2,B\nS3,C\n")
    with pytest.raises(DataError, match=r"is of 'A' by --subjects .*, and in train and test"):
        opened(tmp_path / "set", subjects=file)
    file.write_text("train_data/S1-N-0,A\ntest_data/S1-N-0,D\nS2,B\nS3,C\n")
    assert set(opened(tmp_path / "set", split="test", subjects=file).subject.tolist()) == {"C", "D"}
    assert set(opened(tmp_path / "set", subjects=file).subject.tolist()) == {"A", "B"}
    nested = tmp_path / "nested"
    for at, name in enumerate(("one/r", "two/r", "two/s")):
        folder = (nested / name).parent
        folder.mkdir(parents=True, exist_ok=True)
        signal = np.random.default_rng(at).normal(size=200)
        write_wfdb(folder, (nested / name).name, signal, ("N", "AFIB")[at % 2], 50)
    (nested / "RECORDS").write_text("one/r\ntwo/r\ntwo/s\n")
    file.write_text("r,A\ns,B\n")
    with pytest.raises(DataError, match=r"'r' may be one/r, two/r: give their folders too"):
        opened(nested, subjects=file)
    file.write_text("one/r,A\ntwo/r.hea,B\ns,B\n")
    assert set(opened(nested, subjects=file).subject.tolist()) == {"A", "B"}


def test_names_with_ends_of_lines_are_shown_in_one_line(opened: Opened, tmp_path: Path) -> None:
    names = np.array(["A\nB", "nan", "C\x01", "C\x01"])
    with pytest.raises(DataError, match=r"'A\\nB'") as caught:
        opened(npz(tmp_path / "set.npz", names), subjects="(D)")
    assert "\n" not in str(caught.value) and str(DataError("a\x01\nb")) == r"a\x01\nb"
