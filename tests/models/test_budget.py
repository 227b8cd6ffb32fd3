"""What a device has room for: limits, and what breaks them."""

from __future__ import annotations

from pathlib import Path

import pytest

from atml import task_files
from atml.artifacts.backends.onnx import operators
from atml.errors import TaskFileError
from atml.models.budget import Budget, Cost
from atml.searching.samplers.parameters import from_params
from tests.task_files.test_definition import make, objective

COST = Cost(parameters=10, fixed=0, macs=2000, size_bytes=4096, peak_bytes=2048)


@pytest.mark.parametrize(
    ("budget", "over", "broken"),
    [
        (Budget(size_kib=4), {"size_kib": 0.0}, ""),
        (Budget(size_kib=3.5), {"size_kib": 0.5}, "4.0 KiB"),
        (Budget(size_kib=5, macs=2000, ram_kib=2), {"size_kib": -1.0, "macs": 0.0, "ram_kib": 0.0}, ""),
        (Budget(size_kib=5, macs=1999), {"size_kib": -1.0, "macs": 1.0}, "2,000 MACs"),
        (
            Budget(size_kib=3, ram_kib=1.5),
            {"size_kib": 1.0, "ram_kib": 0.5},
            "4.0 KiB, 2.0 KiB of RAM",
        ),
        (
            Budget(size_kib=5, operators=frozenset({"Conv", "Relu"})),
            {"size_kib": -1.0, "operators": 2.0},
            "needs GRU, Sqrt",
        ),
        (
            Budget(size_kib=5, operators=frozenset({"Conv", "GRU", "Sqrt", "Add"})),
            {"size_kib": -1.0, "operators": 0.0},
            "",
        ),
    ],
)
def test_what_breaks_a_budget(budget: Budget, over: dict[str, float], broken: str) -> None:
    used = frozenset({"Conv", "GRU", "Sqrt"})
    assert budget.excess(COST, used) == pytest.approx(over)
    assert budget.broken(COST, used) == broken


def test_an_objective_sets_limits_of_its_own(tmp_path: Path) -> None:
    limits = 'MAX_MACS = 5000\nMAX_RAM_KIB = 8\nOPERATORS = {"Conv", "Gemm"}\n'
    make(tmp_path, judge=objective() + limits)
    found = task_files.find("mine", cwd=tmp_path).budget
    assert found == Budget(size_kib=256, macs=5000, ram_kib=8, operators=frozenset({"Conv", "Gemm"}))
    assert found.describe() == "at most 256 KiB, 5,000 MACs a window, 8 KiB of RAM, 2 operators"
    make(tmp_path, judge=objective() + "MAX_MACS = 'few'\n")
    with pytest.raises(TaskFileError, match="MAX_MACS is 'few'"):
        task_files.find("mine", cwd=tmp_path)


def test_operators_are_those_of_the_file() -> None:
    definition = task_files.find("defib")
    recurrent = operators(
        from_params(definition.suggest, {**definition.default, "family": "cnn+gru"}), definition.task
    )
    plain = operators(
        from_params(definition.suggest, {**definition.default, "family": "cnn"}), definition.task
    )
    assert "GRU" in recurrent and "GRU" not in plain
    assert {"Conv", "Gemm"} <= plain
