"""What `atml search` is asked for, and what of it a study keeps for everybody who works on it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from atml.storage import DEFAULT_URL, Store

GOAL = "goal"
"""What a study keeps its goal under."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What `atml search` is asked for; None leaves a value to the study, or to its default.

    ``timeout`` is in seconds, for the whole job, ``window`` in seconds of ECG; ``max_size_kib`` in KiB (1024
    bytes) of ONNX file, ``max_ram_kib`` of activations alive at once, ``max_macs`` for one window.
    ``regions`` says whether rejected regions are learned and kept out of (None: see `learns`); ``imported``
    is a file of them.
    ``hold_out`` is a share of the subjects, or their names between commas. ``hang_after`` is in seconds
    (None: `atml.searching.workers.pool.HANG_S`).
    """

    task: str = "afib"
    data: tuple[Path, ...] = ()
    trials: int = 100
    timeout: float | None = None
    workers: int | None = None
    study: str | None = None
    storage: str = DEFAULT_URL
    seed: int | None = None
    folds: int | None = None
    max_size_kib: float | None = None
    max_macs: float | None = None
    max_ram_kib: float | None = None
    device: str = "auto"
    hang_after: float | None = None
    space: Path | None = None
    objective: Path | str | None = None
    window: float | None = None
    sampling_rate: int | None = None
    leads: tuple[str, ...] = ()
    hold_out: str | None = None
    patience: int = 200
    finalists: int = 4
    repeats: int = 2
    out: Path = Path("exports")
    accept_changes: bool = False
    regions: bool | None = None
    imported: Path | None = None


WORTH = 1000
"""Trials from which regions are learned unasked: with fewer hardly any box can be rejected, and random draws
that are not cut short cost more than they teach (measured up to 400, see the README)."""


def learns(options: Options, *, begun: bool) -> bool:
    """Whether a search learns regions: as asked, else from `WORTH` trials on, or where it has ``begun``."""
    if options.regions is not None:
        return options.regions
    return begun or options.imported is not None or options.trials >= WORTH


@dataclass(frozen=True, kw_only=True)
class Goal:
    """Where a study is to get to, kept in it: whoever works on it goes there, and follows when it moves.

    ``trials`` are those with a result, of all; ``patience`` is how many results without a better one end the
    search, 0 for none; ``regions`` says whether rejected regions are learned and kept out of. It is ``over``
    when the time of the search is: then workers stop too, and leave the finalists to it.
    """

    trials: int
    patience: int
    regions: bool
    over: bool = False

    def keep(self, store: Store, name: str) -> None:
        """Make it the goal of a study."""
        store.keep(name, GOAL, asdict(self))

    @classmethod
    def of(cls, facts: dict[str, Any]) -> Goal | None:
        """Read the goal of a study; None where it has none: no `atml search` of this version was there."""
        kept = facts.get(GOAL)
        known = {field.name for field in fields(cls)}
        return None if kept is None else cls(**{key: kept[key] for key in kept if key in known})
