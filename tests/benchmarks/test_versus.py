"""`benchmarks/versus.py` in small: replayed on the table that is here, and for real on synthetic ECG."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import optuna
import pytest
import torch

from atml import task_files
from atml.errors import DataError
from tests.tiny import REPO, folder

BENCHMARKS = REPO / "benchmarks"
TABLE = BENCHMARKS / "tables" / "afib_iesd2024.jsonl"


@pytest.fixture(scope="module")
def modules() -> dict[str, ModuleType]:
    """Import the benchmark and its sides; it stands in a folder of programs."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        return {name: importlib.import_module(name) for name in ("versus", "versus_sides")}
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.fixture
def sides(modules: dict[str, ModuleType]) -> ModuleType:
    return modules["versus_sides"]


@pytest.fixture
def versus(
    modules: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., str]]:
    """Run the benchmark in a folder, in this process, and return what it prints.

    Each training takes a fortieth of a second by the clock that it reads: a search of one second has forty
    trials on any machine, also on one that is too busy to train so many.
    """
    threads, ticks = torch.get_num_threads(), itertools.count()
    clock = SimpleNamespace(process_time=lambda: next(ticks) / 40)
    monkeypatch.setattr(sys.modules["versus_real"], "time", clock)

    def run(where: Path, *arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["versus.py", *map(str, arguments)])
        monkeypatch.syspath_prepend(str(BENCHMARKS))  # where the processes of a pool look too
        capfd.readouterr()
        with contextlib.chdir(where):
            modules["versus"].main()
        return capfd.readouterr().out

    yield run
    torch.set_num_threads(threads)


def rows(printed: str, title: str) -> dict[str, list[str]]:
    """Read one table, by the first cell of a row; ``title`` is the beginning of its first column's name."""
    lines = printed.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith(f"| {title}"))
    found = {}
    for line in lines[first + 2 :]:
        if not line.startswith("|"):
            break
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        found[name] = cells
    return found


def test_the_median_of_five_is_the_third(sides: ModuleType) -> None:
    assert sides.quartiles([5, 1, 4, 2, 3]) == "3.00 (2.00 to 4.00)"
    assert sides.quartiles([0.05, 0.08, 0.3, 1.38, math.inf]) == "0.30 (0.08 to 1.38)"
    assert sides.quartiles([1, 2, math.inf]) == "2.00 (1.00 to never)"
    assert sides.quartiles([0.25, -math.inf], 1) == "- (- to 0.2)"


def test_a_replay_sets_every_side_against_the_first(versus: Callable[..., str], tmp_path: Path) -> None:
    printed = versus(tmp_path, "--replay", TABLE, "--seeds", 1, "--seconds", 250)
    assert "The table has no AUC" in printed
    ratios = rows(printed, "seconds to plain's best")
    assert list(ratios) == [
        "plain TPE", "TPE, median pruner", "random", "atml, former schedule", "atml",
    ]  # fmt: skip
    assert ratios["plain TPE"] == ["1.00 (1.00 to 1.00)", "0%", "1.00 (1.00 to 1.00)", "0%"]
    trials = rows(printed, " ")
    assert all(int(cells[0]) > 0 for cells in trials.values())
    again = versus(tmp_path, "--replay", TABLE, "--seeds", 1, "--seconds", 250)
    assert again == printed, "one seed, one replay"


def test_an_unknown_side_is_refused(tmp_path: Path) -> None:
    line = [sys.executable, BENCHMARKS / "versus.py", "--replay", TABLE, "--sides", "plain,hyperband"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1 and done.stderr.startswith("no side 'hyperband': plain, median")


def test_for_real_picks_are_judged_on_people_that_no_search_saw(
    versus: Callable[..., str], tmp_path: Path
) -> None:
    here = folder(tmp_path / "here", steps=10)
    with np.load(here / "data.npz") as kept:
        arrays = dict(kept)
    np.savez(here / "abroad.npz", **{**arrays, "subject": np.char.add("other ", arrays["subject"])})
    printed = versus(
        here, "--data", "data.npz", "--outside", "abroad.npz", "--nested", 2, "--folds", 2, "--seeds", 1,
        "--repeats", 1, "--seconds", 1, "--sides", "plain,atml", "--out", "searches.jsonl",
    )  # fmt: skip
    every = [json.loads(line) for line in (here / "searches.jsonl").read_text().splitlines()]
    kept_lines = [line for line in every if line["side"] != "DEFAULT, no search"]
    assert len(every) == len(kept_lines) + 2
    assert [(line["part"], line["side"]) for line in kept_lines] == [
        (0, "plain"), (0, "atml"), (1, "plain"), (1, "atml"),
    ]  # fmt: skip
    held_out = [set(line["outside"]["data.npz, people held out"]) for line in kept_lines[::2]]
    people = {f"S{i}" for i in range(9)}
    assert not held_out[0] & held_out[1] and held_out[0] | held_out[1] == people
    assert set(kept_lines[0]["outside"]["abroad.npz"]) == {f"other S{i}" for i in range(9)}
    assert all(trial[2] <= 1 for line in kept_lines for trial in line["trials"])
    outside = [line for line in printed.splitlines() if line.startswith(("| data.npz", "| abroad.npz"))]
    assert len(outside) == 4 and all("of 9" in line for line in outside), printed
    fresh = rows(printed, "out of fold on fresh seeds")
    assert set(fresh) == {"plain TPE", "atml", "DEFAULT, no search"}
    again = versus(here, "--read", "searches.jsonl")
    assert again.strip() and again.strip() in printed, "the tables are those of the lines that were kept"


def test_earlier_picks_are_tried_first_and_searches_run_at_once(
    versus: Callable[..., str], sides: ModuleType, tmp_path: Path
) -> None:
    here = folder(tmp_path / "here", steps=10)
    # Those that run at once have clocks of their own, and what they load takes a second.
    line = ("--data", "data.npz", "--folds", 2, "--repeats", 1, "--seconds", 3)
    versus(here, *line, "--sides", "atml", "--seeds", 1, "--out", "first.jsonl")
    printed = versus(
        here, *line, "--sides", "memory", "--seeds", 2, "--memory", "first.jsonl", "--processes", 2,
        "--out", "second.jsonl",
    )  # fmt: skip
    kept = [json.loads(line) for line in (here / "second.jsonl").read_text().splitlines()]
    assert sorted((one["side"], one["seed"]) for one in kept) == [
        ("DEFAULT, no search", 0), ("memory", 0), ("memory", 1),
    ]  # fmt: skip
    assert "atml, earlier picks first" in rows(printed, "out of fold on fresh seeds")
    pick = next(
        one["pick"]
        for one in map(json.loads, (here / "first.jsonl").read_text().splitlines())
        if one["side"] == "atml"
    )
    definition = task_files.find("afib")
    asked = sides.Side(sides.SIDES["memory"], definition, 0, memory=[pick]).study
    assert [asked.ask().params for _ in range(2)] == [{}, {}]
    queued = [trial.system_attrs["fixed_params"] for trial in asked.get_trials()]
    assert queued == [dict(definition.default), pick]
    with pytest.raises(SystemExit, match="side 'memory' needs --memory FILE"):
        versus(here, *line, "--sides", "memory")


def test_each_of_several_sets_is_left_out_of_one_search(tmp_path: Path, versus: Callable[..., str]) -> None:
    here = folder(tmp_path / "here")
    with np.load(here / "data.npz") as kept:
        arrays = dict(kept)
    np.savez(here / "abroad.npz", **{**arrays, "subject": np.char.add("X", arrays["subject"])})
    line = ("--data", "data.npz", "abroad.npz", "--leave-out", "--folds", 2, "--seeds", 1, "--repeats", 1)
    printed = versus(here, *line, "--seconds", 1, "--sides", "random", "--out", "searches.jsonl")
    every = [json.loads(line) for line in (here / "searches.jsonl").read_text().splitlines()]
    kept_lines = [line for line in every if line["side"] == "random"]
    people = {"abroad": {f"abroad/XS{i}" for i in range(9)}, "data": {f"data/S{i}" for i in range(9)}}
    for at, name in enumerate(("abroad", "data")):
        assert set(kept_lines[at]["outside"]) == {f"{name}, left out"}
        assert set(kept_lines[at]["outside"][f"{name}, left out"]) == people[name]
    outside = [line for line in printed.splitlines() if ", left out" in line]
    assert len(outside) == 2 and all("of 9" in line for line in outside)
    with pytest.raises(DataError, match="data is one: add another --data"):
        versus(here, "--data", "data.npz", "--leave-out", "--seconds", 1)


def test_a_pick_is_the_best_whole_trial_so_far(sides: ModuleType) -> None:
    course = sides.Course("x", 10.0)
    for number, (value, worth, at, learned) in enumerate(
        [(0.5, 0.4, 1.0, True), (-math.inf, 0.0, 2.0, False), (0.7, 0.3, 4.0, True), (0.6, 0.9, 5.0, True)]
    ):
        course.trials.append(sides.Ending(number, {}, value, worth, at, 1.0, learned))
    assert [pick.number for pick in course.picks()] == [0, 2]
    assert course.pick(0.5) is None and course.pick(3.9).number == 0 and course.pick(10.0).number == 2
    assert course.until("value", 0.6) == 4.0 and course.until("value", 0.8) == math.inf
    assert course.until("worth", 0.4) == 1.0
    assert course.learned == 0.75 and course.wasted == 1.0


@pytest.mark.parametrize("name", ["plain", "atml"])
def test_no_side_picks_a_training_that_diverged_or_ended_early(sides: ModuleType, name: str) -> None:
    """At defib's default objective most configs are below 0, the value that a diverged training is given."""
    ends = [
        {"value": -3.0, "whole": True, "broken": {}},
        {"value": 0.0, "whole": False, "broken": {"diverged": 1.0}},
        {"value": -1.0, "whole": False, "broken": {"constant": 1.0}},
        {"value": -2.0, "whole": True, "broken": {}},
    ]
    given = iter(ends)

    def train(*_: object) -> object:
        return sides.Trained(seconds=1.0, learned=True, **next(given))

    course = sides.Side(sides.SIDES[name], task_files.find("defib"), 0).search(train, float(len(ends)))
    assert [trial.value for trial in course.trials] == [-3.0, -math.inf, -math.inf, -2.0]
    assert [pick.number for pick in course.picks()] == [course.trials[0].number, course.trials[3].number]


def test_finalists_are_chosen_by_fresh_seeds_alone(sides: ModuleType) -> None:
    """The trial with the best value was lucky: it is worth less than any other."""
    worth: dict[str, float] = {}

    def train(params: dict[str, object], *_: object) -> object:
        key, number = json.dumps(params, sort_keys=True), len(worth)
        lucky = key not in worth and number == 2
        worth.setdefault(key, 0.3 if lucky else 0.5 + 0.01 * number)
        value = 0.99 if lucky else worth[key]
        return sides.Trained(value=value, seconds=1.0, whole=True, broken={}, learned=True)

    course = sides.Side(sides.SIDES["finalists"], task_files.find("afib"), 0).search(train, 20.0)
    assert [trial.at for trial in course.trials] == [float(i + 1) for i in range(15)], "three quarters of 20"
    assert course.pick(15.0).number == course.trials[2].number and course.pick(15.0).value == 0.99
    assert course.pick(20.0).number == course.trials[14].number
    assert course.pick(20.0).value == pytest.approx(0.64) and course.pick(20.0).at == 20.0
    short = sides.Side(sides.SIDES["finalists"], task_files.find("afib"), 0)
    worth.clear()
    assert short.search(train, 4.0).chosen is None, "no time for a round"


def test_quartiles_are_values_that_occurred(sides: ModuleType) -> None:
    assert sides.quartiles([0.5, 1.0, math.inf, math.inf]) == "1.00 (0.50 to never)"
    assert sides.quartiles([-math.inf, 0.5, 0.5]) == "0.50 (- to 0.50)"


def test_a_table_with_two_trainings_of_each_config_knows_their_noise(tmp_path: Path) -> None:
    """Whole and read back: what `record.py` keeps, and that no forest is asked about a config that it saw."""
    rows, first = [], {"about": {"task": "afib", "data": "x.npz", "folds": 2, "share": 1.0, "seed": 0}}
    random = np.random.default_rng(0)
    for number in range(20):
        asked = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=number)).ask()
        task_files.find("afib").suggest(asked)
        value = random.uniform()
        for again in (0, 1):
            at = round(value + (0.02 if again else -0.02), 4)
            steps = [[step, at, 1.0 + step, 0.9, 0.5, 0.3] for step in range(8)]
            rows.append({"number": number, "seed": again, "params": asked.params, "constraints": {},
                         "steps": steps, "value": at, "metrics": dict.fromkeys("abcd", 0.9),
                         "subjects": "ff00"})  # fmt: skip
    path = tmp_path / "table.jsonl"
    space = REPO / "search_spaces" / "afib.py"
    path.write_text("\n".join(map(json.dumps, [first, *rows])) + "\n")
    sys.path.insert(0, str(BENCHMARKS))
    try:
        table = importlib.import_module("table").from_file(path, space)
    finally:
        sys.path.remove(str(BENCHMARKS))
    assert table.trainings == 2 and len(table.records) == 40
    assert table.noise == pytest.approx(0.02 * math.sqrt(2), abs=1e-3)
    assert table.known < 0.3, "values are random, and the other training of a config must not tell them"
    assert table.records[0].points[0] == (0.9, 0.5)
