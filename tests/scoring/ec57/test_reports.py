from __future__ import annotations

import pytest

from atml.errors import InputError
from atml.scoring.rules.ec57 import aggregate, text
from atml.scoring.rules.ec57.differences import differences
from atml.scoring.rules.ec57.reports import WITHOUT_S, parse
from tests.scoring.ec57.oracle import SETS, compared, printed

EARLIER = """
Gross 99.16 99.26 79.70 93.70 88.19 75.99
Average 99.19 99.26 81.71 95.62 92.73 79.73
"""


@pytest.mark.parametrize("of", SETS)
@pytest.mark.parametrize("name", ["lines_beats", "sumstats_beats"])
def test_a_report_of_the_comparator_is_read_and_nothing_differs(of, name):
    report = parse(printed(of, name))
    assert list(report.records) == list(compared(of)) and report.with_s
    found = differences(report, compared(of))
    assert all(change.same for change in (*found.gross, *found.average))
    assert not any(found.records.values()) and not found.only_before and not found.only_now
    assert f"0 of {len(report.records)} records that both have differ" in found.lines()


def test_gross_and_average_of_lines_are_those_below_them():
    lines, summary = parse(printed("mitdb", "lines_beats")), parse(printed("mitdb", "sumstats_beats"))
    for which in ("gross", "average"):
        stated = getattr(summary.aggregate, which)
        for name, value in getattr(lines.aggregate, which).items():
            assert f"{value:.2f}" == f"{stated[name]:.2f}", (which, name)


def test_a_report_of_two_lines():
    report = parse(EARLIER)
    assert report.aggregate.gross["S +P"] == 75.99 and report.aggregate.average["V +P"] == 95.62
    assert report.aggregate.average["RR err"] is None
    found = differences(report, compared("mitdb"))
    assert "QRS sensitivity            Q Se 99.16 -> 95.75 (-3.41)" in found.lines()[1]
    assert not found.records and not found.common


def test_a_report_without_a_class_s():
    """Made of the same counts, as the comparator writes it where nobody asks for S."""
    records = compared("mitdb")
    lines = [WITHOUT_S]
    for name, found in records.items():
        m = text.without_s(found.counts)
        counts = text.columns(m, WITHOUT_S.split()[1:12])
        false = m[[0, 5, 6], 2].sum()
        rate = f"{100 * false / (false + m[[0, 3, 4, 5, 6]][:, [0, 3, 4]].sum()):.3f}"
        figures = text.beats_line(name, found).split()[-7:-3]
        lines.append(" ".join([name, *map(str, counts.tolist()), *figures, rate]))
    report = parse("\n".join(lines))
    assert not report.with_s and report.figures[-1] == "V FPR"
    found = differences(report, records)
    assert not any(found.records.values()) and all(change.same for change in found.gross)
    assert [change.column for change in found.average] == ["Q Se", "Q +P", "V Se", "V +P", "V FPR"]
    assert report.aggregate.gross["V Se"] == aggregate(list(records.values())).gross["V Se"]


def test_what_changed_is_told_by_record():
    report = parse(printed("mitdb", "sumstats_beats"))
    now = dict(compared("gqrs"))
    found = differences(report, now)
    changes = {change.column: change for change in found.records["208"]}
    assert (changes["Vv"].before, changes["Vv"].now) == (727, 0)
    assert (changes["V Se"].before, changes["V Se"].now) == (88.23, 0.0)
    assert any(
        line.startswith("  208: Q Se 96.31 -> 99.26 (+2.95)") and "Nn' 1233 -> 1303" in line
        for line in found.lines()
    )
    assert found.to_dict()["gross"]["V Se"] == {"before": 88.86, "now": 0.0}


def test_gross_is_of_the_records_that_both_have():
    report = parse(printed("mitdb", "sumstats_beats"))
    now = {"999" if name == "101" else name: one for name, one in compared("mitdb").items()}
    found = differences(report, now)
    assert found.common and all(change.same for change in (*found.gross, *found.average))
    assert found.only_before == ("101",) and found.only_now == ("999",)
    assert "in the earlier report alone: 101" in found.lines()
    assert "Gross, over the 21 records that both have:" in found.lines()
    # Of none in common the figures are of all.
    other = differences(report, {"x": compared("mitdb")["101"]})
    assert not other.common and not other.records


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("", "is no report of beats by EC57: it is empty"),
        ("hello\nworld\n", "is no report of beats by EC57: its first line is 'hello'"),
        (printed("gqrs", "lines_shutdown"), "is a table of shutdowns; give the one of beats"),
        (printed("gqrs", "lines_beats").replace(" 2067 ", " ").replace(" 2066 ", " "), "words in line 5"),
        (printed("gqrs", "lines_beats").replace("2066", "2066.5"), "has '2066.5' for a number of beats"),
        (printed("gqrs", "lines_beats").replace("2066", "x"), "has 'x' for a number in line 5"),
        (printed("gqrs", "lines_beats").replace(" 106 ", " 101 "), "has record '101' twice, again in line 3"),
        ("Gross 99.1 98", "has 2 figures in line 1, Gross, and not 7"),
        ("Gross 99.1 98 1 2 nan 3", "has 'nan' for a number in line 1"),
        (text.BEATS + "\n", "is no report of beats by EC57"),
    ],
)
def test_what_is_no_report_is_refused(told, said):
    with pytest.raises(InputError) as error:
        parse(told)
    assert said in str(error.value)


def test_a_report_from_another_system_is_read():
    told = printed("edge_360", "sumstats_beats")
    assert parse(told.replace("\n", "\r\n")) == parse(told)
    assert parse(told.replace("same ", "a b  ")).records["a b"]["Nn'"] == 138
