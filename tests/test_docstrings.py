"""The examples in docstrings run; those of `atml.library` need an export beside them and run in its tests."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import atml

PACKAGE = Path(atml.__file__).parent
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in PACKAGE.rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8") and path.parent.name != "library"
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert done.attempted and not done.failed
    assert list(tmp_path.iterdir()) == []


def test_signal_processing_and_models_have_examples() -> None:
    public = ("ecg.beats", "ecg.resampling", "ecg.waves", "models.config", "models.families", "models.blocks")
    assert {f"atml.{name}" for name in public} <= set(MODULES)
