"""HTTP/1.1 as far as a server of JSON needs it: requests within limits, answers, connections that end well.

Strict where leniency is dangerous: a request with two lengths, a length beside chunks, a folded header or
bytes that are no HTTP at all is refused with a status and a reason, and the connection ends. Source: RFC 9110
and RFC 9112.
"""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote, urlsplit

HEAD_BYTES = 16 * 1024
"""Longest request line and headers together."""

HIGH_WATER = 256 * 1024
"""Bytes that wait in a connection's buffer before no more are taken from the network."""

LINGER_S = 2.0
"""How long what a client still sends is taken and thrown away after it was refused.

Without that the client's machine may drop the answer, because more came than was read.
"""

JSON_TYPE = "application/json"

_LINE = re.compile(rb"([A-Z]{1,20}) ([!-~]+) HTTP/(\d)\.(\d)")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t -~\x80-\xff]*?)[ \t]*")
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


class Refused(Exception):
    """A request that is answered with an error: a status, one line that says what to do, headers.

    With ``close`` the connection ends after it, because what follows on it can't be understood.
    """

    def __init__(
        self, status: int, message: str, headers: Mapping[str, str] | None = None, *, close: bool = False
    ) -> None:
        super().__init__(message)
        self.status, self.headers, self.close = status, dict(headers or {}), close


class HungUp(Exception):
    """The client ended the connection in the middle of a request."""


@dataclass(frozen=True)
class Request:
    """A request: ``path`` in decoded segments, header names in lower case; ``body`` None where none came."""

    method: str
    path: tuple[str, ...]
    headers: Mapping[str, str]
    body: bytes | None
    keep_alive: bool


@dataclass(frozen=True)
class Answer:
    """What is sent back."""

    status: int
    body: bytes
    content_type: str = JSON_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
        """Return JSON types as an answer.

        Example:
            >>> Answer.of({"live": True}).body
            b'{"live":true}'
        """
        return cls(status, as_json(value), headers=dict(headers or {}))

    @classmethod
    def error(cls, status: int, message: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Return an error as the Open Inference Protocol has it."""
        return cls.of({"error": message}, status, headers)


def as_json(value: Any) -> bytes:
    """Write JSON types without blanks; raises ValueError for NaN and infinity, which JSON has not."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


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


RETRY = {"Retry-After": "1"}


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


def head(lines: Sequence[bytes]) -> Request:
    """Read the lines of a request's head, without their ends and without the empty one.

    Raises Refused where it is none of HTTP/1.0 or 1.1.

    Example:
        >>> found = head([b"GET /v2/models/a%20b?x HTTP/1.1", b"Host: here"])
        >>> found.method, found.path, found.keep_alive
        ('GET', ('v2', 'models', 'a b'), True)
    """
    line = _LINE.fullmatch(lines[0])
    if line is None:
        raise Refused(400, "the request line is not METHOD PATH HTTP/1.1", close=True)
    if line[3] != b"1":
        raise Refused(505, "this server speaks HTTP/1.1", close=True)
    headers: dict[str, str] = {}
    for one in lines[1:]:
        parts = _FIELD.fullmatch(one)
        if parts is None:
            raise Refused(
                400, f"the header line {one[:60].decode('latin-1')!r} is not NAME: VALUE", close=True
            )
        name, value = parts[1].decode().lower(), parts[2].decode("latin-1")
        if name in headers and name in ("content-length", "transfer-encoding", "host"):
            raise Refused(400, f"the header {name} is given twice", close=True)
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    if line[4] != b"0" and "host" not in headers:
        raise Refused(400, "the header Host is missing", close=True)
    wishes = {wish.strip().lower() for wish in headers.get("connection", "").split(",")}
    keep = "keep-alive" in wishes if line[4] == b"0" else "close" not in wishes
    try:
        path = urlsplit(line[2].decode()).path.strip("/")
        segments = tuple(unquote(part, errors="strict") for part in path.split("/")) if path else ()
    except ValueError:
        raise Refused(400, f"the path {line[2][:60].decode()!r} can't be read", close=True) from None
    return Request(line[1].decode(), segments, headers, None, keep)


def body_length(headers: Mapping[str, str], most: int) -> int | None:
    """Return how many bytes of body follow; None where there is no length.

    Raises Refused for lengths that are none, beyond ``most``, or beside chunks, and for other codings.

    Example:
        >>> body_length({"content-length": "12"}, 100), body_length({}, 100)
        (12, None)
    """
    length, coding = headers.get("content-length"), headers.get("transfer-encoding")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused(415, "a compressed body is not read; send it as it is", close=True)
    if coding is not None:
        if length is not None:
            raise Refused(400, "the body has a Content-Length and a Transfer-Encoding; give one", close=True)
        if coding.strip().lower() != "chunked":
            raise Refused(501, f"the Transfer-Encoding {coding[:60]!r} is not read", close=True)
        return None
    if length is None:
        return None
    if not re.fullmatch("[0-9]{1,18}", length):
        raise Refused(400, f"the Content-Length {length[:60]!r} is not a number of bytes", close=True)
    if int(length) > most:
        raise too_long(most)
    return int(length)


def too_long(most: int) -> Refused:
    """Return the refusal of a body of more than ``most`` bytes."""
    return Refused(
        413,
        f"the body is longer than {most / 1024**2:g} MiB; send fewer windows, or see --max-body",
        close=True,
    )


def answer_head(answer: Answer, keep_alive: bool) -> bytes:
    """Return the head of an answer, with the empty line at its end."""
    lines = [
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
        f"Date: {email.utils.formatdate(usegmt=True)}",
        f"Content-Type: {answer.content_type}",
        f"Content-Length: {len(answer.body)}",
        f"Connection: {'keep-alive' if keep_alive else 'close'}",
        *(f"{name}: {value}" for name, value in answer.headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
