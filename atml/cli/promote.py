"""`atml promote`: which export is in service, decided on people that neither model knows, and logged."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atml.cli.shared_options import (
    DATA,
    STUDIES,
    AsJson,
    Labels,
    Lead,
    Objective,
    Rule,
    RuleOption,
    SamplingRate,
    Storage,
    Subjects,
    rule_options,
    show,
)
from atml.cli.values import number
from atml.errors import InputError

DECISION = "Decision"


def promote(
    challenger: Annotated[
        Path | None,
        typer.Argument(
            help="Export that may take the champion's place; with --back, the one to go back to.",
            metavar="[CHALLENGER]",
            show_default=False,
        ),
    ] = None,
    over: Annotated[
        Path | None,
        typer.Option(
            help="The champion: the export in service.",
            metavar="CHAMPION",
            show_default="the one in service by the log",
            rich_help_panel=DECISION,
        ),
    ] = None,
    test: Annotated[
        list[Path] | None,
        typer.Option(
            help="Frozen test set, of people that neither model was trained on. Repeat it for several sets.",
            metavar="FROZEN",
            show_default="none",
            rich_help_panel=DATA,
        ),
    ] = None,
    new: Annotated[
        list[Path] | None,
        typer.Option(
            help="Data of new people; those that a model was trained on are left out. Repeat it for several.",
            metavar="PEOPLE",
            show_default="none",
            rich_help_panel=DATA,
        ),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            parser=number(0, 1),
            help="What the challenger may lack of the champion, in units of the figure. Set it before you see"
            " any figure.",
            metavar="0..1",
            show_default="0.02",
            rich_help_panel=DECISION,
        ),
    ] = None,
    need: Annotated[
        str,
        typer.Option(
            help="What has to be shown on the new people (without --new, on the frozen set): better, or"
            " no-worse by the margin.",
            metavar="better|no-worse",
            rich_help_panel=DECISION,
        ),
    ] = "better",
    by: Annotated[
        str,
        typer.Option(
            help="Figure to decide by: the objective, accuracy, F-beta, sensitivity or specificity of each"
            " subject, or, of single beats, one of rule ec57, such as 'VEB F1'.",
            metavar="FIGURE",
            rich_help_panel=DECISION,
        ),
    ] = "objective",
    back: Annotated[
        bool,
        typer.Option(
            "--back",
            help="Put the export that was in service before this one back.",
            rich_help_panel=DECISION,
        ),
    ] = False,
    log: Annotated[
        Path,
        typer.Option(
            help="Log of all decisions, which is only added to; champion.json beside it names the export in"
            " service.",
            metavar="FILE",
            rich_help_panel=DECISION,
        ),
    ] = Path("promotions.jsonl"),
    objective: Objective = None,
    rule: Rule = None,
    rule_option: RuleOption = None,
    lead: Lead = None,
    sampling_rate: SamplingRate = None,
    labels: Labels = None,
    subjects: Subjects = None,
    storage: Storage = STUDIES,
    json: AsJson = False,
) -> None:
    """Decide whether a challenger takes the place of the export in service, by a margin set beforehand.

    Without CHALLENGER, show what is in service and what was decided. Both models are judged on the frozen
    test set and on new people; an evaluation counts for each.
    """
    from atml.promotion import promoting, shown

    if back:
        _alone("--back", over=over, test=test, new=new, margin=margin)
        before, now = promoting.go_back(log, challenger)
        show(
            {"in_service": now.to_dict(), "before": before.to_dict()}
            if json
            else shown.went_back(before, now),
            json,
        )
        return
    if challenger is None:
        _alone("no CHALLENGER", over=over, test=test, new=new, margin=margin)
        _state(log, json)
        return
    from atml.promotion.decision import MARGIN, Asked
    from atml.storage import Store

    if need not in list(Asked):
        raise InputError(f"--need {need}: what has to be shown is {' or '.join(Asked)}")
    found = promoting.promote(
        challenger,
        over,
        test=test or (),
        new=new or (),
        margin=MARGIN if margin is None else margin,
        asked=Asked(need),
        by=by,
        log=log,
        objective=objective,
        rule=rule,
        evaluations=lambda: Store(storage),
        options=rule_options(rule_option, None, None),
        leads=tuple(lead or ()),
        sampling_rate=sampling_rate,
        labels=labels,
        subjects=subjects or "",
    )
    if json:
        show(shown.to_dict(found), json)
        return
    show("\n".join([*shown.head(found), ""]))
    _table(shown.HEADER, shown.rows(found), right=range(1, len(shown.HEADER)))
    show("\n".join(["", *shown.tail(found)]))


def _state(log: Path, json: bool) -> None:
    from atml.promotion import shown
    from atml.promotion.in_service import in_service
    from atml.promotion.log import PromotionLog

    entries = PromotionLog(log).entries()
    line, rows = shown.state(log, entries)
    if json:
        now = in_service(entries)
        assert now is not None
        show({"in_service": now.model.to_dict(), "entries": entries}, json)
        return
    show(f"{line}\n")
    _table(shown.STATE_HEADER, rows, right=(0,))


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]], right: range | tuple[int, ...]) -> None:
    from atml.formatting import columns

    show(columns(header, rows, right=right))


def _alone(what: str, **given: object) -> None:
    """Raise InputError for an option that says nothing here."""
    for name, value in given.items():
        if value not in (None, [], ()):
            raise InputError(f"--{name} with {what}: leave it out, or name a CHALLENGER without --back")
