"""Forms that a trained network is written in.

Add one by writing a class with the members of `atml.artifacts.backends.base.Backend` and putting an instance
into `BACKENDS` under its name.
"""

from __future__ import annotations

from atml.artifacts.backends.base import Backend
from atml.artifacts.backends.onnx import Onnx
from atml.errors import ExportError

BACKENDS: dict[str, Backend] = {Onnx.name: Onnx()}
"""Backends by name."""


def backend(name: str) -> Backend:
    """Return the backend of a name; raises ExportError for one that is not there.

    Example:
        >>> backend("onnx").file_name
        'model.onnx'
    """
    if name not in BACKENDS:
        raise ExportError(f"no backend {name!r}; an export is written as one of {', '.join(BACKENDS)}")
    return BACKENDS[name]


__all__ = ["BACKENDS", "Backend", "backend"]
