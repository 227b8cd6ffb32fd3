"""A search for a board: what its trials take there is known before they are trained, and is kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import atml
from atml.device import measurements
from atml.device.measurements import Measurement
from atml.errors import InputError, StudyError
from atml.library.board_estimate import of_export, of_trial, on_board
from atml.models.budget import Budget, Cost
from atml.report.contest_places import contest_places
from atml.report.page import Grid, Heading
from atml.report.study_contents import StudyContents
from atml.scoring.rules import iccad2022
from atml.searching import study_spec
from atml.searching.plan import Plan, prepare
from atml.searching.progress import View
from atml.searching.search_options import Options
from atml.searching.trials import Trials
from atml.searching.workers.jobs import TrialJob
from tests import untrained

BOARD_KEYS = ("board", "format", "latency_ms", "flash_kib", "board_ram_kib", "measured")


@pytest.fixture(autouse=True)
def _measurements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was measured on boards before is none of these tests' business."""
    monkeypatch.setenv("ATML_CONFIG", str(tmp_path / "config"))


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Plan]:
    """A study of the task "iccad" for its contest's total, on noise."""
    plan = untrained.plan(tmp_path, "iccad", board="l432kc", objective="official")
    yield plan
    plan.store.close()


def again(made: Plan, **options: Any) -> Plan:
    """Go on with a study."""
    return prepare(
        Options(task="iccad", study="s", storage=f"sqlite:///{made.store.name}", **options), lambda line: None
    )


def first(plan: Plan) -> tuple[TrialJob | None, Any]:
    """Begin the first trial; return its job, None for one that is not trained, and its record."""
    options = Options(task="iccad", trials=2)
    job = Trials(plan, plan.store.study("s"), View(), options, 1, None).next()
    assert job is None or isinstance(job, TrialJob)
    return job, plan.store.trials("s")[0]


def test_a_trial_is_estimated_before_it_is_trained(made: Plan) -> None:
    job, record = first(made)
    assert job is not None and record.cost is not None and record.cost.board is not None
    ms, kib = record.cost.board
    # What its decisions are judged with is what the study keeps of it.
    assert job.board == record.cost.board and 0.3 < ms < 6 and 3 < kib < 12
    # A window of 1,250 samples alone takes 5,000 bytes.
    assert record.cost.macs <= 20_000 and 5_000 < (record.cost.board_ram_bytes or 0) < 12_000
    found = untrained.measured(made, 0.5, 0).predictions
    assert found is not None
    value = made.definition.value(atml.Predictions(found.logits, found.y, found.subject, board=job.board))
    assert value > 130 and value == pytest.approx(
        sum(iccad2022.points(1.0, ms, kib).values()), abs=100 * 0.05
    )


@pytest.mark.parametrize(
    ("limit", "most"), [("latency_ms", 0.01), ("flash_kib", 1.0), ("board_ram_kib", 2.0)]
)
def test_what_takes_more_than_a_limit_is_not_trained(made: Plan, limit: str, most: float) -> None:
    plan = again(made, accept_changes=True, **{limit: most})
    job, record = first(plan)
    assert job is None and record.state == "pruned" and not record.steps
    assert record.constraints[limit] > 0 and record.constraints["macs"] <= 0
    plan.store.close()


def test_a_study_goes_on_for_its_board(made: Plan) -> None:
    # By what was measured as it began: figures of its trials are compared.
    one = Measurement("l432kc", 9.9, 10_000, "mine", "f32", "zig")
    measurements.add(one)
    plan = again(made, board="L432KC")
    assert (plan.budget.board, plan.definition.objective_name) == ("l432kc", "official")
    assert plan.budget.measured == ()
    before = plan.store.spec("s")
    for options, says in (
        ({"board": "f303k8"}, r"another board \(l432kc before, f303k8 now\)"),
        ({"latency_ms": 2.0}, r"another latency budget \(None before, 2.0 now\)"),
        ({"flash_kib": 9.0, "board_ram_kib": 9.0}, r"another flash budget \(None before, 9.0 now\), .*RAM"),
        ({"format": "w8"}, r"another format \(None before, w8 now\)"),
    ):
        with pytest.raises(StudyError, match=says):
            again(made, **options)
    assert plan.store.spec("s") == before
    plan.store.close()
    plan = again(made, board="f303k8", latency_ms=2.0, accept_changes=True)
    assert (plan.budget.board, plan.budget.latency_ms) == ("f303k8", 2.0)
    with pytest.raises(StudyError, match="another board, another latency budget, by --accept-changes"):
        study_spec.check_rules("s", plan.store.spec("s") or {}, made.rules)
    plan.store.close()


def test_card_and_report_have_the_total_beside_the_leaderboard(made: Plan) -> None:
    record = untrained.add(made, 0.9)
    # Before there is an export, the total is that of the trial's own predictions.
    alone = of_trial(f"sqlite:///{made.store.name}", "s", record.number)
    before = on_board(alone, "l432kc").official
    assert before is not None and before.total is not None
    assert (
        before.total.value == pytest.approx(record.value)
        and alone.data == "data set data, which helped to pick it"
    )
    finals = untrained.finals(made)
    untrained.repeat(finals, {record.number: 0.9})
    untrained.export(finals)
    ((_, folder),) = made.store.exports("s")
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    total, cost = metrics["official"]["total"], made.store.trials("s")[record.number].cost
    assert cost is not None and cost.board is not None
    assert metrics["board"]["ms"]["likely"] == cost.latency_ms
    # The objective's value is the total of each repeat, and their mean is the middle.
    assert total["value"] == pytest.approx(metrics["value"])
    assert total["low"] < total["value"] < total["high"]
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "## On the board: STM32L432KC" in card and "| this model " in card and "| ICCAD 2022 #5 " in card
    assert f"{total['value']:.1f} ({total['low']:.1f} to {total['high']:.1f}) of 140 points" in card
    assert "The leaderboard is of hidden people" in card and "no place is won by it." in card
    # `atml device estimate` says the same of the export.
    found = on_board(of_export(folder), "l432kc").official
    assert found is not None and found.total is not None
    assert vars(found.total) == pytest.approx(total)
    # What a report makes of the study's predictions is worth what it was in the search.
    contents = StudyContents(made.store, "s")
    found_again = contents.predictions(record.number)
    assert found_again is not None and found_again[1].board == cost.board
    assert made.definition.value(found_again[1]) == pytest.approx(record.value)
    # Its final training is right everywhere (see `untrained.export`), and gets what its board allows.
    best = sum(iccad2022.points(1.0, *cost.board).values())
    assert metrics["final"]["train_value"] == pytest.approx(best, abs=1e-9) and best != 140
    heading, grid = contest_places(metrics)
    assert isinstance(heading, Heading) and isinstance(grid, Grid)
    assert [row[0] for row in grid.rows].count("this model") == 1 and len(grid.rows) == 6
    assert f"{total['value']:.1f} ({total['low']:.1f} to {total['high']:.1f})" in {
        row[1] for row in grid.rows
    }
    assert "hidden people" in grid.says and contest_places({**metrics, "official": None}) == []


def test_a_study_of_an_earlier_version_has_no_board(tmp_path: Path) -> None:
    made = untrained.plan(tmp_path, "afib")
    spec = made.store.spec("s")
    assert spec is not None and [spec[key] for key in BOARD_KEYS] == [None, None, None, None, None, []]
    # An earlier version wrote none of these.
    former = {key: value for key, value in spec.items() if key not in BOARD_KEYS}
    made.store.study("s", former)
    assert Budget.of_spec(former) == Budget.of_spec(spec)
    assert study_spec.rules_of(former) == study_spec.rules_of(spec)
    options = {"task": "afib", "study": "s", "storage": f"sqlite:///{made.store.name}"}
    with pytest.raises(StudyError, match=r"made with another board \(None before, f303k8 now\)"):
        prepare(Options(**options, board="f303k8"), lambda line: None)
    assert made.store.spec("s") == former
    plan = prepare(Options(**options), lambda line: None)
    assert plan.budget.board == "" and plan.budget.excess(
        Cost(parameters=1, fixed=0, macs=1, size_bytes=1024, peak_bytes=1)
    ) == {"size_kib": -255.0}
    plan.store.close()
    made.store.close()


def test_the_library_takes_what_the_command_line_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for options, says in (
        ({"board": "uno"}, "no such board: 'uno'; boards: l432kc"),
        ({"objective": "official"}, "counts what latency and size earn: name the board, as --board 2k0500"),
        ({"latency_ms": 2.0}, "--latency-ms 2 is of a board"),
        ({"format": "w4"}, "--format 'w4' is unknown"),
    ):
        with pytest.raises(InputError, match=says):
            atml.search("iccad", progress=False, **options)
    assert not list(tmp_path.glob("*.db"))
