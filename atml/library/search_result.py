"""The result of a search: its best models and every trial."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atml.errors import StudyError
from atml.storage import Store

if TYPE_CHECKING:
    from pandas import DataFrame

    from atml.library.loaded_model import Model
    from atml.training.records import TrialRecord


@dataclass(frozen=True, kw_only=True)
class Finalist:
    """One of the best trials of a search, trained again on fresh seeds.

    ``value`` is the objective out of fold, the mean over the fresh seeds. ``in_search`` is the value by which
    the trial was chosen, and therefore too optimistic. ``metrics`` are the figures in an export's name,
    ``size_kib`` is the size of its ONNX file in KiB. ``export`` is the folder of the model, None where it did
    not qualify.

    Example:
        >>> made = Finalist(
        ...     trial=7, value=0.91, in_search=0.93, metrics={"F1": 0.9}, size_kib=21.5, qualifies=False,
        ...     export=None,
        ... )
        >>> made.in_search > made.value
        True
    """

    trial: int
    value: float
    in_search: float
    metrics: Mapping[str, float]
    size_kib: float
    qualifies: bool
    export: Path | None

    def load(self) -> Model:
        """Load the exported model; raises StudyError where the trial was not exported."""
        from atml.library.loaded_model import load

        if self.export is None:
            raise StudyError(
                f"trial {self.trial} does not qualify and was not exported; search with unqualified=True to"
                " export the best one anyway"
            )
        return load(self.export)


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """The result of `atml.search`; ``print(result)`` shows what the command line would.

    ``study`` is the study's name: the same search again continues it. ``finalists`` come best first; there
    are none where the search was stopped before it picked any. ``seconds`` is the time this run took,
    ``synthetic`` is true for a search on synthetic ECG.

    Example:
        >>> result = SearchResult(
        ...     study="mine", storage="sqlite:///studies.db", finalists=(), synthetic=True, seconds=0.0,
        ...     summary={"lines": ["no trial ran over every fold yet"]},
        ... )
        >>> print(result, result.best, result.exports)
        no trial ran over every fold yet None ()
    """

    study: str
    storage: str = field(repr=False)
    finalists: tuple[Finalist, ...]
    synthetic: bool
    seconds: float
    summary: Mapping[str, Any] = field(repr=False)
    """All of it as JSON types, as ``atml search --json`` prints it."""

    @classmethod
    def of(cls, summary: dict[str, Any], storage: str) -> SearchResult:
        """Read the summary that `atml.searching.search` returns."""
        finalists = tuple(
            Finalist(
                trial=row["trial"],
                value=row["value"],
                in_search=row["in_search"],
                metrics=row["metrics"],
                size_kib=row["size_kib"],
                qualifies=row["qualifies"],
                export=None if row["folder"] is None else Path(row["folder"]),
            )
            for row in summary["finalists"]
        )
        return cls(
            study=summary["study"],
            storage=storage,
            finalists=finalists,
            synthetic=summary["synthetic"],
            seconds=summary["seconds"],
            summary=summary,
        )

    @property
    def best(self) -> Finalist | None:
        """The best finalist, None where there is none yet."""
        return self.finalists[0] if self.finalists else None

    @property
    def exports(self) -> tuple[Path, ...]:
        """Folders of the exported models, the best first."""
        return tuple(one.export for one in self.finalists if one.export is not None)

    @functools.cached_property
    def trials(self) -> DataFrame:
        """Every trial of the study, one row each, read from the database on first use and then kept.

        Columns: ``trial``, ``state`` ("complete", "pruned", "failed", "running", "waiting"), ``role``
        ("search", or "finalist" for one that repeats trial ``of`` on a fresh seed), ``length`` (how many
        times as long as that trial), ``value``, ``network``,
        ``size_kib``, ``macs``, ``parameters``, ``seconds`` of training, ``started``, ``ended``, ``failure``,
        a column for each figure in ``metrics`` of trials that ran over every fold, and ``param_NAME`` for
        each parameter of the search space. ``size_kib`` is in KiB, of the file where it was exported,
        ``seconds`` in s, ``macs`` for one window.

        Raises:
            StudyError: the database can't be read, or does not hold the study any more.
        """
        import pandas as pd

        store = Store(self.storage, create=False)
        try:
            folders = dict(store.exports(self.study))
            records = store.trials(self.study)
            return pd.DataFrame([_row(record, folders.get(record.number)) for record in records])
        finally:
            store.close()

    def __str__(self) -> str:
        return "\n".join(self.summary["lines"])


def _row(record: TrialRecord, folder: Path | None) -> dict[str, Any]:
    from atml.searching.ranking import kib_of

    cost, result = record.cost, record.result
    return {
        "trial": record.number,
        "state": record.state,
        "role": record.role,
        "of": record.of,
        "length": record.length,
        "value": record.value,
        "network": record.config.describe() if record.config else None,
        "size_kib": kib_of(record, folder) if cost else None,
        "macs": cost.macs if cost else None,
        "parameters": cost.parameters if cost else None,
        "seconds": result.get("training_s"),
        "started": record.started,
        "ended": record.ended,
        "failure": record.failure,
        **result.get("metrics", {}),
        **{f"param_{name}": value for name, value in record.params.items()},
    }
