"""Counts and printed figures of the standard's comparator, on all its pairs, byte for byte."""

from __future__ import annotations

import pytest

from atml.scoring.rules.ec57 import text
from tests.scoring.ec57.oracle import RECORDS, SETS, compared, printed


def test_all_pairs_are_there():
    assert sum(map(len, RECORDS.values())) == 80


@pytest.mark.parametrize("of", SETS)
def test_lines(of):
    assert text.beats_table(compared(of)) == printed(of, "lines_beats")
    assert text.shutdown_table(compared(of)) == printed(of, "lines_shutdown")


@pytest.mark.parametrize("of", SETS)
def test_gross_and_average(of):
    assert text.beats_summary(compared(of)) == printed(of, "sumstats_beats")
    assert text.shutdown_summary(compared(of)) == printed(of, "sumstats_shutdown")


@pytest.mark.parametrize("of", SETS)
def test_matrices(of):
    assert text.matrices(compared(of), "atr", "tst") == printed(of, "matrices")
