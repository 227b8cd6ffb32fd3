"""Every command of docs/serving.md is run, on a port that is free."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving.conftest import EXPORTS
from tests.serving.test_server import process
from tests.terminal import run

DOCS = Path(__file__).resolve().parents[2] / "docs"
TEXT = (DOCS / "serving.md").read_text(encoding="utf-8")
LINES = [
    line
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    if not language
    for line in block.splitlines()
]


def lines(start: str) -> list[str]:
    """The commands that begin so."""
    found = [one for one in LINES if one.startswith(start)]
    assert found, start
    return found


def test_every_line_is_of_a_kind_that_is_tried_here() -> None:
    kinds = ("atml serve ", "atml bench ", "atml triton ", "curl ", "python -c ")
    assert all(one.startswith(kinds) for one in LINES)
    for target in re.findall(r"\]\(([^)#:]+)\)", TEXT):
        assert (DOCS / target).exists(), target
    assert "benchmarks/serve.py" in TEXT and (DOCS.parent / "benchmarks" / "serve.py").exists()


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
def test_the_server_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "exports").symlink_to(EXPORTS)
    monkeypatch.chdir(tmp_path)
    (make,), (serve,) = lines("python"), lines("atml serve")
    assert make.endswith(" > request.json")
    words = shlex.split(make.removesuffix(" > request.json"))
    made = subprocess.run([sys.executable, *words[1:]], capture_output=True, check=True).stdout
    (tmp_path / "request.json").write_bytes(made)
    answers = []
    with process(*shlex.split(serve)[2:]) as (_, _, url):
        for line in lines("curl"):
            text = line.replace("http://127.0.0.1:8000/v2", url)
            assert text != line
            done = subprocess.run(
                ["curl", "-sS", *shlex.split(text)[1:]], capture_output=True, timeout=60, check=True
            )
            answers.append(json.loads(done.stdout))
    model, ready, answer = answers
    assert model["inputs"][0]["shape"] == [-1, 1, 1250] and ready == {"ready": True}
    assert answer["id"] == "7" and answer["outputs"][3]["data"] == ["good"]
    table = re.findall(r"^\| `(\w+)` \| (\w+) ", TEXT, re.MULTILINE)
    assert table == [(one["name"], one["datatype"]) for one in answer["outputs"]]


def test_the_other_commands(tmp_path: Path) -> None:
    (tmp_path / "exports").symlink_to(EXPORTS)
    for line in (*lines("atml triton"), *lines("atml bench")):
        words = shlex.split(line.replace("1,2,4", "1 --seconds 0.05"))
        done = run(tmp_path, *words[1:])
        assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == ["97-91-t0138", "shock"]
