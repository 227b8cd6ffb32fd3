from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from atml.storage import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(f"sqlite:///{tmp_path / 'studies.db'}")
    yield made
    made.close()
