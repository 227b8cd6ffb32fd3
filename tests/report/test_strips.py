from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from atml.report import strip_beats, strips, theme
from atml.report.strips import SPEED, Strip

SVG = "{http://www.w3.org/2000/svg}"


def wave(seconds: float = 4.0, rate: int = 250, size: float = 1.0) -> np.ndarray:
    """A flat line with a spike of one sample every second."""
    x = np.zeros((1, round(seconds * rate)), np.float32)
    x[0, rate // 2 :: rate] = size
    return x


def texts(svg: str) -> list[str]:
    return [node.text or "" for node in ET.fromstring(svg).iter(f"{SVG}text")]


def trace(svg: str, colour: str = theme.INK) -> list[tuple[float, float]]:
    """Points of the first line of a colour, in mm."""
    for node in ET.fromstring(svg).iter(f"{SVG}path"):
        if node.get("stroke") == colour:
            start, steps = re.fullmatch(r"M(-?\d+ -?\d+)l(.*)", node.get("d") or "").groups()
            moves = [(int(a), int(b)) for a, b in re.findall(r"(-?\d+) (-?\d+)", f"{start} {steps}")]
            return [tuple(p) for p in (np.cumsum(moves, axis=0) * strips.UNIT).tolist()]
    raise AssertionError(f"no line of {colour}")


def test_paper_is_25_mm_a_second_and_10_mm_a_millivolt() -> None:
    svg = strips.draw([Strip(x=wave(), rate=250, title="N")], unit="mV")
    points = trace(svg)
    across = [x for x, _ in points]
    assert across[-1] - across[0] == pytest.approx(SPEED * 999 / 250, abs=0.02)
    down = [y for _, y in points]
    assert max(down) - min(down) == pytest.approx(10.0, abs=0.03)
    spikes = [x for x, y in points if y == min(down)]
    assert np.diff(spikes) == pytest.approx([25.0] * 3, abs=0.03)
    root = ET.fromstring(svg)
    wide, high = map(float, (root.get("viewBox") or "").split()[2:])
    assert (root.get("width"), root.get("height")) == (f"{wide:.1f}mm", f"{high:.1f}mm")
    assert "25 mm/s, 10 mm/mV" in texts(svg)
    assert {"0", "1", "2", "3", "4 s", "1 mV"} <= set(texts(svg))


def test_grid_has_lines_every_mm_and_every_5_mm() -> None:
    root = ET.fromstring(strips.draw([Strip(x=wave(), rate=250, title="N")], unit="mV"))
    paths = {node.get("stroke"): node.get("d") or "" for node in root.iter(f"{SVG}path")}
    at = {colour: [float(x) for x in re.findall(r"M([\d.]+) [\d.]+V", d)] for colour, d in paths.items()}
    bold, fine = at[theme.RULE_BOLD], at[theme.RULE_FINE]
    assert set(np.diff(bold)) == {5.0} and len(bold) == 21
    assert set(np.diff(sorted(bold + fine))) == {1.0}


@pytest.mark.parametrize(("size", "words"), [(0.2, "20 mm/mV"), (3.0, "10 mm/mV"), (8.0, "5 mm/mV")])
def test_gain_is_the_usual_one_half_or_double(size: float, words: str) -> None:
    scale = strips.choose([Strip(x=wave(size=size), rate=250, title="")], "mV")
    assert scale.words == words


def test_unknown_units_are_not_called_millivolts() -> None:
    svg = strips.draw([Strip(x=wave(size=900.0), rate=250, title="VT")], unit="")
    assert "mV" not in svg
    assert "25 mm/s, 10 mm = 500; the data do not say in which unit" in texts(svg)
    prepared = strips.draw([Strip(x=wave(), rate=125, title="VT")], unit="SD")
    assert "mV" not in prepared and "10 mm = 0.5 SD" in prepared


def test_thinning_keeps_every_peak_and_what_is_short() -> None:
    x = wave(seconds=60)[0]
    place, value = strips.thinned(x, 100)
    assert len(place) <= 202
    assert set(place[value == 1]) == set(np.flatnonzero(x))
    assert (place[0], place[-1]) == (0, len(x) - 1)
    short = strips.thinned(x[:200], 100)
    assert short[0].tolist() == list(range(200)) and short[1].tolist() == x[:200].tolist()


def test_leads_stand_below_one_another() -> None:
    x = np.repeat(wave(), 3, axis=0)
    svg = strips.draw([Strip(x=x, rate=250, title="N", leads=("I", "II", "V1"))], unit="mV")
    assert {"I", "II", "V1"} <= set(texts(svg))
    lines = [n for n in ET.fromstring(svg).iter(f"{SVG}path") if n.get("stroke") == theme.INK]
    starts = [int(re.match(r"M\d+ (\d+)", n.get("d") or "").group(1)) for n in lines]
    assert len(starts) == 3 and starts == sorted(set(starts))


def test_saliency_marks_the_part_it_is_about() -> None:
    found = np.zeros(1000)
    found[500:750] = 2.0
    found[750:] = -1.0
    strip = Strip(x=wave(), rate=250, title="VT", saliency=found)
    svg = strips.draw([strip], unit="mV", legend="shock")
    orange, blue = (trace(svg, colour) for colour in (theme.ORANGE, theme.BLUE))
    assert (orange[0][0], orange[-1][0]) == pytest.approx((strips.LEFT + 50, strips.LEFT + 75), abs=0.2)
    assert (blue[0][0], blue[-1][0]) == pytest.approx((strips.LEFT + 75, strips.LEFT + 100), abs=0.2)
    assert {"against shock", "for shock", "\N{PLUS-MINUS SIGN}2"} <= set(texts(svg))
    none = strips.draw(
        [Strip(x=wave(), rate=250, title="VT", saliency=np.zeros(1000))], unit="mV", legend="x"
    )
    with pytest.raises(AssertionError):
        trace(none, theme.ORANGE)


def test_every_colour_has_a_fellow_in_the_dark_and_words_are_escaped() -> None:
    strip = Strip(x=wave(), rate=250, title="<b> & 'B'", saliency=np.arange(1000.0) - 500, under=wave())
    svg = strips.draw([strip], unit="mV", legend="shock")
    assert set(re.findall(r"#[0-9a-f]{6}", svg)) <= set(theme.DARK)
    assert "<b> & 'B'" in texts(svg)


def test_what_is_not_finite_or_far_from_zero_is_drawn() -> None:
    x = wave() + 20
    x[0, 10] = np.nan
    svg = strips.draw([Strip(x=wave() + 20, rate=250, title="")], unit="mV")
    high = float((ET.fromstring(svg).get("viewBox") or "").split()[3])
    assert high < 60
    assert "nan" not in strips.draw([Strip(x=x, rate=250, title="")], unit="mV").lower()


def test_beats_are_named_above_with_the_intervals_between_them() -> None:
    beats = ((0.5, "N"), (1.5, "V"), (1.7, "N"))
    plain = strips.draw([Strip(x=wave(), rate=250, title="t")], unit="mV")
    svg = strips.draw([Strip(x=wave(), rate=250, title="t", beats=beats)], unit="mV")
    found = [
        node for node in ET.fromstring(svg).iter(f"{SVG}text") if (node.text or "") in ("N", "V", "1000")
    ]
    assert [(node.text, float(node.get("x") or 0)) for node in found] == [
        ("N", strips.LEFT + 12.5),
        ("V", strips.LEFT + 37.5),
        ("N", strips.LEFT + 42.5),
        ("1000", strips.LEFT + 25),
    ]
    assert found[1].get("fill") == theme.RED and "200" not in texts(svg)  # 5 mm are too near
    high = [float((ET.fromstring(one).get("viewBox") or "").split()[3]) for one in (plain, svg)]
    assert high[1] - high[0] == pytest.approx(strip_beats.HIGH)
