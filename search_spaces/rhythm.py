"""Where a search for normal rhythm, fibrillation or another rhythm looks: the signal, or its RR intervals."""

from typing import Any

from atml import ModelConfig

FAMILIES = ("cnn", "lstm", "gru", "cnn+lstm", "cnn+gru")

DEFAULT: dict[str, Any] = {
    "family": "cnn",
    "normalise": "rr",
    "decimation_rr": 10,
    "depth": 3,
    "width": 8,
    "growth": 1.4,
    "kernel_first": 7,
    "kernel": 5,
    "strided": 1,
    "separable": False,
    "norm": "batch",
    "activation": "relu",
    "pool": "mean_max",
    "dropout": 0.3,
    "optimizer": "adamw",
    "learning_rate": 1e-2,
    "weight_decay": 1e-2,
    "schedule": "cosine",
    "batch": 64,
    "windows_seen": 25_600,
    "averaging": True,
    "decay": 0.98,
    "sampling": "subject",
    "loss": "cross_entropy",
    "label_smoothing": 0.1,
    "class_weights": "balanced",
    "scale": 0.0,
    "noise": 0.1,
    "wander": 0.0,
    "shift": 0.3,
    "mixup": 0.0,
}
"""Trial 0, a model that is good as it stands."""


def suggest(trial: Any) -> ModelConfig:
    """Return the config of one trial; a parameter is asked for only where it changes something."""
    family = trial.suggest_categorical("family", FAMILIES)
    convolves = family.startswith("cnn")
    cell = family.removeprefix("cnn").removeprefix("+") or "none"

    fields: dict[str, Any] = {"cell": cell}
    # "rr" finds the beats in the graph: few recordings are too few to learn them from. A cell alone reads
    # nothing else: fed with patches of the signal none of 4 draws on 135 recordings came to an AUC of 0.7.
    fields["normalise"] = (
        trial.suggest_categorical("normalise", ["rr", "zscore", "maxabs"]) if convolves else "rr"
    )
    reads_signal = fields["normalise"] != "rr"
    if reads_signal:
        fields["decimation"] = trial.suggest_int("decimation", 1, 3)
    else:  # an interval lasts for 30 samples and more: means over 5 to 20 keep it
        fields["decimation"] = trial.suggest_int("decimation_rr", 5, 20, step=5)
    fields.update(
        _convolutions(trial, reads_signal) if convolves else {"channels": (), "kernels": (), "strides": ()}
    )
    if cell != "none":
        fields["units"] = trial.suggest_int("units", 4, 20, step=4)
        fields["bidirectional"] = trial.suggest_categorical("bidirectional", [False, True])
        if not fields["bidirectional"]:  # two directions are the work of two layers already
            fields["layers"] = trial.suggest_int("layers", 1, 2)
    fields["pool"] = trial.suggest_categorical("pool", ["mean", "max", "mean_max", "last", "attention"])
    fields["dropout"] = trial.suggest_float("dropout", 0.1, 0.5)
    fields.update(_training(trial, convolves, reads_signal))
    return ModelConfig(**fields)


def _convolutions(trial: Any, reads_signal: bool) -> dict[str, Any]:
    """Widths grow by one factor from layer to layer, in steps of 4; the first kernel is apart."""
    depth = trial.suggest_int("depth", 2, 4)
    width = trial.suggest_int("width", 4, 24, step=4)
    growth = trial.suggest_float("growth", 1.0, 1.8)
    first = trial.suggest_int("kernel_first", 3, 15, step=2)
    kernel = trial.suggest_int("kernel", 3, 9, step=2)
    if reads_signal:  # a cell that sees every sample is slow to train and learns little
        halving = range(trial.suggest_int("strided_signal", 2, 4))
    else:  # layers but the first: a series of RR intervals is short as it is
        halving = range(1, 1 + trial.suggest_int("strided", 0, 3))
    norm = trial.suggest_categorical("norm", ["batch", "layer", "none"])
    return {
        "channels": tuple(min(48, 4 * round(width * growth**i / 4)) for i in range(depth)),
        "kernels": (first, *[kernel] * (depth - 1)),
        "strides": tuple(2 if i in halving else 1 for i in range(depth)),
        "separable": trial.suggest_categorical("separable", [False, True]),
        "norm": norm,
        # Without a norm most networks stay where they begin, unless they begin well.
        "init": "data" if norm == "none" else "random",
        "activation": trial.suggest_categorical(
            "activation", ["relu", "leaky_relu", "elu", "silu", "hardswish"]
        ),
    }


def _training(trial: Any, convolves: bool, reads_signal: bool) -> dict[str, Any]:
    if convolves:
        optimizer = trial.suggest_categorical("optimizer", ["adam", "adamw", "sgd", "rmsprop"])
    else:  # plain gradient descent leaves a recurrent network where it begins
        optimizer = trial.suggest_categorical("optimizer_recurrent", ["adam", "adamw", "rmsprop"])
    fields: dict[str, Any] = {"optimizer": optimizer}
    if optimizer == "sgd":
        fields["learning_rate"] = trial.suggest_float("learning_rate_sgd", 4e-2, 1.5e-1, log=True)
    else:
        fields["learning_rate"] = trial.suggest_float("learning_rate", 2e-3, 2e-2, log=True)
    # Adam adds its decay to the gradient; the ranges differ by what that amounts to.
    decay = ("weight_decay", 1e-3, 1e-1) if optimizer == "adamw" else ("weight_decay_l2", 1e-6, 1e-4)
    fields["weight_decay"] = trial.suggest_float(*decay, log=True)
    fields["schedule"] = trial.suggest_categorical("schedule", ["cosine", "onecycle", "step", "constant"])
    batch = trial.suggest_categorical("batch", [32, 64])
    fields["batch"] = batch
    # What a training costs is the windows it sees, so that is what the search chooses.
    fields["steps"] = trial.suggest_int("windows_seen", 25_600, 38_400, step=3_200) // batch
    if trial.suggest_categorical("averaging", [True, False]):
        fields["averaging"] = trial.suggest_float("decay", 0.95, 0.99)
    fields["sampling"] = trial.suggest_categorical("sampling", ["subject", "uniform"])
    fields["loss"] = trial.suggest_categorical("loss", ["cross_entropy", "focal"])
    if fields["loss"] == "focal":
        fields["focal_gamma"] = trial.suggest_float("focal_gamma", 0.5, 3.0)
    fields["label_smoothing"] = trial.suggest_float("label_smoothing", 0.0, 0.1)
    fields["class_weights"] = trial.suggest_categorical("class_weights", ["balanced", "none"])
    fields["scale"] = trial.suggest_float("scale", 0.0, 0.4)
    fields["noise"] = trial.suggest_float("noise", 0.0, 0.4)
    fields["wander"] = trial.suggest_float("wander", 0.0, 0.6)
    fields["shift"] = trial.suggest_float("shift", 0.0, 0.5)
    if reads_signal:
        fields["stretch"] = trial.suggest_float("stretch", 0.0, 0.2)
        fields["filter"] = trial.suggest_float("filter", 0.0, 0.2)
    fields["mixup"] = trial.suggest_float("mixup", 0.0, 0.4)
    return fields
