"""One client's connection: what arrives, within limits of size and time, and an end that is heard.

A request that is longer or slower than it may be is refused, and so is one that is not whole when the client
or the server ends; `atml.serving.http` reads what arrived.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass

from atml.serving.http import RETRY, Answer, Refused, Request, answer_head, body_length, head, too_long

HEAD_BYTES = 16 * 1024
"""Longest request line and headers together."""

HIGH_WATER = 256 * 1024
"""Bytes that wait in a connection's buffer before no more are taken from the network."""

LINGER_S = 2.0
"""How long what a client still sends is taken and thrown away after it was refused.

Without that the client's machine may drop the answer, because more came than was read.
"""

_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one request may take: ``body`` and ``bodies`` (of all connections together) in bytes.

    ``request_s`` are seconds from its first byte to its last, ``answer_s`` those for a client to take the
    answer, ``idle_s`` those between two requests.
    """

    body: int
    bodies: int = 256 * 1024 * 1024
    request_s: float = 30.0
    answer_s: float = 30.0
    idle_s: float = 75.0


class HungUp(Exception):
    """The client ended the connection in the middle of a request."""


class Budget:
    """Bytes of bodies that all connections hold together, at most ``limit``."""

    def __init__(self, limit: int) -> None:
        self.limit, self.held = limit, 0

    def take(self, count: int) -> None:
        """Hold ``count`` more bytes; raises Refused (503) where that is too much."""
        if self.held + count > self.limit:
            raise Refused(503, "too many requests are arriving at once; try again", RETRY, close=True)
        self.held += count

    def give_back(self, count: int) -> None:
        """Hold ``count`` fewer."""
        self.held -= count


class Connection(asyncio.Protocol):
    """One client's connection: bytes in, requests out.

    ``begin`` is called when it is there, ``forget`` when it is closed.
    """

    def __init__(
        self,
        begin: Callable[[Connection], object],
        forget: Callable[[Connection], object],
        limits: Limits,
        budget: Budget,
    ) -> None:
        self._begin, self._forget, self.limits, self._budget = begin, forget, limits, budget
        self._buffer = bytearray()
        self._held = 0
        self._arrival: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._last: asyncio.TimerHandle | None = None
        self._blocked = self._ended = self._stopping = self._discarding = False
        self.lost = False
        """Whether nothing can be sent any more."""

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to serve."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._begin(self)

    def data_received(self, data: bytes) -> None:
        """Keep what came, and take no more while that waits."""
        if self._discarding:
            return
        self._buffer += data
        if len(self._buffer) > HIGH_WATER:
            self._transport.pause_reading()
        _wake(self._arrival)

    def eof_received(self) -> bool:
        """Go on: a client may close its side and still wait for the answer."""
        self._ended = True
        _wake(self._arrival)
        return True

    def connection_lost(self, error: Exception | None) -> None:
        """Wake whoever waits for bytes, or to send some."""
        self._ended = self.lost = True
        if self._last is not None:
            self._last.cancel()
        _wake(self._arrival)
        _wake(self._writable)
        self._forget(self)

    def pause_writing(self) -> None:
        """Wait with further bytes: the client takes none."""
        self._blocked = True

    def resume_writing(self) -> None:
        """Go on."""
        self._blocked = False
        _wake(self._writable)

    # What the server calls.

    def stop(self) -> None:
        """Answer what arrived whole, and wait for nothing more."""
        self._stopping = True
        _wake(self._arrival)

    async def request(self) -> Request | None:
        """Return the next request; None where the client sends none, or none is waited for any more.

        Raises:
            Refused: It can't be understood, is too long or too slow.
            HungUp: The client went away in the middle of it.
        """
        try:
            async with asyncio.timeout(self.limits.idle_s):
                while not self._buffer.lstrip(b"\r\n"):
                    if self._ended or self._stopping:
                        return None
                    await self._more()
        except (TimeoutError, HungUp, Refused):
            return None
        try:
            async with asyncio.timeout(self.limits.request_s):
                return await self._read()
        except TimeoutError:
            raise Refused(
                408, f"the request was not whole after {self.limits.request_s:g} s", close=True
            ) from None

    async def send(self, answer: Answer, *, keep_alive: bool, head_only: bool = False) -> None:
        """Send an answer; one that the client does not take in time ends the connection."""
        if self.lost:
            return
        self._transport.write(answer_head(answer, keep_alive) + (b"" if head_only else answer.body))
        try:
            async with asyncio.timeout(self.limits.answer_s):
                while self._blocked and not self.lost:
                    self._writable = asyncio.get_running_loop().create_future()
                    await self._writable
        except TimeoutError:
            self._transport.abort()

    def give_back(self) -> None:
        """Hold the body of the last request no more."""
        self._budget.give_back(self._held)
        self._held = 0

    async def end(self, *, linger: bool) -> None:
        """Close; with ``linger`` only after the client had time to read, whatever it still sends."""
        if linger and not self.lost:
            self._discarding = True
            self._buffer.clear()
            self._transport.resume_reading()
            # A client that has gone already is no error (OSError), nor is one that sends on and on.
            with contextlib.suppress(OSError, TimeoutError):
                self._transport.write_eof()
                async with asyncio.timeout(LINGER_S):
                    while not self._ended:
                        await self._woken()
        if not self.lost:
            self._transport.close()
            # It waits until the client has taken everything, which some never do.
            later = asyncio.get_running_loop().call_later
            self._last = later(self.limits.answer_s, self._transport.abort)

    # Reading.

    async def _woken(self) -> None:
        self._arrival = asyncio.get_running_loop().create_future()
        try:
            await self._arrival
        finally:
            self._arrival = None

    async def _more(self) -> None:
        """Wait until more has come."""
        before = len(self._buffer)
        if before <= HIGH_WATER:
            self._transport.resume_reading()
        while len(self._buffer) == before:
            if self.lost:
                raise HungUp
            if self._ended:
                raise Refused(400, "the request ends before it is whole", close=True)
            if self._stopping:
                raise Refused(503, "the server is ending; send the request to another", RETRY, close=True)
            await self._woken()

    async def _line(self, most: int, what: str) -> bytes:
        """Take a line, and return it without its end."""
        at = 0
        while (found := self._buffer.find(b"\n", at)) < 0 and len(self._buffer) <= most:
            at = len(self._buffer)
            await self._more()
        if not 0 <= found <= most:
            raise Refused(431, f"{what} is longer than {most:,} bytes", close=True)
        line = self._take(found + 1)
        if not line.endswith(b"\r\n"):
            raise Refused(400, f"a line of {what} does not end with CR LF", close=True)
        return line[:-2]

    def _take(self, count: int) -> bytes:
        taken = bytes(memoryview(self._buffer)[:count])
        del self._buffer[:count]
        return taken

    async def _read(self) -> Request:
        del self._buffer[: len(self._buffer) - len(self._buffer.lstrip(b"\r\n"))]
        if not b"A" <= self._buffer[:1] <= b"Z":
            raise Refused(400, "this is not HTTP; send a request such as GET /v2 HTTP/1.1", close=True)
        lines, left = [], HEAD_BYTES
        while line := await self._line(left, "the head of the request"):
            lines.append(line)
            left -= len(line)
        found = head(lines)
        length = body_length(found.headers, self.limits.body)
        if length is None and "transfer-encoding" not in found.headers:
            return found
        if found.headers.get("expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = bytearray()
        if length is None:
            await self._chunks(body)
        else:
            await self._part(body, length)
        return Request(found.method, found.path, found.headers, bytes(body), found.keep_alive)

    async def _part(self, body: bytearray, count: int) -> None:
        """Move ``count`` bytes from the buffer into a body, as they come."""
        while count:
            if not self._buffer:
                await self._more()
            piece = self._take(min(count, len(self._buffer)))
            self._budget.take(len(piece))
            self._held += len(piece)
            body += piece
            count -= len(piece)

    async def _chunks(self, body: bytearray) -> None:
        while True:
            size = _CHUNK.fullmatch(await self._line(1024, "the head of a chunk"))
            if size is None:
                raise Refused(400, "a chunk of the body has no size", close=True)
            count = int(size[1], 16)
            if len(body) + count > self.limits.body:
                raise too_long(self.limits.body)
            await self._part(body, count)
            if count == 0:
                # Trailers, which nobody reads, end with an empty line.
                while await self._line(HEAD_BYTES, "the trailer"):
                    pass
                return
            while len(self._buffer) < 2:
                await self._more()
            if self._take(2) != b"\r\n":
                raise Refused(400, "a chunk of the body is longer than its size", close=True)


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)
