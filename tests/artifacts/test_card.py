import dataclasses
import itertools
import re

import numpy as np
import onnx
import pytest

from atml.artifacts import card_kind
from atml.artifacts.bad_input import BadInput, measured
from atml.artifacts.card import render as card
from atml.artifacts.export import onnx_bytes
from atml.artifacts.model import infer
from atml.artifacts.record import DataFacts, Machine
from atml.evaluation.baselines.out_of_fold import OutOfFold
from atml.evaluation.cross_validation_result import baseline_result, cross_validation_result
from atml.evaluation.label_doubts import LabelDoubt, LabelDoubts
from atml.formatting import table
from atml.metrics import FOUR
from atml.metrics.predictions import Predictions
from atml.models import cost
from atml.tasks import targets
from atml.tasks.targets.binary import RATES
from atml.tasks.task import MULTICLASS, Task

MARKS = BadInput(flat="other", marks=True)


def render(record, *, size_bytes, bad_input=MARKS):
    return card(record, size_bytes=size_bytes, bad_input=bad_input)


@pytest.fixture(scope="module")
def record(make):
    return make.record()


@pytest.fixture(scope="module")
def text(record):
    return render(record, size_bytes=4321)


def section(text, name):
    return text.split(f"## {name}\n")[1].split("\n## ")[0]


def cells(text, first):
    """The cells of the table row whose first cell is ``first``."""
    for line in text.splitlines():
        row = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and row[0] == first:
            return row[1:]
    raise AssertionError(f"no row {first!r}")


def test_sections(text):
    assert re.findall(r"^#+ .*", text, re.M) == [
        "# tiny: trial 7 of study 'waves'",
        "## Data and split",
        "## Results out of fold",
        "## What the network buys",
        "## By rhythm",
        "## Validation, over- and underfitting",
        "## Architecture",
        "## Training",
        "## Where it comes from",
        "## Bad input",
        "## Known limits",
    ]
    assert (
        "nan" not in text
        and "None" not in text
        and "inf" not in re.sub("inference|infinite", "", text.lower())
    )


def test_tables_are_aligned(text):
    lines = text.splitlines()
    for before, line in itertools.pairwise(lines):
        if before.startswith("|") and line.startswith("|"):
            assert [i for i, c in enumerate(line) if c == "|"] == [
                i for i, c in enumerate(before) if c == "|"
            ]


def test_metrics_with_intervals(text, record):
    results = section(text, "Results out of fold")
    for key in ("F1", "accuracy", "precision"):
        interval = record.result.intervals[key]
        assert cells(results, key) == [
            f"{record.result.four[key]:.3f}",
            f"{interval.low:.3f} to {interval.high:.3f}",
        ]
    for key in RATES:
        interval = record.result.rates[key]
        assert cells(results, key) == [
            f"{interval.value:.3f}",
            f"{interval.low:.3f} to {interval.high:.3f}",
        ]
    assert cells(results, "sensitivity")[0] == f"{record.result.four['recall']:.3f}"
    assert cells(results, "cross-fitted: chosen on the other folds") == [f"{record.result.value:.3f}"]
    worst = record.result.rows()[0]
    assert cells(results, worst.subject)[:2] == [str(worst.n), str(worst.positives)]
    assert cells(results, worst.subject)[-1] == f"{worst.f_beta:.3f}"


def test_what_the_file_does_with_bad_input_is_what_it_did(make, record, text):
    """A file of this version marks a window without a number; one without that mark says that it decides."""
    model = onnx_bytes(make.net(), make.task, {})
    found = measured(model, make.task)
    logits = infer(model, np.zeros((1, 1, 100), np.float32))[0]
    assert found == BadInput(flat=make.task.classes[int(logits[1] >= logits[0])], marks=True)
    proto = onnx.load_model_from_string(model)
    del proto.graph.node[-2:]
    proto.graph.node[-1].output[0] = "logits"
    earlier = measured(proto.SerializeToString(), make.task)
    assert earlier == BadInput(flat=found.flat, marks=False)
    assert "all logits of that window are NaN" in section(text, "Bad input")
    assert "THE FILE DECIDES" in section(render(record, size_bytes=1, bad_input=earlier), "Bad input")


def test_the_objective_is_not_mistaken_for_f_beta(make, record):
    text = render(make.replace(record, value_name="something of its own"), size_bytes=1)
    assert cells(text, "objective, out of fold") == [f"**{record.result.value:.3f}**, something of its own"]
    # What is asked for comes first, then what any task has.
    tops = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")]
    head = [top for top in tops if top.endswith("out of fold")]
    assert head[:4] == ["objective, out of fold", *(f"{name}, out of fold" for name in RATES)]
    interval = record.result.intervals["F"]
    assert cells(text, "mean F-beta (beta 2) over subjects")[0].startswith(f"{interval.value:.3f}, 95% ")


def test_architecture_adds_up(text, record):
    part = section(text, "Architecture")
    rows = [line.strip("|").split("|") for line in part.splitlines() if line.startswith("| ")][2:]
    numbers = [[int(c.strip().replace(",", "") or 0) for c in row[2:4]] for row in rows]
    assert [sum(column) for column in zip(*numbers[:-1], strict=True)] == numbers[-1]
    assert numbers[-1] == [record.cost.parameters, record.cost.macs]
    assert f"fixed: {record.cost.fixed}" in part and "MB" in part
    assert f"memory {record.cost.peak_bytes:,} bytes" in part
    assert "File 4,321 bytes (4.2 KiB)" in part


def test_training(text, record):
    part = section(text, "Training")
    assert cells(part, "optimizer") == ["adamw, weight decay 0.01"]
    assert cells(part, "learning rate") == ["0.002, cosine"]
    # 160 windows in batches of 128, 200 steps in 2 s.
    assert cells(part, "length") == ["200 steps, 160.0 epochs of 1.2 steps"]
    assert cells(part, "time an epoch") == ["0.01 s = 1.2 steps of 10.00 ms"]
    assert cells(part, "augmentation") == ["none"]
    assert record.machine.name in part and "1 thread" in part and "seed 99" in part


def test_the_weight_of_the_positive_class_is_told(make, record, text):
    assert cells(text, "loss") == ["cross_entropy; class weights none"]
    config = make.replace(record.config, positive_weight=1.5)
    told = cells(render(make.replace(record, config=config), size_bytes=1), "loss")
    assert told == ["cross_entropy; class weights none, positive class times 1.5"]


def test_validation_tells_the_gap(text, record):
    part = section(text, "Validation, over- and underfitting")
    for run in record.runs:
        row = cells(part, str(run.seed))
        assert row[:4] == [f"{v:.3f}" for v in run.measurement.fold_values]
        held_out = sum(run.measurement.fold_values) / 4
        assert row[4:] == [
            f"{run.measurement.value:.3f}",
            f"{held_out:.3f}",
            "0.970",
            f"{0.97 - held_out:.3f}",
        ]
    assert "trained on: 0.970, on held-out subjects 0.880, which is 0.090 less (" in part
    assert cells(part, "25%")[0] == "0.875"


def with_train_value(make, value):
    record = make.record()
    runs = tuple(
        make.replace(run, measurement=make.replace(run.measurement, train_values=(value,) * 4))
        for run in record.runs
    )
    return render(make.replace(record, runs=runs), size_bytes=1)


def test_over_and_underfitting_are_told_apart(make):
    # Held-out folds average 0.88.
    assert "others: overfitting)" in with_train_value(make, 0.98)
    assert "underfitting)" in with_train_value(make, 0.5)
    assert "little of either" in with_train_value(make, 0.91)


def test_a_margin_is_not_judged_as_a_share(make, record):
    """A gap of 0.1 in a margin to a goal may be half a percent of the decisions."""
    told = "the objective is not a share from 0 to 1, so whether that gap is large depends on its scale)"
    assert told in with_train_value(make, -0.3) and "on held-out subjects" in with_train_value(make, -0.3)
    margin = render(make.replace(record, worst_value=-19.0), size_bytes=1)
    assert told in margin and "overfitting)" not in margin
    assert "overfitting)" in render(make.replace(record, worst_value=0.0), size_bytes=1)


def test_synthetic_is_loud(make):
    text = render(make.record(make.dataset(synthetic=True)), size_bytes=1)
    assert text.splitlines()[2].startswith("> **SYNTHETIC DATA.**")
    assert "unfit for any real recording" in section(text, "Known limits")
    assert "SYNTHETIC" not in render(make.record(), size_bytes=1)


def test_limits_come_from_the_facts(text, record):
    part = section(text, "Known limits")
    assert "8 subjects measured, 8 with AF" in part
    assert "best of 40 trials" in part and "Not a medical device" in part
    assert f"Weakest subject out of fold: {record.result.rows()[0].subject}" in part
    assert "Each 2-s window is decided alone, at 50 Hz and 1 lead" in part


def test_data(make):
    dataset = make.dataset(notes=("2 constant windows dropped",))
    rhythm = dataset.rhythm.copy()
    rhythm[dataset.y == 0] = ""
    text = render(make.record(make.replace(dataset, rhythm=rhythm)), size_bytes=1)
    part = section(text, "Data and split")
    assert "160 windows of 8 subjects" in part and "4 folds by subject" in part
    assert f"(no name) {(dataset.y == 0).sum()}" in part
    assert "- 2 constant windows dropped" in part


def test_one_unfinished_run_without_curves(make):
    record = make.record(seeds=(11,))
    run = record.runs[0]
    bare = make.replace(run, measurement=make.replace(run.measurement, curves=(), train_values=()))
    text = render(make.replace(record, runs=(bare,)), size_bytes=1)
    assert "Learning curve" not in text and "nan" not in text


def test_a_gpu_is_named(make):
    record = make.replace(make.record(), machine=Machine.here("cuda", name="NVIDIA H100"))
    assert "cuda: NVIDIA H100" in render(record, size_bytes=1)


def test_table_escapes_its_own_signs():
    assert table(("a", "b"), [("x|y", "1\n2")]).splitlines()[2] == "| x\\|y | 1 2 |"


def test_the_network_stands_beside_the_baseline(text, record):
    part = section(text, "What the network buys")
    baseline = record.baseline
    assert cells(part, "objective") == [f"{record.result.value:.3f}", f"{baseline.value:.3f}"]
    for name in RATES:
        ours, theirs = record.result.rates[name], baseline.rates[name]
        assert cells(part, name) == [f"{i.value:.3f} ({i.low:.3f} to {i.high:.3f})" for i in (ours, theirs)]
    assert cells(part, "size") == [
        "4,321 bytes, the whole file",
        f"{baseline.baseline.size_bytes} bytes of constants",
    ]
    assert f"{baseline.baseline.operations(100):,} operations" in cells(part, "work a window")[1]
    assert baseline.baseline.describe() in part


def with_baseline(make, network, baseline):
    """A card whose network and baseline decide so many of a hundred windows of each subject right."""
    record = make.record()
    counts = record.result.table

    def table(right):
        return make.replace(
            counts,
            **{
                k: 0 * counts.tp + v
                for k, v in zip(("tp", "fn", "tn", "fp"), (right, 50 - right) * 2, strict=True)
            },
        )

    changed = make.replace(
        record,
        result=make.replace(record.result, table=table(network)),
        baseline=make.replace(record.baseline, table=table(baseline)),
    )
    return section(render(changed, size_bytes=1), "What the network buys")


def test_the_verdict_is_the_difference(make):
    assert "+0.200, 95% interval +0.200 to +0.200" in with_baseline(make, 45, 35)
    assert "worth its cost" in with_baseline(make, 45, 35)
    assert "The baseline is the better of the two" in with_baseline(make, 35, 45)
    assert "can't be told apart" in with_baseline(make, 40, 40)


def test_without_a_baseline_there_is_no_such_section(make, record):
    text = render(make.replace(record, baseline=None), size_bytes=1)
    assert "What the network buys" not in text
    assert cells(section(text, "By rhythm"), "rhythm") == ["class", "windows", "subjects", "network"]


def test_labels_that_both_detectors_contradict(make, record):
    """Whoever's labels were exchanged is named, with the figures without those windows."""
    doubt = LabelDoubt(subject="S3", rhythm="", label=0, called=1, windows=20, network=0.95, baseline=0.8)
    rates = {name: make.replace(rate, value=0.991) for name, rate in record.result.rates.items()}
    found = LabelDoubts(doubts=(doubt,), value=0.987, rates=rates)
    part = section(
        render(make.replace(record, label_doubts=found), size_bytes=1),
        "Labels to look at again",
    )
    assert cells(part, "S3") == ["(no name)", "other", "20", "AF", "95%", "80%"]
    assert cells(part, "objective") == [f"{record.result.value:.3f}", "0.987"]
    assert "without these 20" in part and "0.991 (" in part and "nothing was changed" in part
    none = render(make.replace(record, label_doubts=LabelDoubts(doubts=())), size_bytes=1)
    assert section(none, "Labels to look at again").strip().endswith("another class: none.")
    assert "look at again" not in render(make.replace(record, label_doubts=None), size_bytes=1)


def test_by_rhythm(text, record):
    part = section(text, "By rhythm")
    ours, theirs = record.result.rhythms, record.baseline.rhythms
    assert [row.rhythm for row in ours] == ["AFIB", "N"]
    for mine, other in zip(ours, theirs, strict=True):
        named = "AF" if mine.positive else "other"
        right = [f"{mine.right:.3f}", f"{other.right:.3f}"]
        assert cells(part, mine.rhythm) == [named, str(mine.windows), "8", *right]
    assert "says little about others" not in part


def test_a_rhythm_of_few_subjects_says_so(make):
    dataset = make.dataset()
    rhythm = np.where((dataset.y == 1) & (dataset.subject == "S3"), "VT", dataset.rhythm)
    text = render(make.record(make.replace(dataset, rhythm=rhythm)), size_bytes=1)
    assert "The rarest comes from 1 subject, which says little about others." in section(text, "By rhythm")


THREE = Task(name="three", kind=MULTICLASS, classes=("N", "AF", "O"), sampling_rate=50, window=100)


@pytest.fixture(scope="module")
def three(make):
    """A record of a three-class model: two trainings with some skill, and a baseline with less."""
    rng = np.random.default_rng(3)
    y = rng.integers(0, 3, 160)
    dataset = make.replace(make.dataset(), y=y, rhythm=np.array(["SR", "AFIB", "PVC"])[y])
    folds = make.folds(dataset)
    rows = np.concatenate([fold.held_out for fold in folds])

    def decided(skill):
        logits = skill * np.eye(3)[y[rows]] + rng.normal(0, 1, (len(rows), 3)) + [0.6, 0.0, 0.0]
        return Predictions(logits.astype(np.float32), y[rows], dataset.subject[rows], None)

    target, made = targets.of(THREE), make.record()
    runs = tuple(
        make.replace(run, measurement=make.replace(run.measurement, predictions=decided(2.5), rows=rows))
        for run in made.runs
    )
    baseline = OutOfFold(made.baseline.baseline, (), rows, decided(1.0))
    return make.replace(
        made,
        task=THREE,
        data=DataFacts.of(dataset, THREE),
        cost=cost(made.config, THREE),
        runs=runs,
        result=cross_validation_result(
            target,
            [run.measurement.predictions for run in runs],
            [rows, rows],
            folds,
            lambda found: target.four(found)["F1"],
            rhythm=dataset.rhythm,
        ),
        baseline=baseline_result(target, baseline, lambda found: target.four(found)["F1"], dataset.rhythm),
    )


@pytest.fixture(scope="module")
def card_of_three(three):
    return render(three, size_bytes=4321)


def test_a_card_of_three_classes_has_the_sections_of_any(text, card_of_three):
    heads = [re.findall(r"^## .*", one, re.M) for one in (text, card_of_three)]
    assert heads[0] == heads[1]
    assert "nan" not in card_of_three and "None" not in card_of_three and "positive" not in card_of_three
    assert "N, AF or O" in cells(card_of_three, "decides")[0]


def test_macro_figures_and_those_of_each_class(three, card_of_three):
    part, found = section(card_of_three, "Results out of fold"), three.result
    names = ("macro F1", "accuracy", "macro precision", "macro recall")
    for name, key in zip(names, FOUR, strict=True):
        interval = found.intervals[key]
        assert cells(part, name) == [
            f"{found.four[key]:.3f}",
            f"{interval.low:.3f} to {interval.high:.3f}",
        ]
    rates = part.split("Each class against the rest")[1]
    for name in THREE.classes:
        i = found.rates[f"sensitivity {name}"]
        windows, subjects, sensitivity, *_ = cells(rates, name)
        assert windows == str(three.data.classes[name]) and subjects == "8"
        assert sensitivity == f"{i.value:.3f} ({i.low:.3f} to {i.high:.3f})"


def test_the_confusion_matrix_adds_up(three, card_of_three):
    part = section(card_of_three, "Results out of fold").split("Windows by true class")[1]
    rows = [[int(cell) for cell in cells(part, name)] for name in THREE.classes]
    for name, row in zip(THREE.classes, rows, strict=True):
        assert sum(row[:3]) == row[3] == 2 * three.data.classes[name]  # of two trainings
    assert [int(cell) for cell in cells(part, "called in all")] == [sum(c) for c in zip(*rows, strict=True)]
    assert sum(row[3] for row in rows) == 2 * 160


def test_offsets_stand_in_place_of_a_threshold(three, card_of_three):
    part, found = section(card_of_three, "Results out of fold"), three.result
    assert "The decision ships as trained" in part and "decision as trained. The intervals" in part
    assert cells(part, "as trained, 0 for every class") == [f"{found.value:.3f}"]
    assert cells(part, "cross-fitted: chosen on the other folds") == [f"{np.mean(found.cross_fitted):.3f}"]
    assert "threshold" not in part and "judged where they were chosen" not in part
    result = dataclasses.replace(found, offsets=(0.0, 0.5, -0.25), tuned=(0.875, 0.875))
    part = section(render(dataclasses.replace(three, result=result), size_bytes=1), "Results out of fold")
    told = result.target.describe_decision(result.offsets)
    assert f"The decision ships tuned: {told}" in part and "decision tuned, cross-fitted. The" in part
    assert cells(part, f"{told}, judged where they were chosen") == ["0.875"]


def test_the_weakest_subjects_are_those_of_least_accuracy(three, card_of_three):
    worst = three.result.rows()[0]
    part = section(card_of_three, "Results out of fold").split("The 8 weakest")[1]
    assert cells(part, worst.subject) == [
        str(worst.n),
        f"{worst.accuracy:.3f}",
        *map(str, (*worst.true, *worst.called)),
    ]
    assert f"Weakest subject out of fold: {worst.subject} with accuracy {worst.accuracy:.3f}" in card_of_three


def test_the_baseline_beside_three_classes(three, card_of_three):
    part = section(card_of_three, "What the network buys")
    for name, rate in three.result.rates.items():
        theirs = three.baseline.rates[name]
        assert cells(part, name) == [f"{i.value:.3f} ({i.low:.3f} to {i.high:.3f})" for i in (rate, theirs)]
    assert "worth its cost" in part
    by_rhythm = section(card_of_three, "By rhythm")
    assert [cells(by_rhythm, name)[0] for name in ("SR", "AFIB", "PVC")] == ["N", "AF", "O"]


def test_a_kind_of_a_users_own_has_the_card_of_its_like():
    assert card_kind.of(make_task(kind="ordinal")).__name__.endswith("card_multiclass")
    assert card_kind.of(make_task(kind="graded", positive=1)).__name__.endswith("card_binary")


def make_task(**fields):
    return dataclasses.replace(THREE, **{"positive": None, **fields})


def test_changes_of_the_recording_have_a_section_where_they_were_measured(record, text):
    name = "Under changes of the recording"
    assert name not in text
    found = dataclasses.replace(record.result, agreement={"polarity": 0.8125, "gain": 1.0})
    told = section(render(dataclasses.replace(record, result=found), size_bytes=4321), name)
    assert "Lowest: polarity with 0.812" in told
    assert cells(told, "polarity")[-1] == "0.812" and cells(told, "gain") == ["the signal times 1.5", "1.000"]
