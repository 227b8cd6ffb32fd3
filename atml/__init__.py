"""atml: from a folder of labelled ECG to the smallest honest classifier for a device.

::

    import atml

    result = atml.search("afib", data="DIR", trials=50)   # a study, its best models exported
    model = atml.load(result.exports[0])                  # decisions and scores of new signals
    model.predict(x)
    atml.score(model, "TEST_DIR")                         # the official score, each evaluation counted

Files in ``search_spaces/`` and ``objectives/`` are written with these public names too. They load when they
are first used, so that ``import atml`` and ``atml --help`` cost next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from atml.data import open as open_data
    from atml.data.dataset import Dataset
    from atml.errors import (
        AtmlError,
        DataError,
        ExportError,
        InputError,
        Interrupted,
        StudyError,
        TaskFileError,
    )
    from atml.library.annotation import Annotation, annotate
    from atml.library.beat_comparison import BeatComparison, compare_beats
    from atml.library.digitisation import Digitization, DigitizedPage, digitize
    from atml.library.loaded_model import Model, load
    from atml.library.prediction import Prediction, predict
    from atml.library.score_result import ScoreResult, score
    from atml.library.search_function import search
    from atml.library.search_result import Finalist, SearchResult
    from atml.library.task_source import TaskSource
    from atml.metrics import (
        Interval,
        confusion,
        four_metrics,
        label_f1,
        macro_f1,
        mean_subject_accuracy,
        mean_subject_f_beta,
        worst_subjects,
    )
    from atml.metrics.predictions import Predictions
    from atml.metrics.waveform import mean_snr, worst_snr
    from atml.models.budget import Cost
    from atml.models.config import ModelConfig
    from atml.models.paper_config import PaperConfig
    from atml.scoring.rules.awarded import contest_points
    from atml.scoring.rules.base import Figure, Judged, Score, Table
    from atml.task_files import find as find_task
    from atml.tasks.task import Task
    from atml.training.records import Measurement

__version__ = "0.1.0"

# The same as above, for the moment at which a name is first used.
_HOME = {
    "Annotation": "atml.library.annotation",
    "AtmlError": "atml.errors",
    "BeatComparison": "atml.library.beat_comparison",
    "Cost": "atml.models.budget",
    "DataError": "atml.errors",
    "Dataset": "atml.data.dataset",
    "Digitization": "atml.library.digitisation",
    "DigitizedPage": "atml.library.digitisation",
    "ExportError": "atml.errors",
    "Figure": "atml.scoring.rules.base",
    "Finalist": "atml.library.search_result",
    "InputError": "atml.errors",
    "Interrupted": "atml.errors",
    "Interval": "atml.metrics",
    "Judged": "atml.scoring.rules.base",
    "Measurement": "atml.training.records",
    "Model": "atml.library.loaded_model",
    "ModelConfig": "atml.models.config",
    "PaperConfig": "atml.models.paper_config",
    "Prediction": "atml.library.prediction",
    "Predictions": "atml.metrics.predictions",
    "Score": "atml.scoring.rules.base",
    "ScoreResult": "atml.library.score_result",
    "SearchResult": "atml.library.search_result",
    "StudyError": "atml.errors",
    "Table": "atml.scoring.rules.base",
    "Task": "atml.tasks.task",
    "TaskFileError": "atml.errors",
    "TaskSource": "atml.library.task_source",
    "annotate": "atml.library.annotation",
    "compare_beats": "atml.library.beat_comparison",
    "confusion": "atml.metrics",
    "contest_points": "atml.scoring.rules.awarded",
    "digitize": "atml.library.digitisation",
    "find_task": "atml.task_files",
    "four_metrics": "atml.metrics",
    "label_f1": "atml.metrics",
    "load": "atml.library.loaded_model",
    "macro_f1": "atml.metrics",
    "mean_snr": "atml.metrics.waveform",
    "mean_subject_accuracy": "atml.metrics",
    "mean_subject_f_beta": "atml.metrics",
    "open_data": "atml.data",
    "predict": "atml.library.prediction",
    "score": "atml.library.score_result",
    "search": "atml.library.search_function",
    "worst_snr": "atml.metrics.waveform",
    "worst_subjects": "atml.metrics",
}

_THERE = {"find_task": "find", "open_data": "open"}
"""What some are called at home, where the package says the rest."""

__all__ = [
    "Annotation",
    "AtmlError",
    "BeatComparison",
    "Cost",
    "DataError",
    "Dataset",
    "Digitization",
    "DigitizedPage",
    "ExportError",
    "Figure",
    "Finalist",
    "InputError",
    "Interrupted",
    "Interval",
    "Judged",
    "Measurement",
    "Model",
    "ModelConfig",
    "PaperConfig",
    "Prediction",
    "Predictions",
    "Score",
    "ScoreResult",
    "SearchResult",
    "StudyError",
    "Table",
    "Task",
    "TaskFileError",
    "TaskSource",
    "__version__",
    "annotate",
    "compare_beats",
    "confusion",
    "contest_points",
    "digitize",
    "find_task",
    "four_metrics",
    "label_f1",
    "load",
    "macro_f1",
    "mean_snr",
    "mean_subject_accuracy",
    "mean_subject_f_beta",
    "open_data",
    "predict",
    "score",
    "search",
    "worst_snr",
    "worst_subjects",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'atml' has no attribute {name!r}")
    module = importlib.import_module(_HOME[name])
    return getattr(module, _THERE.get(name, name))


def __dir__() -> list[str]:
    return __all__
