"""Options that several commands share, and how what they say is printed."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from atml.errors import InputError

if TYPE_CHECKING:
    from atml.storage import Store

Data = Annotated[
    list[Path] | None,
    typer.Option(
        help="Folder, .zip, .tar.*, .npz or .mat of labelled ECG, or a WFDB folder; may be given several"
        " times. Left out: synthetic ECG."
    ),
]
Lead = Annotated[
    list[str] | None,
    typer.Option(
        help="Lead by name or number (0 is the first), alternatives between commas: MLII,ECG. [default: 0]",
        show_default=False,
    ),
]
Window = Annotated[
    float | None,
    typer.Option(help="Length of a window, where the task lets one choose.", metavar="SECONDS"),
]
SamplingRate = Annotated[
    int | None, typer.Option(min=1, help="Rate of files that don't say it, if not the task's.", metavar="HZ")
]
VfAmplitude = Annotated[
    float | None,
    typer.Option(min=0, help="Rule aha-aed: coarse fibrillation is at least this.", metavar="MV"),
]
VtRate = Annotated[
    float | None,
    typer.Option(min=0, help="Rule aha-aed: rapid tachycardia is above this.", metavar="PER_MINUTE"),
]
Objective = Annotated[
    str | None, typer.Option(help="One of the task's objectives, or an objective file.", metavar="NAME|FILE")
]
Device = Annotated[
    str,
    typer.Option(help="auto, cpu, cuda (all of them), or such as cuda:0,cuda:1; workers share them."),
]
HangAfter = Annotated[
    str | None,
    typer.Option(
        help="A worker without a sign of life for this long is replaced; one that trains gives one a second."
        " [default: 10m]",
        metavar="TIME",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON for programs.")]
STUDIES = "sqlite:///studies.db"


def _without_password(context: typer.Context, option: typer.CallbackParam, url: str) -> str:
    source = context.get_parameter_source(option.name or "")
    if source is not None and source.name == "COMMANDLINE":
        from atml.storage import urls

        return urls.from_command_line(url)
    return url


Storage = Annotated[
    str,
    typer.Option(
        help="Where studies are kept: sqlite:///FILE or postgresql+psycopg://USER@HOST/DATABASE.",
        metavar="URL",
        envvar="ATML_STORAGE",
        callback=_without_password,
    ),
]


class Default(TyperGroup):
    """A group whose first argument may be left to its ``show`` command: ``atml best [STUDY]``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default command where none is named."""
        if not set(args) & {*self.commands, "--help"}:
            args = ["show", *args]
        return super().parse_args(ctx, args)


def of_the_rule(vf_amplitude: float | None, vt_rate: float | None) -> dict[str, float]:
    """Return the options of a rule that were given, under the names that it knows."""
    options = {"vf_amplitude": vf_amplitude, "vt_rate": vt_rate}
    return {name: value for name, value in options.items() if value is not None}


def seconds(text: str, option: str = "--timeout") -> float:
    """Read a duration such as "2h", "90m", "1h30m", "45s" or "3600"; raises InputError for anything else."""
    found = re.fullmatch(r"(?:(\d+\.?\d*)h)?(?:(\d+\.?\d*)m(?:in)?)?(?:(\d+\.?\d*)s?)?", text.strip().lower())
    hours, minutes, rest = (float(part or 0) for part in found.groups()) if found else (0.0, 0.0, 0.0)
    total = 3600 * hours + 60 * minutes + rest
    if not total:
        raise InputError(f"{option} {text!r} is no duration; write 2h, 90m, 1h30m or 45s")
    return total


def study_of(store: Store, name: str | None) -> str:
    """Return the study asked for, the one last worked on when none was."""
    from atml.cli import listings

    known = [row["study"] for row in listings.status(store)]
    if not known:
        raise InputError(f"no study in {store.name} yet; `atml search` makes one")
    if name is not None and name not in known:
        raise InputError(f"no study {name!r} in {store.name}; there are: {', '.join(known)}")
    return name or known[0]


def show(what: Any, as_json: bool = False) -> None:
    """Print for a person, or as JSON for a program."""
    if as_json:
        import json

        sys.stdout.write(json.dumps(what, indent=2, default=str) + "\n")
        return
    from rich.console import Console

    # Into a file or a pipe, a table is as wide as it needs to be.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
    console.print(what, markup=False, soft_wrap=isinstance(what, str))
