"""What a search begins with of an earlier study: the parameters of its finalists, and whom it kept apart.

Only parameters are taken over. They are trained anew on the new data, and judged by that alone: a value on
other people is no value on these.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from atml import models
from atml.data.dataset import DataSource
from atml.data.formats.detection import name_of
from atml.errors import InputError, StudyError
from atml.formatting import listed, plural
from atml.models.config import ModelConfig
from atml.searching.ranking import in_order, ranked
from atml.searching.samplers.parameters import from_params, portfolio, within
from atml.searching.search_options import FINALISTS
from atml.storage import Store
from atml.task_files.definition import TaskDefinition
from atml.training.records import ParameterSource, TrialRecord

FINALIST, BEST = "finalist", "best trial"
"""What the trials were in the earlier study; before any finalist was judged the best trials are taken."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """Parameters that are queued, and the trial of the earlier study that had them."""

    trial: int
    params: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class StartingPoint:
    """What a study began with of the study called ``study``, which was searched on ``data``.

    ``kind`` is `FINALIST` or `BEST`. ``held_out`` are people whom the earlier study kept apart, by the names
    that they have among the new data. ``notes`` say what was left out of its parameters, and why.
    """

    study: str
    data: str
    fingerprint: str
    kind: str
    given: tuple[Given, ...] = ()
    held_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def named(self) -> str:
        """Name the study and what was taken of it: "2 finalists of study 'small'"."""
        return f"{plural(len(self.given), self.kind)} of study {self.study!r}"

    @property
    def line(self) -> str:
        """Say in one line what the search begins with.

        Example:
            >>> StartingPoint(
            ...     study="small", data="old", fingerprint="f00d", kind=FINALIST,
            ...     given=(Given(trial=7, params={"width": 8}),),
            ... ).line
            "began with the parameters of 1 finalist of study 'small' (trial 7), searched on old"
        """
        if not self.given:
            return f"began from study {self.study!r}, searched on {self.data}, with DEFAULT alone"
        trials = [str(one.trial) for one in self.given]
        word = "trial" if len(trials) == 1 else "trials"
        return f"began with the parameters of {self.named} ({word} {listed(trials)}), searched on {self.data}"

    def of(self, record: TrialRecord) -> str:
        """Say whose parameters a trial of the new study has; "" where they are not of the earlier study."""
        if record.origin != ParameterSource.EARLIER:
            return ""
        trial = next((one.trial for one in self.given if dict(one.params) == dict(record.params)), None)
        which = "" if trial is None else f"trial {trial}, "
        return f"those of {which}{self.kind} of study {self.study!r} on {self.data}, trained anew"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return {
            **asdict(self),
            "given": [{"trial": one.trial, "params": dict(one.params)} for one in self.given],
            "held_out": list(self.held_out),
            "notes": list(self.notes),
        }

    @classmethod
    def of_spec(cls, spec: Mapping[str, Any]) -> StartingPoint | None:
        """Read it from the settings of a study; None for one that began with none."""
        kept = spec.get("from")
        if kept is None:
            return None
        given = tuple(Given(trial=one["trial"], params=one["params"]) for one in kept["given"])
        tuples = {key: tuple(kept[key]) for key in ("held_out", "notes")}
        return cls(**{**kept, **tuples, "given": given})


def spec_of(store: Store | None, name: str, task: str, place: str) -> dict[str, Any]:
    """Return the settings of the study called ``name``, which is to be of ``task``.

    ``place`` names the database where ``store`` is None, which is not there yet. Raises StudyError.
    """
    spec = store.spec(name) if store else None
    if spec is None:
        known = ", ".join(store.studies()) if store else ""
        there = f"there {'are: ' + known if known else 'is none'}"
        raise StudyError(
            f"--from {name}: no such study in {store.name if store else place}; {there}"
            " (`atml study copy` brings one from another database)"
        )
    if spec["task"] != task:
        raise StudyError(
            f"--from {name}: that study is of task {spec['task']}, not {task}; name one of the same task"
        )
    return spec


def same_start(name: str, wanted: str | None, known: Mapping[str, Any]) -> None:
    """Raise StudyError where a study that exists began otherwise than ``--from`` asks for."""
    if wanted is None:
        return
    before = StartingPoint.of_spec(known)
    if wanted == name:
        raise StudyError(f"--from {wanted} is this very study; name the new one with --study NAME")
    if before is None or before.study != wanted:
        how = "without --from" if before is None else f"with --from {before.study}"
        raise StudyError(
            f"study {name!r} is there already and began {how}; name the new one with --study NAME, or leave"
            " --from out to continue it"
        )


def read(store: Store, name: str, spec: Mapping[str, Any], definition: TaskDefinition) -> StartingPoint:
    """Take the parameters of the finalists of a study, or of its best trials, as the space of today has them.

    A parameter that the space no longer has is dropped, one that it has since is as in DEFAULT. What the
    space can't make then, a value outside its range, or what would be tried anyway, is left out; `notes` say
    so.
    """
    records = store.trials(name)
    by_number = {t.number: t for t in records}
    finalists = [by_number[n] for n in in_order(store.facts(name), records) if n in by_number]
    kind, chosen = (FINALIST, finalists) if finalists else (BEST, ranked(records)[:FINALISTS])
    notes = [] if finalists else [_without_finalists(name, len(chosen))]
    tried = [(from_params(definition.suggest, definition.default), "DEFAULT")]
    tried += [(config, "in PORTFOLIO") for config in portfolio(definition)]
    given: list[Given] = []
    for record in chosen:
        try:
            config, params, changes = _as_today(definition, record)
        except InputError as error:
            why = str(error).removeprefix(f"{definition.space_path}: ")
            notes.append(f"trial {record.number} of {name} is left out: {why}")
            continue
        if twin := next((what for other, what in tried if other == config), ""):
            notes.append(f"trial {record.number} of {name} is left out: it is {twin}, which is tried anyway")
            continue
        notes += [f"trial {record.number} of {name}: {change}" for change in changes]
        tried.append((config, f"as trial {record.number}"))
        given.append(Given(trial=record.number, params=params))
    return StartingPoint(
        study=name,
        data="synthetic ECG" if spec.get("synthetic") else str(spec.get("data_name")),
        fingerprint=str(spec["data_fingerprint"]),
        kind=kind,
        given=tuple(given),
        notes=tuple(notes),
    )


def _without_finalists(name: str, trials: int) -> str:
    if not trials:
        return f"study {name!r} has neither finalists nor a trial over every fold: DEFAULT alone is taken"
    best = "its best trial is" if trials == 1 else f"its {trials} best trials are"
    return f"study {name!r} has no finalists yet: {best} taken"


def _as_today(
    definition: TaskDefinition, record: TrialRecord
) -> tuple[ModelConfig, dict[str, Any], list[str]]:
    """Return the config that the space makes of a trial's parameters, these parameters, and what changed.

    Raises InputError where it makes none that fits the window.
    """
    from optuna.trial import FixedTrial

    old = dict(record.params)
    asked = FixedTrial({**definition.default, **old})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of values outside their range, which `within` refuses
        definition.suggest(asked)
    params = {name: old.get(name, definition.default.get(name)) for name in asked.distributions}
    config = within(definition.suggest, params)
    models.cost(config, definition.task)
    assert isinstance(config, ModelConfig)
    changes = []
    if gone := sorted(old.keys() - params.keys()):
        verb = "is" if len(gone) == 1 else "are"
        changes.append(f"{listed(gone)} {verb} no longer in the search space, and dropped")
    if new := sorted(params.keys() - old.keys()):
        verb = "is" if len(new) == 1 else "are"
        changes.append(f"{listed(new)} {verb} new in the search space, and as in DEFAULT")
    return config, params, changes


def kept_apart(spec: Mapping[str, Any], origin: DataSource) -> tuple[str, ...]:
    """Return whom an earlier study held out, by their names among the data of ``origin``.

    Where several sets are opened together the name of a subject begins with that of its set. Those of sets
    that are not among the new data are not there.
    """
    before = [name_of(path) for path in DataSource.from_dict(dict(spec)).paths]
    now = [name_of(path) for path in origin.paths]
    found = []
    for name in spec.get("held_out") or ():
        place, who = name.split("/", 1) if len(before) > 1 else ((before or [""])[0], name)
        if not before and not now:
            found.append(name)
        elif place in now:
            found.append(f"{place}/{who}" if len(now) > 1 else who)
    return tuple(sorted(found))
