"""What a contest would award the winner of a search for a board, beside the contest's leaderboard."""

from __future__ import annotations

from atml.formatting import sentence
from atml.report.figures import Figures
from atml.report.page import Block, Grid, Heading
from atml.scoring.official_total import leaderboard_rows


def contest_places(figures: Figures) -> list[Block]:
    """Show the table; nothing for a winner that was exported without an estimate of its total."""
    found = figures.get("official")
    if not found or found.get("total") is None:
        return []
    header, rows = leaderboard_rows(found)
    named = ("model", *header[1:])
    says = " ".join(sentence(note) for note in found["notes"])
    return [Heading("Official total, estimated"), Grid(named, tuple(rows), says, right=named[1:])]
