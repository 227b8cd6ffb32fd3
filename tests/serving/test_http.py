"""HTTP as clients send it, well and badly: each is answered, and the server goes on."""

from __future__ import annotations

import gc
import http.client
import json
import re
import select
import socket
import struct
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.serving.conftest import Running, running, tensor, windows

GET = b"GET /v2/health/live HTTP/1.1\r\nHost: here\r\n"
POST = b"POST /v2/models/af/infer HTTP/1.1\r\nHost: here\r\n"
BODY = json.dumps({"inputs": [tensor(windows())]}).encode()


def status(answer: bytes) -> int:
    assert answer.startswith(b"HTTP/1.1 "), answer
    return int(answer.split()[1])


@pytest.mark.parametrize(
    ("sent", "expected", "words"),
    [
        (b"\x16\x03\x01\x02\x00", 400, "this is not HTTP"),
        (b"get /v2 HTTP/1.1\r\n\r\n", 400, "this is not HTTP"),
        (b"GET /v2\r\n\r\n", 400, "the request line is not METHOD PATH"),
        (b"GET /v2 HTTP/1.1\n\n", 400, "does not end with CR LF"),
        (b"GET /v2 HTTP/2.0\r\n\r\n", 505, "this server speaks HTTP/1.1"),
        (b"GET /v2 HTTP/1.1\r\n\r\n", 400, "the header Host is missing"),
        (b"GET /v2/models/%ff HTTP/1.1\r\nHost: a\r\n\r\n", 400, "can't be read"),
        (GET + b"Folded: a\r\n b\r\n\r\n", 400, "is not NAME: VALUE"),
        (GET + b"Spaced : a\r\n\r\n", 400, "is not NAME: VALUE"),
        (GET + b"X: " + b"y" * 20_000 + b"\r\n\r\n", 431, "the head of the request is longer"),
        (GET + b"X: y\r\n" * 5_000 + b"\r\n", 431, "the head of the request is longer"),
        (GET[:20], 400, "the request ends before it is whole"),
        (POST + b"Content-Length: 100\r\n\r\n{}", 400, "the request ends before it is whole"),
        (POST + b"\r\n", 411, "does not say how long it is"),
        (POST + b"Content-Length: -5\r\n\r\n", 400, "is not a number of bytes"),
        (POST + b"Content-Length: 0x10\r\n\r\n", 400, "is not a number of bytes"),
        (POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400, "is given twice"),
        (POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", 400, "give one"),
        (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501, "is not read"),
        (POST + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", 415, "a compressed body"),
        (POST + b"Content-Length: 99999999999\r\n\r\n", 413, "longer than 1 MiB"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "a chunk of the body has no size"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}}\r\n", 400, "longer than its size"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nfffffff\r\n", 413, "longer than 1 MiB"),
    ],
)
def test_bad_requests_are_refused(served: Running, sent: bytes, expected: int, words: str) -> None:
    answer = served.raw(sent)
    assert status(answer) == expected, answer
    head, body = answer.split(b"\r\n\r\n", 1)
    assert words in json.loads(body)["error"]
    assert f"Content-Length: {len(body)}".encode() in head
    assert served.ask("GET", "/v2/health/live")[0] == 200


def test_a_body_that_is_too_long_is_refused_with_words_that_arrive(served: Running) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as client:
        client.sendall(POST + b"Content-Length: 8000000\r\n\r\n")
        try:
            for _ in range(80):
                client.sendall(b"x" * 100_000)
        except OSError:
            pass
        assert status(client.recv(65536)) == 413


def test_bodies_in_chunks(served: Running) -> None:
    pieces = [BODY[at : at + 1000] for at in range(0, len(BODY), 1000)]
    chunks = b"".join(b"%x;a=b\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    whole = POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\nTrailer: x\r\n\r\n"
    assert status(served.raw(whole)) == 200
    # However the network cuts it.
    assert status(served.raw(*(whole[at : at + 700] for at in range(0, len(whole), 700)))) == 200


def test_one_connection_many_requests(served: Running) -> None:
    one = POST + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
    answer = served.raw(b"\r\n".join([one] * 3) + GET + b"Connection: close\r\n\r\n" + GET + b"\r\n")
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200"] * 4
    assert answer.count(b"Connection: close") == 1
    # A request that is understood and refused does not end it.
    found = served.raw(GET.replace(b"live", b"dead") + b"\r\n" + GET + b"\r\n")
    assert re.findall(rb"HTTP/1.1 (\d+)", found) == [b"404", b"200"]


def test_http_1_0_and_head(served: Running) -> None:
    old = served.raw(b"GET /v2/health/live HTTP/1.0\r\n\r\nGET /v2 HTTP/1.0\r\n\r\n")
    assert old.count(b"HTTP/1.1 200") == 1 and b"Connection: close" in old
    answer = served.raw(GET.replace(b"GET", b"HEAD") + b"\r\n")
    assert status(answer) == 200 and answer.endswith(b"\r\n\r\n") and b"Content-Length: 13" in answer


def test_who_asks_before_sending_is_told_to_go_on(served: Running) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as client:
        client.sendall(POST + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(BODY))
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(BODY)
        assert status(client.recv(65536)) == 200
    # Too long: refused before it is sent.
    sent = POST + b"Expect: 100-continue\r\nContent-Length: 8000000\r\n\r\n"
    assert served.raw(sent).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("sent", [b"", GET[:10], POST + b"Content-Length: 100\r\n\r\n{"])
def test_who_stops_in_the_middle_is_refused_after_a_while(served: Running, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as client:
        client.sendall(sent)
        if not sent:
            return  # nothing was begun: the connection may stay open
        answer = client.recv(65536)
    assert status(answer) == 408 and b"the request was not whole after 1 s" in answer


def test_idle_connections_are_closed() -> None:
    with running(idle_s=0.1) as found:
        with socket.create_connection(("127.0.0.1", found.port), timeout=30) as client:
            client.sendall(GET + b"\r\n")
            answer = client.recv(65536)
            assert status(answer) == 200 and client.recv(65536) == b""


def test_who_hangs_up_costs_nothing(served: Running) -> None:
    lost = served.metrics.lost.values[()]
    whole = POST + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
    for number in range(12):
        client = socket.create_connection(("127.0.0.1", served.port), timeout=30)
        client.sendall(whole[: (25, 2000, len(whole))[number % 3]])
        if number % 2:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    end = time.monotonic() + 30
    # A task that is done is let go a moment later.
    while (served.server._connections or served.server._tasks) and time.monotonic() < end:
        time.sleep(0.01)
    assert not served.server._connections and not served.server._tasks
    assert served.server._budget.held == 0
    assert served.metrics.lost.values[()] >= lost
    assert served.infer(BODY)[0] == 200


def test_a_client_that_takes_no_answers_is_cut_off() -> None:
    with running(answer_s=0.2, idle_s=0.2) as found:
        with socket.create_connection(("127.0.0.1", found.port), timeout=30) as client:
            client.setblocking(False)
            request = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n" * 100
            end = time.monotonic() + 60
            # It sends until nobody takes it any more, and reads nothing.
            while time.monotonic() < end:
                try:
                    client.send(request)
                except BlockingIOError:
                    time.sleep(0.01)
                except OSError:
                    break
            else:
                raise AssertionError("it was never cut off")
        end = time.monotonic() + 30
        while found.server._connections and time.monotonic() < end:
            time.sleep(0.01)
        assert not found.server._connections


def test_what_all_bodies_together_may_hold() -> None:
    with running(bodies=200_000) as found:
        first = [socket.create_connection(("127.0.0.1", found.port), timeout=30) for _ in range(3)]
        for client in first:
            client.sendall(POST + b"Content-Length: 90000\r\n\r\n" + b"x" * 80_000)
        ready = select.select(first, [], [], 30)[0]
        answer = ready[0].recv(65536)
        assert status(answer) == 503 and b"Retry-After: 1" in answer
        for client in first:
            client.close()


def test_connections_beyond_the_limit_are_told() -> None:
    with running() as found:
        found.server._most = 2
        open_ones = [http.client.HTTPConnection("127.0.0.1", found.port, timeout=30) for _ in range(3)]
        for one in open_ones:
            one.request("GET", "/v2")
        found_statuses = sorted(one.getresponse().status for one in open_ones)
        assert found_statuses == [200, 200, 503]
        for one in open_ones:
            one.close()


@given(
    st.lists(st.tuples(st.integers(0, 600), st.binary(max_size=4), st.integers(0, 6)), min_size=1, max_size=4)
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_requests_that_were_damaged_are_never_a_fault_of_ours(
    served: Running, damage: list[tuple[int, bytes, int]]
) -> None:
    body = json.dumps({"id": "1", "inputs": [tensor(windows(1, 20))]}).encode()
    request = bytearray(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    for place, instead, count in damage:
        request[place : place + count] = instead
    answer = served.raw(bytes(request))
    # Whatever it is, it is refused: the window is too short.
    assert answer == b"" or 400 <= status(answer) < 500 or status(answer) in (501, 503, 505), answer


def test_nothing_was_held_by_any_of_them(served: Running) -> None:
    end = time.monotonic() + 30
    while (served.server._connections or served.server._tasks) and time.monotonic() < end:
        time.sleep(0.01)
    assert not served.server._connections and not served.server._tasks
    assert served.server._budget.held == 0 and served.inference.waiting == 0


def test_nothing_is_kept_of_a_request() -> None:
    whole = POST + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
    asked = (whole, POST + b"Content-Length: 1\r\n\r\n{", b"\x16\x03", whole[:2000])

    with running() as found:

        def kept(count: int) -> tuple[int, int]:
            """Objects and open files after so many requests of each kind."""
            for number in range(count):
                found.raw(asked[number % len(asked)])
            end = time.monotonic() + 30
            while found.server._tasks and time.monotonic() < end:
                time.sleep(0.01)
            gc.collect()
            return len(gc.get_objects()), len(list(Path("/proc/self/fd").glob("*")))

        first, then = kept(200), kept(400)
    # A single object of each request would be 400.
    assert then[0] - first[0] < 100 and then[1] <= first[1]
