"""Options that several commands share, and the printing of their output."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from atml.errors import InputError

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable, Sequence

    from atml.storage import Store
    from atml.training.records import TrialRecord

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
    typer.Option(help="Length of a window, if the task allows a choice.", metavar="SECONDS"),
]
SamplingRate = Annotated[
    int | None,
    typer.Option(min=1, help="Rate of files that don't state it, if not the task's.", metavar="HZ"),
]
Labels = Annotated[
    Path | None,
    typer.Option(
        help="Table of the recordings in a folder that tells their labels nowhere else; its first line names"
        " the columns: file,label,patient.",
        metavar="FILE",
    ),
]
Rule = Annotated[
    str | None, typer.Option(help="Scoring rule, or a file rules/NAME.py. [default: the task's]")
]
RuleOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Option of the rule, such as vt_rate=180, or one of a rule file's OPTIONS; may be given several"
        " times.",
        metavar="NAME=VALUE",
    ),
]
VfAmplitude = Annotated[
    float | None,
    typer.Option(min=0, help="Rule aha-aed: coarse fibrillation is at least this.", metavar="MV"),
]
VtRate = Annotated[
    float | None,
    typer.Option(min=0, help="Rule aha-aed: rapid tachycardia is above this.", metavar="PER_MINUTE"),
]
TrainedObjective = Annotated[
    Path | None,
    typer.Option("--objective", help="Objective file of the model's search, if not the task's."),
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
        help="Replace a worker that gives no sign of life for this long; a training one gives one a second."
        " [default: 10m]",
        metavar="TIME",
        show_default=False,
    ),
]
DataHere = Annotated[
    list[Path] | None,
    typer.Option(
        "--data",
        help="The study's data on this machine, if they are elsewhere; may be given several times.",
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


Unqualified = Annotated[
    bool,
    typer.Option(
        "--unqualified", help="Export the best model, marked unqualified, where none reaches the gate."
    ),
]

Prefer = Annotated[
    str | None,
    typer.Option(
        help="Which of the models that can't be told apart from the best is taken. [default: smallest]",
        metavar="smallest|fastest",
        show_default=False,
    ),
]

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
    """A group that runs its ``show`` command where none is named: ``atml best [STUDY]``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert ``show`` where no command is named."""
        if not set(args) & {*self.commands, "--help"}:
            args = ["show", *args]
        return super().parse_args(ctx, args)


def rule_options(
    given: Sequence[str] | None, vf_amplitude: float | None, vt_rate: float | None
) -> dict[str, float]:
    """Return a rule's options by name, from ``NAME=VALUE`` texts and from the flags that some have.

    Raises InputError for a text that is not a name and a number, and for an option given twice.

    Example:
        >>> rule_options(["least=2"], vf_amplitude=None, vt_rate=180.0)
        {'vt_rate': 180.0, 'least': 2.0}
    """
    flags = {"vf_amplitude": vf_amplitude, "vt_rate": vt_rate}
    options = {name: value for name, value in flags.items() if value is not None}
    for text in given or ():
        name, _, value = text.partition("=")
        name = name.strip()
        try:
            number = float(value)
        except ValueError:
            name = ""
        if not name:
            raise InputError(f"--rule-option {text!r} is not NAME=NUMBER; write it as in vt_rate=180")
        if name in options:
            raise InputError(f"--rule-option {text!r}: {name} is given twice; leave one out")
        options[name] = number
    return options


def seconds(text: str, option: str = "--timeout") -> float:
    """Return a duration such as "90m" in seconds; raises InputError, naming ``option``, for other text.

    >>> seconds("1h30m"), seconds("45s"), seconds("3600")
    (5400.0, 45.0, 3600.0)
    """
    from atml.library.search_function import duration

    return duration(option, text)


def study_of(store: Store, name: str | None) -> str:
    """Return ``name``, or the most recently active study for None; raises InputError for an unknown one."""
    import datetime

    known = store.studies()
    if not known:
        raise InputError(f"no study in {store.name} yet; `atml search` makes one")
    if name is not None and name not in known:
        raise InputError(f"no study {name!r} in {store.name}; there are: {', '.join(known)}")
    # If no study has run a trial yet, the first, as in `atml status`.
    return name or max(known, key=lambda one: last_activity(store.trials(one)) or datetime.datetime.min)


def last_activity(trials: Iterable[TrialRecord]) -> datetime.datetime | None:
    """Return when a trial last began or ended; None where none has begun."""
    moments = [m for t in trials for m in (t.started, t.ended) if m is not None]
    return max(moments, default=None)


def show(what: Any, as_json: bool = False) -> None:
    """Print text or one of rich's tables, or JSON types ``as_json``."""
    if as_json:
        import json

        sys.stdout.write(json.dumps(what, indent=2, default=str) + "\n")
        return
    from rich.console import Console

    # A table in a file or a pipe need not fit the width of a terminal.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
    console.print(what, markup=False, soft_wrap=isinstance(what, str))
