"""What changed in our tables from version to version, one module each, named after the version it makes.

A module is never changed once it was released. It only adds: an earlier atml that is at work meanwhile
goes on. It may find some of its work done, by a process that was killed.
"""

from __future__ import annotations

from collections.abc import Callable

from alembic.operations import Operations

from atml.storage.migrations import v2

EVERY: dict[int, Callable[[Operations], None]] = {2: v2.upgrade}
"""What makes a version from the one before it."""
