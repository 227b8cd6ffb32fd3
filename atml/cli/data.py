"""`atml data`: data inspected before they are used, downloaded, or made."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atml.cli.help_text import Commands
from atml.cli.make_pages import make_app
from atml.cli.shared_options import (
    DATA,
    TASK,
    AsJson,
    Labels,
    Lead,
    Objective,
    SamplingRate,
    Space,
    Subjects,
    Window,
    show,
)
from atml.cli.values import whole
from atml.errors import DataError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from atml.data.cases import Case
    from atml.data.dataset import DataSource
    from atml.data.inspection import Inspection, Part, Split
    from atml.evaluation.label_doubts import LabelDoubt
    from atml.task_files.definition import TaskDefinition
    from atml.tasks.task import Task

data_app = Commands(help="Inspect data before they are used, download or make some.", no_args_is_help=True)
data_app.add_typer(make_app, name="make")

MOST_SUBJECTS = 100
"""Subjects of one split that an inspection prints; its JSON has them all."""

MOST_FAULTS = 30
"""Faults of one kind that an inspection prints; its JSON has them all."""


@data_app.command("inspect")
def data_inspect(
    directories: Annotated[
        list[Path],
        typer.Argument(
            help="Folder, archive, .npz, .mat, .h5 or .parquet; of pictures a folder.", metavar="PATH..."
        ),
    ],
    task: Annotated[
        str,
        typer.Option(help="Task whose labels and window apply.", metavar="NAME", rich_help_panel=TASK),
    ] = "afib",
    space: Space = None,
    objective: Objective = None,
    window: Window = None,
    lead: Lead = None,
    sampling_rate: SamplingRate = None,
    labels: Labels = None,
    subjects: Subjects = None,
    folds: Annotated[
        int,
        typer.Option(
            parser=whole(2),
            help="Folds of the search that the data are for.",
            metavar="N",
            rich_help_panel=DATA,
        ),
    ] = 5,
    json: AsJson = False,
) -> None:
    """Show subjects, rhythms, lengths, faults, and what would be left out and why.

    Ends with exit code 2 where a search would refuse the data.
    """
    from atml import data, task_files
    from atml.data.dataset import DataSource
    from atml.tasks.task import WAVEFORM

    definition = task_files.find(task, space=space, objective=objective, window=window)
    if definition.task.kind == WAVEFORM:
        from atml.paper.page_summary import summary

        told = summary(directories, definition.task, folds=folds)
        show(told.to_dict() if json else told.text(), json)
        return
    found = data.inspect(
        directories,
        task=definition.task,
        label=definition.label,
        sampling_rate=sampling_rate,
        leads=tuple(lead or ()),
        labels=labels,
        subjects=subjects,
        folds=folds,
    )
    source = DataSource(
        paths=tuple(directories),
        sampling_rate=sampling_rate,
        leads=tuple(lead or ()),
        labels=labels,
        subjects=subjects or "",
    )
    check = _labels_checked(found, source, definition)
    show({**as_json(found), "labels": check.to_dict()} if json else table(found, check), json)
    if refusals := found.refusals:
        raise DataError(f"`atml search` would refuse it: {refusals[0]}")


@dataclass(frozen=True, kw_only=True)
class _LabelCheck:
    """What the detector without a network says of the labels; ``why`` says why it was not asked, else ""."""

    task: Task
    title: str = ""
    doubts: tuple[LabelDoubt, ...] = ()
    why: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON types; classes by their names."""
        classes = self.task.classes
        doubts = [
            {**asdict(one), "label": classes[one.label], "called": classes[one.called]} for one in self.doubts
        ]
        return {"detector": self.title, "doubts": doubts, "not_checked": self.why}

    def text(self) -> list[RenderableType]:
        """Lay it out for a terminal."""
        from rich.text import Text

        from atml.artifacts.card_label_doubts import alone, header, rows
        from atml.formatting import columns, sentence

        if self.why:
            return [Text(sentence(f"labels were not checked: {self.why}"))]
        said = sentence(alone(self.title, self.task))
        if not self.doubts:
            return [Text(f"{said} None of the training split.")]
        heads = (*header(self.task), "called so")
        return [Text(said), columns(heads, rows(self.doubts, self.task), right=(3, 5))]


def _labels_checked(
    found: Inspection,
    source: DataSource,
    definition: TaskDefinition,
) -> _LabelCheck:
    """Ask the task's detector without a network what it thinks of the labels of the training split."""
    from atml.evaluation.label_doubts import doubted_by_one, fitted

    task = definition.task
    if not definition.baseline:
        return _LabelCheck(task=task, why=f"task {task.name!r} names no detector without a network")
    if found.refusals:
        return _LabelCheck(task=task, why="a search would refuse the data")
    try:
        opened = definition.open(source)
        simple = fitted(
            definition.baseline, opened, task, lambda one: definition.value(replace(one, changed={}))
        )
    except DataError as error:
        return _LabelCheck(task=task, why=str(error))
    return _LabelCheck(task=task, title=simple.baseline.title, doubts=doubted_by_one(simple, opened.rhythm))


@data_app.command("fetch")
def data_fetch(
    name: Annotated[str, typer.Argument(help="vfdb, cudb, mitdb or afdb.", metavar="NAME")],
    to: Annotated[
        Path | None,
        typer.Option(help="Folder to write.", metavar="FOLDER", show_default="NAME"),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(
            help="A mirror with the layout of PhysioNet's file server.",
            metavar="URL",
            show_default="PhysioNet",
        ),
    ] = None,
) -> None:
    """Download a database from PhysioNet and verify it. The same command continues where it stopped."""
    from atml.data.download import fetch

    folder = fetch(name, to, url=url, say=show)
    show(f"{folder} is complete; inspect it: atml data inspect {folder} --task defib")


def as_json(found: Inspection) -> dict[str, Any]:
    """Return an inspection as JSON types; NaN, the range of no samples at all, becomes null.

    A part's ``usable`` windows are under the key "segments", as in version 0.1.
    """
    import dataclasses
    import json

    fields = dataclasses.asdict(found)
    for split in fields["splits"]:
        for part in (split["total"], *split["subjects"]):
            part["segments"] = part.pop("usable")
    # JSON has no NaN. Python writes it nevertheless, and reads it back through parse_constant.
    return json.loads(json.dumps(fields), parse_constant=lambda _: None)  # type: ignore[no-any-return]


def table(found: Inspection, check: _LabelCheck | None = None) -> RenderableType:
    """Lay out an inspection: a table for each split, labels in doubt, then every fault."""
    from rich.console import Group
    from rich.text import Text

    from atml.data.cases import WINDOW, case_of
    from atml.formatting import plural

    parts: list[RenderableType] = []
    for split in found.splits:
        name = split.set or found.name
        title = name if split.bare else f"{name}, {split.name}"
        parts.append(Text(f"{title}: {plural(len(split.subjects), 'subject')}", style="bold"))
        parts.append(_subjects(split, WINDOW if check is None else case_of(check.task)))
        parts.extend(Text(note) for note in split.notes)
        if split.refusal:
            whose = "score" if split.name == "test" else "search"
            parts.append(Text(f"`atml {whose}` would refuse it: {split.refusal}", style="bold red"))
        parts.append(Text(""))
    if found.refusal:
        them = "them" if len({split.set for split in found.splits}) > 1 else "it"
        parts.append(Text(f"`atml search` would refuse {them}: {found.refusal}\n", style="bold red"))
    if check is not None:
        parts += [*check.text(), Text("")]
    if not found.faults:
        parts.append(Text("no faults found"))
    else:
        parts.append(Text(plural(len(found.faults), "fault"), style="bold"))
        parts.append(_faults(found))
    return Group(*parts)


def _faults(found: Inspection) -> RenderableType:
    """Lay out the faults, at most `MOST_FAULTS` of a kind."""
    from atml.formatting import columns

    rows = []
    counts = Counter(fault.kind for fault in found.faults)
    for kind, count in counts.items():
        mine = [(kind, fault.file, fault.detail) for fault in found.faults if fault.kind == kind]
        rows += mine[:MOST_FAULTS]
        if count > MOST_FAULTS:
            rows.append((kind, f"and {count - MOST_FAULTS} more", "--json lists them all"))
    return columns(("kind", "file", "detail"), rows)


def _subjects(split: Split, case: Case) -> RenderableType:
    """Lay out one row for each subject and one for the total, without columns that are empty."""
    from atml.data.cases import BEAT, PAGE
    from atml.formatting import columns

    parts = (*split.subjects[:MOST_SUBJECTS], split.total)
    more = len(split.subjects) - MOST_SUBJECTS
    total = "all" if more <= 0 else f"all, with {more:,} more (--json lists them)"
    long = bool(split.records)
    items = {BEAT: "beats", PAGE: "pages"}.get(case, "files")
    column = "windows" if long else "classes"
    classes = sorted(getattr(split.total, column), key=lambda name: (name == "unknown", name == "none"))
    cells: list[tuple[str, bool, list[str]]] = [
        ("subject", False, [*(part.name for part in parts[:-1]), total]),
        (items, True, [] if long else [str(part.files) for part in parts]),
        ("windows" if long else "usable", True, [str(part.usable) for part in parts]),
        *((name, True, [str(getattr(part, column).get(name, "-")) for part in parts]) for name in classes),
        (case.kinds, False, [] if long or case == PAGE else [_counted(part.rhythms) for part in parts]),
        ("kinds", False, [_counted(part.kinds) for part in parts]),
        ("size", False, [_sizes(part) for part in parts]),
        ("samples", False, [] if long or case == PAGE else [_lengths(part) for part in parts]),
        ("seconds a rhythm", False, [_times(part.seconds) for part in parts]),
        ("seconds left out", False, [_times(part.left_out) for part in parts]),
        ("range", False, [] if case == PAGE else [_range(part) for part in parts]),
        ("would be dropped", False, [_counted(part.dropped) for part in parts]),
    ]
    cells = [column for column in cells if any(column[2])]
    right = [at for at, column in enumerate(cells) if column[1]]
    names, lines = [name for name, _, _ in cells], list(zip(*(lines for _, _, lines in cells), strict=True))
    return columns(names, lines, right=right)


def _times(seconds: dict[str, float]) -> str:
    """Write seconds by name, the most first."""
    ordered = sorted(seconds.items(), key=lambda item: -item[1])
    return ", ".join(f"{name or '(none)'} {time:.0f}" for name, time in ordered if time >= 0.5)


def _range(part: Part) -> str:
    return "-" if math.isnan(part.low) else f"{part.low:.3g} to {part.high:.3g}"


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name or '(no name)'}" for name, count in counts.items())


def _sizes(part: Part) -> str:
    return ", ".join(part.sizes) if len(part.sizes) < 4 else f"{len(part.sizes)} sizes"


def _lengths(part: Part) -> str:
    return ", ".join(map(str, part.lengths)) if len(part.lengths) < 4 else "various"
