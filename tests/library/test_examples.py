"""The examples in docstrings of public names, run where version 0.1.0 left its exports."""

from __future__ import annotations

import doctest
import importlib
import inspect
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import atml
from tests.library.conftest import MADE, REPO, environment

MODULES = ("loaded_model", "prediction", "score_result", "search_function", "search_result", "task_source")

TASK = """
from atml import ModelConfig, Task
TASK = Task(name="mine", classes=("other", "AF"), positive=1, sampling_rate=250, window=1250)
DEFAULT, QUALIFIES, MAX_SIZE_KIB, RULE = {"width": 4}, 0.5, 64, "iesd2024"
def suggest(trial):
    width = trial.suggest_int("width", 4, 8)
    return ModelConfig(channels=(width,), kernels=(5,), strides=(2,))
def label(rhythm):
    return 1 if rhythm == "AF" else 0
def value(predictions):
    return 0.0
"""


@pytest.mark.parametrize("name", MODULES)
def test_examples_of(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = tmp_path / "here"
    shutil.copytree(MADE, where, ignore=shutil.ignore_patterns("making", "studies.db"))
    (where / "mine.py").write_text(TASK)
    x = np.load(where / "afib.npz")
    np.savetxt(where / "recording.csv", x["x"][x["y"] == 1][:2].ravel())
    monkeypatch.chdir(where)
    monkeypatch.syspath_prepend(str(where))
    module = importlib.import_module(f"atml.library.{name}")
    names = {"the_task": vars(importlib.import_module("mine"))} if name == "task_source" else {}
    done = doctest.testmod(module, extraglobs=names)
    assert done.attempted and not done.failed


def test_public_names_say_what_they_are() -> None:
    for name in atml.__all__:
        thing = getattr(atml, name)
        if callable(thing):
            words = inspect.getdoc(thing)
            assert words and not words.startswith(f"{name}("), name


def test_names_that_load_late_are_the_names_that_types_see() -> None:
    assert sorted(atml.__all__) == sorted([*atml._HOME, "__version__"])
    text = (REPO / "atml" / "__init__.py").read_text(encoding="utf-8")
    shown = text.split("if TYPE_CHECKING:")[1].split("__version__")[0]
    for name, home in atml._HOME.items():
        assert home in shown and name in shown, f"{name} of {home} is not under TYPE_CHECKING"


PROGRAM = """
from pathlib import Path

import numpy as np

import atml

result = atml.search("afib", data=Path("DIR"), trials=50, timeout="10m", lead=["MLII,ECG"], progress="lines")
best = result.best
if best is not None:
    value: float = best.value
    model: atml.Model = best.load()
    names: list[str] = model.predict(np.zeros((3, 1, 1250))).tolist()
    shares: float = float(model.scores(np.zeros(5000), sampling_rate=360)[0, 1])
    found = atml.score(model, ["TEST_DIR", Path("MORE")], rule="iesd2024")
    total: float | None = found.total
    figure: float = found["F"]
task = atml.Task(name="t", classes=("a", "b"), positive=1, sampling_rate=250, window=1250)
data = atml.open_data("DIR", task=task, label=lambda rhythm: 0)
atml.search(atml.TaskSource.of(globals()))
reveal_type(atml.search)
reveal_type(result.exports)
"""

WRONG = """
import atml

atml.search("afib", trails=50)
atml.load(3)
"""


def test_a_program_that_uses_it_passes_mypy_strict(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "wrong.py").write_text(WRONG)
    # What types of others say is of no account here, and takes a minute to read.
    others = "[mypy-torch.*,optuna.*,sqlalchemy.*,scipy.*,sklearn.*,onnx.*,onnxruntime.*,rich.*]"
    (tmp_path / "mypy.ini").write_text(
        f"[mypy]\nstrict = true\nfollow_imports = silent\n{others}\nfollow_imports = skip\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "program.py", "wrong.py"],
        cwd=tmp_path,
        env={**environment(), "MYPYPATH": str(REPO)},
        capture_output=True,
        text=True,
        check=False,
    )
    errors = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert len(errors) == 2 and all(line.startswith("wrong.py:") for line in errors), done.stdout
    assert 'Unexpected keyword argument "trails"' in errors[0] and "[arg-type]" in errors[1]
    assert "SearchResult" in done.stdout and 'Revealed type is "tuple[pathlib.Path, ...]"' in done.stdout
    assert (REPO / "atml" / "py.typed").is_file()
    assert '"atml" = ["py.typed"]' in (REPO / "pyproject.toml").read_text(encoding="utf-8")
