"""What a server counts, in the text format of Prometheus (version 0.0.4).

Source: https://prometheus.io/docs/instrumenting/exposition_formats. Times are in seconds, sizes in bytes.
"""

from __future__ import annotations

import bisect
import os
import resource
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Upper ends of the buckets of `Histogram`, in seconds."""


class Counts:
    """A number for each set of labels."""

    def __init__(self, name: str, text: str, labels: tuple[str, ...]) -> None:
        self.name, self.text, self.labels = name, text, labels
        self.values: dict[tuple[str, ...], float] = {}

    def add(self, *labels: str, count: float = 1) -> None:
        """Count one more, or ``count``."""
        self.values[labels] = self.values.get(labels, 0) + count

    def lines(self) -> list[str]:
        """Write it.

        Example:
            >>> seen = Counts("windows_total", "Windows.", ("model",))
            >>> seen.add("night", count=3)
            >>> seen.lines()
            ['# HELP windows_total Windows.', '# TYPE windows_total counter',
            'windows_total{model="night"} 3']
        """
        rows = (
            f"{self.name}{braced(dict(zip(self.labels, key, strict=True)))} {written(value)}"
            for key, value in sorted(self.values.items())
        )
        return [*declared(self.name, self.text, "counter"), *rows]


class Histogram:
    """How long something takes, by model."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self.text = name, text
        self._counts: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}

    def add(self, model: str, seconds: float) -> None:
        """Count one duration."""
        counts = self._counts.setdefault(model, [0] * (len(BUCKETS) + 1))
        counts[bisect.bisect_left(BUCKETS, seconds)] += 1
        self._sums[model] = self._sums.get(model, 0.0) + seconds

    def lines(self) -> list[str]:
        """Write it; each bucket counts those below too."""
        found = declared(self.name, self.text, "histogram")
        for model, counts in sorted(self._counts.items()):
            below = 0
            for end, count in zip((*map(str, BUCKETS), "+Inf"), counts, strict=True):
                below += count
                found.append(f"{self.name}_bucket{braced({'model': model, 'le': end})} {below}")
            found.append(f"{self.name}_sum{braced({'model': model})} {written(self._sums[model])}")
            found.append(f"{self.name}_count{braced({'model': model})} {below}")
        return found


class Metrics:
    """All that a server counts."""

    def __init__(self) -> None:
        self.requests = Counts(
            "atml_requests_total", "Requests answered, by model and HTTP status.", ("model", "status")
        )
        self.windows = Counts("atml_windows_total", "Windows that models were run on.", ("model",))
        self.undecided = Counts(
            "atml_windows_undecided_total", "Windows left undecided, and why.", ("model", "why")
        )
        self.seconds = Histogram(
            "atml_request_duration_seconds", "From a whole inference request to its answer, queue included."
        )
        self.lost = Counts("atml_connections_lost_total", "Clients that went away within a request.", ())
        self.lost.add(count=0)

    def text(self, gauges: Mapping[str, tuple[str, float]]) -> str:
        """Write everything; ``gauges`` are further names, what they mean, and values of this moment."""
        lines: list[str] = []
        for one in (self.requests, self.windows, self.undecided, self.seconds, self.lost):
            lines += one.lines()
        for name, (text, value) in {**gauges, **process()}.items():
            kind = "counter" if name.endswith("_total") else "gauge"
            lines += [*declared(name, text, kind), f"{name} {written(value)}"]
        return "\n".join([*lines, ""])


def declared(name: str, text: str, kind: str) -> list[str]:
    """Return the two lines before the values of a metric."""
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]


def braced(labels: Mapping[str, str]) -> str:
    r"""Write labels; "" for none.

    Example:
        >>> braced({"model": 'a"b', "le": "+Inf"})
        '{model="a\\"b",le="+Inf"}'
    """
    escapes = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
    inside = ",".join(f'{name}="{value.translate(escapes)}"' for name, value in labels.items())
    return f"{{{inside}}}" if inside else ""


def written(value: float) -> str:
    """Write a number.

    Example:
        >>> written(3.0), written(0.25)
        ('3', '0.25')
    """
    return str(int(value)) if value == int(value) else repr(float(value))


def process() -> dict[str, tuple[str, float]]:
    """Return what Prometheus expects of every process, by its usual names; less where there is no /proc."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    found = {
        "process_cpu_seconds_total": ("Processor time of this process.", used.ru_utime + used.ru_stime),
        "process_start_time_seconds": ("Start of this process since 1970.", _STARTED),
    }
    proc = Path("/proc/self")
    if proc.is_dir():
        pages = int((proc / "statm").read_text().split()[1])
        memory = float(pages * os.sysconf("SC_PAGE_SIZE"))
        found["process_resident_memory_bytes"] = ("Memory of this process.", memory)
        found["process_open_fds"] = ("Open files and connections.", float(_entries(proc / "fd")))
    return found


def _entries(folder: Path) -> int:
    names: Iterable[str] = os.listdir(folder)  # noqa: PTH208 - of /proc, whose entries can't be looked at
    return sum(1 for _ in names)


_STARTED = time.time()
