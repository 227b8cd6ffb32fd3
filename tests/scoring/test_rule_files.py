"""Rules of a user's own: `rules/NAME.py` in the working directory."""

from __future__ import annotations

import re

import numpy as np
import pytest

from atml.errors import InputError, TaskFileError
from atml.scoring import rules
from tests import terminal, tiny
from tests.scoring import rhythm
from tests.scoring.test_rules import BINARY, MINE


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a rule's file in the working directory and return its path."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules").mkdir()

    def write(text, name="mine"):
        path = tmp_path / "rules" / f"{name}.py"
        path.write_text(text)
        return path

    return write


def two(judged):
    return judged([1, 0, 0], [1, 0, 1], ["A", "A", "B"], logits=np.eye(2, dtype=np.float32)[[1, 0, 1]])


def test_a_file_with_one_function_is_a_rule(write, judged):
    path = write(MINE)
    rule = rules.rule("mine")
    assert (rule.NAME, rule.OPTIONS, rule.AWARDS, rule.decide) == ("mine", {}, False, None)
    rule.fits(BINARY)
    got = rule.score(two(judged), {})
    assert got["right"] == 2 / 3 and got.rule == "mine"
    assert got.to_dict()["rule_file"] == "mine.py" and len(got.to_dict()["rule_hash"]) == 16
    assert str(path) in got.notes[-1] and "no official figures" in got.notes[-1]


def test_every_member_is_used(write, judged):
    write(
        """
import numpy as np
from atml import Figure, InputError, Score

NAME = "mine"
OPTIONS = {"least": 2}
AWARDS = True

def fits(task):
    if task.positive is None:
        raise InputError("rule mine is for binary models")

def decide(outputs):
    return np.zeros(len(outputs), int)

def score(judged, options):
    found = judged.records()
    figures = [Figure("records", "records", len(found)), Figure("least", "least", options["least"])]
    return Score(figures=tuple(figures), records=len(found), notes=found.notes())
"""
    )
    rule = rules.rule("mine")
    assert rules.settings(rule, {"least": 3.0}, latency_ms=1.0) == {"least": 3.0}
    assert rules.labels(rule, BINARY, np.eye(2, dtype=np.float32)).tolist() == [0, 0]
    got = rule.score(two(judged), {"least": 3.0})
    assert (got["records"], got["least"], got.records, got.options) == (2, 3, 2, {"least": 3.0})


def test_unknown_names_list_the_files(write):
    write(MINE)
    write(MINE, "_helper")
    with pytest.raises(
        InputError, match=r"'yours'; known: aha-aed, .*records, mine \(a file here\); .*yours"
    ):
        rules.rule("yours")
    with pytest.raises(InputError, match="no scoring rule '_helper'"):
        rules.rule("_helper")


def test_a_file_never_stands_in_for_an_official_rule(write):
    write(MINE, "iesd2024")
    with pytest.raises(TaskFileError, match=r"rules/iesd2024\.py has the name of the built-in rule"):
        rules.rule("iesd2024")
    assert rules.rule("iccad2022").NAME == "iccad2022"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1", "has no score; write `def score(judged, options)`"),
        ("def score(judged, options:", "rules/mine.py, line 1:"),
        ("raise RuntimeError('no')", "line 1 raises RuntimeError: no"),
        ("score = 3", "score is 3, not a callable"),
        (MINE + "NAME = 'other'", "NAME is 'other'; call it 'mine'"),
        (MINE + "OPTIONS = {'a': 'b'}", "OPTIONS has 'a': 'b'; it maps names to numbers"),
        (MINE + "OPTIONS = 3", "OPTIONS is 3, not a mapping"),
        (MINE + "AWARDS = 'yes'", "AWARDS is 'yes', not True or False"),
        (MINE + "decide = 1", "decide is 1, not a callable"),
    ],
)
def test_files_that_can_not_be_loaded(write, text, says):
    path = write(text)
    with pytest.raises(TaskFileError, match=re.escape(says)) as error:
        rules.rule("mine")
    assert str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("return judged.nothing", "line 4: score() raises AttributeError"),
        ("return {'F': 1}", "score() returns {'F': 1}, not a Score"),
        ("return Score(figures=())", "score() returns figures ()"),
        ("return Score(figures=(1,))", "score() returns figures (1,)"),
        ("return Score(figures=(Figure('a', 'a', 1), Figure('a', 'b', 1)))", "two figures 'a'"),
        ("return Score(figures=(Figure('a', 'a', float('nan')),))", "figure 'a' is nan"),
        ("return Score(figures=(Figure('a', 'a', 'high'),))", "figure 'a' is 'high'"),
        ("return Score(figures=(Figure('a', 'a', 1),), details={'x': {1}})", "can't be written as JSON"),
        (
            "return Score(figures=(), tables=(Table(key='t', header=('a',), cells=((),), records=()),))",
            "row ()",
        ),
    ],
)
def test_scores_that_are_none(write, judged, body, says):
    path = write(f"from atml import Figure, Score, Table\n\ndef score(judged, options):\n    {body}\n")
    with pytest.raises(TaskFileError, match=re.escape(says)) as error:
        rules.rule("mine").score(two(judged), {})
    assert str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("outputs", "decide() returns float32 (2, 2) for outputs (2, 2)"),
        ("[0]", "decide() returns int64 (1,)"),
        ("[0, 2]", "labels 0 to 2; give 0 to 1"),
        ("1 / 0", "decide() raises ZeroDivisionError"),
    ],
)
def test_decisions_that_are_none(write, answer, says):
    write(MINE + f"\ndef decide(outputs):\n    return {answer}\n")
    with pytest.raises(TaskFileError, match=re.escape(says)):
        rules.labels(rules.rule("mine"), BINARY, np.eye(2, dtype=np.float32))


OPTION = """
from atml import Figure, Score

OPTIONS = {"least": 2}

def score(judged, options):
    return Score(figures=(Figure("least", "least", options["least"]),))
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports")
    return [rhythm.exported(folder, seed).path.parent for seed in (0, 1)]


@pytest.fixture
def scored(write, models, tmp_path):
    """Score models of three classes on the command line, by the rule ``mine``."""
    write(OPTION)
    (tmp_path / "objectives").mkdir()
    (tmp_path / "objectives" / "rhythm.py").write_text(rhythm.OBJECTIVE)
    (tmp_path / "search_spaces").mkdir()
    (tmp_path / "search_spaces" / "rhythm.py").write_text(tiny.SPACE.replace("STEPS", "5"))
    data = rhythm.save(tmp_path / "data.npz", rhythm.dataset(records=6, seed=1, prefix="T"))

    def run(command, *options):
        judged = models if command == "compare" else models[:1]
        return terminal.run(tmp_path, command, *judged, "--data", data, "--rule", "mine", *options)

    return run


@pytest.mark.parametrize("command", ["score", "compare"])
def test_its_options_are_set_on_the_command_line(scored, command):
    done = scored(command, "--rule-option", "least=3.5", "--json")
    assert done.returncode == 0, done.stderr
    assert "3.5" in done.stdout and '"least": 2' not in done.stdout


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["most=3"], "rule mine has no option 'most'; it has least (default 2)"),
        (["vt_rate=3"], "it has least (default 2); vt_rate is an option of rule aha-aed"),
        (["least=0"], "option least of rule mine is 0; give a number above 0"),
        (["least"], "--rule-option 'least' is not NAME=NUMBER; write it as in vt_rate=180"),
        (["least=many"], "--rule-option 'least=many' is not NAME=NUMBER"),
        (["=3"], "--rule-option '=3' is not NAME=NUMBER"),
        (["least=3", "least=4"], "--rule-option 'least=4': least is given twice"),
    ],
)
def test_options_that_can_not_be_set(scored, options, says):
    done = scored("score", *(word for one in options for word in ("--rule-option", one)))
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr and done.stderr.count("\n") == 1


def test_an_option_that_has_a_flag_is_set_once(scored):
    done = scored("score", "--vt-rate", "180", "--rule-option", "vt_rate=170")
    assert done.returncode == 2 and "vt_rate is given twice" in done.stderr


def test_options_without_test_data_are_refused(models, tmp_path):
    done = terminal.run(tmp_path, "compare", *models, "--rule-option", "least=3")
    assert done.returncode == 2 and "rule option least needs test data" in done.stderr
