"""Every command of docs/retraining.md is run in its order, on tiny nets and sets of contest text."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from tests.terminal import run

REPO = Path(__file__).resolve().parents[2]
PAGE = (REPO / "docs" / "retraining.md").read_text(encoding="utf-8")
LINES = [
    line
    for block in re.findall(r"^```\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]
SPACE = """
from atml import ModelConfig

DEFAULT = {"width": 4, "learning_rate": 0.001}

def suggest(trial):
    width = trial.suggest_int("width", 4, 8, step=4)
    return ModelConfig(
        decimation=5, channels=(width, width), kernels=(7, 7), strides=(2, 2), pool="mean_max",
        learning_rate=trial.suggest_float("learning_rate", 1e-3, 1e-2, log=True), steps=60, batch=32,
    )
"""


def write(folder: Path, split: str, people: range, curve: float) -> None:
    """Write segments whose slope gives the class away, by less where ``curve`` is small."""
    random = np.random.default_rng(people.start)
    (folder / split).mkdir(parents=True, exist_ok=True)
    for who in people:
        for at in range(8):
            x = random.normal(size=1250) + curve * (2 * (at % 2) - 1) * np.linspace(-1, 1, 1250) ** 2
            name = f"S{who:02d}-{'AFIB' if at % 2 else 'N'}-{at}.txt"
            (folder / split / name).write_text("\n".join(f"{v:.3f}" for v in x))


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("retraining")
    for kind in ("search_spaces", "objectives"):
        (folder / kind).mkdir()
    (folder / "search_spaces" / "afib.py").write_text(SPACE)
    judge = (REPO / "objectives" / "afib.py").read_text(encoding="utf-8")
    (folder / "objectives" / "afib.py").write_text(judge.replace("QUALIFIES = 0.80", "QUALIFIES = 0.05"))
    write(folder / "OLD", "train_data", range(8), 2.0)
    write(folder / "OLD", "test_data", range(10, 17), 2.0)
    # The new people are harder to tell.
    write(folder / "NEW", "train_data", range(20, 28), 0.7)
    write(folder / "NEW", "test_data", range(30, 37), 0.7)
    return folder


def ok(here: Path, text: str) -> str:
    text = re.sub(r"--trials \d+", "--trials 3 --folds 2 --finalists 2 --repeats 1 --workers 1", text)
    done = run(here, *text.split()[1:])
    assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_the_page_from_the_first_search_to_the_way_back(here: Path) -> None:
    first, second, promote, state, back = LINES
    ok(here, first)
    said = ok(here, second)
    assert "study second began with the parameters of" in said and "of study 'first'" in said
    champion = sorted((here / "exports" / "first").iterdir())[0]
    challenger = sorted((here / "exports" / "second").iterdir())[0]
    words = promote.replace("CHALLENGER", f"{challenger}").replace("CHAMPION", f"{champion}")
    said = ok(here, words)
    assert "the frozen test set, OLD" in said and "new people, NEW" in said
    came = said.split(":")[0]
    assert came in ("promoted", "kept", "can't be told")
    assert came in ok(here, state)
    entries = [json.loads(line) for line in (here / "promotions.jsonl").read_text().splitlines()]
    assert [one["event"] for one in entries] == ["begun", "decided"] and entries[0]["margin"] == 0.03
    # Whatever came of it, one can go back once something was promoted.
    if came != "promoted":
        said = ok(here, f"{words} --need no-worse --margin 1")
        assert said.startswith("promoted") and "after a look" in said
    said = ok(here, back)
    assert said.startswith(f"back: {champion} is in service")
    assert json.loads((here / "champion.json").read_text())["export"] == str(champion)


def test_what_the_page_says_is_refused(here: Path) -> None:
    """A frozen person among the data to train on; the page's words are those of the command."""
    write(here / "LEAK", "train_data", range(15, 23), 2.0)
    words = LINES[1].replace("--data NEW", "--data LEAK").replace("second", "third")
    done = run(here, *words.split()[1:])
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "2 people of a frozen test set would be trained on: LEAK/S15, LEAK/S16" in done.stderr
    for word in ("better", "no worse", "worse", "unclear", "too few", "promoted", "kept", "can't be told"):
        assert word in PAGE
