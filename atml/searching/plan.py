"""What a search is told, and what its study remembers of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from atml import data, models, regions, task_files
from atml.data.dataset import Dataset, DataSource, Fold
from atml.errors import StudyError
from atml.evaluation import baselines
from atml.metrics.predictions import Predictions
from atml.models.budget import Budget
from atml.searching.region_learning import importable
from atml.searching.samplers.parameters import from_params
from atml.searching.search_options import Goal, Options, learns
from atml.storage import SPEC, Store, missing
from atml.task_files.definition import TaskDefinition
from atml.training import device, fingerprint

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
    "split": "split into folds",
}
"""Never accepted: predictions are kept by row, and rows of two splits can't be compared."""
CODE, SOURCES = "code", "sources"
"""What a study keeps the code that trains under (`atml.training.fingerprint.here`), and the texts of its
two files."""

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
class Plan:
    """A study ready to be worked on: everything resolved, loaded and agreed."""

    name: str
    store: Store
    definition: TaskDefinition
    origin: DataSource
    dataset: Dataset
    folds: tuple[Fold, ...]
    seed: int
    budget: Budget
    rules: dict[str, Any]
    """What its trials are searched by and judged by, as the study keeps it: see `same_rules`."""
    code: dict[str, str] = field(default_factory=fingerprint.here)


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
    definition = task_files.find(
        options.task,
        space=options.space,
        objective=options.objective or (known or {}).get("objective_name") or None,
        window=options.window or (known or {}).get("window"),
    )
    # What raises on its own default would raise on every trial: find out before a study is made.
    models.cost(from_params(definition.suggest, definition.default), definition.task)
    definition.value(_toy(definition))
    if definition.baseline:
        baselines.method(definition.baseline, definition.task)
    for note in definition.notes():
        say(note)
    origin, seed = _origin(options, known), _first(options.seed, (known or {}).get("seed"), DEFAULT_SEED)
    if options.hold_out is not None:
        origin = replace(
            origin,
            held_out=data.hold_out(definition.open(replace(origin, held_out=())), options.hold_out, seed),
        )
    dataset = definition.open(origin)
    name = options.study or _usual_name(definition, dataset)
    known = known or (store.spec(name) if store else None)
    before = known or {}
    count = options.folds or before.get("folds") or DEFAULT_FOLDS
    seed = _first(options.seed, before.get("seed"), DEFAULT_SEED)
    folds = data.folds(dataset.y, dataset.subject, count, seed)
    budget = Budget(
        size_kib=_first(options.max_size_kib, before.get("max_size_kib"), definition.budget.size_kib),
        macs=_first(options.max_macs, before.get("max_macs"), definition.budget.macs),
        ram_kib=_first(options.max_ram_kib, before.get("max_ram_kib"), definition.budget.ram_kib),
        operators=definition.budget.operators,
    )
    wanted = {
        "version": 1,
        "task": definition.name,
        "space": definition.space_hash,
        "objective": definition.objective_hash,
        "space_path": str(definition.space_path),
        "objective_path": str(definition.objective_path),
        "objective_name": definition.objective_name,
        "window": definition.task.seconds,
        **origin.to_dict(),
        "data_name": dataset.name,
        "data_fingerprint": dataset.fingerprint,
        "segments": len(dataset),
        "subjects": len(np.unique(dataset.subject)),
        "synthetic": dataset.synthetic,
        "folds": count,
        "split": digest(folds),
        "seed": seed,
        "qualifies": definition.qualifies,
        "max_size_kib": budget.size_kib,
        "max_macs": budget.macs,
        "max_ram_kib": budget.ram_kib,
    }
    if known is not None:
        _agree(name, known, wanted, accept=options.accept_changes)
        assert store is not None
        _compatible(store, name, definition)
        _mixed(store, name, say)
    if options.imported is not None:
        if options.regions is False:
            raise StudyError(f"--regions {options.imported} with --no-regions: leave one out")
        importable(options.imported, regions.learn(definition.suggest), store, name)
    for note in dataset.notes:
        say(note)
    store = store or Store(options.storage)
    store.check_writable()
    store.study(name, wanted)
    # Whoever joins from another machine needs no files but the data.
    texts = {"space": definition.space_path, "objective": definition.objective_path}
    store.keep(name, SOURCES, {key: path.read_text(encoding="utf-8") for key, path in texts.items()})
    store.keep(name, CODE, fingerprint.here())
    begun = store.ledger(name) is not None
    Goal(trials=options.trials, patience=options.patience, regions=learns(options, begun=begun)).keep(
        store, name
    )
    return Plan(
        name=name,
        store=store,
        definition=definition,
        origin=origin,
        dataset=dataset,
        folds=folds,
        seed=seed,
        budget=budget,
        rules=_rules(wanted),
    )


def reopen(store: Store, name: str) -> Plan:
    """Load an existing study as it was made, with the data where they were."""
    spec = store.spec(name)
    if spec is None:
        raise StudyError(f"no study {name!r} in {store.name}; `atml status` lists them")
    definition = definition_of(spec, Path(spec["space_path"]), spec["objective_path"])
    if (definition.objective_hash, definition.qualifies) != (spec["objective"], spec["qualifies"]):
        raise StudyError(
            f"{definition.objective_path} changed since study {name!r} was searched with it, and its trials "
            "can't be judged by another: put the file back, or search on with --accept-changes first"
        )
    origin = DataSource.from_dict(spec)
    dataset = definition.open(origin)
    if dataset.fingerprint != spec["data_fingerprint"]:
        what = ", ".join(map(str, origin.paths)) or "the synthetic data"
        raise StudyError(f"{what} changed since study {name!r} was made from it")
    return plan_of(store, name, spec, definition, origin, dataset)


def definition_of(spec: dict[str, Any], space: Path, objective: Path | str) -> TaskDefinition:
    """Find the room of a study, with its two files at these places; raises what `rooms.find` raises."""
    chosen = spec.get("objective_name")
    return task_files.find(
        spec["task"],
        space=space,
        objective=f"{objective}:{chosen}" if chosen else objective,
        window=spec.get("window"),
    )


def plan_of(
    store: Store,
    name: str,
    spec: dict[str, Any],
    definition: TaskDefinition,
    origin: DataSource,
    dataset: Dataset,
) -> Plan:
    """Return the plan of a study that was made with ``spec``: its folds, seed and budget are dealt again."""
    return Plan(
        name=name,
        store=store,
        definition=definition,
        origin=origin,
        dataset=dataset,
        folds=data.folds(dataset.y, dataset.subject, spec["folds"], spec["seed"]),
        seed=spec["seed"],
        budget=Budget(
            size_kib=spec["max_size_kib"],
            macs=spec.get("max_macs"),
            ram_kib=spec.get("max_ram_kib"),
            operators=definition.budget.operators,
        ),
        rules=_rules(spec),
    )


def digest(folds: tuple[Fold, ...]) -> str:
    """Name a split into folds: another version of scikit-learn may deal another one for the same seed."""
    whole = hashlib.sha256()
    for fold in folds:
        whole.update(np.ascontiguousarray(fold.held_out, "<i8").tobytes())
    return whole.hexdigest()[:16]


def same_code(name: str, there: dict[str, str] | None, here: dict[str, str]) -> None:
    """Raise StudyError where a study is searched with other code than runs here."""
    if there is not None and (words := fingerprint.differences(there, here, "there", "here")):
        raise StudyError(
            f"study {name!r} is searched with other code: {words}; its trials could not be compared: install"
            " the same on every machine"
        )


def _rules(spec: dict[str, Any]) -> dict[str, Any]:
    return {key: spec.get(key) or None for key in _RULES}


def same_rules(plan: Plan, facts: dict[str, Any]) -> None:
    """Raise StudyError where somebody made a study go on by other rules than those it is worked on here."""
    now = _rules(facts[SPEC])
    if words := [f"another {word}" for key, word in _RULES.items() if now[key] != plan.rules[key]]:
        raise StudyError(
            f"study {plan.name!r} goes on with {', '.join(words)}, by --accept-changes: start the same line"
            " again to work on by that"
        )


def _mixed(store: Store, name: str, say: Callable[[str], None]) -> None:
    """Say that a study goes on with other code; raise StudyError while others search it with the former."""
    there, here = store.facts(name).get(CODE), fingerprint.here()
    if there is None or there == here:
        return
    if store.others_at_work(name):
        same_code(name, there, here)
    say(
        f"study {name} goes on with other code: {fingerprint.differences(there, here, 'before', 'now')};"
        " values of"
        " trials before and after may differ for that alone, and each says which trained it"
    )


def trial_seed(study_seed: int, number: int, use: str = "trial") -> int:
    """Derive the seed of one training from the study's: any trial can be done again by itself."""
    digest = hashlib.sha256(f"{study_seed}/{number}/{use}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def _origin(options: Options, known: dict[str, Any] | None) -> DataSource:
    """Return where the data are: as asked for, or as the study that is gone on with remembers."""
    asked = DataSource(paths=options.data, sampling_rate=options.sampling_rate, leads=options.leads)
    if known is None:
        return asked
    kept = DataSource.from_dict(known)
    return DataSource(
        paths=asked.paths or kept.paths,
        sampling_rate=asked.sampling_rate or kept.sampling_rate,
        leads=asked.leads or kept.leads,
        held_out=kept.held_out,
    )


def _usual_name(definition: TaskDefinition, dataset: Dataset) -> str:
    """Name a study by its task and data, and by its window where that is not the task's own."""
    window = "" if definition.task.window == definition.usual_window else f"-{definition.task.seconds:g}s"
    return f"{definition.name}-{dataset.name}{window}"


def _agree(name: str, known: dict[str, Any], wanted: dict[str, Any], *, accept: bool) -> None:
    """Raise StudyError where the study was made with something else, naming it and the ways out."""
    changed = {key for key in (*_SPLIT, *_RULES) if _before(known, key, wanted) != wanted[key]}
    if changed & {"window", "leads", "held_out"}:
        # Other rows, of course: what made them other is said, and no row of digits.
        changed.discard("data_fingerprint")
    if changed & (_SPLIT.keys() - {"split"}):
        changed.discard("split")
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


def _compatible(store: Store, name: str, definition: TaskDefinition, draws: int = 50) -> None:
    """Raise StudyError where a parameter's kind or choices changed: no study can hold both."""
    with store.errors():
        trials = store.study(name).get_trials(deepcopy=False)
    held = {key: kind for trial in trials for key, kind in trial.distributions.items()}
    probe = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(draws if held else 0):
        trial = probe.ask()
        definition.suggest(trial)
        for key, kind in trial.distributions.items():
            try:
                optuna.distributions.check_distribution_compatibility(held.get(key, kind), kind)
            except ValueError as error:
                raise StudyError(
                    f"{definition.space_path} changed the kind or the choices of {key!r}, and study {name!r} "
                    "can't hold both: start a new one with --study NAME"
                ) from error


def _toy(definition: TaskDefinition) -> Predictions:
    """A few right answers of two subjects, to try an objective on."""
    classes = len(definition.task.classes)
    y = np.arange(4 * classes) % classes
    subject = np.array(["a", "b"])[np.arange(len(y)) * 2 // len(y)]
    return definition.target.predictions(np.eye(classes, dtype=np.float32)[y], y, subject)


def _first(*values: Any) -> Any:
    return next((v for v in values if v is not None), None)
