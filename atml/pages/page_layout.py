"""Where the leads stand on a page, in millimetres, for each layout, paper speed and gain."""

from __future__ import annotations

from dataclasses import dataclass

LAYOUTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "3x4+1": (
        ("I", "aVR", "V1", "V4"),
        ("II", "aVL", "V2", "V5"),
        ("III", "aVF", "V3", "V6"),
        ("II",),
    ),
    "3x4": (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6")),
    "6x2": (("I", "V1"), ("II", "V2"), ("III", "V3"), ("aVR", "V4"), ("aVL", "V5"), ("aVF", "V6")),
    "12x1": tuple((lead,) for lead in "I II III aVR aVL aVF V1 V2 V3 V4 V5 V6".split()),
}
"""Rows of leads from the top, and the leads of a row from the left."""

PAPER_WIDTH = 297.0
"""Width of a page in mm, that of A4 on its side; its height follows from the shape of the picture."""

TRACE_WIDTH = 250.0
"""Width in mm of a row: 10 s at 25 mm/s, the first 5 s at 50 mm/s."""

SPEEDS = (25.0, 50.0)
"""Paper speeds in mm/s."""

GAINS = (5.0, 10.0, 20.0)
"""Gains in mm/mV."""

TOP, BOTTOM = 26.0, 14.0
"""Millimetres above and below the rows, for the header and the line about speed and gain."""


@dataclass(frozen=True)
class Place:
    """A stretch of one lead on the page.

    Samples ``start`` to ``stop`` of ``lead``, the first ``x`` mm from the left, 0 mV ``y`` mm from the top.
    """

    lead: str
    start: int
    stop: int
    x: float
    y: float


def places(
    layout: str, *, speed: float, rate: int, samples: int, height: float, left: float
) -> tuple[Place, ...]:
    """Return the stretches of a layout, row by row.

    Args:
        layout: A name of `LAYOUTS`.
        speed: Paper speed in mm/s.
        rate: Samples a second.
        samples: Length of the signals; of rows that could show more, the rest stays empty.
        height: Height of the page in mm.
        left: Where rows begin, in mm.

    Example:
        >>> found = places("3x4+1", speed=25, rate=500, samples=5000, height=210, left=24)
        >>> [(place.lead, place.start, place.stop) for place in found[-2:]]
        [('V6', 3750, 5000), ('II', 0, 5000)]
    """
    rows = LAYOUTS[layout]
    shown = min(samples, int(TRACE_WIDTH / speed * rate))
    step = (height - TOP - BOTTOM) / len(rows)
    found = []
    for number, row in enumerate(rows):
        for column, lead in enumerate(row):
            start, stop = (shown * at // len(row) for at in (column, column + 1))
            found.append(Place(lead, start, stop, left + start / rate * speed, TOP + (number + 0.5) * step))
    return tuple(found)
