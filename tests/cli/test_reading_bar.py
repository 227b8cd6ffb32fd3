"""Reading shows how far it is: a bar in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from atml.cli import reading_bar, run
from atml.cli.reading_bar import reading_shown, waiting
from atml.watching import Counter


class Terminal(io.StringIO):
    """Says that it is a terminal, or that it is none."""

    def __init__(self, really: bool) -> None:
        super().__init__()
        self.really = really

    def isatty(self) -> bool:
        return self.really


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], Terminal]:
    """Put a terminal, or what is none, in the place of standard error, when the test runs."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")

    def put(really: bool) -> Terminal:
        stream = Terminal(really)
        monkeypatch.setattr(sys, "stderr", stream)
        return stream

    return put


def read(path: Path) -> None:
    counter = Counter(path)
    counter.expect(2000, "files")
    counter.passed(1500)
    counter.passed(500)


def test_a_terminal_has_a_bar_of_what_was_read(
    terminal: Callable[[bool], Terminal], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = terminal(True)
    with reading_shown():
        read(tmp_path / "short")
    assert shown.getvalue() == ""
    monkeypatch.setattr(reading_bar, "SOON", 0.0)
    monkeypatch.setattr(reading_bar, "OFTEN", 0.0)
    with reading_shown():
        read(tmp_path / "a[b]")
    assert "reading a[b]" in shown.getvalue() and "1,500 of 2,000 files" in shown.getvalue()
    with reading_shown(), waiting("looking"):
        read(tmp_path / "second")
    assert "looking" in shown.getvalue() and "reading second" in shown.getvalue()


def test_a_pipe_has_a_line_now_and_then(
    terminal: Callable[[bool], Terminal], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = terminal(False)
    with reading_shown(), waiting("looking"):
        read(tmp_path / "short")
        assert shown.getvalue() == ""
        monkeypatch.setattr(reading_bar, "LINE", 0.0)
        read(tmp_path / "long")
    assert shown.getvalue() == f"reading {tmp_path / 'long'}: 1,500 of 2,000 files\n"


def test_commands_tell_how_far_they_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reading_bar, "LINE", 0.0)
    (tmp_path / "set").mkdir()
    for number in range(600):
        values = np.random.default_rng(number).normal(size=1250)
        text = "\n".join(f"{value:.3f}" for value in values) if number < 12 else "x"
        (tmp_path / "set" / f"S{number % 3}-{'AFIB' if number % 2 else 'N'}-{number}.txt").write_text(text)
    assert run(["data", "inspect", str(tmp_path / "set")]) == 2
    assert "of 600 files" in capsys.readouterr().err
