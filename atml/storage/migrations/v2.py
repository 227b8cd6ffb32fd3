"""Version 2: holders have a machine, a study, a role and a start; slots have a time."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations

_ADDED: dict[str, dict[str, sa.types.TypeEngine[Any]]] = {
    "atml_holders": {
        "machine": sa.String(128),
        "study": sa.String(255),
        "role": sa.String(32),
        "since": sa.Float(),
        "info": sa.JSON(),
    },
    "atml_slots": {"at": sa.Float()},
}


def upgrade(operations: Operations) -> None:
    """Add what is missing."""
    inspector = sa.inspect(operations.get_bind())
    for table, columns in _ADDED.items():
        there = {column["name"] for column in inspector.get_columns(table)}
        for name, kind in columns.items():
            if name not in there:
                operations.add_column(table, sa.Column(name, kind))
