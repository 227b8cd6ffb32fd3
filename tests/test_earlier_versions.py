"""Studies and exports that earlier versions made: opened, reported, compared, scored, gone on with.

They lie in ``fixtures/``, a folder a version. Only the command line is used here, and files.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.postgres import PASSWORD, Server
from tests.terminal import run

ROOT = Path(__file__).resolve().parents[1]
MADE = Path(__file__).resolve().parent / "fixtures" / "v0.1"
MADE_AT = "/tmp/atml-fixture/here"
"""Where the folder lay when it was made."""

# What version 0.1.0 said of it.
SMALL = {
    **{"task": "afib", "finished": 144, "complete": 39, "pruned": 105, "failed": 0, "repeats": 6},
    **{"best": pytest.approx(0.9834175), "best_trial": 34},
}
SHOCK = {
    **{"task": "defib", "finished": 14, "complete": 5, "pruned": 9, "failed": 0, "repeats": 4},
    **{"running": 0, "waiting": 0, "best": pytest.approx(0.89705882), "best_trial": 0},
}
BUILTIN = {"task": "afib", "finished": 0, "running": 0, "waiting": 1, "failed": 0, "best": None}
JUDGED = {34: 0.9834175, 138: 0.9292659999999999, 94: 0.9074835}
"""Finalists of "small", the best first, by the mean of their repeats."""
FOLDERS = {34: "99-96-t0034", 138: "97-91-t0138", 94: "92-91-t0094"}
SCORES = {34: 0.7792775, 138: 0.5959025, 94: 0.8835225}
"""F by rule iesd2024 on the test split."""
LOOKS = {"small": 3, "shock": 1}
"""Looks at each test split that are on record."""
REGION, BOXES, DRAWS = "6090eb", 8, 33
"""The rejected region, how many are under test, and the reference draws that speak against that one."""

SEARCH = (
    *("search", "--task", "afib", "--data", "afib.npz", "--study", "small", "--folds", 3, "--workers", 2),
    *("--finalists", 3, "--repeats", 2, "--regions", "avoid.txt", "--learn-regions"),
)
"""The line that made "small", and that goes on with it."""

Atml = Callable[..., subprocess.CompletedProcess[str]]


def found_dead(database: Path) -> None:
    """Let the process that was killed have been silent for long, whatever the clock of this machine says."""
    with contextlib.closing(sqlite3.connect(database)) as db, db:
        db.execute("UPDATE atml_holders SET beat = 0")


def moved(database: Path, where: Path) -> None:
    """Write into a copied database that what it names lies in ``where``.

    A study keeps the absolute paths of its data and of its two files, and of its exports. A person whose
    folder moved gives ``--data``; regions, reports and exports have no such option.
    """
    with contextlib.closing(sqlite3.connect(database)) as db, db:
        for table, column in (("study_user_attributes", "value_json"), ("atml_exports", "folder")):
            db.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (MADE_AT, str(where)))


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the folder whose database knows where it is; nothing is written into it."""
    where = tmp_path_factory.mktemp("earlier") / "v0.1"
    shutil.copytree(MADE, where)
    found_dead(where / "studies.db")
    moved(where / "studies.db", where)
    return where


@pytest.fixture(scope="module")
def template(origin: Path, request: pytest.FixtureRequest) -> str:
    """A PostgreSQL database with its studies, by `atml study copy`, to make others like it."""
    server: Server = request.getfixturevalue("postgres")
    name = server.new_database()
    with pytest.MonkeyPatch.context() as patch:
        # A password is not for the command line.
        patch.setenv("PGPASSWORD", PASSWORD)
        url = server.url(name).replace(f":{quote(PASSWORD)}@", "@")
        done = run(origin, "study", "copy", "studies.db", url)
    assert done.returncode == 0, done.stderr
    assert "small" in done.stdout and "144" in done.stdout
    server.cut(name)
    return name


@pytest.fixture
def here(origin: Path, tmp_path: Path) -> Path:
    """A folder to work in, where everything lies as in the one that was made."""
    where = tmp_path / "here"
    shutil.copytree(origin, where)
    return where


@pytest.fixture(params=["sqlite", "postgresql"])
def atml(here: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Atml]:
    """Run a command there, on the studies in a database of either kind; it has to come to a good end."""
    if request.param == "postgresql":
        server: Server = request.getfixturevalue("postgres")
        name = server.new_database(like=request.getfixturevalue("template"))
        monkeypatch.setenv("ATML_STORAGE", server.url(name))
        (here / "studies.db").unlink()

    def good(*arguments: object, code: int | None = 0, at: Path = here) -> subprocess.CompletedProcess[str]:
        done = run(at, *arguments)
        assert code is None or done.returncode == code, done.stderr
        return done

    yield good
    if request.param == "postgresql":
        server.cut(name)


def read(done: subprocess.CompletedProcess[str]) -> Any:
    return json.loads(done.stdout)


def status(atml: Atml) -> dict[str, dict[str, Any]]:
    return {row["study"]: row for row in read(atml("status", "--json"))}


def test_no_person_and_no_folder_of_a_machine_is_inside() -> None:
    files = [path for path in MADE.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 2_000_000
    for path in files:
        content = path.read_bytes()
        for word in (b"/home/", b"/root/", b"/work/", b"/Users/"):
            assert word not in content, path


def test_studies_are_listed_with_their_best(atml: Atml) -> None:
    rows = status(atml)
    assert set(rows) == {"small", "shock", "builtin"}
    for name, expected in (("small", SMALL), ("shock", SHOCK), ("builtin", BUILTIN)):
        assert {key: rows[name][key] for key in expected} == expected
    # Running when its worker was killed; a copy has put it back already.
    assert rows["small"]["running"] + rows["small"]["waiting"] == 1
    assert "small" in atml("status").stdout
    best = read(atml("best", "small", "--top", 3, "--json"))
    assert {row["trial"]: row["judged"] for row in best} == pytest.approx(JUDGED)
    assert [Path(row["folder"]).name for row in best] == list(FOLDERS.values())
    assert best[0]["config"]["learning_rate"] == pytest.approx(0.009525220904743505)
    assert (best[0]["macs"], best[0]["parameters"], best[0]["repeats"]) == (35256, 570, 2)
    first = read(atml("best", "shock", "--json"))[0]
    # Its mean on fresh seeds and the figures of those, not the run that helped to pick it.
    assert (first["trial"], first["value"], first["judged"]) == (0, SHOCK["best"], SHOCK["best"])
    assert first["in_search"] == pytest.approx(0.98529412)
    assert first["metrics"]["F1"] == pytest.approx(0.93014706)
    assert "35,256" in atml("best", "small").stdout


def test_regions_stand_as_they_did(atml: Atml, here: Path) -> None:
    rows = {row["id"]: row for row in read(atml("regions", "small", "--json"))["regions"]}
    assert len(rows) == BOXES
    assert {row["id"] for row in rows.values() if row["status"] == "rejected"} == {REGION}
    assert (rows[REGION]["region"], rows[REGION]["source"]) == ("length = short", "imported")
    assert len(rows[REGION]["trials"]) == DRAWS
    assert rows[REGION]["rejected"].startswith("2026-11-28")
    told = read(atml("regions", "explain", REGION, "--study", "small", "--json"))
    assert [row["trial"] for row in told] == rows[REGION]["trials"]
    assert {row["verdict"] for row in told} == {"fails"}
    assert REGION in atml("regions", "explain", REGION, "--study", "small").stdout
    atml("regions", "export", "small", "--out", "given")
    assert "\nlength = short" in (here / "given" / "avoid.txt").read_text(encoding="utf-8")
    # Its files are good for a new study.
    atml("regions", "import", "given/regions.json", "small")


def test_a_study_is_written_up(atml: Atml, here: Path) -> None:
    for name, says in (("small", FOLDERS[34]), ("shock", "100-87-t0000")):
        atml("report", name, "--no-figures")
        page = (here / "reports" / name / "index.html").read_text(encoding="utf-8")
        assert says in page
        # Its recordings could be opened.
        assert [*(here / "reports" / name / "figures").glob("strip-*.svg")]


def test_models_are_compared_out_of_fold_and_on_test_data(atml: Atml) -> None:
    # One by its folder, one by its study's name.
    done = read(atml("compare", f"exports/small/{FOLDERS[94]}", "small", "--by", "accuracy", "--json"))
    values = {model["trial"]: model["figures"]["F"]["value"] for model in done["models"]}
    assert values == pytest.approx({94: 0.9353, 34: 0.9834}, abs=1e-4)
    (pair,) = done["pairs"]
    assert pair["differences"]["accuracy"]["p"] == pytest.approx(0.125)
    folders = [f"exports/small/{FOLDERS[trial]}" for trial in (34, 94)]
    done = read(atml("compare", *folders, "--data", "afib.npz", "--runs", 0, "--json"))
    assert [model["figures"]["F"]["value"] for model in done["models"]] == pytest.approx(
        [SCORES[34], SCORES[94]]
    )
    assert [model["look"] for model in done["models"]] == [LOOKS["small"] + 1, LOOKS["small"] + 2]


def test_looks_are_counted_on(atml: Atml, here: Path, tmp_path: Path) -> None:
    for count, trial in enumerate((138, 34), LOOKS["small"] + 1):
        folder = here / "exports" / "small" / FOLDERS[trial]
        before = {path.name for path in (folder / "scores").iterdir()}
        done = read(atml("score", folder, "--data", "afib.npz", "--rule", "iesd2024", "--json"))
        assert (done["look"], done["F"]) == (count, pytest.approx(SCORES[trial]))
        assert {path.name for path in (folder / "scores").iterdir()} == before | {f"iesd2024-{count}.json"}
    shock = here / "exports" / "shock" / "100-87-t0000"
    done = read(atml("score", shock, "--data", "defib.npz", "--rule", "aha-aed", "--json"))
    assert done["look"] == LOOKS["shock"] + 1
    assert done["sensitivity"] == pytest.approx(0.84210526) and done["specificity"] == 1.0
    # The detector that was fitted beside it is judged too.
    assert done["baseline"]["balanced_accuracy"] == 1.0
    # A file that travels alone, by another rule.
    shutil.copy(shock / "model.onnx", tmp_path / "alone.onnx")
    alone = ("score", tmp_path / "alone.onnx", "--data", "defib.npz", "--rule", "iccad2022", "--json")
    assert read(atml(*alone))["look"] == LOOKS["shock"] + 2


def test_labels_of_the_built_in_tasks_are_those_of_old_exports(here: Path, tmp_path: Path) -> None:
    # No task files here: what was trained with a person's copy is judged by the labels of the built-in file.
    bare = tmp_path / "bare"
    bare.mkdir()
    for name, folder, rule, before in (
        ("afib", f"small/{FOLDERS[34]}", "iesd2024", LOOKS["small"]),
        ("defib", "shock/100-87-t0000", "aha-aed", LOOKS["shock"]),
    ):
        done = run(
            bare, "score", here / "exports" / folder, "--data", here / f"{name}.npz", "--rule", rule, "--json"
        )
        assert done.returncode == 0, done.stderr
        # This database knows of none, the reports beside the model do.
        assert read(done)["look"] == before + 1


def test_trials_are_trained_again(atml: Atml) -> None:
    # A trial of the search, and a repeat of a finalist.
    for number, recorded, steps in ((34, 1.0, 12), (140, 0.983333, 9)):
        done = read(atml("run", "--trial", number, "small", "--data", "afib.npz", "--json", code=None))
        assert (done["recorded"], done["now"] is None) == (pytest.approx(recorded), False)
        assert len(done["steps"]) == steps
        assert all(step["now"] is not None for step in done["steps"])
        # Another processor or torch may round otherwise, and then it is said.
        assert done["same"] or done["differs"]
        assert done["now"] == pytest.approx(recorded, abs=0.2)


def test_the_best_are_exported_anew(atml: Atml, here: Path) -> None:
    atml("best", "export", "small", "--top", 2, "--out", "again")
    folders = {path.name for path in (here / "again" / "small").iterdir() if not path.name.startswith(".")}
    assert folders == {FOLDERS[34], FOLDERS[138]}
    for name in folders:
        old, new = (
            json.loads((root / "small" / name / "config.json").read_text(encoding="utf-8"))
            for root in (here / "exports", here / "again")
        )
        for key in ("study", "trial", "task", "config", "threshold", "seeds", "folds", "labels_hash"):
            assert new[key] == old[key], key
        assert new["data"]["fingerprint"] == old["data"]["fingerprint"]
    scored = read(atml("score", f"again/small/{FOLDERS[34]}", "--data", "afib.npz", "--json"))
    assert scored["look"] == LOOKS["small"] + 1


def test_a_search_goes_on_to_exactly_its_total(atml: Atml) -> None:
    # The same line again, and never --accept-changes.
    atml(*SEARCH, "--trials", 150)
    row = status(atml)["small"]
    assert (row["finished"], row["running"], row["waiting"]) == (150, 0, 0)
    assert row["best"] is not None and row["best_is"].startswith("winner, ")
    assert row["repeats"] >= SMALL["repeats"]
    rows = {row["id"]: row for row in read(atml("regions", "small", "--json"))["regions"]}
    assert rows[REGION]["status"] == "rejected" and len(rows[REGION]["trials"]) >= DRAWS
    # The first one is who is taken, not who has the highest value by a hair.
    assert read(atml("best", "small", "--json"))[0]["judged"] is not None
    # Whoever joins finds that nothing is left.
    atml("worker", "--study", "small", "--workers", 1)
    assert status(atml)["small"]["finished"] == 150


def test_a_search_goes_on_by_what_its_study_remembers(here: Path) -> None:
    # Objective, window, folds and seed are not said again.
    line = ("search", "--task", "defib", "--data", "defib.npz", "--study", "shock", "--workers", 2)
    done = run(here, *line, "--trials", 16, "--finalists", 2, "--repeats", 2)
    assert done.returncode == 0, done.stderr
    rows = {row["study"]: row for row in read(run(here, "status", "--json"))}
    assert rows["shock"]["finished"] == 16 and rows["shock"]["best_is"].startswith("winner, ")


def test_a_search_on_the_built_in_files_goes_on(here: Path, tmp_path: Path) -> None:
    # The built-in search space is another one today: the study goes on in the one that it began with.
    bare = tmp_path / "bare"
    bare.mkdir()
    for file in ("studies.db", "afib.npz"):
        shutil.copy(here / file, bare)
    line = ("search", "--data", "afib.npz", "--study", "builtin", "--folds", 2, "--workers", 1)
    done = run(bare, *line, "--trials", 1, "--timeout", "1s")
    assert done.returncode == 0, done.stderr
    line_of_it = "study builtin continues in the search space that it began with"
    assert (done.stdout + done.stderr).count(line_of_it) == 1
    # So does whoever joins.
    joined = run(bare, "worker", "--study", "builtin", "--workers", 1, "--timeout", "1s")
    assert joined.returncode == 0 and line_of_it in joined.stdout + joined.stderr, joined.stderr
    again = run(bare, *line, "--trials", 1, "--timeout", "1s")
    assert again.returncode == 0 and line_of_it in again.stdout + again.stderr, again.stderr
    # A study made today is about today's space.
    new = run(bare, "search", "--data", "afib.npz", "--study", "new", "--trials", 1, "--timeout", "1s")
    assert new.returncode == 0 and "began with" not in new.stdout + new.stderr, new.stderr
    both = run(bare, *line, "--trials", 1, "--timeout", "1s", "--space", ROOT / "search_spaces" / "afib.py")
    assert both.returncode == 2 and "another search space" in both.stderr


def test_a_folder_that_was_moved(tmp_path: Path) -> None:
    # None of the paths in its database is there.
    here = tmp_path / "elsewhere"
    shutil.copytree(MADE, here)
    found_dead(here / "studies.db")
    moved(here / "studies.db", tmp_path / "before")
    assert {row["study"] for row in read(run(here, "status", "--json"))} == {"small", "shock", "builtin"}
    again = run(here, "run", "--trial", 0, "shock", "--data", "defib.npz", "--json")
    assert read(again)["recorded"] == pytest.approx(0.98529412)
    # The data lie beside the database, as they did.
    assert run(here, "run", "--trial", 0, "shock").returncode == 0
    (here / "defib.npz").rename(tmp_path / "defib.npz")
    refused = run(here, "run", "--trial", 0, "shock")
    assert refused.returncode == 2 and "--data" in refused.stderr
    done = run(here, *SEARCH, "--trials", 145)
    assert done.returncode == 0, done.stderr
    # What went on here has its files here.
    assert run(here, "regions", "small").returncode == 0


def test_task_files_of_a_person_still_load(here: Path) -> None:
    for task in ("afib", "defib"):
        done = run(here, "tasks", "check", task)
        assert done.returncode == 0, done.stdout
        assert str(here / "objectives" / f"{task}.py") in done.stdout
