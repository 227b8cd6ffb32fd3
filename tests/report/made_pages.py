"""A tiny task of pictures, two files and a folder of pages with a table, on which a search takes seconds."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

SIZE = (48, 64)
LABELS = ("AF", "PVC", "RBBB")
HEARTS, PAGES = 12, 2

OBJECTIVE = """
from atml import Predictions, Task, macro_f1

TASK = Task(name="three", kind="multilabel", classes=("AF", "PVC", "RBBB"), picture=(48, 64), leads=3)
GATE = {"balanced accuracy": 0.2}
QUALIFIES = 0.01
MAX_SIZE_KIB = 256.0
RULE = "labels"
BASELINE = ""

def label(names: str) -> int | None:
    '''Labels as bits.'''
    bits = 0
    for name in filter(None, names.split("+")):
        if name not in TASK.classes:
            return None
        bits |= 1 << TASK.classes.index(name)
    return bits

def value(predictions: Predictions) -> float:
    '''Macro F1.'''
    return macro_f1(predictions)
"""

SPACE = """
from atml import ModelConfig

DEFAULT = {"width": 4}

def suggest(trial):
    return ModelConfig(
        family="page_plain", channels=(trial.suggest_int("width", 4, 8, step=4), 8), kernels=(3, 3),
        strides=(2, 2), normalise="ink", size=32, views="columns", vote="max", pool="mean_max",
        learning_rate=0.01, steps=12, batch=8, rotation=2.0, class_weights="balanced",
    )
"""


def labels(heart: int) -> list[str]:
    """Labels of a heart: each of half of them."""
    return [name for bit, name in enumerate(LABELS) if heart >> bit & 1]


def page(heart: int, number: int, *, seed: int = 0) -> np.ndarray:
    """A page of ruled paper, ``(rows, columns, 3)``, that has a stroke at a place of its own a label."""
    rows, columns = SIZE
    random = np.random.default_rng([seed, heart, number])
    rgb = np.full((rows, columns, 3), (255, 240, 240), np.uint8)
    rgb[::8], rgb[:, ::8] = (240, 150, 150), (240, 150, 150)
    trace = np.clip(rows / 2 + np.cumsum(random.normal(0, 1.5, columns)), 1, rows - 2).astype(int)
    rgb[trace, np.arange(columns)] = 10
    for name in labels(heart):
        at = 4 + 20 * LABELS.index(name)
        rgb[6:42, at : at + 3] = 10
    return rgb


def folder(where: Path, *, first: int = 0, hearts: int = HEARTS, seed: int = 0) -> Path:
    """Write a folder of pages with its table of labels; hearts are numbered from ``first`` on."""
    from PIL import Image

    where.mkdir(parents=True)
    with (where / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, ["file", "subject", *LABELS])
        table.writeheader()
        for heart in range(first, first + hearts):
            for number in range(PAGES):
                name = f"h{heart:02d}_{number}.png"
                Image.fromarray(page(heart, number, seed=seed)).save(where / name)
                flags = {label: int(label in labels(heart)) for label in LABELS}
                table.writerow({"file": name, "subject": f"h{heart:02d}", **flags})
    return where


def task(where: Path) -> None:
    """Write the two files of the task "three" below a folder that commands are run in."""
    for kind, text in (("search_spaces", SPACE), ("objectives", OBJECTIVE)):
        (where / kind).mkdir()
        (where / kind / "three.py").write_text(text, encoding="utf-8")
