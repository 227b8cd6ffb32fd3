"""`atml serve` under load: many clients at once, slow ones, garbage, clients that hang up.

Run as ``python benchmarks/serve.py EXPORT [--clients 200] [--seconds 10] [--rounds 3]``. Each round, every
client asks again as soon as it has its answer, and each answer is compared with what ``atml.load`` gives.
A tenth as many clients each send a byte a second, send what is no request, or hang up in the middle.
Goal: nothing lost, nothing wrong, memory and open files as after the first round, exit code 0. The clients
run on the same cores as the server, and compute as much as it does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import atml

SIZES = (1, 1, 1, 8)
"""Windows a request."""


@dataclass
class Round:
    """What the clients of one round saw; ``lost`` are requests without an answer, ``wrong`` bad answers."""

    seconds: list[float] = field(default_factory=list)
    windows: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    wrong: list[str] = field(default_factory=list)


class Target:
    """A server, and requests to it with the logits that have to come."""

    def __init__(self, export: Path, port: int, timeout: float) -> None:
        self.port, self.timeout, self.name = port, timeout, "m"
        model, rng = atml.load(export), np.random.default_rng(0)
        self.requests: list[tuple[bytes, list[float], int]] = []
        for number in range(16):
            n = SIZES[number % len(SIZES)]
            x = rng.normal(size=(n, model.leads, model.window)).round(4)
            data = x.ravel().tolist() if number % 2 else x.tolist()
            tensor = {"name": "ecg", "shape": list(x.shape), "datatype": "FP32", "data": data}
            body = json.dumps({"id": str(number), "inputs": [tensor]}).encode()
            self.requests.append((self.post(body), model.logits(x).ravel().tolist(), n))
        self.bad = self._bad(body)

    def post(self, body: bytes, *, chunked: bool = False, name: str = "") -> bytes:
        """Return a request."""
        length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
        head = f"POST /v2/models/{name or self.name}/infer HTTP/1.1\r\nHost: here\r\n{length}\r\n\r\n"
        if chunked:
            parts = [body[at : at + 5000] for at in range(0, len(body), 5000)]
            body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
        return head.encode() + body

    def _bad(self, good: bytes) -> list[tuple[bytes, int]]:
        """Requests that have to be refused, and with what status."""
        get = "GET /v2 HTTP/1.1\r\nHost: here\r\n"
        return [
            (b"\x16\x03\x01\x02\x00 hello", 400),
            (b"get / http\r\n\r\n", 400),
            (b"GET / HTTP/1.1\n\n", 400),
            (b"GET / HTTP/2.0\r\n\r\n", 505),
            (f"{get}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n".encode(), 400),
            (f"{get}Content-Length: -1\r\n\r\n".encode(), 400),
            (f"{get}X: {'y' * 20000}\r\n\r\n".encode(), 431),
            (f"{get}Content-Length: 999999999999\r\n\r\n".encode(), 413),
            (get.replace("/v2", "/v3").encode() + b"\r\n", 404),
            (get.replace("GET", "DELETE").encode() + b"\r\n", 405),
            (self.post(good, name="nobody"), 404),
            (b"POST /v2/models/m/infer HTTP/1.1\r\nHost: here\r\n\r\n", 411),
            (self.post(b"{"), 400),
            (self.post(b"[" * 50_000), 400),
            (self.post(good.replace(b"FP32", b"INT8")), 400),
            (self.post(re.sub(rb'"data": \[+', rb"\g<0>NaN, ", good)), 400),
            (self.post(re.sub(rb'"shape": \[\d+', b'"shape": [7', good)), 400),
            (self.post(good, chunked=True)[:-5] + b"zz\r\n", 400),
        ]


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    found = re.search(rb"Content-Length: (\d+)", head)
    assert found is not None, head
    return int(head.split()[1]), await reader.readexactly(int(found[1]))


async def good(target: Target, until: float, seen: Round, number: int) -> None:
    """Ask again and again on one connection, and check every answer."""
    draw = random.Random(number)
    reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
    while time.perf_counter() < until:
        request, logits, n = draw.choice(target.requests)
        began = time.perf_counter()
        writer.write(request)
        try:
            status, body = await answer(reader)
        except (asyncio.IncompleteReadError, ConnectionError):
            seen.lost += 1
            return
        seen.statuses[str(status)] += 1
        if status == 503:
            await asyncio.sleep(0.05)
            continue
        seen.seconds.append(time.perf_counter() - began)
        seen.windows += n
        if status != 200 or json.loads(body)["outputs"][0]["data"] != logits:
            seen.wrong.append(f"{status} {body[:200]!r}")
    writer.close()


async def slow(target: Target, until: float, seen: Round, number: int) -> None:
    """Send a byte a second, which is refused with 408."""
    while time.perf_counter() < until:
        reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
        request, waiting = target.requests[0][0], asyncio.ensure_future(answer(reader))
        for at in range(len(request)):
            writer.write(request[at : at + 1])
            done, _ = await asyncio.wait([waiting], timeout=1)
            if done or time.perf_counter() > until + 2 * target.timeout:
                break
        try:
            status, _ = await asyncio.wait_for(waiting, 2 * target.timeout)
            seen.statuses[str(status)] += 1
            if status != 408:
                seen.wrong.append(f"slow client: {status}")
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
            seen.lost += 1
        writer.close()


async def garbage(target: Target, until: float, seen: Round, number: int) -> None:
    """Send what is to be refused."""
    while time.perf_counter() < until:
        request, expected = target.bad[number % len(target.bad)]
        number += 1
        reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
        writer.write(request)
        try:
            status, body = await asyncio.wait_for(answer(reader), 3 * target.timeout + 5)
            seen.statuses[str(status)] += 1
            if status not in (expected, 503) or not json.loads(body)["error"]:
                seen.wrong.append(f"{request[:60]!r}: {status} {body[:200]!r}, not {expected}")
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError) as error:
            seen.wrong.append(f"{request[:60]!r}: {error!r}")
        writer.close()
        await asyncio.sleep(0.02)


async def hanging_up(target: Target, until: float, seen: Round, number: int) -> None:
    """Go away: in the middle of the head, of the body, or before the answer; some without a word."""
    while time.perf_counter() < until:
        request = target.requests[number % len(target.requests)][0]
        _, writer = await asyncio.open_connection("127.0.0.1", target.port)
        writer.write(request[: (20, len(request) // 2, len(request))[number % 3]])
        await asyncio.sleep(0.01)
        if number % 2:
            abort = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, abort)
        writer.close()
        seen.statuses["hung up"] += 1
        number += 1


async def one_round(target: Target, clients: int, seconds: float) -> Round:
    seen, until = Round(), time.perf_counter() + seconds
    few = max(1, clients // 10)
    tasks = [good(target, until, seen, number) for number in range(clients)]
    for kind in (slow, garbage, hanging_up):
        tasks += [kind(target, until, seen, number) for number in range(few)]
    await asyncio.gather(*tasks)
    return seen


async def ended_within(target: Target, clients: int, server: subprocess.Popen[str]) -> tuple[int, int]:
    """End the server while it answers; return how many of the last requests were answered right, and all."""

    async def last(number: int) -> bool:
        request, logits, _ = target.requests[number % len(target.requests)]
        reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
        writer.write(request)
        await writer.drain()
        sent.append(number)
        try:
            status, body = await answer(reader)
        except (asyncio.IncompleteReadError, ConnectionError):
            return False
        finally:
            writer.close()
        return status == 200 and json.loads(body)["outputs"][0]["data"] == logits

    sent: list[int] = []
    asking = [asyncio.ensure_future(last(number)) for number in range(clients)]
    while len(sent) < clients:
        await asyncio.sleep(0.001)
    server.send_signal(signal.SIGTERM)
    return sum(await asyncio.gather(*asking)), clients


async def gauges(port: int) -> dict[str, float]:
    """Read /metrics."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
    _, body = await answer(reader)
    writer.close()
    pairs = (line.rsplit(" ", 1) for line in body.decode().splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


async def settled(port: int) -> dict[str, float]:
    """Read /metrics when those who hung up are gone."""
    for _ in range(100):
        if (found := await gauges(port))["atml_connections"] == 1:
            return found
        await asyncio.sleep(0.1)
    return found


async def measure(target: Target, options: argparse.Namespace, server: subprocess.Popen[str]) -> int:
    print(
        f"{os.cpu_count()} cores, load average before {os.getloadavg()[0]:.2f}; {options.clients} clients,"
        f" and {max(1, options.clients // 10)} each slow, with garbage, hanging up"
    )
    print(f"{'round':>5}{'answered':>10}{'windows/s':>11}{'p50 ms':>8}{'p95':>7}{'p99':>7}", end="")
    print(f"{'503':>6}{'other':>7}{'lost':>6}{'wrong':>7}{'MiB':>7}{'files':>6}{'CPU ms':>8}")
    rounds, memory, files, used = [], [], [], [(await gauges(target.port))["process_cpu_seconds_total"]]
    for number in range(options.rounds):
        seen = await one_round(target, options.clients, options.seconds)
        after = await settled(target.port)
        rounds.append(seen)
        memory.append(after["process_resident_memory_bytes"] / 1024**2)
        files.append(int(after["process_open_fds"]))
        used.append(after["process_cpu_seconds_total"])
        cuts = statistics.quantiles(seen.seconds, n=100) if len(seen.seconds) > 1 else [0.0] * 99
        p50, p95, p99 = (1000 * cuts[at] for at in (49, 94, 98))
        other = sum(count for status, count in seen.statuses.items() if status not in ("200", "503"))
        print(
            f"{number + 1:5}{seen.statuses['200']:10,}{seen.windows / options.seconds:11,.0f}{p50:8.1f}"
            f"{p95:7.1f}{p99:7.1f}{seen.statuses['503']:6}{other:7}{seen.lost:6}{len(seen.wrong):7}{memory[-1]:7.1f}"
            f"{files[-1]:6}{1000 * (used[-1] - used[-2]) / max(sum(seen.statuses.values()), 1):8.2f}"
        )
        for line in seen.wrong[:5]:
            print(f"      wrong: {line}")
    right, of = await ended_within(target, options.clients, server)
    code = server.wait(30)
    print(f"ended by SIGTERM within {of} requests: {right} answered right, exit code {code}")
    lost, wrong = sum(seen.lost for seen in rounds), sum(len(seen.wrong) for seen in rounds)
    print(
        f"lost {lost}, wrong {wrong}, files {files[-1] - files[0]:+d},"
        f" memory {memory[-1] - memory[0]:+.1f} MiB since the first round"
    )
    return 0 if not lost and not wrong and right == of and code == 0 and files[-1] <= files[0] else 1


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("export", type=Path)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--timeout", type=float, default=5, help="of the server, for slow clients")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--queue", type=int, default=256)
    options = parser.parse_args()
    line = [sys.executable, "-m", "atml", "serve", f"m={options.export}", "--port", "0"]
    line += ["--timeout", str(options.timeout), "--queue", str(options.queue)]
    line += ["--workers", str(options.workers)] if options.workers else []
    with (
        tempfile.TemporaryFile("w+") as complaints,
        subprocess.Popen(line, stdout=subprocess.PIPE, stderr=complaints, text=True) as server,
    ):
        try:
            assert server.stdout is not None
            said = next(text for text in server.stdout if "is ready" in text)
            port = int(said.split("/v2")[0].rsplit(":", 1)[1])
            code = asyncio.run(measure(Target(options.export, port, options.timeout), options, server))
        finally:
            server.kill()
        complaints.seek(0)
        if said := complaints.read():
            print(f"the server complained: {said[:2000]}")
            code = 1
    sys.exit(code)


if __name__ == "__main__":
    main()
