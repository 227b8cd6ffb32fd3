"""`atml regions`: the regions that a study has learned to avoid, with the evidence for each."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atml.cli.help_text import Commands, Default
from atml.cli.shared_options import STUDIES, AsJson, Storage, Study, StudyArgument, one_study, show, study_of
from atml.errors import InputError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from atml.regions import Ledger, Outcome, Region
    from atml.searching.region_learning import RegionState
    from atml.storage import Store

regions_app = Commands(
    cls=Default,
    help="Show the regions that a study rejects (`atml regions` alone is `atml regions show`), or change"
    " them.",
)

Id = Annotated[str, typer.Argument(help="Region, by its id or the start of it.", metavar="ID")]


@regions_app.command("show")
def regions_show(
    name: StudyArgument = None,
    study: Study = None,
    every: Annotated[bool, typer.Option("--all", help="List open regions too.")] = False,
    storage: Storage = STUDIES,
    json: AsJson = False,
) -> None:
    """List regions: each in words, with its status, evidence, date, and its share of the search space."""
    from atml.regions import meaning, row
    from atml.storage import Store

    store = Store(storage, create=False)
    name = study_of(store, one_study(name, study))
    state = _state(store, name)
    rows = [row(region) for region in state.found]
    if json:
        told = {"claim": str(state.ledger.claim), "meaning": meaning(state.ledger, state.found)}
        show({"study": name, **told, "regions": rows, "former": list(state.ledger.former)}, True)
        return
    show(table(name, rows, state.ledger, meaning(state.ledger, state.found), every=every))


@regions_app.command()
def explain(region: Id, study: Study = None, storage: Storage = STUDIES, json: AsJson = False) -> None:
    """Show the trials that are evidence for or against one region."""
    from atml.storage import Store

    store = Store(storage, create=False)
    state = _state(store, study_of(store, study))
    found = _find(state, region)
    trials = {outcome.number: outcome for outcome in state.outcomes}
    rows = evidence_rows(found, [trials[number] for number in found.evidence.trials])
    show(rows if json else evidence_table(found, rows, state.ledger), json)


@regions_app.command()
def lift(
    region: Id,
    why: Annotated[
        str,
        typer.Option(help="Reason; it is kept with the region.", metavar="TEXT", rich_help_panel="Region"),
    ],
    study: Study = None,
    storage: Storage = STUDIES,
) -> None:
    """Reopen a region permanently, and keep the reason."""
    from atml import regions
    from atml.storage import Store

    store = Store(storage, create=False)
    name = study_of(store, study)
    state = _state(store, name)
    found = _find(state, region)
    # Local time without a zone, as Optuna keeps the times of trials.
    ledger = regions.lift(state.ledger, found.id, why, datetime.datetime.now())
    store.save_ledger(name, ledger.to_dict())
    show(f"region {found.id} of study {name} is open again: {found.box.words()}")


@regions_app.command("import")
def bring(
    file: Annotated[
        Path, typer.Argument(help="A regions.json or avoid.txt of another study.", metavar="FILE")
    ],
    name: StudyArgument = None,
    study: Study = None,
    storage: Storage = STUDIES,
) -> None:
    """Test the regions of another study in this one; for a new study use `atml search --regions FILE`."""
    from atml.formatting import plural
    from atml.searching import region_learning
    from atml.storage import Store

    store = Store(storage, create=False)
    name = study_of(store, one_study(name, study))
    count = region_learning.bring(store, name, file)
    if not count:
        show(f"study {name} tests every region of {file} already")
        return
    imported = f"{plural(count, 'region')} of {file} imported into study {name}"
    show(f"{imported}: trials drawn there from now on decide whether it is avoided")


@regions_app.command()
def export(
    name: StudyArgument = None,
    study: Study = None,
    out: Annotated[
        Path, typer.Option(help="Folder to write regions.json and avoid.txt to.", metavar="FOLDER")
    ] = Path(),
    storage: Storage = STUDIES,
) -> None:
    """Write regions.json, with all evidence, and avoid.txt; `atml search --regions` reads either."""
    import json

    from atml.formatting import utf8
    from atml.regions import region_files
    from atml.storage import Store

    store = Store(storage, create=False)
    name = study_of(store, one_study(name, study))
    state = _state(store, name)
    whole = region_files.to_json(name, state.ledger, state.found, state.space)
    texts = {
        "regions.json": json.dumps(whole, indent=1, ensure_ascii=False) + "\n",
        "avoid.txt": region_files.to_text(name, state.ledger, state.found),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        for file, text in texts.items():
            aside = out / f".{file}.new"
            aside.write_bytes(utf8(text))
            aside.replace(out / file)
    except OSError as error:
        raise InputError(
            f"{out} can't be written: {error.strerror}; name another folder with --out"
        ) from error
    show(f"{out / 'regions.json'} and {out / 'avoid.txt'} hold the regions of study {name}")


def _state(store: Store, name: str) -> RegionState:
    from atml.searching import region_learning

    return region_learning.state(store, name)


def _find(state: RegionState, region: str) -> Region:
    found = [one for one in state.found if region and one.id.startswith(region.lower())]
    if len(found) != 1:
        what = "names several regions" if found else "is not a region of this study"
        raise InputError(f"{region!r} {what}; `atml regions --all` lists them")
    return found[0]


def table(
    study: str, rows: list[dict[str, Any]], ledger: Ledger, meaning: str, *, every: bool = False
) -> RenderableType:
    """Lay out regions (see `atml.regions.row`) and what they mean; open ones only where ``every``."""
    from rich.console import Group
    from rich.text import Text

    from atml.formatting import columns
    from atml.regions import Status

    stale = [row for former in ledger.former for row in former["regions"]]
    shown = [row for row in (*rows, *stale) if every or row["status"] not in (Status.OPEN, Status.STALE)]
    order = list(Status)
    shown.sort(key=lambda row: (order.index(row["status"]), -row["covers"]))
    cells = [
        (
            row["id"],
            row["status"],
            row["region"],
            row["evidence"],
            (row["lifted"] or row["rejected"] or "-")[:10],
            f"{100 * row['covers']:.0f}%",
        )
        for row in shown
    ]
    hidden = 0 if every else sum(row["status"] == Status.OPEN for row in rows)
    lines = [f"rejected: {meaning}"]
    if hidden:
        lines.append(f"{hidden} boxes are open and not shown (--all)")
    if stale:
        lines.append(
            f"{len(stale)} regions are stale: the search space or objective has changed, so they are no"
            " longer avoided (--all)"
        )
    title = f"study {study}: {len(rows)} boxes under test" + ("" if shown else ", all of them open")
    header = ("id", "status", "region", "evidence", "since", "covers")
    listed = [columns(header, cells, right=(5,))] if shown else []
    return Group(Text(title), *listed, *map(Text, lines))


def evidence_rows(region: Region, trials: list[Outcome]) -> list[dict[str, Any]]:
    """Return one row for each trial that counts for or against a region, in the order of drawing."""
    return [
        {
            "trial": trial.number,
            "drawn": trial.origin,
            "verdict": trial.verdict,
            "params": {name: trial.params.get(name) for name in region.box.names},
            "ended": trial.ended,
        }
        for trial in trials
    ]


def evidence_table(region: Region, rows: list[dict[str, Any]], ledger: Ledger) -> RenderableType:
    """Lay out `evidence_rows` below a summary of them."""
    from rich.console import Group
    from rich.text import Text

    from atml.formatting import columns

    cells = [
        (
            str(row["trial"]),
            row["drawn"],
            row["verdict"],
            ", ".join(f"{name} {value}" for name, value in row["params"].items()),
            "-" if row["ended"] is None else f"{row['ended']:%Y-%m-%d %H:%M}",
        )
        for row in rows
    ]
    note = f", {region.candidate.note}" if region.candidate.note else ""
    lines = [
        f"region {region.id}: {region.box.words()}",
        f"{region.status}; {region.words()}",
        f"{100 * region.share:.0f}% of the search space; tested at {100 * region.p0:.3g}% with"
        f" {region.candidate.alpha:.2g} of alpha {ledger.alpha:g}; {region.candidate.source}{note}",
    ]
    if region.vetoes:
        lines.append(f"qualifying trials inside, however drawn: {', '.join(map(str, region.vetoes))}")
    header = ("trial", "drawn", "verdict", "parameters", "ended")
    listed = columns(header, cells, right=(0,)) if cells else Text("no trial counts yet")
    return Group(*map(Text, lines), listed)
