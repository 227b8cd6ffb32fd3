"""Many files on several processes are the same rows as few on one."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
import pytest

from atml.data.file_tree import find
from atml.data.formats import contest_reader
from atml.data.reading import Reading
from atml.data.rows import Shape

SHAPE = Shape(50, 100, 1)


@pytest.fixture
def many(tmp_path, put):
    for number in range(600):
        values = "x\n" if number == 333 else "0.5\n" * 100 if number == 444 else None
        put(tmp_path / "many", f"S{number % 7}-N-{number}.txt", values)
    return find(tmp_path / "many")


def facts(source, processes=None):
    """Read, and return everything that it gives, free of how it was dealt."""
    reading = Reading(source.path)
    chunks = contest_reader.read(source, source.names, SHAPE, processes, reading=reading)
    names = [name for part, _ in chunks for name in part]
    x = np.concatenate(reading.blocks())
    faults = [(part[at], kind, detail) for part, rows in chunks for at, kind, detail in rows.faults]
    return names, x, faults


def same(one, other):
    assert one[0] == other[0] and one[2] == other[2]
    np.testing.assert_array_equal(one[1], other[1])


@pytest.mark.parametrize("processes", [2, 3])
def test_helpers_read_the_same(many, monkeypatch, processes):
    alone = facts(many)
    assert len(alone[1]) == 598
    assert [(name, kind) for name, kind, _ in alone[2]] == [
        ("S3-N-444.txt", "flat"),
        ("S4-N-333.txt", "text"),
    ]
    monkeypatch.setattr(contest_reader, "ALONE", 0)
    monkeypatch.setattr(contest_reader, "CHUNK", 40)
    same(facts(many, processes), alone)


def test_helpers_do_part_of_the_work(many, monkeypatch):
    monkeypatch.setattr(contest_reader, "ALONE", 0)
    monkeypatch.setattr(contest_reader, "CHUNK", 1)
    here = []
    plain = contest_reader._rows
    monkeypatch.setattr(contest_reader, "_rows", lambda *args: here.append(args[1]) or plain(*args))
    names = many.names * 10  # long enough for a helper to start
    chunks = contest_reader.read(many, names, SHAPE, 2)
    assert len(chunks) == len(names) > len(here)


@pytest.mark.parametrize(
    "program", ["import sys; sys.exit(1)", "import sys; sys.stdout.write('no pickle ' * 9999)"]
)
def test_helpers_that_die_cost_nothing_but_time(many, monkeypatch, program):
    alone = facts(many)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    monkeypatch.setattr(
        contest_reader,
        "_start",
        lambda count: [subprocess.Popen([sys.executable, "-c", program], **pipes) for _ in range(count)],
    )
    monkeypatch.setattr(contest_reader, "ALONE", 0)
    monkeypatch.setattr(contest_reader, "CHUNK", 40)
    same(facts(many, 3), alone)


def test_no_helper_outlives_the_reading(many, monkeypatch):
    started = []
    plain = contest_reader._start
    monkeypatch.setattr(contest_reader, "_start", lambda count: started.extend(plain(count)) or started)
    monkeypatch.setattr(contest_reader, "ALONE", 0)
    contest_reader.read(many, many.names, SHAPE, 3)
    assert len(started) == 2 and all(helper.poll() is not None for helper in started)


def test_a_script_without_a_main_guard_can_read(many, tmp_path):
    # multiprocessing's spawn would run such a script again in every child.
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(f"""
        from pathlib import Path
        from atml.data.formats import contest_reader as reader
        from atml.data.rows import Shape
        from atml.data.file_tree import find

        reader.ALONE = 0
        source = find(Path({str(many.path)!r}))
        chunks = reader.read(source, source.names, Shape(50, 100, 1), 2)
        print(sum(len(rows.owner) for _, rows in chunks))
        """)
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("598\n", "")
