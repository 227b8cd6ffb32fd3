from __future__ import annotations

import numpy as np
import pytest

from atml.data.formats.annotations import Marks
from atml.errors import InputError
from atml.scoring.rules.ec57 import ESCAPES_AS_N, Settings, aggregate, compare, intervals, of_record
from tests.scoring.ec57.oracle import SETS, compared, pair

RATE = 100
N, S, V, F, Q, O, X = range(7)  # noqa: E741


def made(*told, rate=RATE):
    """Marks of (time in s, symbol) or (time, symbol, subtype)."""
    told = sorted(told, key=lambda one: one[0])
    sample = np.array([round(one[0] * rate) for one in told], np.int64)
    subtype = np.array([one[2] if len(one) > 2 else 0 for one in told], np.int64)
    return Marks(sample, [one[1] for one in told], subtype, [""] * len(told))


def beats(symbols, every=1.0, start=1.0):
    return [(start + at * every, symbol) for at, symbol in enumerate(symbols)]


def found(reference, test, **options):
    return compare(made(*reference), made(*test), RATE, **{"length": 60 * RATE, "learning": 0.0, **options})


def test_every_pair_of_classes_has_its_cell():
    one = found(beats("NSVFQ"), beats("SVFQN"))
    assert one.counts.nonzero() == (pytest.approx([N, S, V, F, Q]), pytest.approx([S, V, F, Q, N]))


def test_escape_beats_are_s_or_n():
    reference, test = beats("ejnA"), beats("NNNS")
    assert found(reference, test).counts[S, [N, S]].tolist() == [3, 1]
    other = found(reference, test, classes=ESCAPES_AS_N)
    assert other.counts[N, N] == 2 and other.counts[S, [N, S]].tolist() == [1, 1]


def test_extra_beats_in_the_references_fibrillation_are_not_counted():
    vf = [(4.5, "["), (7.5, "]")]
    one = found([*beats("NNNN"), *vf, *beats("NN", start=8.0)], beats("NNNNNNNNN"))
    assert one.counts.sum() == one.counts[N, N] == 6
    assert (one.pairs.true == -1).sum() == 3
    open_end = found([*beats("NNNN"), (4.5, "[")], beats("NNNNNNNNN"))
    assert open_end.counts.sum() == open_end.counts[N, N] == 4
    # The test's own fibrillation excuses nothing.
    assert found(beats("NNNNNNNNN"), [*beats("NNNN"), *vf, *beats("NN", start=8.0)]).counts[N, O] == 3


def test_a_flutter_wave_outside_brackets_pairs_and_counts_as_no_beat():
    assert found(beats("N!N"), beats("NNN")).counts[O, N] == 1
    assert found(beats("NNN"), beats("N!N")).counts[N, O] == 1
    assert found(beats("N!N"), beats("N!N")).counts.sum() == 2
    assert found(beats("N!N"), beats("NN", every=2.0)).counts.sum() == 2


def test_a_shutdown_of_the_test():
    off = [(3.5, "~", 0x30), (5.5, "~", 0)]
    one = found(beats("NNNNNNN"), [*beats("NNN"), *off, *beats("NN", start=6.0)])
    assert one.counts[N, X] == 2 and one.counts[N, O] == 0 and one.shutdown == 2
    assert of_record(one)["Q Se"] == pytest.approx(100 * 5 / 7)
    half = [(3.5, "~", 0x10), (5.5, "~", 0)]
    assert found(beats("NNNNNNN"), [*beats("NNN"), *half, *beats("NN", start=6.0)]).counts[N, O] == 2
    # Beats that the test marks within its shutdown match all the same.
    assert found(beats("NNNNNNN"), [*beats("NNNNNNN"), *off]).counts[N, N] == 7


def test_a_shutdown_of_the_reference():
    off = [(3.5, "~", -1), (5.5, "~", 0)]
    one = found([*beats("NNN"), *off, *beats("NN", start=6.0)], beats("NNVNNNN"))
    assert one.counts[X, N] == 2 and one.shutdown == 0
    for_ever = found([*beats("NNN"), off[0]], beats("NNVNNNN"))
    assert for_ever.counts[X, N] == 4


def test_a_shutdown_that_the_annotations_end_in():
    one = found(beats("NNNNNNN"), [*beats("NNN"), (3.5, "~", 0x30)])
    assert one.counts[N, X] == 4 and one.shutdown == 57
    assert found(beats("NNNNNNN"), [*beats("NNN"), (3.5, "~", 0x30)], length=None).shutdown == 0


def test_a_shutdown_by_one_annotation_lasts_from_beat_to_beat():
    one = found(beats("NNNNNNN"), [*beats("NN"), (4.5, "~", 0x30), (7.0, "N")])
    assert one.counts[N, X] == 4 and one.shutdown == 5


def test_rr_errors_are_of_intervals_that_both_have():
    late = [(1.0, "N"), (2.04, "N"), (3.0, "N")]
    assert found(beats("NNN"), late).rr_error == pytest.approx(40.0)
    # No interval goes over a fibrillation or a shutdown.
    gap = [(1.0, "N"), (2.0, "N"), (2.5, "["), (2.7, "]"), (3.0, "N")]
    assert found(gap, late).rr_count == 1
    assert found(beats("NNN"), [*late, (2.5, "~", 0x30), (2.7, "~", 0)]).rr_count == 1
    assert found(beats("N"), beats("N")).rr_error is None
    # A shutdown that begins with a beat, and is told before it, ends the interval from that beat.
    at_once = [(1.0, "N"), (2.0, "~", 0x30), (2.0, "~", 0), (2.0, "N"), (3.0, "N")]
    assert found(at_once, late).rr_count == 1


def test_the_learning_period_and_the_window():
    reference, test = beats("N" * 40), beats("N" * 20 + "V" * 20)
    assert found(reference, test, learning=20.5).counts.sum() == 20
    moved = beats("N" * 40, start=1.2)
    assert found(reference, moved).counts[N, N] == 0
    assert found(reference, moved, window=0.2).counts[N, N] == 40
    with pytest.raises(InputError, match="60 s long, which ends within the learning period of 300 s"):
        found(reference, test, learning=300.0)
    assert not len(found(reference, test, learning=300.0, length=None).pairs.true)


def test_pairs_lead_back_to_the_annotations():
    one = found([(0.5, "+"), *beats("NVN")], beats("NNNN"))
    assert one.pairs.reference.tolist() == [1, 2, 3, -1] and one.pairs.test.tolist() == [0, 1, 2, 3]
    assert one.pairs.true.tolist() == [N, V, N, O] and one.pairs.called.tolist() == [N] * 4


@pytest.mark.parametrize("of", SETS)
def test_a_copy_of_the_reference_is_right_throughout(of):
    from atml.scoring.rules.ec57 import OFFICIAL
    from tests.scoring.ec57.oracle import header, marks

    for record in compared(of):
        same = marks(of, record, "atr")
        rate, length = header(of, record)
        one = compare(same, same, rate, length=length, classes=OFFICIAL)
        assert (one.counts - np.diag(np.diag(one.counts)) == 0).all() and one.rr_error in (0.0, None)


def test_settings_say_what_is_not_standard():
    assert Settings().standard and Settings().words() == ""
    assert Settings(0, 0.1).words() == (
        "non-standard: learning period 0 s, not 300 s, matching window 100 ms, not 150 ms"
    )
    for bad in ({"learning": -1}, {"learning": float("nan")}, {"window": 0}):
        with pytest.raises(InputError, match="can't be"):
            Settings(**bad)


def test_intervals_are_of_people_and_hold_the_figure():
    records = compared("mitdb")
    subjects = ["201" if name == "202" else name for name in records]
    got, figures = intervals(list(records.values()), subjects), aggregate(list(records.values()))
    for name, value in figures.gross.items():
        interval = got.gross[name]
        assert interval.value == pytest.approx(value) and interval.low < value < interval.high
    for name, value in figures.average.items():
        interval = got.average[name]
        assert interval.value == pytest.approx(value, abs=0.01) and interval.low < value < interval.high
    # All records of one person leave nothing to resample; two people give their own figures for ends.
    assert set(intervals(list(records.values()), ["A"] * 22).gross.values()) == {None}
    two = intervals(list(records.values()), ["A"] * 21 + ["B"])
    last = of_record(records["230"])["Q Se"]
    assert two.gross["Q Se"].high == pytest.approx(last) and two.gross["V Se"] is not None


def test_a_figure_is_missing_where_nothing_is_of_its_kind():
    one = found(beats("NNN"), [])
    figures = of_record(one)
    assert figures["Q Se"] == 0 and figures["Q +P"] is None and figures["V Se"] is None
    both = aggregate([one])
    assert both.gross["V +P"] is None and both.average["RR err"] is None


def test_beats_to_change_with_a_record_change_its_line_alone():
    assert pair("edge_360", "same").counts.sum() == 138
    assert pair("edge_360", "same", learning=0.0).counts.sum() > 400
