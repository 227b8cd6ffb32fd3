"""An opening that was interrupted goes on where it stood, and comes to the same bits."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import atml.data
from atml.data import cache, resuming
from atml.data.dataset import Dataset
from atml.data.formats import contest_reader, physionet_challenge
from atml.data.reading import Part, Reading
from atml.data.rows import Shape, make
from atml.errors import DataError
from atml.tasks.task import Task
from atml.watching import Progress, watched

TASK = Task(name="af", classes=("N", "AF"), positive=1, sampling_rate=100, window=100)
LABELS = {"N": 0, "AF": 1, "AFIB": 1}
RECORDS = 9


def write_records(folder: Path, count: int = RECORDS) -> Path:
    """Write records of the CinC challenge 2017, 20 s at 300 Hz each; the third and the sixth are noisy."""
    folder.mkdir(parents=True)
    lines = []
    for number in range(count):
        values = np.random.default_rng(number).integers(-900, 900, 6000).astype("<i2")
        head = struct.pack("<5i4s", 30, 1, len(values), 0, 4, b"val\0")
        (folder / f"A{number}.mat").write_bytes(head + values.tobytes())
        (folder / f"A{number}.hea").write_text(
            f"A{number} 1 300 6000\nA{number}.mat 16+24 1000/mV 16 0 0 0 0 ECG\n"
        )
        lines.append(f"A{number},{'~' if number in (2, 5) else 'NA'[number % 2]}\n")
    (folder / "REFERENCE.csv").write_text("".join(lines))
    return folder


@pytest.fixture
def records(tmp_path: Path) -> Path:
    return write_records(tmp_path / "set")


def opened(path: Path, to: Path) -> Dataset:
    return atml.data.open(path, task=TASK, label=LABELS.get, cache=to)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Name the records whose samples are really read."""
    names: list[str] = []
    plain = physionet_challenge.signal
    monkeypatch.setattr(physionet_challenge, "signal", lambda *args: names.append(args[0]) or plain(*args))
    return names


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every record written as soon as it is read."""
    monkeypatch.setattr(resuming, "EVERY", 0.0)


def parts_of(folder: Path) -> Path:
    (found,) = folder.glob(f"{cache.PARTS}*")
    return found


KILLED = """
    import os, signal
    from pathlib import Path
    import atml.data
    from atml.data import resuming
    from atml.data.formats import {module} as module
    from atml.tasks.task import Task

    resuming.EVERY, resuming.MOST = 0.0, 10_000
    task = Task(name="af", classes=("N", "AF"), positive=1, sampling_rate=100, window=100)
    plain, count = module.{name}, 0

    def dying(*args):
        global count
        count += 1
        if count == {after}:
            os.kill(os.getpid(), signal.SIGKILL)
        return plain(*args)

    module.{name} = dying
    {more}
    atml.data.open(Path({path!r}), task=task, label={labels!r}.get, cache=Path({cache!r}))
"""


def kill(path: Path, to: Path, *, module: str, name: str, after: int, more: str = "") -> None:
    """Open a set in a process that gets a SIGKILL when it comes to do a thing for the nth time."""
    told = {"module": module, "name": name, "after": after, "more": more, "labels": LABELS}
    program = textwrap.dedent(KILLED).format(path=str(path), cache=str(to), **told)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (-signal.SIGKILL, "")


def same(one: Dataset, other: Dataset) -> None:
    assert one.fingerprint == other.fingerprint and one.notes == other.notes
    assert bytes(one.x) == bytes(other.x)
    for name in ("y", "subject", "rhythm", "record"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_a_killed_opening_goes_on_with_the_record_it_stood_at(
    records: Path, tmp_path: Path, reads: list[str]
) -> None:
    whole = opened(records, tmp_path / "whole")
    assert reads == [f"A{number}" for number in range(RECORDS)]
    reads.clear()
    kill(records, tmp_path / "cache", module="physionet_challenge", name="signal", after=6)
    left = parts_of(tmp_path / "cache")
    assert len(list(left.glob("*.npz"))) == 5
    # What it may have been writing when it was killed.
    with (left / "x").open("ab") as file:
        file.write(b"half a window")
    (left / "000006.new").write_bytes(b"PK")
    shown: list[Progress] = []
    with watched(shown.append):
        again = opened(records, tmp_path / "cache")
    assert reads == [f"A{number}" for number in range(5, RECORDS)]
    same(again, whole)
    assert [one.done for one in shown if one.done == int(one.done)][-1] == RECORDS == shown[-1].total
    assert [path for path in (tmp_path / "cache").iterdir() if path.name.startswith(".")] == []


def test_files_of_windows_go_on_too(
    put: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, to = tmp_path / "set", tmp_path / "cache"
    for number in range(40):
        put(files, f"S{number % 4}-{'AFIB' if number % 2 else 'N'}-{number}.txt")
    whole = opened(files, tmp_path / "whole")
    kill(files, to, module="contest_reader", name="_rows", after=4, more="module.CHUNK = 8")
    read: list[str] = []
    plain = contest_reader._rows
    monkeypatch.setattr(contest_reader, "_rows", lambda *args: read.extend(args[1]) or plain(*args))
    monkeypatch.setattr(contest_reader, "CHUNK", 8)
    same(opened(files, to), whole)
    assert len(read) == 40 - 3 * 8


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("damage", ["rows", "batch", "cut short", "gone"])
def test_what_is_damaged_is_read_again(
    records: Path, tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    whole = opened(records, tmp_path / "whole")
    interrupted(records, tmp_path / "cache", monkeypatch, after=5)
    left = parts_of(tmp_path / "cache")
    rows, batch = left / "x", left / "000003.npz"
    if damage == "rows":
        content = bytearray(rows.read_bytes())
        content[len(content) // 2] ^= 1  # of the third record
        rows.write_bytes(content)
    elif damage == "batch":
        content = bytearray(batch.read_bytes())
        content[len(content) // 2] ^= 1
        batch.write_bytes(content)
    elif damage == "cut short":
        rows.write_bytes(rows.read_bytes()[: rows.stat().st_size // 2])
    else:
        batch.unlink()
    reads.clear()
    same(opened(records, tmp_path / "cache"), whole)
    assert reads == [f"A{number}" for number in range(2, RECORDS)]


def interrupted(path: Path, to: Path, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Open a set and get a Ctrl-C when so many records are read."""
    plain, left = physionet_challenge.signal, [after]

    def pressed(*args: object) -> object:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return plain(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(physionet_challenge, "signal", pressed)
        with pytest.raises(KeyboardInterrupt):
            opened(path, to)


def test_ctrl_c_keeps_what_was_read_and_another_file_nothing(
    records: Path, tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(records, tmp_path / "cache", monkeypatch, after=4)
    reads.clear()
    opened(records, tmp_path / "cache")
    assert reads == [f"A{number}" for number in range(4, RECORDS)]
    interrupted(records, tmp_path / "other", monkeypatch, after=4)
    os.utime(records / "A1.mat", (1, 1))
    reads.clear()
    opened(records, tmp_path / "other")
    assert len(reads) == RECORDS


@pytest.mark.usefixtures("at_once")
def test_a_refusal_leaves_nothing(records: Path, tmp_path: Path) -> None:
    (records / "A7.mat").write_bytes(b"short")
    with pytest.raises(DataError, match=r"A7\.mat"):
        opened(records, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.usefixtures("at_once")
def test_a_second_reader_has_a_folder_of_its_own(
    records: Path, tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(records, tmp_path / "cache", monkeypatch, after=4)
    left = parts_of(tmp_path / "cache")
    before = {file.name: file.read_bytes() for file in left.iterdir()}
    with resuming.resuming(records, left) as first:
        assert first.finished("A0") is not None
        reads.clear()
        opened(records, tmp_path / "cache")
        assert len(reads) == RECORDS
        assert {file.name: file.read_bytes() for file in left.iterdir()} == before
    assert not left.exists()


@pytest.mark.usefixtures("at_once")
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_keeps_rows_in_memory(
    records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = opened(records, tmp_path / "whole")
    plain = resuming.Resuming._opened

    with Path("/dev/full").open("r+b", buffering=0) as nowhere:  # says "no space" to every write
        monkeypatch.setattr(
            resuming.Resuming, "_opened", lambda self: plain(self) if self._batches < 3 else nowhere
        )
        same(opened(records, tmp_path / "cache"), whole)
    assert [path for path in (tmp_path / "cache").iterdir() if path.name.startswith(".")] == []


def test_readings_that_were_given_up_are_swept(tmp_path: Path) -> None:
    old, new = tmp_path / f"{cache.PARTS}old", tmp_path / f"{cache.PARTS}new"
    for folder in (old, new):
        folder.mkdir()
        (folder / "x").write_text("rows")
    long_ago = time.time() - 2 * cache.UNWANTED
    os.utime(old, (long_ago, long_ago))
    cache.save(tmp_path / "key", [np.zeros((1, 1, 5), np.float32)], {}, [])
    assert not old.exists() and new.exists()


def test_little_is_never_written(tmp_path: Path) -> None:
    with resuming.resuming(tmp_path, tmp_path / "parts") as reading:
        rows = make([np.ones((1, 5)) * np.arange(5)], Shape(100, 5, 1, 100))
        reading.add(rows.x)
        reading.close(Part("one", rows))
        assert not (tmp_path / "parts").exists() and len(reading.blocks()) == 1


def blocks(reading: Reading) -> Iterator[np.ndarray]:
    for number in range(5):
        x = np.full((3, 2, 50), number, np.float32)
        reading.add(x)
        yield x


def test_rows_on_disk_are_those_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resuming, "MOST", 2000)
    with resuming.resuming(tmp_path, None) as reading:
        wanted = np.concatenate(list(blocks(reading)))
        found = reading.blocks()
        np.testing.assert_array_equal(np.concatenate(found), wanted)
        assert len(found) < 5
