"""Every command of docs/ is run, with tiny nets and a PostgreSQL of its own in place of the real ones."""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import shutil
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from atml.storage import Store
from tests.postgres import ADMIN, PASSWORD, Server, binaries
from tests.terminal import run
from tests.tiny import folder

DOCS = Path(__file__).resolve().parent.parent / "docs"
TEXT = (DOCS / "several-machines.md").read_text(encoding="utf-8")
LINES = [
    line
    for block in re.findall(r"^```\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]
SECRET = "a secret: with a colon"
NOT_HERE = ("sbatch", "kubectl")
"""Programs of clusters. What they start is run without them."""


def line(start: str, nth: int = 0) -> str:
    """One line of the text, by how it begins."""
    return [one for one in LINES if one.startswith(start)][nth]


class Host:
    """A machine with atml, a few data, and a database server that the text calls dbhost."""

    def __init__(self, where: Path, server: Server, login: bool = True) -> None:
        self.where = folder(where)
        self.server = server
        (where / "bin").mkdir()
        for name in ("atml", "hostname"):
            program = f'exec {shlex.quote(sys.executable)} -m atml "$@"' if name == "atml" else "echo node"
            (where / "bin" / name).write_text(f"#!/bin/sh\n{program}\n")
            (where / "bin" / name).chmod(0o755)
        (where / "pgpass").write_text(
            self.here(line("dbhost:")).replace("PASSWORD", SECRET.replace(":", "\\:"))
        )
        (where / "pgpass").chmod(stat.S_IRUSR | stat.S_IWUSR)
        self.env = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("PG", "ATML_ST"))},
            "PATH": f"{where / 'bin'}:{os.environ['PATH']}",
            "PGPASSFILE": str(where / "pgpass"),
        }

    def here(self, text: str) -> str:
        """What a line of the text is on this machine."""
        text = text.replace("dbhost:5432", f"127.0.0.1:{self.server.port}").replace(
            "--data DIR", "--data data.npz"
        )
        return text.replace("@dbhost/", f"@127.0.0.1:{self.server.port}/")

    def tiny(self, text: str, trials: int = 2) -> str:
        text = re.sub(
            r"--trials \d+", f"--trials {trials} --folds 2 --finalists 1 --repeats 1", self.here(text)
        )
        return f"{text} --workers 1" if re.match("atml (search|worker)", text) else text

    def run(self, text: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", text], cwd=self.where, env={**self.env, **environment}, capture_output=True,
            text=True, check=False, timeout=240,
        )  # fmt: skip

    def ok(self, text: str, **environment: str) -> str:
        """Run a line; one of ours in this process."""
        words = shlex.split(text)
        if words[0] == "atml":
            with pytest.MonkeyPatch.context() as patch:
                for name in os.environ.keys() - self.env.keys():
                    patch.delenv(name)
                for name, value in {**self.env, **environment}.items():
                    patch.setenv(name, value)
                done = run(self.where, *map(os.path.expandvars, words[1:]))
        else:
            done = self.run(text, **environment)
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, postgres: Server) -> Iterator[Host]:
    """A machine on which the study of the text was searched, in SQLite."""
    made = Host(tmp_path_factory.mktemp("docs") / "host", postgres)
    made.ok(made.tiny(line("atml search")))
    yield made
    for one in ("DATABASE IF EXISTS atml", "ROLE IF EXISTS searcher"):
        postgres.sql(f"DROP {one}")


@pytest.fixture(scope="module")
def database(host: Host) -> Host:
    """The same with the role and the database of the text, and the study copied into it."""
    admin = {
        "PGHOST": "127.0.0.1", "PGPORT": str(host.server.port), "PGUSER": ADMIN, "PGPASSWORD": PASSWORD,
        "PATH": f"{binaries()}:{os.environ['PATH']}",
    }  # fmt: skip
    typed(line("createuser"), [SECRET, SECRET], {**host.env, **admin})
    host.ok(line("createdb"), **admin)
    name, _, value = host.here(line("export")).removeprefix("export ").partition("=")
    host.env[name] = value
    host.ok(line("atml study copy", 1))
    return host


def typed(text: str, answers: list[str], env: dict[str, str]) -> None:
    """Run a program that asks on a terminal, and answer each question."""
    words = shlex.split(text)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(words[0], words, env)
    said = b""
    for answer in answers:
        end = time.monotonic() + 30
        asked = said.count(b": ")
        while said.count(b": ") == asked:
            assert select.select([terminal], [], [], max(end - time.monotonic(), 0))[0], said
            said += os.read(terminal, 1000)
        os.write(terminal, f"{answer}\n".encode())
    status = os.waitpid(pid, 0)[1]
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0, said


def test_every_line_is_of_a_kind_that_is_tried_here() -> None:
    words = {re.split(r"[ :]", one)[0] for one in LINES}
    assert words == {
        "atml", "createuser", "createdb", "export", "listen_addresses", "hostssl", "dbhost", *NOT_HERE
    }  # fmt: skip
    verbs = [" ".join(one.split()[1:3]) for one in LINES if one.startswith("atml")]
    assert sorted(verbs) == sorted(
        ["search --task", "worker --study"] * 2 + ["study copy"] * 3 + ["study delete"]
    )
    for target in re.findall(r"\]\(([^)#:]+)\)", TEXT):
        assert (DOCS / target).exists(), target


def test_two_shells(host: Host) -> None:
    said = host.ok(host.tiny(line("atml worker")))
    assert "complete" in said or "2 trials" in said, said


def test_copies(host: Host, database: Host) -> None:
    assert "read back and verified" in host.ok(line("atml study copy", 0))
    assert "study small-copy: 2 finished" in host.ok(line("atml study copy", 2))
    assert "deleted study small-copy" in host.ok(
        line("atml study delete"), ATML_STORAGE="sqlite:///studies.db"
    )


def test_what_lets_the_network_in_is_understood(postgres: Server) -> None:
    rules = postgres._data / "pg_hba.conf"
    before = rules.read_text()
    try:
        rules.write_text(f"{before}\n{line('hostssl')}\n")
        found = postgres.sql(
            "SELECT type, database, user_name, address, auth_method, error FROM pg_hba_file_rules"
            " ORDER BY line_number DESC LIMIT 1"
        )
    finally:
        rules.write_text(before)
    # This server has no certificate, which is all that may be wrong.
    without_ssl = "hostssl record cannot match because SSL is disabled"
    assert found == [("hostssl", ["atml"], ["searcher"], "10.0.0.0", "scram-sha-256", without_ssl)]
    postgres.sql("ALTER SYSTEM SET " + line("listen_addresses"))
    postgres.sql("ALTER SYSTEM RESET listen_addresses")


def test_a_search_with_slurm_and_kubernetes(database: Host) -> None:
    host = database
    (job,) = yaml.safe_load_all((DOCS / "kubernetes-job.yaml").read_text(encoding="utf-8"))
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["restartPolicy"] == "OnFailure" and "completions" not in job["spec"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert {volume["name"] for volume in pod["volumes"]} == set(mounts)
    secret = container["env"][0]["valueFrom"]["secretKeyRef"]
    assert f"generic {secret['name']} --from-file={secret['key']}=" in line("kubectl create")
    cache = {one["name"]: one.get("value") for one in container["env"]}["ATML_CACHE"]
    assert cache == mounts["cache"]
    # What a volume is in the cluster is a folder here.
    volumes = {mounts["data"]: "data.npz", mounts["cache"]: str(host.where / "cache")}
    command = shlex.join(volumes.get(word, word) for word in container["command"]).replace(
        "--workers 4", "--workers 1"
    )
    script = shlex.quote(str(DOCS / "slurm.sh"))
    starts = [
        (host.tiny(line("atml search", 1), trials=8), {}),
        (
            f"bash {script}",
            {"STUDY": "small", "SLURM_ARRAY_TASK_ID": "3", "SLURM_CPUS_PER_TASK": "1", "DATA": "data.npz"},
        ),
        (command, {"ATML_CACHE": volumes[mounts["cache"]]}),
    ]
    done: dict[int, subprocess.CompletedProcess[str]] = {}

    def start(number: int) -> None:
        done[number] = host.run(starts[number][0], **starts[number][1])

    threads = [threading.Thread(target=start, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    host.ok(starts[0][0])
    for thread in threads:
        thread.join()
    for number, one in sorted(done.items()):
        assert one.returncode == 0, f"{starts[number][0]}\n{one.stdout}{one.stderr}"
    assert "task 3 on node" in done[1].stdout
    store = Store(host.server.url("atml", "searcher", SECRET))
    trials = [t for t in store.trials("small") if t.role == "search"]
    store.close()
    assert sum(t.finished for t in trials) == 8
    assert not [t for t in trials if t.state in ("running", "waiting")]
    host.ok(host.tiny(line("atml worker", 1)))


def test_the_slurm_script_says_what_it_misses(tmp_path: Path) -> None:
    script = DOCS / "slurm.sh"
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    done = subprocess.run(
        ["bash", script], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0 and "name the study" in done.stderr
    if shutil.which("shellcheck"):
        checked = subprocess.run(["shellcheck", script], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout
