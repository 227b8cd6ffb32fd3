"""What a finalist takes on the board of its search, beside the leaderboard of its task's contest."""

from __future__ import annotations

from atml.artifacts.record import BoardFacts, DataFacts
from atml.device import costing
from atml.device.estimate import estimate
from atml.device.untrained import program
from atml.evaluation.cross_validation_result import CrossValidationResult
from atml.metrics import Counts
from atml.models.config import ModelConfig
from atml.scoring.official_total import data_in_words, leaderboard_rows, official_total, with_ends
from atml.scoring.rules.awarded import CONTESTS
from atml.searching.plan import Plan


def on_board(
    plan: Plan, config: ModelConfig, result: CrossValidationResult, data: DataFacts
) -> BoardFacts | None:
    """Return the estimate and the contest's total; None where the search is for no board."""
    budget, definition = plan.budget, plan.definition
    if not budget.board:
        return None
    found = estimate(
        program(config, definition.task),
        budget.board,
        budget.format,
        measured=costing.measurements_of(budget),
    )
    board = found.board
    measured = f"{found.measured} measured" if found.measured else "none measured"
    rows = [
        ("latency", f"{with_ends(found.ms, 2)} ms a window at {board.megahertz:g} MHz; {measured}"),
        ("flash", f"{found.flash_kib:.1f} of {board.flash_kib:,g} KiB, weights as {found.format}"),
        ("RAM", f"{found.ram_needed / 1024:.1f} of {board.ram_kib:,g} KiB, window and stack included"),
    ]
    if definition.rule not in CONTESTS:
        return BoardFacts(title=board.title, rows=tuple(rows), estimate=found.to_dict())
    total = official_total(
        definition.rule,
        _tables(result, found.format),
        found.ms,
        found.flash_kib,
        data_in_words(data.synthetic, data.name),
    )
    if total.total is not None:
        parts = ", ".join(f"{key} {one.value:.1f}" for key, one in total.points.items())
        rows.append(
            (f"total by {total.rule}", f"{with_ends(total.total, 1)} of {total.best:g} points: {parts}")
        )
    fields = total.to_dict()
    header, places = leaderboard_rows(fields)
    return BoardFacts(
        title=board.title,
        rows=tuple(rows),
        places=(header, *places),
        notes=tuple(fields["notes"]),
        estimate=found.to_dict(),
        official=fields,
    )


def _tables(result: CrossValidationResult, format: str) -> list[Counts]:
    """Counts by subject of each run, or of all runs together in a format of fewer bits."""
    quantised = [one.table for one in result.formats if one.format == format]
    return quantised or [result.target.table(one) for one in result.decided]
