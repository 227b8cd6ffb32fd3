"""A challenger against the champion: judged, decided by what was set beforehand, written down, in service."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from atml import task_files
from atml.artifacts.model import ExportedModel, load
from atml.comparison.compared_models import comparable
from atml.comparison.judging import judged_together, same_windows
from atml.data.subjects import matching
from atml.errors import DataError, InputError
from atml.metrics import Interval
from atml.promotion.decision import Asked, Decision, Difference, Outcome, decide
from atml.promotion.figures import OBJECTIVE, Compared, Figure, figure
from atml.promotion.in_service import ModelId, Placed, check_pointer, history, in_service, point
from atml.promotion.log import BACK, BEGUN, DECIDED, Entry, PromotionLog
from atml.promotion.looks import changes
from atml.scoring.presentation import ScoreReport
from atml.scoring.recording import Evaluations, Pending, record
from atml.scoring.rules import Figure as FigureValue

LOG = Path("promotions.jsonl")
"""The log where nobody names another."""

STANDS_FOR = {"ec57": ("VEB Se", "VEB +P", "SVEB Se", "SVEB +P")}
"""Figures of a rule that are shown and logged, by key; of every other rule it is the first."""

MOST = 8
"""People who are named in a message."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """What was judged on one set of people: the figure of both models, and how often it was evaluated."""

    title: str
    compared: Compared
    reports: tuple[ScoreReport, ScoreReport]
    """Of the challenger and of the champion."""


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """What came of it: the decision, the figures behind it, and what is in service now."""

    decision: Decision
    figure: Figure
    margin: float
    sides: tuple[Side, ...]
    """The frozen set, and the new people where there are some."""
    notes: tuple[str, ...]
    entry: Entry
    log: Path
    champion: ModelId
    """What is in service now."""


def promote(
    challenger: Path,
    over: Path | None,
    *,
    test: Sequence[Path],
    new: Sequence[Path] = (),
    margin: float,
    asked: Asked = Asked.BETTER,
    by: str = OBJECTIVE,
    log: Path = LOG,
    objective: Path | str | None = None,
    rule: str | None = None,
    evaluations: Callable[[], Evaluations],
    **opening: Any,
) -> Promotion:
    """Judge a challenger against the champion, decide, and write both down; an evaluation counts for each.

    Everything is checked and judged before anything is written. Then the log gets what was asked (the margin
    too), the evaluations are recorded, and only then are figures computed and the decision made.

    Args:
        challenger: Export that may take the champion's place.
        over: The champion; None for the export that is in service by the log.
        test: The frozen test set.
        new: People whom neither model was trained on; () for none.
        margin: What the challenger may lack of the champion, from 0 to 1, in units of the figure.
        asked: What has to be shown on the new people, or on the frozen set where there are none.
        by: `OBJECTIVE` or a figure of a subject (`atml.metrics.paired.MEASURES`).
        log: File of the log; which export is in service is written beside it.
        objective: Objective by name or file, if not the task's.
        rule: Name of the scoring rule; that of the task where None.
        evaluations: Opens the place where evaluations are counted, when all is judged.
        opening: As in `atml.scoring.evaluation.judge_export`: ``leads``, ``sampling_rate``, ``labels``,
            ``subjects``, ``options``.

    Raises:
        InputError: Exports that can't be compared or are the same, an export that is not the one in service,
            test people whom a model was trained on, people both frozen and new, a log that is damaged or
            can't be written, and all that `judge_export` raises. Nothing is written then.
    """
    if not 0 <= margin <= 1:
        raise InputError(f"a margin of {margin:g}: give one from 0 to 1, in units of the figure")
    kept = PromotionLog(log)
    kept.check_writable()
    check_pointer(log)
    entries = kept.entries()
    now = in_service(entries)
    mine = load(challenger)
    theirs = _in_service(now) if over is None else load(over)
    if mine.sha256 == theirs.sha256:
        raise InputError(
            f"{challenger} and {over or theirs.folder} are the same model; give another challenger"
        )
    if now is not None and now.model.sha256 != theirs.sha256:
        raise InputError(
            f"{over} is not in service by {log}: {now.model.export} is; promote over that one, or use another"
            " --log in another folder"
        )
    exports = (mine, theirs)
    comparable(exports, ())
    for one in exports:
        if not one.knows_subjects and not one.synthetic:
            raise InputError(f"{one.path} does not tell whom it was trained on; name its export folder")
    definition = task_files.find(mine.task.name, objective=objective)
    told = figure(by, definition)
    wanted = {
        **opening,
        "label": definition.label,
        "labels_hash": definition.labels_hash,
        "rule": rule or definition.rule,
    }
    if not test:
        raise InputError("name the frozen test set with --test")
    frozen, notes = _judged(exports, test, wanted)
    _nobody_trained_on(exports, frozen)
    fresh: list[Pending] = []
    if new:
        fresh, more = _judged(exports, new, wanted)
        notes += more
        _other_people(frozen[0], fresh[0])
    begun = {
        "event": BEGUN,
        "margin": margin,
        "asked": asked.value,
        "by": by,
        "objective": definition.objective_name or definition.objective_path.stem,
        "rule": wanted["rule"],
        "challenger": ModelId.of(mine).to_dict(),
        "champion": ModelId.of(theirs).to_dict(),
        "frozen": _data(frozen[0], test),
        "new": _data(fresh[0], new) if fresh else None,
    }
    # Whatever these people lack for the figure is found out before anything is written.
    compared = [told.compare(*pair) for pair in (frozen, fresh) if pair]
    first = kept.add(lambda before: {**begun, "changed": changes(before, begun)})
    reports = record([*frozen, *fresh], evaluations)
    titles = ("the frozen test set", "new people")
    sides = [
        Side(title=title, compared=one, reports=(reports[2 * at], reports[2 * at + 1]))
        for at, (title, one) in enumerate(zip(titles, compared, strict=False))
    ]
    differences: list[Difference] = [one.difference for one in compared]
    decision = decide(differences[0], differences[1] if fresh else None, margin=margin, asked=asked)

    def decided(before: list[Entry]) -> dict[str, Any]:
        nonlocal decision
        newest = in_service(before)
        if newest is not None and newest.model.sha256 != theirs.sha256:
            why = f"{newest.model.export} was put in service meanwhile: judge over that one"
            decision = Decision(Outcome.UNTOLD, why)
        return {
            "event": DECIDED,
            "of": first["n"],
            "outcome": decision.outcome.value,
            "reason": decision.reason,
            "challenger": begun["challenger"],
            "champion": begun["champion"],
            "frozen": _figures(sides[0]),
            "new": _figures(sides[1]) if fresh else None,
        }

    entry = kept.add(decided)
    after = kept.entries()
    point(log, after)
    standing = in_service(after)
    assert standing is not None, "a decision names what is in service"
    return Promotion(
        decision=decision,
        figure=told,
        margin=margin,
        sides=tuple(sides),
        notes=(*first["changed"], *notes, *_notes(reports)),
        entry=entry,
        log=log,
        champion=standing.model,
    )


def go_back(log: Path, export: Path | None = None) -> tuple[ModelId, ModelId]:
    """Put an earlier model in service again; return which one was, and which one is now.

    It is the one before, or ``export``, which has to have been in service by the log.

    Raises InputError where there is none to go back to, or its export is not what it was.
    """
    kept = PromotionLog(log)
    kept.check_writable()
    check_pointer(log)
    wanted = None if export is None else load(export)
    target = _target(log, kept.entries(), wanted)
    exported = wanted or _still_there(target)
    found: list[ModelId] = []

    def entry(before: list[Entry]) -> dict[str, Any]:
        placed = history(before)
        now = _target(log, before, wanted)
        if now.sha256 != exported.sha256:
            raise InputError(f"{log} was added to meanwhile: run the same command again")
        found.extend((placed[-1].model, ModelId.of(exported)))
        return {"event": BACK, "from": found[0].to_dict(), "to": found[1].to_dict()}

    kept.add(entry)
    point(log, kept.entries())
    return found[0], found[1]


def _target(log: Path, entries: Sequence[Entry], wanted: ExportedModel | None) -> ModelId:
    """Return the model to go back to."""
    placed = history(entries)
    if len(placed) < 2:
        there = (
            f"{placed[0].model.export} is in service from the beginning" if placed else "it has no decision"
        )
        raise InputError(f"nothing to go back to in {log}: {there}")
    if wanted is None:
        return placed[-2].model
    for one in reversed(placed[:-1]):
        if one.model.sha256 == wanted.sha256:
            return one.model
    if placed[-1].model.sha256 == wanted.sha256:
        raise InputError(f"{wanted.folder or wanted.path} is in service already")
    raise InputError(
        f"{wanted.folder or wanted.path} was never in service by {log}; `atml promote --log {log}` lists"
        " what was"
    )


def _still_there(model: ModelId, way: str = "give its folder: atml promote FOLDER --back") -> ExportedModel:
    """Load the export of a model that is or was in service; ``way`` is the way out where it is another."""
    if not Path(model.export).exists():
        raise InputError(f"{model.export} is not there any more; {way}")
    found = load(Path(model.export))
    if found.sha256 != model.sha256:
        raise InputError(f"{model.export} is another model than it was (sha256 {model.sha256[:16]}); {way}")
    return found


def _in_service(now: Placed | None) -> ExportedModel:
    if now is None:
        raise InputError("nothing is in service yet: name the champion with --over")
    return _still_there(now.model, "give its folder with --over")


def _judged(
    exports: Sequence[ExportedModel], paths: Sequence[Path], wanted: Mapping[str, Any]
) -> tuple[list[Pending], list[str]]:
    """Judge both models on the same windows; nothing is recorded."""
    pending, notes = judged_together(exports, paths, wanted)
    same_windows(pending)
    return pending, notes


def _nobody_trained_on(exports: Sequence[ExportedModel], frozen: Sequence[Pending]) -> None:
    """Raise DataError where a model was trained on people of the frozen test set.

    A set that does not tell train from test may be the champion's own, with people whom its search held out:
    those are the test set, and the others are left out for both models.
    """
    (mine, theirs), data = frozen, frozen[0].report.data_name
    own = set(exports[1].data_name.split("+"))
    for exported, people in (
        (exports[0], mine.left_out - theirs.left_out),
        (exports[1], _strange(theirs, own)),
    ):
        if people:
            some = sorted(people)
            more = f" and {len(some) - MOST} more" if len(some) > MOST else ""
            raise DataError(
                f"{exported.folder or exported.path} was trained on people of the frozen test set {data}:"
                f" {', '.join(some[:MOST])}{more}; a search with --test {data} would have refused them"
            )


def _strange(pending: Pending, own: set[str]) -> set[str]:
    """Return who is left out of sets that a model was not trained on as a whole."""
    several = "+" in pending.report.data_name
    return {
        name
        for name in pending.left_out
        if (name.split("/", 1)[0] if several else pending.report.data_name) not in own
    }


def _other_people(frozen: Pending, new: Pending) -> None:
    """Raise DataError where somebody is in the frozen set and among the new people."""
    names = np.unique(new.judged.subject)
    if len(both := names[matching(names, np.unique(frozen.judged.subject).tolist())]):
        some = both.tolist()
        more = f" and {len(some) - MOST} more" if len(some) > MOST else ""
        raise DataError(
            f"in the frozen test set and among the new people: {', '.join(some[:MOST])}{more}; leave them out"
            " of --new"
        )


def _data(pending: Pending, paths: Sequence[Path]) -> dict[str, Any]:
    """Describe the people that were judged, without names: counts, places, a hash over all of it."""
    judged = pending.judged
    whole = hashlib.sha256(f"{judged.task.sampling_rate} {judged.x.shape}".encode())
    whole.update(np.ascontiguousarray(judged.x, "<f4").tobytes())
    whole.update(np.ascontiguousarray(judged.y_true, "<i8").tobytes())
    whole.update("\0".join(judged.subject.tolist()).encode(errors="surrogateescape"))
    return {
        "data": pending.report.data_name,
        "paths": [str(path.resolve()) for path in paths],
        "sha256": whole.hexdigest(),
        "subjects": pending.report.subjects,
        "windows": pending.report.windows,
    }


def _figures(side: Side) -> dict[str, Any]:
    """Return what a log keeps of one set of people."""
    one = side.compared
    return {
        "challenger": one.challenger,
        "champion": one.champion,
        "difference": _plain(one.difference.value),
        "better": one.difference.better,
        "worse": one.difference.worse,
        "evaluations": [report.evaluation for report in side.reports],
        "official": [
            {"name": name, "challenger": mine and mine.value, "champion": theirs and theirs.value}
            for name, mine, theirs in official(side)
        ],
    }


def official(side: Side) -> list[tuple[str, FigureValue | None, FigureValue | None]]:
    """Return what stands for a rule, of the challenger and of the champion; None where one has none."""
    mine, theirs = ({one.key: one for one in report.score.figures} for report in side.reports)
    keys = STANDS_FOR.get(side.reports[0].score.rule, tuple(mine)[:1])
    known = {**theirs, **mine}
    return [(known[key].name, mine.get(key), theirs.get(key)) for key in keys if key in known]


def _plain(interval: Interval) -> list[float | None]:
    """Return value, low and high; null for an end that is not known."""
    ends = (interval.value, interval.low, interval.high)
    return [float(end) if math.isfinite(end) else None for end in ends]


def _notes(reports: Sequence[ScoreReport]) -> list[str]:
    """Return the notes of the evaluations, each once."""
    every = [note for report in reports for note in (*report.notes, *report.score.notes)]
    return list(dict.fromkeys(every))
