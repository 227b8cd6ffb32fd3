"""What lies at a path: which of the formats it is of, and whether several sets go together."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from atml.arrays import Strings
from atml.data import text
from atml.data.episode import Episode
from atml.data.file_tree import ENDINGS, TAR_ENDINGS, file_there, find
from atml.data.formats import FORMATS
from atml.data.formats.base import Asked, Format
from atml.data.formats.recording_table import table_above, without_labels
from atml.data.formats.subject_map import meant
from atml.data.labelling import Label
from atml.data.parsing import SPLITS, AboutPeople, Fault, Parsed, some
from atml.data.pictures import ENDINGS as PICTURES
from atml.data.reading import Reading
from atml.data.subjects import NOBODY, person
from atml.data.windowing import Recording
from atml.errors import DataError
from atml.formatting import is_utf8
from atml.tasks.task import Task

ANY = "contest"
"""The format that takes any folder, to say what is not there."""

Paths = os.PathLike[str] | str | Sequence[os.PathLike[str] | str] | None
"""One set, several together, or none."""


def asked_of(
    *,
    task: Task,
    label: Label,
    sampling_rate: int | None = None,
    leads: Sequence[str] = (),
    labels: Path | None = None,
    subjects: os.PathLike[str] | str | None = None,
) -> Asked:
    """Return what is asked of every set, from arguments as `atml.data.open` has them; raises DataError."""
    return Asked(
        task=task,
        label=label,
        sampling_rate=sampling_rate,
        leads=tuple(leads),
        labels=labels,
        subjects=meant(subjects),
    )


@dataclass(frozen=True)
class Found:
    """A set of ECG and the name of its format.

    ``prefix`` goes before the names of its subjects and files: the set's name and a slash where there are
    several, nothing where there is one.
    """

    kind: str
    contents: Format
    prefix: str = ""

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.contents.path

    @property
    def name(self) -> str:
        """What to call the set."""
        return name_of(self.path)

    def read(self, split: str, reading: Reading | None = None) -> Parsed:
        """Read a split, its subjects as they were asked for; raises DataError.

        ``reading`` takes its rows, None for one that has them in memory. Who is in the other split too is
        noted. Where ``--subjects`` says so it is a fault of the training split: two splits may number their
        subjects alike, but a person was named by a person.
        """
        self.contents.reading = reading or Reading(self.path)
        parsed, subjects = _as_text(self.contents.read(split)), self.contents.asked.subjects
        if self.path.is_dir() or self.path.name.lower().endswith((*TAR_ENDINGS, ".zip")):
            parsed.notes += find(self.path).notes
        parsed = parsed if subjects is None else subjects.applied(parsed)
        files, both = parsed.files, self._in_both(parsed, split)
        if not both:
            return parsed
        if subjects is None or split != SPLITS[0]:
            what = "subject is" if len(both) == 1 else "subjects are"
            note = f"{len(both)} {what} in train and in test: {some(both)}"
            return replace(parsed, notes=[*parsed.notes, AboutPeople(note)])
        first = {name: str(files.place[files.subject == name][0]) for name in both}
        told = f"by --subjects {subjects.option}, and in train and test"
        faults = [Fault("overlap", place, f"is of {name!r} {told}") for name, place in first.items()]
        return replace(parsed, faults=[*parsed.faults, *faults])

    def _in_both(self, parsed: Parsed, split: str) -> list[str]:
        """Name the subjects of a split that are in the other one too, by a list of its recordings alone."""
        other = [name for name in self.splits if name != split]
        if split not in self.splits or not other:
            return []
        try:
            names = self.people(other[0])
        except DataError:  # what is wrong with that split stops whoever opens it
            return []
        there = {person(name) for name in names} - NOBODY
        return [name for name in np.unique(parsed.files.subject).tolist() if person(name) in there]

    def people(self, split: str) -> set[str]:
        """Name the subjects of a split, by a list of its recordings where it has one; raises DataError.

        They are called as in this set alone, without its ``prefix``. A set that does not tell train from test
        has all its subjects in either.
        """
        if self.splits and split not in self.splits:
            return set()
        whose = self.contents.whose(split if self.splits else SPLITS[0])
        listed = [(text.name(place), text.name(subject)) for place, subject in whose]
        subjects = self.contents.asked.subjects
        return subjects.names(listed) if subjects else {subject for _, subject in listed}

    def episodes(self, split: str) -> Sequence[Episode]:
        """Return the episodes of a split, of the subjects that `read` names; raises DataError."""
        subjects = self.contents.asked.subjects
        found = [
            replace(
                one,
                place=text.name(one.place),
                subject=text.name(one.subject),
                rhythm=text.name(one.rhythm),
            )
            for one in self.contents.episodes(split)
        ]
        return found if subjects is None else subjects.of_episodes(found)

    def annotated(self, split: str) -> Iterator[Recording]:
        """Yield the recordings of a split with their annotations, of the subjects that `read` names."""
        subjects = self.contents.asked.subjects
        for one in self.contents.annotated(split):
            name, subject = text.name(one.name), text.name(one.subject)
            if subjects is not None:
                subject = next(iter(subjects.names([(name, subject)])), subject)
            yield replace(one, name=name, subject=subject)

    @cached_property
    def splits(self) -> tuple[str, ...]:
        """The splits that the data tell apart; nothing where they tell none."""
        return tuple(self.contents.splits())


def _as_text(parsed: Parsed) -> Parsed:
    """Return a split with names that any file, table or picture can hold, and one spelling of a subject."""
    files = parsed.files
    spelled = {person(subject): subject for subject in set(files.subject.tolist())}
    seconds = [
        replace(
            part,
            record=text.name(part.record),
            subject=spelled.get(person(part.subject), text.name(part.subject)),
        )
        for part in parsed.seconds
    ]
    return replace(
        parsed,
        files=replace(files, place=_texts(files.place), rhythm=_texts(files.rhythm)),
        faults=[replace(fault, file=text.name(fault.file)) for fault in parsed.faults],
        seconds=seconds,
    )


def _texts(names: Strings) -> Strings:
    every = names.tolist()
    return names if is_utf8("".join(every)) else np.array([text.name(one) for one in every], np.str_)


def look_all(paths: Paths, asked: Asked, split: str = "train") -> list[Found]:
    """Tell what kind of set lies at each path, in their order.

    Raises:
        DataError: Nothing there, or nothing of a kind that is known; one set twice, or two of one name; a
            split or a rate that can't be.
    """
    if split not in SPLITS:
        raise DataError(f"unknown split {split!r}: train or test")
    if asked.sampling_rate is not None and asked.sampling_rate <= 0:
        raise DataError(f"a sampling rate of {asked.sampling_rate} Hz: it must be positive")
    given = [paths] if isinstance(paths, str | os.PathLike) else paths or []
    found = [_look(Path(path), asked) for path in given]
    _apart(found)
    _of_use(asked, found)
    if asked.subjects is not None and not found:
        raise DataError(
            f"--subjects {asked.subjects.option} is about files, and synthetic ECG has none: add --data DIR"
        )
    return [replace(item, prefix=f"{item.name}/") for item in found] if len(found) > 1 else found


def _apart(found: Sequence[Found]) -> None:
    """Raise DataError where two sets are one, or could not be told apart by their names."""
    places = [item.path.resolve() for item in found]
    for at, item in enumerate(found):
        if places[at] in places[:at]:
            raise DataError(f"{item.path} is given twice: leave one out")
    for name, count in Counter(item.name for item in found).items():
        if count > 1:
            same = " and ".join(str(item.path) for item in found if item.name == name)
            raise DataError(f"{same} are both called {name!r}, and subjects carry the set's name: rename one")


def _of_use(asked: Asked, found: Sequence[Found]) -> None:
    """Raise DataError for an option that none of the sets can make use of, and for a set that lacks beats."""
    if asked.task.around_beats and (bare := [item for item in found if not item.contents.beats]):
        raise DataError(
            f"{bare[0].path}: task {asked.task.name!r} is about single beats, and nothing here annotates"
            " them; give a folder of WFDB records with beat annotations (.atr)"
        )
    if asked.task.picture is not None and found:
        for option, value in (("--lead", ",".join(asked.leads)), ("--sampling-rate", asked.sampling_rate)):
            if value:
                task = asked.task.name
                raise DataError(f"{option} {value} is about signals, and task {task!r} is about pictures")
    if asked.leads and found and not any(item.contents.chooses_leads for item in found):
        raise DataError(
            f"--lead {' '.join(asked.leads)}: only recordings (WFDB, EDF, tables) and text of several"
            " columns have leads to choose from; leave it out"
        )
    if asked.sampling_rate is not None and found and all(item.contents.tells_rate for item in found):
        raise DataError(
            f"--sampling-rate {asked.sampling_rate}: {found[0].path} tells its own rate; leave it out"
        )


def _look(path: Path, asked: Asked) -> Found:
    """Tell what kind of set lies at a path; of an archive no more than its list of files is read."""
    task = asked.task
    if asked.labels is not None:
        return _look_by_table(path, asked)
    if task.picture is not None:
        return _look_for_pictures(path, asked)
    kind = kind_of(path)
    if kind in (None, ANY) and kind_of(path, pictures=True):
        raise DataError(
            f"{path} holds pictures of pages, and task {task.name!r} is about signals: give recordings, or a"
            " task about pictures (--task pages)"
        )
    if len(inside := _sets_inside(path, kind)) > 1:
        names = ", ".join(sorted(inside)[:6]) + (" ..." if len(inside) > 6 else "")
        raise DataError(f"{path} holds {len(inside)} sets: {names}; give each by itself")
    if kind == "contest" and (table := table_above(path)):
        raise DataError(f"{path} is a part of {path.parent}, whose labels stand in {table}: give that folder")
    if kind == "contest" and (silent := without_labels(path)):
        if books := [name for name in silent if name.lower().endswith(".xlsx")]:
            raise DataError(f"labels in {path} may stand in {some(books)}: save it there as .csv")
        raise DataError(
            f"{path} holds {some(silent)} and says nowhere what they show: give a table with --labels "
            "FILE, whose first line is 'file,label' or 'file,label,patient'"
        )
    if kind is None:
        find(path)  # says what is wrong, if it is that nothing is there
        raise DataError(f"can't read {path}: of none of the formats {', '.join(_kinds(pictures=False))}")
    return Found(kind, FORMATS[kind](path, asked))


def _look_for_pictures(path: Path, asked: Asked) -> Found:
    """Tell what kind of set of pictures lies at a path; raises DataError for one of signals, or nothing."""
    if kind := kind_of(path, pictures=True):
        return Found(kind, FORMATS[kind](path, asked))
    what = f"task {asked.task.name!r} is about pictures of pages"
    if kind_of(path) not in (None, ANY):
        raise DataError(
            f"{path} holds signals, and {what}: give pictures; `atml data make pages --records {path} --out"
            " DIR` draws some of records with twelve leads"
        )
    if not path.exists():
        find(path)  # says that nothing is there
    if not path.is_dir():
        raise DataError(f"{path} is no folder, and {what}: give the folder that they lie in, unpacked")
    raise DataError(f"{path} holds no picture ({', '.join(PICTURES)}), and {what}")


def _look_by_table(path: Path, asked: Asked) -> Found:
    """Take what lies at a path for recordings that a table names."""
    if asked.labels is None or not asked.labels.is_file():
        raise DataError(f"no such file: --labels {asked.labels}")
    if not path.is_dir():
        raise DataError(
            f"--labels {asked.labels} names recordings in a folder, and {path} is none: unpack it, or leave"
            " --labels out"
        )
    kind = "table" if asked.task.picture is None else "pictures"
    return Found(kind, FORMATS[kind](path, asked))


def _sets_inside(path: Path, kind: str | None) -> list[str]:
    """Name the files and folders in a folder that are sets by themselves; nothing where it is one as a whole.

    What is recognised by a list or a file far below may be one of several: opened, the others would vanish.
    """
    parts = {f"{split}_data" for split in SPLITS}
    if kind not in ("contest", "cinc2017", "dx") or not path.is_dir() or file_there(path, "REFERENCE.csv"):
        return []
    found = {}
    with os.scandir(path) as entries:
        for entry in entries:
            folder, name = entry.is_dir(), entry.name
            if (
                name.casefold() in parts
                or name.startswith(".")
                or not (folder or name.lower().endswith(ENDINGS))
            ):
                continue
            of = kind_of(path / name)
            # Any folder may hold the contest's text, so that tells nothing.
            if of and not (folder and of == "contest"):
                found[name] = of
    # Folders of one kind are for the format to tell apart: it may know them as splits.
    return list(found) if set(found.values()) != {kind} else []


def kind_of(path: Path, *, pictures: bool = False) -> str | None:
    """Return the name of the format of the set at a path, None where there is none that is known.

    Sets of signals are looked for, or of ``pictures``; a folder may hold both.
    """
    return next((kind for kind in reversed(_kinds(pictures)) if FORMATS[kind].recognises(path)), None)


def _kinds(pictures: bool) -> list[str]:
    return [kind for kind, one in FORMATS.items() if one.pictures == pictures]


def tells_millivolts(path: Path) -> bool:
    """Tell whether the values of the set at a path are known to be in mV; False where there is none."""
    return (kind := kind_of(path)) is not None and FORMATS[kind].millivolts


def name_of(path: Path) -> str:
    """Name a data set by its file or folder; of a split's own folder, by the one above."""
    path = path.absolute()
    if path.name.casefold() in ("train_data", "test_data") and path.parent.name:
        path = path.parent
    name = text.name(path.name)
    for ending in (*ENDINGS, ".mat"):
        if name.lower().endswith(ending) and path.is_file():
            return name[: -len(ending)]
    return name
