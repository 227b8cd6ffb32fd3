"""`atml data inspect` on pictures, with a task of one's own about them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.data.test_pictures import made
from tests.terminal import run

pytest.importorskip("PIL", reason="Pillow is not installed here; pip install 'atml[images]'")

OBJECTIVE = """
from atml import Predictions, Task, macro_f1

TASK = Task(name="three", kind="multilabel", classes=("AF", "PVC", "RBBB"), picture=(48, 64), leads=3)
QUALIFIES = 0.2
MAX_SIZE_KIB = 64
RULE = "labels"


def label(names: str) -> int | None:
    return {"": 0, "AF": 1, "PVC": 2, "RBBB": 4}.get(names)


def value(predictions: Predictions) -> float:
    return macro_f1(predictions)
"""
SPACE = """
from atml import ModelConfig

DEFAULT = {}


def suggest(trial) -> ModelConfig:
    return ModelConfig()
"""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ATML_CACHE", str(tmp_path / "cache"))
    for kind, content in (("objectives", OBJECTIVE), ("search_spaces", SPACE)):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "three.py").write_text(content)
    made(tmp_path / "PAGES")
    return tmp_path


def inspect(work: Path, *more: str) -> tuple[int, str, str]:
    done = run(work, "data", "inspect", "PAGES", "--task", "three", "--folds", "2", *more)
    return done.returncode, done.stdout, done.stderr


def test_labels_kinds_and_sizes_are_counted(work: Path) -> None:
    code, out, err = inspect(work)
    assert "PAGES: 4 subjects" in out and "no faults found" in out
    head = next(line for line in out.splitlines() if line.startswith("subject"))
    assert head.split() == ["subject", "pages", "usable", "AF", "PVC", "RBBB", "none", "kinds", "size"]
    total = next(line for line in out.splitlines() if line.startswith("all "))
    assert total.split()[1:7] == ["8", "8", "4", "2", "2", "2"] and total.endswith("4 clean, 4 photo  48x64")
    assert (code == 2 and "only 1 subject" in err) or "only subject" in err  # of PVC, and so no two folds


def test_it_ends_with_2_where_a_search_would_refuse(work: Path) -> None:
    page = work / "PAGES" / "h1_v00_3x4+1_clean" / "h1_v00_3x4+1_clean_dirty.png"
    page.write_bytes(page.read_bytes()[:90])
    code, out, err = inspect(work, "--json")
    found = json.loads(out)
    assert code == 2 and err.count("\n") == 1 and "is damaged or cut short" in err
    assert [fault["kind"] for fault in found["faults"]] == ["picture"]
    assert found["splits"][0]["total"]["sizes"] == {"48x64": 7}
