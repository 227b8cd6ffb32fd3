"""URLs of storages: what is read, what is refused, and that a password is never shown."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from atml.cli import run
from atml.errors import StudyError
from atml.storage import Store, urls
from tests.postgres import PASSWORD, USER, Server


@pytest.mark.parametrize("start", ["postgres", "postgresql", "postgresql+psycopg"])
def test_postgresql_goes_through_psycopg(start: str) -> None:
    assert urls.read(f"{start}://me@h:5433/d").drivername == "postgresql+psycopg"
    assert urls.name(f"{start}://me:secret@h:5433/d?sslmode=require&password=secret") == (
        "postgresql+psycopg://me@h:5433/d?sslmode=require"
    )


def test_a_file_is_called_by_its_path() -> None:
    assert urls.name("sqlite:///some/studies.db") == "some/studies.db"
    assert urls.name("sqlite://") == ":memory:"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("studies.db", "'studies.db' is not a database URL; write sqlite:///studies.db or postgresql"),
        ("postgresql://me:secret@h:port/d", "'postgresql://***@h:port/d' is not a database URL"),
        ("postgresql:/me:secret@h/d", "'postgresql:/***@h/d' is not a database URL"),
        ("postgresql//me:secret@h/d", "'postgresql//***@h/d' is not a database URL"),
        ("postgresql+psycopg:me:secret@h/d", "'postgresql+psycopg:***@h/d' is not a database URL"),
        ("me:secret@h/d", "***@h/d' is not a database URL"),
        ("postgresql:/h/d?Password=secret", "'postgresql:/h/d?Password=***' is not a database URL"),
        ("postgresql://me:se@cret@h/d", "has an @ in its password; write that as %40"),
        ("postgresql://me:se@c/ret@h/d", "has an @ in its password; write that as %40"),
        ("mysql+pymysql://me:secret@h/d", "studies can't be kept in 'mysql+pymysql'; write"),
        ("postgresql+asyncpg://me:secret@h/d", "studies can't be kept in 'postgresql+asyncpg'"),
        ("postgresql://me:secret@h", "'postgresql+psycopg://me@h' names no database"),
    ],
)
def test_what_is_no_url_of_ours(url: str, says: str) -> None:
    with pytest.raises(StudyError) as caught:
        urls.read(url)
    said = str(caught.value)
    assert says in said
    assert not any(part in said for part in ("secret", "se@", "cret", "\n"))
    # Nor by way of what led to it, if it were printed after all.
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "url",
    ["postgresql://me:secret@h/d", "postgresql://me@h/d?password=secret", "postgresql://h/d?sslpassword=x"],
)
def test_no_password_is_taken_from_the_command_line(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["status"], ["search", "--trials", "1"], ["best"]):
        assert run([*command, "--storage", url]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith("atml: a password on the command line is visible to everybody")
        assert "ATML_STORAGE" in said.err and "PGPASSWORD" in said.err and "~/.pgpass" in said.err
        assert "secret" not in said.err and len(said.err.splitlines()) == 1


def test_the_environment_says_where_studies_are_kept(
    postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = postgres.url(postgres.new_database())
    store = Store(url)
    store.study("of the server", {"task": "afib", "synthetic": True, "data_name": "synthetic"})
    store.close()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ATML_STORAGE", url)
    assert run(["status"]) == 0
    assert "of the server" in capsys.readouterr().out
    # What is said on the command line comes first.
    assert run(["status", "--storage", "sqlite:///studies.db"]) == 2
    assert "no studies.db here" in capsys.readouterr().err
    # An error of the server names it without its password.
    monkeypatch.setenv("ATML_STORAGE", postgres.url("nowhere"))
    assert run(["status"]) == 2
    said = capsys.readouterr().err
    assert f"{USER}@127.0.0.1:{postgres.port}/nowhere has no such database; make it: createdb" in said
    assert PASSWORD not in said and "correct" not in said


def test_a_driver_that_is_not_installed() -> None:
    code = (
        "import sys; sys.modules['psycopg'] = None\nfrom atml.cli import run\n"
        "sys.exit(run(['status', '--storage', 'postgresql://me@h/d']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        "atml: PostgreSQL needs a package that is not installed: pip install 'atml[postgresql]'\n"
    )


def test_braces_in_a_password(postgres: Server) -> None:
    name = postgres.new_database()
    role = f"braces_{name}"
    postgres.sql(f"CREATE ROLE {role} LOGIN PASSWORD 'a{{b}}%25'")
    postgres.sql(f"ALTER DATABASE {name} OWNER TO {role}")
    store = Store(postgres.url(name, user=role, password="a{b}%25"))
    assert store.studies() == []
    store.close()
