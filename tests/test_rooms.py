from __future__ import annotations

from pathlib import Path

import pytest

from atml import conformance, rooms, tables
from atml.errors import RoomError
from atml.sampler import from_params
from atml.types import ModelConfig

SPACE = """
from __future__ import annotations
from dataclasses import dataclass
from atml import ModelConfig

@dataclass
class Width:
    value: int = 4

DEFAULT = {"width": 4}

def suggest(trial):
    width = Width(trial.suggest_int("width", 4, 8))
    return ModelConfig(channels=(width.value,), kernels=(5,), strides=(2,))
"""


def objective() -> str:
    return (Path(__file__).parent.parent / "objectives" / "afib.py").read_text(encoding="utf-8")


def make(cwd: Path, name: str = "mine", space: str = SPACE, judge: str | None = None) -> None:
    judge = (judge or objective()).replace('name="afib"', f'name="{name}"')
    for folder, text in (("search_spaces", space), ("objectives", judge)):
        (cwd / folder).mkdir(exist_ok=True)
        (cwd / folder / f"{name}.py").write_text(text, encoding="utf-8")


def test_the_built_in_task_is_found_anywhere(tmp_path: Path) -> None:
    room = rooms.find("afib", cwd=tmp_path)
    assert room.task.window == 1250
    assert room.notes() == ()


def test_a_file_in_the_working_directory_comes_first_and_says_so(tmp_path: Path) -> None:
    make(tmp_path, "afib")
    room = rooms.find("afib", cwd=tmp_path)
    assert room.space_path == tmp_path / "search_spaces" / "afib.py"
    assert len(room.notes()) == 2
    assert "stands in for the built-in search_spaces/afib.py" in room.notes()[0]


def test_a_users_own_task_with_a_dataclass_under_future_annotations(tmp_path: Path) -> None:
    make(tmp_path)
    room = rooms.find("mine", cwd=tmp_path)
    assert isinstance(from_params(room.suggest, room.default), ModelConfig)
    assert "mine" in rooms.names(tmp_path)


def test_the_hash_is_of_the_code_not_of_its_comments(tmp_path: Path) -> None:
    make(tmp_path)
    before = rooms.find("mine", cwd=tmp_path).space_hash
    make(tmp_path, space="# a remark\n" + SPACE)
    assert rooms.find("mine", cwd=tmp_path).space_hash == before
    make(tmp_path, space=SPACE.replace('"width", 4, 8', '"width", 4, 9'))
    assert rooms.find("mine", cwd=tmp_path).space_hash != before


@pytest.mark.parametrize(
    ("space", "says"),
    [
        ("DEFAULT = {}\n1/0\n", "line 2 raises ZeroDivisionError"),
        ("def suggest(trial:\n", "line 1"),
        ("def suggest(trial): ...\n", "has no DEFAULT"),
        ("DEFAULT = 3\ndef suggest(trial): ...\n", "DEFAULT is 3, not a mapping"),
    ],
)
def test_a_broken_space_is_one_line_that_names_the_file(tmp_path: Path, space: str, says: str) -> None:
    make(tmp_path, space=space)
    with pytest.raises(RoomError) as caught:
        rooms.find("mine", cwd=tmp_path)
    assert says in str(caught.value)
    assert "mine.py" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_suggest_that_raises_or_returns_nonsense(tmp_path: Path) -> None:
    make(tmp_path, space='DEFAULT = {}\ndef suggest(trial):\n    return {}["depth"]\n')
    room = rooms.find("mine", cwd=tmp_path)
    with pytest.raises(RoomError, match=r"mine\.py, line 3: suggest\(\) raises KeyError"):
        room.suggest(None)
    make(tmp_path, space="DEFAULT = {}\ndef suggest(trial):\n    return 7\n")
    with pytest.raises(RoomError, match=r"suggest\(\) returns 7, not a ModelConfig"):
        rooms.find("mine", cwd=tmp_path).suggest(None)


def test_unknown_and_half_tasks(tmp_path: Path) -> None:
    with pytest.raises(RoomError, match="no task called 'afibb'; known: afib"):
        rooms.find("afibb", cwd=tmp_path)
    make(tmp_path)
    (tmp_path / "objectives" / "mine.py").unlink()
    with pytest.raises(RoomError, match=r"no objectives/mine\.py"):
        rooms.find("mine", cwd=tmp_path)
    with pytest.raises(RoomError, match=r"gone\.py is not a file"):
        rooms.find("afib", space=tmp_path / "gone.py", cwd=tmp_path)


def test_an_objective_must_carry_the_name_of_its_task(tmp_path: Path) -> None:
    make(tmp_path)
    other = tmp_path / "objectives" / "mine.py"
    other.write_text(objective(), encoding="utf-8")
    says = r"objectives/mine\.py: TASK\.name is 'afib'; call it 'mine'"
    with pytest.raises(RoomError, match=says):
        rooms.find("mine", cwd=tmp_path)
    assert rooms.find("afib", objective=other, cwd=tmp_path).objective_path == other
    make(tmp_path)
    with pytest.raises(RoomError, match=r"TASK\.name is 'mine'; call it 'afib'"):
        rooms.find("afib", objective=other, cwd=tmp_path)


def test_a_broken_task_does_not_break_the_listing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, space="1/0")
    monkeypatch.chdir(tmp_path)
    rows = {row["task"]: row for row in tables.tasks()}
    assert rows["afib"]["notes"] == [] and rows["afib"]["seconds"] == 5.0
    (note,) = rows["mine"]["notes"]
    assert "mine.py, line 1 raises ZeroDivisionError" in note and rows["mine"]["seconds"] is None
    tables.tasks_table(list(rows.values()))


@pytest.mark.parametrize("name", rooms.names())
def test_every_built_in_task_conforms(name: str, tmp_path: Path) -> None:
    checks = list(conformance.check(name, cwd=tmp_path))
    assert len(checks) >= 6
    assert [check for check in checks if not check.ok] == []


def test_a_task_that_does_not_conform_is_told_so(tmp_path: Path) -> None:
    upside_down = objective().replace("return f_beta -", "return -f_beta -")
    make(tmp_path, space=SPACE.replace("(5,)", "(5, 7)"), judge=upside_down)
    failed = {check.what for check in conformance.check("mine", cwd=tmp_path) if not check.ok}
    assert "DEFAULT builds, runs and matches in ONNX" in failed
    assert "each objective prefers right answers to wrong ones" in failed


def test_a_window_is_chosen_where_the_task_lets_one(tmp_path: Path) -> None:
    assert rooms.find("defib", cwd=tmp_path).task.seconds == 4.0
    room = rooms.find("defib", window=1.5, cwd=tmp_path)
    assert (room.task.window, room.usual_window) == (375, 1000)
    with pytest.raises(RoomError, match="--window 9: task 'defib' takes 1 to 8 s"):
        rooms.find("defib", window=9, cwd=tmp_path)
    with pytest.raises(RoomError, match="task 'afib' has a window of 5 s and no other"):
        rooms.find("afib", window=4, cwd=tmp_path)
    assert rooms.find("afib", window=5, cwd=tmp_path).task.window == 1250


def test_an_objective_is_chosen_by_name_or_file_or_both(tmp_path: Path) -> None:
    usual = rooms.find("defib", cwd=tmp_path)
    assert usual.objective_name == "aed" and "AED goals" in usual.value_name
    other = rooms.find("defib", objective="balanced", cwd=tmp_path)
    assert other.value_name.startswith("balanced accuracy") and other.objective_hash == usual.objective_hash
    again = rooms.find("defib", objective=other.objective, cwd=tmp_path)
    assert (again.objective_path, again.objective_name) == (other.objective_path, "balanced")
    with pytest.raises(RoomError, match=r"no objective 'best' .* it offers aed, balanced, f_beta"):
        rooms.find("defib", objective="best", cwd=tmp_path)
    with pytest.raises(RoomError, match=r"no objective 'balanced' .* it offers value alone"):
        rooms.find("afib", objective="balanced", cwd=tmp_path)
    with pytest.raises(RoomError, match=r"gone\.py is not a file"):
        rooms.find("defib", objective="gone.py:balanced", cwd=tmp_path)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("OBJECTIVES = [value]", "OBJECTIVES is .* not a mapping"),
        ("OBJECTIVES = {'a': 1}", "OBJECTIVES has 'a': 1; it maps names to functions"),
        ("WINDOWS = 4", "WINDOWS is 4; give the shortest and the longest window in s"),
        ("WINDOWS = ('1', '8')", "give the shortest and the longest window in s"),
        ("WINDOWS = (8, 1)", "give the shortest and the longest window in s"),
        ("BASELINE = 3", "BASELINE is 3, not a str"),
        ("HOPELESS = 'low'", "HOPELESS is 'low'"),
        ("HOPELESS = {'': 'low'}", "HOPELESS has '': 'low'; give a number"),
    ],
)
def test_parts_of_a_wrong_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, says: str) -> None:
    make(tmp_path, judge=objective() + line + "\n")
    with pytest.raises(RoomError, match=says):
        rooms.find("mine", cwd=tmp_path)
    monkeypatch.chdir(tmp_path)
    assert {row["task"] for row in tables.tasks()} >= {"afib", "defib", "mine"}


def test_no_baseline_and_a_value_that_is_no_number(tmp_path: Path) -> None:
    make(tmp_path, judge=objective() + "BASELINE = None\ndef value(predictions):\n    return 'x'\n")
    room = rooms.find("mine", cwd=tmp_path)
    assert room.baseline == ""
    with pytest.raises(RoomError, match=r"value\(\) returns 'x', not a number"):
        room.value(None)  # type: ignore[arg-type]


def test_the_hash_of_the_labels_changes_with_them_alone(tmp_path: Path) -> None:
    make(tmp_path)
    before = rooms.find("mine", cwd=tmp_path)
    for change, same in (
        (("QUALIFIES = 0.80", "QUALIFIES = 0.70"), True),
        (('BASELINE = "rr_irregularity"', 'BASELINE = ""'), True),
        (('AF = {"AFIB", "AF"}', 'AF = {"AFIB"}'), False),
        (("return 1\n", "return 0\n"), False),
        (("window=1250", "window=1000"), False),
    ):
        assert change[0] in objective()
        make(tmp_path, judge=objective().replace(*change))
        after = rooms.find("mine", cwd=tmp_path)
        assert (after.labels_hash == before.labels_hash) is same, change
        assert after.objective_hash != before.objective_hash
