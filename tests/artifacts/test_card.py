import itertools
import re

import numpy as np
import pytest

from atml.artifacts.card import render
from atml.artifacts.record import Machine
from atml.formatting import table
from atml.tasks.targets.binary import RATES


@pytest.fixture(scope="module")
def finding(make):
    return make.finding()


@pytest.fixture(scope="module")
def text(finding):
    return render(finding, size_bytes=4321)


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
        "## Origin",
        "## Known limits",
    ]
    assert "nan" not in text and "None" not in text and "inf" not in text.lower().replace("inference", "")


def test_tables_are_aligned(text):
    lines = text.splitlines()
    for before, line in itertools.pairwise(lines):
        if before.startswith("|") and line.startswith("|"):
            assert [i for i, c in enumerate(line) if c == "|"] == [
                i for i, c in enumerate(before) if c == "|"
            ]


def test_metrics_with_intervals(text, finding):
    results = section(text, "Results out of fold")
    for key in ("F1", "accuracy", "precision"):
        interval = finding.evidence.intervals[key]
        assert cells(results, key) == [
            f"{finding.evidence.four[key]:.3f}",
            f"{interval.low:.3f} to {interval.high:.3f}",
        ]
    for key in RATES:
        interval = finding.evidence.rates[key]
        assert cells(results, key) == [
            f"{interval.value:.3f}",
            f"{interval.low:.3f} to {interval.high:.3f}",
        ]
    assert cells(results, "sensitivity")[0] == f"{finding.evidence.four['recall']:.3f}"
    assert cells(results, "cross-fitted: chosen on the other folds") == [f"{finding.evidence.value:.3f}"]
    worst = finding.evidence.rows()[0]
    assert cells(results, worst.subject)[:2] == [str(worst.n), str(worst.positives)]
    assert cells(results, worst.subject)[-1] == f"{worst.f_beta:.3f}"


def test_the_objective_is_not_mistaken_for_f_beta(make, finding):
    text = render(make.replace(finding, value_name="something of its own"), size_bytes=1)
    assert cells(text, "objective, out of fold") == [
        f"**{finding.evidence.value:.3f}**, something of its own"
    ]
    # What is asked for comes first, then what any task has.
    tops = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")]
    head = [top for top in tops if top.endswith("out of fold")]
    assert head[:4] == ["objective, out of fold", *(f"{name}, out of fold" for name in RATES)]
    interval = finding.evidence.intervals["F"]
    assert cells(text, "mean F-beta (beta 2) over subjects")[0].startswith(f"{interval.value:.3f}, 95% ")


def test_architecture_adds_up(text, finding):
    part = section(text, "Architecture")
    rows = [line.strip("|").split("|") for line in part.splitlines() if line.startswith("| ")][2:]
    numbers = [[int(c.strip().replace(",", "") or 0) for c in row[2:4]] for row in rows]
    assert [sum(column) for column in zip(*numbers[:-1], strict=True)] == numbers[-1]
    assert numbers[-1] == [finding.cost.parameters, finding.cost.macs]
    assert f"fixed: {finding.cost.fixed}" in part and "MB" in part
    assert f"memory {finding.cost.peak_bytes:,} bytes" in part
    assert "File 4,321 bytes (4.2 KiB)" in part


def test_training(text, finding):
    part = section(text, "Training")
    assert cells(part, "optimizer") == ["adamw, weight decay 0.01"]
    assert cells(part, "learning rate") == ["0.002, cosine"]
    # 160 segments in batches of 128, 200 steps in 2 s.
    assert cells(part, "length") == ["200 steps, 160.0 epochs of 1.2 steps"]
    assert cells(part, "time an epoch") == ["0.01 s = 1.2 steps of 10.00 ms"]
    assert cells(part, "augmentation") == ["none"]
    assert finding.machine.name in part and "1 thread" in part and "seed 99" in part


def test_the_weight_of_the_positive_class_is_told(make, finding, text):
    assert cells(text, "loss") == ["cross_entropy; class weights none"]
    config = make.replace(finding.config, positive_weight=1.5)
    told = cells(render(make.replace(finding, config=config), size_bytes=1), "loss")
    assert told == ["cross_entropy; class weights none, positive class times 1.5"]


def test_validation_tells_the_gap(text, finding):
    part = section(text, "Validation, over- and underfitting")
    for run in finding.runs:
        row = cells(part, str(run.seed))
        assert row[:4] == [f"{v:.3f}" for v in run.measurement.fold_values]
        assert row[4:6] == [f"{run.measurement.value:.3f}", "0.970"]
    assert cells(part, "25%")[0] == "0.875"


def with_train_value(make, value):
    finding = make.finding()
    runs = tuple(
        make.replace(run, measurement=make.replace(run.measurement, train_values=(value,) * 4))
        for run in finding.runs
    )
    return render(make.replace(finding, runs=runs), size_bytes=1)


def test_over_and_underfitting_are_told_apart(make):
    # Held-out folds average 0.88.
    assert "others: overfitting)" in with_train_value(make, 0.98)
    assert "underfitting)" in with_train_value(make, 0.5)
    assert "little of either" in with_train_value(make, 0.91)


def test_a_margin_is_not_judged_as_a_share(make, finding):
    """A gap of 0.1 in a margin to a goal may be half a percent of the decisions."""
    told = "the objective is no share from 0 to 1: what is much is for you to judge)"
    assert told in with_train_value(make, -0.3) and "on held-out subjects" in with_train_value(make, -0.3)
    margin = render(make.replace(finding, worst_value=-19.0), size_bytes=1)
    assert told in margin and "overfitting)" not in margin
    assert "overfitting)" in render(make.replace(finding, worst_value=0.0), size_bytes=1)


def test_synthetic_is_loud(make):
    text = render(make.finding(make.dataset(synthetic=True)), size_bytes=1)
    assert text.splitlines()[2].startswith("> **SYNTHETIC DATA.**")
    assert "unfit for any real recording" in section(text, "Known limits")
    assert "SYNTHETIC" not in render(make.finding(), size_bytes=1)


def test_limits_come_from_the_facts(text, finding):
    part = section(text, "Known limits")
    assert "8 subjects measured, 8 with AF" in part
    assert "best of 40 trials" in part and "Not a medical device" in part
    assert f"Weakest subject out of fold: {finding.evidence.rows()[0].subject}" in part
    assert "Each 2-s segment is decided alone, at 50 Hz and 1 lead" in part


def test_data(make):
    dataset = make.dataset(notes=("2 constant segments dropped",))
    rhythm = dataset.rhythm.copy()
    rhythm[dataset.y == 0] = ""
    text = render(make.finding(make.replace(dataset, rhythm=rhythm)), size_bytes=1)
    part = section(text, "Data and split")
    assert "160 segments of 8 subjects" in part and "4 folds by subject" in part
    assert f"(no name) {(dataset.y == 0).sum()}" in part
    assert "- 2 constant segments dropped" in part


def test_one_unfinished_run_without_curves(make):
    finding = make.finding(seeds=(11,))
    run = finding.runs[0]
    bare = make.replace(run, measurement=make.replace(run.measurement, curves=(), train_values=()))
    text = render(make.replace(finding, runs=(bare,)), size_bytes=1)
    assert "Learning curve" not in text and "nan" not in text


def test_a_gpu_is_named(make):
    finding = make.replace(make.finding(), machine=Machine.here("cuda", name="NVIDIA H100"))
    assert "cuda: NVIDIA H100" in render(finding, size_bytes=1)


def test_table_escapes_its_own_signs():
    assert table(("a", "b"), [("x|y", "1\n2")]).splitlines()[2] == "| x\\|y | 1 2 |"


def test_the_network_stands_beside_the_baseline(text, finding):
    part = section(text, "What the network buys")
    rival = finding.baseline
    assert cells(part, "objective") == [f"{finding.evidence.value:.3f}", f"{rival.value:.3f}"]
    for name in RATES:
        ours, theirs = finding.evidence.rates[name], rival.rates[name]
        assert cells(part, name) == [f"{i.value:.3f} ({i.low:.3f} to {i.high:.3f})" for i in (ours, theirs)]
    assert cells(part, "size") == [
        "4,321 bytes, the whole file",
        f"{rival.baseline.size_bytes} bytes of constants",
    ]
    assert f"{rival.baseline.operations(100):,} operations" in cells(part, "work a window")[1]
    assert rival.baseline.describe() in part


def with_rival(make, network, baseline):
    """A card whose network and baseline decide so many of a hundred segments of each subject right."""
    finding = make.finding()
    counts = finding.evidence.table

    def table(right):
        return make.replace(
            counts,
            **{
                k: 0 * counts.tp + v
                for k, v in zip(("tp", "fn", "tn", "fp"), (right, 50 - right) * 2, strict=True)
            },
        )

    changed = make.replace(
        finding,
        evidence=make.replace(finding.evidence, table=table(network)),
        baseline=make.replace(finding.baseline, table=table(baseline)),
    )
    return section(render(changed, size_bytes=1), "What the network buys")


def test_the_verdict_is_the_difference(make):
    assert "+0.200, 95% interval +0.200 to +0.200" in with_rival(make, 45, 35)
    assert "worth its cost" in with_rival(make, 45, 35)
    assert "The baseline is the better of the two" in with_rival(make, 35, 45)
    assert "can't be told apart" in with_rival(make, 40, 40)


def test_without_a_baseline_there_is_no_such_section(make, finding):
    text = render(make.replace(finding, baseline=None), size_bytes=1)
    assert "What the network buys" not in text
    assert cells(section(text, "By rhythm"), "rhythm") == ["class", "segments", "subjects", "network"]


def test_by_rhythm(text, finding):
    part = section(text, "By rhythm")
    ours, theirs = finding.evidence.rhythms, finding.baseline.rhythms
    assert [row.rhythm for row in ours] == ["AFIB", "N"]
    for mine, other in zip(ours, theirs, strict=True):
        named = "AF" if mine.positive else "other"
        right = [f"{mine.right:.3f}", f"{other.right:.3f}"]
        assert cells(part, mine.rhythm) == [named, str(mine.segments), "8", *right]
    assert "says little of others" not in part


def test_a_rhythm_of_few_subjects_says_so(make):
    dataset = make.dataset()
    rhythm = np.where((dataset.y == 1) & (dataset.subject == "S3"), "VT", dataset.rhythm)
    text = render(make.finding(make.replace(dataset, rhythm=rhythm)), size_bytes=1)
    assert "The rarest is of 1 subject, which says little of others." in section(text, "By rhythm")
