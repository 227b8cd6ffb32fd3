"""Find, load and describe the files of ``search_spaces/`` and ``objectives/``.

A task is a same-named pair of files, one in each folder. Folders of these names in the working
directory are looked at before the built-in ones, so a person edits a file and not the package.
Files are loaded by path, never by import name: nothing called ``objectives`` lands in site-packages.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from atml import data
from atml.data.dataset import Dataset, DataSource
from atml.errors import TaskFileError
from atml.evaluation import gate
from atml.evaluation.gate import Gate
from atml.metrics.predictions import Predictions
from atml.models.budget import Budget
from atml.models.config import ModelConfig
from atml.paper.page_data import open_pages
from atml.task_files.builtin import FOLDERS, folder, is_builtin
from atml.task_files.loading import are_texts, execute, flag, guarded, hash_of, optional, part, summary
from atml.tasks import targets
from atml.tasks.targets import Target
from atml.tasks.task import WAVEFORM, Task

VALUE = "value"
"""Name of the function of a file that is the default objective, and of that where it has no other."""


@dataclass(frozen=True)
class TaskDefinition:
    """One task, ready to be searched.

    ``default`` holds parameter values of trial 0, ``portfolio`` those of the trials after it;
    ``suggest(trial)`` makes a ModelConfig of an Optuna trial; ``value(predictions)`` is what the search makes
    large; ``label(rhythm)`` gives the class of a rhythm name or None. The two hashes change when the code
    does, not when a comment does. ``task`` has the window that was asked for; ``objective_name`` is that of
    ``value`` among the objectives of the file, "" where it has one only. ``baseline`` names the detector
    without a network that winners are compared with, "" for none.
    """

    name: str
    task: Task
    default: Mapping[str, Any]
    suggest: Callable[[Any], ModelConfig] = field(repr=False)
    label: Callable[[str], int | None] = field(repr=False)
    value: Callable[[Predictions], float] = field(repr=False)
    value_name: str
    qualifies: float
    """What the lowest of the four metrics has to reach where the objective has no gate of its own."""
    gate: Gate
    """What figures a model worth exporting has to reach."""
    budget: Budget
    rule: str
    space_path: Path
    objective_path: Path
    space_hash: str
    objective_hash: str
    labels_hash: str
    """Changes with TASK, `label` and what they depend on, and with nothing else in the file."""
    usual_window: int
    """Samples in a window where nothing else is asked for."""
    windows: tuple[float, float] | None = None
    """Shortest and longest window in s that may be asked for, None for the usual one alone."""
    objectives: tuple[str, ...] = ()
    """Names of the objectives that the file offers; () where it has `value` alone."""
    objective_name: str = ""
    baseline: str = ""
    portfolio: tuple[Mapping[str, Any], ...] = ()
    """Whole sets of parameter values, each tried once before anything is drawn."""
    floor: float | None = None
    """Value at the end of the first fold below which a random draw is given up; None runs it to its end."""
    agreement: bool = False
    """Whether the objective asks for `Predictions.agreement`: every trial then predicts changed windows."""
    awarded: bool = False
    """Whether the objective counts `Predictions.board`: a search then needs a board."""
    tuned: bool = False
    """Whether trials are judged at the decision that suits their own predictions, see `at_best`."""
    other_lead: bool = False
    """Whether training sees the windows in another lead of their recordings as further rows."""
    regions: tuple[str, ...] = ()
    """What of the space is tested where regions are learned, see `atml.regions.declare`; () for the usual."""

    @property
    def target(self) -> Target:
        """What the task decides, by its kind."""
        return targets.of(self.task)

    @property
    def objective(self) -> str:
        """What `find` has to be told to get this objective again."""
        name = f":{self.objective_name}" if self.objective_name else ""
        return f"{self.objective_path}{name}"

    def open(self, origin: DataSource) -> Dataset:
        """Open the training split of ``origin`` without what is held out; raises DataError."""
        if self.task.kind == WAVEFORM:
            return open_pages(origin.paths, self.task, leave_out=origin.held_out)
        return data.open(
            origin.paths or None,
            task=self.task,
            label=self.label,
            sampling_rate=origin.sampling_rate,
            leads=origin.leads,
            leave_out=origin.held_out,
            labels=origin.labels,
            subjects=origin.subjects,
            other_lead=self.other_lead,
        )

    def notes(self) -> tuple[str, ...]:
        """Say which files stand in for a built-in one."""
        return tuple(
            f"{path} replaces the built-in {kind}/{self.name}.py"
            for kind, path in zip(FOLDERS, (self.space_path, self.objective_path), strict=True)
            if not is_builtin(path) and (folder(kind) / f"{self.name}.py").is_file()
        )


def names(cwd: Path | None = None) -> dict[str, dict[str, Path]]:
    """Map every task name found to its files, ``{"afib": {"search_spaces": ..., "objectives": ...}}``.

    One with one file only is listed too, so that `find` can say what is missing; of atml's own it is not.
    """
    found: dict[str, dict[str, Path]] = {}
    for kind in FOLDERS:
        for place in (folder(kind), (cwd or Path.cwd()) / kind):
            for path in sorted(place.glob("*.py")) if place.is_dir() else ():
                further = place == folder(kind) and not (folder("objectives") / path.name).exists()
                if not path.name.startswith("_") and not further:
                    found.setdefault(path.stem, {})[kind] = path.resolve()
    return dict(sorted(found.items()))


def find(
    name: str,
    *,
    space: Path | None = None,
    objective: Path | str | None = None,
    window: float | None = None,
    cwd: Path | None = None,
) -> TaskDefinition:
    """Load the task called ``name`` from its two files.

    ``space`` and ``objective`` name other files for the two parts.
    ``objective`` may also be the name of one of the objectives that the file offers, or both, as
    ``my.py:balanced``. ``window`` is in seconds, where the task lets one choose.

    Raises TaskFileError for an unknown task, a missing or raising file, for a part that is not there, for
    an objective whose ``TASK.name`` is another (an exported model is scored by the task it names), for an
    objective that the file does not offer, and for a window that the task can't have.

    Example:
        >>> found = find("afib")
        >>> found.task.classes, found.task.seconds, found.rule
        (('other', 'AF'), 5.0, 'iesd2024')
    """
    known = names(cwd)
    files = dict(known.get(name, {}))
    objective_path, wanted = _asked(objective)
    for kind, path in zip(FOLDERS, (space, objective_path), strict=True):
        if path is not None:
            if not path.is_file():
                raise TaskFileError(f"{path} is not a file; give a Python file as in {kind}/")
            files[kind] = path.resolve()
    if not files:
        raise TaskFileError(
            f"no task called {name!r}; known: {', '.join(known) or 'none'} (see `atml tasks`)"
        )
    for kind in FOLDERS:
        if kind not in files:
            raise TaskFileError(
                f"task {name!r} has no {kind}/{name}.py; a task is a file in each of {FOLDERS}"
            )
    return _load(name, files["search_spaces"], files["objectives"], wanted, window)


def _asked(objective: Path | str | None) -> tuple[Path | None, str]:
    """Split ``FILE.py``, ``NAME`` or ``FILE.py:NAME`` into its two parts."""
    if objective is None or isinstance(objective, Path):
        return objective, ""
    file, colon, name = objective.rpartition(":")
    if colon and file.endswith(".py"):
        return Path(file), name
    if objective.endswith(".py") or "/" in objective or Path(objective).is_file():
        return Path(objective), ""
    return None, objective


def _load(
    name: str, space_path: Path, objective_path: Path, wanted: str, window: float | None
) -> TaskDefinition:
    space, _, space_hash = execute(space_path)
    objective, tree, objective_hash = execute(objective_path)
    default = part(space, space_path, "DEFAULT", Mapping)
    task = part(objective, objective_path, "TASK", Task)
    if task.name != name:
        raise TaskFileError(f"{objective_path}: TASK.name is {task.name!r}; call it {name!r}")
    if wrong := targets.problem(task):
        raise TaskFileError(f"{objective_path}: {wrong}")
    value, value_name = _objective(objective, objective_path, wanted)
    windows = _windows(objective, objective_path)
    qualifies = float(part(objective, objective_path, "QUALIFIES", (int, float)))
    offered, default_name = tuple(_offered(objective, objective_path)), _default_name(objective)
    named = default_name if value is objective.value and not default_name else wanted or default_name
    return TaskDefinition(
        name=name,
        task=_with_window(task, windows, window, objective_path),
        default=default,
        portfolio=_portfolio(space, space_path),
        suggest=guarded(part(space, space_path, "suggest", Callable), space_path, "suggest", ModelConfig),
        label=guarded(part(objective, objective_path, "label", Callable), objective_path, "label", None),
        value=guarded(value, objective_path, getattr(value, "__name__", "value"), float),
        value_name=value_name,
        qualifies=qualifies,
        gate=_gate(objective, objective_path, task, named, qualifies),
        budget=_budget(objective, objective_path),
        rule=part(objective, objective_path, "RULE", str),
        space_path=space_path,
        objective_path=objective_path,
        space_hash=space_hash,
        objective_hash=objective_hash,
        usual_window=task.window,
        labels_hash=hash_of(tree, ("TASK", "label")),
        windows=windows,
        objectives=offered,
        objective_name=named,
        baseline=_baseline(objective, objective_path),
        floor=_floor(objective, objective_path, named),
        agreement=(named or VALUE) in _names(objective, objective_path, "AGREEMENT", "robust"),
        awarded=(named or VALUE) in _names(objective, objective_path, "AWARDED", "official"),
        tuned=(named or VALUE) in _names(objective, objective_path, "TUNED", "macro"),
        other_lead=flag(objective, objective_path, "OTHER_LEAD") and task.leads == 1,
        regions=_regions(space, space_path),
    )


def _gate(module: ModuleType, path: Path, task: Task, name: str, qualifies: float) -> Gate:
    """Return GATE: least values by the name of a figure, or such a dict for each objective by its name.

    Where it has none for the objective, the lowest of the four metrics has to reach ``qualifies``.
    """
    found = part(module, path, "GATE", Mapping) if hasattr(module, "GATE") else {}
    if any(isinstance(one, Mapping) for one in found.values()):
        if unknown := [one for one in found if one not in _offered(module, path)]:
            raise TaskFileError(f"{path}: GATE has {unknown[0]!r}, which is not one of OBJECTIVES")
        found = found.get(name, {})
    known = gate.names(task)
    for figure, least in found.items():
        if figure not in known:
            raise TaskFileError(f"{path}: GATE has {figure!r}; a gate is of {', '.join(known)}")
        if isinstance(least, bool) or not isinstance(least, int | float) or not 0 <= least <= 1:
            raise TaskFileError(f"{path}: GATE has {figure!r}: {least!r}; give a number from 0 to 1")
    return Gate({one: float(least) for one, least in found.items()}) if found else Gate.of_four(qualifies)


def _portfolio(module: ModuleType, path: Path) -> tuple[Mapping[str, Any], ...]:
    """Return PORTFOLIO, nothing where a file has none."""
    found = part(module, path, "PORTFOLIO", (tuple, list)) if hasattr(module, "PORTFOLIO") else ()
    for one in found:
        if not isinstance(one, Mapping):
            raise TaskFileError(f"{path}: PORTFOLIO has {one!r}; each is a dict of parameters, as DEFAULT is")
    return tuple(found)


def _objective(module: ModuleType, path: Path, wanted: str) -> tuple[Callable[..., Any], str]:
    """Return the objective asked for, and what it computes in words."""
    value = part(module, path, "value", Callable)
    if wanted:
        offered = _offered(module, path)
        if wanted not in offered:
            names = ", ".join(offered) or "value alone"
            raise TaskFileError(
                f"no objective {wanted!r} in {path}; it offers {names}, or give a file of your own"
            )
        value = offered[wanted]
    return value, summary(value, f"the objective of {path.name}")


def _budget(module: ModuleType, path: Path) -> Budget:
    """Read MAX_SIZE_KIB and, where they are there, MAX_MACS, MAX_RAM_KIB and OPERATORS."""
    operators = (
        frozenset(part(module, path, "OPERATORS", Collection)) if hasattr(module, "OPERATORS") else None
    )
    return Budget(
        size_kib=float(part(module, path, "MAX_SIZE_KIB", (int, float))),
        macs=optional(module, path, "MAX_MACS"),
        ram_kib=optional(module, path, "MAX_RAM_KIB"),
        operators=operators,
    )


def _offered(module: ModuleType, path: Path) -> dict[str, Callable[..., Any]]:
    """Return the objectives of a file by name, the default as "value" where it has no other name.

    Empty where the file has `value` alone.
    """
    if not hasattr(module, "OBJECTIVES"):
        return {}
    offered = dict(part(module, path, "OBJECTIVES", Mapping))
    if not any(one is module.value for one in offered.values()):
        offered = {VALUE: module.value, **offered}
    for name, one in offered.items():
        if not isinstance(name, str) or not callable(one):
            raise TaskFileError(f"{path}: OBJECTIVES has {name!r}: {one!r}; it maps names to functions")
    return offered


def _windows(module: ModuleType, path: Path) -> tuple[float, float] | None:
    """Return the shortest and the longest window in s, None where there is one only."""
    bounds = getattr(module, "WINDOWS", None)
    if bounds is None:
        return None
    if (
        not isinstance(bounds, tuple | list)
        or len(bounds) != 2
        or not all(isinstance(end, int | float) and math.isfinite(end) and end > 0 for end in bounds)
        or bounds[0] > bounds[1]
    ):
        raise TaskFileError(f"{path}: WINDOWS is {bounds!r}; give the shortest and the longest window in s")
    return float(bounds[0]), float(bounds[1])


def _baseline(module: ModuleType, path: Path) -> str:
    """Return the name of the baseline, "" for none."""
    named: str = part(module, path, "BASELINE", str) if getattr(module, "BASELINE", None) is not None else ""
    return named


def _floor(module: ModuleType, path: Path, name: str) -> float | None:
    """Return FLOOR, a number or one for each objective by name: each has a scale of its own.

    Files of version 0.1 call it HOPELESS.
    """
    constant = "HOPELESS" if hasattr(module, "HOPELESS") else "FLOOR"
    found = getattr(module, constant, None)
    if not isinstance(found, Mapping):
        return optional(module, path, constant)
    name = name if name or name in found else VALUE
    limit = found.get(name)
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int | float)):
        raise TaskFileError(f"{path}: {constant} has {name!r}: {limit!r}; give a number")
    return None if limit is None else float(limit)


def _regions(module: ModuleType, path: Path) -> tuple[str, ...]:
    """Return REGIONS: names of parameters, and regions in words."""
    found = getattr(module, "REGIONS", ())
    if not are_texts(found):
        raise TaskFileError(
            f"{path}: REGIONS is {found!r}; give a list of parameters and of regions in words, as"
            ' ["family", "family = cnn and norm = none"]'
        )
    return tuple(found)


def _names(module: ModuleType, path: Path, constant: str, example: str) -> tuple[str, ...]:
    """Return a constant with names of objectives: AGREEMENT, AWARDED or TUNED."""
    found = getattr(module, constant, ())
    offered = _offered(module, path) or {VALUE: module.value}
    if not are_texts(found):
        raise TaskFileError(f'{path}: {constant} is {found!r}; give a list of objectives, as ("{example}",)')
    if strange := [name for name in found if name not in offered]:
        raise TaskFileError(
            f"{path}: {constant} has {strange[0]!r}, not one of its objectives: {', '.join(offered)}"
        )
    return tuple(found)


def _default_name(module: ModuleType) -> str:
    """Name `value` as the file's list of objectives does."""
    offered = getattr(module, "OBJECTIVES", None) or {}
    return next((name for name, one in offered.items() if one is module.value), "")


def _with_window(task: Task, bounds: Any, seconds: float | None, path: Path) -> Task:
    """Return the task with a window of ``seconds``, within the ``bounds`` in s that its file gives."""
    if seconds is not None and not (math.isfinite(seconds) and seconds > 0):
        raise TaskFileError(f"--window {seconds:g} is not a length of time; give seconds")
    if seconds is None or (task.picture is None and round(seconds * task.sampling_rate) == task.window):
        return task
    if bounds is None:
        only = "is about pictures" if task.picture else f"has a window of {task.seconds:g} s and no other"
        raise TaskFileError(f"task {task.name!r} {only}: leave --window out")
    low, high = bounds
    if not low <= seconds <= high:
        raise TaskFileError(f"--window {seconds:g}: task {task.name!r} takes {low:g} to {high:g} s ({path})")
    return replace(task, window=round(seconds * task.sampling_rate))
