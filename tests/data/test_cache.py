"""The parsed copy: found, rebuilt when damaged, never half there."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import atml.data
from atml.data import cache
from atml.data.formats import contest_reader


@pytest.fixture
def opened(contest, task, label, tmp_path):
    def call(where=tmp_path / "cache"):
        return atml.data.open(contest, task=task, label=label, cache=where)

    return call


@pytest.fixture
def reads(monkeypatch):
    """Count how often files are really read."""
    calls = []
    plain = contest_reader.read
    monkeypatch.setattr(contest_reader, "read", lambda *args, **more: calls.append(1) or plain(*args, **more))
    return calls


def entry(folder):
    (found,) = (path for path in folder.iterdir() if not path.name.startswith("."))
    return found


def test_the_second_time_nothing_is_read(opened, reads, contest):
    first, second = opened(), opened()
    assert len(reads) == 1
    assert first.fingerprint == second.fingerprint and first.notes == second.notes
    np.testing.assert_array_equal(first.x, second.x)
    assert isinstance(second.x, np.memmap) and not second.x.flags.writeable


def test_a_changed_file_is_read_again(opened, reads, contest, put):
    before = opened()
    put(contest / "train_data", "S1-N-0.txt", "\n".join(map(str, range(100))))
    after = opened()
    assert len(reads) == 2 and after.fingerprint != before.fingerprint
    assert after.x.max() == 99


@pytest.mark.parametrize("option", [{"sampling_rate": 50}, {"split": "test"}])
def test_other_options_are_another_entry(opened, contest, task, label, tmp_path, reads, option):
    opened()
    atml.data.open(contest, task=task, label=label, cache=tmp_path / "cache", **option)
    assert len(reads) == 2


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path):
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    path.write_bytes(raw)


@pytest.mark.parametrize("name", ["x.npy", "rows.npz", "meta.json"])
@pytest.mark.parametrize(
    "damage", [cut, flip, lambda path: path.write_bytes(b""), Path.unlink, lambda path: path.write_text("{}")]
)
def test_a_damaged_entry_is_built_again_and_told(opened, reads, tmp_path, name, damage):
    before = opened()
    found = bytes(before.x)
    damage(entry(tmp_path / "cache") / name)
    after = opened()
    assert len(reads) == 2
    assert bytes(after.x) == found and after.fingerprint == before.fingerprint
    assert [note for note in after.notes if "was damaged" in note and "built again" in note]
    again = opened()
    assert len(reads) == 2 and again.notes == before.notes
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [entry(tmp_path / "cache").name]


def test_an_entry_of_another_shape_is_built_again(opened, reads, tmp_path):
    before = opened()
    np.save(entry(tmp_path / "cache") / "x.npy", np.zeros((24, 1, 99), np.float32))
    assert opened().fingerprint == before.fingerprint and len(reads) == 2


def test_a_place_that_is_no_folder_leaves_the_data_in_memory(opened, tmp_path):
    (tmp_path / "file").write_text("")
    found = opened(tmp_path / "file" / "cache")
    assert len(found) == 24 and not isinstance(found.x, np.memmap)
    assert any("kept in memory, see ATML_CACHE" in note for note in found.notes)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_leaves_the_data_in_memory_and_nothing_behind(opened, tmp_path, monkeypatch):
    plain = Path.open

    def full(path, *args, **options):  # the disk itself is real: /dev/full says "no space" to every write
        return plain(Path("/dev/full") if path.name == "x.npy" else path, *args, **options)

    monkeypatch.setattr(Path, "open", full)
    found = opened()
    monkeypatch.undo()
    assert len(found) == 24 and not isinstance(found.x, np.memmap)
    assert any(os.strerror(errno.ENOSPC) in note for note in found.notes)
    assert list((tmp_path / "cache").iterdir()) == []
    assert isinstance(opened().x, np.memmap)


def test_two_at_once_are_both_fine(contest, tmp_path):
    program = f"""
import atml.data
from atml.tasks import Task
task = Task(name="af", classes=("other", "AF"), positive=1, sampling_rate=50, window=100)
from pathlib import Path
data, cache = Path({str(contest)!r}), Path({str(tmp_path / "c")!r})
found = atml.data.open(data, task=task, label={{"AFIB": 1, "N": 0}}.get, cache=cache)
print(found.fingerprint, found.notes)
"""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    said = {helper.communicate(timeout=60) for helper in running}
    assert len(said) == 1
    ((out, err),) = said
    assert err == "" and out.endswith(" ()\n")
    assert [path.name for path in (tmp_path / "c").iterdir()] == [entry(tmp_path / "c").name]


def block(value=1.0):
    return [np.full((3, 1, 5), value, np.float32)]


def test_who_comes_second_keeps_what_is_there(tmp_path):
    cache.save(tmp_path / "key", block(1.0), {}, [])
    cache.save(tmp_path / "key", block(2.0), {}, [])
    found, why = cache.load(tmp_path / "key")
    assert found is not None and why == "" and found.x.max() == 1.0


def test_half_written_entries_of_the_dead_are_swept(tmp_path):
    old, new = tmp_path / ".new-old", tmp_path / ".new-new"
    for folder in (old, new):
        folder.mkdir()
        (folder / "x.npy").write_text("half")
    long_ago = time.time() - 2 * cache.ABANDONED
    os.utime(old, (long_ago, long_ago))
    cache.save(tmp_path / "key", block(), {}, [])
    assert not old.exists() and new.exists()


def test_blocks_are_joined_and_arrays_and_notes_kept(tmp_path):
    blocks = [np.full((n, 2, 5), n, np.float32) for n in (1, 3)]
    arrays = {"names": np.array(["ä", "bb", "", "d"]), "bytes": np.arange(8, dtype=np.uint8).reshape(4, 2)}
    cache.save(tmp_path / "key", blocks, arrays, ["one", "two"])
    found, _ = cache.load(tmp_path / "key")
    assert found.notes == ("one", "two")
    np.testing.assert_array_equal(found.x, np.concatenate(blocks))
    for name, array in arrays.items():
        np.testing.assert_array_equal(found.arrays[name], array)
    assert json.loads((tmp_path / "key" / "meta.json").read_text())["shape"] == [4, 2, 5]


def test_no_entry_is_no_damage(tmp_path):
    assert cache.load(tmp_path / "nothing") == (None, "")


def test_where_the_cache_lies(monkeypatch, tmp_path):
    monkeypatch.setenv("ATML_CACHE", str(tmp_path / "a"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    monkeypatch.setenv("HOME", str(tmp_path / "h"))
    assert cache.root(tmp_path / "given") == tmp_path / "given"
    assert cache.root(None) == tmp_path / "a"
    monkeypatch.delenv("ATML_CACHE")
    assert cache.root(None) == tmp_path / "x" / "atml"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.root(None) == tmp_path / "h" / ".cache" / "atml"


def test_the_checksum_sees_every_sample_and_another_length():
    x = np.zeros((5000, 1, 1000), np.float32)
    plain = cache.checksum(x)
    for place in (0, 1717, 2500, 4999):
        x[place, 0, 500] = 1
        assert cache.checksum(x) != plain
        x[place, 0, 500] = 0
    assert cache.checksum(x) == plain
    assert cache.checksum(x[:-1]) != plain
