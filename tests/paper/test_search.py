"""Networks that read pages are searched as any others: trials, folds by heart, figures, best, export."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from atml.errors import DataError
from atml.metrics.waveform import decibels
from atml.models.paper_config import PaperConfig
from atml.page_sets.page_set import Asked, make
from atml.paper.learner import PaperLearner, learner_of
from atml.paper.page_data import open_pages
from atml.paper.scores import lead_decibels
from atml.task_files import find
from tests.terminal import run

WEIGHTS = Path(__file__).parents[1] / "fixtures" / "paper" / "unet8.npz"
"""A network of 8, 16, 32 and 64 channels after 600 steps, in 16 bits."""

SPACE = f"""
from atml import PaperConfig

DEFAULT = {{"learning_rate": 1e-6}}

def suggest(trial):
    rate = trial.suggest_float("learning_rate", 1e-7, 1e-5, log=True)
    return PaperConfig(learning_rate=rate, steps=4, batch=1, crop=(64, 64), begin={str(WEIGHTS)!r})
"""


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("PIL", reason="Pillow is not installed here")
    asked = Asked(hearts=2, pages=1, size=(512, 672), seed=21, kinds=("clean",), layouts=("3x4",))
    return make(tmp_path_factory.mktemp("clean") / "set", asked).folder


def test_pages_are_a_data_set(clean: Path, tmp_path: Path) -> None:
    task = find("paper").task
    data = open_pages([clean], task, cache=tmp_path)
    assert data.x.shape == (2, 3, 512, 672) and data.x.dtype == np.uint8
    assert data.y.tolist() == [4095] * 2 and data.subject.tolist() == ["s21h0000", "s21h0001"]
    one = open_pages([clean], task, leave_out=["s21h0000"], cache=tmp_path)
    assert one.subject.tolist() == ["s21h0001"] and one.fingerprint != data.fingerprint
    with pytest.raises(DataError, match="name a folder with --data, as atml data make pages writes it"):
        open_pages([], task, cache=tmp_path)


def test_a_learner_trains_and_reads(clean: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATML_CACHE", str(tmp_path))
    task = find("paper").task
    data = open_pages([clean], task)
    learner = learner_of(task)
    assert isinstance(learner, PaperLearner) and learner_of(find("afib").task) is None
    config = PaperConfig(learning_rate=1e-6, steps=1, batch=1, crop=(64, 64), begin=str(WEIGHTS))
    fitted = learner.fit(config, task, data, np.array([0]), seed=0)
    found = learner.predictions(fitted.model, task, data, np.array([1]))
    assert found.subject.tolist() == ["s21h0001"] and found.logits.shape == (1, 12)
    assert np.median(decibels(found)) > 6
    learner.ended()
    assert not list((tmp_path / "trainings").glob("*"))


def test_a_lead_that_is_flat_is_not_drawn(clean: Path, tmp_path: Path) -> None:
    whole = open_pages([clean], find("paper").task, cache=tmp_path)
    signal = np.array(whole.pages.signal[0])
    signal[3] = 0
    for read in (signal, signal + 1):
        assert lead_decibels(signal, read)[3] == 0
    root = tmp_path / "set"
    shutil.copytree(clean, root)
    for table in (root / "signals").glob("*.csv"):
        head, *rows = table.read_text(encoding="utf-8").splitlines()
        cells = [row.split(",") for row in rows]
        flat = [",".join([*row[:3], row[3] and "0", *row[4:]]) for row in cells]
        table.write_text("\n".join([head, *flat]) + "\n", encoding="utf-8")
    assert open_pages([root], find("paper").task, cache=tmp_path).y.tolist() == [4095 - 8] * 2


def test_a_search_runs_its_trials(clean: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATML_CACHE", str(tmp_path / "cache"))
    (tmp_path / "space.py").write_text(SPACE, encoding="utf-8")
    asked = ["search", "--task", "paper", "--data", str(clean), "--space", "space.py", "--trials", "1"]
    done = run(
        tmp_path,
        *asked,
        "--workers",
        "1",
        "--folds",
        "2",
        "--repeats",
        "1",
        "--finalists",
        "1",
        "--device",
        "cpu",
        "--unqualified",
    )
    assert done.returncode == 0, done
    assert "complete" in done.stdout and "2 pages of 512 x 672 pixels" in done.stdout
    best = run(tmp_path, "best")
    assert best.returncode == 0 and "trial 0" in best.stdout
    assert re.search(r"trial +dB +runs +in the search +leads read +KiB", best.stdout), best.stdout
    assert "accuracy" not in best.stdout and "F1" not in best.stdout
    (export,) = (tmp_path / "exports").glob("*/*")
    card = (export / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "weights of the losses" in card and "1 crops of 64 x 64 pixels" in card
    for word in ("balanced accuracy", "logits", "specificity", "cross_entropy", "epochs"):
        assert word not in card, word
    assert f"next: atml digitize PAGE.png --out READ --model {export}" in done.stdout
    mine = run(tmp_path, "score", str(export), "--data", str(clean))
    assert mine.returncode == 2 and "was trained on every subject" in mine.stderr
    asked = Asked(hearts=1, pages=1, size=(512, 672), seed=22, kinds=("clean",), layouts=("3x4",))
    others = make(tmp_path / "others", asked).folder
    scored = run(tmp_path, "score", str(export), "--data", str(others))
    assert scored.returncode == 0, scored
    for line in ("rule kaggle2025 on others: 1 test pages of 1 subject", "dB by rule cinc2024", "aVF"):
        assert line in scored.stdout
    wrong = run(tmp_path, "score", str(export), "--data", str(others), "--rule", "iesd2024")
    assert wrong.returncode == 2 and "give kaggle2025 or cinc2024" in wrong.stderr
