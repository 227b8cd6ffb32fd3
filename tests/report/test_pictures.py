"""Charts as files through a real browser, and what is said where there is none."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest

from atml.report import pictures, theme
from atml.report.page import Chart, Drawing
from tests import browser


@pytest.fixture
def chart() -> Chart:
    figure = theme.figure(x="trials", y="value", height=300)
    figure.add_scatter(x=[1, 2, 3], y=[0.1, 0.4, 0.9], name="best")
    return Chart("history", figure, "It rose.")


@pytest.mark.filterwarnings("default")  # Kaleido's own
def test_charts_are_written_as_svg_and_png(chart: Chart, tmp_path: Path) -> None:
    pytest.importorskip("kaleido", reason="no kaleido; pip install 'atml[figures]'")
    if browser.executable() is None:
        pytest.skip("no Chromium here; Debian's package is chromium")
    files, why = pictures.charts([chart, Drawing("strip", "<svg/>", "says")], tmp_path)
    assert why == ""
    assert sorted(f.name for f in files) == ["history.png", "history.svg"]
    assert "trials" in (tmp_path / "history.svg").read_text(encoding="utf-8")
    width, height = struct.unpack(">II", (tmp_path / "history.png").read_bytes()[16:24])
    assert (width, height) == (2 * pictures.WIDTH, 600)


def test_without_the_package_the_command_that_installs_it_is_said(
    chart: Chart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "kaleido", None)
    files, why = pictures.charts([chart], tmp_path)
    assert files == []
    assert "pip install 'atml[figures]'" in why


@pytest.mark.filterwarnings("default")
def test_without_a_browser_it_is_said(chart: Chart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("kaleido", reason="no kaleido; pip install 'atml[figures]'")
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "none"))
    files, why = pictures.charts([chart], tmp_path)
    assert files == []
    assert "no Chrome or Chromium" in why
    assert list(tmp_path.iterdir()) == []


def test_drawings_are_written_as_they_are_and_no_charts_take_no_browser(tmp_path: Path) -> None:
    drawn = Drawing("strip", "<svg>é</svg>", "says")
    (file,) = pictures.drawings([drawn], tmp_path)
    assert file.read_text(encoding="utf-8") == "<svg>é</svg>"
    assert pictures.charts([drawn], tmp_path) == ([], "")
