"""What nothing cheaper beats."""

from __future__ import annotations

from collections.abc import Sequence


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return which of ``(cost, value)`` no cheaper or equally cheap one beats, the cheapest first.

    Of equal ones it is the first.

    Example:
        >>> front([(3.0, 0.9), (1.0, 0.8), (2.0, 0.7), (4.0, 0.9)])
        [1, 0]
    """
    kept: list[int] = []
    for place in sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1])):
        if not kept or points[place][1] > points[kept[-1]][1]:
            kept.append(place)
    return kept
