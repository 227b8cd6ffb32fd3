"""Trials reach MLflow, Weights & Biases or TensorBoard as they end; a logger's failure ends no search."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import optuna
import pytest

from atml.searching.trial_log import LOGGERS, TrialLog, opener
from tests.terminal import run

SPACE = {
    "width": optuna.distributions.IntDistribution(4, 8),
    "norm": optuna.distributions.CategoricalDistribution(["batch", "none"]),
}


def trial(number: int, value: float | None) -> optuna.trial.FrozenTrial:
    """One as a search tells it: with a result, or cut short without one."""
    state = optuna.trial.TrialState.PRUNED if value is None else optuna.trial.TrialState.COMPLETE
    made = optuna.trial.create_trial(
        value=value, state=state, params={"width": 4, "norm": "none"}, distributions=SPACE,
        user_attrs={"config": {"family": "cnn"}, "result": {"curves": [1.0] * 9999}},
    )  # fmt: skip
    made.number = number
    return made


# The loggers' packages warn of each other's; Python shows such warnings and goes on.
pytestmark = pytest.mark.filterwarnings("ignore")


def log(kind: str, values: dict[int, float | None]) -> list[str]:
    said: list[str] = []
    made = opener(kind)("a study", said.append)
    assert made is not None
    for number, value in values.items():
        made.ended(trial(number, value))
    made.close()
    return said


def installed(*modules: str) -> None:
    for module in modules:
        pytest.importorskip(module, reason=f"{module} is not installed here", exc_type=ImportError)


def test_mlflow_gets_every_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed("optuna_integration", "mlflow")
    import mlflow

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'runs.db'}")
    said, *more = log("mlflow", {0: 0.9, 2: None, 1: 0.8})
    assert not more, more
    assert said.startswith("trials that end here are logged to MLflow (sqlite:///")
    runs = mlflow.search_runs(search_all_experiments=True, output_format="list")
    assert {run.data.tags["number"]: run.data.metrics.get("value") for run in runs} == {
        "0": 0.9, "1": 0.8, "2": None,
    }  # fmt: skip
    assert {run.data.params["width"] for run in runs} == {"4"}


def test_a_server_that_is_not_there_costs_two_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    installed("optuna_integration", "mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    _, first, last = log("mlflow", {0: 0.9, 1: 0.8})
    assert "did not take trial 0, the search goes on: " in first
    assert last.endswith("lacks 2 of 2 trials; the study has all of them")


def test_wandb_gets_every_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed("optuna_integration", "wandb")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    said = log("wandb", {0: 0.9, 2: None, 1: 0.8})
    assert said == ["trials that end here are logged to Weights & Biases (project atml)"]
    assert len(list(tmp_path.glob("wandb/offline-run-*/*.wandb"))) == 3


def test_wandb_without_a_key_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed("optuna_integration", "wandb")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    # wandb reads its mode once a process.
    line = "import sys; from atml.cli import run; sys.exit(run(['search', '--log-to', 'wandb']))"
    refused = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, cwd=tmp_path)
    assert refused.returncode == 2 and "no API key; run `wandb login`" in refused.stderr


def test_tensorboard_gets_finished_trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed("optuna_integration", "tensorflow", "tensorboard")
    monkeypatch.chdir(tmp_path)
    said, *more = log("tensorboard", {0: 0.9, 2: None, 1: 0.8})
    assert not more, more
    assert said.startswith("trials that end here are logged to TensorBoard (tensorboard/a_study-")
    assert sorted(path.name for path in tmp_path.glob("tensorboard/*/*")) == ["trial-0", "trial-1"]


@pytest.mark.parametrize("kind", LOGGERS)
def test_a_missing_package_is_named_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setitem(sys.modules, "optuna_integration", None)
    refused = run(tmp_path, "search", "--log-to", kind)
    assert refused.returncode == 2 and f"pip install 'atml[{kind}]'" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1 and not list(tmp_path.iterdir())
    unknown = run(tmp_path, "search", "--log-to", "comet")
    assert unknown.returncode == 2 and "--log-to comet: there is mlflow, wandb, tensorboard" in unknown.stderr


def test_a_logger_that_fails_or_hangs_is_one_line_and_a_count() -> None:
    def callback(study: optuna.Study, ended: optuna.trial.FrozenTrial) -> None:
        assert study.study_name == "a study" and study.direction.name == "MAXIMIZE"
        if ended.number != 1:
            raise ConnectionError("no route\nto the host")

    said: list[str] = []
    made = TrialLog(callback, "Somewhere", "a study", said.append)
    for number in range(4):
        made.ended(trial(number, 0.5))
    made.close()
    made.close()
    assert said == [
        "Somewhere did not take trial 0, the search goes on: no route to the host",
        "Somewhere lacks 3 of 4 trials; the study has all of them",
    ]
    waits = optuna.trial.create_trial(value=1.0)
    slow: list[str] = []
    released = threading.Event()
    made = TrialLog(lambda study, ended: bool(released.wait(60)) and None, "Slow", "a study", slow.append)
    made.ended(waits)
    made.close(0.05)
    released.set()
    assert slow == ["Slow lacks 1 of 1 trials; the study has all of them"]
