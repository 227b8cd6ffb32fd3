"""What changed in our tables from version to version: one module each, named after the version it makes.

A released module is never changed. A migration only adds, so that an earlier atml which is at work meanwhile
can continue. It may find part of its work done by a process that was killed.
"""

from __future__ import annotations

from collections.abc import Callable

from alembic.operations import Operations

from atml.storage.migrations import v2

EVERY: dict[int, Callable[[Operations], None]] = {2: v2.upgrade}
"""By version: the function that makes it from the version before."""
