"""A store in a real PostgreSQL."""

from __future__ import annotations

from atml.store import Store
from tests.postgres import Server


def test_a_store_in_postgresql(postgres: Server) -> None:
    store = Store(postgres.url(postgres.new_database()))
    assert store.studies() == []
    store.close()
