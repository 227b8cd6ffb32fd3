"""A study made ready to be worked on, from the options of a search or from the study itself."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from atml import data, models, regions, task_files
from atml.data import text
from atml.data.dataset import Dataset, DataSource, Fold
from atml.data.formats.subject_map import kept_as
from atml.data.set_folds import SUBJECT, check_fold_by, dealt
from atml.device import costing
from atml.errors import DataError, StudyError
from atml.evaluation import baselines
from atml.formatting import is_utf8
from atml.metrics.predictions import Predictions
from atml.models.budget import Budget
from atml.preflight import checks as preflight
from atml.searching import frozen_people, starting_point, study_spec
from atml.searching.kept_files import task_of
from atml.searching.region_learning import importable
from atml.searching.samplers.parameters import from_params, portfolio
from atml.searching.search_options import PREFER, Goal, Options, learns
from atml.searching.starting_point import StartingPoint
from atml.storage import Store, missing, urls
from atml.task_files.at_best import NOTE
from atml.task_files.definition import TaskDefinition
from atml.tasks import targets
from atml.training import device, fingerprint
from atml.training.records import ParameterSource

DEFAULT_SEED = 0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A study ready to be worked on: everything is found, loaded and checked."""

    name: str
    store: Store
    definition: TaskDefinition
    origin: DataSource
    dataset: Dataset
    folds: tuple[Fold, ...]
    seed: int
    budget: Budget
    fold_by: str
    """What a fold holds out: see `atml.data.set_folds.FOLD_BY`."""
    rules: dict[str, Any]
    """Settings that its trials are searched and judged by: see `study_spec.rules_of`."""
    code: dict[str, str] = field(default_factory=fingerprint.here)
    start: StartingPoint | None = None
    """What it began with of an earlier study."""

    @property
    def queued(self) -> tuple[tuple[ParameterSource, Mapping[str, Any]], ...]:
        """Parameters that the first trials try, in this order, and where they are from."""
        given = self.start.given if self.start else ()
        return (
            (ParameterSource.DEFAULT, self.definition.default),
            *((ParameterSource.EARLIER, one.params) for one in given),
            *((ParameterSource.PORTFOLIO, params) for params in self.definition.portfolio),
        )


def prepare(options: Options, say: Callable[[str], None]) -> Plan:
    """Load the task and the data, and make or open the study.

    Raises an InputError for what can't be used, before anything is written.
    """
    device.choose(options.device, 1)
    check_fold_by(options.fold_by)
    if not is_utf8(options.study or ""):
        raise StudyError(f"--study {options.study!r} holds a letter that is no UTF-8; give another name")
    if options.prefer not in (None, *PREFER):
        raise StudyError(f"--prefer {options.prefer!r} is unknown: {' or '.join(PREFER)}")
    # A database is made only once everything else has been checked.
    store = None if missing(options.storage) else Store(options.storage)
    known = store.spec(options.study) if store and options.study else None
    if known is not None and known["task"] != options.task:
        raise StudyError(
            f"study {options.study!r} is of task {known['task']}, not {options.task}: give --task"
            f" {known['task']}, or another --study"
        )
    definition = task_files.find(
        options.task,
        space=options.space,
        objective=options.objective or (known or {}).get("objective_name") or None,
        window=options.window or (known or {}).get("window"),
    )
    # A task file that raises for its own default would raise in every trial.
    models.cost(from_params(definition.suggest, definition.default), definition.task)
    portfolio(definition)
    definition.value(_toy(definition))
    if definition.baseline:
        baselines.method(definition.baseline, definition.task)
    for note in definition.notes():
        say(note)
    if definition.tuned:
        say(NOTE)
    origin, seed = _origin(options, known), _first(options.seed, (known or {}).get("seed"), DEFAULT_SEED)
    earlier = None
    if options.start is not None:
        earlier = starting_point.spec_of(store, options.start, options.task, urls.name(options.storage))
    apart = _kept_apart(earlier, known, origin)
    if options.hold_out is not None:
        asked = data.hold_out(definition.open(replace(origin, held_out=apart)), options.hold_out, seed)
        origin = replace(origin, held_out=tuple(sorted({*apart, *asked})))
    elif known is None:
        origin = replace(origin, held_out=apart)
    dataset = definition.open(origin)
    name = options.study or _usual_name(definition, dataset)
    if known is None and (known := store.spec(name) if store else None) and options.hold_out is None:
        # A search from an earlier study goes on without naming that one again.
        if known.get("from") and tuple(known["held_out"]) != origin.held_out:
            origin = replace(origin, held_out=tuple(known["held_out"]))
            dataset = definition.open(origin)
    before = known or {}
    if known is not None:
        starting_point.same_start(name, options.start, known)
    if known and options.space is None and (former := study_spec.earlier_space(known, definition.space_path)):
        definition = study_spec.definition_of(
            {**known, "objective_name": "", "window": definition.task.window_s}, former, definition.objective
        )
        study_spec.note_earlier(name, definition, say)
    if known and not options.accept_changes:
        definition = study_spec.keeping_gate(known, definition)
    fold_by = options.fold_by or _fold_by(before)
    seed = _first(options.seed, before.get("seed"), DEFAULT_SEED)
    count = options.folds or (before.get("folds") if fold_by == SUBJECT else None)
    folds = dealt(dataset, origin.paths, definition.task.classes, by=fold_by, count=count, seed=seed)
    limits = {
        "max_size_kib": definition.budget.size_kib,
        "max_macs": definition.budget.macs,
        "max_ram_kib": definition.budget.ram_kib,
        **dict.fromkeys(("board", "format", "latency_ms", "flash_kib", "board_ram_kib")),
    }
    wanted = {
        "version": 1,
        "task": definition.name,
        "space": definition.space_hash,
        "objective": definition.objective_hash,
        "space_path": str(definition.space_path),
        "objective_path": str(definition.objective_path),
        "objective_name": definition.objective_name,
        "window": definition.task.window_s,
        **origin.to_dict(),
        "data_name": dataset.name,
        "data_fingerprint": dataset.fingerprint,
        "segments": len(dataset),
        "subjects": len(np.unique(dataset.subject)),
        "synthetic": dataset.synthetic,
        "folds": len(folds),
        "fold_by": fold_by,
        "split": study_spec.digest(folds),
        "seed": seed,
        "qualifies": definition.qualifies,
        "gate": definition.gate.to_spec(),
        **{key: _first(getattr(options, key), before.get(key), limit) for key, limit in limits.items()},
    }
    frozen = frozen_people.named(options.test, definition, origin)
    if known is None and earlier is not None and options.start is not None:
        assert store is not None
        frozen += _kept_for_testing(options, earlier, definition, say)
        begun = replace(starting_point.read(store, options.start, earlier, definition), held_out=apart)
        for line in (*begun.notes, f"study {name} {begun.line}"):
            say(line)
        if told := frozen_people.evaluated(store, dataset, len(origin.paths)):
            say(told)
        wanted["from"] = begun.to_dict()
    elif before.get("from"):
        wanted["from"] = before["from"]
    frozen_people.refuse(dataset.subject, frozen)
    kept_before = before.get("frozen") or []
    if every := kept_before + [one.to_dict() for one in frozen if one.to_dict() not in kept_before]:
        wanted["frozen"] = every
    wanted["board"] = costing.named(wanted["board"])
    costing.check(Budget.of_spec(wanted), definition.task)
    kept = before.get("measured") if before.get("board") == wanted["board"] else None
    wanted["measured"] = costing.measured(wanted["board"]) if kept is None else kept
    if definition.awarded and not wanted["board"]:
        raise StudyError(
            f"objective {definition.objective_name} counts what latency and size earn: name the board, as"
            " --board 2k0500"
        )
    if known is not None:
        study_spec.check_settings(name, known, wanted, accept=options.accept_changes)
        assert store is not None
        study_spec.check_parameters(store, name, definition)
        study_spec.note_other_code(store, name, say)
    if options.imported is not None:
        if options.regions is False:
            raise StudyError(f"--regions {options.imported} with --no-regions: leave one out")
        importable(options.imported, regions.learn(definition.suggest), store, name)
    if learns(options, begun=False):
        regions.declare(regions.learn(definition.suggest), definition.regions)  # REGIONS of its file is sound
    for note in dataset.notes:
        say(note)
    for finding in preflight.fast(dataset, definition, options.storage):
        say(finding.text)
    store = store or Store(options.storage)
    store.check_writable()
    store.study(name, wanted)
    # A process that joins on another machine needs no files but the data.
    texts = {"space": definition.space_path, "objective": definition.objective_path}
    store.keep(name, study_spec.SOURCES, {key: text.read(path) for key, path in texts.items()})
    store.keep(name, study_spec.CODE, fingerprint.here())
    learned = learns(options, begun=store.ledger(name) is not None)
    Goal(trials=options.trials, patience=options.patience, regions=learned).keep(store, name)
    return plan_of(store, name, wanted, definition, origin, dataset, folds)


def reopen(store: Store, name: str, say: Callable[[str], None] = lambda _: None) -> Plan:
    """Load an existing study, with the files and the data where they were."""
    spec = store.spec(name)
    if spec is None:
        raise StudyError(f"no study {name!r} in {store.name}; `atml status` lists them")
    definition = task_of(store, name, spec)
    if (definition.objective_hash, definition.qualifies) != (spec["objective"], spec["qualifies"]):
        raise StudyError(
            f"{definition.objective_path} changed since study {name!r} was searched with it, and its trials "
            "can't be judged by another: restore the file, or search on with --accept-changes first"
        )
    study_spec.note_earlier(name, definition, say)
    origin = DataSource.from_dict(spec)
    dataset = definition.open(origin)
    if dataset.fingerprint != spec["data_fingerprint"]:
        what = ", ".join(map(str, origin.paths)) or "the synthetic data"
        raise StudyError(
            f"{what} changed since study {name!r} was made from it: restore it, or search anew with another"
            " --study"
        )
    return plan_of(store, name, spec, definition, origin, dataset)


def plan_of(
    store: Store,
    name: str,
    spec: dict[str, Any],
    definition: TaskDefinition,
    origin: DataSource,
    dataset: Dataset,
    folds: tuple[Fold, ...] | None = None,
) -> Plan:
    """Return the plan of a study with the settings ``spec``; its folds are made again where not given."""
    return Plan(
        name=name,
        store=store,
        definition=definition,
        origin=origin,
        dataset=dataset,
        folds=folds
        or dealt(
            dataset,
            origin.paths,
            definition.task.classes,
            by=_fold_by(spec),
            count=spec["folds"],
            seed=spec["seed"],
        ),
        fold_by=_fold_by(spec),
        seed=spec["seed"],
        budget=Budget.of_spec(spec, definition.budget.operators),
        rules=study_spec.rules_of(spec),
        start=StartingPoint.of_spec(spec),
    )


def trial_seed(study_seed: int, number: int, use: str = "trial") -> int:
    """Derive the seed of one training from the study's, so that any trial can be repeated alone."""
    digest = hashlib.sha256(f"{study_seed}/{number}/{use}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def _origin(options: Options, known: dict[str, Any] | None) -> DataSource:
    """Return the data source: as the options ask, else as the study has it."""
    asked = DataSource(
        paths=options.data,
        sampling_rate=options.sampling_rate,
        leads=options.leads,
        labels=options.labels,
        subjects=kept_as(options.subjects),
    )
    if known is None:
        return asked
    kept = DataSource.from_dict(known)
    return DataSource(
        paths=asked.paths or kept.paths,
        sampling_rate=asked.sampling_rate or kept.sampling_rate,
        leads=asked.leads or kept.leads,
        held_out=kept.held_out,
        labels=asked.labels or kept.labels,
        subjects=asked.subjects or kept.subjects,
    )


def _kept_apart(
    earlier: dict[str, Any] | None, known: dict[str, Any] | None, origin: DataSource
) -> tuple[str, ...]:
    """Return whom the study that this one begins from held out, by their names among its data."""
    if known is not None:
        begun = StartingPoint.of_spec(known)
        return begun.held_out if begun else ()
    return starting_point.kept_apart(earlier, origin) if earlier else ()


def _kept_for_testing(
    options: Options, earlier: dict[str, Any], definition: TaskDefinition, say: Callable[[str], None]
) -> list[frozen_people.FrozenSet]:
    """Return the test people of the earlier study; where its data are gone, ``--test`` stands for them."""
    assert options.start is not None
    try:
        return frozen_people.kept_by(options.start, earlier, definition)
    except DataError as error:
        if not options.test:
            raise
        say(f"{error}, as it is: its own test split is not looked at")
        return []


def _fold_by(spec: dict[str, Any]) -> str:
    """Return what the folds of a study hold out; earlier versions knew folds by subject alone."""
    return str(spec.get("fold_by") or SUBJECT)


def _usual_name(definition: TaskDefinition, dataset: Dataset) -> str:
    """Name a study by its task and data, and by its window where that is not the usual one."""
    window = "" if definition.task.window == definition.usual_window else f"-{definition.task.seconds:g}s"
    return f"{definition.name}-{dataset.name}{window}"


def _toy(definition: TaskDefinition) -> Predictions:
    """Return a few correct predictions for two subjects, to try an objective with."""
    found = targets.toy(definition.task, 4 * len(definition.task.classes))
    return replace(found, changed={} if definition.agreement else None)


def _first(*values: Any) -> Any:
    return next((v for v in values if v is not None), None)
