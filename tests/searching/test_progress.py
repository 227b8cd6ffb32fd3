from __future__ import annotations

import dataclasses
import io
import json

import pytest
from rich.console import Console

from atml.formatting import clock, shorter
from atml.searching.progress import Json, Lines, Progress, Running, Terminal, board, headline
from atml.searching.sparkline import BLOCKS, PLAIN, Curves, sparkline

NOW = Progress(
    phase="search",
    done=12,
    total=100,
    best=0.91234,
    best_trial=7,
    running=(
        Running(0, 13, "cnn 8-16 + lstm 16, lr 0.002, 625 x 128", 2, 5, 0.5, 0.8765),
        Running(1, 14, "gru 8, lr 0.001, 500 x 64", 0, 5, 0.0, None),
    ),
    elapsed=125.0,
    per_minute=5.76,
    left=917.0,
)


def test_the_board_shows_what_a_person_waits_for() -> None:
    console = Console(file=io.StringIO(), width=110, force_terminal=False)
    console.print(board(NOW))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert (
        lines[0].rstrip()
        == "search  12 of 100  best so far 0.9123 (trial 7, one seed)  5.8 a minute  2 min elapsed"
        "  about 15 min left"
    )
    assert "trial" not in lines[1], "the bar has a line of its own"
    assert lines[2].startswith("trial 13  fold 3/5") and "0.8765" in lines[2]
    assert "cnn 8-16 + lstm 16, lr 0.002, 625 x 128" in lines[2]
    assert lines[3].startswith("trial 14  fold 1/5") and "gru 8" in lines[3]
    assert len(lines) == 4


def test_a_narrow_terminal_cuts_and_never_wraps() -> None:
    console = Console(file=io.StringIO(), width=50, force_terminal=False)
    console.print(board(NOW))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert len(lines) == 4
    assert max(map(len, lines)) <= 50


def test_plain_lines() -> None:
    console = Console(file=io.StringIO(), width=200)
    view = Lines(console)
    view.ended(3, "complete", 0.5, "cnn 8", 12.34, "4/100")
    view.ended(4, "refused", None, "cnn 99", 0.1, "5/100")
    view.say("[not markup]")
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "4/100  trial    3  complete  0.5000   12.3 s  cnn 8" in text
    assert "trial    4  refused        -" in text
    assert "[not markup]" in text


def test_json_lines_are_json(capsys: pytest.CaptureFixture[str]) -> None:
    view = Json()
    view.progress(NOW)
    view.ended(3, "complete", 0.5, "cnn 8", 12.34, "4/100")
    view.say("a note")
    view.result({"study": "s", "lines": ["for people"]})
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [e["event"] for e in events] == ["progress", "trial", "note", "result"]
    assert events[0]["running"][0]["fold"] == 2
    assert events[3] == {"event": "result", "study": "s"}


def test_durations_and_paths() -> None:
    assert [clock(s) for s in (4.4, 100, 121, 3600, 5400, 12000)] == [
        "4 s", "100 s", "2 min", "60 min", "1 h 30 min", "3 h 20 min",
    ]  # fmt: skip
    assert shorter("a" * 40).startswith("...") and len(shorter("a" * 40)) == 32
    assert headline(NOW).startswith("search  12 of 100")


def test_a_sparkline_is_of_fixed_width_and_shows_the_last_values() -> None:
    assert sparkline([0.0, 0.5, 1.0], low=0.0, high=1.0, width=5) == "▁▅█  "
    assert sparkline([0.1 * i for i in range(20)], low=0.0, high=1.9, width=4) == "▇███"
    assert sparkline([float("nan"), 2.0, -1.0], low=0.0, high=1.0, width=3) == " █▁"
    assert sparkline([0.7, 0.7], low=0.7, high=0.7, width=2) == "▅▅"
    assert sparkline([], low=0.0, high=0.0, width=3) == "   "
    assert len(BLOCKS) == len(PLAIN) and PLAIN.isascii()


def test_curves_are_on_one_scale_and_forget_who_ended() -> None:
    curves = Curves()
    curves.take([(13, 0, 0.25, 0.0), (14, 0, 0.0, None)])
    curves.take([(13, 0, 0.25, 0.0), (14, 0, 0.25, 1.0)])  # shown again, counted once
    curves.take([(13, 0, 0.5, 1.0), (14, 0, 0.25, 1.0)])
    assert curves.lines(width=3) == {13: "▁█ ", 14: "█  "}
    curves.take([(14, 0, 0.5, 0.5)])
    assert curves.lines(width=3, blocks=PLAIN) == {14: "@_ "}


def test_the_live_board_has_curves_and_the_newest_region() -> None:
    console = Console(file=io.StringIO(), width=120, force_terminal=True, color_system=None)
    view = Terminal(console)
    first = dataclasses.replace(NOW, newest="cell = gru and units in [8, 12]")
    later = dataclasses.replace(
        first, running=(dataclasses.replace(NOW.running[0], fraction=1.0, value=0.9), NOW.running[1])
    )
    view.progress(first)
    view._drawn = 0.0  # as if a quarter of a second had passed
    view.progress(later)
    view.close()
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "▁█" in text, "0.8765, then 0.9"
    assert "rejected last: cell = gru and units in [8, 12]" in text
    console = Console(file=io.StringIO(), width=120)
    console.print(board(NOW))
    assert "rejected last" not in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_board_with_curves_never_wraps() -> None:
    console = Console(file=io.StringIO(), width=50, force_terminal=False)
    curves = Curves()
    curves.take((job.trial, job.fold, job.fraction, job.value) for job in NOW.running)
    console.print(board(dataclasses.replace(NOW, newest="learning_rate in [0.02, 0.1] " * 4), curves.lines()))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert len(lines) == 5 and max(map(len, lines)) <= 50
