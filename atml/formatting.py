"""How numbers, lists, durations and tables are written, in Markdown, in sentences and in a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from rich.table import Table


class Ends(Protocol):
    """Anything with two ends, such as `atml.metrics.Interval`."""

    @property
    def low(self) -> float:
        """The lower end."""

    @property
    def high(self) -> float:
        """The upper end."""


def utf8(text: str) -> bytes:
    r"""Return text as UTF-8; what stands for a byte of a file's name is written as JSON reads it back.

    Python has such a letter for each byte of a name that is no UTF-8; no file of text can hold it.

    Example:
        >>> utf8("a\N{LATIN SMALL LETTER E WITH ACUTE}"), utf8('"caf\udce9"')
        (b'a\xc3\xa9', b'"caf\\udce9"')
    """
    return text.encode("utf-8", "backslashreplace")


def is_utf8(text: str) -> bool:
    r"""Whether UTF-8 can hold a text: a letter that stands for a byte of a file's name it can't.

    Example:
        >>> is_utf8("caf\N{LATIN SMALL LETTER E WITH ACUTE}"), is_utf8("caf\udce9")
        (True, False)
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


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


_WORDS = (
    *("zeroth", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"),
    *("tenth", "eleventh", "twelfth"),
)


def ordinal(n: int) -> str:
    """Write a number as an ordinal.

    Example:
        >>> [ordinal(n) for n in (1, 12, 13, 21)]
        ['first', 'twelfth', '13th', '21st']
    """
    if 0 <= n < len(_WORDS):
        return _WORDS[n]
    if n % 100 in (11, 12, 13):
        return f"{n}th"
    return f"{n}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th') }"


def between(interval: Ends) -> str:
    """Write the ends of an interval."""
    return f"{interval.low:.3f} to {interval.high:.3f}"


def value(number: float | None, digits: int = 3) -> str:
    """Write a value of an objective or a metric; "-" for None and for what is not finite."""
    return "-" if number is None or not math.isfinite(number) else f"{number:.{digits}f}"


def gap(one: float, other: float) -> float:
    """Return what one number has over another, as the difference of both as they are printed.

    >>> gap(0.9854, 0.9426)  # 0.985 and 0.943
    0.042
    """
    return round(round(one, 3) - round(other, 3), 3) + 0.0


def less_or_more(one: float, other: float) -> str:
    """Say how far one number is from another, both printed with three decimals.

    >>> less_or_more(0.9426, 0.9854)
    '0.042 less'
    """
    apart = gap(one, other)
    return f"{abs(apart):.3f} {'more' if apart > 0 else 'less'}" if apart else "the same"


def setting(found: Any) -> str:
    """Write a parameter's value as a person would: "0.0012", "16-24-32", "yes"."""
    if found is None:
        return "-"
    if isinstance(found, bool):
        return "yes" if found else "no"
    if isinstance(found, float):
        return f"{found:.3g}"
    if isinstance(found, int):
        return f"{found:,}" if abs(found) >= 10_000 else str(found)
    if isinstance(found, list | tuple):
        return "-".join(map(str, found)) or "none"
    return str(found)


def listed(words: Sequence[str], last: str = "and") -> str:
    """Join words: "a, b and c"."""
    return f" {last} ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else "".join(words)


def share(part: float, whole: float) -> str:
    """Write a share in whole percent, and not 0% or 100% where it is neither."""
    if not whole:
        return "-"
    percent = 100 * part / whole
    if 0 < percent < 1:
        return "less than 1%"
    if 99 < percent < 100:
        return "more than 99%"
    return f"{percent:.0f}%"


def shares(parts: Sequence[float]) -> list[str]:
    """Write the parts of a whole in whole percent that add up to 100.

    What rounding leaves goes to the largest remainders.

    >>> shares([1, 1, 1])
    ['34%', '33%', '33%']
    """
    exact = [100 * part / (sum(parts) or 1) for part in parts]
    found = [math.floor(one) for one in exact]
    order = sorted(range(len(parts)), key=lambda i: found[i] - exact[i])
    for i in order[: round(sum(exact)) - sum(found)]:
        found[i] += 1
    return ["less than 1%" if not one and part else f"{one}%" for one, part in zip(found, parts, strict=True)]


def sentence(text: str) -> str:
    """Begin with a capital letter and end with a full stop."""
    text = text.strip()
    return text and text[0].upper() + text[1:] + ("" if text[-1] in ".!?" else ".")


def clock(seconds: float) -> str:
    """Write a duration as 45 s, 12 min or 3 h 20 min.

    Example:
        >>> clock(100), clock(151), clock(12_000)
        ('100 s', '3 min', '3 h 20 min')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def shorter(path: str, width: int = 32) -> str:
    """Cut a long path in front, where it tells least."""
    return path if len(path) <= width else "..." + path[3 - width :]


def columns(header: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> Table:
    """Lay out rows under a header; ``right`` names the columns that hold numbers."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, name in enumerate(header):
        table.add_column(name, justify="right" if index in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table
