"""The bounded queue of requests, and the threads that read them, run models and write answers.

Requests are run one by one, in the order of their arrival, never several as one batch: on networks this
small most of the time goes into JSON, and a batch would change the last bits of logits (docs/serving.md has
figures).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from atml.errors import DataError
from atml.serving import protocol
from atml.serving.decisions import Served
from atml.serving.http import Answer, Refused
from atml.serving.metrics import Metrics


@dataclass(frozen=True)
class Done:
    """An answer's body, and what is counted of it."""

    body: bytes
    windows: int
    flat: int
    saturated: int


def answer(model: Served, body: bytes) -> Done:
    """Answer one request; raises Refused for one that can't be."""
    asked = protocol.asked(body, model.task)
    try:
        found = model.decide(asked.windows, asked.rate)
    except DataError as error:
        raise Refused(400, protocol.in_words(error)) from error
    said = protocol.answered(model.name, asked, found, model.task)
    return Done(said, len(asked.windows), int(found.flat.sum()), int(found.saturated.sum()))


class Inference:
    """Runs ``models`` on ``workers`` threads; at most ``queue`` requests wait for one of these.

    Everything but the threads' own work happens on the event loop's thread.
    """

    def __init__(self, models: Mapping[str, Served], *, queue: int, workers: int, metrics: Metrics) -> None:
        self.models, self.queue, self.workers = models, queue, workers
        self._metrics = metrics
        self._threads = ThreadPoolExecutor(workers, "atml-inference")
        self._taken = 0
        self._recent = 0.0

    @property
    def waiting(self) -> int:
        """Requests that no thread has begun."""
        return max(0, self._taken - self.workers)

    async def infer(self, name: str, body: bytes) -> Answer:
        """Answer a request for the model called ``name``.

        Raises Refused: 400 where it can't be answered, 503 where the queue is full.
        """
        if self._taken >= self.workers + self.queue:
            after = max(1, math.ceil(self._recent * self._taken / self.workers))
            raise Refused(
                503, f"{self.waiting} requests are waiting; try again later", {"Retry-After": str(after)}
            )
        self._taken += 1
        began = time.perf_counter()
        try:
            loop = asyncio.get_running_loop()
            done, seconds = await loop.run_in_executor(self._threads, self._timed, name, body)
        finally:
            self._taken -= 1
        self._recent += (seconds - self._recent) / 8
        self._metrics.windows.add(name, count=done.windows)
        self._metrics.undecided.add(name, protocol.FLAT, count=done.flat)
        self._metrics.undecided.add(name, protocol.SATURATED, count=done.saturated)
        self._metrics.seconds.add(name, time.perf_counter() - began)
        return Answer(200, done.body)

    def _timed(self, name: str, body: bytes) -> tuple[Done, float]:
        began = time.perf_counter()
        return answer(self.models[name], body), time.perf_counter() - began

    def close(self) -> None:
        """End the threads, when what they have begun is done."""
        self._threads.shutdown()
