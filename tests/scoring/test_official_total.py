"""A contest's total as an interval, beside its leaderboard: from out-of-fold decisions and an estimate."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from atml import cli, task_files
from atml.errors import InputError
from atml.library.board_estimate import of_export, on_board
from atml.metrics import Counts, Interval, bootstrap, counts
from atml.metrics.predictions import Predictions
from atml.scoring.official_total import official_total, tables_of
from atml.scoring.rules import RULES
from atml.scoring.rules.awarded import CONTESTS, accuracy, contest_points
from atml.scoring.rules.base import Judged
from atml.tasks.task import Task

EXPORTS = Path(__file__).parents[1] / "fixtures" / "v0.1" / "exports"
SHOCK = EXPORTS / "shock" / "100-87-t0000"
TASK = Task(name="two", classes=("no", "yes"), positive=1, sampling_rate=250, window=1250)
ESTIMATE = Interval(2.0, 1.5, 3.0)


def decisions(seed: int = 0, right: float = 0.95, subjects: int = 20) -> Predictions:
    """Out-of-fold predictions of 40 windows a subject; the first has no positive one, all differ."""
    random = np.random.default_rng(seed)
    y = random.integers(0, 2, (subjects, 40))
    y[0] = 0
    share = np.linspace(right - 0.04, min(1.0, right + 0.04), subjects)[:, None]
    called = np.where(random.random(y.shape) < share, y, 1 - y).ravel()
    logits = np.stack([1 - called, called], axis=1).astype(np.float32)
    names = np.repeat([f"S{i:02d}" for i in range(subjects)], 40)
    return Predictions(logits, y.ravel(), names, board=(ESTIMATE.value, 8.0))


def table(predictions: Predictions) -> Counts:
    return counts(predictions.truth(), predictions.decided(), predictions.subject)


@pytest.mark.parametrize("name", CONTESTS)
def test_f_and_g_are_those_that_the_rule_scores(name: str) -> None:
    found = decisions()
    labels = found.labels()
    judged = Judged(
        task=TASK, y_true=found.y, y_pred=labels, subject=found.subject, rhythm=found.subject,
        x=np.zeros((len(labels), 1, 1250), np.float32), latency_ms=2.0, size_kib=8.0,
    )  # fmt: skip
    score = RULES[name].score(judged, {})
    assert score.total is not None and score.total.value is not None
    for key, value in accuracy(name, table(found)).items():
        assert value.tolist() == [pytest.approx(score[key], abs=1e-12)]
    assert contest_points(found, name) == pytest.approx(score.total.value)
    total = official_total(name, [table(found)], ESTIMATE, 8.0)
    assert total.total is not None
    assert total.total.value == pytest.approx(score.total.value)
    # Their intervals are the rule's own.
    shown = {figure.key: figure.interval for figure in score.figures}
    for key, interval in total.figures.items():
        assert vars(interval) == pytest.approx(vars(shown[key]))


def test_g_of_2023_is_above_another_bar_than_that_of_an_export() -> None:
    found = table(decisions())
    export = bootstrap(found)["G"].value
    assert accuracy("iccad2023", found)["G"][0] < export == accuracy("iesd2024", found)["G"][0]


@pytest.mark.parametrize("name", CONTESTS)
def test_both_intervals_are_in_a_total(name: str) -> None:
    tables = [table(decisions(seed)) for seed in range(2)]
    both = official_total(name, tables, ESTIMATE, 8.0).total
    exact = Interval(2.0, 2.0, 2.0)
    people = official_total(name, tables, exact, 8.0).total
    contest = CONTESTS[name]
    known = [0.9] * (len(contest.WEIGHTS) - 2)
    slow, middle, fast = (contest.points(*known, ms, 8.0)["latency"] for ms in (3.0, 2.0, 1.5))
    assert both is not None and people is not None
    assert people.low < people.value < people.high
    assert both.value == people.value
    assert both.low == pytest.approx(people.low + slow - middle)
    assert both.high == pytest.approx(people.high + fast - middle)
    # F and G are drawn together: not both are at their lowest in one draw.
    total = official_total(name, tables, exact, 8.0)
    apart = sum(total.points[key].low for key in total.points)
    assert apart <= people.low + 1e-9


def test_repeats_count_alike() -> None:
    one, other = table(decisions(0)), table(decisions(1, right=0.8))
    values = [
        official_total("iesd2024", some, ESTIMATE, 60.0).figures for some in ([one], [other], [one, other])
    ]
    for key in ("F", "G"):
        assert values[2][key].value == pytest.approx((values[0][key].value + values[1][key].value) / 2)


def test_a_model_stands_among_the_places_by_its_middle() -> None:
    found = official_total("iccad2022", [table(decisions(right=0.96))], ESTIMATE, 8.0)
    assert found.total is not None
    places = found.places("mine")
    assert len(places) == 6 and [place.ours for place in places].count(True) == 1
    values = [place.total.value for place in places]
    assert values == sorted(values, reverse=True)
    first = next(place for place in places if place.name == "ICCAD 2022 #1")
    assert first.total.value == 135.432 and first.figures["F"].value == 0.972 and first.size_kib == 26.39
    said = " ".join(found.notes())
    assert "hidden people" in said and "out of fold, of 20 subjects" in said and "slowest latency" in said
    kept = json.loads(json.dumps(found.to_dict()))
    assert [row["name"] for row in kept["leaderboard"] if row["ours"]] == ["this model"]


def test_without_predictions_there_are_points_for_speed_and_size_alone() -> None:
    found = official_total("iesd2024", [], ESTIMATE, 60.0)
    assert found.total is None and found.figures == {} and set(found.points) == {"latency", "size"}
    assert not any(place.ours for place in found.places()) and found.notes() == ()
    with pytest.raises(InputError, match=r"rule 'aha-aed' awards nothing .* iccad2022, iccad2023, iesd2024"):
        official_total("aha-aed", [], ESTIMATE, 60.0)


@pytest.mark.parametrize(
    ("task", "objective", "rule"),
    [
        ("afib", "official", "iesd2024"),
        ("defib", "official", "iccad2022"),
        ("defib", "official_2023", "iccad2023"),
        ("iccad", "official", "iccad2022"),
        ("iccad", "official_2023", "iccad2023"),
    ],
)
def test_speed_is_worth_nothing_below_the_gate(task: str, objective: str, rule: str) -> None:
    definition = task_files.find(task, objective=objective)
    assert definition.awarded

    def value(predictions: Predictions, board: tuple[float, float]) -> float:
        return definition.value(
            Predictions(predictions.logits, predictions.y, predictions.subject, board=board)
        )

    good, bad = decisions(right=0.95), decisions(right=0.7)
    boards = ((0.1, 3.0), (3.0, 20.0), (45.0, 200.0))
    fast, middle, slow = (value(good, board) for board in boards)
    assert fast > middle > slow
    assert fast == pytest.approx(
        sum(
            official_total(rule, [table(good)], Interval(0.1, 0.1, 0.1), 3.0).points[key].value
            for key in CONTESTS[rule].WEIGHTS
        )
    )
    # However fast: all the same, and less than the accurate one has on the slowest board.
    below = {value(bad, board) for board in boards}
    assert len(below) == 1 and below.pop() < slow
    assert not task_files.find(task).awarded


def test_whether_all_subjects_reach_the_gate_counts_for_some_of_them() -> None:
    definition = task_files.find("iccad", objective="official")
    few = decisions(right=0.7)  # as a draw of subjects may be
    shut, open_ = (definition.value(dataclasses.replace(few, qualified=said)) for said in (False, True))
    assert definition.value(few) == shut < open_
    earned = CONTESTS["iccad2022"].points(0.0, ESTIMATE.value, 8.0)
    assert open_ - shut == pytest.approx(earned["latency"] + earned["size"])


def test_an_export_beside_the_leaderboard(capsys: pytest.CaptureFixture[str]) -> None:
    line = ["device", "estimate", str(SHOCK), "--board", "l432kc", "--rule", "iccad2022"]
    assert cli.run([*line, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    kept = json.loads((SHOCK / "metrics.json").read_text(encoding="utf-8"))
    assert found["figures"]["F"]["value"] == pytest.approx(kept["intervals"]["pooled F"]["value"], abs=0.005)
    assert found["total"]["low"] < found["total"]["value"] < found["total"]["high"] < 141
    assert cli.run(line) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "this model" in said and "ICCAD 2022 #5" in said
    assert "out of fold, of 8 subjects of data set defib: no place is won by it" in said
    assert cli.run([*line[:-1], "cinc2017"]) == 2
    assert "rule 'cinc2017' awards nothing" in capsys.readouterr().err


def test_quantised_figures_are_taken_for_quantised_weights() -> None:
    found = of_export(SHOCK)
    assert list(found.tables) == ["f32"]  # written before there were formats
    worse = (table(decisions(right=0.8, subjects=8)),)
    both = type(found)(found.name, found.program, found.task, {**found.tables, "w8": worse})
    f32, w8 = (on_board(both, "l432kc", format=name, rule="iccad2022").official for name in ("f32", "w8"))
    assert f32 is not None and w8 is not None
    assert w8.figures["F"].value == pytest.approx(accuracy("iccad2022", worse[0])["F"][0])
    assert f32.figures["F"].value > w8.figures["F"].value


def test_counts_of_an_export_are_read_by_repeat() -> None:
    rows = [{"subject": name, "tp": 4, "fp": 1, "fn": 0, "tn": 5} for name in ("b", "a")]
    runs = [{"seed": 1, "counts": {"a": [2, 0, 0, 3], "b": [1, 1, 0, 2]}}, {"seed": 2, "counts": {}}]
    earlier = tables_of({"subjects": rows, "runs": [{"seed": 1}]})
    assert [one.names.tolist() for one in earlier["f32"]] == [["a", "b"]]
    (one, _) = tables_of({"subjects": rows, "runs": runs, "formats": {"w8": {"subjects": rows}}})["f32"]
    assert (one.names.tolist(), one.tp.tolist(), one.tn.tolist()) == (["a", "b"], [2, 1], [3, 2])
    assert tables_of({"subjects": [{"subject": "a", "right": 3, "n": 4}], "runs": []}) == {}
