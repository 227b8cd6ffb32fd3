"""What a search is told, and what its study remembers of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from atml import baseline, data, nn, regions, rooms
from atml.errors import StudyError
from atml.nn import device
from atml.rooms import Room
from atml.sampler import from_params
from atml.search.regions import importable
from atml.store import DEFAULT_URL, Store, missing
from atml.types import Budget, Dataset, Fold, Origin, Predictions

DEFAULT_FOLDS = 5
DEFAULT_SEED = 0

# What a study's trials depend on, and the words for it. A study goes on only while all of it stands.
_SPLIT = {
    "task": "task",
    "data_fingerprint": "data",
    "window": "window in s",
    "leads": "choice of leads",
    "held_out": "held-out part",
    "folds": "number of folds",
    "seed": "seed",
}
"""Never accepted: predictions are kept by row, and rows of two splits can't be compared."""
_RULES = {
    "space": "search space",
    "objective": "objective file",
    "objective_name": "objective",
    "qualifies": "qualifying threshold",
    "max_size_kib": "size budget",
    "max_macs": "MACs budget",
    "max_ram_kib": "RAM budget",
}
"""A person may go on in spite of a change of these."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What `atml search` is asked for; None leaves a value to the study, or to its default.

    ``timeout`` is in seconds, for the whole job, ``window`` in seconds of ECG; ``max_size_kib`` in KiB (1024
    bytes) of ONNX file, ``max_ram_kib`` of activations alive at once, ``max_macs`` for one window.
    ``regions`` says whether rejected regions are learned and kept out of (None: see `learns`); ``imported``
    is a file of them.
    ``hold_out`` is a share of the subjects, or their names between commas.
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


WORTH = 200
"""Trials from which regions are learned unasked: with fewer hardly any box can be rejected, and random draws
that are not cut short cost more than they teach."""


def learns(options: Options, *, begun: bool) -> bool:
    """Whether a search learns regions: as asked, else from `WORTH` trials on, or where it has ``begun``."""
    if options.regions is not None:
        return options.regions
    return begun or options.imported is not None or options.trials >= WORTH


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A study ready to be worked on: everything resolved, loaded and agreed."""

    name: str
    store: Store
    room: Room
    origin: Origin
    dataset: Dataset
    folds: tuple[Fold, ...]
    seed: int
    budget: Budget


def prepare(options: Options, say: Callable[[str], None]) -> Plan:
    """Load the task and the data, make or open the study.

    Raises an InputError for whatever can't be used, before anything is written.
    """
    device.choose(options.device, 1)
    # A database is made only when all else is known to be usable.
    store = None if missing(options.storage) else Store(options.storage)
    known = store.spec(options.study) if store and options.study else None
    if known is not None and known["task"] != options.task:
        raise StudyError(
            f"study {options.study!r} is one of task {known['task']}, not {options.task}: give --task"
            f" {known['task']}, or another --study"
        )
    room = rooms.find(
        options.task,
        space=options.space,
        objective=options.objective or (known or {}).get("objective_name") or None,
        window=options.window or (known or {}).get("window"),
    )
    # What raises on its own default would raise on every trial: find out before a study is made.
    nn.cost(from_params(room.suggest, room.default), room.task)
    room.value(_toy(room))
    if room.baseline:
        baseline.detector(room.baseline)
    for note in room.notes():
        say(note)
    origin, seed = _origin(options, known), _first(options.seed, (known or {}).get("seed"), DEFAULT_SEED)
    if options.hold_out is not None:
        origin = replace(
            origin, held_out=data.hold_out(room.open(replace(origin, held_out=())), options.hold_out, seed)
        )
    dataset = room.open(origin)
    name = options.study or _usual_name(room, dataset)
    known = known or (store.spec(name) if store else None)
    before = known or {}
    count = options.folds or before.get("folds") or DEFAULT_FOLDS
    seed = _first(options.seed, before.get("seed"), DEFAULT_SEED)
    folds = data.folds(dataset.y, dataset.subject, count, seed)
    budget = Budget(
        size_kib=_first(options.max_size_kib, before.get("max_size_kib"), room.budget.size_kib),
        macs=_first(options.max_macs, before.get("max_macs"), room.budget.macs),
        ram_kib=_first(options.max_ram_kib, before.get("max_ram_kib"), room.budget.ram_kib),
        operators=room.budget.operators,
    )
    wanted = {
        "version": 1,
        "task": room.name,
        "space": room.space_hash,
        "objective": room.objective_hash,
        "space_path": str(room.space_path),
        "objective_path": str(room.objective_path),
        "objective_name": room.objective_name,
        "window": room.task.seconds,
        **origin.to_dict(),
        "data_name": dataset.name,
        "data_fingerprint": dataset.fingerprint,
        "synthetic": dataset.synthetic,
        "folds": count,
        "seed": seed,
        "qualifies": room.qualifies,
        "max_size_kib": budget.size_kib,
        "max_macs": budget.macs,
        "max_ram_kib": budget.ram_kib,
    }
    if known is not None:
        _agree(name, known, wanted, accept=options.accept_changes)
        assert store is not None
        _compatible(store, name, room)
    if options.imported is not None:
        if options.regions is False:
            raise StudyError(f"--regions {options.imported} with --no-regions: leave one out")
        importable(options.imported, regions.learn(room.suggest), store, name)
    for note in dataset.notes:
        say(note)
    store = store or Store(options.storage)
    store.check_writable()
    store.study(name, wanted)
    return Plan(
        name=name,
        store=store,
        room=room,
        origin=origin,
        dataset=dataset,
        folds=folds,
        seed=seed,
        budget=budget,
    )


def reopen(store: Store, name: str) -> Plan:
    """Load an existing study as it was made, with the data where they were."""
    spec = store.spec(name)
    if spec is None:
        raise StudyError(f"no study {name!r} in {store.name}; `atml status` lists them")
    name_of_objective = spec.get("objective_name")
    room = rooms.find(
        spec["task"],
        space=Path(spec["space_path"]),
        objective=f"{spec['objective_path']}:{name_of_objective}"
        if name_of_objective
        else spec["objective_path"],
        window=spec.get("window"),
    )
    if (room.objective_hash, room.qualifies) != (spec["objective"], spec["qualifies"]):
        raise StudyError(
            f"{room.objective_path} changed since study {name!r} was searched with it, and its trials "
            "can't be judged by another: put the file back, or search on with --accept-changes first"
        )
    origin = Origin.from_dict(spec)
    dataset = room.open(origin)
    if dataset.fingerprint != spec["data_fingerprint"]:
        what = ", ".join(map(str, origin.paths)) or "the synthetic data"
        raise StudyError(f"{what} changed since study {name!r} was made from it")
    return Plan(
        name=name,
        store=store,
        room=room,
        origin=origin,
        dataset=dataset,
        folds=data.folds(dataset.y, dataset.subject, spec["folds"], spec["seed"]),
        seed=spec["seed"],
        budget=Budget(
            size_kib=spec["max_size_kib"],
            macs=spec.get("max_macs"),
            ram_kib=spec.get("max_ram_kib"),
            operators=room.budget.operators,
        ),
    )


def trial_seed(study_seed: int, number: int, use: str = "trial") -> int:
    """Derive the seed of one training from the study's: any trial can be done again by itself."""
    digest = hashlib.sha256(f"{study_seed}/{number}/{use}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def _origin(options: Options, known: dict[str, Any] | None) -> Origin:
    """Return where the data are: as asked for, or as the study that is gone on with remembers."""
    asked = Origin(paths=options.data, sampling_rate=options.sampling_rate, leads=options.leads)
    if known is None:
        return asked
    kept = Origin.from_dict(known)
    return Origin(
        paths=asked.paths or kept.paths,
        sampling_rate=asked.sampling_rate or kept.sampling_rate,
        leads=asked.leads or kept.leads,
        held_out=kept.held_out,
    )


def _usual_name(room: Room, dataset: Dataset) -> str:
    """Name a study by its task and data, and by its window where that is not the task's own."""
    window = "" if room.task.window == room.usual_window else f"-{room.task.seconds:g}s"
    return f"{room.name}-{dataset.name}{window}"


def _agree(name: str, known: dict[str, Any], wanted: dict[str, Any], *, accept: bool) -> None:
    """Raise StudyError where the study was made with something else, naming it and the ways out."""
    changed = {key for key in (*_SPLIT, *_RULES) if _before(known, key, wanted) != wanted[key]}
    if changed & {"window", "leads", "held_out"}:
        # Other rows, of course: what made them other is said, and no row of digits.
        changed.discard("data_fingerprint")
    split, rules = (
        [
            f"{word} ({_shown(known.get(key))} before, {_shown(wanted[key])} now)"
            for key, word in words.items()
            if key in changed
        ]
        for words in (_SPLIT, _RULES)
    )
    if split:
        raise StudyError(
            f"study {name!r} was made with another {', another '.join(split + rules)}; its trials can't be "
            "compared with new ones: start a new study with --study NAME"
        )
    if rules and not accept:
        raise StudyError(
            f"study {name!r} was made with another {', another '.join(rules)}; "
            "start a new one with --study NAME, or mix both knowingly with --accept-changes"
        )


def _shown(value: Any) -> str:
    """Write a value so that it can be read in a line: a list in words, a digest by its beginning."""
    if isinstance(value, list):
        return " ".join(map(str, value)) or "none"
    text = str(value)
    return text if len(text) < 40 else text[:12]


_ONCE: dict[str, Any] = {"max_macs": None, "max_ram_kib": None, "held_out": [], "leads": []}
"""What a study of an earlier version, which does not have these keys, was made with."""


def _before(known: dict[str, Any], key: str, wanted: dict[str, Any]) -> Any:
    """Return what a study was made with; where only one value was to be had then, it is the one wanted."""
    return known.get(key, _ONCE.get(key, wanted[key]))


def _compatible(store: Store, name: str, room: Room, draws: int = 50) -> None:
    """Raise StudyError where a parameter's kind or choices changed: no study can hold both."""
    with store.errors():
        trials = store.study(name).get_trials(deepcopy=False)
    held = {key: kind for trial in trials for key, kind in trial.distributions.items()}
    probe = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(draws if held else 0):
        trial = probe.ask()
        room.suggest(trial)
        for key, kind in trial.distributions.items():
            try:
                optuna.distributions.check_distribution_compatibility(held.get(key, kind), kind)
            except ValueError as error:
                raise StudyError(
                    f"{room.space_path} changed the kind or the choices of {key!r}, and study {name!r} "
                    "can't hold both: start a new one with --study NAME"
                ) from error


def _toy(room: Room) -> Predictions:
    """A few right answers of two subjects, to try an objective on."""
    classes = len(room.task.classes)
    y = np.arange(4 * classes) % classes
    subject = np.array(["a", "b"])[np.arange(len(y)) * 2 // len(y)]
    return Predictions(np.eye(classes, dtype=np.float32)[y], y, subject, room.task.positive)


def _first(*values: Any) -> Any:
    return next((v for v in values if v is not None), None)
