"""A user's own rules: files in the folder ``rules/`` of the working directory.

A file needs one function and may have more members::

    # rules/mine.py, for `atml score EXPORT --rule mine`
    from atml import Figure, Judged, Score

    OPTIONS = {}                            # defaults of --rule-option NAME=VALUE; may be left out

    def score(judged: Judged, options) -> Score:
        right = (judged.y_true == judged.y_pred).mean()
        return Score(figures=(Figure("right", "share of windows called right", right),))

It may also have ``NAME`` (the file's own name), ``AWARDS`` (True where a measured latency and size count;
False), ``fits(task)``, which raises `atml.InputError` for a model that it can't judge (it judges all), and
``decide(outputs)``, labels ``(n,)`` of outputs ``(n, classes)`` (the task decides).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from atml.arrays import Int64
from atml.errors import TaskFileError
from atml.scoring.rules.base import Figure, Judged, Score
from atml.task_files.loading import execute, guarded, part
from atml.tasks.task import Task

FOLDER = "rules"


def names(cwd: Path | None = None) -> dict[str, Path]:
    """Return the rule files by name; files that begin with ``_`` are not rules."""
    folder = (cwd or Path.cwd()) / FOLDER
    found = sorted(folder.glob("*.py")) if folder.is_dir() else ()
    return {path.stem: path.resolve() for path in found if not path.name.startswith("_")}


def taken(path: Path) -> TaskFileError:
    """Return the error for a file named like a built-in rule, whose figures it would seem to give."""
    return TaskFileError(f"{path} has the name of the built-in rule {path.stem!r}; rename the file")


@dataclass(frozen=True)
class FileRule:
    """A rule that a file holds; the members are those of `atml.scoring.rules.base.Rule`."""

    NAME: str
    OPTIONS: Mapping[str, float]
    AWARDS: bool
    decide: Callable[[npt.ArrayLike], Int64] | None
    path: Path
    code_hash: str
    _fits: Callable[..., Any] | None
    _score: Callable[..., Any]

    def fits(self, task: Task) -> None:
        """Raise what the file's ``fits`` raises for a model that it can't judge."""
        if self._fits is not None:
            self._fits(task)

    def score(self, judged: Judged, options: Mapping[str, float]) -> Score:
        """Score by the file's function, and add a note that names the file.

        Raises TaskFileError where the function raises or returns anything but a valid `Score`.
        """
        found: Score = self._score(judged, options)
        where = f"{self.path}: score() returns"
        if not found.figures or not all(isinstance(figure, Figure) for figure in found.figures):
            raise TaskFileError(f"{where} figures {found.figures!r}; give a tuple of atml.Figure")
        keys = [figure.key for figure in found.figures]
        if twice := [key for key in keys if keys.count(key) > 1]:
            raise TaskFileError(f"{where} two figures {twice[0]!r}; a key names one")
        figures = tuple(replace(figure, value=self._number(figure)) for figure in found.figures)
        own = {"rule_file": self.path.name, "rule_hash": self.code_hash}
        note = f"rule {self.NAME} is your own file {self.path}, code {self.code_hash}: no official figures"
        made = replace(
            found,
            rule=self.NAME,
            figures=figures,
            options=dict(options),
            details={**found.details, **own},
            notes=(*found.notes, note),
        )
        try:
            json.dumps(made.to_dict(), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise TaskFileError(f"{where} what can't be written as JSON: {error}") from None
        return made

    def _number(self, figure: Figure) -> float:
        try:
            value = float(figure.value)
        except (TypeError, ValueError):
            value = math.nan
        if not math.isfinite(value):
            raise TaskFileError(
                f"{self.path}: figure {figure.key!r} is {figure.value!r}, not a finite number"
            )
        return value


def load(path: Path) -> FileRule:
    """Load a rule's file.

    Raises:
        TaskFileError: it can't be read or raises, has no ``score``, or holds a member of another kind than
            expected.
    """
    module, _, code_hash = execute(path)
    if not hasattr(module, "score"):
        raise TaskFileError(f"{path} has no score; write `def score(judged, options)` that returns a Score")
    name = part(module, path, "NAME", str) if hasattr(module, "NAME") else path.stem
    if name != path.stem:
        raise TaskFileError(f"{path}: NAME is {name!r}; call it {path.stem!r}, as the file, or leave it out")
    options = dict(part(module, path, "OPTIONS", Mapping)) if hasattr(module, "OPTIONS") else {}
    for key, value in options.items():
        if not isinstance(key, str) or isinstance(value, bool) or not isinstance(value, int | float):
            raise TaskFileError(f"{path}: OPTIONS has {key!r}: {value!r}; it maps names to numbers")
    awards = getattr(module, "AWARDS", False)
    if not isinstance(awards, bool):
        raise TaskFileError(f"{path}: AWARDS is {awards!r}, not True or False")

    def function(name: str, kind: type | None) -> Callable[..., Any]:
        return guarded(part(module, path, name, Callable), path, name, kind)

    return FileRule(
        NAME=name,
        OPTIONS={key: float(value) for key, value in options.items()},
        AWARDS=awards,
        decide=_decide(function("decide", None), path) if hasattr(module, "decide") else None,
        path=path,
        code_hash=code_hash,
        _fits=function("fits", None) if hasattr(module, "fits") else None,
        _score=function("score", Score),
    )


def _decide(function: Callable[..., Any], path: Path) -> Callable[[npt.ArrayLike], Int64]:
    """Return ``decide`` with its answer checked: one label a row, numbers of classes."""

    def decide(outputs: npt.ArrayLike) -> Int64:
        rows, classes = np.shape(outputs)
        found = np.asarray(function(outputs))
        if found.shape != (rows,) or found.dtype.kind not in "iub":
            raise TaskFileError(
                f"{path}: decide() returns {found.dtype} {found.shape} for outputs {(rows, classes)}; give"
                f" whole numbers ({rows},)"
            )
        if rows and not 0 <= int(found.min()) <= int(found.max()) < classes:
            raise TaskFileError(
                f"{path}: decide() returns labels {found.min()} to {found.max()}; give 0 to {classes - 1}"
            )
        return found.astype(np.int64)

    return decide
