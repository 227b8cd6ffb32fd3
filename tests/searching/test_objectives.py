"""Searches by other objectives than the usual one, and what they cost and leave."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from atml import task_files
from atml.ecg.changes import CHANGES
from atml.errors import TaskFileError
from atml.metrics import worst_subjects
from atml.searching.plan import prepare
from atml.searching.search_options import Options
from atml.storage import Store
from tests.searching.studies import Run, Space, line, trials


def test_a_search_for_robust_decisions_keeps_what_each_trial_made_of_changed_windows(
    atml: Run, small: Path, space: Space, tmp_path: Path
) -> None:
    done = atml(*line(small, space(), 2, "--objective", "robust", "--longer", 1))
    assert done.returncode == 0, done.stderr
    assert "windows decided as before after a change: polarity " in done.stdout
    store = Store(f"sqlite:///{tmp_path / 'studies.db'}", create=False)
    complete = [t for t in trials(tmp_path) if t.state == "complete"]
    assert {t.role for t in complete} == {"search", "finalist"}
    for trial in complete:
        saved, changed = store.predictions("s", trial.number), store.changed_predictions("s", trial.number)
        assert saved is not None and changed is not None and list(changed) == list(CHANGES)
        assert list(trial.result["agreement"]) == list(CHANGES)
        for kind, logits in changed.items():
            stays = (logits.argmax(axis=1) == saved[1].argmax(axis=1)).mean()
            assert trial.result["agreement"][kind] == pytest.approx(stays, abs=0.02), kind
    store.close()
    again = atml("run", "--trial", 0, "--json")
    assert again.returncode == 0 and json.loads(again.stdout)["same"], again.stdout
    assert atml("report", "--no-figures").returncode == 0
    # Another objective is another question.
    other = atml(*line(small, space(), 2, "--objective", "value"))
    assert other.returncode == 2 and "another objective (robust before, the task's now)" in other.stderr


def test_a_search_for_the_worst_subjects_is_judged_by_them(
    atml: Run, small: Path, space: Space, tmp_path: Path
) -> None:
    done = atml(*line(small, space(), 1, "--objective", "worst_subjects", "--longer", 1))
    assert done.returncode == 0, done.stderr
    first = trials(tmp_path)[0]
    store = Store(f"sqlite:///{tmp_path / 'studies.db'}", create=False)
    saved = store.predictions("s", first.number)
    # Only what is repeated is tried on changed windows: the trials themselves cost what they did.
    assert saved is not None and store.changed_predictions("s", first.number) is None
    assert "agreement" not in first.result
    store.close()
    definition = task_files.find("afib", objective="worst_subjects")
    with np.load(small) as held:
        train = held["split"] == "train"
        y, subject = held["y"][train][saved[0]], held["subject"][train][saved[0]]
    found = definition.target.predictions(saved[1], y, subject)
    assert first.value == pytest.approx(worst_subjects(found))
    best = json.loads(atml("best", "--json").stdout)
    assert list(best[0]["agreement"]) == list(CHANGES)
    assert "as trained, decides as before after a change: polarity " in atml("best").stdout


def test_who_asks_for_agreement_without_saying_so_is_told_before_anything_is_written(
    small: Path, space: Space, tmp_path: Path
) -> None:
    usual = task_files.find("afib").objective_path.read_text(encoding="utf-8")
    judge = tmp_path / "afib.py"
    judge.write_text(usual.replace('AGREEMENT = ("robust",)', "AGREEMENT = ()"), encoding="utf-8")
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    options = Options(data=(small,), space=space(), storage=url, objective=f"{judge}:robust")
    says = r"afib\.py, line \d+: robust\(\) raises ValueError: changed windows were not predicted: name the"
    with pytest.raises(TaskFileError, match=says):
        prepare(options, lambda line: None)
    assert not (tmp_path / "studies.db").exists()
