"""Limits of the figures: few subjects, choice by search, evaluations of test data, thresholds, devices."""

from __future__ import annotations

import numpy as np

from atml.artifacts.model import CARD
from atml.data.cases import case_of
from atml.formatting import less_or_more, listed, plural, sentence, value
from atml.report import kind as report_kind
from atml.report.figures import gain_in_accuracy, interval_of
from atml.report.material import Material
from atml.report.page import Block, Empty, Grid, Text
from atml.report.sections import waveform
from atml.report.sections.task_description import task_of
from atml.report.tested import tested

HEADING = "## Known limits"


def contents(material: Material) -> list[Block]:
    """Say what the search itself did to the figures, then what the card says of the model."""
    if material.best is None:
        return [
            Text("Nothing that atml makes is a medical device."),
            Empty("There is no result yet that could have limits."),
        ]
    lines = [
        ("chosen by search", _chosen(material)),
        ("repeats", _repeats(material)),
        *([] if waveform.is_about(material) else [_decision(material)]),
        ("evaluations of test data", _evaluations(material)),
        ("split", _split(material)),
    ]
    # Of leads that were read the card's limits, which are of labels, say little.
    known = [] if waveform.is_about(material) else of_card(material)
    if not known:  # the card says it too
        lines.append(("device", _device(material)))
    worth = _worth(material)
    if worth:
        lines.insert(0, ("a detector without a network", worth))
    said = f"{len(lines)} limits that come from how this model was found."
    blocks: list[Block] = [Grid(("what", "what it means for the figures"), tuple(lines), said)]
    if known and material.winner is not None:
        rows = tuple((line,) for line in known)
        says = f"The {len(rows)} limits that {CARD} of {material.winner.folder.name} states, word for word."
        return [*blocks, Grid(("known limits, as the model card has them",), rows, says)]
    return [*blocks, Text("Not a medical device, and not validated for any clinical use.")]


def of_card(material: Material) -> list[str]:
    """Read the limits that the winner's card states; none without a card."""
    if material.winner is None:
        return []
    try:
        text = (material.winner.folder / CARD).read_text(encoding="utf-8")
    except OSError:
        return []
    _, _, after = text.partition(f"{HEADING}\n")
    part = after.split("\n## ")[0]
    return [line.removeprefix("- ").strip() for line in part.splitlines() if line.startswith("- ")]


def _worth(material: Material) -> str:
    """Say that the network is not known to beat the baseline; "" where it is, or where there is none."""
    source = material.outcome.source
    baseline = source.figures.get("baseline") if source is not None else None
    more = interval_of(baseline.get("network_gains")) if baseline else None
    if source is None or not baseline or more is None or more.low > 0:
        return ""
    return (
        f"{baseline['name']} reaches {value(baseline['value'])} on the same folds, the network"
        f" {value(source.figures['value'])}. {gain_in_accuracy(source.figures, more)}: the network has not"
        " shown its worth on these subjects"
    )


def _chosen(material: Material) -> str:
    whole = [float(t.value) for t in material.ranked if t.value is not None]
    tried = len(material.finished)
    if len(whole) < 2:
        return f"the one of {plural(tried, 'trial')} that ran over every fold"
    return (
        f"the best of {plural(tried, 'trial')}, {len(whole)} of them over every fold, judged on the same"
        f" folds: the best value, {value(max(whole))} (median {value(float(np.median(whole)))}), is partly"
        " luck"
    )


def _repeats(material: Material) -> str:
    """Say how much lower repeats are than the values that picked the finalists."""
    by_number = {t.number: t for t in material.ranked}
    pairs = []
    for number in material.judged:
        again = material.repeated(number)
        own = by_number[number].value if number in by_number else None
        if again is not None and own is not None:
            pairs.append((float(own), again))
    if not pairs:
        return (
            "no finalist was trained again on fresh seeds: the value of the best trial helped to pick it and"
            " flatters it (winner's curse)"
        )
    before, after = (float(np.mean([pair[i] for pair in pairs])) for i in (0, 1))
    runs = sum(len(material.repeats(number)) for number in material.judged)
    return (
        f"{plural(len(pairs), 'finalist')} trained again on fresh seeds, {plural(runs, 'run')} in all,"
        f" have a mean of {value(after)}, where the values that picked them have {value(before)}:"
        f" {less_or_more(after, before)}, both untuned. The subjects are the same, so part of the"
        " winner's curse remains"
    )


def _decision(material: Material) -> tuple[str, str]:
    source, task = material.outcome.source, task_of(material)
    if source is None or task is None:
        return "decision", f"not known: {material.outcome.why or material.task_gone}"
    return report_kind.of(task).chosen(source.figures, task)


def _evaluations(material: Material) -> str:
    found = tested(material)
    if not found:
        return "none by this export: every figure is of data that something was chosen on"
    told = [f"{title} at {one.get('data', 'test data')}" for title, one in found]
    late = any(int(one.get("look", 0)) > 1 for _, one in found)
    rest = (
        "; evaluations are counted over all exports, and a later one is of data that earlier models were"
        " already judged on"
        if late
        else "; every further evaluation makes these data a little less of a test"
    )
    return f"{listed(told)}{rest}"


def _split(material: Material) -> str:
    folds, held = material.spec["folds"], material.spec.get("held_out") or []
    by = material.spec.get("fold_by") or "subject"
    aside = f"{plural(len(held), 'subject')} held out of the search altogether" if held else "nobody held out"
    return f"{folds} folds by {by}, {aside}; one person under two names could be on both sides of a fold"


def _device(material: Material) -> str:
    best, task = material.best, task_of(material)
    assert best is not None
    case = "window" if task is None else case_of(task).name
    cost = (
        f"{best.cost.macs:,} MACs a {case} and {best.cost.peak_bytes / 1024:.1f} KiB of activations are"
        " counted,"
        if best.cost
        else "size and work are counted,"
    )
    return sentence(
        f"{cost} nothing was measured on a device: latency and memory there are estimates"
    ).rstrip(".")
