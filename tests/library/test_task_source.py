from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import atml
from atml import ModelConfig, Predictions, Task, TaskFileError, TaskSource, four_metrics, task_files
from tests.library.conftest import Python

TASK = Task(name="mine", classes=("other", "AF"), positive=1, sampling_rate=250, window=1250)
NAMES = frozenset({"AFIB", "AF", "AFL"})
DEFAULT = {"width": 4}
QUALIFIES = np.float64(0.01)
MAX_SIZE_KIB = 64
RULE = "iesd2024"


class Width:
    """Half of what it says."""

    def __init__(self, value: int) -> None:
        self.value = value // HALF


HALF = 2


def suggest(trial: Any) -> ModelConfig:
    width = Width(trial.suggest_int("width", 4, 8, step=4)).value
    return ModelConfig(channels=(width,), kernels=(5,), strides=(2,), steps=40, decimation=5)


def label(rhythm: str) -> int | None:
    return 1 if rhythm in NAMES else 0


def value(predictions: Predictions) -> float:
    """Lowest of the four."""
    return min(four_metrics(predictions).values())


def mean(predictions: Predictions) -> float:
    """Mean of the four."""
    return float(np.mean(list(four_metrics(predictions).values())))


OBJECTIVES = {"lowest": value, "mean": mean}


def task(**more: Any) -> dict[str, Any]:
    return {**globals(), **more}


def test_the_source_is_a_task_that_means_the_same(tmp_path: Path) -> None:
    TaskSource.of(globals()).write(tmp_path)
    found = task_files.find("mine", cwd=tmp_path, objective="mean")
    assert found.task == TASK and found.default == DEFAULT and found.qualifies == 0.01
    assert found.label("AFL") == 1 and found.label("N") == 0
    assert found.objectives == ("lowest", "mean") and found.value_name == "mean of the four"
    assert found.budget.size_kib == 64 and found.rule == RULE
    assert "HALF = 2" in (tmp_path / "search_spaces" / "mine.py").read_text()
    assert "tests" not in (tmp_path / "objectives" / "mine.py").read_text()


def test_it_is_written_the_same_in_every_process(python: Python, small: Path) -> None:
    """A set has another order in each: a study would refuse to go on."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from tests.library import test_task_source as made;"
        "from atml import TaskSource; print(TaskSource.of(vars(made)).objective)"
    )
    repo = Path(__file__).resolve().parents[2]
    texts = {python("-c", program, repo, PYTHONHASHSEED=seed).stdout for seed in ("1", "2", "3")}
    assert len(texts) == 1 and "frozenset(['AF', 'AFIB', 'AFL'])" in texts.pop()


SCRIPT = """
from atml import ModelConfig, Task, TaskSource, four_metrics, search

TASK = Task(name="mine", classes=("other", "AF"), positive=1, sampling_rate=250, window=1250)
DEFAULT = {"width": 8}
QUALIFIES, MAX_SIZE_KIB, RULE = 0.01, 64, "iesd2024"
def suggest(trial):
    width = trial.suggest_int("width", 4, 8, step=4)
    return ModelConfig(
        decimation=5, channels=(width, width), kernels=(7, 7), strides=(2, 2), pool="mean_max", steps=40
    )
def label(rhythm):
    return 1 if rhythm == "AF" else 0
def value(predictions):
    return min(four_metrics(predictions).values())

print("the program begins", flush=True)
result = search(
    TaskSource.of(globals()), "data.npz", trials=2, folds=2, finalists=1, repeats=1, workers=2, study="mine"
)
print("exports:", len(result.exports))
"""


def once(done: subprocess.CompletedProcess[str]) -> bool:
    """Whether a program ran to its end, and not again in its workers; it has no guard."""
    # The winner, and the default beside it where that is another.
    assert done.returncode == 0 and re.search("exports: [12]$", done.stdout, re.M), done.stderr
    return done.stdout.count("the program begins") == 1 and not done.stderr


def test_a_script_searches_a_task_of_its_own(python: Python, small: Path) -> None:
    (small / "program.py").write_text(SCRIPT)
    done = python("program.py")
    assert once(done)
    # Whatever was written, the model is scored by it later on.
    folder = next((small / "exports" / "mine").iterdir())
    assert atml.score(folder, "data.npz").evaluation == 1


def test_a_program_from_standard_input_gives_its_task_as_text(python: Python, small: Path) -> None:
    refused = python("-", stdin=SCRIPT)
    assert refused.returncode == 1
    assert "source of suggest() can't be read" in refused.stderr.splitlines()[-1]
    assert not (small / "search_spaces" / "mine.py").exists()
    definition, begins, call = SCRIPT.partition("print(")
    program = f"from atml import TaskSource, search\nTEXT = {definition!r}\n{begins}{call}"
    given = 'TaskSource(name="mine", search_space=TEXT, objective=TEXT)'
    assert once(python("-", stdin=program.replace("TaskSource.of(globals())", given)))


def test_what_cannot_be_written_down_is_named() -> None:
    def inner(rhythm: str) -> int:
        return 0

    for wrong, words in (
        ({"label": inner}, r"label is .*inner; define it by def, outside of any function or class"),
        ({"label": lambda rhythm: 0}, "define it by def"),
        ({"DEFAULT": {"x": object()}}, "DEFAULT is <object.*can't be written"),
        ({"QUALIFIES": float("nan")}, "QUALIFIES is nan"),
        ({"TASK": "mine"}, "TASK is 'mine'; make it an atml.Task"),
    ):
        with pytest.raises(TaskFileError, match=words):
            TaskSource.of(task(**wrong))
    missing = task()
    del missing["suggest"]
    with pytest.raises(TaskFileError, match="has no suggest; it is made of DEFAULT, suggest, TASK"):
        TaskSource.of(missing)


def test_a_file_of_a_person_is_never_overwritten(tmp_path: Path) -> None:
    source = TaskSource.of(globals())
    source.write(tmp_path)
    source.write(tmp_path)
    (tmp_path / "objectives" / "mine.py").write_text("# mine\n")
    (tmp_path / "search_spaces" / "mine.py").unlink()
    with pytest.raises(TaskFileError, match=r"objectives/mine\.py is there already"):
        source.write(tmp_path)
    assert not (tmp_path / "search_spaces" / "mine.py").exists()
    with pytest.raises(TaskFileError, match="it names files"):
        TaskSource(name="../mine", search_space="", objective="").write(tmp_path)
