"""Charts that set things side by side."""

from __future__ import annotations

import re

import numpy as np
import pytest

from atml.metrics import Interval
from atml.report import comparisons, matrix, theme
from atml.report.comparisons import Row, Sized


def trial(number: int, kib: float, value: float, judged: float | None = None) -> Sized:
    return Sized(number, kib, value, "cnn", judged)


def test_the_front_is_what_no_smaller_one_beats() -> None:
    found = [trial(0, 10, 0.9), trial(1, 5, 0.8), trial(2, 7, 0.7), trial(3, 5, 0.6), trial(4, 20, 0.9)]
    assert [one.number for one in comparisons.front(found)] == [1, 0]


def test_sizes_show_what_fresh_seeds_made_of_a_trial() -> None:
    figure = comparisons.sizes([trial(0, 10, 0.9, 0.85), trial(1, 5, 0.8)], "value")
    traces = {trace.name: trace for trace in figure.data}
    assert list(traces["the same on fresh seeds"].y) == [0.85]
    assert list(traces["Pareto front"].x) == [5, 10]
    low, high = (10**end for end in figure.layout.xaxis.range)
    assert low < 5 and high > 10 and "10" in figure.layout.xaxis.ticktext


def test_a_matrix_has_counts_and_shares_of_each_row() -> None:
    counts = np.array([[2, 8], [99, 1]])
    svg = matrix.confusions([("out of fold", counts)], ("AF & more", "other"), ("other", "AF & more"))
    texts = re.findall(r">([^<>]+)</text>", svg)
    assert [t for t in texts if t.isdigit()] == ["2", "8", "99", "1"]
    assert texts.count("AF &amp; more") == texts.count("other") == 2, "each names a row and a column"
    assert [t for t in texts if t.endswith("%")] == ["20.0%", "80.0%", "99.0%", "1.0%"]
    colours = re.findall(r'<rect [^>]*fill="(#\w+)"', svg)
    assert colours == [theme.RED, theme.GREEN, theme.GREEN, theme.RED]
    assert "AF &amp; more" in svg and "--paper-width:" in svg
    assert set(re.findall(r"#[0-9a-f]{6}", svg)) <= set(theme.DARK)
    x = {n: float(re.search(rf'x="([\d.]+)"[^>]*>{n}<', svg).group(1)) for n in ("8", "2", "99", "1")}
    assert x["8"] == x["1"] > x["2"] == x["99"]  # called positive stands on the right
    empty = matrix.confusions([("test", np.array([[0, 0], [9, 1]]))], ("AF", "other"), ("other", "AF"))
    assert empty.count(">none<") == 2


def test_rows_of_intervals_of_two_do_not_lie_on_one_another() -> None:
    rows = [Row("out of fold", of, Interval(0.9, 0.8, 0.95)) for of in ("network", "baseline")]
    figure = comparisons.forest({"sensitivity": rows}, {"network": theme.BLUE, "baseline": theme.ORANGE})
    first, second = figure.data
    assert first.y[0] != second.y[0]
    assert first.error_x.array[0] == pytest.approx(0.05) and first.error_x.arrayminus[0] == pytest.approx(0.1)


def test_a_subject_without_a_class_has_no_bar() -> None:
    one = Interval(0.9, 0.8, 0.95)
    figure = comparisons.subjects(["S1", "S2"], {"sensitivity": [one, None], "specificity": [one, one]})
    assert [len(trace.y) for trace in figure.data] == [1, 2]
    assert list(figure.layout.yaxis.categoryarray) == ["S1", "S2"]
