"""HTTP/1.1 as far as a server of JSON needs it: requests, what is refused in them, answers.

Strict where leniency is dangerous: a request with two lengths, a length beside chunks, a folded header or
bytes that are no HTTP at all is refused with a status and a reason, and the connection ends. Source: RFC 9110
and RFC 9112.
"""

from __future__ import annotations

import email.utils
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote, urlsplit

JSON_TYPE = "application/json"

RETRY = {"Retry-After": "1"}
"""Header of an answer that says to try again."""

_LINE = re.compile(rb"([A-Z]{1,20}) ([!-~]+) HTTP/(\d)\.(\d)")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t -~\x80-\xff]*?)[ \t]*")


class Refused(Exception):
    """A request that is answered with an error: a status, one line that says what to do, headers.

    With ``close`` the connection ends after it, because what follows on it can't be understood.
    """

    def __init__(
        self, status: int, message: str, headers: Mapping[str, str] | None = None, *, close: bool = False
    ) -> None:
        super().__init__(message)
        self.status, self.headers, self.close = status, dict(headers or {}), close


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
