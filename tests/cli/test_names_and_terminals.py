"""Names that are no UTF-8 and terminals that lack a letter, are full or closed: never a traceback."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import typer

from atml import cli
from tests.test_earlier_versions import MADE, found_dead

ODD = os.fsdecode(b"caf\xe9")
"""A name as another system wrote it, in Latin-1."""

FULL = "atml: the disk is full: nothing more can be written; free some space\n"

Atml = Callable[..., tuple[int, str, str]]


@pytest.fixture
def atml(monkeypatch: pytest.MonkeyPatch) -> Atml:
    """Run a command as a program whose terminal knows ASCII alone."""

    def run(*words: object) -> tuple[int, str, str]:
        raw = io.BytesIO(), io.BytesIO()
        streams = [io.TextIOWrapper(kept, encoding="ascii") for kept in raw]
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", streams[0])
            patch.setattr(sys, "stderr", streams[1])
            with pytest.raises(SystemExit) as ended:
                cli.main([str(word) for word in words])
        for stream in streams:
            stream.flush()
        out, err = (kept.getvalue().decode("ascii") for kept in raw)
        assert isinstance(ended.value.code, int)
        assert "Traceback" not in err and "fault in atml" not in err, (words, err)
        return ended.value.code, out, err

    return run


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with studies and exports, and segments of ECG in files whose names are no UTF-8 either."""
    where = tmp_path_factory.mktemp("names") / ODD
    shutil.copytree(MADE, where, ignore=shutil.ignore_patterns("making"))
    found_dead(where / "studies.db")
    held = np.load(where / "afib.npz")
    for at, x in enumerate(held["x"]):
        folder = where / ODD / f"{held['split'][at]}_data"
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{held['subject'][at]}{ODD}-{('N', 'AFIB')[held['y'][at]]}-{at}.txt"
        (folder / name).write_text("".join(f"{value:.5f}\n" for value in x.ravel()))
    return where


def test_help_of_every_command(atml: Atml) -> None:
    def show(command: object, *path: str) -> int:
        code, out, err = atml(*path, "--help")
        assert code == 0 and out.startswith("Usage: atml") and not err
        below = getattr(command, "commands", {})
        return 1 + sum(show(one, *path, name) for name, one in below.items())

    assert show(typer.main.get_command(cli.app)) > 25
    code, out, err = atml()
    assert code == 2 and "Usage: atml" in out and not err


EXPORT, OTHER = "exports/small/99-96-t0034", "exports/small/92-91-t0094"
LINES: list[tuple[int, str]] = [
    (0, "status"),
    (0, "status --json"),
    (0, "best small"),
    (0, "best small --json"),
    (0, "best small --csv --out @.csv"),
    (0, "best export small --top 1 --out @-new"),
    (0, f"score {EXPORT} --data @"),
    (0, f"score {EXPORT} --data @ --json"),
    (0, f"predict {EXPORT} @ --out @-decided"),
    (0, f"compare {EXPORT} {OTHER} --by accuracy --out @.md"),
    (0, f"compare {EXPORT} {OTHER} --data @ --runs 0"),
    (0, "regions show small"),
    (0, "regions export small --out @-regions"),
    (0, "regions import @-regions/avoid.txt small"),
    (0, "regions lift 6090eb --why @ --study small"),
    (0, "report small --no-figures --out @-reports"),
    (0, "study pack small --out @.tar.gz"),
    (0, "study copy studies.db copy.db"),
    (0, "study delete shock --yes --storage sqlite:///copy.db"),
    (0, "data inspect @"),
    (0, "data inspect @ --json"),
    (0, "tasks"),
    (2, "tasks check @"),
    (2, "search --task @"),
    (2, "search --data @/none"),
    (2, "search --data @ --study @"),
    (2, "search --data @ --labels @.csv"),
    (2, "search --data @ --subjects @"),
    (2, "search --data @ --space @.py"),
    (2, "search --data @ --regions @.txt"),
    (2, "search --data @ --storage sqlite:///@.db"),
    (2, "worker --study @"),
    (2, "study copy studies.db sqlite:///@.db"),
    (2, f"score {EXPORT} --data @ --rule @"),
    (2, f"predict {EXPORT} @ --lead @"),
    (2, "data fetch @"),
    (2, "@"),
]


def test_every_command_in_a_folder_whose_name_is_no_utf8(
    atml: Atml, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(here)
    said = {}
    for code, line in LINES:
        found, out, err = atml(*line.replace("@", ODD).split())
        assert found == code, (line, err)
        assert code == 0 or len(err.splitlines()) == 1, (line, err)
        said[line] = out + err
    assert (here / f"{ODD}.csv").is_file() and (here / f"{ODD}.tar.gz").is_file()
    assert "no UTF-8" in said["search --data @ --study @"]
    assert "no UTF-8" in said["search --data @ --storage sqlite:///@.db"]
    # People and data are called by what the bytes mean in Latin-1.
    assert "test0caf\\xe9" in said["data inspect @"]
    assert "caf\N{LATIN SMALL LETTER E WITH ACUTE}" in Path(f"{ODD}-decided/recordings.csv").read_text(
        "utf-8"
    )
    # What a study keeps of a folder is that folder.
    (made,) = (here / f"{ODD}-new" / "small").iterdir()
    assert str(made) in [row["folder"] for row in json.loads(atml("best", "small", "--json")[1])]
    assert atml("compare", made, OTHER, "--by", "accuracy")[0] == 0


def test_a_full_disk_a_reader_that_went_and_nothing_to_write_to(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def ends(stream: object, *words: str) -> object:
        monkeypatch.setattr(sys, "stdout", stream)
        with pytest.raises(SystemExit) as ended:
            cli.main(list(words))
        return ended.value.code

    for words in (("--version",), ("tasks",), ("tasks", "--json"), ("--help",), ()):
        with Path("/dev/full").open("w") as full:
            assert ends(full, *words) == 2
        assert capsys.readouterr().err == FULL
        reader, writer = os.pipe()
        os.close(reader)
        with contextlib.suppress(BrokenPipeError), os.fdopen(writer, "w") as unread:
            assert ends(unread, *words) == 0
        assert ends(None, *words) == (0 if words else 2)
        sys.stdout.close()
    assert capsys.readouterr().err == ""
    with contextlib.suppress(OSError), Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        assert ends(io.StringIO(), "nonsense") == 2


def test_streams_that_were_closed_before() -> None:
    """The next file opened would get the number of standard output, and what is printed."""
    done = subprocess.run(
        ["/bin/sh", "-c", f"exec '{sys.executable}' -m atml --version <&- >&-"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
