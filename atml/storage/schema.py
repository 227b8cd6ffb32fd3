"""Our tables, beside Optuna's in the same database; `atml.storage.migrations` has their history."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import quote_from_bytes, unquote_to_bytes

import sqlalchemy as sa

from atml.formatting import is_utf8

VERSION_NOW = 2
"""Version of these tables; a database with a newer one is refused."""

_BYTES = "bytes:"


class Folder(sa.TypeDecorator[str]):
    """A path as text; one whose bytes are no UTF-8, which no database takes, in percent signs."""

    impl = sa.String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        """Return what is stored of a path."""
        if value is None or is_utf8(value):
            return value
        return _BYTES + quote_from_bytes(os.fsencode(value))

    def process_result_value(self, value: str | None, dialect: Any) -> str | None:
        """Return the path that was stored."""
        if value is None or not value.startswith(_BYTES):
            return value
        return os.fsdecode(unquote_to_bytes(value.removeprefix(_BYTES)))


META = sa.MetaData()
VERSION = sa.Table("atml_version", META, sa.Column("version", sa.Integer, primary_key=True))
HOLDERS = sa.Table(
    "atml_holders",
    META,
    sa.Column("token", sa.String(64), primary_key=True),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    # Seconds of the database's clock.
    sa.Column("beat", sa.Float, nullable=False),
    # The scope of the process id: see `atml.storage.slots.machine`.
    sa.Column("machine", sa.String(128)),
    # What it works on and in which role; `since` is in seconds of the database's clock.
    sa.Column("study", sa.String(255)),
    sa.Column("role", sa.String(32)),
    sa.Column("since", sa.Float),
    sa.Column("info", sa.JSON),
)
SLOTS = sa.Table(
    "atml_slots",
    META,
    sa.Column("study", sa.String(255), primary_key=True),
    sa.Column("slot", sa.Integer, primary_key=True),
    sa.Column("token", sa.String(64), nullable=False),
    sa.Column("number", sa.Integer),
    # When it was taken, in seconds of the database's clock.
    sa.Column("at", sa.Float),
)
PREDICTIONS = sa.Table(
    "atml_predictions",
    META,
    sa.Column("study", sa.String(255), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("rows", sa.LargeBinary, nullable=False),
    sa.Column("logits", sa.LargeBinary, nullable=False),
    sa.Column("classes", sa.Integer, nullable=False),
)
EXPORTS = sa.Table(
    "atml_exports",
    META,
    # The longest key that MySQL takes.
    sa.Column("folder", Folder(768), primary_key=True),
    sa.Column("study", sa.String(255), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("at", sa.Float, nullable=False),
)
EVALUATIONS = sa.Table(
    "atml_looks",
    META,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("data_fingerprint", sa.String(64), nullable=False, index=True),
    sa.Column("export_sha256", sa.String(64), nullable=False),
    sa.Column("rule", sa.String(64), nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("result", sa.JSON, nullable=False),
)
