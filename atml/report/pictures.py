"""The figures of a report as files: drawings as they are, charts as this machine's browser draws them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from atml.errors import in_one_line
from atml.formatting import utf8
from atml.report import theme
from atml.report.page import Chart, Drawing

WIDTH = 900
"""Width of a chart's file in px; its PNG has twice as many."""

TIMEOUT_S = 60
"""Longest that the browser may take over one chart."""

TABS = 2
"""Charts that the browser draws at a time."""


def drawings(blocks: Sequence[Chart | Drawing], folder: Path) -> list[Path]:
    """Write each drawing as an SVG file; return the files."""
    files = []
    for block in blocks:
        if isinstance(block, Drawing):
            file = folder / f"{block.name}.svg"
            file.write_bytes(utf8(block.svg))
            files.append(file)
    return files


def charts(blocks: Sequence[Chart | Drawing], folder: Path) -> tuple[list[Path], str]:
    """Write each chart as SVG and PNG, in the light colours, with one start of the browser.

    Returns the files, and why there are none: the package or the browser that it takes is not there, or the
    browser failed.
    """
    wanted = [block for block in blocks if isinstance(block, Chart)]
    if not wanted:
        return [], ""
    try:
        import kaleido
        from kaleido.errors import ChromeNotFoundError, JavascriptError, KaleidoError
    except ImportError:
        return [], "charts are not written as files: pip install 'atml[figures]'"
    jobs = [_job(chart, folder / f"{chart.name}.{kind}") for chart in wanted for kind in ("svg", "png")]
    files = [job["path"] for job in jobs]
    try:
        # MathJax would come from a server.
        kaleido.write_fig_from_object_sync(
            jobs, kopts={"n": TABS, "mathjax": False, "timeout": TIMEOUT_S}, cancel_on_error=True
        )
    except ChromeNotFoundError:
        why = "charts are not written as files, for there is no Chrome or Chromium: install one"
    except (JavascriptError, KaleidoError, RuntimeError, OSError) as error:
        said = in_one_line(error)
        why = f"charts are not written as files, for the browser failed: {said[:200]}"
    else:
        return files, ""
    for file in files:
        file.unlink(missing_ok=True)
    return [], why


def _job(chart: Chart, file: Path) -> dict[str, Any]:
    """Describe one file to Kaleido."""
    fields = json.loads(chart.figure.to_json())
    layout = fields["layout"]
    layout["template"] = {"layout": theme.layout()}
    layout["paper_bgcolor"] = theme.PAPER
    layout.setdefault("height", theme.HEIGHT)
    kind = file.suffix.removeprefix(".")
    size = {"width": WIDTH, "height": layout["height"], "scale": 2 if kind == "png" else 1}
    return {"fig": fields, "path": file, "opts": {"format": kind, **size}}
