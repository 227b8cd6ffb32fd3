"""One outlying value does not flatten a chart: it is left off the axis, and the sentence says so."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest

from atml import report
from atml.report.charts import ends
from atml.report.material import Material
from atml.report.page import Chart
from atml.storage import Store
from atml.training.records import TrialRecord

VALUES = ("history-trials", "history-time", "size", "curves-loss", "curves-value", "fitting", "families-size")
"""Charts of values on an axis of their own."""


def astray(record: TrialRecord, far: float) -> TrialRecord:
    """Return a trial with one value, one loss and one fold far from all others."""
    result = record.result
    curves = [[list(point) for point in curve] for curve in result["curves"]]
    curves[0][0][1:] = [-far, far]
    folds = [far, *result["fold_values"][1:]]
    steps = {**record.steps, 3: far}
    changed = {**result, "curves": curves, "fold_values": folds}
    value = record.value if record.role == "finalist" else far
    return dataclasses.replace(record, value=value, steps=steps, result=changed)


@pytest.fixture
def material(url: str) -> Iterator[Material]:
    store = Store(url, create=False)
    found = Material(store, "made")
    best = found.best
    assert best is not None
    last = found.ranked[-1].number, found.repeats(best.number)[0].number
    found.records = [astray(t, -40.0) if t.number in last else t for t in found.records]
    for name in ("searched", "finished", "ranked", "standing", "leaderboard"):
        found.__dict__.pop(name, None)
    yield found
    store.close()


def test_no_chart_is_flattened_by_one_outlier(material: Material) -> None:
    sections = ("search_course", "results", "curves", "fitting", "families")
    charts = {b.name: b for s in sections for b in report.section(s, material).flat if isinstance(b, Chart)}
    for name in VALUES:
        chart = charts[name]
        values = [y for trace in chart.figure.data for y in trace.y if y is not None and abs(y) < 30]
        assert values and any(
            y is not None and abs(y) > 30 for trace in chart.figure.data for y in trace.y
        ), name
        low, high = chart.figure.layout.yaxis.range
        assert np.ptp(np.quantile(values, [0.05, 0.95])) > 0.3 * (high - low), name
        assert "outside the axis" in chart.says, name


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([0.5, 0.6, 0.7], (0.5, 0.7)),
        ([0.5, 0.6, 0.7, 9.0], (0.5, 9.0)),
        ([0.5, 0.6, 0.7, 0.8, 0.9, 1.0], (0.5, 1.0)),
        ([0.5, 0.6, 0.7, 0.7, 0.7, 9.0], (0.5, 0.7)),
        ([*np.linspace(0.5, 0.6, 28), -3.0, -3.1], (0.5, 0.6)),
        ([*np.linspace(0.5, 0.6, 28), -3.0, 4.0], (0.5, 0.6)),
        ([0.5] * 9 + [0.4], (0.4, 0.5)),
        ([float("nan")], (0.0, 1.0)),
    ],
)
def test_an_axis_shows_all_but_a_tenth_that_would_flatten_it(
    values: list[float], shown: tuple[float, float]
) -> None:
    assert ends(values) == pytest.approx(shown)
