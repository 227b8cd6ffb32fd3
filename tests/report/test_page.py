"""Blocks to HTML: nothing escapes, nothing is asked of a server, names are of use."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from atml.errors import InputError
from atml.report import static, theme, writing
from atml.report.page import Chart, Drawing, Empty, Grid, Heading, Section, Text, figures

HEAD = writing.Head("a study", "kicker", "lead", (("name", "1", "note"),), (("next", "atml score"),), "foot")

NASTY = "<script>alert(1)</script> & \"quoted\" 'too'"


def page(*blocks: object) -> str:
    return writing.html(HEAD, [Section("one", "One", blocks)])  # type: ignore[arg-type]


def chart(name: str = "a", text: str = "x") -> Chart:
    figure = theme.figure(x=text)
    figure.add_scatter(x=[1, 2], y=[3, 4], name=text, line={"color": theme.BLUE})
    return Chart(name, figure, text)


def test_text_of_every_kind_is_escaped() -> None:
    html = page(
        Text(NASTY), Heading(NASTY), Empty(NASTY), Grid((NASTY,), ((NASTY,),), NASTY), chart("a", NASTY)
    )
    assert "<script>alert" not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 6


def test_data_of_a_chart_can_be_read_back_and_end_no_script() -> None:
    html = page(chart("a", "</script><!-- x"))
    (text,) = re.findall(r'id="data-figure-a">(.*?)</script>', html)
    assert json.loads(text)["data"][0]["name"] == "</script><!-- x"
    assert "template" not in json.loads(text)["layout"]


def test_plotly_is_there_once_and_only_where_there_is_a_chart() -> None:
    assert page(chart("a"), chart("b")).count('id="plotly"') == 1
    assert 'id="plotly"' not in page(Text("no chart"))


def test_the_page_names_no_address() -> None:
    html = re.sub(r'<script type="text/plain".*?</script>', "", page(chart(), Text("x")), flags=re.S)
    assert not re.findall(r'(?:src|href)="(?!#|data:,)', html)
    assert "@import" not in html
    assert "url(" not in html


def test_columns_of_numbers_are_set_to_the_right() -> None:
    grid = Grid(("name", "n", "mixed"), (("a", "1,250", "0.5"), ("b", "-", "word")), "says")
    html = page(grid)
    assert '<th class="number">n</th>' in html
    assert "<th>mixed</th>" in html
    assert '<th class="number">mixed</th>' in page(Grid(grid.columns, grid.rows, "says", right=("mixed",)))


@pytest.mark.parametrize("names", [("a", "a"), ("../a",), ("a b",), ("",)])
def test_names_that_are_no_file_or_used_twice_are_a_fault(names: tuple[str, ...]) -> None:
    section = Section("one", "One", tuple(Drawing(name, "<svg/>", "says") for name in names))
    with pytest.raises(ValueError, match="can't be used"):
        list(figures([section]))


def test_colours_of_a_drawing_become_variables() -> None:
    svg = f'<svg><rect fill="{theme.BLUE}" stroke="{theme.INK.upper()}"/><rect fill="#123456"/></svg>'
    found = static.variables(svg)
    assert found == '<svg><rect fill="var(--x0072b2)" stroke="var(--x1c2024)"/><rect fill="#123456"/></svg>'
    for name in re.findall(r"var\((--x\w+)\)", found):
        assert (
            static.style().count(f"{name}:") == 4
        )  # light, dark as the system has it, dark as chosen, print


def test_every_colour_has_a_dark_fellow_of_its_own() -> None:
    assert len(set(theme.DARK)) == len(set(theme.DARK.values())) == len(theme.DARK)
    assert set(theme.PALETTE) < set(theme.DARK)
    assert not set(theme.DARK) & set(theme.DARK.values())


def test_every_variable_that_is_used_is_set() -> None:
    """The colour of text was lost for want of a semicolon."""
    style = static.style()
    used = set(re.findall(r"var\((--[a-z]\w*)", style + static.script()))
    assert {"--ink", "--muted", "--font"} <= used
    for name in used:
        assert re.search(rf"[{{;]{name}:", style) or name == "--paper-width", name


def contrast(a: str, b: str) -> float:
    """Contrast ratio of WCAG 2.1."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colour", [theme.INK, theme.MUTED])
@pytest.mark.parametrize("ground", [theme.PAPER, theme.PANEL])
def test_text_can_be_read_in_both_themes(colour: str, ground: str) -> None:
    assert contrast(colour, ground) >= 4.5
    assert contrast(theme.DARK[colour], theme.DARK[ground]) >= 4.5


def test_a_report_is_whole_or_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    writing.publish(folder, "first", lambda at: (at / "old.svg").write_text("x"))

    def breaks(at: Path) -> None:
        (at / "new.svg").write_text("x")
        raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match="No space left"):
        writing.publish(folder, "second", breaks)
    assert (folder / "index.html").read_text() == "first"
    assert [f.name for f in (folder / "figures").iterdir()] == ["old.svg"]
    (folder / "index.html").unlink()
    (folder / "index.html").mkdir()  # no file can take its place
    with pytest.raises(InputError, match="--out"):
        writing.publish(folder, "second", lambda at: (at / "new.svg").write_text("x"))
    assert sorted(f.name for f in folder.rglob("*")) == ["figures", "index.html", "old.svg"]
    (folder / "index.html").rmdir()
    writing.publish(folder, "third", lambda at: (at / "new.svg").write_text("x"))
    assert (folder / "index.html").read_text() == "third"
    assert sorted(f.name for f in folder.rglob("*")) == ["figures", "index.html", "new.svg"]


def test_a_folder_that_cannot_be_is_told_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="--out"):
        writing.check_writable(tmp_path / "file" / "reports")
    writing.check_writable(tmp_path / "not" / "there" / "yet")
    assert [f.name for f in tmp_path.iterdir()] == ["file"]
