"""`atml.annotate`: a whole recording beat by beat, from a file or as its samples come."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from atml.annotating import files, intervals, words
from atml.annotating.beats import Annotated, Beats, check_classes
from atml.annotating.clock import Clock
from atml.annotating.events import Events
from atml.annotating.lines import Lines
from atml.annotating.stream import Stream
from atml.annotating.summary import Summary, summarise
from atml.arrays import release
from atml.artifacts.model import Session
from atml.data import out_folder
from atml.data.formats import pacing
from atml.data.parsing import at_rates
from atml.data.rates import Rate, rate_of
from atml.data.unlabelled import Signal, signals
from atml.errors import DataError, InputError
from atml.formatting import columns
from atml.library.loaded_model import Model, load
from atml.library.notes import trained_on
from atml.library.path_arguments import PathLike
from atml.watching import Counter

if TYPE_CHECKING:
    from pandas import DataFrame

PIECE_S = 60.0
"""Seconds of signal that are pushed at once; the memory does not grow with the recording."""

STREAM = "standard input"
"""What a recording is called that has no file."""

PACED = "paced beats are named N, S or V too, and EC57 leaves paced records out"


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """A recording beat by beat; ``print(result)`` shows what ``atml annotate`` prints."""

    model: Model = field(repr=False)
    found: Annotated = field(repr=False)
    """Beats and seconds as arrays."""
    events: Events = field(repr=False)
    summary: Summary = field(repr=False)
    clock: Clock = field(repr=False)

    @property
    def beats(self) -> DataFrame:
        """One row a beat, with the columns of ``beats.csv`` (`atml.annotating.files.table`)."""
        import io

        import pandas as pd

        text = files.table(self.found, self.events, self.clock)
        return pd.read_csv(io.StringIO(text), keep_default_na=False, na_values={"rr_before_s": [""]})

    def to_dict(self) -> dict[str, Any]:
        """Return what ``atml annotate --json`` prints."""
        return self.summary.to_dict()

    def __str__(self) -> str:
        from rich.console import Console

        rows = words.lines(self.summary, self.clock)
        wide = max(len(name) for name, _ in rows)
        text = [f"{name:<{wide}}  {said}" for name, said in rows]
        if len(self.summary.hours) > 1:
            console = Console(width=100, color_system=None)
            with console.capture() as kept:
                console.print(columns(words.HOURS, words.hours(self.summary), right=range(1, 10)))
            text += ["", kept.get().rstrip()]
        return "\n".join([*text, *(["", *self.summary.notes] if self.summary.notes else [])])


def annotate(
    model: Model | PathLike,
    record: PathLike,
    *,
    lead: str | Sequence[str] = (),
    sampling_rate: int | None = None,
    pause_s: float = intervals.PAUSE_S,
    extension: str = "atml",
    out: PathLike | None = None,
) -> Annotation:
    """Find the beats of a recording, name each, and sum up what they come to.

    Args:
        model: What `atml.load` returned, or its path; of a task whose windows lie round beats.
        record: One recording, in any form that `atml.predict` takes.
        lead: Lead by name or number, one entry for each lead of the model; those of the training by default,
            of files that have more leads than the model takes. Beats are looked for in the first.
        sampling_rate: Sampling rate in Hz of a file that doesn't state its own; None for the model's.
        pause_s: An RR interval longer than this, in s, is a pause.
        extension: Of the annotation file.
        out: Folder, new or empty, to write ``RECORD.EXTENSION`` (WFDB annotations at the recording's own
            rate), ``beats.csv``, ``summary.json`` and ``index.html`` to.

    Raises:
        DataError: The recording can't be read, or there are several.
        InputError: A model of another task, a bad extension or time, or a folder ``out`` that holds something
            or can't be written.
        ExportError: No export of atml there.
    """
    found = _loaded(model)
    folder = _checked(pause_s, extension, out)
    path = Path(record).expanduser()
    signal = _one(path, found, (lead,) if isinstance(lead, str) else tuple(lead), sampling_rate)
    rate = signal.rate or sampling_rate or found.sampling_rate
    notes = []
    if signal.rate is None and sampling_rate is None:
        notes.append(f"{signal.name} doesn't state its rate: {rate} Hz, the model's, is assumed")
    if signal.leads and not (lead or found.exported.lead_choice):
        of = "leads" if len(signal.leads) > 1 else "lead"
        notes.append(f"{of} {', '.join(signal.leads)}, as it comes first: --lead names another")
    if where := pacing.told(signal.header, signal.comments):
        notes.append(f"PACED: {where}; {PACED}")
    notes += trained_on(found, [(signal.name, signal.subject)])
    stream = Stream(Session(found.exported.model), found.task, rate)
    every = round(PIECE_S * float(rate))
    counter = Counter(path)
    counter.expect(max(1, -(-signal.x.shape[1] // every)), "minutes")
    for start in range(0, signal.x.shape[1], every):
        stream.push(signal.x[:, start : start + every])
        release(signal.x)
        counter.passed()
    stream.end()
    whole = _finished(found, stream, Clock(signal.start), signal.name, notes, pause_s)
    if folder is not None:
        _write(whole, folder, extension, signal=signal)
    return whole


def annotate_lines(
    model: Model | PathLike,
    chunks: Iterator[bytes],
    *,
    sampling_rate: float | None,
    lead: Sequence[str] = (),
    pause_s: float = intervals.PAUSE_S,
    extension: str = "atml",
    out: PathLike | None = None,
    on_beats: Callable[[Annotated], object] = lambda beats: None,
) -> Annotation:
    """Annotate a signal that comes as text, a sample a line (`atml.annotating.lines.Lines`), while it comes.

    Args:
        model: As for `annotate`, and so are ``lead``, ``pause_s``, ``extension`` and ``out``.
        chunks: Bytes, cut anywhere; their end is the end of the signal.
        sampling_rate: In Hz.
        lead: Columns by name or number.
        pause_s: In s.
        extension: Of the annotation file.
        out: Folder; the page in it has no strips, for the signal is not kept.
        on_beats: Called with the beats that were just decided, if any; the seconds in it are not yet known.

    Raises:
        DataError: A line that is no number.
        InputError: No sampling rate, and as `annotate`.
        ExportError: No export of atml there.
    """
    found = _loaded(model)
    folder = _checked(pause_s, extension, out)
    if sampling_rate is None:
        raise InputError("a stream doesn't tell its sampling rate: give --sampling-rate HZ")
    rate = rate_of(float(sampling_rate))
    lines = Lines(found.leads, lead, found.exported.lead_choice)
    stream = Stream(Session(found.exported.model), found.task, rate)

    def given(beats: Beats) -> None:
        if len(beats):
            none = np.empty(0, np.int8)
            on_beats(Annotated(beats, found.classes, rate, stream.samples, none, round(rate)))

    for chunk in chunks:
        given(stream.push(lines.push(chunk)))
    given(stream.push(lines.end()))
    given(stream.end())
    whole = _finished(found, stream, Clock(None), STREAM, [], pause_s)
    if folder is not None:
        _write(whole, folder, extension)
    return whole


def _loaded(model: Model | PathLike) -> Model:
    """Load a model, and raise InputError where it is not of a task round beats."""
    found = model if isinstance(model, Model) else load(model)
    where = found.exported.folder or found.path
    if not found.task.around_beats:
        on = "pictures" if found.task.picture is not None else f"windows of {found.task.seconds:g} s"
        raise InputError(
            f"{where} is a model of task {found.task.name!r}, which decides on {on}"
            f" and not on beats: use `atml predict`, or a model of a task such as"
            " 'beats'"
        )
    check_classes(found.classes, where)
    return found


def _checked(pause_s: float, extension: str, out: PathLike | None) -> Path | None:
    """Check what else was given before anything is read; return the folder to write to."""
    files.check_extension(extension)
    if not (np.isfinite(pause_s) and pause_s > 0):
        raise InputError(f"a pause longer than {pause_s:g} s can't be: give seconds above 0")
    if out is None:
        return None
    folder = out_folder.free(Path(out).expanduser())
    from atml.report.writing import check_writable  # it brings torch, and a summary alone needs no page

    check_writable(folder)
    return folder


def _one(path: Path, model: Model, leads: Sequence[str], rate: int | None) -> Signal:
    """Read the one recording at a path."""
    read = signals(path, model.task, leads=leads, sampling_rate=rate, trained=model.exported.lead_choice)
    some = list(itertools.islice(read, 2))
    if not some:
        raise DataError(f"{path} holds no recording")
    if len(some) > 1:
        raise DataError(
            f"{path} holds several recordings, {some[0].name} and {some[1].name} among them: name one of them"
        )
    return some[0]


def _finished(
    model: Model, stream: Stream, clock: Clock, name: str, notes: Sequence[str], pause_s: float
) -> Annotation:
    found = stream.annotated()
    events = Events.of(found, pause_s)
    unit = model.exported.other_unit(stream.sizes())
    every = [*notes, *at_rates([stream.rate], model.sampling_rate), *([unit] if unit else [])]
    if not len(found.beats):
        every.append(f"no beat was found in {name}: is it an ECG, and in the lead that was looked at?")
    summary = summarise(found, events, recording=name, clock=clock, notes=every)
    return Annotation(model=model, found=found, events=events, summary=summary, clock=clock)


def _write(whole: Annotation, folder: Path, extension: str, signal: Signal | None = None) -> None:
    from atml.annotating.page import page

    exported = whole.model.exported
    contents = files.contents(
        whole.found,
        whole.events,
        whole.summary,
        whole.clock,
        record="stream" if signal is None else signal.name,
        extension=files.check_extension(extension),
    )
    drawn: npt.NDArray[Any] | None = None if signal is None else signal.x
    html = page(
        whole.found,
        whole.events,
        whole.summary,
        whole.clock,
        model=f"trial {exported.trial} of study {exported.study!r} ({exported.folder or exported.path})",
        leads=() if signal is None else signal.leads,
        x=drawn,
        unit="" if signal is None else signal.unit,
    )
    files.write(folder, {**contents, files.PAGE: html.encode("utf-8", "backslashreplace")})


def seconds(found: Annotated) -> list[float]:
    """Return when the beats are, in s since the beginning."""
    rate: Rate = found.rate
    return [sample / float(rate) for sample in found.beats.sample.tolist()]
