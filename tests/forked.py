"""`atml` in a process of its own, forked from one with the libraries loaded, so that it begins at once.

A new interpreter takes seconds of a core to load them, and the fork server of its workers as long again.
Both are forked here, from the fork server of the test's own process: a process with its own group, signals,
database connections, end and workers all the same. What an interpreter does from its very start is for a new
one (`tests.searching.conftest.command`).
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver, util
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO

from atml import cli
from atml.searching.workers import pool
from atml.searching.workers.process import release_fork_server

LOADED = (
    *("atml.searching.workers.preload", "atml.searching.entry_points", "atml.cli.search", "atml.cli.worker"),
    *("sklearn.model_selection", "alembic.command"),
)
"""What a search imports, beside what its workers need."""


def load() -> None:
    """Start the fork server of this process with all that a search needs, where it has none yet."""
    server = forkserver._forkserver  # type: ignore[attr-defined]
    if server._forkserver_pid is None:
        server.set_forkserver_preload([*LOADED])
        with pool._one_thread(), pool._without_main():
            server.ensure_running()


class Forked:
    """One run of ``atml``; the names are those of `subprocess.Popen`, output and errors come together."""

    def __init__(
        self,
        words: Sequence[object],
        cwd: Path,
        *,
        script: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start it; with ``script`` that program is run, with the words as its arguments."""
        load()
        reading, writing = os.pipe()
        with Connection(writing, readable=False) as out:
            self._process = pool._context().Process(
                target=_main,
                args=(
                    [str(word) for word in words],
                    None if script is None else str(script),
                    str(cwd),
                    {**os.environ, **(environment or {})},
                    out,
                ),
            )
            with pool._one_thread(), pool._without_main():
                self._process.start()
        self.stdout: IO[str] = os.fdopen(reading, encoding="utf-8", errors="replace")
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("atml", timeout or 0)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, None]:
        """Read to the end, and wait for it; killed where that takes longer than ``timeout`` seconds."""
        end = None if timeout is None else time.monotonic() + timeout
        watch = None
        if timeout is not None:
            watch = threading.Timer(timeout, self.kill)
            watch.start()
        try:
            said = self.stdout.read()
        finally:
            if watch is not None:
                watch.cancel()
        self.stdout.close()
        if end is not None and time.monotonic() > end:
            raise subprocess.TimeoutExpired("atml", timeout or 0, said)
        self.wait(timeout)
        return said, None


def _main(
    words: list[str], script: str | None, cwd: str, environment: dict[str, str], out: Connection
) -> None:
    os.setsid()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    for number in (1, 2):
        os.dup2(out.fileno(), number)
    out.close()
    sys.stdout, sys.stderr = (
        io.TextIOWrapper(io.FileIO(number, "w", closefd=False), encoding="utf-8", write_through=True)
        for number in (1, 2)
    )
    release_fork_server()
    _fork_server_of_its_own()
    # The fork server ignores them.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if script is None:
        cli.main(words)
    else:
        sys.argv = [script, *words]
        sys.path.insert(0, cwd)
        runpy.run_path(script, run_name="__main__")


def _fork_server_of_its_own() -> None:
    """Fork the fork server of this process now that nothing runs here, for when one is started."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid:
        theirs.close()

        def start(program: bytes, arguments: list[str], numbers: Sequence[int]) -> int:
            socket.send_fds(ours, [json.dumps([arguments[-1], *numbers]).encode()], numbers)
            ours.close()
            return pid

        forkserver.util = type("util", (), {**vars(util), "spawnv_passfds": staticmethod(start)})
        return
    try:
        ours.close()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        message, numbers, *_ = socket.recv_fds(theirs, 2**20, 2)
        if message:  # else its parent has ended
            program, *before = json.loads(message)
            was, now = (f"main({one[0]}, {one[1]}, " for one in (before, numbers))
            assert was in program
            exec(program.replace(was, now), {})
    finally:
        os._exit(0)
