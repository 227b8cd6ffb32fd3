"""`atml run`: one trial trained again, and compared with what was recorded."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atml.cli.shared_options import (
    STUDIES,
    STUDY,
    WORKERS,
    AsJson,
    DataHere,
    Storage,
    Study,
    StudyArgument,
    one_study,
    show,
    study_of,
)
from atml.cli.values import whole

if TYPE_CHECKING:
    from rich.console import RenderableType


def run(
    trial: Annotated[
        int, typer.Option(parser=whole(0), help="Number of the trial.", metavar="N", rich_help_panel=STUDY)
    ],
    name: StudyArgument = None,
    study: Study = None,
    storage: Storage = STUDIES,
    data: DataHere = None,
    device: Annotated[
        str | None,
        typer.Option(
            help="auto, cpu, cuda, or one GPU such as cuda:1.",
            metavar="NAME",
            show_default="the kind it was trained on",
            rich_help_panel=WORKERS,
        ),
    ] = None,
    json: AsJson = False,
) -> int:
    """Train one trial again from its config and seed, and compare with the record, bit for bit."""
    from atml.searching import rerun
    from atml.searching.entry_points import train_again
    from atml.storage import Store

    store = Store(storage, create=False)
    try:
        compared = train_again(
            store, study_of(store, one_study(name, study)), trial, tuple(data or ()), device
        )
    finally:
        store.close()
    rows = rerun.rows(compared)
    show(rows if json else _table(rows), json)
    if compared.same:
        return 0
    why = compared.differs or "nothing else is known to differ"
    sys.stderr.write(f"atml: trial {trial} gave other values this time; {why}\n")
    return 1


def _table(rows: dict[str, Any]) -> RenderableType:
    """Lay out recorded and new values."""
    from rich.console import Group
    from rich.text import Text

    from atml.formatting import columns

    cells = [
        (str(r["fold"] + 1), f"{r['fraction']:g}", _bits(r["recorded"]), _bits(r["now"]), _same(r["same"]))
        for r in rows["steps"]
    ]
    cells.append(("all", "", _bits(rows["recorded"]), _bits(rows["now"]), _same(rows["value_same"])))
    result = "the same, bit for bit" if rows["same"] else "not the same"
    lines = [Text(f"trial {rows['trial']}: {result}")]
    if rows["differs"]:
        lines.append(Text(f"changed since: {rows['differs']}"))
    return Group(*lines, columns(("fold", "of it", "recorded", "now", ""), cells, right=(0, 1, 2, 3)))


def _bits(value: float | None) -> str:
    """Write a number with all its digits, so that numbers printed alike are equal."""
    return "-" if value is None else repr(value)


def _same(same: bool) -> str:
    return "same" if same else "differs"
