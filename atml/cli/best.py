"""`atml best`: the best trials of a study, shown or exported."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from atml.cli.help_text import Commands, Default
from atml.cli.shared_options import (
    EXPORT,
    STUDIES,
    AsJson,
    Device,
    Prefer,
    Storage,
    Study,
    StudyArgument,
    Unqualified,
    one_study,
    show,
    study_of,
    write_whole,
)
from atml.cli.values import number, whole
from atml.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rich.console import RenderableType

    from atml.device.writing import Wanted
    from atml.searching.leaderboard import Entry
    from atml.searching.leaderboard_rows import AtSize
    from atml.searching.verdict import Verdict
    from atml.storage import Store
    from atml.training.records import TrialRecord

TRIALS = "Which trials"
ON_DEVICE = "On a device"

Pareto = Annotated[
    bool,
    typer.Option(
        "--pareto",
        help="The best trial of at most 5, 10, 20 ... KiB, each size once.",
        rich_help_panel=TRIALS,
    ),
]

best_app = Commands(
    cls=Default, help="Show the best trials (`atml best` alone is `atml best show`), or export them."
)


@best_app.command("show")
def best_show(
    name: StudyArgument = None,
    study: Study = None,
    top: Annotated[
        int, typer.Option(parser=whole(1), help="How many trials.", metavar="N", rich_help_panel=TRIALS)
    ] = 10,
    csv: Annotated[bool, typer.Option("--csv", help="Write every trial as CSV, a figure a column.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="File for the CSV.", metavar="FILE", show_default="standard output")
    ] = None,
    pareto: Pareto = False,
    storage: Storage = STUDIES,
    json: AsJson = False,
) -> None:
    """Show the winner, how good and how sure it is and what to do next, then the best trials in a table."""
    from atml.searching.leaderboard_rows import as_csv, best_at_sizes, flat
    from atml.storage import Store

    if csv + pareto + json > 1:
        raise InputError("--csv, --json and --pareto are three ways to show the trials: give one of them")
    if out is not None and not csv:
        raise InputError(f"--out {out} is the file of --csv: add --csv")
    store = Store(storage, create=False)
    study = study_of(store, one_study(name, study))
    read = _read(store, study)
    if csv:
        text = as_csv([flat(entry, place) for place, entry in enumerate(read.ranking, 1)])
        if out is None:
            sys.stdout.write(text.replace("\r\n", "\n"))
        else:
            write_whole(out, text)
        return
    if pareto:
        show(sizes_table(best_at_sizes(read.ranking)))
        show(f"\nnext: atml best export {study} --pareto")
        return
    found = _rows(read.records, read.ranking[:top])
    if json:
        show(found, json)
        return
    first = _verdict(store, study, read)
    show(f"study {study}: {first.line}\n")
    show(screen(first, found))


@best_app.command("export")
def best_export(
    name: StudyArgument = None,
    study: Study = None,
    top: Annotated[
        int, typer.Option(parser=whole(1), help="How many trials.", metavar="N", rich_help_panel=TRIALS)
    ] = 1,
    out: Annotated[
        Path, typer.Option(help="Folder of the exports.", metavar="FOLDER", rich_help_panel=EXPORT)
    ] = Path("exports"),
    pareto: Pareto = False,
    prefer: Prefer = None,
    min_sensitivity: Annotated[
        float | None,
        typer.Option(
            parser=number(),
            help="Move the decision of an export until its sensitivity is this; nothing is trained.",
            metavar="RATE",
            show_default="as it is",
            rich_help_panel=TRIALS,
        ),
    ] = None,
    min_specificity: Annotated[
        float | None,
        typer.Option(
            parser=number(),
            help="The same for the specificity.",
            metavar="RATE",
            show_default="as it is",
            rich_help_panel=TRIALS,
        ),
    ] = None,
    unqualified: Unqualified = False,
    target: Annotated[
        str | None,
        typer.Option(
            help="Write C beside the model, into device/, and check it: host, cortex-m0, cortex-m4, cortex-m7"
            " or loongarch64.",
            metavar="NAME",
            show_default="no C",
            rich_help_panel=ON_DEVICE,
        ),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Of the C: weights as trained (f32), in 8 bits (w8), or activations too (w8a8).",
            metavar="FORMAT",
            show_default="f32",
            rich_help_panel=ON_DEVICE,
        ),
    ] = None,
    hop: Annotated[
        float | None,
        typer.Option(
            parser=number(),
            help="Time between two decisions on a stream.",
            metavar="SECONDS",
            show_default="a window's length",
            rich_help_panel=ON_DEVICE,
        ),
    ] = None,
    device: Device = "auto",
    storage: Storage = STUDIES,
    json: AsJson = False,
) -> None:
    """Train the best trials on all subjects and write them as ONNX. Finalists come before other trials."""
    from atml.device.program import F32
    from atml.device.writing import Wanted
    from atml.evaluation.decision import Wish
    from atml.searching import progress
    from atml.searching.entry_points import export_best
    from atml.searching.operating_point import export_at
    from atml.searching.search_options import Options
    from atml.storage import Store

    if target is None and (format or hop) is not None:
        name = "--format" if format is not None else "--hop"
        raise InputError(f"{name} is about the C of a model: name what it is for, as --target cortex-m4")
    wanted_c = None if target is None else Wanted(target, format or F32, hop)
    wishes = {"sensitivity": min_sensitivity, "specificity": min_specificity}
    wanted = [Wish(rate, least) for rate, least in wishes.items() if least is not None]
    if len(wanted) + (top > 1) + pareto + (prefer is not None) > 1:
        raise InputError(
            "--top, --pareto, --prefer, --min-sensitivity and --min-specificity each choose what is exported:"
            " give one of them"
        )
    store = Store(storage, create=False)
    study = study_of(store, one_study(name, study))
    numbers = _chosen(store, study, top, pareto=pareto, prefer=prefer)
    options = Options(device=device, out=out, unqualified=unqualified)
    shown = progress.choose(as_json=json, is_terminal=sys.stdout.isatty())
    try:
        if wanted:
            moved = export_at(store, study, numbers[0], wanted[0], options, shown)
            _write_c([moved.path.parent], wanted_c, shown.say)
            return
        summary = export_best(store, study, numbers, options, shown)
    finally:
        shown.close()
    if not any(row["folder"] for row in summary["finalists"]):
        raise InputError(
            f"none of trials {numbers} of study {study!r} qualifies, so nothing was exported; --unqualified"
            " exports them anyway, marked so"
        )
    there = dict(store.exports(study))
    _write_c([there[trial] for trial in numbers if trial in there], wanted_c, shown.say)


def _write_c(folders: Iterable[Path], wanted: Wanted | None, say: Callable[[str], None]) -> None:
    """Write the C of exports into their folders, and say of each what was checked."""
    from atml.artifacts.model import load
    from atml.device import writing

    if wanted is not None:
        for folder in folders:
            say(writing.write_checked(load(folder), wanted))


def rows(store: Store, name: str, top: int) -> list[dict[str, Any]]:
    """Return the ``top`` trials of a study: the winner, the other finalists, then the others by value.

    ``value`` is what a trial is ranked by: its mean on fresh seeds (then ``judged`` too), which is the fairer
    figure, or that of its own run, ``in_search``, which helped to choose it. ``metrics`` and ``rates`` are of
    the same runs as ``value``. ``agreement`` is the share of windows that are decided as before after each
    change of `atml.ecg.changes`, mean over the trainings that measured it.
    """
    from atml.searching.leaderboard import entries

    records = store.trials(name)
    return _rows(records, entries(store.facts(name), records, store.exports(name))[:top])


def _rows(records: Sequence[TrialRecord], ranking: Sequence[Entry]) -> list[dict[str, Any]]:
    from atml.training.records import Role

    found = []
    for entry in ranking:
        mine = [t for t in records if t.role == Role.FINALIST and t.of == entry.number and t.finished]
        found.append({**_row(entry), "agreement": mean_agreement([entry.record, *mine])})
    return found


class _Read(NamedTuple):
    """What is read of a study, once, for all that is shown of it; ``ranking`` is not empty."""

    attrs: dict[str, Any]
    records: list[TrialRecord]
    ranking: list[Entry]


def _read(store: Store, name: str) -> _Read:
    """Read a study; raises InputError where no trial ran over every fold."""
    from atml.searching.leaderboard import entries

    attrs, records = store.facts(name), store.trials(name)
    ranking = entries(attrs, records, store.exports(name))
    if not ranking:
        raise InputError(
            f"study {name!r} has no trial that ran over every fold yet; continue it with `atml search`"
        )
    return _Read(attrs, records, ranking)


def _verdict(store: Store, name: str, read: _Read) -> Verdict:
    from atml.searching.verdict import verdict_of

    first = verdict_of(name, store.spec(name) or {}, read.attrs, read.records, read.ranking, store.name)
    assert first is not None  # there is a ranking
    return first


def _chosen(store: Store, name: str, top: int, *, pareto: bool, prefer: str | None) -> list[int]:
    """Return the numbers of the trials to export; raises InputError where there are none."""
    from atml.searching.leaderboard_rows import best_at_sizes
    from atml.searching.ranking import leanness
    from atml.searching.search_options import PREFER

    read = _read(store, name)
    if pareto:
        return [at.entry.number for at in best_at_sizes(read.ranking)]
    if prefer is None:
        return [entry.number for entry in read.ranking[:top]]
    if prefer not in PREFER:
        raise InputError(f"--prefer {prefer!r} is unknown: {' or '.join(PREFER)}")
    first = _verdict(store, name, read)
    return [min((first.entry, *first.alike), key=lambda entry: leanness(entry.record, prefer)).number]


def sizes_table(found: Sequence[AtSize]) -> RenderableType:
    """Lay out the best trial at each size."""
    from atml.formatting import columns, value
    from atml.searching.first_rates import headline
    from atml.searching.next_step import where

    rates = list(headline(found[-1].entry.rates)) if found else []
    header = ("at most KiB", "trial", "value", "runs", *rates, "KiB", "MACs", "export")
    cells = [
        (
            f"{at.kib:g}",
            str(at.entry.number),
            f"{at.entry.value:.4f}",
            at.entry.runs,
            *(value(at.entry.rates.get(name)) for name in rates),
            f"{at.entry.size_kib:.1f}",
            f"{at.entry.record.cost.macs:,}" if at.entry.record.cost else "-",
            where(at.entry.folder) if at.entry.folder else "-",
        )
        for at in found
    ]
    return columns(header, cells, right=(0, 1, 2, *range(4, 6 + len(rates))))


def _row(entry: Entry) -> dict[str, Any]:
    record = entry.record
    assert record.config is not None and record.cost is not None
    return {
        "trial": record.number,
        "value": entry.value,
        "in_search": record.value,
        "judged": entry.value if entry.seeds else None,
        "repeats": entry.seeds,
        "length": entry.length,
        "from": entry.runs,
        "metrics": dict(entry.metrics),
        "rates": dict(entry.rates),
        "size_kib": entry.size_kib,
        "macs": record.cost.macs,
        "parameters": record.cost.parameters,
        "params": record.params,
        "config": record.config.to_dict(),
        "summary": record.config.describe(),
        "folder": str(entry.folder) if entry.folder else None,
    }


def mean_agreement(records: Sequence[TrialRecord]) -> dict[str, float]:
    """Return the mean agreement by change, at the decision as trained; empty where none measured it."""
    each = [kept for t in records if (kept := t.result.get("agreement"))]
    kinds = [kind for kind in each[0] if all(kind in one for one in each)] if each else []
    return {kind: sum(one[kind] for one in each) / len(each) for kind in kinds}


def screen(first: Verdict, rows: list[dict[str, Any]]) -> RenderableType:
    """Lay out the verdict, then `rows`."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    for name, words in first.rows():
        grid.add_row(name, Text(words))
    return Group(grid, Text(""), table(rows))


def table(rows: list[dict[str, Any]]) -> RenderableType:
    """Lay out `rows`: figures, then a summary of each trial, then the config of the first."""
    from rich.console import Group
    from rich.text import Text

    from atml.formatting import columns
    from atml.models.paper_config import PAGE_UNET

    metrics = next((list(r["metrics"]) for r in rows if r["metrics"]), [])
    worth, named = "value", {name: name for name in metrics}
    if rows[0]["config"].get("family") == PAGE_UNET:  # its leads are read or not: nothing is classified
        worth, named = "dB", {"recall": "leads read"} if metrics else {}
    metrics = list(named)
    header = ("trial", worth, "runs", "in the search", *named.values(), "KiB", "MACs")
    cells = [
        (
            str(r["trial"]),
            f"{r['value']:.4f}",
            r["from"],
            f"{r['in_search']:.4f}",
            *(f"{r['metrics'][m]:.3f}" if m in r["metrics"] else "-" for m in metrics),
            f"{r['size_kib']:.1f}",
            f"{r['macs']:,}",
        )
        for r in rows
    ]
    config = ", ".join(f"{k}={v}" for k, v in rows[0]["config"].items())
    stays = ", ".join(f"{kind} {share:.3f}" for kind, share in rows[0]["agreement"].items())
    of = f"\nwindows that trial {rows[0]['trial']}, as trained, decides as before after a change"
    said = f"{of}: {stays}" if stays else ""
    return Group(
        Text("best trials, out of fold by subject"),
        columns(header, cells, right=range(len(header))),
        Text(""),
        columns(("trial", "what it is"), [(str(r["trial"]), r["summary"]) for r in rows], right=[0]),
        Text(f"{said}\nconfig of trial {rows[0]['trial']}: {config}"),
    )
