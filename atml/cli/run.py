"""`atml worker` and `atml run`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atml.cli.options import STUDIES, AsJson, Device, HangAfter, Storage, seconds, show, study_of

if TYPE_CHECKING:
    from rich.console import RenderableType

DataHere = Annotated[
    list[Path] | None,
    typer.Option(
        "--data", help="Where the study's data are on this machine, if not where it says; several times."
    ),
]


def worker(
    study: Annotated[str, typer.Option(help="Study to work on, made by `atml search`.")],
    storage: Storage = STUDIES,
    data: DataHere = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Worker processes. [default: one a core]", show_default=False)
    ] = None,
    device: Device = "auto",
    timeout: Annotated[
        str | None, typer.Option(help="Leave after this time, such as 2h or 90m.", metavar="TIME")
    ] = None,
    hang_after: HangAfter = None,
    json: AsJson = False,
) -> None:
    """Train trials of a study from any machine, until it has as many as `atml search` asked for."""
    from atml.searching import Options, join_and_work, progress
    from atml.storage import Store

    options = Options(
        workers=workers,
        device=device,
        timeout=None if timeout is None else seconds(timeout),
        hang_after=None if hang_after is None else seconds(hang_after, "--hang-after"),
    )
    store = Store(storage, create=False)
    shown = progress.choose(as_json=json, is_terminal=sys.stdout.isatty())
    try:
        join_and_work(store, study, tuple(data or ()), options, shown)
    finally:
        shown.close()
        store.close()


def run(
    trial: Annotated[int, typer.Option(min=0, help="Number of the trial.")],
    study: Annotated[str | None, typer.Argument(help="Study. [default: the latest]")] = None,
    storage: Storage = STUDIES,
    data: DataHere = None,
    device: Annotated[
        str | None, typer.Option(help="As for `atml search`. [default: the kind it was trained on]")
    ] = None,
    json: AsJson = False,
) -> int:
    """Train one trial again by its config and seed, and compare with what was recorded, bit for bit."""
    from atml.searching import rerun, train_again
    from atml.storage import Store

    store = Store(storage, create=False)
    try:
        compared = train_again(store, study_of(store, study), trial, tuple(data or ()), device)
    finally:
        store.close()
    rows = rerun.rows(compared)
    show(rows if json else _table(rows), json)
    if compared.same:
        return 0
    why = f"; {compared.differs}" if compared.differs else "; nothing else differs that is known of"
    sys.stderr.write(f"atml: trial {trial} did not give the same again{why}\n")
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
    said = "the same, bit for bit" if rows["same"] else "not the same"
    lines = [Text(f"trial {rows['trial']}: {said}")]
    if rows["differs"]:
        lines.append(Text(f"not as it was: {rows['differs']}"))
    return Group(*lines, columns(("fold", "of it", "recorded", "now", ""), cells, right=(0, 1, 2, 3)))


def _bits(value: float | None) -> str:
    """Write a number with all its digits: what looks alike is alike."""
    return "-" if value is None else repr(value)


def _same(same: bool) -> str:
    return "same" if same else "differs"
