"""`benchmarks/portfolio.py`: what is taken from a table, and what becomes of it in another task's space."""

from __future__ import annotations

import importlib
import json
import math
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import optuna
import pytest

from atml import task_files
from atml.searching.samplers.parameters import within
from tests.tiny import REPO

BENCHMARKS = REPO / "benchmarks"


@pytest.fixture(scope="module")
def portfolio() -> ModuleType:
    """Import the benchmark; it stands in a folder of programs."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        return importlib.import_module("portfolio")
    finally:
        sys.path.remove(str(BENCHMARKS))


def drawn(task: str, number: int, **fixed: Any) -> dict[str, Any]:
    """Draw a config of a task, with some parameters given."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=number))
    study.enqueue_trial(fixed)
    trial = study.ask()
    task_files.find(task).suggest(trial)
    return dict(trial.params)


def table(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write a table as `benchmarks/record.py` does, as far as it is read here."""
    path.write_text("".join(json.dumps(row) + "\n" for row in ({"about": {}}, *rows)))
    return path


def row(number: int, params: dict[str, Any], value: float, **broken: float) -> dict[str, Any]:
    steps = [] if "size" in broken else [[0, value, 1.0, 0.9, 1.0, 0.3]]
    return {"number": number, "params": params, "constraints": broken, "steps": steps, "value": value}


def test_the_best_are_taken_two_of_a_family(portfolio: ModuleType, tmp_path: Path) -> None:
    definition = task_files.find("defib")
    of = {family: {"family": family, "depth": 3, "width": 8} for family in ("cnn", "cnn+gru")}
    rows = [row(n, drawn("defib", n, **of["cnn"]), value) for n, value in enumerate((0.9, 0.8, 0.7))]
    rows += [row(3, drawn("defib", 3, **of["cnn+gru"]), value) for value in (0.95, 0.55)]  # trained twice
    rows.append(row(4, drawn("defib", 4, **of["cnn+gru"]), 0.99, constant=1.0))
    rows.append(row(5, drawn("defib", 5, **of["cnn"]), 0.99, size=2.0))
    kept = portfolio.read(table(tmp_path / "table.jsonl", rows))
    assert sorted(kept) == [0, 1, 2, 3, 4]
    assert kept[3].value == pytest.approx(0.75)
    assert math.isnan(kept[4].value)
    chosen = portfolio.choose([kept], definition, 4)
    assert [one.number for one in chosen] == [0, 1, 3]
    weighed = {name: definition.default[name] for name in portfolio.OF_THE_TASK}
    assert [one.params for one in chosen] == [{**rows[n]["params"], **weighed} for n in (0, 1, 3)]


def test_another_task_weighs_its_classes_itself(portfolio: ModuleType) -> None:
    afib, defib = task_files.find("afib"), task_files.find("defib")
    assert defib.portfolio
    for params in defib.portfolio:
        made = portfolio.translated({**params, "positive_weight": 1.7, "width": 1000}, afib)
        within(afib.suggest, made)  # every value lies in its range
        assert made["positive_weight"] == afib.default["positive_weight"]
        assert made["class_weights"] == afib.default["class_weights"]
        assert made["family"] == params["family"]
        assert made.get("width", 16) == 16


def test_two_tables_are_compared_by_number(
    portfolio: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    of = {"family": "cnn", "depth": 3, "width": 8}
    params = [drawn("defib", number, **of) for number in range(4)]
    own = table(tmp_path / "own.jsonl", [row(n, p, n / 10) for n, p in enumerate(params)])
    other = table(tmp_path / "other.jsonl", [row(n, p, 1 - n / 10) for n, p in enumerate(params[:3])])
    monkeypatch.setattr(
        sys, "argv", f"portfolio.py --task defib --table {own} --count 2 --against {other}".split()
    )
    portfolio.main()
    said = capsys.readouterr().out
    assert "3 configs in both tables: rank correlation -1.00" in said
    assert "number 2: 0.8000 in the other table, above 0% of its draws" in said
    assert "# number 3, 0.3000 there" in said
