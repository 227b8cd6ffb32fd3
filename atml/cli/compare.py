"""`atml compare`: models side by side, with a test of their differences."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atml.cli.shared_options import (
    DATA,
    STUDIES,
    STUDY,
    AsJson,
    Labels,
    Lead,
    Rule,
    RuleOption,
    SamplingRate,
    Storage,
    Subjects,
    TrainedObjective,
    VfAmplitude,
    VtRate,
    rule_options,
    show,
    write_whole,
)
from atml.cli.values import whole
from atml.errors import InputError

COMPARISON = "Comparison"

if TYPE_CHECKING:
    from atml.comparison.result import Comparison
    from atml.storage import Store


def compare(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            help="Export folders, ONNX files written by atml, or studies (their best export).",
            metavar="MODEL...",
            show_default=False,
        ),
    ] = None,
    study: Annotated[
        list[str] | None,
        typer.Option(
            help="Study whose best export is compared; the same as its name among the models.",
            metavar="NAME",
            show_default="none",
            rich_help_panel=STUDY,
        ),
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(
            help="Test data. Repeat it for several sets.",
            metavar="PATH",
            show_default="none: out-of-fold figures",
            rich_help_panel=DATA,
        ),
    ] = None,
    rule: Rule = None,
    rule_option: RuleOption = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="Figure of each subject whose differences are tested: accuracy, F-beta, sensitivity or"
            " specificity. Choose it before you see the figures.",
            metavar="FIGURE",
            show_default="the rule's, the task's, or accuracy",
            rich_help_panel=COMPARISON,
        ),
    ] = None,
    published: Annotated[
        list[str] | None,
        typer.Option(
            help="Published figures to list beside the models: autotuneml, iesd2024, iccad2022, iccad2023,"
            " or a JSON file. Repeat it for several.",
            metavar="NAME|FILE",
            show_default="none",
            rich_help_panel=COMPARISON,
        ),
    ] = None,
    vf_amplitude: VfAmplitude = None,
    vt_rate: VtRate = None,
    runs: Annotated[
        int,
        typer.Option(
            parser=whole(0),
            help="Windows that are timed for each model; 0 times none.",
            metavar="N",
            rich_help_panel=COMPARISON,
        ),
    ] = 200,
    lead: Lead = None,
    sampling_rate: SamplingRate = None,
    labels: Labels = None,
    subjects: Subjects = None,
    objective: TrainedObjective = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write the comparison as Markdown too.", metavar="FILE.md", show_default="none"),
    ] = None,
    storage: Storage = STUDIES,
    json: AsJson = False,
) -> None:
    """Put models side by side: figures, differences by subject and a test of them, size, speed."""
    from atml.comparison import comparing
    from atml.comparison.compared_models import found
    from atml.comparison.published import read
    from atml.storage import Store, missing

    beside = [read(name) for name in published or ()]
    options = rule_options(rule_option, vf_amplitude, vt_rate)
    if out is not None:
        _writable(out)
    store = None if missing(storage) else Store(storage)
    named = [*(models or ()), *(study or ())]
    if not named:
        raise InputError("which models? name export folders or studies; `atml status` lists the studies")
    exports = found(named, lambda name: _best(store, storage, name))
    if data:
        result = comparing.on_test_data(
            exports,
            data,
            evaluations=functools.cache(lambda: store or Store(storage)),
            rule=rule,
            objective=objective,
            leads=tuple(lead or ()),
            sampling_rate=sampling_rate,
            labels=labels,
            subjects=subjects or "",
            options=options,
            by=by,
            runs=runs,
            published=beside,
        )
    else:
        if rule is not None:
            raise InputError(f"--rule {rule} judges test data: name some with --data, or leave out --rule")
        if options:
            raise InputError(f"rule option {next(iter(options))} needs test data: name some with --data")
        result = comparing.out_of_fold(exports, objective=objective, by=by, published=beside)
    if out is not None:
        write_whole(out, result.to_markdown(), f"--out {out}")
    show(result.to_dict() if json else _laid_out(result), json)


def _best(store: Store | None, storage: str, name: str) -> Path | None:
    """Return the folder of a study's best export; None where there is no such study."""
    from atml.searching.leaderboard import leaderboard

    if store is None or name not in store.studies():
        if not any(sign in name for sign in "/.\\"):
            place = store.name if store is not None else storage
            raise InputError(
                f"{name!r} is neither an export here nor a study in {place}; `atml status` lists the studies"
            )
        return None
    for entry in leaderboard(store, name):
        if entry.folder is not None:
            return entry.folder
    raise InputError(f"study {name!r} has no export; `atml best export {name}` makes one")


def _laid_out(result: Comparison) -> object:
    from rich.console import Group
    from rich.text import Text

    from atml.formatting import columns

    parts: list[object] = [Text(result.title()), Text("")]
    header, rows = result.figures()
    parts.append(columns(header, rows, right=range(1, len(header))))
    if result.pairs:
        header, rows = result.differences()
        parts += [Text(""), columns(header, rows, right=range(2, len(header)))]
    return Group(*parts, Text(""), *map(Text, result.sentences()))  # type: ignore[arg-type]


def _writable(out: Path) -> None:
    """Raise InputError now, before a test set is evaluated, where the file can't be written."""
    import os

    if out.suffix != ".md":
        raise InputError(f"--out {out}: the file is Markdown; name one that ends in .md")
    try:
        taken = out.is_dir()
    except OSError:  # too long for a name
        taken = True
    if taken or not out.absolute().parent.is_dir() or not os.access(out.absolute().parent, os.W_OK):
        raise InputError(f"--out {out} can't be written; name a file in a folder that you may write to")
