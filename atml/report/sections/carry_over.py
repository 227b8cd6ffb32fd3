"""Does it carry over to subjects that it never saw: by subject, on test data, and beside the baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from atml.formatting import plural, sentence
from atml.metrics import Interval
from atml.report import comparisons
from atml.report.comparisons import Row
from atml.report.material import Material
from atml.report.outcome import Source, interval_of
from atml.report.page import Block, Chart, Empty, Section, Text
from atml.report.tested import alike, not_scored, seen, tested
from atml.report.theme import BLUE, ORANGE

Figures = Mapping[str, Any]

MODEL, BASELINE = "network", "baseline"

RATES = {"sensitivity": ("sensitivity", "recall"), "specificity": ("specificity",)}
"""Rates that are compared, and the names that files give them."""


def section(material: Material) -> Section:
    """Set subjects, test data and the baseline side by side."""
    return Section("carry_over", "Does it carry over to other people?", tuple(_blocks(material)))


def _blocks(material: Material) -> list[Block]:
    source = material.outcome.source
    if source is None:
        return [Empty(sentence(f"it can't be told yet: {material.outcome.why}"))]
    blocks: list[Block] = [Text(_subjects(source)), _chart(material, source)]
    if not tested(material):
        blocks.append(Empty(not_scored(material.winner)))
    return [*blocks, Text(_baseline(source)), *(Text(_test(source, *one)) for one in tested(material))]


def _subjects(source: Source) -> str:
    """Say how far subjects differ."""
    values = np.array([row["f_beta"] for row in source.figures["subjects"]])
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    worst = source.figures["subjects"][0]
    found = interval_of(source.figures["intervals"]["F"])
    assert found is not None
    has = np.array([row["tp"] + row["fn"] > 0 for row in source.figures["subjects"]])
    none = int((~has).sum())
    without = (
        f" {plural(none, 'subject')} without positives {'counts' if none == 1 else 'count'} 1 in all of this"
        f" by convention; of the {int(has.sum())} others the median is"
        f" {np.median(values[has]):.3f} and the mean {values[has].mean():.3f}."
        if not has.all() and has.any()
        else ""
    )
    return (
        f"Out of fold every one of {len(values)} subjects was decided by a model that never saw it. Their"
        f" F-beta (beta 2) has a median of {middle:.3f}, half of them lie from {low:.3f} to {high:.3f}, and"
        f" the worst, {worst['subject']}, has {worst['f_beta']:.3f}; the mean is {found.value:.3f}, and for"
        f" other subjects of the same kind its 95% interval is {found.low:.3f} to {found.high:.3f}."
        f"{without}"
    )


def _rate(figures: Figures, names: tuple[str, ...]) -> Interval | None:
    """Read a rate with its interval; a point where the file has none."""
    for fields in (figures.get("rates", {}), figures.get("intervals", {})):
        for name in names:
            found = interval_of(fields.get(name))
            if found is not None:
                return found
    value = next((figures[name] for name in names if isinstance(figures.get(name), float)), None)
    return None if value is None else Interval(value, value, value)


def _sets(material: Material, source: Source) -> list[tuple[str, str, Figures]]:
    """Return every set of figures: its name, whose they are, and they themselves."""
    found = [("out of fold", MODEL, source.figures)]
    if source.figures.get("baseline"):
        found.append(("out of fold", BASELINE, source.figures["baseline"]))
    for title, one in tested(material):
        if not alike(one):
            continue
        found.append((f"test, {title}", MODEL, one))
        if one.get("baseline"):
            found.append((f"test, {title}", BASELINE, one["baseline"]))
    return found


def _chart(material: Material, source: Source) -> Block:
    panels: dict[str, list[Row]] = {}
    for rate, names in RATES.items():
        rows = [(name, of, _rate(figures, names)) for name, of, figures in _sets(material, source)]
        panels[rate] = [Row(name, of, found) for name, of, found in rows if found is not None]
    told = [
        f"{rate} {' and '.join(f'{row.found.value:.3f} {row.name}' for row in rows if row.of == MODEL)}"
        for rate, rows in panels.items()
    ]
    says = (
        f"The network's {'; '.join(told)}. Whiskers are 95% intervals from resampling subjects; a file that"
        " gives none has a bare dot."
    )
    return Chart("carry-over", comparisons.forest(panels, {MODEL: BLUE, BASELINE: ORANGE}), says)


def _baseline(source: Source) -> str:
    rival = source.figures.get("baseline")
    if not rival:
        return (
            "There is no baseline beside it: the task names none, or there is no export of this model, with"
            " which it is judged."
        )
    more = interval_of(rival["network_gains"])
    assert more is not None
    verdict = (
        "the network is worth its cost where that difference is"
        if more.low > 0
        else "the baseline is the better of the two"
        if more.high < 0
        else "with these subjects the two can't be told apart"
    )
    return (
        f"The baseline, {rival['name']}, is no network and was fitted on the same folds. Balanced accuracy of"
        f" the network less its own is {more.value:+.3f}, 95% interval {more.low:+.3f} to {more.high:+.3f} on"
        f" the same resampled subjects: {verdict}."
    )


def _test(source: Source, title: str, one: Figures) -> str:
    """Say whether a look at test data bears out what was seen out of fold."""
    told = []
    for rate, names in RATES.items():
        before, after = _rate(source.figures, names), _rate(one, names) if alike(one) else None
        if before is None or after is None:
            continue
        where = "below" if after.value < before.low else "above" if after.value > before.high else "within"
        told.append(
            f"its {rate}, {after.value:.3f} ({after.low:.3f} to {after.high:.3f}), lies {where} the interval"
            f" out of fold, {before.low:.3f} to {before.high:.3f}"
        )
    look = int(one.get("look", 0))
    again = (
        " It was not the first look at these data: a model chosen by earlier ones looks better here than it"
        " is."
        if look > 1
        else ""
    )
    synthetic = " These are synthetic data and say nothing of people." if one.get("synthetic") else ""
    return sentence(
        f"on the test data {one.get('data', '')} ({title}; {seen(one)}):"
        f" {' and '.join(told) or 'this rule gives no rates to compare'}.{again}{synthetic}"
    )
