"""Models of three classes side by side, on test data and out of fold."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from atml import cli
from atml.artifacts.model import ExportedModel, load
from atml.comparison.comparing import on_test_data, out_of_fold
from atml.errors import InputError
from atml.metrics import Interval, paired
from atml.scoring.evaluation import judge_export
from atml.storage import Store
from tests.comparison.test_comparing import SPACE
from tests.scoring import rhythm


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("exports")
    for seed in range(2):
        rhythm.exported(root, seed)
    return root


@pytest.fixture
def models(written: Path, tmp_path: Path) -> list[ExportedModel]:
    """Copies of two exports, which keep the evaluations that they have had."""
    shutil.copytree(written, tmp_path / "exports")
    return [load(model.parent) for model in sorted((tmp_path / "exports").rglob("model.onnx"), key=trial_of)]


def trial_of(model: Path) -> str:
    return model.parent.name.rpartition("-")[2]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the task and a test set of 15 recordings, 5 windows each."""
    for kind, text in (("search_spaces", SPACE), ("objectives", rhythm.OBJECTIVE)):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "rhythm.py").write_text(text)
    rhythm.save(tmp_path / "unseen.npz", rhythm.dataset(records=15, seed=3, prefix="U"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_official_figures_and_differences_are_of_records(models: list[ExportedModel], here: Path) -> None:
    store = Store(f"sqlite:///{here / 'studies.db'}")
    result = on_test_data(models, here / "unseen.npz", evaluations=lambda: store, runs=0)
    store.close()
    assert result.rule == "cinc2017" and result.tested == "accuracy"
    assert [key for key, _ in result.rows] == ["F1", "F1n", "F1a", "F1o", "accuracy"]
    right = []
    for column, model in zip(result.columns, models, strict=True):
        pending = judge_export(
            model.folder,  # type: ignore[arg-type]
            here / "unseen.npz",
            label=rhythm.label,
            rule="cinc2017",
        )
        score = pending.report.score
        assert column.figures == {figure.key: figure.interval for figure in score.figures}
        found = pending.judged.records()
        right.append((found.labels() == found.predictions.y).astype(float))
    told = result.pairs[0].differences["accuracy"]
    assert told.value == paired.difference(*right).value and told.subjects == 15
    assert told.p == paired.sign_flip(*right)[0]
    assert "figures are by record" in result.to_markdown()
    assert any("figures are by record" in note for note in result.notes)


def test_every_class_has_figures_out_of_fold(models: list[ExportedModel]) -> None:
    result = out_of_fold(models)
    names = dict(result.rows)
    assert names["F1"] == "macro F1" and names["F"] == "F, mean accuracy over subjects"
    assert names["accuracy"] == "accuracy" and {"F1 AF", "sensitivity O", "specificity N"} <= set(names)
    for column, model in zip(result.columns, models, strict=True):
        told = json.loads((model.folder / "metrics.json").read_text())  # type: ignore[operator]
        assert set(column.figures) == set(names)
        assert column.figures["value"] == told["value"]
        assert column.figures["F1 AF"] == Interval(**told["intervals"]["F1 AF"])
        assert column.figures["balanced accuracy"] == Interval(**told["rates"]["balanced accuracy"])
        assert column.figures["F"].value == pytest.approx(  # type: ignore[union-attr]
            np.mean([row["accuracy"] for row in told["subjects"]])
        )
    assert list(result.pairs[0].differences) == ["accuracy"]
    assert result.pairs[0].differences["accuracy"].subjects == 12
    gap = [column.figures["F"].value for column in result.columns]  # type: ignore[union-attr]
    assert result.pairs[0].differences["accuracy"].value.value == pytest.approx(gap[0] - gap[1])
    assert not any("against the rest" in note for note in result.notes)
    with pytest.raises(InputError, match="--by 'F-beta' is no figure of a subject here; known: accuracy"):
        out_of_fold(models, by="F-beta")


def test_kinds_of_tasks_are_not_mixed(models: list[ExportedModel]) -> None:
    task = dataclasses.replace(rhythm.TASK, kind="binary", positive=1)
    other = dataclasses.replace(models[1], task=task)
    with pytest.raises(InputError, match="kind of task multiclass and binary"):
        out_of_fold([models[0], other])


def test_the_commands_take_a_rule_from_a_file(
    models: list[ExportedModel], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.scoring.test_rules import MINE

    one, two = (str(model.folder) for model in models)
    assert cli.run(["score", one, "--data", "unseen.npz", "--rule", "mine"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("atml: no scoring rule 'mine'; known: aha-aed") and len(error.splitlines()) == 1
    (here / "rules").mkdir()
    (here / "rules" / "mine.py").write_text(MINE)
    assert cli.run(["score", one, "--data", "unseen.npz", "--rule", "mine"]) == 0
    assert "first evaluation of this test set" in capsys.readouterr().out
    assert cli.run(["compare", one, two, "--data", "unseen.npz", "--rule", "mine", "--runs", "0"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "share of windows called right" in out and "evaluation of the test data 2 3" in out
    (here / "rules" / "mine.py").write_text(MINE.replace("judged.y_true == judged.y_pred", "judged.nothing"))
    assert cli.run(["score", one, "--data", "unseen.npz", "--rule", "mine"]) == 2
    error = capsys.readouterr().err
    assert "mine.py, line 7: score() raises AttributeError" in error and len(error.splitlines()) == 1
    task = here / "objectives" / "rhythm.py"
    task.write_text(task.read_text().replace('RULE = "cinc2017"', 'RULE = "mine"'))
    assert cli.run(["score", one, "--data", "unseen.npz"]) == 2, "RULE names the file too"
    assert "score() raises AttributeError" in capsys.readouterr().err
    (here / "rules" / "mine.py").write_text(MINE)
    assert cli.run(["score", one, "--data", "unseen.npz", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["look"] == 4


def test_a_task_whose_rule_is_a_file_is_checked(here: Path) -> None:
    from atml import task_files
    from atml.searching import task_check
    from tests.scoring.test_rules import MINE

    task = here / "objectives" / "rhythm.py"
    task.write_text(task.read_text().replace('RULE = "cinc2017"', 'RULE = "mine"'))
    definition = task_files.find("rhythm")
    with pytest.raises(InputError, match="no scoring rule 'mine'"):
        task_check._rule(definition)
    (here / "rules").mkdir()
    (here / "rules" / "mine.py").write_text(MINE)
    assert task_check._rule(definition).startswith("mine")
    task.write_text(task.read_text().replace('RULE = "mine"', 'RULE = "iesd2024"'))
    with pytest.raises(InputError, match="iesd2024 judges 2 classes"):
        task_check._rule(task_files.find("rhythm"))
