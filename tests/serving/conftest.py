"""Exports that version 0.1.0 wrote, and a server on them in this process."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import atml
from atml.serving import names, server
from atml.serving.connection import Limits
from atml.serving.decisions import Served
from atml.serving.inference import Inference
from atml.serving.metrics import Metrics

EXPORTS = Path(__file__).resolve().parents[1] / "fixtures" / "v0.1" / "exports"
AFIB, SHOCK = EXPORTS / "small" / "97-91-t0138", EXPORTS / "shock" / "100-87-t0000"


@dataclass
class Running:
    """A server at ``port``; its loop runs in another thread."""

    port: int
    server: server.Server
    inference: Inference
    metrics: Metrics
    loop: asyncio.AbstractEventLoop
    thread: threading.Thread

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any, dict[str, str]]:
        """Return status, JSON and headers of an answer, by a client of the standard library."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as client:
            client.request(method, path, body, headers or {})
            answer = client.getresponse()
            text = answer.read()
            in_json = answer.headers["Content-Type"] == "application/json"
            found = json.loads(text) if in_json else text.decode()
            return answer.status, found, dict(answer.headers)

    def infer(self, request: Any, model: str = "af", **more: Any) -> tuple[int, Any, dict[str, str]]:
        """Post a request, of JSON types or as it is."""
        body = request if isinstance(request, bytes) else json.dumps(request).encode()
        return self.ask("POST", f"/v2/models/{model}/infer", body, **more)

    def raw(self, *pieces: bytes) -> bytes:
        """Send bytes and return all that comes back until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as client:
            for piece in pieces:
                client.sendall(piece)
            client.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: client.recv(65536), b""))

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.server.stop)
        self.thread.join(30)
        assert not self.thread.is_alive()


@contextlib.contextmanager
def running(queue: int = 64, workers: int = 2, **limits: Any) -> Iterator[Running]:
    """Serve the fixtures, as "af" and "shock"."""
    models = {
        name: Served(name, exported)
        for name, exported in names.loaded([f"af={AFIB}", f"shock={SHOCK}"]).items()
    }
    metrics = Metrics()
    inference = Inference(models, queue=queue, workers=workers, metrics=metrics)
    made = server.Server(inference, metrics, Limits(**{"body": 1024 * 1024, **limits}))
    listener = server.bind("127.0.0.1", 0)
    port, loop = listener.getsockname()[1], asyncio.new_event_loop()

    def run() -> None:
        with contextlib.closing(loop):
            loop.run_until_complete(made.run(listener))

    thread = threading.Thread(target=run)
    thread.start()
    found = Running(port, made, inference, metrics, loop, thread)
    try:
        yield found
    finally:
        if thread.is_alive():
            found.stop()
        inference.close()


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    with running(request_s=1.0) as found:
        yield found


@pytest.fixture(scope="module")
def model() -> atml.Model:
    return atml.load(AFIB)


def windows(n: int = 1, samples: int = 1250, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.random.default_rng(seed).normal(size=(n, 1, samples)).round(4)


def tensor(x: np.ndarray[Any, Any], *, nested: bool = False, **more: Any) -> dict[str, Any]:
    """An input of a request."""
    data = x.tolist() if nested else x.ravel().tolist()
    return {"name": "ecg", "shape": list(x.shape), "datatype": "FP32", "data": data, **more}
