"""`atml regions`: what a study learned to avoid, with its evidence."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atml.cli.options import STUDIES, AsJson, Default, Storage, show, study_of
from atml.errors import InputError

if TYPE_CHECKING:
    from atml.regions import Region
    from atml.searching.region_learning import State

regions_app = typer.Typer(cls=Default, help="Show the rejected regions of a study, or change them.")

Study = Annotated[str | None, typer.Argument(help="Study. [default: the latest]")]
Id = Annotated[str, typer.Argument(help="Region, by its id or the start of it.", metavar="ID")]
OfStudy = Annotated[str | None, typer.Option("--study", help="Study. [default: the latest]")]


@regions_app.command("show")
def regions(
    study: Study = None,
    every: Annotated[bool, typer.Option("--all", help="Open regions too.")] = False,
    storage: Storage = STUDIES,
    json: AsJson = False,
) -> None:
    """List regions: each in words, its status, evidence and date, and what it covers of the search space."""
    from atml.cli import listings
    from atml.regions import row
    from atml.storage import Store

    store = Store(storage, create=False)
    name = study_of(store, study)
    state = _state(store, name)
    rows = [row(region) for region in state.found]
    if json:
        show({"study": name, "regions": rows, "former": list(state.ledger.former)}, True)
        return
    show(listings.regions_table(name, rows, state.ledger, every=every))


@regions_app.command()
def explain(region: Id, study: OfStudy = None, storage: Storage = STUDIES, json: AsJson = False) -> None:
    """Show the trials behind one region."""
    from atml.cli import listings
    from atml.storage import Store

    store = Store(storage, create=False)
    state = _state(store, study_of(store, study))
    found = _find(state, region)
    trials = {outcome.number: outcome for outcome in state.outcomes}
    rows = listings.evidence(found, [trials[number] for number in found.evidence.trials])
    show(rows if json else listings.evidence_table(found, rows, state.ledger), json)


@regions_app.command()
def lift(
    region: Id,
    why: Annotated[str, typer.Option(help="Reason, kept with the region.", metavar="TEXT")],
    study: OfStudy = None,
    storage: Storage = STUDIES,
) -> None:
    """Open a region again, for a reason; it stays open."""
    from atml import regions
    from atml.storage import Store

    store = Store(storage, create=False)
    name = study_of(store, study)
    state = _state(store, name)
    found = _find(state, region)
    # Optuna keeps local times without a zone, and so do we beside them.
    ledger = regions.lift(state.ledger, found.id, why, datetime.datetime.now())
    store.save_ledger(name, ledger.to_dict())
    show(f"region {found.id} of study {name} is open again: {found.box.words()}")


@regions_app.command("import")
def bring(
    file: Annotated[Path, typer.Argument(help="A regions.json or avoid.txt of another study.")],
    study: Study = None,
    storage: Storage = STUDIES,
) -> None:
    """Put the regions of another study to the test here; for a new study, `atml search --regions FILE`."""
    from atml.searching import region_learning
    from atml.storage import Store

    store = Store(storage, create=False)
    name = study_of(store, study)
    count = region_learning.bring(store, name, file)
    what = "no region that is not under test already" if not count else f"{count} regions"
    show(
        f"{what} of {file} came into study {name}"
        + (": they bind once draws made from now on speak against them" if count else "")
    )


@regions_app.command()
def export(
    study: Study = None,
    out: Annotated[Path, typer.Option(help="Folder to write regions.json and avoid.txt to.")] = Path(),
    storage: Storage = STUDIES,
) -> None:
    """Write regions as JSON with all evidence and as an avoid.txt; `atml search --regions` reads both."""
    import json

    from atml.regions import region_files
    from atml.storage import Store

    store = Store(storage, create=False)
    name = study_of(store, study)
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
            aside.write_text(text, encoding="utf-8")
            aside.replace(out / file)
    except OSError as error:
        raise InputError(
            f"{out} can't be written: {error.strerror}; name another folder with --out"
        ) from error
    show(f"{out / 'regions.json'} and {out / 'avoid.txt'} hold the regions of study {name}")


def _state(store: object, name: str) -> State:
    from atml.searching import region_learning

    return region_learning.state(store, name)  # type: ignore[arg-type]


def _find(state: State, region: str) -> Region:
    found = [one for one in state.found if region and one.id.startswith(region.lower())]
    if len(found) != 1:
        what = "names several regions" if found else "is no region of this study"
        raise InputError(f"{region!r} {what}; `atml regions --all` lists them")
    return found[0]
