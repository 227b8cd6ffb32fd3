"""A folder for searches whose trials take no time: little data, tiny nets, a lenient judge."""

from __future__ import annotations

from pathlib import Path

import numpy as np

REPO = Path(__file__).resolve().parent.parent

SPACE = """
from atml import ModelConfig

DEFAULT = {"width": 8, "learning_rate": 0.005}

def suggest(trial):
    width = trial.suggest_int("width", 4, 8, step=4)
    return ModelConfig(
        decimation=5, channels=(width, width), kernels=(7, 7), strides=(2, 2), pool="mean_max",
        learning_rate=trial.suggest_float("learning_rate", 1e-3, 1e-2, log=True), steps=STEPS, batch=32,
    )
"""


def folder(where: Path, steps: int = 40, qualifies: float = 0.01) -> Path:
    """Fill a folder: ``data.npz``, a task "afib" of its own in search_spaces/ and objectives/.

    With ``qualifies`` above 1 nothing is exported.
    """
    (where / "search_spaces").mkdir(parents=True)
    (where / "search_spaces" / "afib.py").write_text(SPACE.replace("STEPS", str(steps)), encoding="utf-8")
    (where / "objectives").mkdir()
    judge = (REPO / "objectives" / "afib.py").read_text(encoding="utf-8")
    for line, instead in (
        ("QUALIFIES = 0.80", f"QUALIFIES = {qualifies}"),
        ('BASELINE = "rr_irregularity"', 'BASELINE = ""'),
    ):
        assert line in judge
        judge = judge.replace(line, instead)
    (where / "objectives" / "afib.py").write_text(judge, encoding="utf-8")
    random = np.random.default_rng(0)
    y = np.arange(96) % 2
    # The slope of the wander gives the class away.
    ramp = np.linspace(-1, 1, 1250) ** 2
    x = random.normal(size=(96, 1250)) + 2 * (2 * y[:, None] - 1) * ramp
    subject = np.array([f"S{i // 8}" for i in range(96)])
    split = np.where(np.arange(96) < 72, "train", "test")
    np.savez(where / "data.npz", x=x.astype(np.float32), y=y, subject=subject, split=split)
    return where
