"""Where a search for networks that read pages looks: small U-Nets, trained on crops."""

from typing import Any

from atml import PaperConfig

DEFAULT: dict[str, Any] = {
    "base": 8,
    "depth": 4,
    "separable": False,
    "coordinates": False,
    "size": "512x672",
    "reading": "soft_argmax",
    "resampling": "fft",
    "segmentation": 1.0,
    "grid": 0.5,
    "baseline": 0.8,
    "theta": 0.3,
    "learning_rate": 3e-3,
    "weight_decay": 1e-2,
    "crops": 6400,
    "clip": 2.0,
    "light": 0.2,
}
"""Trial 0, a model that is good as it stands."""

SIZES = {"512x672": (512, 672), "384x512": (384, 512), "256x336": (256, 336)}

WEIGHTS = {"segmentation": 1.0, "grid": 0.5, "baseline": 0.8, "theta": 0.3}
"""Weights of four losses; each is searched within a factor of 4 round these. That of the signal is fixed."""


def suggest(trial: Any) -> PaperConfig:
    """Return the config of one trial."""
    weights = {
        name: trial.suggest_float(name, usual / 4, usual * 4, log=True) for name, usual in WEIGHTS.items()
    }
    return PaperConfig(
        base=trial.suggest_int("base", 8, 32, step=8),
        depth=trial.suggest_int("depth", 3, 5),
        separable=trial.suggest_categorical("separable", [False, True]),
        coordinates=trial.suggest_categorical("coordinates", [False, True]),
        pixels=SIZES[trial.suggest_categorical("size", list(SIZES))],
        reading=trial.suggest_categorical("reading", ["soft_argmax", "centroid"]),
        resampling=trial.suggest_categorical("resampling", ["fft", "linear"]),
        learning_rate=trial.suggest_float("learning_rate", 5e-4, 1e-2, log=True),
        weight_decay=trial.suggest_float("weight_decay", 1e-4, 1e-1, log=True),
        batch=8,
        # What a training costs is the crops it sees, so that is what the search chooses.
        steps=trial.suggest_int("crops", 3200, 9600, step=1600) // 8,
        clip=trial.suggest_float("clip", 0.5, 5.0, log=True),
        light=trial.suggest_float("light", 0.0, 0.4),
        **weights,
    )
