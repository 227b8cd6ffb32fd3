"""A search that begins from an earlier study: its finalists' parameters first, nobody of its test set."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from atml.searching.entry_points import search
from atml.searching.plan import prepare
from atml.searching.search_options import Options
from atml.storage import Store
from atml.training.records import ParameterSource
from tests.searching.studies import Run, Space, Told, line


def renamed(source: Path, file: Path, *, like: str = "train", **names: str) -> Path:
    """Write the rows of one split of a set as a set of other people, each called "N-" and its name."""
    with np.load(source) as held:
        rows = held["split"] == like
        x, y, rhythm, who = (held[key][rows] for key in ("x", "y", "rhythm", "subject"))
    subject = np.array([names.get(name, f"N-{name}") for name in who.tolist()])
    noise = np.random.default_rng(3).normal(size=x.shape) * 0.05
    np.savez(file, x=(x + noise).astype(np.float32), y=y, rhythm=rhythm, subject=subject)
    return file


def people(source: Path, split: str) -> list[str]:
    with np.load(source) as held:
        return sorted(set(held["subject"][held["split"] == split].tolist()))


@pytest.fixture(scope="module")
def begun(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study "old" of three trials, two of them finalists, and more data."""
    from tests.searching.conftest import SPACE
    from tests.terminal import run

    folder = tmp_path_factory.mktemp("begun")
    # A DEFAULT that learns little, so that other trials are finalists.
    space = SPACE.replace("STEPS", "60").replace('"learning_rate": 0.005', '"learning_rate": 0.001')
    space = space.replace("1e-4, 1e-2", "1e-3, 1e-2")
    (folder / "space.py").write_text(space, encoding="utf-8")
    shutil.copy(small, folder / "old.npz")
    renamed(small, folder / "new.npz")
    words = line(folder / "old.npz", folder / "space.py", 3, "--unqualified")
    done = run(folder, *["old" if word == "s" else word for word in words])
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def here(begun: Path, tmp_path: Path) -> Path:
    return shutil.copytree(begun, tmp_path, dirs_exist_ok=True)


def again(folder: Path, trials: int, *more: object) -> list[object]:
    """The command that searches on old and new data together, as study "s"."""
    words = line(folder / "old.npz", folder / "space.py", trials, "--data", folder / "new.npz", *more)
    return [*words, "--unqualified"]


def test_finalists_are_tried_first_and_trained_anew(atml: Run, here: Path) -> None:
    store = Store(f"sqlite:///{here / 'studies.db'}")
    finalists = store.facts("old")["pick"]["order"]
    before = {t.number: t.params for t in store.trials("old")}
    earlier = [n for n in finalists if before[n] != before[0]]
    assert earlier, "at least one finalist is not DEFAULT"
    done = atml(*again(here, 2, "--from", "old"))
    assert done.returncode == 0, done.stderr
    word = "trial" if len(earlier) == 1 else "trials"
    assert f"of study 'old' ({word} {' and '.join(map(str, earlier))}), searched on old" in done.stdout
    found = [t for t in store.trials("s") if t.role == "search"]
    assert [t.origin for t in found] == ["default", "earlier"]
    assert found[1].params == before[earlier[0]]
    # Resumed without --from: what is left of them, then the search as ever.
    done = atml(*again(here, 4))
    assert done.returncode == 0, done.stderr
    found = [t for t in store.trials("s") if t.role == "search"]
    assert [t.origin for t in found].count("earlier") == len(earlier)
    assert all(t.value != before.get(t.number) for t in found)
    spec = store.spec("s")
    assert spec is not None and spec["from"]["study"] == "old"
    assert [one["trial"] for one in spec["from"]["given"]] == earlier
    assert [one["people"] for one in spec["frozen"]] == [people(here / "old.npz", "test")]
    assert atml(*again(here, 4, "--from", "old")).returncode == 0, "the same command continues"
    store.close()

    said = atml("status").stdout
    assert "s began with the parameters of" in said and "of study 'old'" in said
    rows = {row["study"]: row for row in json.loads(atml("status", "--json").stdout)}
    assert rows["s"]["from"] == "old" and rows["old"]["from"] is None
    assert atml("report", "s", "--no-figures").returncode == 0
    page = (here / "reports" / "s" / "index.html").read_text(encoding="utf-8")
    assert "with the parameters of" in page and "Began with the parameters of" in page
    assert "4 subjects, the test split of old, data of study" in page
    done = atml("best", "export", "s", "--trial", 1, "--unqualified")
    if done.returncode == 2:
        done = atml("best", "export", "s", "--top", 4, "--unqualified")
    assert done.returncode == 0, done.stderr
    (folder,) = (here / "exports" / "s").glob("*-t0001")
    text = f"those of trial {earlier[0]}, finalist of study 'old' on old, trained anew"
    assert f"Its parameters are {text}." in (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert json.loads((folder / "config.json").read_text())["parameters_from"] == text


def test_nobody_of_a_frozen_test_set_is_trained_on(atml: Run, here: Path, small: Path) -> None:
    kept = people(small, "test")
    trained = people(small, "train")
    renamed(small, here / "new.npz", **{trained[0]: kept[1], trained[1]: kept[0]})
    done = atml(*again(here, 2, "--from", "old"))
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert (
        f"2 people of a frozen test set would be trained on: new/{kept[0]}, new/{kept[1]} (the test split of"
        " old, data of study 'old')"
    ) in done.stderr
    # Without --from the set is named; a set without splits is a test set as a whole.
    renamed(small, here / "frozen.npz", like="test", **{kept[0]: kept[0]})
    words = again(here, 2, "--test", here / "frozen.npz")
    done = atml(*words)
    assert done.returncode == 2 and f"trained on: new/{kept[0]} (--test frozen);" in done.stderr
    assert Store(f"sqlite:///{here / 'studies.db'}").studies() == ["old"], "nothing was written"


def test_whom_the_earlier_study_held_out_stays_apart(
    here: Path, small: Path, space: Space, tmp_path: Path
) -> None:
    bare = renamed(small, here / "bare.npz")
    url = f"sqlite:///{here / 'studies.db'}"
    held = f"N-{people(small, 'train')[0]},N-{people(small, 'train')[1]}"
    common = {"storage": url, "space": space(), "trials": 2, "folds": 3}
    prepare(Options(study="bare", data=(bare,), hold_out=held, **common), lambda line: None).store.close()
    more = renamed(small, here / "more.npz", like="test")
    told = Told()
    plan = prepare(Options(study="t", data=(bare, more), start="bare", **common), told.say)
    assert plan.origin.held_out == tuple(f"bare/{name}" for name in held.split(","))
    assert not set(plan.dataset.subject) & set(plan.origin.held_out)
    assert plan.start is not None and plan.start.given == ()
    assert any("neither finalists nor a trial over every fold: DEFAULT alone" in line for line in told.lines)
    plan.store.close()
    # Held out further people: they come to those.
    extra = f"more/N-{people(small, 'test')[0]},more/N-{people(small, 'test')[1]}"
    options = Options(study="u", data=(bare, more), start="bare", hold_out=extra, **common)
    plan = prepare(options, told.say)
    assert set(plan.origin.held_out) == {*(f"bare/{one}" for one in held.split(",")), *extra.split(",")}
    plan.store.close()
    assert prepare(Options(study="u", data=(bare, more), **common), told.say).start is not None
    # The same person under the new set's name would be trained on.
    with np.load(more) as arrays:
        changed = {**arrays, "subject": np.where(np.arange(len(arrays["y"])) < 8, held.split(",")[0], "Z")}
    np.savez(more, **changed)
    with pytest.raises(Exception, match=r"more/N-.* \(held out of study 'bare'\)"):
        prepare(Options(study="v", data=(bare, more), start="bare", **common), told.say)


def test_people_who_were_scored_before_are_said(here: Path) -> None:
    store = Store(f"sqlite:///{here / 'studies.db'}")
    told = Told()
    common = {
        "storage": f"sqlite:///{here / 'studies.db'}", "space": here / "space.py", "folds": 3, "trials": 2,
        "data": (here / "old.npz", here / "new.npz"), "start": "old",
    }  # fmt: skip
    prepare(Options(study="a", **common), told.say).store.close()
    assert not any("test nothing any more" in line for line in told.lines)
    store.record(data_fingerprint="f", export_sha256="e", rule="r", result={}, subjects={"new": ["N-train1"]})
    prepare(Options(study="b", **common), told.say).store.close()
    assert any("had part in 1 evaluation of models" in line for line in told.lines)
    store.close()


def test_parameters_of_another_space_are_dropped_or_left_out(here: Path, tmp_path: Path) -> None:
    text = (here / "space.py").read_text(encoding="utf-8")
    url = f"sqlite:///{here / 'studies.db'}"

    def told(*changes: tuple[str, str]) -> tuple[list[str], list[dict[str, object]]]:
        path, changed = here / "other.py", text
        for change in changes:
            assert change[0] in changed
            changed = changed.replace(*change)
        path.write_text(changed, encoding="utf-8")
        kept = Told()
        options = Options(
            study=f"x{len(list(here.glob('*.done')))}", storage=url, space=path, start="old", trials=2,
            data=(here / "old.npz", here / "new.npz"), folds=3,
        )  # fmt: skip
        (here / f"{options.study}.done").touch()
        plan = prepare(options, kept.say)
        plan.store.close()
        assert plan.start is not None
        return kept.lines, [dict(one.params) for one in plan.start.given]

    lines, given = told(('width = trial.suggest_int("width", 4, 12, step=4)', "width = 8"))
    assert given and all(set(params) == {"learning_rate"} for params in given)
    assert any("width is no longer in the search space, and dropped" in line for line in lines)
    more = 'steps=trial.suggest_int("steps", 40, 80), batch=32'
    lines, given = told(("steps=60, batch=32", more), ("DEFAULT = {", 'DEFAULT = {"steps": 70, '))
    assert given and all(params["steps"] == 70 for params in given)
    assert any("steps is new in the search space, and as in DEFAULT" in line for line in lines)
    lines, given = told(("1e-3, 1e-2", "1e-3, 1.1e-3"))
    assert given == [], lines
    assert any("left out: learning_rate is" in line and "outside 0.001 to 0.0011" in line for line in lines)
    assert any("with DEFAULT alone" in line for line in lines)


def test_what_can_not_be_begun_from_is_refused_in_a_line(atml: Run, here: Path) -> None:
    for more, says in (
        (("--from", "none"), "--from none: no such study in studies.db; there are: old"),
        (("--from", "old", "--task", "defib"), "--from old: that study is of task afib, not defib"),
        (("--from", "s"), "no such study"),
        (("--test", here / "gone"), "gone"),
    ):
        words = again(here, 2, *more)
        done = atml(*words)
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and says in done.stderr, done.stderr
    words = [word if word != "s" else "old" for word in again(here, 2, "--from", "old")]
    done = atml(*words)
    assert done.returncode == 2 and "study" in done.stderr and done.stderr.count("\n") == 1, done.stderr
    done = atml("search", "--from", "old", "--storage", f"sqlite:///{here / 'other.db'}")
    assert done.returncode == 2 and "there is none" in done.stderr
    assert not (here / "other.db").exists()


def test_where_the_earlier_data_are_gone_the_frozen_set_is_named(atml: Run, here: Path, small: Path) -> None:
    store = Store(f"sqlite:///{here / 'studies.db'}")
    spec = store.spec("old")
    assert spec is not None
    store.study("old", {**spec, "data": [str(here / "gone.npz")]})
    done = atml(*again(here, 1, "--from", "old"))
    assert done.returncode == 2 and "name that set with --test" in done.stderr, done.stderr
    assert "who is in the test split of study 'old' is not known" in done.stderr
    done = atml(*again(here, 1, "--from", "old", "--test", here / "old.npz"))
    assert done.returncode == 0, done.stderr
    kept = (store.spec("s") or {})["frozen"]
    assert [one["what"] for one in kept] == ["--test old"] and kept[0]["people"] == people(small, "test")
    store.close()


def test_a_study_without_finalists_gives_its_best_trials(here: Path, space: Space) -> None:
    url = f"sqlite:///{here / 'studies.db'}"
    store = Store(url)
    study = store.study("old")
    study.set_user_attr("pick", None)
    study.set_user_attr("judged", {})
    told = Told()
    options = Options(
        study="y", storage=url, space=here / "space.py", start="old", trials=2, workers=1, folds=3,
        data=(here / "old.npz", here / "new.npz"), finalists=1, repeats=1, unqualified=True, out=here / "e",
    )  # fmt: skip
    plan = prepare(options, told.say)
    assert plan.start is not None and plan.start.kind == "best trial"
    assert any(
        "has no finalists yet: its" in line and "best trial" in line and "taken" in line
        for line in told.lines
    )
    assert plan.queued[1][0] == ParameterSource.EARLIER
    plan.store.close()
    store.close()
    assert search(options)["trials"] == 2
    import atml

    result = atml.search(
        "afib", here / "old.npz", trials=1, study="z", storage=url, space=here / "space.py", folds=3,
        from_study="old", finalists=1, repeats=1, longer=1, out=here / "e", workers=1, progress=False,
        unqualified=True,
    )  # fmt: skip
    assert Store(url).spec("z")["from"]["study"] == "old" and len(result.trials)  # type: ignore[index]
