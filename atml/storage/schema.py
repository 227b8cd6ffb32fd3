"""Our tables, beside Optuna's in the same database; `atml.storage.migrations` has their history."""

from __future__ import annotations

import sqlalchemy as sa

VERSION_NOW = 2
"""Version of these tables; a database with a newer one is refused."""

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
    sa.Column("folder", sa.String(768), primary_key=True),
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
