"""Configs that a search space names, tried right after its default."""

from __future__ import annotations

import json
from pathlib import Path

from tests.searching.studies import Run, Space, finished, line, trials

GIVEN = (
    "def suggest(trial)",
    'PORTFOLIO = ({"width": 4, "learning_rate": 0.004}, {**DEFAULT, "width": 12})\n\ndef suggest(trial)',
)


def test_a_portfolio_comes_after_the_default_and_counts_as_trials(
    atml: Run, small: Path, space: Space, tmp_path: Path
) -> None:
    done = atml(*line(small, space(40, *GIVEN), 2, "--learn-regions"))
    assert done.returncode == 0, done.stderr
    assert [t.origin for t in trials(tmp_path) if t.role == "search"] == ["default", "portfolio"]
    # What the first run had no trials left for comes next.
    assert atml(*line(small, space(40, *GIVEN), 5, "--learn-regions")).returncode == 0
    searched = [t for t in trials(tmp_path) if t.role == "search"]
    assert finished(tmp_path) == len(searched) == 5
    assert [t.origin for t in searched] == ["default", "portfolio", "portfolio", "reference", "reference"]
    assert [t.params for t in searched[1:3]] == [
        {"width": 4, "learning_rate": 0.004},
        {"width": 12, "learning_rate": 0.005},
    ]
    # Parameters as a portfolio has them.
    shown = {row["trial"]: row["params"] for row in json.loads(atml("best", "--json").stdout)}
    recorded = {t.number: t.params for t in searched}
    assert shown and shown.items() <= recorded.items()
    atml("report", "s", "--no-figures")
    page = (tmp_path / "reports" / "s" / "index.html").read_text(encoding="utf-8")
    assert "2 named by the search space to be tried first" in page


def test_a_portfolio_that_cannot_be_tried_is_refused_before_anything_is_written(
    atml: Run, small: Path, space: Space, tmp_path: Path
) -> None:
    for portfolio, says in (
        ('({"width": 4},)', "learning_rate"),
        ('({"width": 4}, 7)', "PORTFOLIO has 7; each is a dict of parameters, as DEFAULT is"),
        ("7", "PORTFOLIO is 7"),
        ('({"width": 40, "learning_rate": 0.004},)', "width is 40"),
    ):
        path = space(40, "def suggest(trial)", f"PORTFOLIO = {portfolio}\n\ndef suggest(trial)")
        done = atml(*line(small, path, 2))
        assert done.returncode == 2 and says in done.stderr, done.stderr
        assert done.stderr.count("\n") == 1 and str(path) in done.stderr
    assert not (tmp_path / "studies.db").exists()
