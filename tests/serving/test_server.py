"""The queue, the metrics, an end that loses nothing, and `atml serve` as a process."""

from __future__ import annotations

import functools
import json
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import atml
from atml.serving import server
from atml.serving.decisions import Served
from tests.searching.conftest import command
from tests.serving.conftest import AFIB, SHOCK, Running, running, tensor, windows
from tests.terminal import run

BODY = json.dumps({"inputs": [tensor(windows())]}).encode()


@contextmanager
def held(found: Running) -> Iterator[threading.Event]:
    """Hold the model's runs until the event is set; the model is the real one."""
    model, go, kept = found.inference.models["af"], threading.Event(), Served.decide

    def decide(x: Any, rate: Any) -> Any:
        assert go.wait(30)
        return kept(model, x, rate)

    model.decide = decide  # type: ignore[method-assign]
    try:
        yield go
    finally:
        go.set()
        del model.decide


def until(true: Any) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_full_queue_is_said_and_loses_nothing() -> None:
    with running(queue=3, workers=1) as found, held(found) as go:
        answers: list[tuple[int, Any, dict[str, str]]] = []
        asking = [threading.Thread(target=lambda: answers.append(found.infer(BODY))) for _ in range(4)]
        for one in asking:
            one.start()
        until(lambda: found.inference.waiting == 3)
        status, said, headers = found.infer(BODY)
        assert (status, said["error"]) == (503, "3 requests are waiting; try again later")
        assert int(headers["Retry-After"]) >= 1
        # Another address is answered meanwhile.
        text = found.ask("GET", "/metrics")[1]
        assert "atml_queue_depth 3\natml_queue_limit" in re.sub(r"# .*\n", "", text)
        go.set()
        for one in asking:
            one.join()
        assert [one[0] for one in answers] == [200] * 4
        assert found.inference.waiting == 0


def test_metrics_count_what_was_done() -> None:
    x = np.concatenate([windows(), np.zeros((1, 1, 1250))])
    with running() as found:
        assert found.infer({"inputs": [tensor(x)]})[0] == 200
        assert found.infer(b"{")[0] == 400
        assert found.ask("GET", "/nothing")[0] == 404
        status, text, headers = found.ask("GET", "/metrics")
        assert status == 200 and headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    for line in text.splitlines():
        assert re.fullmatch(r"# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{.+\})? [0-9.e+-]+", line), line
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert values['atml_requests_total{model="af",status="200"}'] == "1"
    assert values['atml_requests_total{model="af",status="400"}'] == "1"
    assert values['atml_requests_total{model="",status="404"}'] == "1"
    assert values['atml_windows_total{model="af"}'] == "2"
    assert values['atml_windows_undecided_total{model="af",why="flat"}'] == "1"
    assert values['atml_request_duration_seconds_count{model="af"}'] == "1"
    assert values['atml_request_duration_seconds_bucket{model="af",le="+Inf"}'] == "1"
    assert float(values["process_resident_memory_bytes"]) > 1e6 and float(values["process_open_fds"]) > 3
    names = re.findall(r"# TYPE (\S+)", text)
    assert len(names) == len(set(names))


def test_a_fault_of_ours_is_said_and_goes_on(capfd: pytest.CaptureFixture[str]) -> None:
    with running() as found:
        model = found.inference.models["af"]
        model.decide = lambda x, rate: 1 / 0  # type: ignore[method-assign,assignment,return-value]
        status, said, _ = found.infer(BODY)
        assert status == 500 and said["error"].startswith("this is a fault in atml")
        del model.decide
        assert found.infer(BODY)[0] == 200
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_an_end_answers_what_arrived_and_refuses_what_did_not() -> None:
    post = b"POST /v2/models/af/infer HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(BODY)
    with running(workers=1) as found, held(found) as go:

        def client(*sent: bytes) -> socket.socket:
            made = socket.create_connection(("127.0.0.1", found.port), timeout=30)
            for piece in sent:
                made.sendall(piece)
            return made

        whole = [client(post, BODY) for _ in range(5)]
        until(lambda: found.inference.waiting == 4)
        half, idle = client(post, BODY[:100]), client()
        found.loop.call_soon_threadsafe(found.server.stop)
        assert half.recv(65536).startswith(b"HTTP/1.1 503")
        assert idle.recv(65536) == b""
        with pytest.raises(ConnectionError):
            client()
        go.set()
        for one in whole:
            answer = one.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200") and b"Connection: close" in answer
            assert one.recv(65536) == b""
        found.thread.join(30)
        assert not found.thread.is_alive()
        for one in (*whole, half, idle):
            one.close()


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run(tmp_path, "serve", AFIB, "--port", port)
    assert done.returncode == 2 and done.stdout == ""
    assert re.fullmatch(rf"atml: port {port} of 127.0.0.1 is in use; --port \d+ is free\n", done.stderr)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nothing",), "nothing does not exist; name an export folder or an ONNX file of atml"),
        ((AFIB, AFIB), "are both called '97-91-t0138'; name one of them, as NAME="),
        ((f"a/b={AFIB}",), "'a/b' of"),
        (("a=",), "'a=' names no export; write NAME=EXPORT"),
        ((AFIB, "--port", "70000"), "--port 70000: must be 65535 or less"),
        ((AFIB, "--workers", "0"), "--workers 0: must be 1 or more"),
        ((AFIB, "--queue", "-1"), "--queue -1: must be 0 or more"),
        ((AFIB, "--max-body", "nan"), "--max-body nan: must be a number"),
        ((AFIB, "--host", "no such host"), "--host 'no such host' is not an address of this machine"),
        ((AFIB, "--host", "192.0.2.1", "--port", "0"), "can't be opened"),
    ],
)
def test_bad_arguments(tmp_path: Path, arguments: tuple[object, ...], said: str) -> None:
    done = run(tmp_path, "serve", *arguments)
    assert done.returncode == 2 and said in done.stderr.splitlines()[-1]
    assert len(done.stderr.splitlines()) == (2 if "192.0.2.1" in arguments else 1)


@contextmanager
def process(*arguments: object) -> Iterator[tuple[subprocess.Popen[str], list[str], str]]:
    """Run `atml serve`: the process, what it said when it was ready, its address."""
    # What starts tests in the background has Ctrl-C ignored, and a child would inherit that.
    heard = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    line, pipe = command("serve", *arguments, "--port", 0), subprocess.PIPE
    with subprocess.Popen(line, stdout=pipe, stderr=pipe, text=True, preexec_fn=heard) as found:
        try:
            assert found.stdout is not None
            said: list[str] = []
            while not said or "is ready" not in said[-1]:
                said.append(next(found.stdout))
            yield found, said, said[-1].split()[0]
        finally:
            found.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_well(number: signal.Signals) -> None:
    with process(f"night={AFIB}", SHOCK) as (found, said, url):
        assert said[0] == "serving night (afib: other, AF; 1 lead, 1,250 samples at 250 Hz)\n"
        assert said[1].startswith("serving 100-87-t0000 (defib: ")
        with urllib.request.urlopen(f"{url}/models/night/infer", BODY) as answer:
            logits = json.loads(answer.read())["outputs"][0]["data"]
        assert logits == atml.load(AFIB).logits(windows()).ravel().tolist()
        found.send_signal(number)
        out, err = found.communicate(timeout=30)
    assert (found.returncode, err) == (0, "")
    assert out.splitlines() == [
        "ending when what has arrived is answered; once more ends at once",
        "ended: 1 request answered",
    ]


def test_a_second_signal_ends_it_at_once() -> None:
    with process(AFIB, "--timeout", 60) as (found, _, url):
        port = int(url.split(":")[2].split("/")[0])
        # A client that takes no answers: an end would wait for it.
        with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
            client.setblocking(False)
            counts = [0, 0]
            while counts[-1] - counts[-2] != 1:  # nothing is answered but this question
                try:
                    client.send(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n" * 1000)
                except BlockingIOError:
                    with urllib.request.urlopen(url.replace("/v2", "/metrics")) as answer:
                        said = re.search(rb'status="200"} (\d+)', answer.read())
                    counts.append(int(said[1]) if said else 0)
            found.send_signal(signal.SIGTERM)
            assert found.stdout is not None and next(found.stdout).startswith("ending when")
            found.send_signal(signal.SIGTERM)
            assert found.wait(30) == 130


def test_other_machines_are_warned_of() -> None:
    with process(AFIB, "--host", "0.0.0.0") as (found, _, url):
        assert url.startswith("http://127.0.0.1:")
        found.send_signal(signal.SIGTERM)
        _, err = found.communicate(timeout=30)
    assert err.startswith("atml: --host 0.0.0.0 can be reached from other machines, and there is no")


def test_addresses_of_version_6() -> None:
    if not socket.has_ipv6 or not Path("/proc/net/if_inet6").exists():
        pytest.skip("no IPv6 here")
    try:
        server.bind("::1", 0).close()
    except atml.InputError:
        pytest.skip("no ::1 here")
    with process(AFIB, "--host", "::1") as (_, _, url):
        assert url.startswith("http://[::1]:")
        with urllib.request.urlopen(f"{url}/health/ready") as answer:
            assert answer.status == 200


def test_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from atml.serving import names

    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b").symlink_to(AFIB)
    (tmp_path / "two words").symlink_to(AFIB)
    assert names.parted("a=b") == ("", Path("a=b"))
    with pytest.raises(atml.ExportError, match=r"'a=b' is no name of a model \(letters, .*as NAME=a=b"):
        names.loaded(["a=b"])
    with pytest.raises(atml.ExportError, match="'two words' is no name of a model"):
        names.loaded(["two words"])
    assert list(names.loaded(["x=a=b", "y=two words"])) == ["x", "y"]
    monkeypatch.chdir(AFIB)
    assert names.of(Path()) == names.of(Path("model.onnx")) == AFIB.name
    assert names.of(Path("..") / AFIB.name) == AFIB.name
