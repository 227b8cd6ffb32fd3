"""What lies on a page and round it: handwriting, stains, a desk, light and shadow.

Each function draws one layer of the size of the page or picture; the caller multiplies or mixes them.
"""

from __future__ import annotations

import numpy as np

from atml.arrays import Float32, Floats
from atml.pages.stroke_font import stamp, width, written

Random = np.random.Generator

PENS = ((0.10, 0.14, 0.48), (0.08, 0.08, 0.12), (0.55, 0.10, 0.12), (0.12, 0.20, 0.55))
"""Colours of ball pens."""

DESKS = (
    ("wood", (0.50, 0.34, 0.21)),
    ("wood", (0.66, 0.51, 0.36)),
    ("cloth", (0.24, 0.27, 0.32)),
    ("plain", (0.78, 0.77, 0.74)),
    ("plain", (0.38, 0.40, 0.42)),
    ("cloth", (0.55, 0.62, 0.66)),
)
"""What pages lie on, and its colour."""

LIDS = (("plain", (0.96, 0.96, 0.96)), ("plain", (0.90, 0.91, 0.91)), ("plain", (0.12, 0.12, 0.12)))
"""The lids of scanners."""

_NOTES = (
    *("seen", "stable", "old ECG", "no change", "Dr K.", "rep. in 2 h", "pt. 4", "chest pain", "troponin"),
    *("ok", "discuss", "21/7", "bed 6", "call cardio", "copy sent", "14:30"),
)
"""What is written; nothing of it depends on what the heart has."""


def field(random: Random, size: tuple[int, int], across: int) -> Float32:
    """Draw a smooth random surface, some ``across`` hills wide: ``(rows, columns)``, mean 0, deviation 1."""
    rows, columns = size
    down = max(2, round(across * rows / columns))
    knots = random.normal(0, 1, (down + 3, across + 3))
    surface = _stretched(_stretched(knots, rows, 0), columns, 1)
    return np.asarray((surface - surface.mean()) / (surface.std() + 1e-9), np.float32)


def _stretched(knots: Floats, count: int, axis: int) -> Floats:
    """Interpolate knots along an axis to ``count`` values, smoothly."""
    at = np.linspace(1, knots.shape[axis] - 2.001, count)
    low = at.astype(np.int64)
    part = at - low
    part = part * part * (3 - 2 * part)
    part = part[:, None] if axis == 0 else part[None]
    return np.asarray(np.take(knots, low, axis) * (1 - part) + np.take(knots, low + 1, axis) * part)


def handwriting(random: Random, notes: int, size: tuple[int, int]) -> tuple[Float32, tuple[float, ...]]:
    """Draw notes with a pen, ``(rows, columns)`` coverages, and its colour: words, marks, a signature."""
    rows, columns = size
    unit = columns / 297
    layer = np.zeros(size, np.float32)
    for _ in range(notes):
        kind = random.choice(["words", "words", "signature", "mark"])
        at = np.array([random.uniform(0.06, 0.7) * columns, random.uniform(0.05, 0.95) * rows])
        if random.random() < 0.6:  # most write where the page is empty
            at[1] = random.choice([random.uniform(0.03, 0.13), random.uniform(0.90, 0.95)]) * rows
        if kind == "words":
            text, tall = str(random.choice(_NOTES)), random.uniform(4.5, 7.5) * unit
            strokes = written(text, tall)
            wide = width(text, tall)
        elif kind == "signature":
            wide, tall = random.uniform(18, 32) * unit, random.uniform(4, 7) * unit
            t = np.linspace(0, 1, 160)
            turns = random.uniform(5, 9)
            loops = np.sin(2 * np.pi * turns * t + random.uniform(0, 6)) * np.interp(
                t, np.linspace(0, 1, 7), random.uniform(0.2, 1, 7)
            )
            back = np.cos(2 * np.pi * turns * t) * 0.5 * tall
            strokes = [np.stack([wide * t + back, -tall * loops * 0.6], 1)]
        else:
            t = np.linspace(0.3, 2 * np.pi + random.uniform(0.3, 0.9), 60)
            wide, tall = random.uniform(9, 22) * unit, random.uniform(7, 13) * unit
            strokes = [np.stack([wide * np.cos(t) * (1 + 0.02 * t), tall * np.sin(t)], 1)]
        pen = random.uniform(0.35, 0.5) * unit + 0.35
        stamp(layer, [stroke + at for stroke in _by_hand(random, strokes, tall)], pen)
    return layer, tuple(PENS[int(random.integers(len(PENS)))])


def _by_hand(random: Random, strokes: list[Floats], tall: float) -> list[Floats]:
    """Slant strokes and let them stray, as a hand does."""
    slant, rise = random.uniform(-0.05, 0.35), random.normal(0, 0.05)
    out = []
    for stroke in strokes:
        ends = np.linspace(0, len(stroke) - 1, max(len(stroke), 6))
        index = np.arange(len(stroke))
        fine = np.stack([np.interp(ends, index, stroke[:, axis]) for axis in (0, 1)], 1)
        fine += np.cumsum(random.normal(0, 0.018 * tall, fine.shape), 0)
        fine += random.normal(0, 0.03 * tall, 2)
        fine[:, 0] -= slant * fine[:, 1]
        fine[:, 1] += rise * fine[:, 0]
        out.append(fine)
    return out


def stain(random: Random, darkness: float, size: tuple[int, int]) -> Float32:
    """Draw what a stain lets through, ``(rows, columns, 3)`` up to 1: a cup's ring, or a spill."""
    rows, columns = size
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    cx, cy = random.uniform(0.1, 0.9) * columns, random.uniform(0.1, 0.9) * rows
    away = np.hypot(x - cx, y - cy) / columns
    rough = field(random, size, 14) * 0.5 + field(random, size, 40) * 0.25
    if random.random() < 0.5:  # the ring of a cup
        radius = random.uniform(0.09, 0.14)
        angle = np.arctan2(y - cy, x - cx)
        gap = 0.75 + 0.25 * np.sin(angle + random.uniform(0, 6.3)) + 0.12 * rough
        ring = _hill(away - radius, 0.0055) + 0.35 * _hill(away - 0.95 * radius, 0.010)
        amount = np.clip(ring * gap, 0, 1) + 0.10 * (away < radius)
    else:  # a spill, darker at its edge
        radius = random.uniform(0.05, 0.13)
        edge = away / radius + 0.16 * rough
        inner = 1 / (1 + np.exp(np.clip((edge - 1) * 26, -40, 40)))
        amount = 0.45 * inner + 0.55 * _hill(edge - 0.97, 0.05)
    absorbs = np.array([0.45, 0.72, 1.0], np.float32)  # coffee and tea take the blue first
    return np.asarray(1 - darkness * np.clip(amount, 0, 1)[..., None] * absorbs, np.float32)


def _hill(x: Floats, width: float) -> Floats:
    return np.asarray(np.exp(-((x / width) ** 2)))


def desk(random: Random, size: tuple[int, int], *, scanner: bool = False) -> Float32:
    """Draw what the page lies on, ``(rows, columns, 3)``: a desk, or the lid of a scanner."""
    choices = LIDS if scanner else DESKS
    kind, colour = choices[int(random.integers(len(choices)))]
    rows, columns = size
    if kind == "wood":
        stripes = _stretched(_stretched(random.normal(0, 1, (70, 6)), rows, 0), columns, 1)
        grain = 0.06 * stripes + 0.03 * field(random, size, 4)
    elif kind == "cloth":
        grain = 0.02 * random.normal(0, 1, size) + 0.03 * field(random, size, 30)
    else:
        grain = 0.02 * field(random, size, 6)
    return np.asarray(np.array(colour) * (1 + grain[..., None]), np.float32)


def lamp(random: Random, depth: float, size: tuple[int, int]) -> Float32:
    """Draw the light of a room, ``(rows, columns, 3)`` round 1: brighter to one side, warm or cold."""
    rows, columns = size
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    turn = random.uniform(0, 2 * np.pi)
    across = (x / columns - 0.5) * np.cos(turn) + (y / rows - 0.5) * np.sin(turn)
    rim = (x / columns - 0.5) ** 2 + (y / rows - 0.5) ** 2
    level = 1 - depth * (0.5 + across / 1.2) - 0.35 * depth * rim + 0.02 * depth * field(random, size, 3)
    warm = random.uniform(-0.35, 1.0) * min(depth, 0.3)
    tint = np.array([1 + 0.10 * warm, 1 - 0.06 * warm, 1 - 0.42 * warm], np.float32)
    return np.asarray(level[..., None] * tint * random.uniform(0.95, 1.12), np.float32)


def shadow(random: Random, darkness: float, size: tuple[int, int]) -> Float32:
    """Draw what a cast shadow lets through, ``(rows, columns)`` up to 1: an arm, a head, a telephone."""
    rows, columns = size
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    turn = random.uniform(0, 2 * np.pi)
    u = (x / columns - 0.5) * np.cos(turn) + (y / columns - 0.38) * np.sin(turn)
    v = -(x / columns - 0.5) * np.sin(turn) + (y / columns - 0.38) * np.cos(turn)
    soft = random.uniform(0.015, 0.05)
    wave = 0.025 * field(random, size, 4)
    form = random.choice(["edge", "arm", "head"])
    if form == "edge":
        inside = u + wave - random.uniform(-0.1, 0.25)
    elif form == "arm":
        inside = random.uniform(0.06, 0.16) - np.abs(v + wave + 0.25 * u - random.uniform(-0.2, 0.2))
        inside = np.minimum(inside, u + random.uniform(-0.1, 0.25))
    else:
        inside = random.uniform(0.14, 0.26) - np.hypot(u - random.uniform(0, 0.35), 1.2 * v) + 1.5 * wave
    return np.asarray(1 - darkness / (1 + np.exp(np.clip(-inside / soft, -40, 40))), np.float32)
