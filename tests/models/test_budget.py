"""What a device has room for: limits, and what breaks them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from atml import task_files
from atml.artifacts.backends.onnx import operators
from atml.errors import TaskFileError
from atml.models.budget import Budget, Cost
from atml.searching.samplers.parameters import from_params
from tests.task_files.test_definition import make, objective

COST = Cost(parameters=10, fixed=0, macs=2000, size_bytes=4096, peak_bytes=2048)
ON_BOARD = dataclasses.replace(COST, latency_ms=2.5, flash_bytes=8192, board_ram_bytes=6144)


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


@pytest.mark.parametrize(
    ("limits", "over", "broken"),
    [
        ({"latency_ms": 2.5, "flash_kib": 8, "board_ram_kib": 6}, (0.0, 0.0, 0.0), ""),
        ({"latency_ms": 2.0}, (0.5,), "2.5 ms on the board"),
        ({"flash_kib": 6}, (2.0,), "8 KiB of flash on the board"),
        (
            {"latency_ms": 3.0, "flash_kib": 7.5, "board_ram_kib": 5.5},
            (-0.5, 0.5, 0.5),
            "8 KiB of flash on the board, 6 KiB of RAM on the board",
        ),
    ],
)
def test_what_breaks_the_limits_of_a_board(
    limits: dict[str, float], over: tuple[float, ...], broken: str
) -> None:
    budget = Budget(size_kib=4, board="l432kc", **limits)  # type: ignore[arg-type]
    expected = {"size_kib": 0.0, **dict(zip(limits, over, strict=True))}
    assert budget.excess(ON_BOARD) == pytest.approx(expected)
    assert budget.broken(ON_BOARD) == broken
    # A trial of before the board is not said to keep limits that nobody checked.
    assert budget.excess(COST) == {"size_kib": 0.0}
    assert ON_BOARD.board == (2.5, 8.0) and COST.board is None
    assert budget.describe().endswith("estimated for l432kc")


def test_a_budget_is_that_of_the_study() -> None:
    former = {"max_size_kib": 64.0}
    assert Budget.of_spec(former) == Budget(size_kib=64.0)
    today = {
        **former,
        "board": "f303k8",
        "format": "w8",
        "latency_ms": 3.0,
        "flash_kib": 30.0,
        "board_ram_kib": 9.0,
    }
    found = Budget.of_spec(today)
    assert found == Budget(
        size_kib=64.0, board="f303k8", format="w8", latency_ms=3.0, flash_kib=30.0, board_ram_kib=9.0
    )
    assert found.describe() == (
        "at most 64 KiB as w8, 3 ms a window on the board, 30 KiB of its flash, 9 KiB of its RAM,"
        " estimated for f303k8"
    )


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
