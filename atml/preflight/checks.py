"""`atml check`: everything that is looked at before a search, and the part that a search looks at itself."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from atml import data
from atml.data import cache
from atml.data.dataset import Dataset, DataSource, Fold
from atml.data.formats.contest_reader import cores
from atml.data.inspection import Inspection
from atml.data.parsing import some
from atml.data.set_folds import SUBJECT, check_fold_by, dealt
from atml.errors import InputError
from atml.formatting import plural
from atml.preflight import data_checks, environment, rehearsal
from atml.preflight.data_checks import DataSummary
from atml.preflight.finding import Finding, Level, worst
from atml.preflight.rehearsal import Forecast, Rehearsal
from atml.storage import urls
from atml.task_files.definition import TaskDefinition
from atml.tasks.task import WAVEFORM
from atml.training import device

FAULTS = 3
"""Faults of the data that are quoted."""


@dataclass(kw_only=True)
class Preflight:
    """What was found before a search. ``data`` and ``forecast`` are None where the data can't be used."""

    versions: dict[str, str]
    workers: int
    devices: tuple[str, ...]
    findings: list[Finding] = field(default_factory=list)
    data: DataSummary | None = None
    rehearsals: list[Rehearsal] = field(default_factory=list)
    forecast: Forecast | None = None

    @property
    def level(self) -> Level:
        """The worst of the findings: the exit code."""
        return worst(self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON types; levels by name."""
        fields = dataclasses.asdict(self)
        for one in fields["findings"]:
            one["level"] = Level(one["level"]).name.lower()
        return {**fields, "level": self.level.name.lower()}


def fast(dataset: Dataset, definition: TaskDefinition, storage: str) -> list[Finding]:
    """Return the warnings of what can be looked at in a second: machine and data, nothing trained."""
    found = [*_places(storage), *data_checks.fast(dataset, definition.task)]
    return [one for one in found if one.level == Level.WARNING]


def check(
    definition: TaskDefinition,
    origin: DataSource,
    *,
    storage: str,
    workers: int | None = None,
    wanted: str = "auto",
    hold_out: str | None = None,
    seed: int = 0,
    folds: int | None = None,
    fold_by: str | None = None,
    trials: int = 100,
    seconds: float = rehearsal.SECONDS,
) -> Preflight:
    """Look at the machine and the data, train three configs shortly, and forecast a search.

    Args:
        definition: The task.
        origin: The data; none for synthetic ECG.
        storage: URL of the database of studies.
        workers: Worker processes that the search would have; None for one a core.
        wanted: Device, as `atml.training.device.choose` takes it.
        hold_out: Share or names of the subjects that the search does not get: see `atml.data.hold_out`.
        seed: Of what is held out and of the folds.
        folds: Of the cross-validation, and
        fold_by: what they hold out, as `atml.data.set_folds.dealt` has it; None for the usual.
        trials: For which database and time are forecast.
        seconds: Time for the steps of each of the three trainings.

    Raises:
        InputError: No such device, storage or kind of folds. Data that can't be used are a finding.
    """
    check_fold_by(fold_by)
    count = workers or cores()
    found = Preflight(versions=environment.versions(), workers=count, devices=device.choose(wanted, count))
    found.findings += [*_places(storage), *environment.load()]
    try:
        if origin.paths and definition.task.kind != WAVEFORM:  # of those, opening says everything
            found.findings += _inspected(definition, origin)
        if hold_out is not None:
            held_out = data.hold_out(definition.open(origin), hold_out, seed)
            origin = replace(origin, held_out=held_out)
            found.findings.append(Finding("data", Level.FINE, f"held out: {some(held_out)}"))
        dataset = definition.open(origin)
        names = definition.task.classes
        parts = dealt(dataset, origin.paths, names, by=fold_by or SUBJECT, count=folds, seed=seed)
    except InputError as error:
        refused = Finding("data", Level.REFUSED, f"a search would refuse the data: {error}")
        if refused not in found.findings:
            found.findings.append(refused)
        return found
    found.data = data_checks.summary(dataset, definition.task)
    found.findings += [Finding("data", Level.FINE, note) for note in dataset.notes]
    found.findings += data_checks.fast(dataset, definition.task)
    _rehearsed(found, definition, dataset, parts, trials, seconds)
    return found


def _rehearsed(
    found: Preflight,
    definition: TaskDefinition,
    dataset: Dataset,
    folds: tuple[Fold, ...],
    trials: int,
    seconds: float,
) -> None:
    """Train, forecast, and compare the forecast with what the machine has."""
    found.rehearsals = rehearsal.rehearse(
        definition, dataset, folds, device=found.devices[0], seconds=seconds
    )
    for one in found.rehearsals:
        if one.diverged:
            level = Level.WARNING if one.name == "DEFAULT" else Level.FINE
            found.findings.append(Finding("training", level, f"{one.name} diverges within {one.steps} steps"))
    found.forecast = rehearsal.forecast(
        found.rehearsals, dataset, len(definition.task.classes), workers=found.workers, trials=trials
    )
    free = environment.free_memory_gb()
    if free is not None and found.forecast.memory_gb > free:
        fit = int((found.workers + 1) * free / found.forecast.memory_gb) - 1
        way = f"give --workers {fit}" if fit > 0 else "free some, or give --data with fewer windows"
        found.findings.append(
            Finding(
                "memory",
                Level.WARNING,
                f"{plural(found.workers, 'worker')} need {found.forecast.memory_gb:.1f} GB and {free:.1f} GB"
                f" are free: {way}",
            )
        )


def _places(storage: str) -> list[Finding]:
    """Look at the places that a search writes to."""
    places = {"the cache of data": cache.root(None)}
    url = urls.read(storage)
    found = []
    if url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
        database = Path(str(url.database))
        places["the database"] = database.parent
        found.append(environment.locks(database))
    return [*found, *environment.disk(places)]


def _inspected(definition: TaskDefinition, origin: DataSource) -> list[Finding]:
    """Inspect the files themselves, as `atml data inspect` does."""
    seen: Inspection = data.inspect(
        origin.paths,
        task=definition.task,
        label=definition.label,
        sampling_rate=origin.sampling_rate,
        leads=origin.leads,
        labels=origin.labels,
        subjects=origin.subjects,
    )
    found = [
        Finding("data", Level.REFUSED, f"a search would refuse the data: {why}") for why in seen.refusals
    ]
    kinds: dict[str, list[str]] = {}
    for fault in seen.faults:
        kinds.setdefault(fault.kind, []).append(f"{fault.file}: {fault.detail}")
    for kind, lines in kinds.items():
        more = f"; and {len(lines) - FAULTS} more" if len(lines) > FAULTS else ""
        quoted = "; ".join(lines[:FAULTS])
        found.append(
            Finding("data", Level.WARNING, f"{plural(len(lines), 'fault')} ({kind}): {quoted}{more}")
        )
    return found
