"""A real PostgreSQL server for tests: made by initdb, on loopback, on a free port, thrown away after."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from pathlib import Path
from urllib.parse import quote

PACKAGE = "postgresql"
"""Debian's package with the server."""
ADMIN, USER, PASSWORD = "admin", "atml", "correct horse"
"""The superuser, an ordinary role that owns the databases, and the password of both."""


def binaries() -> Path | None:
    """Folder with initdb and pg_ctl, the newest where there are several; None where there is no server."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[4]))
    if in_path := shutil.which("initdb"):
        found.append(Path(in_path).resolve())
    return next((path.parent for path in reversed(found) if path.with_name("pg_ctl").exists()), None)


class Server:
    """One server; ``url`` names a database of it."""

    def __init__(self, bin_dir: Path) -> None:
        self._bin = bin_dir
        # The server refuses to run as root, and wants a folder that is its user's alone.
        self._user = None
        if os.getuid() == 0:
            names = {entry.pw_name for entry in pwd.getpwall()}
            self._user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
        self._folder = Path(tempfile.mkdtemp(prefix="atml-postgres-"))
        if self._user is not None:
            os.chown(self._folder, self._user.pw_uid, self._user.pw_gid)
        self._data = self._folder / "data"
        secret = self._folder / "secret"
        secret.write_text(PASSWORD + "\n")
        self._run(
            "initdb", "--pgdata", self._data, "--username", ADMIN, "--pwfile", secret, "--no-sync",
            "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C",
        )  # fmt: skip
        secret.unlink()
        with (self._data / "postgresql.conf").open("a") as file:
            file.write(
                "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\nfsync = off\n"
                "full_page_writes = off\nshared_buffers = 16MB\nmax_connections = 60\n"
            )
        for left in reversed(range(5)):
            self.port = _free_port()
            try:
                self.start()
                break
            except subprocess.CalledProcessError:
                # Somebody took the port in between.
                if not left:
                    raise
        self.sql(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'")

    def _run(self, program: str, *arguments: object) -> None:
        user = {} if self._user is None else {
            "user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []
        }  # fmt: skip
        # Into a file: the server would inherit a pipe and hold it open.
        with tempfile.TemporaryFile() as said:
            done = subprocess.run(
                [str(self._bin / program), *map(str, arguments)],
                stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=self._folder, check=False, **user,
            )  # fmt: skip
            said.seek(0)
            if done.returncode:
                text = said.read().decode(errors="replace")
                raise subprocess.CalledProcessError(done.returncode, program, output=text)

    def start(self) -> None:
        """Start, and return when connections are taken."""
        log = self._folder / "log"
        self._run("pg_ctl", "-D", self._data, "-l", log, "-o", f"-p {self.port}", "-w", "start")

    def stop(self, mode: str = "immediate") -> None:
        """Cut every connection and end: "immediate" as by a crash, "fast" as by an administrator."""
        self._run("pg_ctl", "-D", self._data, "-m", mode, "-w", "stop")

    def restart(self, mode: str = "immediate") -> None:
        """Stop and start on the same port, with what was committed."""
        self.stop(mode)
        self.start()

    def url(self, database: str, user: str = USER, password: str = PASSWORD) -> str:
        """Return the SQLAlchemy URL of a database."""
        return f"postgresql+psycopg://{user}:{quote(password)}@127.0.0.1:{self.port}/{database}"

    def new_database(self, owner: str = USER, *, like: str = "template0") -> str:
        """Make a database, an empty one or one like another to which nobody is connected; return its name."""
        name = f"d{uuid.uuid4().hex[:12]}"
        self.sql(f"CREATE DATABASE {name} OWNER {owner} TEMPLATE {like}")
        return name

    def cut(self, database: str) -> int:
        """Cut every connection to a database, and count them."""
        kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        return len(self.sql(f"{kill} WHERE datname = '{database}' AND pid <> pg_backend_pid()"))

    def sql(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run a statement as superuser, and return its rows."""
        import psycopg

        where = {"host": "127.0.0.1", "port": self.port, "user": ADMIN, "password": PASSWORD}
        with psycopg.connect(dbname=database, autocommit=True, **where) as db:
            done = db.execute(statement)
            return done.fetchall() if done.description else []

    def remove(self) -> None:
        """Stop, if it runs, and leave nothing behind."""
        if (self._data / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self._folder)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
