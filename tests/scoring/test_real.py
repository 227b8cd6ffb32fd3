"""Rows of the AED table on real recordings, where they are at hand."""

import numpy as np
import pytest

from atml import data, task_files
from atml.ecg import waves
from atml.scoring.rules import Judged, aha_aed


@pytest.fixture(scope="module")
def vfdb(real_data):
    pytest.importorskip("wfdb")
    definition = task_files.find("defib")
    opened = data.open(real_data / "vfdb", task=definition.task, label=definition.label)
    return opened, Judged(
        task=definition.task,
        y_true=opened.y,
        y_pred=opened.y,
        subject=opened.subject,
        rhythm=opened.rhythm,
        x=opened.x,
    )


def test_every_window_has_one_row(vfdb):
    opened, judged = vfdb
    found = {
        row["category"]: row for row in aha_aed.score(judged, aha_aed.OPTIONS).table("categories").records
    }
    assert sum(row["n"] for row in found.values()) == len(opened)
    # Fibrillation and flutter of this database are mostly large; a few records have it fine.
    vf = np.isin(opened.rhythm, ["VF", "VFIB", "VFL"]).sum()
    assert found["coarse VF, flutter"]["n"] > 0.9 * vf
    assert 0 < found["fine VF, flutter"]["n"] < 0.1 * vf
    for name in ("coarse VF, flutter", "rapid VT", "normal sinus rhythm"):
        assert found[name]["verdict"] == "passed"  # of decisions that are all right


def test_rates_are_those_that_an_eye_reads(vfdb):
    """Record 611 holds one slow tachycardia throughout, 135 to 140 a minute; 423 a fast one, 200 and more."""
    opened, _ = vfdb
    vt = opened.rhythm == "VT"
    slow, fast = (
        waves.rate_per_minute(opened.x[vt & (opened.subject == record)], 250) for record in ("611", "423")
    )
    assert len(slow) > 200 and np.mean((slow > 130) & (slow < 145)) > 0.95
    assert len(fast) > 100 and np.mean(fast > 200) > 0.9
