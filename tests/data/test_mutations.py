"""However odd a set is: values come out right, of the right people in the right split, or one line refuses.

``ATML_MUTATIONS=3000`` tries that many sets of each format, others each time.
"""

from __future__ import annotations

import os
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import atml.data
from atml.data.dataset import Dataset
from atml.errors import DataError
from tests.data.mutations import FORMATS, LABELS, NOBODY, TASK, Row, who
from tests.data.mutations_recordings import RECORDINGS
from tests.data.mutations_windows import WINDOWS

EXAMPLES = int(os.environ.get("ATML_MUTATIONS", 0))
"""Sets of each format; the same few where it is not set: 150 of the first formats, 10 of the others, and 50
of MATLAB structs, which take five times as long as any other to write and read."""

KINDS: dict[str, Callable[..., Any]] = {**FORMATS, **RECORDINGS, **WINDOWS}


def compared(found: Dataset, wanted: list[Row]) -> None:
    """Compare windows with those that have to come out, in any order."""
    assert not any(who(row.subject) in {who(name) for name in NOBODY} for row in wanted), "nobody's rows"
    assert len(found) == len(wanted), f"{len(found)} windows, not {len(wanted)}"
    assert found.x.shape[1:] == (1, TASK.window)
    there = np.asarray(found.x[:, 0], np.float64)
    for row in wanted:
        alike = np.flatnonzero(np.abs(there - row.x).max(axis=1) <= 1e-5 * max(1.0, np.abs(row.x).max()))
        assert len(alike) == 1, f"{len(alike)} windows have the values of one of {row.subject!r}"
        at = int(alike[0])
        assert (who(str(found.subject[at])), int(found.y[at])) == (who(row.subject), row.klass)
    people = {who(row.subject) for row in wanted}
    assert len(set(found.subject.tolist())) == len(people), "one person by several names"


@pytest.mark.parametrize("kind", KINDS)
def test_values_come_out_right_or_one_line_refuses(kind: str) -> None:
    opened: Counter[str] = Counter()

    @settings(
        max_examples=EXAMPLES or (10 if kind not in FORMATS else 50 if kind == "MATLAB struct" else 150),
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        # Where thousands are tried, the first that fails is shown as it is.
        phases=[Phase.generate] if EXAMPLES else [Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def tried(data: st.DataObject) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name, "set")
            folder.mkdir()
            path, rows, *options = KINDS[kind](data.draw, folder)
            asked = {"task": TASK, "label": LABELS.get, **(options[0] if options else {})}
            for split in ("train", "test"):
                try:
                    found = atml.data.open(path, split=split, cache=Path(name, "cache"), **asked)
                except DataError as error:
                    assert not any(unicodedata.category(letter) == "Cc" for letter in str(error)), error
                    assert len(str(error)) < 1000
                    opened["refused"] += 1
                    continue
                assert np.isfinite(found.x).all()
                if rows is not None:
                    compared(found, [row for row in rows if row.split in ("", split)])
                opened["right" if rows is not None else "clean"] += 1

    tried()
    # Not by refusing everything.
    assert opened["right"] >= 0.05 * opened.total(), opened
