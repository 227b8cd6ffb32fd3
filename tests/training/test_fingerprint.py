"""Which code trains, and whether that of version 0.1 trains the same."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from atml.training import fingerprint

DATABASE = Path(__file__).resolve().parents[1] / "fixtures" / "v0.1" / "studies.db"


def kept() -> dict[str, str]:
    """The code that trained a study of version 0.1, as its database has it."""
    with closing(sqlite3.connect(f"file:{DATABASE}?mode=ro", uri=True)) as db:
        (text,) = db.execute("SELECT value_json FROM study_user_attributes WHERE key = 'code'").fetchone()
    found: dict[str, str] = json.loads(text)
    return found


def test_version_0_1_trains_the_same() -> None:
    """Whoever changes what a training computes takes the entry out of `SAME_AS`, and this test with it."""
    there = {**kept(), "torch": fingerprint.here()["torch"], "atml": fingerprint.here()["atml"]}
    assert there["modules"] in fingerprint.SAME_AS
    assert fingerprint.differences(there, fingerprint.here(), "there", "here") == ""


def test_other_code_and_other_torch_are_named() -> None:
    here = fingerprint.here()
    there = {**here, "modules": "0" * 16, "torch": "2.9"}
    said = fingerprint.differences(there, here, "there", "here")
    assert "torch 2.9 there" in said and "the modules that train 00000000 there" in said
