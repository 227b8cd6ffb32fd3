from __future__ import annotations

import ast
from pathlib import Path

import pytest

from atml import task_files
from atml.cli import tasks
from atml.errors import TaskFileError
from atml.models.config import ModelConfig
from atml.searching import task_check
from atml.searching.samplers.parameters import from_params
from atml.task_files import loading

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
    return (Path(__file__).parents[2] / "objectives" / "afib.py").read_text(encoding="utf-8")


def make(cwd: Path, name: str = "mine", space: str = SPACE, judge: str | None = None) -> None:
    judge = (judge or objective()).replace('name="afib"', f'name="{name}"')
    for folder, text in (("search_spaces", space), ("objectives", judge)):
        (cwd / folder).mkdir(exist_ok=True)
        (cwd / folder / f"{name}.py").write_text(text, encoding="utf-8")


def test_the_built_in_task_is_found_anywhere(tmp_path: Path) -> None:
    definition = task_files.find("afib", cwd=tmp_path)
    assert definition.task.window == 1250
    assert definition.notes() == ()


def test_a_file_in_the_working_directory_comes_first_and_says_so(tmp_path: Path) -> None:
    make(tmp_path, "afib")
    definition = task_files.find("afib", cwd=tmp_path)
    assert definition.space_path == tmp_path / "search_spaces" / "afib.py"
    assert len(definition.notes()) == 2
    assert "replaces the built-in search_spaces/afib.py" in definition.notes()[0]


def test_a_users_own_task_with_a_dataclass_under_future_annotations(tmp_path: Path) -> None:
    make(tmp_path)
    definition = task_files.find("mine", cwd=tmp_path)
    assert isinstance(from_params(definition.suggest, definition.default), ModelConfig)
    assert "mine" in task_files.names(tmp_path)


def test_the_hash_is_of_the_code_not_of_its_comments(tmp_path: Path) -> None:
    make(tmp_path)
    before = task_files.find("mine", cwd=tmp_path).space_hash
    make(tmp_path, space="# a remark\n" + SPACE)
    assert task_files.find("mine", cwd=tmp_path).space_hash == before
    make(tmp_path, space=SPACE.replace('"width", 4, 8', '"width", 4, 9'))
    assert task_files.find("mine", cwd=tmp_path).space_hash != before


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
    with pytest.raises(TaskFileError) as caught:
        task_files.find("mine", cwd=tmp_path)
    assert says in str(caught.value)
    assert "mine.py" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_suggest_that_raises_or_returns_nonsense(tmp_path: Path) -> None:
    make(tmp_path, space='DEFAULT = {}\ndef suggest(trial):\n    return {}["depth"]\n')
    definition = task_files.find("mine", cwd=tmp_path)
    with pytest.raises(TaskFileError, match=r"mine\.py, line 3: suggest\(\) raises KeyError"):
        definition.suggest(None)
    make(tmp_path, space="DEFAULT = {}\ndef suggest(trial):\n    return 7\n")
    with pytest.raises(TaskFileError, match=r"suggest\(\) returns 7, not a ModelConfig"):
        task_files.find("mine", cwd=tmp_path).suggest(None)


def test_unknown_and_half_tasks(tmp_path: Path) -> None:
    with pytest.raises(TaskFileError, match="no task called 'afibb'; known: afib"):
        task_files.find("afibb", cwd=tmp_path)
    make(tmp_path)
    (tmp_path / "objectives" / "mine.py").unlink()
    with pytest.raises(TaskFileError, match=r"no objectives/mine\.py"):
        task_files.find("mine", cwd=tmp_path)
    with pytest.raises(TaskFileError, match=r"gone\.py is not a file"):
        task_files.find("afib", space=tmp_path / "gone.py", cwd=tmp_path)


def test_an_objective_must_carry_the_name_of_its_task(tmp_path: Path) -> None:
    make(tmp_path)
    other = tmp_path / "objectives" / "mine.py"
    other.write_text(objective(), encoding="utf-8")
    says = r"objectives/mine\.py: TASK\.name is 'afib'; call it 'mine'"
    with pytest.raises(TaskFileError, match=says):
        task_files.find("mine", cwd=tmp_path)
    assert task_files.find("afib", objective=other, cwd=tmp_path).objective_path == other
    make(tmp_path)
    with pytest.raises(TaskFileError, match=r"TASK\.name is 'mine'; call it 'afib'"):
        task_files.find("afib", objective=other, cwd=tmp_path)


def test_a_broken_task_does_not_break_the_listing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, space="1/0")
    monkeypatch.chdir(tmp_path)
    rows = {row["task"]: row for row in tasks.rows()}
    assert rows["afib"]["notes"] == [] and rows["afib"]["seconds"] == 5.0
    (note,) = rows["mine"]["notes"]
    assert "mine.py, line 1 raises ZeroDivisionError" in note and rows["mine"]["seconds"] is None
    tasks.table(list(rows.values()))


@pytest.mark.parametrize("name", task_files.names())
def test_every_built_in_task_conforms(name: str, tmp_path: Path) -> None:
    checks = list(task_check.check(name, cwd=tmp_path))
    assert len(checks) >= 6
    assert [check for check in checks if not check.ok] == []


def test_a_task_that_does_not_conform_is_told_so(tmp_path: Path) -> None:
    upside_down = objective().replace("return f_beta -", "return -f_beta -")
    make(tmp_path, space=SPACE.replace("(5,)", "(5, 7)"), judge=upside_down)
    failed = {check.what for check in task_check.check("mine", cwd=tmp_path) if not check.ok}
    assert "DEFAULT builds, runs and matches in ONNX" in failed
    assert "each objective prefers right answers to wrong ones" in failed


def test_a_window_is_chosen_where_the_task_lets_one(tmp_path: Path) -> None:
    assert task_files.find("defib", cwd=tmp_path).task.seconds == 4.0
    definition = task_files.find("defib", window=1.5, cwd=tmp_path)
    assert (definition.task.window, definition.usual_window) == (375, 1000)
    with pytest.raises(TaskFileError, match="--window 9: task 'defib' takes 1 to 8 s"):
        task_files.find("defib", window=9, cwd=tmp_path)
    with pytest.raises(TaskFileError, match="task 'afib' has a window of 5 s and no other"):
        task_files.find("afib", window=4, cwd=tmp_path)
    assert task_files.find("afib", window=5, cwd=tmp_path).task.window == 1250


def test_an_objective_is_chosen_by_name_or_file_or_both(tmp_path: Path) -> None:
    usual = task_files.find("defib", cwd=tmp_path)
    assert usual.objective_name == "aed" and "AED goals" in usual.value_name
    other = task_files.find("defib", objective="balanced", cwd=tmp_path)
    assert other.value_name.startswith("balanced accuracy") and other.objective_hash == usual.objective_hash
    again = task_files.find("defib", objective=other.objective, cwd=tmp_path)
    assert (again.objective_path, again.objective_name) == (other.objective_path, "balanced")
    with pytest.raises(TaskFileError, match=r"no objective 'best' .* it offers aed, balanced, f_beta"):
        task_files.find("defib", objective="best", cwd=tmp_path)
    with pytest.raises(TaskFileError, match=r"no objective 'balanced' .* it offers value, worst_subjects"):
        task_files.find("afib", objective="balanced", cwd=tmp_path)
    make(tmp_path, judge=objective() + "del OBJECTIVES\n")
    with pytest.raises(TaskFileError, match=r"no objective 'balanced' .* it offers value alone"):
        task_files.find("mine", objective="balanced", cwd=tmp_path)
    with pytest.raises(TaskFileError, match=r"gone\.py is not a file"):
        task_files.find("defib", objective="gone.py:balanced", cwd=tmp_path)


def test_the_default_goes_by_the_name_of_value_where_it_has_no_other(tmp_path: Path) -> None:
    usual, named = (task_files.find("afib", objective=name, cwd=tmp_path) for name in (None, "value"))
    # Studies of earlier versions, whose file had `value` alone, have "" as well.
    assert usual.objective_name == named.objective_name == ""
    assert (usual.value_name, usual.floor) == (named.value_name, named.floor) and usual.floor == 0.6
    other = task_files.find("afib", objective="worst_subjects", cwd=tmp_path)
    assert other.objective_name == "worst_subjects" and other.floor == 0.2
    assert other.value_name.startswith("mean over the worst fifth of the subjects")
    assert "value" not in task_files.find("defib", cwd=tmp_path).objectives


def test_which_objectives_ask_for_changed_windows(tmp_path: Path) -> None:
    for task in ("afib", "defib", "rhythm"):
        assert task_files.find(task, objective="robust", cwd=tmp_path).agreement
        assert not task_files.find(task, cwd=tmp_path).agreement
    make(tmp_path, judge=objective() + "AGREEMENT = ('value',)\n")
    assert task_files.find("mine", cwd=tmp_path).agreement
    assert not task_files.find("mine", objective="worst_subjects", cwd=tmp_path).agreement
    make(tmp_path, judge=objective() + "del OBJECTIVES, AWARDED\nAGREEMENT = ['value']\n")
    assert task_files.find("mine", cwd=tmp_path).agreement


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("OBJECTIVES = [value]", "OBJECTIVES is .* not a mapping"),
        ("OBJECTIVES = {'a': 1}", "OBJECTIVES has 'a': 1; it maps names to functions"),
        ("AGREEMENT = 'robust'", r'AGREEMENT is .robust.; give a list of objectives, as \("robust",\)'),
        (
            "AGREEMENT = ('sturdy',)",
            "AGREEMENT has 'sturdy', not one of its objectives: value, worst_subjects",
        ),
        ("WINDOWS = 4", "WINDOWS is 4; give the shortest and the longest window in s"),
        ("WINDOWS = ('1', '8')", "give the shortest and the longest window in s"),
        ("WINDOWS = (8, 1)", "give the shortest and the longest window in s"),
        ("BASELINE = 3", "BASELINE is 3, not a str"),
        ("OTHER_LEAD = 1", "OTHER_LEAD is 1; write True or False"),
        ("HOPELESS = 'low'", "HOPELESS is 'low'"),
        ("HOPELESS = {'': 'low'}", "HOPELESS has '': 'low'; give a number"),
    ],
)
def test_parts_of_a_wrong_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, says: str) -> None:
    make(tmp_path, judge=objective() + line + "\n")
    with pytest.raises(TaskFileError, match=says):
        task_files.find("mine", cwd=tmp_path)
    monkeypatch.chdir(tmp_path)
    assert {row["task"] for row in tasks.rows()} >= {"afib", "defib", "mine"}


def test_no_baseline_and_a_value_that_is_no_number(tmp_path: Path) -> None:
    make(tmp_path, judge=objective() + "BASELINE = None\ndef value(predictions):\n    return 'x'\n")
    definition = task_files.find("mine", cwd=tmp_path)
    assert definition.baseline == ""
    with pytest.raises(TaskFileError, match=r"value\(\) returns 'x', not a number"):
        definition.value(None)  # type: ignore[arg-type]


def test_the_hash_of_the_labels_changes_with_them_alone(tmp_path: Path) -> None:
    make(tmp_path)
    before = task_files.find("mine", cwd=tmp_path)
    for change, same in (
        (("QUALIFIES = 0.80", "QUALIFIES = 0.70"), True),
        (('BASELINE = "rr_irregularity"', 'BASELINE = ""'), True),
        (('AF = {"AFIB", "AF"}', 'AF = {"AFIB"}'), False),
        (("return 1\n", "return 0\n"), False),
        (("window=1250", "window=1000"), False),
    ):
        assert change[0] in objective()
        make(tmp_path, judge=objective().replace(*change))
        after = task_files.find("mine", cwd=tmp_path)
        assert (after.labels_hash == before.labels_hash) is same, change
        assert after.objective_hash != before.objective_hash


def test_built_in_files_that_are_known_by_an_earlier_hash_are_still_there() -> None:
    from atml.source_hash import source_hash

    here = set()
    for folder in ("search_spaces", "objectives"):
        for path in (Path(__file__).parents[2] / folder).glob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            whole = source_hash(tree)
            here |= {loading.KNOWN_AS.get(whole, whole), loading.hash_of(tree, ("TASK", "label"))}
    earlier = list(loading.KNOWN_AS.values())
    assert set(earlier) <= here
    assert not set(earlier) & set(loading.KNOWN_AS)


def test_what_an_objective_computes_is_said_in_the_midst_of_a_sentence() -> None:
    said = {name: task_files.find("iccad", objective=name).value_name for name in ("f_beta", "official")}
    assert said["f_beta"].startswith("F-beta (beta 2) over all windows")
    assert said["official"].startswith("ICCAD 2022's total, in points")
