"""What models are called in a server or a repository: after their folders, or as the command line says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from atml.artifacts.model import ExportedModel, load
from atml.errors import ExportError, InputError

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
"""Letters that mean the same in an address, in a folder's name and in a label of Prometheus."""


def loaded(exports: Sequence[str]) -> dict[str, ExportedModel]:
    """Load exports, each ``EXPORT`` or ``NAME=EXPORT``, by name.

    Raises:
        ExportError: One is missing or damaged, or has no name that can be used.
        InputError: Two have the same name.
    """
    found: dict[str, ExportedModel] = {}
    places: dict[str, Path] = {}
    for text in exports:
        name, path = parted(text)
        model = load(path)
        name = name or of(path)
        if name in found:
            raise InputError(
                f"{places[name]} and {path} are both called {name!r}; name one of them, as NAME={path}"
            )
        found[name], places[name] = model, path
    return found


def parted(text: str) -> tuple[str, Path]:
    """Part ``NAME=EXPORT``; the name is "" where none is given, or where all of it is a path that is there.

    Raises InputError for a name with other letters than `NAME`.

    Example:
        >>> name, path = parted("night=exports/small/97-91-t0138")
        >>> name, path.name
        ('night', '97-91-t0138')
    """
    name, equals, rest = text.partition("=")
    if not equals or Path(text).exists():
        return "", Path(text)
    if not NAME.fullmatch(name):
        raise InputError(f"{name!r} of {text!r} is no name of a model: {_RULE}")
    if not rest:
        raise InputError(f"{text!r} names no export; write NAME=EXPORT")
    return name, Path(rest)


def of(path: Path) -> str:
    """Name a model after its folder, or after its file where that has a name of its own.

    Raises ExportError where that name can't be used.

    Example:
        >>> of(Path("exports/small/97-91-t0138")), of(Path("97-91-t0138/model.onnx")), of(Path("af.onnx"))
        ('97-91-t0138', '97-91-t0138', 'af')
    """
    whole = path.resolve() if ".." in path.parts else path.absolute()
    folder = whole.parent if whole.name == "model.onnx" else whole
    name = folder.name.removesuffix(".onnx") if folder == whole else folder.name
    if not NAME.fullmatch(name):
        raise ExportError(f"{name!r} is no name of a model ({_RULE}); give one, as NAME={path}")
    return name


_RULE = "letters, digits, '.', '_' and '-', at most 100, not beginning with '.' or '-'"
