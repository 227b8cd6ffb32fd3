"""The gate of an objective: it does not move with the data, and a study keeps the one that it began with."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atml import task_files
from atml.artifacts.model import load
from atml.data.dataset import Fold
from atml.errors import TaskFileError
from atml.evaluation import gate
from atml.evaluation.cross_validation_result import cross_validation_result
from atml.evaluation.gate import Gate
from atml.metrics.predictions import Predictions
from atml.searching.plan import Plan, prepare, reopen
from atml.searching.search_options import Options
from atml.searching.summary import summarise
from tests import untrained

DEFIB = task_files.find("defib")
RHYTHM = task_files.find("rhythm")


def shocks(others: int, seed: int = 0) -> Predictions:
    """Ten subjects with 40 shockable windows each, and ``others`` windows without; the model is the same."""
    random = np.random.default_rng(seed)
    y = np.repeat([1, 0], [400, others])
    right = np.where(y == 1, random.random(len(y)) < 0.95, random.random(len(y)) < 0.955)
    logits = np.eye(2, dtype=np.float32)[np.where(right, y, 1 - y)]
    subject = np.array([f"S{i % 10}" for i in range(len(y))])
    return DEFIB.target.predictions(logits, y, subject)


def test_more_windows_without_a_shock_do_not_change_what_qualifies() -> None:
    few, many = (gate.figures(DEFIB.target, shocks(others)) for others in (1000, 9000))
    assert few["precision"] > 0.85 and many["precision"] < 0.6, "at the same errors"
    assert abs(few["specificity"] - many["specificity"]) < 0.02
    assert Gate.of_four(0.8).reached(few) and not Gate.of_four(0.8).reached(many)
    assert DEFIB.gate.reached(few) and DEFIB.gate.reached(many)


def test_every_objective_of_defib_names_the_same_gate() -> None:
    for name in DEFIB.objectives:
        found = task_files.find("defib", objective=name)
        assert set(found.gate.least) == {"sensitivity", "specificity"}
    assert task_files.find("afib").gate == Gate.of_four(0.8) == Gate.of_spec({"qualifies": 0.8})
    assert Gate.of_spec({"qualifies": 0.8, "gate": DEFIB.gate.to_spec()}) == DEFIB.gate


@pytest.mark.parametrize("definition", [DEFIB, RHYTHM])
def test_rates_are_those_of_the_card(definition: Any) -> None:
    random, classes = np.random.default_rng(1), len(definition.task.classes)
    y = random.integers(0, classes, 300)
    logits = (2 * np.eye(classes)[y] + random.normal(size=(300, classes))).astype(np.float32)
    p = definition.target.predictions(logits, y, np.array([f"S{i % 6}" for i in range(300)]))
    card = {name: rate.value for name, rate in definition.target.rates(definition.target.table(p)).items()}
    assert gate.rates(definition.task, p) == pytest.approx(card)
    assert set(gate.figures(definition.target, p)) == set(gate.names(definition.task))


def test_what_is_missing_is_said() -> None:
    asked = Gate({"sensitivity": 0.8, "specificity": 0.9})
    assert asked.missing({"sensitivity": 0.9, "specificity": 0.95}) == ()
    assert asked.missing({"sensitivity": 0.5, "specificity": float("nan")}) == (
        "sensitivity is 0.500, 0.80 qualifies",
        "specificity is nan, 0.90 qualifies",
    )
    assert asked.nearest({"sensitivity": 0.85, "specificity": 0.91}) == "specificity"
    four = dict.fromkeys(("F1", "accuracy", "precision", "recall"), 0.9)
    assert Gate.of_four(0.8).missing({**four, "precision": 0.784}) == (
        "its lowest metric is 0.784, 0.8 qualifies",
    )


def test_a_threshold_is_chosen_within_the_gate() -> None:
    random = np.random.default_rng(0)
    y = np.arange(400) % 2
    margin = 1.5 * (2 * y - 1) + random.normal(size=400) * 1.5
    logits = np.stack([-margin / 2, margin / 2], axis=1).astype(np.float32)
    p = DEFIB.target.predictions(logits, y, np.array([f"S{i % 8}" for i in range(400)]))

    def recall(q: Predictions) -> float:
        return DEFIB.target.four(q)["recall"]

    found = {}
    for asked in (None, Gate({"specificity": 0.9})):
        offsets = gate.choose(DEFIB.target, p, recall, asked, count=100)
        moved = dataclasses.replace(p, logits=p.logits - np.array(offsets, np.float32))
        found[asked is None] = gate.rates(DEFIB.task, moved)
    assert found[True]["specificity"] < 0.5, "the objective alone wants alarms"
    assert 0.9 <= found[False]["specificity"] < 0.95 and found[False]["sensitivity"] > 0.6
    # One that nothing reaches changes nothing.
    out_of_reach = Gate({"specificity": 1.0, "sensitivity": 1.0})
    greedy = gate.choose(DEFIB.target, p, recall, None, count=100)
    assert gate.choose(DEFIB.target, p, recall, out_of_reach, count=100) == greedy


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (
            'GATE = {"sensitvity": 0.8}',
            "GATE has 'sensitvity'; a gate is of F1, accuracy, precision, recall, sens",
        ),
        ('GATE = {"sensitivity": 80}', "GATE has 'sensitivity': 80; give a number from 0 to 1"),
        ('GATE = {"aid": {"sensitivity": 0.8}}', "GATE has 'aid', which is not one of OBJECTIVES"),
        ("GATE = 0.8", "GATE is 0.8, not a mapping"),
    ],
)
def test_a_gate_that_is_mistyped_is_quoted(tmp_path: Path, lines: str, says: str) -> None:
    path = tmp_path / "defib.py"
    path.write_text(f"{DEFIB.objective_path.read_text(encoding='utf-8')}\n{lines}\n", encoding="utf-8")
    with pytest.raises(TaskFileError, match=says):
        task_files.find("defib", objective=path)


def test_a_gate_may_be_that_of_one_objective(tmp_path: Path) -> None:
    path = tmp_path / "defib.py"
    text = DEFIB.objective_path.read_text(encoding="utf-8")
    path.write_text(f'{text}\nGATE = {{"balanced": {{"balanced accuracy": 0.85}}}}\n', encoding="utf-8")
    assert task_files.find("defib", objective=f"{path}:balanced").gate == Gate({"balanced accuracy": 0.85})
    assert task_files.find("defib", objective=path).gate == Gate.of_four(0.8)


@pytest.fixture
def plan(tmp_path: Path) -> Iterator[Plan]:
    made = untrained.plan(tmp_path, "defib")
    yield made
    made.store.close()


def test_a_study_keeps_the_gate_that_it_began_with(plan: Plan, tmp_path: Path) -> None:
    spec = plan.store.spec("s")
    assert spec is not None and spec["gate"] == DEFIB.gate.to_spec()
    assert reopen(plan.store, "s").definition.gate == DEFIB.gate
    # As version 0.1 wrote it: the lowest of the four metrics.
    del spec["gate"]
    plan.store.study("s", spec)
    assert reopen(plan.store, "s").definition.gate == Gate.of_four(0.8)
    options = Options(task="defib", data=(tmp_path / "data.npz",), study="s", folds=untrained.FOLDS)
    options = dataclasses.replace(options, storage=f"sqlite:///{plan.store.name}")
    for accept, kept in ((False, Gate.of_four(0.8)), (True, DEFIB.gate)):
        again = prepare(dataclasses.replace(options, accept_changes=accept), lambda line: None)
        assert again.definition.gate == kept and Gate.of_spec(again.store.spec("s") or {}) == kept
        again.store.close()


def test_a_search_without_a_qualified_model_says_what_is_missing_and_leaves_one_when_asked(
    plan: Plan,
) -> None:
    default, best = untrained.add(plan, 4.0, (8,), origin="default"), untrained.add(plan, 2.8)
    noise = {default.number: 4.0, best.number: 2.8}
    found = untrained.finals(plan)
    untrained.repeat(found, noise)
    untrained.export(found)
    summary = summarise(found, 1.0)
    first = summary["finalists"][0]
    assert not first["qualifies"] and first["folder"] is None
    specificity = first["rates"]["specificity"]
    lack = f"specificity is {specificity:.3f}, 0.90 qualifies"
    assert lack in first["missing"]
    assert any(line.startswith("   not exported: ") and lack in line for line in summary["lines"])
    assert (
        "nothing qualifies (sensitivity at least 0.80 and specificity at least 0.90): run the same command"
        " with --unqualified to export the best model anyway, marked so"
    ) in summary["lines"]
    found = untrained.finals(plan, unqualified=True)
    untrained.export(found)
    summary = summarise(found, 1.0)
    first, *others = summary["finalists"]
    assert first["folder"] and not any(row["folder"] for row in others), "the best one alone"
    line = next(line for line in summary["lines"] if line.startswith(f"   {first['folder']}"))
    assert line.endswith(f"(unqualified: {'; '.join(first['missing'])})")
    exported = load(Path(first["folder"]))
    assert exported.unqualified == tuple(first["missing"])
    assert load(Path(first["folder"]) / "model.onnx").unqualified == exported.unqualified
    card = (Path(first["folder"]) / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "> **UNQUALIFIED.** This model does not reach the gate of its objective: " in card and lack in card
    config = json.loads((Path(first["folder"]) / "config.json").read_text(encoding="utf-8"))
    assert config["unqualified"] == first["missing"]
    # The name of the folder has the four metrics, as ever.
    four = first["metrics"].values()
    assert Path(first["folder"]).name.startswith(f"{int(100 * max(four))}-{int(100 * min(four))}-t")


def test_where_one_qualifies_no_other_is_exported(plan: Plan) -> None:
    default, best = untrained.add(plan, 4.0, origin="default"), untrained.add(plan, 0.9)
    found = untrained.finals(plan, unqualified=True)
    untrained.repeat(found, {default.number: 4.0, best.number: 0.9})
    untrained.export(found)
    rows = summarise(found, 1.0)["finalists"]
    assert [bool(row["folder"]) for row in rows] == [row["qualifies"] for row in rows] == [True, False]
    assert load(Path(rows[0]["folder"])).unqualified == ()


def test_four_metrics_judge_as_before() -> None:
    """The gate of the four is what `qualifies` was: the same offsets, bit for bit."""
    random = np.random.default_rng(3)
    y = np.arange(300) % 2
    margin = 2 * (2 * y - 1) + random.normal(size=300) * 2
    logits = np.stack([-margin / 2, margin / 2], axis=1).astype(np.float32)
    p = DEFIB.target.predictions(logits, y, np.array([f"S{i % 6}" for i in range(300)]))
    each = np.arange(300) % 6 // 2
    folds = [Fold(np.flatnonzero(each != k), np.flatnonzero(each == k)) for k in range(3)]

    def recall(q: Predictions) -> float:
        return DEFIB.target.four(q)["recall"]

    result = cross_validation_result(
        DEFIB.target, [p], [np.arange(300)], folds, recall, gate=Gate.of_four(0.7)
    )
    assert result.offsets == DEFIB.target.choose(p, recall, floor=0.72, count=200)


def test_what_comes_next_without_a_rule_is_a_score_all_the_same(plan: Plan) -> None:
    plan = dataclasses.replace(plan, definition=dataclasses.replace(plan.definition, rule=""))
    default = untrained.add(plan, 1.0, (8,), origin="default")
    found = untrained.finals(plan)
    untrained.repeat(found, {default.number: 1.0})
    untrained.export(found)
    (line,) = [line for line in summarise(found, 1.0)["lines"] if line.startswith("next: ")]
    assert line.startswith("next: atml score ") and "--rule" not in line
