"""Where a search for conditions on pictures of pages looks: small networks for one view or three."""

from typing import Any

from atml import ModelConfig

FAMILIES = ("page_plain", "page_residual", "page_dense", "page_fused_mbconv", "page_vit")

MOST_CHANNELS = 128
"""Widths grow from stage to stage up to this."""

DEFAULT: dict[str, Any] = {
    "family": "page_plain",
    "depth": 5,
    "stem": 2,
    "width_fine": 8,
    "growth": 2.0,
    "kernel_first": 5,
    "kernel": 3,
    "activation": "relu",
    "input": "ink",
    "size": 336,
    "views": "whole",
    "pool": "mean_max",
    "dropout": 0.2,
    "optimizer": "adamw",
    "learning_rate": 2e-3,
    "weight_decay": 2e-2,
    "schedule": "cosine",
    "batch": 16,
    "pages_seen": 68_000,
    "averaging": True,
    "decay": 0.99,
    "balance": "none",
    "loss": "cross_entropy",
    "label_smoothing": 0.0,
    "rotation": 2.0,
    "stretch": 0.02,
    "shift": 0.03,
    "noise": 0.0,
    "contrast": 0.1,
    "mixup": 0.0,
}
"""Trial 0, a model that is good as it stands."""

PORTFOLIO: tuple[dict[str, Any], ...] = (
    # Three columns of the page, whose answers are averaged.
    {**DEFAULT, "views": "columns", "own_views": False, "vote": "mean"},
    # Two thirds of the work, on pages that are hardly turned.
    {**DEFAULT, "pages_seen": 48_000, "rotation": 0.5, "stretch": 0.0},
)
"""Other configs that learned on drawn pages, tried before anything is drawn at random."""


def suggest(trial: Any) -> ModelConfig:
    """Return the config of one trial; a parameter is asked for only where it changes something."""
    family = trial.suggest_categorical("family", FAMILIES)
    fields: dict[str, Any] = {"family": family}
    fields.update(_transformer(trial) if family == "page_vit" else _convolutions(trial))
    fields["normalise"] = trial.suggest_categorical("input", ["ink", "zscore"])
    # A page of 297 mm in 336 pixels: an interval of 40 ms is one pixel wide.
    fields["size"] = trial.suggest_int("size", 96, 336, step=16)
    fields["views"] = trial.suggest_categorical("views", ["whole", "columns", "rows"])
    if fields["views"] != "whole":
        fields["own_views"] = trial.suggest_categorical("own_views", [False, True])
        fields["vote"] = trial.suggest_categorical("vote", ["mean", "max", "learned", "concat"])
    fields["pool"] = trial.suggest_categorical("pool", ["mean", "max", "mean_max"])
    fields["dropout"] = trial.suggest_float("dropout", 0.0, 0.5)
    fields.update(_training(trial))
    fields.update(_changes(trial))
    return ModelConfig(**fields)


def _convolutions(trial: Any) -> dict[str, Any]:
    """Widths grow by one factor from stage to stage, in steps of 4; every stage halves the sides."""
    depth = trial.suggest_int("depth", 3, 5)
    stem = trial.suggest_categorical("stem", [2, 4])
    # What a training takes goes with the square of the width, and with four times the pixels of a fine stem.
    width = trial.suggest_int(*(("width_fine", 8, 24) if stem == 2 else ("width", 8, 64)), step=8)
    growth = trial.suggest_float("growth", 1.0, 2.0)
    first = trial.suggest_int("kernel_first", 3, 9, step=2)
    kernel = trial.suggest_int("kernel", 3, 5, step=2)
    return {
        "channels": tuple(min(MOST_CHANNELS, 4 * round(width * growth**i / 4)) for i in range(depth)),
        "kernels": (first, *[kernel] * (depth - 1)),
        "strides": (stem, *[2] * (depth - 1)),
        "activation": trial.suggest_categorical("activation", ["relu", "leaky_relu", "silu", "hardswish"]),
    }


def _transformer(trial: Any) -> dict[str, Any]:
    """One width for all layers; ``kernels`` holds the side of a patch."""
    depth = trial.suggest_int("depth", 3, 5)
    width = trial.suggest_int("width_vit", 16, 64, step=16)
    side = trial.suggest_int("patch", 8, 16, step=4)
    return {"channels": (width,) * depth, "kernels": (side,) * depth, "strides": (1,) * depth}


def _training(trial: Any) -> dict[str, Any]:
    optimizer = trial.suggest_categorical("optimizer", ["adam", "adamw", "sgd", "rmsprop"])
    fields: dict[str, Any] = {"optimizer": optimizer}
    if optimizer == "sgd":
        fields["learning_rate"] = trial.suggest_float("learning_rate_sgd", 1e-2, 1e-1, log=True)
    else:
        fields["learning_rate"] = trial.suggest_float("learning_rate", 5e-4, 1e-2, log=True)
    # Adam adds its decay to the gradient; the ranges differ by what that amounts to.
    decay = ("weight_decay", 1e-3, 2e-1) if optimizer == "adamw" else ("weight_decay_l2", 1e-6, 1e-4)
    fields["weight_decay"] = trial.suggest_float(*decay, log=True)
    fields["schedule"] = trial.suggest_categorical("schedule", ["cosine", "onecycle", "step"])
    batch = trial.suggest_categorical("batch", [16, 32])
    fields["batch"] = batch
    # What a training costs is the pages it sees, so that is what the search chooses.
    fields["steps"] = trial.suggest_int("pages_seen", 16_000, 96_000, step=4_000) // batch
    if trial.suggest_categorical("averaging", [True, False]):
        fields["averaging"] = trial.suggest_float("decay", 0.97, 0.998)
    balance = trial.suggest_categorical("balance", ["none", "weights", "class", "subject", "thinning"])
    if balance == "thinning":
        fields["thinning"] = trial.suggest_float("thinning", 0.05, 0.2)
    if balance in ("class", "subject"):
        fields["sampling"] = balance
    if balance == "weights":
        fields["class_weights"] = "balanced"
    fields["loss"] = trial.suggest_categorical("loss", ["cross_entropy", "focal", "asymmetric"])
    if fields["loss"] != "cross_entropy":
        fields["focal_gamma"] = trial.suggest_float("focal_gamma", 0.5, 4.0)
    fields["label_smoothing"] = trial.suggest_float("label_smoothing", 0.0, 0.1)
    return fields


def _changes(trial: Any) -> dict[str, Any]:
    """What is done to the pages of a batch; none is ever mirrored."""
    return {
        "rotation": trial.suggest_float("rotation", 0.5, 50.0, log=True),
        "stretch": trial.suggest_float("stretch", 0.0, 0.1),
        "shift": trial.suggest_float("shift", 0.0, 0.1),
        "noise": trial.suggest_float("noise", 0.0, 0.1),
        "scale": trial.suggest_float("contrast", 0.0, 0.3),
        "mixup": trial.suggest_float("mixup", 0.0, 0.6),
    }
