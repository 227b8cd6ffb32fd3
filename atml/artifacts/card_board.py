"""The part of a model card on the board that the search was for."""

from __future__ import annotations

from atml.artifacts.record import ExportRecord
from atml.formatting import sentence, table


def on_the_board(record: ExportRecord) -> list[str]:
    """Write the section; nothing where the search was for no board."""
    board = record.board
    if board is None:
        return []
    parts = [
        f"## On the board: {board.title}",
        "Estimated from the C that `atml best export --target` writes, not measured.",
        table(("what", "value"), board.rows, left=2),
    ]
    if board.places:
        header, *rows = board.places
        parts.append(table(header, rows, left=1))
    if board.notes:
        parts.append("\n".join(f"- {sentence(note)}" for note in board.notes))
    return ["\n\n".join(parts)]
