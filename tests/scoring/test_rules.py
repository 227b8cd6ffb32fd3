"""What every rule keeps to: the built-in ones and one from a file, judged by one suite."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from atml.errors import ExportError, InputError
from atml.scoring import rules
from atml.scoring.rules import Score
from atml.tasks.task import Task

MINE = """
from atml import Figure, Judged, Score

def score(judged: Judged, options) -> Score:
    if not len(judged.y_true):
        raise ValueError("no windows")
    right = (judged.y_true == judged.y_pred).mean()
    return Score(figures=(Figure("right", "share of windows called right", right),))
"""

BINARY = Task(name="two", classes=("no", "yes"), positive=1, sampling_rate=250, window=1250)
THREE = Task(name="three", kind="multiclass", classes=("N", "AF", "O"), sampling_rate=250, window=1250)
TASKS = {"cinc2017": THREE}
"""A task for each rule that does not judge `BINARY`."""


ELSEWHERE = {"ec57", "labels"}
"""Rules that judge no windows of one class each: whole recordings beat by beat, see test_beat_by_beat.py, and
pages with any number of labels, see test_labels_rule.py."""


@pytest.fixture(params=[*sorted({*rules.RULES} - ELSEWHERE), "records of three", "mine"])
def case(request, tmp_path_factory):
    """A rule and a task that it judges."""
    name = request.param
    if name == "mine":
        folder = tmp_path_factory.mktemp("mine")
        (folder / "rules").mkdir()
        (folder / "rules" / "mine.py").write_text(MINE)
        return rules.rule("mine", folder), BINARY
    if name == "records of three":
        return rules.rule("records"), THREE
    return rules.rule(name), TASKS.get(name, BINARY)


def decided(judged, task, seed=0, subjects=20, each=20):
    """Windows and recordings of which most are decided right, two recordings a subject, with logits."""
    random = np.random.default_rng(seed)
    classes, n = len(task.classes), subjects * each
    truth = np.repeat(random.permutation(np.arange(2 * subjects) % classes), each // 2)
    shared = np.repeat(random.normal(0, 1.5, (2 * subjects, classes)), each // 2, axis=0)
    logits = (2 * np.eye(classes)[truth] + shared + random.normal(0, 1, (n, classes))).astype(np.float32)
    return judged(
        truth,
        logits.argmax(axis=1),
        np.repeat([f"S{i:02d}" for i in range(subjects)], each),
        logits=logits,
        record=np.repeat([f"r{i}" for i in range(2 * subjects)], each // 2),
        task=task,
    )


def test_rules_are_found_by_name(tmp_path):
    assert set(rules.RULES) == {
        "aha-aed",
        "cinc2017",
        "ec57",
        "iccad2022",
        "iccad2023",
        "iesd2024",
        "labels",
        "records",
    }
    for name, rule in rules.RULES.items():
        assert rules.rule(name, tmp_path) is rule
        assert rule.NAME == name
    with pytest.raises(InputError, match=r"'iesd2025'; known: aha-aed, cinc2017, .*iesd2024.*rules/iesd2025"):
        rules.rule("iesd2025", tmp_path)


def test_members(case):
    rule, task = case
    assert all(isinstance(value, float) and value > 0 for value in rule.OPTIONS.values())
    assert isinstance(rule.AWARDS, bool)
    rule.fits(task)
    assert rules.settings(rule, {}) == rule.OPTIONS


def test_labels_are_of_the_outputs(case):
    rule, task = case
    outputs = np.eye(len(task.classes), dtype=np.float32)
    assert rules.labels(rule, task, outputs).tolist() == list(range(len(task.classes)))
    assert rules.labels(rule, task, outputs[:0]).shape == (0,)


def test_a_score_is_whole(judged, case):
    rule, task = case
    made = decided(judged, task)
    got = rule.score(made, rule.OPTIONS)
    assert isinstance(got, Score) and got.rule == rule.NAME
    keys = [figure.key for figure in got.figures]
    assert len(set(keys)) == len(keys) > 0
    assert all(np.isfinite(figure.value) for figure in got.figures)
    written = json.loads(json.dumps(got.to_dict(), allow_nan=False))
    assert all(written[key] == got[key] for key in keys)
    assert got.options == rule.OPTIONS
    assert (got.total is not None) == rule.AWARDS
    assert rule.score(made, rule.OPTIONS) == got, "the same decisions, the same score"
    for figure in got.figures:
        if figure.interval is not None:
            assert figure.value == pytest.approx(figure.interval.value)
            if figure.key != "G":
                assert figure.interval.low < figure.value < figure.interval.high


def test_better_decisions_have_the_better_first_figure(judged, case):
    rule, task = case
    made = decided(judged, task)
    right = (4 * np.eye(len(task.classes))[made.y_true]).astype(np.float32)
    all_right = dataclasses.replace(made, y_pred=made.y_true, logits=right)
    wrong = dataclasses.replace(
        made, y_pred=(made.y_true + 1) % len(task.classes), logits=np.roll(right, 1, axis=1)
    )
    best, some, none = (rule.score(one, rule.OPTIONS).figures[0].value for one in (all_right, made, wrong))
    assert best == 1 and best > some > none


def test_order_does_not_matter(judged, case):
    rule, task = case
    made = decided(judged, task)
    order = np.random.default_rng(1).permutation(len(made.y_true))
    names = ("y_true", "y_pred", "subject", "rhythm", "x", "logits", "record")
    mixed = dataclasses.replace(made, **{name: getattr(made, name)[order] for name in names})
    one, two = (rule.score(each, rule.OPTIONS) for each in (made, mixed))
    assert [f.value for f in one.figures] == pytest.approx([f.value for f in two.figures])


def test_figures_of_records_say_so(judged, case):
    rule, task = case
    got = rule.score(decided(judged, task), rule.OPTIONS)
    by_record = rule.NAME in ("cinc2017", "records")
    assert got.records == (40 if by_record else None)
    assert ("unit" in got.to_dict()) == by_record
    assert any("400 windows in 40 records" in note for note in got.notes) == by_record


def test_nothing_to_score(judged, case):
    rule, task = case
    with pytest.raises(InputError, match="no windows"):
        rule.score(judged([], [], [], task=task), rule.OPTIONS)


def test_a_task_of_another_kind_is_refused_or_scored(judged, case):
    rule, task = case
    other = THREE if task is BINARY else BINARY
    try:
        rule.fits(other)
    except ExportError as error:
        assert "choose another rule" in str(error) and rule.NAME in str(error)
    else:
        assert rule.score(decided(judged, other), rule.OPTIONS).figures


def test_a_rule_takes_only_the_options_it_knows():
    aed, contest = rules.rule("aha-aed"), rules.rule("iccad2022")
    assert rules.settings(aed, {}) == {"vf_amplitude": 0.2, "vt_rate": 150}
    assert rules.settings(aed, {"vt_rate": 180, "vf_amplitude": None}) == {
        "vf_amplitude": 0.2,
        "vt_rate": 180,
    }
    assert rules.settings(contest, {"vt_rate": None}, latency_ms=1, size_kib=2) == {}
    with pytest.raises(
        InputError, match="no option 'vt_rate'; it has none; vt_rate is an option of rule aha-aed"
    ):
        rules.settings(contest, {"vt_rate": 180})
    with pytest.raises(InputError, match="option vt_rate of rule aha-aed is 0; give a number above 0"):
        rules.settings(aed, {"vt_rate": 0})
    with pytest.raises(InputError, match=r"no option 'rate'; it has vf_amplitude \(default 0.2\), vt_rate"):
        rules.settings(aed, {"rate": 180})
    with pytest.raises(InputError, match="aha-aed awards nothing for latency or size"):
        rules.settings(aed, {}, size_kib=30)
    with pytest.raises(InputError, match="size nan KiB is not a measurement"):
        rules.settings(contest, {}, size_kib=float("nan"))


@pytest.mark.parametrize("name", ["aha-aed", "iccad2022", "iccad2023", "iesd2024"])
def test_a_tie_counts_as_positive(name):
    rule = rules.rule(name)
    assert rule.decide([[1, 1], [1, 0], [0, 1], [1.0000001, 1.0]]).tolist() == [1, 0, 1, 0]
    with pytest.raises(InputError, match=r"\(1, 3\)"):
        rule.decide([[1, 2, 3]])


def test_a_figure_that_a_rule_does_not_have(judged):
    got = rules.rule("iccad2022").score(judged([1, 0], [1, 0], ["S", "S"]), {})
    with pytest.raises(KeyError, match="rule iccad2022 has no figure 'G': F, F1"):
        got["G"]
    with pytest.raises(KeyError, match="no table 'categories'"):
        got.table("categories")
