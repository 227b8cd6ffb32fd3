from __future__ import annotations

import datetime
import re

import numpy as np
import pytest

from atml.annotating.beats import SUPRAVENTRICULAR, VENTRICULAR, check_classes
from atml.annotating.clock import Clock
from atml.annotating.events import Events
from atml.annotating.findings import LONGEST_S, findings
from atml.annotating.page import page
from atml.annotating.shapes import MOST, shapes
from atml.annotating.summary import summarise
from atml.annotating.trend import trend
from atml.errors import InputError
from atml.scoring.rules.ec57 import CLASSES, OFFICIAL
from tests.annotating.test_summary import RATE, recording, steady


def found_in(recorded, start=None):
    def cut(samples, before, after):
        # Beats at even tenths of a second are upright, the others upside down.
        return np.array([(1 - 2 * (at % 2)) * np.hanning(before + after) for at in samples])

    return findings(recorded, Events.of(recorded), Clock(start), cut)


def test_the_groups_of_symbols_are_those_of_the_standard():
    for symbols, name in ((VENTRICULAR, "V"), (SUPRAVENTRICULAR, "S")):
        assert symbols == {symbol for symbol, number in OFFICIAL.items() if number == CLASSES.index(name)}


def test_classes_have_to_be_symbols_of_beats():
    with pytest.raises(InputError, match="'AF', which is no symbol of a beat"):
        check_classes(("N", "AF"), "EXPORT")


def test_what_is_found_is_ranked_and_told():
    text = "NNNNNNNNNNVVVNNNNVVVVVNNVVNNNVNVNVNVNNNSNNNSSSSNNNVNNVNNVNNNNNNNNN"
    seconds = np.cumsum(np.where(np.arange(len(text)) == 60, 3.0, 0.9))
    found = found_in(recording(text, seconds))
    names = [one.name for one in found]
    assert names == [
        "ventricular-run-1",
        "ventricular-run-2",
        "pause-1",
        "supraventricular-run-1",
        "ventricular-couplet-1",
        "ventricular-bigeminy",
        "ventricular-trigeminy",
        "highest-rate",
        "lowest-rate",
        "ventricular-single-1",
        "supraventricular-single",
        "beginning",
    ]
    assert found[0].title == "Longest and fastest run of VEB: 5 beats at 67/min"
    assert found[2].title == "Longest pause: 3.00 s" and found[2].says == "At 0:00:54."
    assert found[5].title == "Longest ventricular bigeminy: 4 VEB"
    for one in found:
        assert 0 <= one.start_s <= one.first_s and one.end_s - one.start_s <= LONGEST_S
        assert one.end_s <= seconds[-1] + 2 and one.first_s <= one.end_s


def test_strips_are_bounded_however_much_there_is():
    random = np.random.default_rng(0)
    text = "".join(random.choice(list("NNNNNSSVVV"), 4000))
    seconds = np.cumsum(random.choice([0.5, 0.8, 0.9, 2.5], len(text)))
    found = found_in(recording(text, seconds, off={5: 1, 60: 2, 99: 3}))
    assert 18 <= len(found) <= 26 and len({one.name for one in found}) == len(found)
    assert {"not-analysed-missing", "not-analysed-flat", "not-analysed-saturated"} <= {
        one.name for one in found
    }
    assert all(re.fullmatch("[a-z0-9-]+", one.name) for one in found)


def test_a_recording_without_beats_shows_its_beginning():
    assert [one.name for one in found_in(recording("", np.empty(0)))] == ["beginning"]


def test_shapes_are_grouped_whatever_their_size_and_place():
    t = np.linspace(-1, 1, 140)
    random = np.random.default_rng(0)

    def beat(wide, high, at):
        return high * np.exp(-(((t - at) / wide) ** 2)) + 3 + random.normal(0, 0.01, len(t))

    narrow = [beat(0.05, 1 + n / 10, 0) for n in range(7)]
    wide = [beat(0.3, -2, 0.01 * n) for n in range(3)]
    biphasic = [beat(0.15, 1, -0.2) - beat(0.15, 1, 0.2)]
    found = shapes(np.stack([*wide, *narrow, *biphasic]), 5)
    assert [shape.members for shape in found] == [7, 3, 1]
    assert found[0].row in range(3, 10) and found[1].row in range(3) and found[2].row == 10
    assert len(shapes(np.stack(narrow + wide), 1)) == 1
    assert shapes(np.zeros((3, 50)), 5) == [] and shapes(np.full((2, 50), np.nan), 5) == []
    assert shapes(np.empty((0, 50)), 5) == []
    many = shapes(np.tile(np.stack(narrow), (300, 1)), 5)
    assert [shape.members for shape in many] == [MOST] and many[0].row < 2100


@pytest.mark.parametrize("beats", [0, 1, 50, 4000])
def test_the_trend_is_a_drawing_of_any_length(beats):
    found = steady("N" * beats) if beats else recording("", np.empty(0))
    svg, says = trend(found, Events.of(found), Clock(datetime.time(22, 10)))
    assert svg.startswith("<svg") and svg.endswith("</svg>") and "nan" not in svg and "inf" not in svg
    assert "mean heart rate of every minute" in says
    assert (">23:00<" in svg) == (beats == 4000)


def test_the_page_tells_what_is_there_and_lacks_strips_without_a_signal():
    found = steady("NNVNN" * 10)
    events = Events.of(found)
    summary = summarise(found, events, recording="<b>r</b>", clock=Clock(None), notes=["a note & more"])
    html = page(found, events, summary, Clock(None), model="m", x=None)
    assert "<b>r</b>" not in html and "a note &amp; more" in html
    assert "The signal of a stream is not kept" in html and "Plotly" not in html.split("<script>")[0]
    x = np.zeros((2, found.samples), np.float32)
    x[0, ::RATE] = 1.0
    drawn = page(found, events, summary, Clock(None), model="m", x=x, leads=("II", "V1"), unit="mV")
    assert drawn.count('class="sheet"') >= 4 and ">II<" in drawn and "25 mm/s, 10 mm/mV" in drawn
    assert not re.findall(r'(?:src|href)="(?!#|data:,)', drawn)


def test_clocks_go_past_midnight():
    clock = Clock(datetime.datetime(2026, 12, 31, 23, 59, 50))
    assert clock.of_day(10.0004) == "2027-01-01 00:00:00.000" and clock.short(9.6) == "00:00:00"
    assert clock.said(20) == "0:00:20 (1 Jan, 00:00:10)" and clock.past_hour() == 3590
    assert Clock(datetime.time(8, 30)).said(60) == "0:01:00 (08:31:00)" and Clock(None).past_hour() == 0
