"""Figures that a promotion is decided by, and how sure their differences are."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from atml import task_files
from atml.comparison.judging import by_subject
from atml.errors import InputError
from atml.metrics import paired
from atml.promotion import beat_figures
from atml.promotion.figures import figure, names
from atml.scoring import rules
from atml.scoring.evaluation import judge_export
from atml.scoring.recording import Pending
from tests.beats import BEATS
from tests.scoring.conftest import decisions
from tests.scoring.test_beat_by_beat import record

WHOLE = '''

def value(predictions: Predictions) -> float:
    """Accuracy over all windows: no mean over subjects."""
    return float((predictions.labels() == predictions.y)[predictions.y >= 0].mean())

def needs_both(predictions: Predictions) -> float:
    """Fails without both classes."""
    return float(1 / (len(set(predictions.y.tolist())) - 1))

OBJECTIVES = {"value": value, "needs_both": needs_both}
'''


def judged(here: Path, *names: str, data: str = "frozen.npz") -> list[Pending]:
    label = {"AFIB": 1, "N": 0}.get
    return [judge_export(here / name, here / data, label=label, rule="iesd2024") for name in names]


def test_a_figure_of_subjects_is_paired_and_no_surer_than_student(here: Path) -> None:
    definition = task_files.find("tiny")
    mine, theirs = judged(here, "good", "fair")
    found = figure("accuracy", definition).compare(mine, theirs)
    first, second = (by_subject(one, "iesd2024")[1]["accuracy"] for one in (mine, theirs))
    told = paired.difference(first, second)
    assert found.challenger == pytest.approx(first.mean()) and found.champion == pytest.approx(second.mean())
    assert found.difference.value.value == pytest.approx(first.mean() - second.mean())
    half = 2.306 * (first - second).std(ddof=1) / 3  # t of 8 degrees of freedom, 9 subjects
    assert found.difference.value.low == pytest.approx(min(told.value.low, told.value.value - half), abs=1e-3)
    assert (found.difference.better, found.difference.worse) == (told.better, told.worse)
    # The other way round it is the same with the other sign.
    other = figure("accuracy", definition).compare(theirs, mine).difference.value
    assert other.value == -found.difference.value.value
    assert other.high == pytest.approx(-found.difference.value.low, abs=0.01)


def test_an_objective_that_is_no_mean_over_subjects(here: Path) -> None:
    path = here / "objectives" / "tiny.py"
    text = path.read_text()
    path.write_text(text[: text.index("def value")] + WHOLE)
    mine, theirs = judged(here, "good", "bad")
    # People of very different length, so that the mean over subjects is another.
    keep = np.r_[np.arange(3), np.arange(12, len(mine.judged.y_true))]
    for one in (mine, theirs):
        for key in ("y_true", "y_pred", "subject", "logits", "x"):
            object.__setattr__(one.judged, key, getattr(one.judged, key)[keep])
    found = figure("objective", task_files.find("tiny")).compare(mine, theirs)
    right = [float((one.judged.y_true == one.judged.y_pred).mean()) for one in (mine, theirs)]
    assert found.difference.value.value == pytest.approx(right[0] - right[1])
    assert found.difference.better is None and found.difference.subjects == 9
    assert found.difference.value.low < found.difference.value.value < found.difference.value.high
    for one in (mine, theirs):
        object.__setattr__(one.judged, "y_true", np.zeros_like(one.judged.y_true))
    with pytest.raises(InputError, match="the objective has no value on frozen"):
        figure("objective", task_files.find("tiny", objective="needs_both")).compare(mine, theirs)


def test_an_objective_that_counts_speed_is_refused() -> None:
    with pytest.raises(InputError, match="objective official counts latency and size"):
        figure("objective", task_files.find("iccad", objective="official"))
    with pytest.raises(
        InputError, match="--by 'VEB F1' is no figure here; known: objective, accuracy, F-beta"
    ):
        figure("VEB F1", task_files.find("afib"))
    assert names(BEATS) == ("accuracy", *beat_figures.FIGURES)


# --- single beats


def beats(*people: tuple[str, str, str]) -> Any:
    """What is judged of recordings ``(subject, reference, called)``."""
    rule = rules.RULES["ec57"]
    found = decisions([0], [0], ["S1"], task=BEATS, beats=tuple(record(*one) for one in people))
    score = rule.score(found, dict(rule.OPTIONS))
    return SimpleNamespace(judged=found, report=SimpleNamespace(score=score, data_name="made"))


def test_gross_figures_of_beats_are_those_of_the_rule() -> None:
    people = [(f"p{i}", "NNVNSNNVNN", "NNVNNNNVVN" if i % 2 else "NVNNSNNVNN") for i in range(8)]
    one = beats(*people)
    counts = beat_figures.counts(one)
    assert counts.shape == (8, 7, 7)
    for name in ("VEB Se", "VEB +P", "SVEB Se", "SVEB +P", "QRS Se", "QRS +P"):
        assert float(beat_figures.gross(name, counts.sum(axis=0))) == pytest.approx(one.report.score[name])
    both = [one.report.score[name] for name in ("VEB Se", "VEB +P")]
    f1 = float(beat_figures.gross("VEB F1", counts.sum(axis=0)))
    assert f1 == pytest.approx(2 * both[0] * both[1] / sum(both))
    nothing = np.zeros((7, 7), np.int64)
    assert np.isnan(beat_figures.gross("VEB F1", nothing))
    nothing[2, 0] = 3  # ventricular beats that were called normal
    assert float(beat_figures.gross("VEB F1", nothing)) == 0


def test_beats_of_the_same_people_are_paired() -> None:
    random = np.random.default_rng(0)
    people = ["".join(random.choice(list("NNNV"), 30)) for _ in range(9)]
    right = beats(*((f"p{i}", one, one) for i, one in enumerate(people)))
    # Everybody's first ventricular beat is missed.
    less = beats(*((f"p{i}", one, one.replace("V", "N", 1)) for i, one in enumerate(people)))
    first, second, interval = beat_figures.difference(
        "VEB Se", beat_figures.counts(right), beat_figures.counts(less)
    )
    total = "".join(people).count("V")
    assert (first, second) == (1.0, pytest.approx(1 - 9 / total))
    assert interval.low > 0, "paired, it is sure, however the people differ"
    other = SimpleNamespace(
        judged=less.judged, report=SimpleNamespace(score=SimpleNamespace(rule="records", options={}))
    )
    with pytest.raises(InputError, match="figures of beats are those of rule ec57, not of records"):
        beat_figures.counts(other)  # type: ignore[arg-type]
