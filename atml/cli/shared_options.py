"""Options that several commands share, and the printing of their output."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atml.cli.values import TIME, duration, number, whole
from atml.errors import InputError

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable, Sequence

    from atml.storage import Store
    from atml.training.records import TrialRecord

TASK = "Task"
DATA = "Data"
STUDY = "Study"
RULE = "Rule"
SERVER = "Server"

Host = Annotated[str, typer.Option(help="Address to listen on.", metavar="ADDRESS", rich_help_panel=SERVER)]
Port = Annotated[
    int,
    typer.Option(
        parser=whole(0, 65535), help="Port; 0 takes any that is free.", metavar="N", rich_help_panel=SERVER
    ),
]
WORKERS = "Workers"
EXPORT = "Winner and export"
"""Groups of options, as the headings of ``--help``; an option without one stands under "Output"."""

Task = Annotated[
    str,
    typer.Option(help="What to detect; `atml tasks` lists them.", metavar="NAME", rich_help_panel=TASK),
]
Space = Annotated[
    Path | None,
    typer.Option(help="Search-space file.", metavar="FILE", show_default="the task's", rich_help_panel=TASK),
]
Data = Annotated[
    list[Path] | None,
    typer.Option(
        help="Labelled ECG: a folder or archive of recordings or segments, .npz, .mat, .h5 or .parquet, or a"
        " folder of pictures of pages. Repeat it to use several sets together.",
        metavar="PATH",
        show_default="synthetic ECG",
        rich_help_panel=DATA,
    ),
]
Lead = Annotated[
    list[str] | None,
    typer.Option(
        help="Lead, or column of text, by name or number (0 is the first), with alternatives between commas:"
        " MLII,ECG. Repeat it for each lead of the task.",
        metavar="NAME|N",
        show_default="0",
        rich_help_panel=DATA,
    ),
]
Window = Annotated[
    float | None,
    typer.Option(
        parser=number(),
        help="Length of a window, for a task that allows a choice.",
        metavar="SECONDS",
        show_default="the task's",
        rich_help_panel=TASK,
    ),
]
SamplingRate = Annotated[
    int | None,
    typer.Option(
        parser=whole(1),
        help="Sampling rate of files that don't state theirs.",
        metavar="HZ",
        show_default="the task's",
        rich_help_panel=DATA,
    ),
]
Labels = Annotated[
    Path | None,
    typer.Option(
        help="Table of the recordings or pictures in a folder that tells their labels nowhere else; its first"
        " line is file,label or file,label,patient, or of pictures file,patient and a column a label.",
        metavar="FILE",
        show_default="what the files tell",
        rich_help_panel=DATA,
    ),
]
Subjects = Annotated[
    str | None,
    typer.Option(
        help="Whose each recording is: a table, its first line recording,subject, or a pattern that fits the"
        " whole name of each, with brackets around the subject: 'p(\\d+)_.*'.",
        metavar="FILE|PATTERN",
        show_default="as the data say",
        rich_help_panel=DATA,
    ),
]


def _list_rules(name: str | None) -> str | None:
    """Print the rules for ``--rule list`` and exit."""
    if name == "list":
        from atml.formatting import columns
        from atml.scoring import rules

        show(columns(("rule", "what it judges", "options"), rules.listed()))
        raise typer.Exit
    return name


Rule = Annotated[
    str | None,
    typer.Option(
        help="Scoring rule: aha-aed, cinc2017, ec57, iccad2022, iccad2023, iesd2024, records, or NAME for"
        " your own file rules/NAME.py. `--rule list` describes them.",
        metavar="NAME|list",
        show_default="the task's",
        callback=_list_rules,
        is_eager=True,
        rich_help_panel=RULE,
    ),
]
RuleOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Set an option of the rule, such as vt_rate=180. Repeat it to set several.",
        metavar="NAME=VALUE",
        show_default="the rule's",
        rich_help_panel=RULE,
    ),
]
VfAmplitude = Annotated[
    float | None,
    typer.Option(
        parser=number(0),
        help="Rule aha-aed: fibrillation of at least this amplitude is coarse.",
        metavar="MV",
        show_default="0.2",
        rich_help_panel=RULE,
    ),
]
VtRate = Annotated[
    float | None,
    typer.Option(
        parser=number(0),
        help="Rule aha-aed: tachycardia above this rate is rapid.",
        metavar="BEATS_PER_MINUTE",
        show_default="150",
        rich_help_panel=RULE,
    ),
]
TrainedObjective = Annotated[
    Path | None,
    typer.Option(
        "--objective",
        help="Objective file that the model was searched with.",
        metavar="FILE",
        show_default="the task's",
        rich_help_panel=DATA,
    ),
]
Objective = Annotated[
    str | None,
    typer.Option(
        help="What to maximise: one of the task's objectives (`atml tasks` lists them), or a file.",
        metavar="NAME|FILE",
        show_default="the task's",
        rich_help_panel=TASK,
    ),
]
Device = Annotated[
    str,
    typer.Option(
        help="auto, cpu, cuda (all GPUs), or a list such as cuda:0,cuda:1 that the workers share.",
        metavar="NAME",
        rich_help_panel=WORKERS,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        parser=whole(1),
        help="Worker processes.",
        metavar="N",
        show_default="one a core",
        rich_help_panel=WORKERS,
    ),
]
HangAfter = Annotated[
    float | None,
    typer.Option(
        parser=duration,
        help="Replace a worker that has been silent for this long; a training one reports every second.",
        metavar=TIME,
        show_default="10m",
        rich_help_panel=WORKERS,
    ),
]
DataHere = Annotated[
    list[Path] | None,
    typer.Option(
        "--data",
        help="The study's data on this machine. Repeat it for several sets.",
        metavar="PATH",
        show_default="where the study has them",
        rich_help_panel=DATA,
    ),
]
LogTo = Annotated[
    str | None,
    typer.Option(
        help="Log each trial that ends here to MLflow, Weights & Biases or TensorBoard as well.",
        metavar="mlflow|wandb|tensorboard",
        show_default="none",
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
        "--unqualified",
        help="Where no model reaches the objective's gate, export the best one and mark it unqualified.",
        rich_help_panel=EXPORT,
    ),
]

Prefer = Annotated[
    str | None,
    typer.Option(
        help="Which of the models that can't be told apart from the best is taken.",
        metavar="smallest|fastest",
        show_default="the study's, or smallest",
        rich_help_panel=EXPORT,
    ),
]

Storage = Annotated[
    str,
    typer.Option(
        help="Database of the studies: sqlite:///FILE or postgresql+psycopg://USER@HOST/DATABASE.",
        metavar="URL",
        envvar="ATML_STORAGE",
        callback=_without_password,
        rich_help_panel=STUDY,
    ),
]
Study = Annotated[
    str | None,
    typer.Option("--study", help="Study.", metavar="NAME", show_default="the latest", rich_help_panel=STUDY),
]
StudyArgument = Annotated[
    str | None,
    typer.Argument(help="Study; short for --study NAME.", metavar="[STUDY]", show_default=False),
]


def one_study(argument: str | None, option: str | None) -> str | None:
    """Return the study that a command line names, as an argument or by ``--study``; None where it names none.

    Raises InputError where it names two.

    Example:
        >>> one_study("small", None), one_study(None, "small"), one_study(None, None)
        ('small', 'small', None)
    """
    if argument is not None and option is not None and argument != option:
        raise InputError(f"two studies are named, {argument!r} and --study {option}; leave one out")
    return option if argument is None else argument


def named_study(argument: str | None, option: str | None) -> str:
    """Return the study that a command line names; raises InputError where it names none, or two."""
    study = one_study(argument, option)
    if study is None:
        raise InputError("which study? name it with --study NAME; `atml status` lists the studies")
    return study


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


def write_whole(file: Path, text: str, named: str = "") -> None:
    """Write a file, which is there whole or stays as it was.

    Raises InputError where it can't be written, which calls it ``named`` ("--out FILE").
    """
    from atml.formatting import utf8

    aside = file.with_name(f".{file.name}.new")
    try:
        aside.write_bytes(utf8(text))
        aside.replace(file)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise InputError(f"{named or file} can't be written: {error.strerror or error}") from error
