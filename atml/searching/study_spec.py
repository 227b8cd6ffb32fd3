"""The settings that a study was made with, and which changes of them a search may resume with."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from atml import task_files
from atml.data.dataset import Fold
from atml.data.set_folds import SUBJECT
from atml.errors import StudyError
from atml.evaluation.gate import Gate
from atml.storage import Store
from atml.task_files import builtin
from atml.task_files.definition import TaskDefinition
from atml.task_files.loading import hash_of_file
from atml.training import fingerprint

CODE, SOURCES = "code", "sources"
"""Attributes of a study: its code (`atml.training.fingerprint.here`), the texts of its two files."""

_SPLIT = {
    "task": "task",
    "data_fingerprint": "data",
    "window": "window in s",
    "leads": "choice of leads",
    "subjects_by": "choice of subjects",
    "held_out": "held-out part",
    "folds": "number of folds",
    "fold_by": "kind of folds",
    "seed": "seed",
    "split": "split into folds",
}
"""Settings that never change, in words: rows of predictions of two splits can't be compared."""

_RULES = {
    "space": "search space",
    "objective": "objective file",
    "objective_name": "objective",
    "qualifies": "qualifying threshold",
    "gate": "gate",
    "max_size_kib": "size budget",
    "max_macs": "MACs budget",
    "max_ram_kib": "RAM budget",
}
"""Settings that may change, in words, with ``--accept-changes``."""

_ADDED_LATER: dict[str, Any] = {
    **{"max_macs": None, "max_ram_kib": None, "held_out": [], "leads": [], "subjects_by": ""},
    "gate": None,
    "fold_by": SUBJECT,
}
"""Settings that studies of earlier versions do not have, and the value that they were made with."""


def definition_of(spec: dict[str, Any], space: Path, objective: Path | str) -> TaskDefinition:
    """Load the task of a study, with its two files at these places; raises what `task_files.find` raises.

    Where the built-in search space has changed since, the earlier one that the study began with is taken, and
    the gate is the study's.
    """
    chosen = spec.get("objective_name")
    found = task_files.find(
        spec["task"],
        space=earlier_space(spec, space) or space,
        objective=f"{objective}:{chosen}" if chosen else objective,
        window=spec.get("window"),
    )
    return keeping_gate(spec, found)


def keeping_gate(spec: dict[str, Any], definition: TaskDefinition) -> TaskDefinition:
    """Return a definition with the gate of a study of the same objective.

    Version 0.1 knew no gate but the lowest of four metrics; what it judged by that stays judged by it.
    """
    if (spec.get("objective"), spec.get("qualifies")) != (definition.objective_hash, definition.qualifies):
        return definition
    return dataclasses.replace(definition, gate=Gate.of_spec(spec))


def earlier_space(spec: dict[str, Any], space: Path) -> Path | None:
    """Return the built-in search space of an earlier version that a study goes on in.

    None where ``space`` is the study's own, or a person's file, or no earlier version had the study's.
    """
    if not (builtin.is_builtin(space) or not space.is_file()) or hash_of_file(space) == spec["space"]:
        return None
    return builtin.earlier_space(spec["task"], spec["space"])


def note_earlier(name: str, definition: TaskDefinition, say: Callable[[str], None]) -> None:
    """Print a line where a study goes on in the built-in search space of an earlier version."""
    if builtin.is_earlier(definition.space_path):
        say(
            f"study {name} continues in the search space that it began with ({definition.space_path.name});"
            " a new --study gets the current one"
        )


def digest(folds: tuple[Fold, ...]) -> str:
    """Hash a split into folds: another version of scikit-learn may split differently for the same seed."""
    whole = hashlib.sha256()
    for fold in folds:
        whole.update(np.ascontiguousarray(fold.held_out, "<i8").tobytes())
    return whole.hexdigest()[:16]


def rules_of(spec: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that may change with ``--accept-changes``."""
    return {key: spec.get(key) or None for key in _RULES}


def check_settings(name: str, known: dict[str, Any], wanted: dict[str, Any], *, accept: bool) -> None:
    """Raise StudyError where a study was made with other settings, which it lists with the ways out.

    With ``accept`` the search space, the objective and the budget may change.
    """
    changed = {
        # Where an earlier version knew one value only, that is the wanted one.
        key
        for key in (*_SPLIT, *_RULES)
        if known.get(key, _ADDED_LATER.get(key, wanted.get(key))) != wanted.get(key, _ADDED_LATER.get(key))
    }
    if "data_fingerprint" not in changed:  # said in another way, and the same people
        changed.discard("subjects_by")
    if changed & {"window", "leads", "held_out", "subjects_by"}:
        # The cause of other rows is listed, not their hash.
        changed.discard("data_fingerprint")
    if "fold_by" in changed:
        changed.discard("folds")
    if changed & (_SPLIT.keys() - {"split"}):
        changed.discard("split")
    split, rules = (
        [
            f"{word} ({_shown(known.get(key), key)} before, {_shown(wanted.get(key), key)} now)"
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
            "start a new one with --study NAME, or accept the mix with --accept-changes"
        )


def _shown(value: Any, key: str) -> str:
    """Write a value for a message: a list in words, a hash by its first digits."""
    if isinstance(value, list):
        return " ".join(map(str, value)) or "none"
    if key == "subjects_by":
        return str(value or "as the data say")
    text = str(value) or "the task's"
    return text if len(text) < 40 else text[:12]


def check_parameters(store: Store, name: str, definition: TaskDefinition, draws: int = 50) -> None:
    """Raise StudyError where a parameter has another kind or other choices than in the trials of a study."""
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


def check_code(name: str, there: dict[str, str] | None, here: dict[str, str]) -> None:
    """Raise StudyError where a study is searched with other code than runs here."""
    if there is not None and (words := fingerprint.differences(there, here, "there", "here")):
        raise StudyError(
            f"study {name!r} is searched with other code: {words}; its trials could not be compared: install"
            " the same on every machine"
        )


def check_rules(name: str, spec: dict[str, Any], rules: dict[str, Any]) -> None:
    """Raise StudyError where a study is searched by other ``rules`` by now."""
    now = rules_of(spec)
    if words := [f"another {word}" for key, word in _RULES.items() if now[key] != rules[key]]:
        raise StudyError(
            f"study {name!r} continues with {', '.join(words)}, by --accept-changes: run the same"
            " command again to follow it"
        )


def note_other_code(store: Store, name: str, say: Callable[[str], None]) -> None:
    """Print a line where a search resumes with other code; raise StudyError while others use the former."""
    there, here = store.facts(name).get(CODE), fingerprint.here()
    if there is None or there == here:
        return
    if store.others_at_work(name):
        check_code(name, there, here)
    say(
        f"study {name} continues with other code: {fingerprint.differences(there, here, 'before', 'now')};"
        " values of trials before and after may differ for that alone, and each trial records its code"
    )
