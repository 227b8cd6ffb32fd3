"""One process of a measurement: a model run by threads, each asking again as soon as it is answered.

`atml.serving.replicas` starts it with its orders as JSON on the command line. It writes a line of JSON when
it is ready, waits for a line, measures, writes its findings and then its latencies as bytes, and stays until
standard input ends, so that its memory can be looked at.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from atml.arrays import Float32
from atml.artifacts.model import Session, load
from atml.errors import AtmlError
from atml.tasks.task import Task

INPUTS = 16
"""Different batches that take turns."""

WARM_UP_S, WARM_UP_RUNS = 0.3, 20
"""What is run, at least, before anything is measured; the first runs of a session take longer."""


def main() -> None:
    """Follow the orders of the command line."""
    orders = json.loads(sys.argv[1])
    try:
        sessions, inputs, facts = prepared(orders)
    except AtmlError as error:
        _say({"error": str(error)})
        return
    warmed_up(sessions, inputs)
    _say(facts)
    if not sys.stdin.readline():
        return
    began, used = time.monotonic(), time.process_time()
    taken = measured(sessions, inputs, orders["seconds"])
    _say(
        {
            "calls": len(taken),
            "elapsed": time.monotonic() - began,
            "cpu": time.process_time() - used,
        }
    )
    sys.stdout.buffer.write(taken.tobytes())
    sys.stdout.buffer.flush()
    sys.stdin.read()


def prepared(orders: dict[str, Any]) -> tuple[list[Session], list[Float32], dict[str, Any]]:
    """Load the model: a session a thread, the same for all or one of its own, batches, what the model is."""
    exported = load(Path(orders["export"]))
    threads = int(orders["threads"])
    first = Session(exported.model)
    own = (Session(exported.model) for _ in range(threads - 1))
    sessions = [first] * threads if orders["shared"] else [first, *own]
    rng, task = np.random.default_rng(0), exported.task
    shape = (orders["batch"], *task.shape)
    inputs = [_drawn(rng, task, shape) for _ in range(INPUTS)]
    facts: dict[str, Any] = {"task": task.name, "bytes": exported.size_bytes, "leads": task.leads}
    facts |= {"window": task.window} if task.picture is None else {"pixels": list(task.picture)}
    return sessions, inputs, {**facts, "summary": exported.config.describe()}


def _drawn(rng: np.random.Generator, task: Task, shape: tuple[int, ...]) -> Float32:
    """Draw a batch: noise, or grey pages of it."""
    noise = rng.normal(size=shape).astype(np.float32)
    return noise if task.picture is None else np.clip(200 + 40 * noise, 0, 255).astype(np.float32)


def warmed_up(sessions: Sequence[Session], inputs: Sequence[Float32]) -> None:
    """Run every session until its runs take as long as they will."""

    def warm(session: Session, place: int) -> None:
        until, runs = time.perf_counter() + WARM_UP_S, 0
        while runs < WARM_UP_RUNS or time.perf_counter() < until:
            session(inputs[(place + runs) % len(inputs)])
            runs += 1

    _in_threads(warm, sessions)


def measured(sessions: Sequence[Session], inputs: Sequence[Float32], seconds: float) -> array[float]:
    """Run each session in a thread for so long, and return the seconds that each run took."""
    found: list[array[float]] = [array("d") for _ in sessions]
    start = threading.Barrier(len(sessions))

    def ask(session: Session, place: int) -> None:
        taken, at = found[place], place
        start.wait()
        now = time.perf_counter()
        until = now + seconds
        while now < until:
            session(inputs[at % len(inputs)])
            after = time.perf_counter()
            taken.append(after - now)
            now, at = after, at + 1

    _in_threads(ask, sessions)
    return sum(found[1:], found[0])


def _in_threads(run: Callable[[Session, int], None], sessions: Sequence[Session]) -> None:
    threads = [threading.Thread(target=run, args=(one, place)) for place, one in enumerate(sessions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _say(line: dict[str, Any]) -> None:
    sys.stdout.buffer.write(f"{json.dumps(line)}\n".encode())
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
