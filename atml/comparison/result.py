"""Result of a comparison: as JSON types, as tables for a terminal, as Markdown."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from atml import formatting
from atml.artifacts.latency import Latency
from atml.metrics import Interval
from atml.metrics.paired import LEVEL, Difference

WAVEFORM_MEASURES = ("dB", "leads read")
"""Figures of a subject's leads that are read: mean decibels, and the share of those with enough."""

LABEL_MEASURES = ("F1", "accuracy")
"""Figures of a subject where several labels may be true at once: over all labels, and of single decisions."""

FEW = 10
"""With fewer subjects than this it is said that percentile intervals are too narrow."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One model: its figures by key, with intervals over subjects where there are any, and its costs.

    ``source`` and ``data`` are words and only published models have them; what is not known is None. ``look``
    numbers the evaluation of the test data, ``file`` is its report.
    """

    name: str
    figures: dict[str, Interval | float]
    size_kib: float | None = None
    macs: int | None = None
    parameters: int | None = None
    ram_kib: float | None = None
    latency: Latency | None = None
    look: int | None = None
    file: Path | None = None
    where: str = ""
    study: str = ""
    trial: int | None = None
    sha256: str = ""
    network: str = ""
    source: str = ""
    data: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON types."""
        figures = {
            key: dataclasses.asdict(one) if isinstance(one, Interval) else {"value": one}
            for key, one in self.figures.items()
        }
        rest = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        rest["latency"] = None if self.latency is None else dataclasses.asdict(self.latency)
        rest["file"] = None if self.file is None else str(self.file)
        return {**rest, "figures": figures}


@dataclass(frozen=True)
class Pair:
    """Differences of the first of two models from the second, by figure (`atml.metrics.paired.MEASURES`)."""

    first: str
    second: str
    differences: dict[str, Difference]

    def verdict(self, tested: str) -> str:
        """Say in a sentence how the test of one figure ended."""
        found = self.differences[tested]
        differ = found.better + found.worse
        if not differ:
            return f"{self.first} and {self.second} have the same {tested} on every subject"
        chance, apart = f"p {_chance(found.holm)}", _excludes_0(found)
        ahead = self.first if found.value.value > 0 else self.second
        if found.tells:
            but = "" if apart else "; the interval of the mean difference includes 0 all the same"
            return f"{ahead} has the higher {tested} of the two ({chance}){but}"
        if found.too_few:
            said = (
                f"too few subjects to tell {self.first} and {self.second} apart by {tested}: they differ on"
                f" {differ} of {found.subjects}, and with so few no outcome would have p below {LEVEL:g}"
            )
        elif apart:
            said = (
                f"{ahead} may have the higher {tested}: the interval of the mean difference excludes 0, but"
                f" the test does not confirm it ({chance})"
            )
        else:
            said = (
                f"these {found.subjects} subjects don't tell {self.first} and {self.second} apart by {tested}"
                f" ({chance})"
            )
        others = [
            f"{name} ({self.first if one.value.value > 0 else self.second} is higher)"
            for name, one in self.differences.items()
            if name != tested and _excludes_0(one)
        ]
        if found.too_few and apart:
            others.insert(0, f"{tested} itself ({ahead} is higher)")
        if not others:
            return said
        are = "is a difference" if len(others) == 1 else "are differences"
        return f"{said}; there {are} whose interval excludes 0, untested: {formatting.listed(others)}"


def _excludes_0(one: Difference) -> bool:
    """Whether the interval of a difference excludes 0, as it is printed."""
    return not round(one.value.low, 4) <= 0 <= round(one.value.high, 4)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Models side by side. ``kind`` is "test" or "out of fold"; ``rule`` is that of the former.

    ``rows`` are the figures by key and name, in order; ``tested`` is the figure of a subject that was tested.
    ``segments`` counts ``cases``: windows, or beats.
    """

    kind: str
    rule: str
    data: str
    synthetic: bool
    segments: int
    subjects: int
    rows: tuple[tuple[str, str], ...]
    columns: tuple[Column, ...]
    pairs: tuple[Pair, ...]
    tested: str
    notes: tuple[str, ...] = field(default=())
    cases: str = "windows"

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON types; NaN becomes null."""
        return {
            "kind": self.kind,
            "rule": self.rule or None,
            "data": self.data,
            "synthetic": self.synthetic,
            "segments": self.segments,
            "subjects": self.subjects,
            "models": [column.to_dict() for column in self.columns],
            "tested": self.tested,
            "pairs": [
                {
                    "first": pair.first,
                    "second": pair.second,
                    "verdict": pair.verdict(self.tested),
                    "differences": {name: _difference(one) for name, one in pair.differences.items()},
                }
                for pair in self.pairs
            ],
            "notes": list(self.notes),
        }

    def title(self) -> str:
        """Say by which rule and on which data the models are compared."""
        by = f"by rule {self.rule} on the test split of" if self.kind == "test" else "out of fold on"
        kind = " (synthetic)" if self.synthetic else ""
        people = formatting.plural(self.subjects, "subject")
        return f"{by} {self.data}{kind}: {self.segments:,} {self.cases} of {people}"

    def figures(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Lay out a column a model: header and rows; figures, then costs."""
        header = ("", *(column.name for column in self.columns))
        rows = [(name, *(_figure(c.figures.get(key)) for c in self.columns)) for key, name in self.rows]
        if any("total" in column.figures for column in self.columns):
            rows.append(("total of the contest", *(_figure(c.figures.get("total"), 3) for c in self.columns)))
        costs: list[tuple[str, list[str]]] = [
            ("size, KiB", [_cost(c.size_kib, 1) for c in self.columns]),
            (f"MACs a {self.cases.removesuffix('s')}", [_cost(c.macs) for c in self.columns]),
            ("parameters", [_cost(c.parameters) for c in self.columns]),
            ("RAM of activations, KiB", [_cost(c.ram_kib, 1) for c in self.columns]),
            ("latency here, ms", [_latency(c.latency, measured=True) for c in self.columns]),
            ("latency as published, ms", [_latency(c.latency, measured=False) for c in self.columns]),
            ("evaluation of the test data", ["-" if c.look is None else str(c.look) for c in self.columns]),
        ]
        rows += [(name, *cells) for name, cells in costs if any(cell != "-" for cell in cells)]
        return header, rows

    def differences(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Lay out the pairs: header and rows, the tested figure first."""
        header = (
            *("first less second", "figure of a subject", "mean difference", "95% over subjects"),
            *("better", "worse", "same", "p", "p (Holm)"),
        )
        rows: list[tuple[str, ...]] = []
        for pair in self.pairs:
            order = sorted(pair.differences, key=lambda name: name != self.tested)
            for name in order:
                one = pair.differences[name]
                ends = f"{one.value.low:+.4f} to {one.value.high:+.4f}"
                counts = (str(one.better), str(one.worse), str(one.same))
                chances = (_chance(one.p), _chance(one.holm))
                who = f"{pair.first} - {pair.second}"
                rows.append((who, name, f"{one.value.value:+.4f}", ends, *counts, *chances))
        return header, rows

    def sentences(self) -> list[str]:
        """Say how the tests ended, how they were done, and what else a reader has to know."""
        lines = [pair.verdict(self.tested) for pair in self.pairs]
        if self.synthetic:
            lines.append("synthetic data: these figures say nothing about real recordings")
        if self.subjects < FEW:
            people = formatting.plural(self.subjects, "subject")
            lines.append(f"with {people} intervals are narrower than they should be; the test is not")
        if self.pairs:
            many = f", corrected by Holm for {len(self.pairs)} pairs" if len(self.pairs) > 1 else ""
            lines.append(
                f"tested is the {self.tested} of a subject alone, by flipping signs of differences over"
                f" subjects, two-sided{many}; the other figures have an interval and no test. Differences are"
                f" means over subjects, each counting the same, whatever the number of its {self.cases}"
            )
        timed = [c.latency for c in self.columns if c.latency is not None and c.latency.runs]
        if timed:
            lines.append(
                f"latency: median of {timed[0].runs} single {self.cases}, in brackets the quarter points,"
                " models in turns, one thread of onnxruntime on this machine, not on the device"
            )
        evaluations = [c.look for c in self.columns if c.look is not None]
        if evaluations and max(evaluations) > 1:
            lines.append(
                "a model chosen by earlier evaluations of these test data looks better here than it is"
            )
        return [*lines, *self.notes]

    def to_markdown(self) -> str:
        """Write the whole as Markdown."""
        parts = [
            f"# Comparison {self.title()}",
            formatting.table(*self.figures()),
            *(["## Differences", formatting.table(*self.differences(), left=2)] if self.pairs else []),
            "\n".join(f"- {line}" for line in self.sentences()),
            "## Models",
            "\n".join(f"- {_named(column)}" for column in self.columns),
        ]
        return "\n\n".join(parts) + "\n"


def _named(column: Column) -> str:
    if column.source:
        return f"{column.name}: {column.source}; on {column.data}"
    return (
        f"{column.name}: {column.network}; trial {column.trial} of study {column.study};"
        f" sha256 {column.sha256[:16]}; {column.where}"
    )


def _difference(one: Difference) -> dict[str, Any]:
    fields = {**dataclasses.asdict(one), "subjects": one.subjects}
    return {key: None if isinstance(v, float) and math.isnan(v) else v for key, v in fields.items()}


def _figure(found: Interval | float | None, digits: int = 4) -> str:
    if found is None:
        return "-"
    if isinstance(found, Interval):
        return f"{found.value:.{digits}f} ({found.low:.3f} to {found.high:.3f})"
    return f"{found:.{digits}f}"


def _cost(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _latency(found: Latency | None, *, measured: bool) -> str:
    if found is None or bool(found.runs) != measured:
        return "-"
    return f"{found.median:.3g} ({found.low:.3g} to {found.high:.3g})" if measured else f"{found.median:.4g}"


def _chance(p: float) -> str:
    if math.isnan(p):
        return "-"
    return f"{p:.3f}" if p >= 0.0005 else f"{p:.1g}"
