"""Counts, gaps and durations in the text of a report add up, and mean the trial that they name."""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections.abc import Iterator

import pytest

from atml.formatting import clock, gap
from atml.metrics import Interval
from atml.report import history, spending
from atml.report.figures import beside
from atml.report.headline import headline
from atml.report.history import successive
from atml.report.material import Material
from atml.report.page import Chart, Text
from atml.report.sections import changes, limits
from atml.report.sizes import sizes
from atml.storage import Store
from atml.training.records import TrialRecord


@pytest.fixture
def material(url: str) -> Iterator[Material]:
    """The made study, and among its trials one of each further way to end."""
    store = Store(url, create=False)
    found = Material(store, "made")
    trials = {t.number: t for t in found.searched}
    cut = [t for t in found.finished if t.state == "pruned" and len(t.steps) > 4][:2]
    collapsed = dataclasses.replace(cut[0], constraints={"constant": 1.0})
    whole = successive(found.finished)[0]
    assert found.best is not None and whole.number != found.best.number
    # An earlier version let a collapsed trial run over every fold.
    late = dataclasses.replace(whole, constraints={"constant": 1.0})
    unlucky = dataclasses.replace(trials[1], steps={}, constraints={"crashed": 1.0}, state="pruned")
    failed = dataclasses.replace(trials[2], state="failed")
    changed = {t.number: t for t in (collapsed, late, unlucky, failed)}
    found.searched = [changed.get(t.number, t) for t in found.searched]
    del found.__dict__["finished"], found.__dict__["leaderboard"]
    found.records = [*found.searched, *(t for t in found.records if t.role != "search")]
    yield found
    store.close()


def numbers(text: str) -> list[int]:
    return [int(n.replace(",", "")) for n in re.findall(r"(?<![\d.])\d[\d,]*(?![\d.]*\d)", text)]


def test_trials_by_how_they_ended_are_all_of_them(material: Material) -> None:
    chart, text = spending.pruning(material)[:2]
    assert isinstance(chart, Chart) and isinstance(text, Text)
    total = len(material.finished)
    assert sum(chart.figure.data[0].y) == total
    said = re.fullmatch(
        r"Of (\d+) trials (\d+) ran over every fold, (\d+) ended in the first, (\d+) in a later one and"
        r" (\d+) cost no training \((.+)\)\.",
        chart.says,
    )
    assert said, chart.says
    first, later, untrained = map(int, said.groups()[2:5])
    assert int(said[1]) == total == int(said[2]) + first + later + untrained
    assert sum(numbers(said[6])) == untrained
    early = re.search(
        r"Of the (\d+) that ended early (\d+) were stopped because others did better", text.text
    )
    rule = re.search(r"(\d+) trials? ended by another rule: (.+)\.$", text.text)
    assert early and rule, text.text
    assert int(early[1]) == first + later == int(early[2]) + int(rule[1])
    assert sum(numbers(rule[2].replace("of 1", ""))) == int(rule[1]) == 2


def test_each_part_counts_the_same_trials_over_every_fold(material: Material) -> None:
    lead = headline(material, datetime.datetime(2026, 1, 1)).lead
    whole = len(history.whole(material.finished))
    assert whole == len(material.ranked)
    assert f"{len(material.finished)} trials came to an end, {whole} of them over every fold" in lead
    assert f"{whole} trials ran over every fold" in sizes(material)[0].says  # type: ignore[union-attr]
    chosen = limits.contents(material)[0].rows[0][1]  # type: ignore[union-attr]
    assert f"the best of {len(material.finished)} trials, {whole} of them" in chosen


def test_a_time_belongs_to_the_trial_that_is_named(material: Material) -> None:
    best = material.best
    top = successive(material.finished)[-1]
    other: TrialRecord = next(t for t in material.ranked if t.number != top.number)
    assert best is not None
    ends = history.busy(material.finished)
    for winner in (other, top):
        chart = history.against_time(material.finished, winner)
        assert chart is not None
        assert (
            f"the winner, trial {winner.number}, was there after {clock(ends[winner.number])}" in chart.says
        )
    assert f"the best value of the search, trial {top.number}" not in chart.says
    chart = history.against_time(material.finished, other)
    assert chart is not None
    assert f"trial {top.number}, was there after {clock(ends[top.number])}" in chart.says


def test_training_time_has_one_source(material: Material) -> None:
    total = clock(sum(phase.training for phase in spending.spent(material)))
    search = clock(spending.spent(material)[0].training)
    chart, grid = spending.phases(material)
    assert f"Training took {total} in all" in chart.says  # type: ignore[union-attr]
    assert sum(numbers(chart.says.split(":")[1])) == 100  # type: ignore[union-attr]
    assert grid.rows[0][-1] == search  # type: ignore[union-attr]
    assert f"{total} of training" in headline(material, datetime.datetime(2026, 1, 1)).lead
    assert f"the {search} of training that the search took" in spending.pruning(material)[1].text  # type: ignore[union-attr]


def test_a_gap_stands_beside_what_it_is_between(material: Material) -> None:
    repeats = dict(limits.contents(material)[0].rows)["repeats"]  # type: ignore[union-attr]
    said = re.search(r"mean of ([\d.]+), where .* have ([\d.]+): ([\d.]+) (less|more), both untuned", repeats)
    assert said, repeats
    apart = gap(float(said[1]), float(said[2]))
    assert (abs(apart), apart > 0) == (float(said[3]), said[4] == "more")
    drawn = sizes(material)[0].says  # type: ignore[union-attr]
    assert f"{said[1]} on average, where these values have {said[2]}" in drawn


def test_parameters_that_differ_or_not_are_all_of_them(material: Material) -> None:
    said = next(b.says for b in changes.contents(material) if "parameters" in getattr(b, "says", ""))  # type: ignore[union-attr]
    found = re.search(r"Of (\d+) parameters (\d+) differ, (\d+) are the same(?:, (\d+) are used by)?", said)
    assert found, said
    assert int(found[1]) == sum(int(n or 0) for n in found.groups()[1:]) == len(material.axes)


@pytest.mark.parametrize(
    ("number", "low", "high", "where"),
    [(0.9854, 0.943, 0.9851, 0), (0.9856, 0.943, 0.9851, 1), (0.9426, 0.9434, 1, 0), (0.9, 0.943, 1, -1)],
)
def test_a_number_is_beside_an_interval_as_both_are_printed(
    number: float, low: float, high: float, where: int
) -> None:
    """No "0.985 lies above 0.943 to 0.985"."""
    assert beside(number, Interval(0.95, low, high)) == where
