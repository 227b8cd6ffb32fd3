from __future__ import annotations

from pathlib import Path

import pytest

from tests.annotating import made


@pytest.fixture(scope="session")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a minute network for beats."""
    file = tmp_path_factory.mktemp("export") / "model.onnx"
    file.write_bytes(made.exported())
    return file
