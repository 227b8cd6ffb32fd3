"""What replicas of a model cost: latency, windows a second, memory, as threads and as processes.

This process only starts others and looks at them: it loads no library that they load, because the kernel
shares out the memory of a library among all who use it. Its quantiles are plain Python for that reason.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import IO, Any

from atml.errors import AtmlError, ExportError

SHARED, SESSIONS, PROCESSES = "shared", "sessions", "processes"
WAYS = (SHARED, SESSIONS, PROCESSES)
"""One session used by N threads, N sessions in N threads, N processes with a session each."""

BEYOND = 10
"""Runs that have to be slower than a quantile for it to mean anything: 1,000 runs for a p99."""

BUSY = 0.1
"""Cores' worth of other programs that a measurement bears without a word."""


@dataclass(frozen=True)
class Row:
    """One measurement. Latencies in milliseconds, None where runs are too few; ``mib`` of all replicas.

    ``mib_each`` is what a replica adds, from the fewest replicas to these; ``others`` are the cores that
    other programs kept busy meanwhile. None where the system does not say.
    """

    way: str
    replicas: int
    calls: int
    windows_per_s: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float
    mib: float | None
    mib_each: float | None
    others: float | None


@dataclass(frozen=True)
class Machine:
    """Where it was measured. ``memory_gib`` None where the system does not say, as may ``load`` (average)."""

    processor: str
    cores: int
    memory_gib: float | None
    load: float | None
    system: str
    python: str
    onnxruntime: str
    threads_a_session: int = 1


@dataclass(frozen=True)
class Bench:
    """All that was measured, of ``model`` (task, bytes, window) with ``batch`` windows a run."""

    machine: Machine
    export: str
    model: dict[str, Any]
    batch: int
    seconds: float
    rows: tuple[Row, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return asdict(self)

    @property
    def notes(self) -> list[str]:
        """What has to be known to read the figures."""
        found = []
        if any(None in (row.p50_ms, row.p95_ms, row.p99_ms) for row in self.rows):
            fewest = min(row.calls for row in self.rows)
            longer = self.seconds * BEYOND * 100 / max(fewest, 1)
            found.append(
                f"-: too few runs for that figure (a p99 takes {BEYOND * 100:,}); try --seconds {longer:.0f}"
            )
        busy = max((row.others for row in self.rows if row.others is not None), default=0.0)
        if busy > BUSY:
            found.append(
                f"other programs kept up to {busy:.1f} of {self.machine.cores} cores busy meanwhile: these"
                " figures are of a busy machine"
            )
        if any(row.replicas > self.machine.cores for row in self.rows):
            found.append(f"more replicas than the {self.machine.cores} cores wait for each other")
        return found


def measure(
    export: Path,
    replicas: Sequence[int],
    *,
    seconds: float,
    batch: int,
    say: Callable[[str], object] = lambda text: None,
) -> Bench:
    """Measure a model in every way and with every number of ``replicas``, ``seconds`` each.

    Raises ExportError where it can't be loaded, AtmlError where a process ends unexpectedly.
    """
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    rows: list[Row] = []
    model: dict[str, Any] = {}
    for way in WAYS:
        first: Row | None = None
        for count in sorted(set(replicas)):
            say(f"measuring: {way}, {count}")
            model, row = _measured(export, way, count, seconds, batch, first)
            first = first or row
            rows.append(row)
    return Bench(machine(load), str(export), model, batch, seconds, tuple(rows))


def machine(load: float | None) -> Machine:
    """Describe this machine; ``load`` is the average before anything was measured."""
    from atml.artifacts.record import processor
    from atml.data.formats.contest_reader import cores

    return Machine(
        processor=processor(),
        cores=cores(),
        memory_gib=_memory_gib(),
        load=load,
        system=platform.platform(terse=True),
        python=platform.python_version(),
        onnxruntime=metadata.version("onnxruntime"),
    )


def _measured(
    export: Path, way: str, count: int, seconds: float, batch: int, first: Row | None
) -> tuple[dict[str, Any], Row]:
    orders = {"export": str(export), "shared": way == SHARED, "batch": batch, "seconds": seconds}
    threads = 1 if way == PROCESSES else count
    with contextlib.ExitStack() as stack:
        started = [
            stack.enter_context(_process({**orders, "threads": threads}))
            for _ in range(count if way == PROCESSES else 1)
        ]
        model, *_ = [one.line() for one in started]
        before = _busy()
        for one in started:
            one.go()
        found = [one.line() for one in started]
        after = _busy()
        taken = sorted(
            value for one, said in zip(started, found, strict=True) for value in one.taken(said["calls"])
        )
        mib = _proportional_mib([one.pid for one in started])
    elapsed = max(said["elapsed"] for said in found)
    others = None
    if before is not None and after is not None:
        # Both are sampled a little outside the measurement, by the same processes.
        others = max(0.0, (after - before - sum(said["cpu"] for said in found)) / elapsed)
    each = None
    if first is not None and mib is not None and first.mib is not None:
        each = (mib - first.mib) / (count - first.replicas)
    p50, p95, p99 = (quantile(taken, q) for q in (0.50, 0.95, 0.99))
    return model, Row(
        way=way,
        replicas=count,
        calls=len(taken),
        windows_per_s=len(taken) * batch / elapsed,
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        max_ms=1000 * taken[-1],
        mib=mib,
        mib_each=each,
        others=others,
    )


def quantile(taken: Sequence[float], q: float) -> float | None:
    """Return a quantile of sorted seconds, in ms; None where it has fewer than `BEYOND` above it.

    Example:
        >>> taken = [at / 1e6 for at in range(1000)]
        >>> quantile(taken, 0.5), quantile(taken, 0.99), quantile(taken[:999], 0.99)
        (0.5, 0.99, None)
    """
    if round((1 - q) * len(taken), 9) < BEYOND:
        return None
    return 1000 * taken[int(q * len(taken) + 1e-9)]


class _Replica:
    """A process that measures (`atml.serving.replica`)."""

    def __init__(self, process: subprocess.Popen[bytes], complaints: IO[bytes]) -> None:
        self._process, self._complaints, self.pid = process, complaints, process.pid

    def line(self) -> dict[str, Any]:
        """Wait for what it says next; raises ExportError or AtmlError where that is an error or nothing."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            self._complaints.seek(0)
            said = self._complaints.read().decode("utf-8", "replace").strip().splitlines()
            raise AtmlError(f"a replica ended with code {code}: {said[-1] if said else 'it said nothing'}")
        said_now: dict[str, Any] = json.loads(line)
        if "error" in said_now:
            raise ExportError(said_now["error"])
        return said_now

    def go(self) -> None:
        """Let it measure."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"go\n")
        self._process.stdin.flush()

    def taken(self, calls: int) -> array[float]:
        """Read the seconds of each run."""
        assert self._process.stdout is not None
        found: array[float] = array("d")
        found.frombytes(self._process.stdout.read(calls * found.itemsize))
        return found


@contextlib.contextmanager
def _process(orders: dict[str, Any]) -> Iterator[_Replica]:
    """Start a replica, and end it whatever happens."""
    # -P: no file of the working directory stands in for a library; what is imported here is imported there.
    line = [sys.executable, "-P", "-m", "atml.serving.replica", json.dumps(orders)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryFile() as complaints,
        # Ctrl-C is for this process alone, which then ends the others.
        subprocess.Popen(
            line, stdin=pipe, stdout=pipe, stderr=complaints, env=environment, start_new_session=True
        ) as process,
    ):
        try:
            yield _Replica(process, complaints)
        finally:
            process.kill()


def _busy() -> float | None:
    """Seconds of processor time that all programs have used so far; None where there is no /proc."""
    try:
        first = Path("/proc/stat").read_text().splitlines()[0].split()
    except OSError:
        return None
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(value) for value in first[1:9])
    return (user + nice + system + irq + softirq + steal) / float(os.sysconf("SC_CLK_TCK"))


def _proportional_mib(pids: Sequence[int]) -> float | None:
    """Memory of processes, of what several share its part (PSS); None where the kernel does not say."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            return None
        found = [int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")]
        total += sum(found)
    return total / 1024 if total else None


def _memory_gib() -> float | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    found = [int(line.split()[1]) for line in lines if line.startswith("MemTotal:")]
    return found[0] / 1024**2 if found else None
