"""Values of options: how they are read, and the words that help and errors have for them."""

from __future__ import annotations

import math
from collections.abc import Callable

import typer

TIME = "SECONDS|90m|2h"
"""The type of a duration, as help shows it."""


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """Return a parser of whole numbers from ``least`` to ``most``.

    >>> whole(1)("12")
    12
    """

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise typer.BadParameter("must be a whole number") from None
        _check(value, least, most)
        return value

    return parse


def number(least: float = -math.inf, most: float | None = None) -> Callable[[str], float]:
    """Return a parser of numbers from ``least`` to ``most``.

    >>> number(0)("0.5")
    0.5
    """

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise typer.BadParameter("must be a number")
        _check(value, least, most)
        return value

    return parse


def duration(text: str) -> float:
    """Return a duration such as "90m" in seconds.

    >>> duration("1h30m"), duration("45s"), duration("3600")
    (5400.0, 45.0, 3600.0)
    """
    from atml.errors import InputError
    from atml.library.search_function import duration as read

    try:
        return read("", text)
    except InputError:
        raise typer.BadParameter("must be seconds, or a time such as 45s, 90m, 2h or 1h30m") from None


def _check(value: float, least: float, most: float | None) -> None:
    if value < least:
        raise typer.BadParameter(f"must be {least} or more")
    if most is not None and value > most:
        raise typer.BadParameter(f"must be {most} or less")


def milliseconds(text: str) -> float:
    """Return a latency such as "4.9ms" in milliseconds; a number alone is in milliseconds.

    >>> milliseconds("4.9ms"), milliseconds("0.5s"), milliseconds("880us"), milliseconds("12")
    (4.9, 500.0, 0.88, 12.0)
    """
    for unit, factor in (("ms", 1.0), ("us", 1e-3), ("s", 1e3), ("", 1.0)):
        if text.endswith(unit):
            try:
                value = float(text.removesuffix(unit)) * factor
            except ValueError:
                break
            if math.isfinite(value) and value > 0:
                return value
            break
    raise typer.BadParameter("must be a time above 0: 4.9ms, 880us or 0.5s")
