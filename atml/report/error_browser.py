"""Windows that were decided wrong out of fold, to look through by subject, rhythm, mistake and score."""

from __future__ import annotations

import numpy as np

from atml.arrays import Floats, Int64, Strings
from atml.data.cases import beat_at, case_of
from atml.data.dataset import Dataset
from atml.formatting import plural, sentence
from atml.report import kind as report_kind
from atml.report import page_pictures
from atml.report.material import Material
from atml.report.outcome import unit_of
from atml.report.page import Block, Empty, Windows
from atml.tasks.task import MULTILABEL, Task

MOST = 3000
"""Windows that are listed."""

SAMPLES = 300_000
"""Samples that are kept of all traces together, a byte each."""

FINEST = 125.0
"""Samples a second that a trace has at most, in Hz."""


PICTURES, THUMB = 60, 168
"""Pages that are shown, and their width at most, in pixels."""


def browser(material: Material) -> Block:
    """Return the misjudged windows, the surest first; an `Empty` where there are none, or no data."""
    found, plan, why = material.outcome.decided, material.plan, material.outcome.why
    if found is None or plan is None:
        return Empty(sentence(f"what was misjudged can't be shown: {why or material.plan_gone}"))
    data, task = plan.dataset, plan.definition.task
    kind, case = report_kind.of(task), case_of(task)
    names, runs = kind.answers(task), len(found.called)
    missed = found.called != found.truth
    wrong = np.flatnonzero(missed.mean(axis=0) > 0.5)
    if not len(wrong):
        return Empty(f"No {one_of(task)} is wrong in more than half of the trainings.")
    # Of the trainings that are wrong: what they say is what the margin is of.
    score = np.where(missed, found.margins, 0.0).sum(axis=0) / np.maximum(1, missed.sum(axis=0))
    subject = data.subject[found.rows]
    kept = in_turn(subject[wrong], np.abs(score[wrong]), MOST)
    rows = []
    for at in (places := wrong[kept]).tolist():
        row = int(found.rows[at])
        first = int(np.flatnonzero(missed[:, at])[0])
        mistake = f"{names[found.truth[at]]}, called {names[found.called[first, at]]}"
        rows.append(((str(subject[at]), str(data.rhythm[row]) or "(no name)", mistake), float(score[at])))
    people, where = len(np.unique(subject[wrong])), material.places
    how = {1: "", 2: " by both trainings"}.get(runs, f" by more than half of the {runs} trainings")
    said = (
        f"{kind.count(task, len(wrong))} of {plural(people, 'subject')}"
        f" {'is' if len(wrong) == 1 else 'are'} {'' if task.kind == MULTILABEL else 'decided '}wrong out of"
        f" fold{how}, of {len(found.truth):,}."
    )
    if len(kept) < len(wrong):
        said += f" {len(kept):,} are listed, the surest of each subject in turn."
    if task.picture is not None:
        pictures, of = thumbnails(data, found.rows[places])
        if len(pictures) < len(np.unique(found.rows[places])):
            said += (
                f" {len(pictures):,} pages are shown, small, those of the surest decisions of each subject."
            )
        return Windows(
            columns=("subject", "set of labels", "truth and decision"),
            rows=tuple(rows),
            score=kind.score(task),
            traces=(),
            rate=0.0,
            unit="",
            says=said,
            what="decisions",
            pictures=pictures,
            picture=of,
        )
    step = max(1, int(np.ceil(data.sampling_rate / FINEST)))
    length = -(-data.x.shape[-1] // step)
    drawn = places[: max(1, SAMPLES // length)]
    traces = tuple(trace(np.asarray(data.x[int(found.rows[at])][0], np.float64), step) for at in drawn)
    if len(drawn) < len(kept):
        said += f" The first {len(drawn):,}, the surest of each subject, are drawn."
    leads = " The first lead is drawn." if data.x.shape[1] > 1 else ""
    return Windows(
        columns=("subject", case.kind, "truth and decision"),
        rows=tuple(rows),
        score=kind.score(task),
        traces=traces,
        rate=data.sampling_rate / step,
        unit=unit_of(plan.origin),
        says=said + leads,
        what=case.many,
        places=()
        if where is None
        else tuple(str(where.words[int(found.rows[at])]) for at in places.tolist()),
        mark=beat_at(task),
    )


def one_of(task: Task) -> str:
    """Name one of what is listed."""
    return "decision" if task.kind == MULTILABEL else case_of(task).name


def thumbnails(data: Dataset, rows: Int64) -> tuple[tuple[bytes, ...], tuple[int, ...]]:
    """Return small PNGs of the first `PICTURES` different pages among ``rows``, and which one each row has.

    -1 for a row whose page is none of them.
    """
    place: dict[int, int] = {}
    made: list[bytes] = []
    for row in rows.tolist():
        if row not in place and len(made) < PICTURES:
            place[row] = len(made)
            made.append(page_pictures.png(page_pictures.small(np.array(data.x[row]), THUMB)))
    return tuple(made), tuple(place.get(row, -1) for row in rows.tolist())


def in_turn(subject: Strings, size: Floats, most: int) -> Int64:
    """Return up to ``most`` places, the largest ``size`` of each subject before the second largest of any.

    Example:
        >>> in_turn(np.array(["a", "a", "b"]), np.array([3.0, 2.0, 1.0]), 2).tolist()
        [0, 2]
    """
    order = np.argsort(-size, kind="stable")
    rank = np.zeros(len(order), np.int64)
    seen: dict[str, int] = {}
    for at in order.tolist():
        name = str(subject[at])
        rank[at] = seen[name] = seen.get(name, -1) + 1
    return np.lexsort((-size, rank))[:most]


def trace(x: Floats, step: int) -> tuple[bytes, float]:
    """Write a lead ``(samples,)`` as signed bytes and the magnitude that 127 stands for.

    Of every ``step`` samples the one furthest from the middle of the lead is kept, so that no peak is lost.
    """
    x = np.nan_to_num(x)
    x = x - np.median(x)
    padded = np.pad(x, (0, -len(x) % step), mode="edge").reshape(-1, step)
    kept = padded[np.arange(len(padded)), np.abs(padded).argmax(axis=1)]
    most = float(np.abs(kept).max()) or 1.0
    return np.rint(127 * kept / most).astype(np.int8).tobytes(), most
