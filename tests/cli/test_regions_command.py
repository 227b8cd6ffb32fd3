"""`atml regions` and `atml search --regions`, on a study whose trials are known."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from atml import cli, regions, task_files
from atml.errors import AtmlError
from atml.searching.progress import View
from atml.searching.region_learning import RegionLearner, fingerprint, importable, state
from atml.searching.samplers.region_sampler import distribution
from atml.storage import Store

SPACE = """
from atml import ModelConfig

DEFAULT = {"cell": "none", "width": 8, "learning_rate": 0.005}

def suggest(trial):
    cell = trial.suggest_categorical("cell", ["none", "gru"])
    width = trial.suggest_int("width", 4, 16, step=4)
    return ModelConfig(
        decimation=5, channels=(width,), kernels=(7,), strides=(2,), cell=cell,
        learning_rate=trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True), steps=10, batch=32,
    )
"""

Shown = Callable[..., str]
HIGH = 0.0178
"""Where the upper quarter of learning_rate begins."""


def made(folder: Path, good: Callable[[dict[str, Any]], bool], count: int = 300) -> None:
    """Keep a study of ``count`` reference draws: those qualify that ``good`` says, others collapsed."""
    definition = task_files.find("afib", space=folder / "space.py")
    space = regions.learn(definition.suggest)
    spec = {
        "task": "afib", "space": definition.space_hash, "space_path": str(definition.space_path),
        "qualifies": 0.8,
        "objective": definition.objective_hash, "objective_path": str(definition.objective_path),
    }  # fmt: skip
    store = Store(f"sqlite:///{folder / 'studies.db'}")
    study = store.study("s", spec)
    store.save_ledger("s", regions.begin(space, fingerprint(spec)).to_dict())
    rng = random.Random(0)
    trials = []
    for _ in range(count):
        params = {name: axis.draw(rng) for name, axis in space.axes.items()}
        qualifies = good(params)
        value = 0.9 if qualifies else 0.4
        trials.append(
            optuna.trial.create_trial(
                value=value,
                params=params,
                constraints={} if qualifies else {"constant": 1.0},
                distributions={name: distribution(axis) for name, axis in space.axes.items()},
                user_attrs={"origin": "reference", "result": {"metrics": {"F1": value, "recall": 0.95}}},
            )
        )
    study.add_trials(trials)
    store.close()


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study: high learning rates never qualify, others mostly do."""
    folder = tmp_path_factory.mktemp("known")
    (folder / "space.py").write_text(SPACE, encoding="utf-8")
    coin = random.Random(1)
    made(folder, lambda p: p["learning_rate"] < HIGH and coin.random() < 0.8)
    return folder


@pytest.fixture
def here(known: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it to work in."""
    for file in ("studies.db", "space.py"):
        shutil.copy(known / file, tmp_path / file)
    store = Store(f"sqlite:///{tmp_path / 'studies.db'}")
    store.study("s", {**(store.spec("s") or {}), "space_path": str(tmp_path / "space.py")})
    store.close()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]) -> Shown:
    """Run a command and return what it printed, or the one line in which it was refused."""

    def run(*words: object, code: int = 0) -> str:
        assert cli.run([str(word) for word in words]) == code
        out, err = capsys.readouterr()
        if code:
            assert not out and err.count("\n") == 1 and err.startswith("atml: "), (out, err)
            return err
        assert not err
        return out

    return run


def rows(shown: Shown) -> dict[str, dict[str, Any]]:
    return {row["region"]: row for row in json.loads(shown("regions", "--json"))["regions"]}


@pytest.fixture
def high(here: Path, shown: Shown) -> dict[str, Any]:
    """The region that is rejected."""
    (found,) = (row for row in rows(shown).values() if row["status"] == "rejected")
    assert found["region"] == f"learning_rate in [{HIGH}, 0.1]"
    return found


def test_regions_are_listed_in_words(here: Path, shown: Shown, high: dict[str, Any]) -> None:
    table = shown("regions")
    (line,) = (text for text in table.splitlines() if text.startswith(high["id"]))
    count = len(high["trials"])
    assert count >= high["needed"] and high["successes"] == 0
    said = re.split(r"\s{2,}", line.strip())
    assert said == [
        high["id"], "rejected", high["region"], f"0 of {count} reference trials learned",
        high["rejected"][:10],
        said[-1],
    ]  # fmt: skip
    assert 20 <= int(said[-1].rstrip("%")) <= 30
    others = [row for row in rows(shown).values() if row["status"] == "open"]
    assert others and f"{len(others)} boxes are open and not shown (--all)" in table
    every = shown("regions", "s", "--all")
    assert "not shown" not in every
    for row in others:
        assert row["id"] not in table and row["id"] in every
        assert f"trial {row['vetoes'][0]} in it qualifies" in every
    whole = json.loads(shown("regions", "--json"))
    assert whole["study"] == "s" and whole["former"] == []
    assert {row["id"] for row in whole["regions"]} == {high["id"], *(row["id"] for row in others)}


def test_regions_of_what_is_not_there(here: Path, shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no study 'other'" in shown("regions", "other", code=2)
    assert "space.py is not a file" in _without(here / "space.py", lambda: shown("regions", code=2))
    (here / "space.py").write_text(SPACE.replace("1e-4", "1e-5"), encoding="utf-8")
    assert "changed since study 's'" in shown("regions", code=2)
    (here / "empty").mkdir()
    monkeypatch.chdir(here / "empty")
    assert "studies.db" in shown("regions", code=2)
    assert not list((here / "empty").iterdir())


def _without(path: Path, do: Callable[[], str]) -> str:
    aside = path.rename(path.with_suffix(".away"))
    try:
        return do()
    finally:
        aside.rename(path)


def test_explain_shows_the_trials_behind_a_region(here: Path, shown: Shown, high: dict[str, Any]) -> None:
    for name in (high["id"], high["id"][:4], high["id"].upper()):
        told = shown("regions", "explain", name)
        assert told.splitlines()[0] == f"region {high['id']}: {high['region']}"
        assert "rejected; 0 of" in told and "declared" in told
    listed = json.loads(shown("regions", "explain", high["id"], "--study", "s", "--json"))
    assert [row["trial"] for row in listed] == high["trials"]
    assert all(row["verdict"] == "collapsed" and row["drawn"] == "reference" for row in listed)
    assert all(row["params"]["learning_rate"] >= HIGH for row in listed)
    # A region that is open says which trials speak for it.
    low = next(row for row in rows(shown).values() if row["status"] == "open")
    assert f"inside, however drawn: {low['vetoes'][0]}" in shown("regions", "explain", low["id"])


def test_a_name_that_fits_no_region_or_several(here: Path, shown: Shown, high: dict[str, Any]) -> None:
    starts = [row["id"][0] for row in rows(shown).values()]
    twice = next(start for start in starts if starts.count(start) > 1)
    for verb in (["explain"], ["lift", "--why", "x"]):
        assert f"'{twice}' names several regions; `atml regions --all`" in shown(
            "regions", *verb, twice, code=2
        )
        for name in ("zzz", ""):
            assert f"{name!r} is not a region of this study" in shown("regions", *verb, name, code=2)


def test_a_lift_opens_a_region_once_and_for_a_reason(here: Path, shown: Shown, high: dict[str, Any]) -> None:
    assert "--why" in shown("regions", "lift", high["id"], code=2)
    assert "give a reason with --why" in shown("regions", "lift", high["id"], "--why", "  ", code=2)
    assert rows(shown)[high["region"]]["status"] == "rejected"
    first = shown("regions", "lift", high["id"][:5], "--why", "labels were wrong")
    assert first == f"region {high['id']} of study s is open again: {high['region']}\n"
    shown("regions", "lift", high["id"], "--why", "another reason")
    lifted = rows(shown)[high["region"]]
    assert (lifted["status"], lifted["by"]) == ("lifted", "labels were wrong")
    assert lifted["rejected"] == high["rejected"] and lifted["lifted"] > lifted["rejected"]
    assert "labels were wrong" in shown("regions")


def test_an_export_is_two_files_that_a_new_study_begins_with(
    here: Path, shown: Shown, high: dict[str, Any]
) -> None:
    said = shown("regions", "export", "s", "--out", "given/deeper")
    assert "regions.json" in said and "avoid.txt" in said
    folder = here / "given" / "deeper"
    assert {path.name for path in folder.iterdir()} == {"regions.json", "avoid.txt"}
    whole = json.loads((folder / "regions.json").read_text(encoding="utf-8"))
    assert {row["region"]: row for row in whole["regions"]} == rows(shown)
    lines = (folder / "avoid.txt").read_text(encoding="utf-8").splitlines()
    assert [text.split("  #")[0] for text in lines if not text.startswith("#")] == [high["region"]]

    definition = task_files.find("afib", space=here / "space.py")
    for file in ("regions.json", "avoid.txt"):
        store = Store("sqlite:///studies.db")
        spec = store.spec("s")
        store.study(file, spec)
        heard = Heard()
        RegionLearner(store, file, definition, heard, folder / file)
        assert heard.lines == [f"1 regions of {folder / file} are tested first"]
        (found,) = [r for r in state(store, file).found if r.candidate.source == "imported"]
        assert (found.id, found.status, found.evidence.trials) == (high["id"], "imported", ())
        # The same line again goes on; with other regions it is another study.
        RegionLearner(store, file, definition, heard, folder / file)
        assert len(heard.lines) == 1
        store.close()


class Heard(View):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def test_an_export_that_cannot_be_written_leaves_nothing(here: Path, shown: Shown) -> None:
    (here / "file").write_text("mine", encoding="utf-8")
    said = shown("regions", "export", "--out", here / "file", code=2)
    assert f"{here / 'file'} can't be written" in said and "--out" in said
    assert not [*here.rglob("*.json*"), *here.rglob("*.txt*")]
    assert (here / "file").read_text(encoding="utf-8") == "mine"


def test_regions_go_into_a_study_that_has_not_begun(here: Path, high: dict[str, Any]) -> None:
    space = regions.learn(task_files.find("afib", space=here / "space.py").suggest)
    (here / "avoid.txt").write_text(f"{high['region']}\n", encoding="utf-8")
    store = Store("sqlite:///studies.db")
    for name, where in (("new", store), ("new", None)):
        assert len(importable(here / "avoid.txt", space, where, name)) == 1
    with pytest.raises(AtmlError, match=r"study 's' has already begun.*--study NAME"):
        importable(here / "avoid.txt", space, store, "s")
    store.close()


def test_regions_come_into_a_study_that_has_begun(here: Path, shown: Shown, high: dict[str, Any]) -> None:
    wide = "width in [4, 8] and cell = gru"
    (here / "avoid.txt").write_text(f"{high['region']}\n{wide}\n", encoding="utf-8")
    before = rows(shown)
    said = shown("regions", "import", "avoid.txt")
    # One is under test already.
    assert said.startswith("1 region of avoid.txt imported into study s"), said
    assert "tests every region of avoid.txt already" in shown("regions", "import", "avoid.txt", "s")
    after = rows(shown)
    (new,) = after.keys() - before.keys()
    assert all(after[words] == before[words] for words in before)
    # All 300 draws were made before it was known: none of them speaks against it, and it binds nothing.
    assert (after[new]["source"], after[new]["trials"]) == ("imported", [])
    assert after[new]["status"] == ("lifted" if after[new]["vetoes"] else "imported")
    assert after[new]["alpha"] == pytest.approx(0.05 / 2 * 6 / (3.14159 * 1) ** 2, rel=1e-4)
    (here / "avoid.txt").write_text("cell = lstm\n", encoding="utf-8")
    assert "never lstm" in shown("regions", "import", "avoid.txt", code=2)
    assert "no study 'other'" in shown("regions", "import", "avoid.txt", "other", code=2)
    assert rows(shown) == after


def test_regions_do_not_come_into_a_study_under_way(here: Path, shown: Shown, high: dict[str, Any]) -> None:
    (here / "avoid.txt").write_text("width in [4, 8]\n", encoding="utf-8")
    store = Store("sqlite:///studies.db")
    study = store.study("s")
    study.ask().set_user_attr("holder", store.token)
    store.slots.beat()
    before = rows(shown)
    assert "study 's' is being searched" in shown("regions", "import", "avoid.txt", code=2)
    assert rows(shown) == before
    store.close()


GIVEN = """{"format": "atml-regions", "version": 1, "study": "s", "space": "SPACE", "regions": []}"""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (GIVEN, "is about another search space (that of study 's')"),
        ('{"format": "atml-regions", "version": 1, "regi', "is damaged"),
        ('{"format": "mine"}', "holds no regions; `atml regions export` writes them"),
        ("dropout in [0.1, 0.2]", "this search space has no parameter 'dropout'"),
        ("cell = lstm", "'cell' is one of none, gru, never lstm"),
        ("cell = none\ncell = gru", "together are the whole search space"),
        ("width in [1, 99]", "is the whole search space"),
        ("cell = gru\ncell =", "line 2: 'cell =' is not a region; write it as"),
        (b"\xff\xfe\x00cell", "is not a region; write it as"),  # no UTF-16, whatever its mark says
        (None, "can't be read as regions"),
    ],
    ids=lambda value: None if not isinstance(value, str) else re.sub(r"\W+", "-", value)[:24],
)
def test_a_file_of_regions_that_no_search_can_use(
    here: Path, capsys: pytest.CaptureFixture[str], text: str | bytes | None, says: str
) -> None:
    if text is not None:
        (here / "given").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert cli.run([*search(here, "new"), "--regions", "given"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and says in said, said


def search(folder: Path, study: str) -> list[str]:
    """A search that would take a while, if it began."""
    x = np.random.default_rng(0).normal(size=(24, 1250)).astype(np.float32)
    np.savez(folder / "set.npz", x=x, y=np.arange(24) % 2, subject=np.repeat([*"abcdef"], 4))
    words = ("search", "--data", "set.npz", "--space", "space.py", "--folds", 2, "--study", study)
    return [str(word) for word in (*words, "--trials", 1)]


def test_regions_and_no_regions_are_two_wishes(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "given").write_text("cell = gru\n", encoding="utf-8")
    assert cli.run([*search(here, "new"), "--regions", "given", "--no-regions"]) == 2
    said = capsys.readouterr().err
    assert said == "atml: --regions given with --no-regions: leave one out\n"
