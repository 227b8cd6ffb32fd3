"""Addresses to listen on: which are this machine alone, and what is wrong where one can't be had."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Callable

from atml.errors import InputError


def is_loopback(host: str) -> bool:
    """Whether a host is this machine alone; raises InputError for a name that has no address.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("0.0.0.0")
        (True, False)
    """
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError) as error:
        raise InputError(
            f"--host {host!r} is not an address of this machine; without --host it is 127.0.0.1"
        ) from error
    return all(ipaddress.ip_address(str(address).split("%")[0]).is_loopback for address in found)


def refusal(error: OSError, host: str, port: int, opens: Callable[[int], object]) -> InputError:
    """Say why a port can't be listened on, and the way out: of those above it the first that ``opens``.

    ``opens(port)`` raises OSError for one that is taken too.

    Example:
        >>> print(refusal(OSError(errno.EADDRINUSE, ""), "127.0.0.1", 8000, lambda port: port))
        port 8000 of 127.0.0.1 is in use; --port 8001 is free
    """
    if error.errno == errno.EADDRINUSE:
        free = _next_free(port, opens)
        way_out = f"--port {free} is free" if free else "name another with --port"
        return InputError(f"port {port} of {host} is in use; {way_out}")
    if error.errno == errno.EACCES:
        return InputError(f"port {port} needs more rights than you have; choose one above 1023 with --port")
    return InputError(f"{host}:{port} can't be opened: {error.strerror}; see --host and --port")


def _next_free(port: int, opens: Callable[[int], object]) -> int | None:
    """Find the next port that opens, among a hundred."""
    for other in range(port + 1, min(port + 101, 65536)):
        try:
            opens(other)
        except OSError:
            continue
        return other
    return None


def url(host: str, port: int, path: str = "") -> str:
    """Return the address to type into a browser here.

    Example:
        >>> url("0.0.0.0", 8000, "/v2"), url("::1", 80)
        ('http://127.0.0.1:8000/v2', 'http://[::1]:80')
    """
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{path}"
