"""What replicas cost: every figure is there or said to be missing. How long anything took doesn't matter."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from atml.errors import AtmlError, ExportError
from atml.serving import replica, replicas
from tests.searching.conftest import command
from tests.serving.conftest import AFIB
from tests.terminal import run


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, object], str]:
    where = tmp_path_factory.mktemp("bench")
    done = run(where, "bench", AFIB, "--replicas", "2,1", "--seconds", 0.1, "--batch", 2, "--out", "f.json")
    assert done.returncode == 0 and done.stderr == ""
    assert sorted(path.name for path in where.iterdir()) == ["f.json"]
    return done.stdout, json.loads((where / "f.json").read_text()), done.stdout.splitlines()[-1]


def test_three_ways_are_measured_with_each_number_of_replicas(
    found: tuple[str, dict[str, object], str],
) -> None:
    _, kept, last = found
    assert last == "wrote f.json"
    rows = kept["rows"]
    assert isinstance(rows, list)
    assert [(row["way"], row["replicas"]) for row in rows] == [
        (way, count) for way in ("shared", "sessions", "processes") for count in (1, 2)
    ]
    for row in rows:
        assert row["calls"] > 0 and row["windows_per_s"] > 0
        assert row["p50_ms"] is None or 0 < row["p50_ms"] <= (row["p95_ms"] or row["max_ms"]) <= row["max_ms"]
        assert (row["p99_ms"] is None) == (row["calls"] < 1000)
        assert (row["mib_each"] is None) == (row["replicas"] == 1) or row["mib"] is None
    if Path("/proc/self/smaps_rollup").exists():
        one, two = (row for row in rows if row["way"] == "processes")
        # A second process has its own Python and numpy; a second session has neither.
        assert two["mib"] > one["mib"] + 5 and two["mib_each"] == pytest.approx(two["mib"] - one["mib"])
        shared = [row["mib"] for row in rows if row["way"] == "shared"]
        assert abs(shared[1] - shared[0]) < two["mib_each"] / 2
    assert kept["batch"] == 2 and kept["export"] == str(AFIB)


def test_the_machine_is_named(found: tuple[str, dict[str, object], str]) -> None:
    text, kept, _ = found
    machine = kept["machine"]
    assert isinstance(machine, dict)
    assert machine["cores"] >= 1 and machine["onnxruntime"] and machine["threads_a_session"] == 1
    head = text.splitlines()[:3]
    assert head[0].startswith("afib, 4.5 KiB: cnn 8-8")
    assert machine["processor"] in head[1] and "load average before: " in head[1]
    assert head[2].startswith(f"onnxruntime {machine['onnxruntime']}, 1 thread a session; 2 windows a run")


def test_the_table_fits_a_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from rich.console import Console

    from atml.cli.bench import screen

    row = replicas.Row("processes", 64, 10, 1234567.0, 1234.5, 1234.5, 1234.5, 9999.9, 12345.6, 123.4, 64.0)
    few = replicas.Row("shared", 1, 10, 12.0, 80.0, None, None, 90.0, None, None, None)
    machine = replicas.Machine("Some processor, 2 cores", 2, 23.4, 0.5, "Linux", "3.11", "1.32.0")
    model = {"task": "afib", "bytes": 4600, "summary": "cnn 8-8", "leads": 1, "window": 1250}
    bench = replicas.Bench(machine, "e", model, 1, 0.1, (few, row))
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(screen(bench))
    lines = console.export_text().splitlines()
    table = lines[lines.index("") + 1 :][:3]
    assert table[0].split() == ["replicas", "N", "windows/s", "p50", "ms", "p95", "p99", "max", "MiB", "each",
                                "others"]  # fmt: skip
    assert table[1].split() == ["shared", "1", "12", "80.0", "-", "-", "90.0", "-", "-"]
    assert table[2].split()[2:] == ["1,234,567", "1234", "1234", "1234", "10000", "12346", "+123",
                                    "64.0"]  # fmt: skip
    assert [note.split(":")[0] for note in bench.notes] == [
        "-",
        "other programs kept up to 64.0 of 2 cores busy meanwhile",
        "more replicas than the 2 cores wait for each other",
    ]
    assert bench.notes[0].endswith("try --seconds 10")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nothing",), "nothing does not exist; name an export folder"),
        ((AFIB, "--replicas", "0"), "--replicas '0': must be whole numbers from 1 to 64 with commas"),
        ((AFIB, "--replicas", "a"), "--replicas 'a': must be whole numbers"),
        ((AFIB, "--replicas", "1,,2"), "--replicas '1,,2': must be whole numbers"),
        ((AFIB, "--replicas", ""), "--replicas '': must be whole numbers"),
        ((AFIB, "--seconds", "0"), "--seconds 0: must be 0.01 or more"),
        ((AFIB, "--batch", "0"), "--batch 0: must be 1 or more"),
        ((__file__,), "is not an ONNX file, or is damaged"),
    ],
)
def test_bad_arguments(tmp_path: Path, arguments: tuple[object, ...], said: str) -> None:
    done = run(tmp_path, "bench", *arguments)
    assert done.returncode == 2 and said in done.stderr and len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_a_file_that_can_not_be_written_is_said_before_anything_is_measured(tmp_path: Path) -> None:
    done = run(tmp_path, "bench", AFIB, "--out", "no/such/folder.json")
    assert done.returncode == 2 and done.stderr.startswith("atml: --out no/such/folder.json can't be written")


def test_a_replica_that_ends_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(AtmlError, match="a replica ended with code 1: it said nothing"):
        replicas.measure(AFIB, [1], seconds=0.1, batch=1)


def test_what_a_replica_does() -> None:
    """In this process, where each step can be looked at."""
    orders = {"export": str(AFIB), "threads": 3, "batch": 2, "shared": True}
    sessions, inputs, facts = replica.prepared(orders)
    assert len({id(one) for one in sessions}) == 1 and len(sessions) == 3
    assert {one.shape for one in inputs} == {(2, 1, 1250)} and facts["task"] == "afib"
    assert len({id(one) for one in replica.prepared({**orders, "shared": False})[0]}) == 3
    taken = replica.measured(sessions, inputs, 0.02)
    assert len(taken) >= 3 and min(taken) > 0
    with pytest.raises(ExportError):
        replica.prepared({**orders, "export": "nothing"})


def test_an_interrupted_measurement_leaves_no_process() -> None:
    def alive() -> list[str]:
        found = []
        for file in Path("/proc").glob("[0-9]*/environ"):
            try:
                found += [file.parent.name] if b"ATML_MARK=bench-test\0" in file.read_bytes() else []
            except OSError:
                continue
        return found

    heard = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None}
    line = command("bench", AFIB, "--replicas", "2", "--seconds", "60")
    environment = {**os.environ, "ATML_MARK": "bench-test"}
    with subprocess.Popen(line, env=environment, stderr=subprocess.PIPE, text=True, **heard) as process:  # type: ignore[call-overload]
        try:
            end = time.monotonic() + 60
            while len(alive()) < 2:
                assert process.poll() is None and time.monotonic() < end
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, err) == (130, "atml: interrupted\n")
    end = time.monotonic() + 30
    while alive():
        assert time.monotonic() < end
        time.sleep(0.05)
