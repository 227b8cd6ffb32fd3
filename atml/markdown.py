"""Markdown tables, and how a figure is written in one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from atml.metrics import Interval


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """Markdown table with aligned columns, the first ``left`` to the left, the others to the right."""
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in (header, *rows)]
    widths = [max(3, *(len(row[i]) for row in cells)) for i in range(len(header))]

    def line(row: Sequence[str]) -> str:
        padded = (
            c.ljust(w) if i < left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        )
        return "| " + " | ".join(padded) + " |"

    rule = ("-" * w if i < left else "-" * (w - 1) + ":" for i, w in enumerate(widths))
    return "\n".join([line(cells[0]), "| " + " | ".join(rule) + " |", *(line(row) for row in cells[1:])])


def mean(values: Sequence[float]) -> float:
    """Mean, NaN of nothing."""
    return float(np.mean(values)) if len(values) else float("nan")


def figure(value: float) -> str:
    """Three decimals, a dash for what is not finite."""
    return f"{value:.3f}" if np.isfinite(value) else "-"


def plural(n: int, word: str) -> str:
    """Write a number and what it counts: 1 lead, 2 leads."""
    return f"{n:,} {word}" + ("" if n == 1 else "s")


def between(interval: Interval) -> str:
    """Write the ends of an interval."""
    return f"{interval.low:.3f} to {interval.high:.3f}"
