"""The part of a report on labels that network and baseline both contradict."""

from __future__ import annotations

from atml.report.label_doubts import label_doubts
from atml.report.page import Grid, Heading, Text
from atml.tasks.task import Task

TASK = Task(name="t", classes=("other", "AF"), positive=1, sampling_rate=50, window=100)
DOUBT = {
    "subject": "S3", "rhythm": "", "label": 0, "called": 1, "windows": 20, "network": 0.95, "baseline": 0.8
}  # fmt: skip


def interval(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.1, "high": value + 0.1}


def test_they_are_listed_with_the_figures_without_them() -> None:
    found = {
        "doubts": [DOUBT],
        "value": 0.95,
        "rates": {"sensitivity": interval(0.7001), "specificity": interval(0.99)},
    }
    figures = {
        "value": 0.9,
        "rates": {"sensitivity": interval(0.7), "specificity": interval(0.8)},
        "label_doubts": found,
    }
    head, grid, text = label_doubts(figures, TASK)
    assert isinstance(head, Heading) and isinstance(grid, Grid) and isinstance(text, Text)
    assert grid.rows == (("S3", "(no name)", "other", "20", "AF", "95%", "80%"),)
    assert "20 windows" in grid.says and "nothing was changed" in grid.says
    assert text.text == (
        "Without these windows the objective is 0.950 and not 0.900, sensitivity 0.700 as before, specificity"
        " 0.990 and not 0.800."
    )
    figures["label_doubts"] = {**found, "value": None, "rates": {}}
    assert len(label_doubts(figures, TASK)) == 2


def test_none_and_not_asked() -> None:
    _, none = label_doubts({"label_doubts": {"doubts": [], "value": None, "rates": {}}}, TASK)
    assert isinstance(none, Text) and none.text.endswith(": none.")
    assert label_doubts({}, TASK) == label_doubts({"label_doubts": None}, TASK) == []
