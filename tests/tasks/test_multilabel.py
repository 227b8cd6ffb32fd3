"""What a multilabel target knows: a threshold a label, figures as means over the labels."""

import numpy as np
import pytest

from atml.evaluation import gate
from atml.metrics import Predictions, macro_f1
from atml.tasks import Task, targets
from atml.tasks.targets import shifted
from atml.tasks.targets.multilabel import bits

TASK = Task(name="p", kind="multilabel", classes=("AF", "PVC", "BRADY"), picture=(32, 40), leads=3)
TARGET = targets.of(TASK)


def some(n: int = 400, off: float = 0.0, seed: int = 0) -> Predictions:
    random = np.random.default_rng(seed)
    true = random.random((n, 3)) < (0.05, 0.3, 0.5)
    logits = (random.standard_normal((n, 3)) + 3 * true - 1.5 - off).astype(np.float32)
    subject = np.array([f"S{at % 40:02d}" for at in range(n)])
    return TARGET.predictions(logits, bits(true), subject)


def test_a_task_of_pictures_is_checked() -> None:
    assert targets.problem(TASK) == "" and TASK.shape == (3, 32, 40)
    wrong = (
        (Task(name="p", kind="multilabel", classes=("AF",), picture=(32, 40)), "2 to 62"),
        (Task(name="p", kind="multilabel", classes=("A", "B"), positive=1, picture=(32, 40)), "positive=1"),
        (Task(name="p", kind="multilabel", classes=("A", "B"), picture=(8, 40)), "16 at least"),
        (Task(name="p", kind="multilabel", classes=("A", "B"), picture=(32, 40), window=5), "leave those"),
        (Task(name="p", kind="multilabel", classes=("A", "B")), "sampling_rate and window"),
    )
    for task, says in wrong:
        assert says in targets.problem(task)
    with pytest.raises(ValueError, match="no length in time"):
        _ = TASK.seconds


def test_thresholds_find_back_what_was_shifted() -> None:
    found = some(off=1.0)
    offsets = TARGET.choose(found, macro_f1, floor=0.0, count=50)
    tuned, right = macro_f1(shifted(found, offsets)), macro_f1(shifted(found, (-1.0,) * 3))
    assert tuned >= right > macro_f1(found)
    assert TARGET.describe_decision(offsets).startswith("thresholds AF -")


def test_a_network_that_ranks_has_not_collapsed_though_it_calls_nothing() -> None:
    found = some(off=10.0)
    assert not found.called().any() and not TARGET.collapsed(found)
    same = TARGET.predictions(np.full((400, 3), -1, np.float32), found.y, found.subject)
    assert TARGET.collapsed(same) and TARGET.auc(same) == 0.5 and TARGET.spread(same) == 0.0


def test_figures_have_one_truth() -> None:
    found = some()
    table = TARGET.table(found)
    four, rates, intervals = TARGET.four(found), TARGET.rates(table), TARGET.intervals([table])
    assert four == TARGET.four_of(table) and four["F1"] == pytest.approx(macro_f1(found))
    assert intervals["F1"].value == pytest.approx(four["F1"])
    both = [rates[f"{rate} {name}"].value for rate in ("sensitivity", "specificity") for name in TASK.classes]
    assert rates["balanced accuracy"].value == pytest.approx(np.mean(both))
    figures = gate.figures(TARGET, found)
    assert set(figures) == set(gate.names(TASK))
    assert figures["sensitivity PVC"] == pytest.approx(rates["sensitivity PVC"].value)
    assert TARGET.four_of(TARGET.total([table, table])) == pytest.approx(four)


def test_gain_is_of_the_same_people() -> None:
    good, bad = TARGET.table(some()), TARGET.table(some(off=2.0))
    assert TARGET.balanced_gain(good, bad).low > 0
    with pytest.raises(ValueError, match="different subjects"):
        TARGET.balanced_gain(good, TARGET.table(some(20)))
