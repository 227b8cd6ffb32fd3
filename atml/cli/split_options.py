"""Options of what is held out: of the search, and of the training in each fold."""

from __future__ import annotations

from typing import Annotated

import typer

from atml.cli.shared_options import DATA, STUDY
from atml.cli.values import whole

HoldOut = Annotated[
    str | None,
    typer.Option(
        help="Share of the subjects, or their names between commas, kept out of the search for"
        " `atml score`. For data without a test split.",
        metavar="SHARE|NAMES",
        show_default="none",
        rich_help_panel=DATA,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        parser=whole(0, 2**32 - 1),
        help="Seed of the folds, the sampling and the training.",
        metavar="N",
        show_default="the study's, or 0",
        rich_help_panel=STUDY,
    ),
]
Folds = Annotated[
    int | None,
    typer.Option(
        parser=whole(2),
        help="Folds of the cross-validation by subject.",
        metavar="N",
        show_default="the study's, or 5",
        rich_help_panel=STUDY,
    ),
]
FoldBy = Annotated[
    str | None,
    typer.Option(
        help="What a fold holds out: subjects, or a whole set where several --data are given.",
        metavar="subject|set",
        show_default="the study's, or subject",
        rich_help_panel=STUDY,
    ),
]
