"""Which faults are only noted and which stop a search, and the class of each row."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from atml.arrays import Bools, Int64, Strings
from atml.data.cases import PAGE, Case, case_of
from atml.data.label_names import of_sets
from atml.data.parsing import Fault, Files, Parsed, look_at, some
from atml.data.rows import DROPPED
from atml.errors import DataError
from atml.formatting import plural
from atml.metrics import label_sets
from atml.tasks.task import MULTILABEL, Task

Label = Callable[[str], int | None]

PLAUSIBLE = (0.02, 50.0)
"""Range in mV of an ECG: a surface one has 0.1 to 10 mV, an electrogram up to some 30."""

FAR = 50
"""How many times the usual range of a set makes one of another unit: counts or µV among mV are 200 times."""

MOST_DROPPED = 0.10
"""Largest share of windows that may be flat or not finite; a data set with more is refused."""


def _odd_range(parsed: Parsed) -> list[str]:
    """Return a note where the values can't be an ECG in mV, of all files or of some among others."""
    there = np.flatnonzero(np.isfinite(parsed.high) & (parsed.high > parsed.low))
    ranges = (parsed.high - parsed.low)[there]
    middle = float(np.median(ranges)) if len(ranges) else 1.0
    if PLAUSIBLE[0] <= middle <= PLAUSIBLE[1]:
        far = there[ranges > max(PLAUSIBLE[1], FAR * middle)]
        odd = parsed.files.place[far[np.isin(far, parsed.owner)]].tolist()  # of those that count
        told = (
            f"values of {len(odd)} of {len(there)} files range over more than {FAR} times those of the others"
        )
        return [f"{told}, too large for an ECG in mV; are unit and gain right? {some(odd)}"] if odd else []
    way = "large" if middle > PLAUSIBLE[1] else "small"
    size = f"{float(f'{middle:.3g}'):,g}"
    return [
        f"values range over {size} (median of the files): too {way} for an ECG in mV; are"
        " unit and gain right?"
    ]


def call(path: Path, place: str) -> str:
    """Return how a message names one file or row."""
    return f"{path} {place}" if place.startswith("row ") else str(path / place)


def judge(parsed: Parsed) -> list[str]:
    """Return notes on what is left out and what looks odd.

    Raises:
        DataError: A file whose name, content or length can't be used; or more than `MOST_DROPPED` of the
            windows are flat or not finite.
    """
    path, dropped, case = parsed.path, parsed.dropped(), parsed.case
    inspect = look_at(path)
    hard = [fault for fault in parsed.faults if fault.kind not in DROPPED]
    if hard:
        more = f" ({len(hard) - 1} more faults)" if len(hard) > 1 else ""
        remedy = _remedy(hard[0], parsed)
        raise DataError(f"{call(path, hard[0].file)}: {hard[0].detail}{more}; {remedy}see {inspect}")
    total = len(parsed.owner) + len(dropped)
    if not total and parsed.seconds:
        raise DataError(f"no usable window in {path}: {_account(parsed, 0)}; see {inspect}")
    if not total:
        raise DataError(f"no {'page' if case == PAGE else 'segment'} in {path}; see {inspect}")
    if len(dropped) > MOST_DROPPED * total:
        raise DataError(
            f"{len(dropped)} of {total} {case.many} in {path} are {_empty(case)}, for example "
            f"{call(path, dropped[0].file)}: too many to leave out; see {inspect}"
        )
    notes = list(parsed.notes)
    for kind in DROPPED:
        if files := [fault.file for fault in dropped if fault.kind == kind]:
            notes.append(f"{len(files)} of {total} {case.many} left out, {kind}: {some(files)}")
    notes += _odd_range(parsed) if case != PAGE else []
    if parsed.seconds:
        notes.append(_account(parsed, len(parsed.owner)))
    elif total > len(parsed.length) and case == PAGE:
        notes.append(f"{plural(len(parsed.length), 'file')} hold {plural(total, 'page')}")
    elif total > len(parsed.length):
        notes.append(f"{len(parsed.length)} segments cut into {total} adjacent windows")
    if pairs := duplicates(parsed.digest, parsed.files.subject[parsed.owner]):
        first, second = (str(parsed.files.place[parsed.owner[row]]) for row in pairs[0])
        notes.append(
            f"{len(pairs)} {case.many} are the same in two subjects, for example {first} and {second}"
        )
    return notes


def _empty(case: Case) -> str:
    """Say what makes a row hold nothing."""
    return "blank" if case == PAGE else "flat or not finite"


def _remedy(fault: Fault, parsed: Parsed) -> str:
    """Return what to do about a fault, with ", or " behind it; "" where its detail says it.

    A file of a record is never alone, and what a list names and is removed is missing.
    """
    what = "the record" if parsed.seconds or fault.file.endswith((".hea", ".dat", ".atr")) else "it"
    take = f"take {what} out of {parsed.listed}" if parsed.listed else f"remove {what}"
    ways = {
        "lead": "",
        "index": "mend that line, or ",
        "missing": f"put it back or {take}, or ",
        "subject": f"give --subjects or {take}, or ",
        "overlap": "take that person out of one of them or correct --subjects, or ",
    }
    return ways.get(fault.kind, f"{take}, or ")


def _account(parsed: Parsed, windows: int) -> str:
    """Describe how much of the recordings is in windows, and why the rest is not."""
    lost: dict[str, float] = defaultdict(float)
    for part in parsed.seconds:
        for reason, time in part.left_out.items():
            lost[reason] += time
    found, kept = sum(part.found for part in parsed.seconds), sum(part.kept for part in parsed.seconds)
    ordered = sorted(lost.items(), key=lambda item: -item[1])
    rest = "; left out: " + ", ".join(f"{reason} {time:.0f} s" for reason, time in ordered) if ordered else ""
    holds = "holds" if windows == 1 else "hold"
    return f"{plural(windows, 'window')} of one rhythm each {holds} {kept:.0f} s of {found:.0f} s{rest}"


def duplicates(digest: npt.NDArray[np.uint8], group: Strings) -> list[tuple[int, int]]:
    """Pairs of rows with the same samples in different groups, each with the first of its kind.

    Args:
        digest: Of each row, ``(n, 16)``.
        group: What rows may not share samples across, ``(n,)``.
    """
    if not len(digest):
        return []
    keys = np.ascontiguousarray(digest).view("V16")[:, 0]
    _, first, which = np.unique(keys, return_index=True, return_inverse=True)
    rows = np.flatnonzero(group != group[first[which]])
    return [(int(first[which[row]]), int(row)) for row in rows]


def classes_of(rhythms: Sequence[str], task: Task, label: Label) -> dict[str, int | None]:
    """Ask ``label`` about each rhythm; raises DataError for an index that is no class of the task.

    Of a multilabel task it is about the labels of a page, "AF+RBBB", and gives them as bits.
    """
    table = {name: label(name) for name in rhythms}
    several = task.kind == MULTILABEL
    known = 1 << len(task.classes) if several else len(task.classes)
    for name, klass in table.items():
        if klass is not None and not 0 <= klass < known:
            what = "no set of its labels" if several else f"not one of {known} classes"
            raise DataError(f"label({name!r}) of task {task.name!r} is {klass}, {what}")
    return table


def classes(files: Files, task: Task, label: Label) -> tuple[Int64, Int64]:
    """Give each file or row its class, ``(n,)``, -1 where the task does not know the rhythm.

    The second array holds the numbers of those whose own label says otherwise.
    """
    if not files.named:
        return files.given, np.empty(0, np.int64)
    names, which = np.unique(files.rhythm, return_inverse=True)
    asked = of_sets(label) if task.kind == MULTILABEL else label
    table = classes_of([str(name) for name in names], task, asked)
    y = np.array([-1 if (klass := table[str(name)]) is None else klass for name in names], np.int64)[which]
    if task.positive is None and not files.given_is_class:
        return y, np.empty(0, np.int64)  # what the data call positive is no class of the task
    says = y if files.given_is_class else (y == task.positive).astype(np.int64)
    return y, np.flatnonzero((y >= 0) & (files.given >= 0) & (files.given != says))


def contradiction(files: Files, at: int, y: Int64, task: Task) -> str:
    """Describe a label in the data that contradicts the class of the rhythm."""
    rhythm, klass = str(files.rhythm[at]), task.classes[y[at]]
    return f"labelled {files.given[at]}, but rhythm {rhythm!r} is {klass!r} to task {task.name!r}"


def unknown(files: Files, y: Int64) -> dict[str, int]:
    """Count the rows of each rhythm that the task does not know."""
    return dict(sorted(Counter(files.rhythm[y < 0].tolist()).items()))


def settle(path: Path, files: Files, task: Task, label: Label, split: str) -> tuple[Int64, list[str]]:
    """Return each row's class, ``(n,)`` with -1 for what is left out, and notes.

    Raises:
        DataError: The data's own label contradicts the rhythm; no rhythm that the task knows.
    """
    y, wrong = classes(files, task, label)
    if len(wrong):
        more = f" ({len(wrong) - 1} more such)" if len(wrong) > 1 else ""
        where, what = call(path, str(files.place[wrong[0]])), contradiction(files, int(wrong[0]), y, task)
        raise DataError(f"{where}: {what}{more}; mend one of the two")
    notes, case = [], case_of(task)
    empty = (files.rhythm == "") & (y >= 0)
    if empty.any() and task.kind != MULTILABEL:
        notes.append(
            f"{empty.sum()} {case.many} have an empty {case.kind}, taken for {task.classes[y[empty][0]]!r}"
        )
    if strange := unknown(files, y):
        listed = ", ".join(f"{name!r} ({count})" for name, count in strange.items())
        notes.append(
            f"{sum(strange.values())} {case.many} left out, of {case.kinds} unknown to the task: {listed}"
        )
    if len(y) and (y < 0).all():  # nothing that another set could make up for
        check_classes(str(path), split, y[:0], list(strange), task)
    return y, notes


def check_classes(
    path: str, split: str, y: Int64, strange: Sequence[str], task: Task, about: str = ""
) -> list[str]:
    """Return a note where a class is missing, and refuse data that have too few classes.

    To train takes windows of every class of the task, to score at least two classes, or one of beats. Of a
    multilabel task each label has to be true of some pages and not of others, and to score any one of them.

    Args:
        path: Of what, for the message.
        split: "train" or "test".
        y: Classes of the rows kept, ``(n,)``.
        strange: Rhythms that the task does not know.
        task: Whose classes they are.
        about: What else the message says of the split.

    Raises:
        DataError: Too few classes, or no row.
    """
    if task.kind == MULTILABEL:
        return _check_labels(path, split, label_sets.truth(y, len(task.classes)), strange, task, about)
    there = np.unique(y)
    names = ", ".join(repr(task.classes[klass]) for klass in there)
    if len(there) == len(task.classes):
        return []
    # A person with normal beats alone is judged too: which beats are called ectopic in error.
    if split == "test" and len(there) >= (1 if task.around_beats else 2):
        missing = [name for klass, name in enumerate(task.classes) if klass not in there]
        return [
            f"no {case_of(task).name} of class {', '.join(map(repr, missing))}: only {names} can be judged"
        ]
    only = f"only {names}" if len(there) else "no class"
    known = sorted({repr(name) for name in strange})
    kinds = case_of(task).kinds
    hint = f", {kinds} unknown to the task are {some(known)}" if known else ""
    classes = ", ".join(task.classes)
    raise DataError(f"{path} ({split}{about}) holds {only} of the classes {classes}{hint}")


def _check_labels(
    path: str, split: str, true: Bools, strange: Sequence[str], task: Task, about: str
) -> list[str]:
    """Do what `check_classes` does for labels ``true (n, labels)``, any number of which a page has."""
    told = np.asarray(true.any(axis=0) & ~true.all(axis=0))
    missing = [repr(name) for name, one in zip(task.classes, told.tolist(), strict=True) if not one]
    if not missing:
        return []
    if split == "test" and told.any():
        return [f"label {', '.join(missing)}: no page with it, or none without; it can't be judged"]
    known = sorted({repr(name) for name in strange})
    hint = f"; labels unknown to the task are {some(known)}" if known else ""
    raise DataError(
        f"{path} ({split}{about}) has no pages with and without {', '.join(missing)}, so that nothing can be"
        f" learned of it{hint}"
    )
