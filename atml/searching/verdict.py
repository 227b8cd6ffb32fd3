"""What a search came to, in one dataclass: the winner, how good, how sure, what next.

The first screen of `atml best`, `atml status` and the top of the report all read this, so that they say the
same. Figures that need data or predictions are computed once, when the finalists are judged, and kept in the
study (`facts`); the rest is read from trials and exports, in milliseconds.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atml.artifacts.json_file import fields_of
from atml.data.cases import of_study
from atml.evaluation.gate import Gate
from atml.formatting import between, listed, ordinal, plural
from atml.metrics import Interval
from atml.metrics.value_difference import LEVEL
from atml.searching import next_step
from atml.searching.first_rates import OVER_LABELS, headline, of_labels, rates_of
from atml.searching.leaderboard import AGREES, Entry, leaderboard
from atml.searching.next_step import goes_on, where
from atml.searching.ranking import PICK
from atml.storage import urls
from atml.tasks.task import WAVEFORM
from atml.training.records import ParameterSource, TrialRecord

if TYPE_CHECKING:
    from atml.searching.finalists import Finalist, Finalists
    from atml.storage import Store

WORST = 3
"""Subjects that are named."""

FEW = 6
"""Fewer subjects than this are said beside a gain: its interval is wide, and no more is known of others."""

DEFAULT = urls.name(urls.DEFAULT_URL)
"""Name of the database that no command needs to be told."""

SURE = f"{LEVEL:.0%} interval, paired by subject"
"""What the interval of a gain is."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """One subject: its rates by name, without those of a class that it does not have.

    ``windows`` counts by the same names what each rate is of, once for every run that it was measured in.
    """

    name: str
    rates: Mapping[str, float]
    windows: Mapping[str, int]

    def __str__(self) -> str:
        """Return the name, the rates and what they are of."""
        told = [f"{name} {rate:.3f} of {self.windows[name]:,}" for name, rate in self.rates.items()]
        return f"{self.name} ({', '.join(told)})"


FIRST = {"ec57": ("VEB Se", "VEB +P", "SVEB Se", "SVEB +P")}
"""Figures to read first of rules whose own first figure is of something else: how beats are found."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One evaluation of the winner's export on test data: the official figure is the one to read first.

    ``number`` counts the evaluations of that test set; ``total`` are the points of a rule that awards some,
    None where no latency and size were measured.
    """

    rule: str
    data: str
    windows: int
    subjects: int
    number: int
    name: str
    official: Interval
    total: float | None = None
    figures: Mapping[str, Interval]

    @property
    def headline(self) -> dict[str, Interval]:
        """The figures to read first: the official one, and others that say nothing without each other."""
        names = [name for name in FIRST.get(self.rule, ()) if name in self.figures]
        return {name: self.figures[name] for name in names} or {self.name: self.official}

    def __str__(self) -> str:
        """Return rule, data, figures and how often that test set was evaluated, in one line."""
        told = ", ".join(f"{name} {one.value:.3f} ({between(one)})" for name, one in self.headline.items())
        points = "" if self.total is None else f", total {self.total:.3f}"
        return (
            f"{told}{points}: rule {self.rule} on"
            f" {self.data}, {plural(self.subjects, 'subject')}, {ordinal(self.number)} evaluation"
        )


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The winner of a study, or its best trial so far, and what is known of it.

    Attributes:
        study: Name of the study.
        entry: Its place on the leaderboard: value, size, folder, and the runs that its figures are of.
        rates: Rates over all windows with 95% intervals over subjects; those of a run in the search, and some
            of earlier versions, have none and are points.
        over_default: What it has over DEFAULT in units of the objective (`SURE`); None where not measured.
        is_default: Whether it is DEFAULT itself.
        over_baseline: The same over the baseline without a network.
        baseline: Title of that baseline; "" for a task without one.
        worst: The subjects with the lowest rate, the worst first.
        alike: The other finalists that can't be told apart from it.
        over: What each of them has over it, by trial; without those of studies of earlier versions.
        tests: Evaluations on test data, the newest of each rule and test set.
        missing: Why it does not qualify, in words; empty where it does.
        next: The command to run next, "" for none.
    """

    study: str
    entry: Entry
    rates: Mapping[str, Interval]
    sure: bool
    """Whether the rates have intervals."""
    compared: bool = False
    """Whether finalists were compared on fresh seeds, so that ``alike`` says all."""
    alone: bool = False
    """Whether it was the only finalist."""
    over_default: Interval | None = None
    is_default: bool = False
    over_baseline: Interval | None = None
    baseline: str = ""
    worst: tuple[Person, ...] = ()
    alike: tuple[Entry, ...] = ()
    over: Mapping[int, Interval] = field(default_factory=dict)
    short: float | None = None
    """Its value at a trial's own length, at which finalists are compared; None where that length ships."""
    subjects: int = 0
    """How many subjects the study has."""
    tests: tuple[Evaluation, ...] = ()
    missing: tuple[str, ...] = ()
    next: str = ""
    case: str = "window"
    """What one decision is made of: a window, or a page."""

    @property
    def line(self) -> str:
        """Return the winner in one line, as `atml status` and `atml best` begin: value, rates, size, path."""
        one = self.entry
        few = self.rates if len(self.rates) <= 2 else {"balanced accuracy": self.rates["balanced accuracy"]}
        rates = [f"{name} {rate.value:.3f}" for name, rate in few.items()]
        folder = [where(one.folder)] if one.folder is not None else ["not exported"]
        parts = [f"{one.value:.4f} out of fold", *rates, f"{one.size_kib:.1f} KiB", *folder]
        return f"{one.title}: trial {one.number}, {', '.join(parts)}"

    @property
    def gains(self) -> tuple[str, ...]:
        """Return what it has over DEFAULT and over the baseline, in words; empty where neither is known."""
        found = []
        if self.is_default:
            found.append("it is DEFAULT: no gain over DEFAULT was found")
        elif self.over_default is not None:
            found.append(f"{gain_words(self.over_default)} over DEFAULT")
        if self.over_baseline is not None:
            found.append(f"{gain_words(self.over_baseline)} over the baseline, {self.baseline}")
        return tuple(found)

    def _beside(self, entry: Entry) -> str:
        """Return value, size and difference of a trial that can't be told apart."""
        gap = self.over.get(entry.number)
        more = "" if gap is None else f", {gain_words(gap)} over it"
        return f"{entry.value:.4f}, {entry.size_kib:.1f} KiB{more}"

    def rows(self) -> list[tuple[str, str]]:
        """Return the first screen as rows of a name and words."""
        one = self.entry
        rows = [("winner" if one.seeds else "best so far", f"trial {one.number}: {_summary(one)}")]
        rows.append(("path", where(one.folder) if one.folder is not None else "not exported"))
        rows.append(("value", f"{one.value:.4f} out of fold, {one.runs}"))
        cost = one.record.cost
        macs = f", {cost.macs:,} MACs a {self.case}" if cost is not None else ""
        rows.append(("size", f"{one.size_kib:.1f} KiB{macs}"))
        for name, rate in self.rates.items():
            ends = f" (95% interval {between(rate)})" if self.sure else ", no interval before the finalists"
            rows.append((name, f"{rate.value:.3f}{ends}"))
        if self.gains:
            few = f" of only {self.subjects}" if self.subjects < FEW else ""
            rows.append(("gain", f"{'; '.join(self.gains)} ({SURE}{few})"))
        if self.worst:
            rows.append(("worst people", "; ".join(map(str, self.worst))))
        if self.alike:
            others = [f"{e.number} ({self._beside(e)})" for e in self.alike]
            at = "" if self.short is None else f"trained as long as they are ({self.short:.4f}) it "
            rows.append(("as good", f"{at}can't be told apart from {noun(others)} {listed(others)}"))
        elif self.compared:
            rows.append(("as good", "no other finalist: each is worse beyond its noise"))
        elif one.seeds and self.alone:
            rows.append(("as good", "not known: it was the only finalist"))
        if self.missing:
            rows.append(("unqualified", "; ".join(self.missing)))
        rows += [("test", str(test)) for test in self.tests] or [("test", "not scored on test data yet")]
        return [*rows, ("next", self.next)] if self.next else rows


def _numbers(pick: Mapping[str, Any], taken: int) -> set[int]:
    """Return the trials that can't be told apart from the one that was taken."""
    if "equals" in pick:
        return {int(number) for number in pick["equals"]}
    alike = set(pick.get("alike", ()))
    return alike - {taken} if taken in alike else set()


def gain_words(found: Interval) -> str:
    """Write a gain with its interval.

    >>> gain_words(Interval(0.02, 0.004, 0.038))
    '+0.020 (0.004 to 0.038)'
    """
    return f"{found.value:+.3f} ({between(found)})"


def noun(some: Sequence[Any]) -> str:
    """Return "trial", or "trials" where there are several."""
    return "trial" if len(some) == 1 else "trials"


def verdict(store: Store, name: str) -> Verdict | None:
    """Return what a study came to; None where no trial ran over every fold yet."""
    spec, records = store.spec(name) or {}, store.trials(name)
    return verdict_of(name, spec, store.facts(name), records, leaderboard(store, name), store.name)


def verdict_of(
    name: str,
    spec: Mapping[str, Any],
    attrs: Mapping[str, Any],
    records: Sequence[TrialRecord],
    ranking: Sequence[Entry],
    storage: str,
) -> Verdict | None:
    """Return the verdict from what a caller has read of a study already.

    ``spec`` are its settings, ``attrs`` its attributes, ``ranking`` is its leaderboard, ``storage`` the name
    of the database.
    """
    if not ranking:
        return None
    first, pick = ranking[0], attrs.get(PICK) or {}
    mine = pick.get("order", [])[:1] == [first.number]
    kept = _known(first, pick.get("verdict") if mine else None)
    rates = {key: _interval(one) for key, one in kept.get("rates", {}).items()} or {
        key: Interval(value, value, value) for key, value in first.rates.items()
    }
    is_default = first.record.origin == ParameterSource.DEFAULT
    gained = pick.get("gain") if mine and first.seeds and not is_default else None
    baseline = kept.get("baseline") or {}
    alike = _numbers(pick, first.number) if mine else set()
    gate = Gate.of_spec(spec)
    known = {**first.metrics, **first.rates}
    tests = evaluations(first.folder)
    at = "" if storage == DEFAULT else f" --storage {shlex.quote(_url(storage))}"
    missing = gate.missing(known) if known else ()
    return Verdict(
        study=name,
        entry=first,
        rates=headline(rates),
        sure=bool(kept.get("rates")),
        over_default=None if gained is None else Interval(*gained),
        is_default=is_default and (mine or bool(first.seeds)),
        over_baseline=_interval(baseline["gain"]) if baseline.get("gain") else None,
        baseline=str(baseline.get("title", "")),
        worst=tuple(_person(row) for row in kept.get("subjects", ())[:WORST]),
        compared=mine and bool(first.seeds) and "alike" in pick and len(pick["order"]) > 1,
        alone=mine and len(pick["order"]) == 1,
        alike=tuple(entry for entry in ranking if entry.number in alike),
        over={int(n): Interval(*gap) for n, gap in pick.get("equals", {}).items()} if mine else {},
        short=pick.get("values", {}).get("1") if mine and pick.get("length", 1) > 1 else None,
        subjects=int(spec.get("subjects") or 0),
        tests=tests,
        missing=missing,
        case=of_study(spec).name,
        next=next_step.command(name, first, spec, kept, goes_on(attrs, records), bool(tests), missing) + at,
    )


def facts(finals: Finalists, judged: Finalist) -> dict[str, Any]:
    """Return what a study keeps of its winner, as JSON types; the names are those of metrics.json."""
    result, baseline, plan = judged.result, finals.baseline(), finals.plan
    over = finals.over_baseline(judged)
    return {
        "rates": {name: asdict(rate) for name, rate in rates_of(result).items()},
        # Of leads that are read subjects have decibels, which the report lists.
        "subjects": []
        if plan.definition.task.kind == WAVEFORM
        else [asdict(row) for row in result.rows()[:WORST]],
        "baseline": None
        if baseline is None
        else {
            "name": baseline.baseline.name,
            "title": baseline.baseline.title,
            "value": baseline.value,
            "gain": None if over is None else asdict(over),
        },
        "rule": plan.definition.rule,
        "split": not plan.dataset.bare or bool(plan.origin.held_out),
    }


def evaluations(folder: Path | None) -> tuple[Evaluation, ...]:
    """Return the evaluations whose files lie in an export, the newest of each rule and test set.

    Files that were damaged, or that a rule without intervals wrote, are left out.
    """
    found: dict[tuple[str, str], Evaluation] = {}
    read = [] if folder is None else [fields_of(file) for file in (folder / "scores").glob("*.json")]
    for one in sorted(read, key=lambda one: (str(one.get("at", "")), int(one.get("look") or 0))):
        figures = {key: _interval(fields) for key, fields in (one.get("intervals") or {}).items()}
        if not figures or "rule" not in one:
            continue
        name = next((key for key in FIRST.get(one["rule"], ()) if key in figures), next(iter(figures)))
        found[one["rule"], str(one.get("data"))] = Evaluation(
            rule=one["rule"],
            data=str(one.get("data", "test data")),
            windows=int(one.get("segments", 0)),
            subjects=int(one.get("people") or len(one.get("subjects", ()))),
            number=int(one.get("look", 0)),
            name=name.replace("_", " "),
            official=figures[name],
            total=one.get("total"),
            figures=figures,
        )
    return tuple(found.values())


def _summary(entry: Entry) -> str:
    return entry.record.config.describe() if entry.record.config is not None else "config unknown"


def _known(first: Entry, kept: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return the kept facts of the winner, else those of its metrics.json where that is of the same runs."""
    if kept is not None or first.folder is None:
        return kept or {}
    card = fields_of(first.folder / "metrics.json")
    over = {name: card["intervals"][key] for key, name in OVER_LABELS.items()} if of_labels(card) else {}
    card["rates"] = {**over, **card.get("rates", {})}
    return card if abs(card.get("value", float("inf")) - first.value) <= AGREES else {}


def _person(row: Mapping[str, Any]) -> Person:
    if "hits" in row:
        labels, pages = sum(row["true"]), row["n"]
        found = {"F1": (float(row["f1"]), labels)} if labels else {}
        found["all labels right"] = (row["right"] / pages, pages)
        return Person(
            name=str(row["subject"]),
            rates={name: rate for name, (rate, _) in found.items()},
            windows={name: count for name, (_, count) in found.items()},
        )
    parts = (
        [("accuracy", row["right"], row["n"] - row["right"])]
        if "right" in row
        else [("sensitivity", row["tp"], row["fn"]), ("specificity", row["tn"], row["fp"])]
    )
    counts = {name: (right, right + wrong) for name, right, wrong in parts if right + wrong}
    return Person(
        name=str(row["subject"]),
        rates={name: right / whole for name, (right, whole) in counts.items()},
        windows={name: whole for name, (_, whole) in counts.items()},
    )


def _interval(fields: Mapping[str, Any]) -> Interval:
    return Interval(float(fields["value"]), float(fields["low"]), float(fields["high"]))


def _url(storage: str) -> str:
    return storage if "://" in storage else f"sqlite:///{storage}"
