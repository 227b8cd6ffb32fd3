"""Scoring rules: one module each in a plain dict, and a user's own by file.

Add a rule by writing a module with the members of `atml.scoring.rules.base.Rule` and putting it into `RULES`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from atml.arrays import Float32, Int64
from atml.errors import InputError
from atml.scoring.rules import (
    aha_aed,
    beat_by_beat,
    cinc2017,
    files,
    iccad2022,
    iccad2023,
    iesd2024,
    label_sets,
    records,
)
from atml.scoring.rules.base import BeatRecord, Figure, Judged, Rule, Score, Table, Total
from atml.scoring.rules.contest_figures import check
from atml.tasks import targets
from atml.tasks.task import Task

RULES: dict[str, Rule] = {
    rule.NAME: rule
    for rule in (aha_aed, beat_by_beat, cinc2017, iccad2022, iccad2023, iesd2024, label_sets, records)
}
"""The rules that come with atml, by name."""


def rule(name: str, cwd: Path | None = None) -> Rule:
    """Find a rule by name: a built-in one, or a file ``rules/NAME.py`` in ``cwd`` (the working directory).

    Raises:
        InputError: no such rule; the message lists the known ones.
        TaskFileError: a file that can't be used, or that has the name of a built-in rule.

    Example:
        >>> rule("iesd2024").AWARDS
        True
    """
    own = files.names(cwd)
    if name in RULES:
        if name in own:
            raise files.taken(own[name])
        return RULES[name]
    if name in own:
        return files.load(own[name])
    known = ", ".join(sorted(RULES)) + "".join(f", {other} (a file here)" for other in own)
    raise InputError(f"no scoring rule {name!r}; known: {known}; one of your own is a file rules/{name}.py")


def listed(cwd: Path | None = None) -> list[tuple[str, str, str]]:
    """Return name, meaning and options of each rule: the built-in ones, then the files ``rules/`` in ``cwd``.

    Example:
        >>> listed()[0][0], listed()[0][2]
        ('aha-aed', 'vf_amplitude=0.2 vt_rate=150')
    """
    builtin = [
        (name, (judge.__doc__ or "").partition("\n")[0], _defaults(judge)) for name, judge in RULES.items()
    ]
    return builtin + [(name, f"your file {path}", "") for name, path in files.names(cwd).items()]


def _defaults(judge: Rule) -> str:
    return " ".join(f"{name}={default:g}" for name, default in judge.OPTIONS.items())


def labels(judge: Rule, task: Task, outputs: Float32) -> Int64:
    """Class of each row of ``outputs (n, classes)``, ``(n,)``: by the rule, or as the task does."""
    return targets.of(task).labels(outputs) if judge.decide is None else judge.decide(outputs)


def settings(
    judge: Rule,
    given: Mapping[str, float | None],
    *,
    latency_ms: float | None = None,
    size_kib: float | None = None,
) -> dict[str, float]:
    """Return the rule's options with those that were ``given``; None leaves the default.

    Raises InputError for an option that the rule does not have, a latency or size given to a rule that
    awards no points for it, and a value that is not above 0.
    """
    wanted = {key: value for key, value in given.items() if value is not None}
    for key, value in wanted.items():
        if key not in judge.OPTIONS:
            known = ", ".join(f"{name} (default {default:g})" for name, default in judge.OPTIONS.items())
            owners = [name for name, other in RULES.items() if key in other.OPTIONS]
            raise InputError(
                f"rule {judge.NAME} has no option {key!r}; it has {known or 'none'}"
                + (f"; {key} is an option of rule {', '.join(owners)}" if owners else "")
            )
        nothing = value == 0 and key in getattr(judge, "MAY_BE_ZERO", ())
        if not (math.isfinite(value) and (value > 0 or nothing)):
            raise InputError(f"option {key} of rule {judge.NAME} is {value:g}; give a number above 0")
        most = getattr(judge, "IN_SECONDS", {}).get(key, math.inf)
        if value > most:
            raise InputError(
                f"option {key} of rule {judge.NAME} is {value:g} s, and {most:g} s is the most: it is in"
                " seconds"
            )
    if not judge.AWARDS and (latency_ms is not None or size_kib is not None):
        raise InputError(
            f"rule {judge.NAME} awards nothing for latency or size; leave --latency-ms and --size-kib out"
        )
    check(latency_ms, size_kib)
    return {**judge.OPTIONS, **wanted}


__all__ = [
    "RULES",
    "BeatRecord",
    "Figure",
    "Judged",
    "Rule",
    "Score",
    "Table",
    "Total",
    "labels",
    "listed",
    "rule",
    "settings",
]
