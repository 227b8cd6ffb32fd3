"""How a page looks, drawn at random within what recorders do: paper, grid, ink, pulse, names, header."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atml.arrays import Float32
from atml.pages.page_layout import BOTTOM, GAINS, LAYOUTS, SPEEDS, TOP

Random = np.random.Generator
Colour = tuple[float, float, float]

PAPERS: tuple[tuple[str, Colour, Colour, Colour], ...] = (
    ("red", (1.00, 0.985, 0.975), (0.98, 0.80, 0.79), (0.93, 0.52, 0.52)),
    ("pink", (1.00, 0.945, 0.945), (0.97, 0.75, 0.77), (0.90, 0.50, 0.55)),
    ("orange", (1.00, 0.985, 0.955), (0.98, 0.84, 0.70), (0.92, 0.62, 0.40)),
    ("brown", (0.985, 0.970, 0.935), (0.90, 0.81, 0.72), (0.74, 0.58, 0.46)),
    ("green", (0.975, 0.995, 0.970), (0.78, 0.90, 0.78), (0.48, 0.72, 0.52)),
    ("blue", (0.970, 0.980, 1.00), (0.78, 0.84, 0.95), (0.50, 0.60, 0.84)),
    ("grey", (0.990, 0.990, 0.985), (0.86, 0.86, 0.86), (0.66, 0.66, 0.66)),
)
"""Name, paper, lines 1 mm apart, lines 5 mm apart; red to orange are the usual ones."""

USUAL = np.array([0.30, 0.20, 0.16, 0.12, 0.08, 0.08, 0.06])

INKS: tuple[Colour, ...] = ((0.05, 0.05, 0.06), (0.13, 0.13, 0.15), (0.10, 0.12, 0.30), (0.22, 0.20, 0.20))

_NAMES = "Mueller Okafor Lindqvist Tanaka Rossi Haddad Novak Silva Kaya Jensen Moreau Ivanova Ortiz".split()
_PLACES = "Ward 3|Cardiology|Emergency|ICU 2|Outpatients|St Anna Hospital|City Clinic|Unit B".split("|")


@dataclass(frozen=True)
class Style:
    """What is drawn besides the signals.

    ``pulse`` is the side of the calibration pulse ("left", "right" or "", none), ``dots`` a grid of dots in
    place of lines 1 mm apart, ``line`` the width of the trace in mm, ``text`` the height of lead names in mm.
    """

    layout: str
    speed: float
    gain: float
    paper: str
    ink: Colour
    left: float
    pulse: str
    dots: bool
    ticks: bool
    names_above: bool
    line: float
    text: float
    strength: float
    header: tuple[tuple[float, float, float, str], ...]
    """Lines of text: x and y in mm, height in mm, the text."""


def fits(gain: float, layout: str, height: float, swing: float) -> bool:
    """Return whether traces that swing by ``swing`` mV stay near their own rows."""
    return gain * swing <= 1.5 * (height - TOP - BOTTOM) / len(LAYOUTS[layout])


def style(
    random: Random,
    signal: Float32,
    *,
    layouts: tuple[str, ...],
    height: float,
    rate: float,
    notes: tuple[str, ...] = (),
) -> Style:
    """Draw the look of a page.

    Args:
        random: Source of chance.
        signal: ``(12, samples)`` in mV: the gain is one at which they stay near their rows, else the least.
        layouts: Names of `page_layout.LAYOUTS` to choose from.
        height: Height of the page in mm.
        rate: Heart rate that the header gives, beats a minute; 0 for none.
        notes: More lines for the header.
    """
    layout = str(random.choice(layouts))
    swing = float(np.nanpercentile(np.nanmax(signal, 1) - np.nanmin(signal, 1), 75))
    gains = [gain for gain in GAINS if fits(gain, layout, height, swing)] or [GAINS[0]]
    weights = np.array([{5.0: 0.1, 10.0: 0.78, 20.0: 0.12}[gain] for gain in gains])
    gain = float(random.choice(gains, p=weights / weights.sum()))
    speed = float(random.choice(SPEEDS, p=(0.85, 0.15)))
    left = float(random.uniform(21, 29))
    paper = PAPERS[int(random.choice(len(PAPERS), p=USUAL))][0]
    return Style(
        layout=layout,
        speed=speed,
        gain=gain,
        paper=paper,
        ink=INKS[int(random.integers(len(INKS)))],
        left=left,
        pulse=str(random.choice(("left", "right", ""), p=(0.75, 0.15, 0.1))),
        dots=bool(random.random() < 0.15),
        ticks=bool(random.random() < 0.4),
        names_above=bool(random.random() < 0.75),
        line=float(random.uniform(0.28, 0.42)),
        text=float(random.uniform(3.0, 3.8)),
        strength=float(random.uniform(0.75, 1.15)),
        header=_header(random, left, height, speed, gain, rate, notes),
    )


def _header(
    random: Random, left: float, height: float, speed: float, gain: float, rate: float, notes: tuple[str, ...]
) -> tuple[tuple[float, float, float, str], ...]:
    """Draw the lines of text: invented people, times and places; speed and gain at the foot, as they are."""
    size = float(random.uniform(2.5, 3.0))
    step = 1.75 * size
    day, month, year = random.integers(1, 29), random.integers(1, 13), random.integers(1998, 2025)
    clock = f"{random.integers(0, 24):02d}:{random.integers(0, 60):02d}:{random.integers(0, 60):02d}"
    name = f"{random.choice(_NAMES)}, {chr(65 + int(random.integers(26)))}."
    left_side = [
        f"ID {random.integers(10**6, 10**7)}",
        name if random.random() < 0.6 else "Name:",
        f"{random.integers(21, 92)} years  {random.choice(('Male', 'Female'))}",
    ]
    middle = [f"{day:02d}.{month:02d}.{year} {clock}", str(random.choice(_PLACES))]
    if rate:
        middle.append(f"Vent. rate {rate:.0f} bpm")
    lines = [(left, 7 + i * step, size, text) for i, text in enumerate(left_side)]
    lines += [(left + 78, 7 + i * step, size, text) for i, text in enumerate(middle)]
    lines += [(left + 160, 7 + i * step, size, text) for i, text in enumerate(notes)]
    gain_text, speed_text = f"{gain:g} mm/mV", f"{speed:g} mm/s"
    band = str(random.choice(("0.05-150 Hz", "0.5-40 Hz", "0.15-100 Hz", "")))
    foot = f"{speed_text}   {gain_text}   {band}".strip()
    if random.random() < 0.3:
        return (*lines, (left + 4, height - 5, size, speed_text), (left + 70, height - 5, size, gain_text))
    return (*lines, (left, height - 5, size, foot))
