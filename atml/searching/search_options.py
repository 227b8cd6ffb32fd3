"""The options of a search, and its goal, which the study keeps for every process that works on it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from atml.storage import DEFAULT_URL, Store

GOAL = "goal"
"""Attribute of a study with its goal."""


FINALISTS, REPEATS, LONGER = 4, 2, 4
"""Where nothing else is asked for: trials that are repeated, fresh seeds for each, and how many times as long
the final training may be. Four times was best of 1, 4 and 12 for the default of `afib` on 49,122 segments."""


PREFER = ("smallest", "fastest")
"""Of models that can't be told apart the one with the smallest file, or the fewest MACs."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `atml search`; None leaves a value to the study, or to its default.

    ``timeout`` is in seconds for the whole job, ``window`` in seconds of ECG. ``max_size_kib`` limits the
    ONNX file and ``max_ram_kib`` the activations alive at once, both in KiB (1024 bytes), ``max_macs`` those
    of one window. ``board`` is what every trial is estimated for, ``format`` that of the weights whose size
    counts; ``latency_ms``, ``flash_kib`` and ``board_ram_kib`` limit what it takes there. With ``regions``
    rejected regions are learned and avoided (None: see `learns`); ``imported`` is a file of them.
    ``hold_out`` is a share of the subjects, or their names separated by commas. ``fold_by`` is "set" for
    folds that hold out whole sets, "subject" for people (None: the study's, or "subject"). ``hang_after`` is
    in seconds (None: `atml.searching.workers.pool.HANG_S`). ``finalists`` and ``repeats`` are how many trials
    are repeated and on how many fresh seeds (None: `FINALISTS` and `REPEATS`, as far as a third of what the
    trials took has room for them), ``longer`` is how many times as long the final training may be (None:
    `LONGER`, under the same limit; 1: no longer). With ``unqualified`` a search in which no model qualifies
    exports its best one all the same. ``prefer`` is which of the finalists that can't be told apart is taken,
    one of `PREFER` (None: as before, else the smallest). ``log_to`` is a name of
    `atml.searching.trial_log.LOGGERS`. ``start`` is the study whose finalists' parameters are tried first,
    ``test`` are sets whose people must not be among the data.
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
    fold_by: str | None = None
    max_size_kib: float | None = None
    max_macs: float | None = None
    max_ram_kib: float | None = None
    board: str | None = None
    format: str | None = None
    latency_ms: float | None = None
    flash_kib: float | None = None
    board_ram_kib: float | None = None
    device: str = "auto"
    hang_after: float | None = None
    space: Path | None = None
    objective: Path | str | None = None
    window: float | None = None
    sampling_rate: int | None = None
    leads: tuple[str, ...] = ()
    labels: Path | None = None
    subjects: str = ""
    hold_out: str | None = None
    patience: int = 200
    finalists: int | None = None
    repeats: int | None = None
    longer: int | None = None
    out: Path = Path("exports")
    unqualified: bool = False
    prefer: str | None = None
    accept_changes: bool = False
    regions: bool | None = None
    imported: Path | None = None
    log_to: str | None = None
    start: str | None = None
    test: tuple[Path, ...] = ()

    @property
    def most_finalists(self) -> int:
        """How many of the best trials are repeated."""
        return FINALISTS if self.finalists is None else self.finalists

    @property
    def most_repeats(self) -> int:
        """On how many fresh seeds at most."""
        return REPEATS if self.repeats is None else self.repeats

    @property
    def times_longer(self) -> int:
        """How many times the optimiser steps of a trial the longer training has."""
        return LONGER if self.longer is None else self.longer

    @property
    def asked_for_repeats(self) -> bool:
        """Whether a person said how many finalists or repeats there are."""
        return self.finalists is not None or self.repeats is not None


def learns(options: Options, *, begun: bool) -> bool:
    """Whether a search learns regions: as asked, else where it has ``begun`` so or is given some.

    By default it does not: no gain of them has been measured, see `benchmarks/regions.py` and the README.
    """
    if options.regions is not None:
        return options.regions
    return begun or options.imported is not None


@dataclass(frozen=True, kw_only=True)
class Goal:
    """The goal of a study, kept in it; every process that works on the study follows its changes.

    ``trials`` is the number of trials with a result. ``patience`` is how many results without an improvement
    end the search (0: none do). ``regions``: rejected regions are learned and avoided. ``over``: the time of
    the search is over, so processes that joined it stop, and leave the finalists to it.
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
        """Read the goal from the attributes of a study; None for a study of an earlier version."""
        kept = facts.get(GOAL)
        known = {field.name for field in fields(cls)}
        return None if kept is None else cls(**{key: kept[key] for key in kept if key in known})
