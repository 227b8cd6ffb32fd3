"""`atml.predict`: a model's decisions on recordings from files, as episodes, burden and alarms an hour."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from atml.data import out_folder
from atml.data.parsing import at_rates
from atml.data.rates import Rate
from atml.data.unlabelled import Signal, signals
from atml.errors import DataError, InputError
from atml.formatting import clock, columns, listed, plural, share, shorter, utf8
from atml.library import decision_plot
from atml.library.loaded_model import Model, load
from atml.library.notes import shortened, trained_on
from atml.library.page_prediction import PagePrediction, predict_pages
from atml.library.path_arguments import PathLike, paths
from atml.library.recordings import Recording, check_adjoining
from atml.metrics.burden import burden

if TYPE_CHECKING:
    from pandas import DataFrame
    from rich.table import Table

PICTURES = 20
"""Recordings that are drawn, the first ones: a page each."""

TOGETHER = 1000
"""Recordings whose columns are joined: arrays of one window each take ten times their memory."""

SHOWN = 40
"""Rows of the table in a terminal."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A model's decisions on one recording or more; ``print(result)`` shows what ``atml predict`` prints.

    ``notes`` are one line each: rates that were assumed, recordings that were left out.

    Example:
        >>> found = predict("exports/small/97-91-t0138", "recording.csv")
        >>> found.recordings[["recording", "class", "episodes"]].values.tolist()
        [['recording', 'AF', 1]]
        >>> list(found.windows.columns)
        ['recording', 'start_s', 'end_s', 'decision', 'score_other', 'score_AF']
    """

    WRITES: ClassVar[str] = "windows.csv, episodes.csv, recordings.csv and pictures (.html)"
    """What `predict` writes into a folder."""

    model: Model = field(repr=False)
    windows: DataFrame = field(repr=False)
    """One row a window: ``recording`` and the columns of `atml.Model.predict_recording`."""
    episodes: DataFrame = field(repr=False)
    """One row an episode: ``recording``, ``class``, ``start_s``, ``end_s``, ``seconds``."""
    recordings: DataFrame = field(repr=False)
    """One row a recording and class: ``recording``, ``class``, ``monitored_s`` (time that was decided),
    ``undecided_s``, ``episodes``, ``seconds`` in them, ``burden`` (their share of the monitored time, 0 to
    1), ``episodes_an_hour`` (of monitored time), ``longest_s``."""
    merge_s: float
    shortest_s: float
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return what ``atml predict --json`` prints; what is not a number there becomes None."""
        return {
            "model": str(self.model.exported.folder or self.model.path),
            "merge_s": self.merge_s,
            "shortest_s": self.shortest_s,
            "recordings": _rows(self.recordings),
            "episodes": _rows(self.episodes),
            "notes": list(self.notes),
        }

    def table(self) -> Table:
        """Return a row for each recording and class, the last for all together."""
        rows = [_line(row) for row in _rows(self.recordings)[:SHOWN]]
        if len(self.recordings) > SHOWN:
            rows.append([f"... {plural(len(self.recordings) - SHOWN, 'more row')}", *[""] * 7])
        names = self.recordings["class"].unique()
        if len(self.recordings) > len(names):
            rows += [_line(_together(self.recordings[self.recordings["class"] == name])) for name in names]
        heads = ("recording", "class", "monitored", "undecided", "episodes", "an hour", "burden", "longest")
        return columns(heads, rows, right=range(2, 8))

    def __str__(self) -> str:
        from rich.console import Console

        console = Console(width=100, color_system=None)
        with console.capture() as kept:
            console.print(self.table())
        return "\n".join([self.head(), kept.get().rstrip(), *self.notes])

    def head(self) -> str:
        """Say in a line what decided, and how windows became episodes."""
        task = self.model.task
        rule = f"; {clock(self.merge_s)} or less apart are one" if self.merge_s else ""
        rule += f"; shorter than {clock(self.shortest_s)} left out" if self.shortest_s else ""
        folder = self.model.exported.folder or self.model.path
        return f"{folder}: {task.name}, windows of {task.seconds:g} s; episodes of neighbouring windows{rule}"


def predict(
    model: Model | PathLike,
    files: PathLike | Sequence[PathLike],
    *,
    lead: str | Sequence[str] = (),
    sampling_rate: int | None = None,
    step: float | None = None,
    classes: Sequence[str] = (),
    merge_s: float = 0.0,
    shortest_s: float = 0.0,
    out: PathLike | None = None,
    on_recording: Callable[[int], None] | None = None,
) -> Prediction | PagePrediction:
    """Decide window by window on the recordings in files. Labels are neither needed nor read.

    A model about pictures decides on pages: ``files`` are pictures, PDFs or folders of them, ``classes`` its
    labels, and what comes back is a `atml.library.page_prediction.PagePrediction`, with a row a page.

    Args:
        model: What `atml.load` returned, or its path.
        files: WFDB records or folders of them, ``.npy``, ``.csv``, ``.tsv`` or ``.txt`` (one sample a line,
            one lead a column), or sets of segments as ``--data`` takes them.
        lead: Lead by name or number, one entry for each lead of the model; those of the training by default,
            of files that have more leads than the model takes.
        sampling_rate: Sampling rate in Hz of files that don't state theirs; None for the model's.
        step: Seconds from the start of one window to that of the next; None for adjacent windows.
        classes: Classes whose episodes are wanted; none for the positive class, or for all of several.
        merge_s: Windows or episodes that are this much apart, or less, are one episode; in s.
        shortest_s: Shorter episodes are left out; in s.
        out: Folder, new or empty, to write ``windows.csv``, ``episodes.csv``, ``recordings.csv`` and a
            picture of each of the first 20 recordings to.
        on_recording: Called with the number of recordings read so far, after each.

    Raises:
        DataError: A file can't be read, or none is as long as a window; a model of single beats.
        InputError: An unknown class, a time below 0, or a folder ``out`` that holds something or can't be
            written.
        ExportError: No export of atml there.

    Example:
        >>> found = predict("exports/small/97-91-t0138", "recording.csv", sampling_rate=250)
        >>> found.episodes[["class", "start_s", "end_s"]].values.tolist()
        [['AF', 0.0, 10.0]]
    """
    import pandas as pd

    found = model if isinstance(model, Model) else load(model)
    if found.task.picture is not None:
        _no_recording(found, lead, sampling_rate, step, merge_s, shortest_s)
        return predict_pages(found, files, classes=classes, out=out, on_page=on_recording)
    check_adjoining(found.task)
    named = _classes(found, classes)
    for name, value in (("merge", merge_s), ("shortest", shortest_s)):
        if not (np.isfinite(value) and value >= 0):
            raise InputError(f"{name} is {value:g} s; give 0 or more")
    folder = None if out is None else out_folder.free(Path(out))
    if folder is not None:
        from atml.report.writing import check_writable  # it brings torch, and most predictions write nothing

        check_writable(folder)
    leads = (lead,) if isinstance(lead, str) else tuple(lead)
    heard = _heard(found, paths(files), leads, sampling_rate)
    parts: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    episodes: list[dict[str, Any]] = []
    notes: list[str] = []
    pictures: list[tuple[str, Any]] = []
    rates: list[Rate] = []
    people: set[tuple[str, str]] = set()
    units: list[str] = []
    for number, signal in enumerate(heard, 1):
        if on_recording is not None:
            on_recording(number)
        rate = signal.rate or sampling_rate or found.sampling_rate
        if signal.x.shape[-1] * found.sampling_rate // rate < found.window:
            seconds = float(signal.x.shape[-1] / rate)
            notes.append(f"{signal.name}: {seconds:.3g} s, shorter than a window, left out")
            continue
        if signal.rate is None and sampling_rate is None:
            notes.append(f"{signal.name} doesn't state its rate: {rate} Hz, the model's, is assumed")
        columns, unit = found.decide_recording(signal.x, float(rate), step=step)
        units += [f"{signal.name}: {unit}"] if unit else []
        if not unit and all(one is None for one in columns["decision"]):
            lead_named = f"lead {' '.join(signal.leads)}" if signal.leads else "the signal"
            notes.append(
                f"{signal.name}: {lead_named} misses samples in every window, so nothing is decided;"
                " name another lead"
            )
        rates.append(rate)
        people.add((signal.name, signal.subject))
        for name in named:
            summary, those = _summary(signal.name, name, columns, merge_s, shortest_s)
            rows.append(summary)
            episodes += those
        if folder is not None and len(pictures) < PICTURES:
            x = Recording.of(signal.x, rate, found.task).x
            table = pd.DataFrame(columns)
            pictures.append((signal.name, decision_plot.draw(x, float(rate), 0.0, table, found.classes)))
        # A table of each would take most of the time and memory where recordings are short and many.
        parts.append({"recording": np.full(len(columns["start_s"]), signal.name, object), **columns})
        parts = [_joined(parts)] if len(parts) == TOGETHER else parts
    if not parts:
        raise DataError(
            f"nothing to decide on: {notes[0] if notes else 'no recording there'};"
            f" the model needs {found.task.seconds:g} s"
        )
    result = Prediction(
        model=found,
        windows=pd.DataFrame(_joined(parts)),
        episodes=pd.DataFrame(episodes, columns=["recording", "class", "start_s", "end_s", "seconds"]),
        recordings=pd.DataFrame(rows),
        merge_s=merge_s,
        shortest_s=shortest_s,
        notes=(
            *trained_on(found, people),
            *at_rates(rates, found.sampling_rate),
            *shortened(units, 1),
            *shortened(notes),
        ),
    )
    if folder is not None:
        _write(result, folder, pictures)
    return result


def _no_recording(
    model: Model,
    lead: str | Sequence[str],
    sampling_rate: int | None,
    step: float | None,
    merge_s: float,
    shortest_s: float,
) -> None:
    """Raise InputError where something was asked for that is about recordings."""
    asked = {
        "lead": lead,
        "sampling_rate": sampling_rate,
        "step": step,
        "merge": merge_s,
        "shortest": shortest_s,
    }
    for name, value in asked.items():
        if value:
            raise InputError(f"{name} is about recordings, and the model decides on pages: leave it out")


def _joined(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Join the columns of recordings."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _heard(model: Model, files: Iterable[Path], leads: Sequence[str], rate: int | None) -> Iterable[Signal]:
    """Read the signals of all files, of the leads of the training unless others are asked for.

    Names that come again get a number.
    """
    trained = model.exported.lead_choice
    taken: dict[str, int] = {}
    for file in files:
        for signal in signals(file, model.task, leads=leads, sampling_rate=rate, trained=trained):
            number = taken[signal.name] = taken.get(signal.name, 0) + 1
            name = signal.name if number == 1 else f"{signal.name} ({number})"
            yield replace(signal, name=name)


def _classes(model: Model, asked: Sequence[str]) -> tuple[str, ...]:
    """Return the classes whose episodes are wanted."""
    for name in asked:
        if name not in model.classes:
            raise InputError(f"no class {name!r}; the model decides {listed(model.classes)}")
    if asked:
        return tuple(dict.fromkeys(asked))
    positive = model.task.positive
    return model.classes if positive is None else (model.classes[positive],)


def _summary(
    recording: str, name: str, columns: dict[str, Any], merge_s: float, shortest_s: float
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the row of a recording and a class, and those of its episodes."""
    decision = columns["decision"]
    found = burden(
        columns["start_s"],
        columns["end_s"],
        decision == name,
        np.array([one is not None for one in decision], np.bool_),
        merge_s=merge_s,
        shortest_s=shortest_s,
    )
    row = {
        "recording": recording,
        "class": name,
        "monitored_s": found.monitored_s,
        "undecided_s": found.undecided_s,
        "episodes": len(found.episodes),
        "seconds": found.seconds,
        "burden": found.share,
        "episodes_an_hour": found.an_hour,
        "longest_s": found.longest_s,
    }
    return row, [
        {"recording": recording, "class": name, "start_s": start, "end_s": end, "seconds": end - start}
        for start, end in found.episodes
    ]


def _together(rows: DataFrame) -> dict[str, Any]:
    """Add up the rows of one class."""
    total = {name: float(rows[name].sum()) for name in ("monitored_s", "undecided_s", "episodes", "seconds")}
    time = total["monitored_s"] or np.nan
    return {
        "recording": f"all {len(rows)}",
        "class": rows["class"].iloc[0],
        **total,
        "burden": total["seconds"] / time,
        "episodes_an_hour": total["episodes"] / time * 3600,
        "longest_s": float(rows["longest_s"].max()),
    }


def _line(row: dict[str, Any]) -> list[str]:
    hourly = row["episodes_an_hour"]
    return [
        shorter(row["recording"]),
        row["class"],
        clock(row["monitored_s"]),
        clock(row["undecided_s"]),
        f"{row['episodes']:.0f}",
        "-" if hourly is None or np.isnan(hourly) else f"{hourly:.1f}",
        share(row["seconds"], row["monitored_s"]),
        clock(row["longest_s"]) if row["episodes"] else "-",
    ]


def _rows(table: DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table with what is not a number as None."""
    kept: list[dict[str, Any]] = table.astype(object).where(table.notna(), None).to_dict("records")
    return kept


def _write(found: Prediction, folder: Path, pictures: Sequence[tuple[str, Any]]) -> None:
    """Write tables and pictures into a folder, whole or not at all."""
    with out_folder.whole(folder) as new:
        for name in ("windows", "episodes", "recordings"):
            getattr(found, name).to_csv(new / f"{name}.csv", index=False, errors="backslashreplace")
        for name, picture in pictures:
            safe = "".join(letter if letter.isalnum() or letter in "-_.()" else "-" for letter in name)
            picture.update_layout(title=utf8(f"{name}: {found.model.task.name}").decode())
            picture.write_html(new / f"{safe}.html", include_plotlyjs="directory")
