from __future__ import annotations

import functools
import random
from pathlib import Path

import pytest

from atml import models, task_files
from atml.data.formats.statements import CODES, decide
from atml.errors import TaskFileError
from atml.regions import Draft
from atml.regions.space import Axis
from atml.searching.samplers.parameters import from_params, within
from atml.searching.study_spec import definition_of, earlier_space
from atml.task_files import builtin
from atml.task_files.loading import hash_of_file

EARLIER = sorted((builtin.folder("search_spaces") / builtin.EARLIER).glob("*.py"))


def test_earlier_spaces_are_no_tasks(tmp_path: Path) -> None:
    signals = {"afib", "beats", "beats_2lead", "defib", "iccad", "rhythm"}
    assert set(task_files.names(tmp_path)) == {*signals, "pages", "paper"}
    assert {path.stem for path in EARLIER} >= {"afib_1", "defib_1", "rhythm_1"}


@pytest.mark.parametrize("path", EARLIER, ids=lambda path: path.stem)
def test_an_earlier_space_is_found_by_its_hash_and_still_builds_its_default(path: Path) -> None:
    task = path.stem.rpartition("_")[0]
    code_hash = hash_of_file(path)
    assert code_hash is not None
    assert builtin.earlier_space(task, code_hash) == path
    definition = task_files.find(task, space=path)
    assert definition.space_hash == code_hash and definition.notes() == ()
    from_params(definition.suggest, definition.default)


def test_only_the_built_in_space_gives_way_to_an_earlier_one(tmp_path: Path) -> None:
    today = task_files.find("afib", cwd=tmp_path)
    former = hash_of_file(EARLIER[0])
    assert EARLIER[0].stem == "afib_1"
    assert earlier_space({"task": "afib", "space": former}, today.space_path) == EARLIER[0]
    assert earlier_space({"task": "afib", "space": today.space_hash}, today.space_path) is None
    assert earlier_space({"task": "afib", "space": "0" * 16}, today.space_path) is None
    own = tmp_path / "afib.py"
    own.write_text("DEFAULT = {}\n", encoding="utf-8")
    assert earlier_space({"task": "afib", "space": former}, own) is None


def test_whatever_opens_a_study_gets_the_space_that_it_began_with(tmp_path: Path) -> None:
    today = task_files.find("afib", cwd=tmp_path)
    spec = {"task": "afib", "space": hash_of_file(EARLIER[0]), "objective_name": ""}
    # Reports, regions, exports and reruns of a study all load its task by this.
    for place in (today.space_path, tmp_path / "an environment that is gone" / "afib.py"):
        found = definition_of(spec, place, today.objective_path)
        assert (found.space_path, found.space_hash) == (EARLIER[0], spec["space"])
    own = tmp_path / "afib.py"
    own.write_text(today.space_path.read_text(encoding="utf-8"), encoding="utf-8")
    assert definition_of(spec, own, today.objective_path).space_path == own


@pytest.mark.parametrize("task", ["afib", "beats", "beats_2lead", "defib", "iccad", "rhythm"])
def test_what_a_built_in_space_names_lies_in_it(task: str) -> None:
    definition = task_files.find(task)
    for params in (definition.default, *definition.portfolio):
        within(definition.suggest, params)
        cost = models.cost(from_params(definition.suggest, params), definition.task)
        assert not definition.budget.broken(cost, frozenset())
    with pytest.raises(TaskFileError, match=r"dropout is 7.0, outside 0.[01] to 0.[35]"):
        within(definition.suggest, {**definition.default, "dropout": 7.0})


@pytest.mark.parametrize("task", ["afib", "beats", "beats_2lead", "defib", "iccad", "rhythm"])
def test_every_kind_of_network_can_be_drawn(task: str) -> None:
    definition = task_files.find(task)
    drawn = [
        definition.suggest(Draft(functools.partial(Axis.draw, rng=random.Random(seed))))
        for seed in range(300)
    ]
    assert {(bool(c.channels), c.cell) for c in drawn} == {
        *((True, cell) for cell in ("none", "lstm", "gru")),
        *((False, cell) for cell in ("lstm", "gru")),
    }
    assert all(c.init == "data" for c in drawn if c.channels and c.norm == "none")
    assert all(c.optimizer != "sgd" for c in drawn if not c.channels)
    assert all(c.patch > 1 for c in drawn if not c.channels and c.normalise != "rr")


def test_every_rhythm_of_a_statement_is_af_or_other_or_left_out_by_name(tmp_path: Path) -> None:
    label = task_files.find("afib", cwd=tmp_path).label
    rhythms = [(code, statement) for code, (known, _) in CODES.items() for statement in known]
    called = {one: decide([one[1]], label, one[0]) for one in rhythms}
    assert len(called) > 50
    assert {name for name in called.values() if label(name) == 1} <= {"AFIB", "AF"}
    # Flutter, what may be fibrillation, and what concerns defibrillators: no list has them.
    left_out = {name for name in called.values() if label(name) is None}
    assert left_out == {"AFL", "AFAFL", "SVARR", "BTS", "VT", "VF"}
    assert label(called["Chapman", "AF"]) is None  # flutter there
    assert (label(called["SCP-ECG", "STACH"]), label(called["Chapman", "AFIB"])) == (0, 1)
