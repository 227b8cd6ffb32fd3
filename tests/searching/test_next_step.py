"""The command that leads on from a study, as far as the study knows what it needs."""

from __future__ import annotations

import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import typer

from atml.cli import app
from atml.searching.leaderboard import Entry
from atml.searching.next_step import command


def test_a_test_split_is_scored_as_the_search_read_it(tmp_path: Path) -> None:
    """Without its table of labels, or its rate, `atml score` would refuse the folder."""
    first = cast(Entry, SimpleNamespace(seeds=2, folder=tmp_path / "97-91-t0003"))
    spec = {
        "data": [str(tmp_path / "my set")],
        "labels": "/l/table.csv",
        "sampling_rate": 500,
        "task": "afib",
    }
    kept: dict[str, Any] = {"split": True, "rule": "records"}
    words = shlex.split(command("s", first, spec, kept, "", False, []))
    options = ["--data", str(tmp_path / "my set"), "--labels", "/l/table.csv", "--sampling-rate", "500"]
    assert words == ["atml", "score", str(first.folder), *options, "--rule", "records"]
    score: Any = typer.main.get_command(app)
    score.commands["score"].make_context("score", words[2:])  # raises for an option that it does not have
    bare = command("s", first, {**spec, "sampling_rate": None}, {"split": False}, "", False, [])
    assert bare.endswith("97-91-t0003 --data TEST_DIR")
