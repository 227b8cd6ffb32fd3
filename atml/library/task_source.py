"""A task defined in a script or a notebook, written to the two files that searches and workers read.

Worker processes load the task, a study stores its code, and a model may be scored a year later by the labels
it was trained with. All of that needs the source text of a task: a pickled function can be run but not read.
So the source of the objects is looked up and written to ``search_spaces/NAME.py`` and
``objectives/NAME.py``, where the command line finds it too.
"""

from __future__ import annotations

import ast
import builtins
import dataclasses
import inspect
import math
import os
import sys
import textwrap
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from atml.errors import TaskFileError
from atml.task_files.builtin import FOLDERS
from atml.tasks.task import Task

SEARCH_SPACE = ("DEFAULT", "suggest")
OBJECTIVE = ("TASK", "label", "value", "QUALIFIES", "MAX_SIZE_KIB", "RULE")
OPTIONAL = (
    *("MAX_MACS", "MAX_RAM_KIB", "OPERATORS", "OBJECTIVES", "AGREEMENT", "TUNED", "WINDOWS", "BASELINE"),
    *("FLOOR", "HOPELESS", "OTHER_LEAD"),
)
SPACE_OPTIONAL = ("PORTFOLIO", "REGIONS")
"""Names that a task is made of: see the built-in files."""

MARK = "# Written by atml.TaskSource; changes are lost when it is written again."


@dataclass(frozen=True, kw_only=True)
class TaskSource:
    """The text of a task's two files; give it to `atml.search` in place of a task's name.

    ``search_space`` and ``objective`` are Python source, as in a file of ``search_spaces/`` and of
    ``objectives/``; ``name`` is that of its ``TASK``. `of` finds the source of a task that is defined in the
    calling program.

    Example:
        >>> TaskSource(name="mine", search_space="DEFAULT = {}", objective="QUALIFIES = 0.5").name
        'mine'
    """

    name: str
    search_space: str
    objective: str

    @classmethod
    def of(cls, names: Mapping[str, Any]) -> TaskSource:
        """Collect a task from objects by the names that they have in a task's files.

        Args:
            names: ``globals()`` where the task is defined in a notebook or a script, or a dict with ``TASK``,
                ``DEFAULT``, ``suggest``, ``label``, ``value``, ``QUALIFIES``, ``MAX_SIZE_KIB``, ``RULE``, and
                those that may be left out (``FLOOR``, ``BASELINE``, ``OBJECTIVES``, ``WINDOWS`` ...).

        Returns:
            The source of these objects and of everything of the same program that they use: functions,
            classes, imports, constants.

        Raises:
            TaskFileError: a part is missing, or its source can't be found: that of a lambda, of a function
                inside another one, of a constant without a literal form, or of anything typed into
                ``python -``, which keeps no source. Give the text itself then: ``TaskSource(name=...,
                search_space="...", objective="...")``.

        Example:
            >>> source = TaskSource.of(the_task)  # a dict of TASK, DEFAULT, suggest and so on
            >>> source.name
            'mine'
            >>> source.search_space.splitlines()[-1]
            '    return ModelConfig(channels=(width,), kernels=(5,), strides=(2,))'
        """
        for name in (*SEARCH_SPACE, *OBJECTIVE):
            if name not in names:
                raise TaskFileError(f"the task has no {name}; it is made of {', '.join(_ALL)}")
        task = names["TASK"]
        if not isinstance(task, Task):
            raise TaskFileError(f"TASK is {task!r}; make it an atml.Task")
        optional = [name for name in OPTIONAL if name in names]
        # Other modules of the program are imported, not copied: their code is not stored in the study.
        own = {getattr(names[name], "__module__", "") for name in ("suggest", "label", "value")}
        space, objective = _Writer(own), _Writer(own)
        for name in (*SEARCH_SPACE, *(name for name in SPACE_OPTIONAL if name in names)):
            space.define(name, names[name])
        for name in (*OBJECTIVE, *optional):
            objective.define(name, names[name])
        return cls(name=task.name, search_space=space.text(), objective=objective.text())

    def write(self, folder: str | os.PathLike[str] = ".") -> None:
        """Write both files into ``search_spaces/`` and ``objectives/`` of ``folder``.

        Raises:
            TaskFileError: a file of that name exists and was not written from a TaskSource, or the folder
                can't be written to.
        """
        texts = (self.search_space, self.objective)
        files = [Path(folder) / kind / f"{self.name}.py" for kind in FOLDERS]
        if not self.name.isidentifier():
            raise TaskFileError(f"TASK.name is {self.name!r}; it names files, so write it as mine or my_task")
        for file in files:
            if file.exists() and not file.read_text(encoding="utf-8").startswith(MARK):
                raise TaskFileError(
                    f"{file} is there already and was not written by atml; rename it, or call TASK otherwise"
                )
        for file, text in zip(files, texts, strict=True):
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                aside = file.with_suffix(".tmp")
                aside.write_text(f"{MARK}\n{text}", encoding="utf-8")
                aside.replace(file)
            except OSError as error:
                raise TaskFileError(f"{file} can't be written: {error.strerror}") from error


_ALL = (*SEARCH_SPACE, *OBJECTIVE)


class _Writer:
    """Writes the source of a module from objects, each after the things that it uses."""

    def __init__(self, own: Collection[str]) -> None:
        self._own = [name for name in own if name.split(".")[0] != "atml"]
        self._imports: list[str] = []
        self._body: list[str] = []
        self._done: dict[str, Any] = {}

    def text(self) -> str:
        """Return the module so far."""
        head = ["from __future__ import annotations", *sorted(self._imports)]
        return "\n\n".join(["\n".join(head), *self._body]) + "\n"

    def define(self, name: str, value: Any) -> None:
        """Define ``name`` as ``value``, after everything that it needs."""
        if name in self._done:
            if self._done[name] is not value and self._done[name] != value:
                raise TaskFileError(f"{name} means two different things in this task; rename one of them")
            return
        self._done[name] = value
        if isinstance(value, ModuleType):
            self._import(f"import {value.__name__} as {name}")
        elif isinstance(value, FunctionType | type):
            self._code(name, value)
        else:
            line = f"{name} = {self._literal(name, value)}"
            self._body.append(line)

    def _code(self, name: str, value: Callable[..., Any]) -> None:
        """Copy a function or class of the task's own modules; import one of another module."""
        own, home = value.__name__, value.__module__
        if home not in self._own:
            public = _public(value)
            self._import(f"from {public or home} import {own}" + ("" if own == name else f" as {name}"))
            return
        source = _source(name, value)
        if own != name:
            self.define(own, value)
            self._body.append(f"{name} = {own}")
            return
        scope = value.__globals__ if isinstance(value, FunctionType) else vars(sys.modules[home])
        for used in _used(source):
            if used in scope and used != name and not _is_builtin(used, scope[used]):
                self.define(used, scope[used])
        for module in _submodules(source, scope):
            self._import(f"import {module}")
        self._body.append(source)

    def _import(self, line: str) -> None:
        if line not in self._imports and not line.startswith("from __future__"):
            self._imports.append(line)

    def _literal(self, name: str, value: Any) -> str:
        """Return a constant as source, the same in every process: sets are sorted."""
        if isinstance(value, Task):
            self.define("Task", Task)
            every = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
            # Written as before the field came, which the hash of the file goes by.
            fields = [(key, one) for key, one in every if (key, one) != ("after_beat", None)]
            return f"Task({', '.join(f'{key}={self._literal(name, one)}' for key, one in fields)})"
        if isinstance(value, FunctionType):
            self.define(value.__name__, value)
            return value.__name__
        if isinstance(value, Mapping):
            pairs = (f"{self._literal(name, k)}: {self._literal(name, v)}" for k, v in value.items())
            return f"{{{', '.join(pairs)}}}"
        if isinstance(value, list):
            return f"[{', '.join(self._literal(name, one) for one in value)}]"
        if isinstance(value, tuple):
            return f"({''.join(f'{self._literal(name, one)}, ' for one in value)})"
        if isinstance(value, set | frozenset):
            inside = ", ".join(sorted(self._literal(name, one) for one in value))
            return f"{type(value).__name__}([{inside}])"
        if value is None or isinstance(value, bool | bytes):
            return repr(value)
        # The repr of a numpy number is not a plain literal.
        if isinstance(value, str):
            return repr(str(value))
        if isinstance(value, int):
            return repr(int(value))
        if isinstance(value, float) and math.isfinite(value):
            return repr(float(value))
        raise TaskFileError(
            f"{name} is {value!r:.60}, which can't be written into a task's file; use numbers, texts, tuples,"
            " lists, sets and dicts, or make it inside the function"
        )


def _public(value: Any) -> str:
    """Return "atml" for a public name of atml, which does not move as internal modules may; else ""."""
    import atml

    name = value.__name__
    return "atml" if name in atml.__all__ and getattr(atml, name) is value else ""


def _is_builtin(name: str, value: Any) -> bool:
    return getattr(builtins, name, None) is value


def _source(name: str, value: Callable[..., Any]) -> str:
    """Return the source of a function or class of the program."""
    own = value.__name__
    if own == "<lambda>" or "<locals>" in value.__qualname__ or "." in value.__qualname__:
        raise TaskFileError(
            f"{name} is {value.__qualname__}; define it by def, outside of any function or class"
        )
    try:
        text = textwrap.dedent(inspect.getsource(value))
        ast.parse(text)
    except (OSError, TypeError, SyntaxError) as error:
        raise TaskFileError(
            f"the source of {name}() can't be read ({error}), as in a program fed to `python -`: run a script"
            " or a notebook, or give the text of the task's files to atml.TaskSource"
        ) from error
    return text.rstrip()


def _used(source: str) -> list[str]:
    """Return the names that a piece of code reads, in the order in which they come."""
    nodes = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name))
    return list(
        dict.fromkeys(node.id for node in sorted(nodes, key=lambda node: (node.lineno, node.col_offset)))
    )


def _submodules(source: str, scope: Mapping[str, Any]) -> list[str]:
    """Return the modules that code reaches through a package: `scipy.signal` of ``import scipy``."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            package = scope.get(node.value.id)
            name = f"{getattr(package, '__name__', '')}.{node.attr}"
            if isinstance(package, ModuleType) and name in sys.modules:
                found.append(name)
    return found
