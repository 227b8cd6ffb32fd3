"""An export of three classes, scored whole: by record, with no positive class anywhere."""

from __future__ import annotations

import ast
import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from atml import task_files
from atml.artifacts.model import infer, load
from atml.errors import ExportError
from atml.scoring import leakage
from atml.scoring.evaluation import judge_export, score_export
from atml.storage import Store
from atml.task_files import loading
from tests.scoring import rhythm
from tests.scoring.test_rules import MINE


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return rhythm.exported(tmp_path_factory.mktemp("exports"))


@pytest.fixture
def model(written, tmp_path):
    """A copy of an export, which keeps the evaluations that it has had."""
    return load(shutil.copytree(written.folder, tmp_path / "exports" / written.folder.name))


@pytest.fixture
def unseen(tmp_path):
    return rhythm.save(tmp_path / "unseen.npz", rhythm.dataset(records=15, seed=3, prefix="U"))


@pytest.fixture
def store(tmp_path):
    kept = Store(f"sqlite:///{tmp_path / 'studies.db'}")
    yield kept
    kept.close()


def score(model, unseen, store, rule="cinc2017"):
    return score_export(model.folder, unseen, label=rhythm.label, evaluations=store, rule=rule)


def test_official_figures_are_by_record(model, unseen, store):
    report = score(model, unseen, store)
    data = rhythm.dataset(records=15, seed=3, prefix="U")
    logits = infer(model.model, data.x)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    called = shares.reshape(15, 5, 3).mean(axis=1).argmax(axis=1)
    true = np.arange(15) % 3
    hits = [(called[true == i] == i).sum() for i in range(3)]
    f1 = [2 * hits[i] / ((true == i).sum() + (called == i).sum()) for i in range(3)]
    assert [report.score[key] for key in ("F1n", "F1a", "F1o")] == pytest.approx(f1)
    text = report.render()
    assert "rule cinc2017 on unseen: 15 records, 75 test windows of 15 subjects" in text
    assert "figures are by record: a record is decided by the mean of its windows' softmax" in text
    assert "time to decision is not measured: task 'rhythm' has no positive class" in text
    assert "records: true, called" in text and "windows: true, called" in text
    written = json.loads(report.file.read_text())
    assert (written["unit"], written["records"], written["segments"], written["look"]) == (
        "record",
        15,
        75,
        1,
    )


def test_the_generic_rule_and_a_file_read_three_classes(model, unseen, store, tmp_path, monkeypatch):
    report = score(model, unseen, store, "records")
    assert [figure.name for figure in report.score.figures[:4]] == ["macro F1", "F1, N", "F1, AF", "F1, O"]
    assert report.evaluation == 1
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    report = score(model, unseen, store, "mine")
    assert report.evaluation == 2 and report.file.name == "mine-2.json"
    assert "share of windows called right" in report.render() and "no official figures" in report.render()


def test_some_subjects_alone_keep_their_records(model, unseen):
    pending = judge_export(
        model.folder, unseen, label=rhythm.label, rule="cinc2017", only={"U00", "U01", "U02"}
    )
    assert len(pending.judged.y_true) == 15 and pending.report.score.records == 3


def test_labels_of_an_earlier_version_of_the_file_are_the_same(model, monkeypatch):
    path = task_files.find("afib", cwd=Path("/")).objective_path
    monkeypatch.setattr(loading, "KNOWN_AS", {})
    today = task_files.find("afib", cwd=Path("/")).labels_hash
    assert today == loading.hash_of(ast.parse(path.read_text(encoding="utf-8")), ("TASK", "label"))
    older = dataclasses.replace(model, labels_hash="0" * 16)
    with pytest.raises(ExportError, match="trained with other labels"):
        leakage.same_labels(older, today)
    monkeypatch.setitem(loading.KNOWN_AS, today, "0" * 16)
    assert leakage.same_labels(older, task_files.find("afib", cwd=Path("/")).labels_hash) == []
    with pytest.raises(ExportError, match="trained with other labels"):
        leakage.same_labels(dataclasses.replace(model, labels_hash="1" * 16), "0" * 16)
