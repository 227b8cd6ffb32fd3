"""atml: from a folder of labelled ECG to the smallest honest classifier for a device.

The public names, those that files in ``search_spaces/`` and ``objectives/`` are written with, load when
they are first used, so that ``import atml`` and ``atml --help`` cost next to nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "AtmlError": "atml.errors",
    "InputError": "atml.errors",
    "Cost": "atml.models.budget",
    "Dataset": "atml.data.dataset",
    "Figure": "atml.scoring.rules.base",
    "Interval": "atml.metrics",
    "Judged": "atml.scoring.rules.base",
    "Measurement": "atml.training.records",
    "ModelConfig": "atml.models.config",
    "Predictions": "atml.metrics.predictions",
    "Score": "atml.scoring.rules.base",
    "Table": "atml.scoring.rules.base",
    "Task": "atml.tasks.task",
    "confusion": "atml.metrics",
    "four_metrics": "atml.metrics",
    "mean_subject_f_beta": "atml.metrics",
    "open_data": "atml.data",
}

__all__ = [
    "AtmlError",
    "Cost",
    "Dataset",
    "Figure",
    "InputError",
    "Interval",
    "Judged",
    "Measurement",
    "ModelConfig",
    "Predictions",
    "Score",
    "Table",
    "Task",
    "__version__",
    "confusion",
    "four_metrics",
    "mean_subject_f_beta",
    "open_data",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'atml' has no attribute {name!r}")
    module = importlib.import_module(_HOME[name])
    return getattr(module, "open" if name == "open_data" else name)


def __dir__() -> list[str]:
    return __all__
