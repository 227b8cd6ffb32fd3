"""Listening, connections, and an end that loses nothing: what arrived whole is answered first."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import traceback
from collections.abc import Callable, Mapping

from atml import listening
from atml.serving.connection import Budget, Connection, HungUp, Limits
from atml.serving.decisions import Served
from atml.serving.http import RETRY, Answer, Refused, Request
from atml.serving.inference import Inference
from atml.serving.metrics import Metrics
from atml.serving.routes import Routes

BACKLOG = 1024
"""Connections that the system holds before they are accepted."""

CONNECTIONS = 2000
"""Open connections at most, or as many as this process may have files, less `SPARE`."""

SPARE = 64

GRACE_S = 0.1
"""How long bytes that were sent before the end have to arrive."""


def bind(host: str, port: int) -> socket.socket:
    """Listen on a port, 0 for any; raises InputError that names a free one where it is taken."""
    try:
        return _listen(host, port)
    except OSError as error:
        raise listening.refusal(error, host, port, lambda other: _listen(host, other).close()) from error


def _listen(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(BACKLOG)
    except OSError:
        made.close()
        raise
    return made


class Server:
    """Answers the requests that come to a socket, until it is stopped."""

    def __init__(self, inference: Inference, metrics: Metrics, limits: Limits) -> None:
        self._routes, self._metrics, self._limits = Routes(inference, metrics), metrics, limits
        self._budget = Budget(limits.bodies)
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._none_left, self._stopped = asyncio.Event(), asyncio.Event()
        self._most = min(CONNECTIONS, max(SPARE, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE))

    async def run(self, listener: socket.socket) -> None:
        """Serve until `stop`, then answer what arrived, and return."""
        loop = asyncio.get_running_loop()

        def connection() -> Connection:
            return Connection(self._begin, self._forget, self._limits, self._budget)

        accepting = await loop.create_server(connection, sock=listener)
        await self._stopped.wait()
        self._routes.ending = True
        # What was sent before the end was asked for may be on its way.
        await asyncio.sleep(GRACE_S)
        accepting.close()
        for one in self._connections:
            one.stop()
        while self._connections:
            self._none_left.clear()
            await self._none_left.wait()
        await asyncio.gather(*self._tasks)

    def stop(self) -> None:
        """Accept no more, and end when what arrived is answered."""
        self._stopped.set()

    def _begin(self, connection: Connection) -> None:
        self._connections.add(connection)
        self._routes.connections = len(self._connections)
        crowded = len(self._connections) > self._most
        task = asyncio.get_running_loop().create_task(self._serve(connection, crowded))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _forget(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._routes.connections = len(self._connections)
        if not self._connections:
            self._none_left.set()

    async def _serve(self, connection: Connection, crowded: bool) -> None:
        """Answer the requests of one connection, one after the other, and close it."""
        linger = False
        try:
            if crowded:
                raise Refused(503, "too many connections are open; try again", RETRY, close=True)
            while (request := await connection.request()) is not None:
                answer = await self._answer(request)
                connection.give_back()
                keep = request.keep_alive and not self._routes.ending
                await connection.send(answer, keep_alive=keep, head_only=request.method == "HEAD")
                if not keep:
                    return
        except Refused as error:
            linger = True
            self._metrics.requests.add("", str(error.status))
            refusal = Answer.error(error.status, str(error), error.headers)
            await connection.send(refusal, keep_alive=False)
        except HungUp:
            self._metrics.lost.add()
        finally:
            connection.give_back()
            await connection.end(linger=linger)

    async def _answer(self, request: Request) -> Answer:
        """Answer a request whatever comes, and count it."""
        try:
            found = await self._routes.answer(request)
        except Refused as error:
            found = Answer.error(error.status, str(error), error.headers)
        except Exception:
            traceback.print_exc()
            found = Answer.error(500, "this is a fault in atml; the server's standard error has more")
        self._metrics.requests.add(self._routes.model_of(request), str(found.status))
        return found


def serve(
    models: Mapping[str, Served],
    listener: socket.socket,
    *,
    queue: int,
    workers: int,
    limits: Limits,
    say: Callable[[str], None],
) -> int:
    """Serve models until SIGTERM or Ctrl-C, and return how many requests were answered.

    Then it takes no more requests, answers what arrived, and returns; a second signal ends the process at
    once, with exit code 130. Only the main thread can call it.
    """
    counted = Metrics()
    inference = Inference(models, queue=queue, workers=workers, metrics=counted)

    async def main() -> None:
        server = Server(inference, counted, limits)
        signals = iter((server.stop, lambda: os._exit(130)))

        def asked_to_end() -> None:
            say("ending when what has arrived is answered; once more ends at once")
            next(signals)()

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, asked_to_end)
        await server.run(listener)

    try:
        asyncio.run(main())
    finally:
        inference.close()
    return int(sum(counted.requests.values.values()))
