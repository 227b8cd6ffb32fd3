"""Version 2: who holds trials is known by the machine too, and says what it does; slots have a time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

_ADDED: dict[str, list[sa.Column[object]]] = {
    "atml_holders": [
        sa.Column("machine", sa.String(128)),
        sa.Column("study", sa.String(255)),
        sa.Column("role", sa.String(32)),
        sa.Column("since", sa.Float),
        sa.Column("info", sa.JSON),
    ],
    "atml_slots": [sa.Column("at", sa.Float)],
}


def upgrade(operations: Operations) -> None:
    """Add what is missing."""
    inspector = sa.inspect(operations.get_bind())
    for table, columns in _ADDED.items():
        there = {column["name"] for column in inspector.get_columns(table)}
        for column in columns:
            if column.name not in there:
                operations.add_column(table, column.copy())
