"""Windows in Parquet: a row each, with the samples in a list ``x``, or in columns named by numbers.

The other columns are those of an ``.npz``: ``y`` or ``rhythm``, ``subject``, ``split``, ``sampling_rate``.
A folder of such files is one set. Format: https://parquet.apache.org/docs/file-format/.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from atml.data.formats.base import BLOCK
from atml.data.formats.hdf5 import OTHER_NAMES, named
from atml.data.formats.npz import Arrays, Npz
from atml.data.text import decoded
from atml.errors import DataError, MissingExtraError, in_one_line

ENDING = ".parquet"

SMALL = ("y", "rhythm", "label", "labels", "subject", "record", "split", "sampling_rate")
"""Columns beside the samples; all others are passed over."""


def package() -> Any:
    """Return the module pyarrow.parquet; raises MissingExtraError where it is not installed."""
    try:
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("reading Parquet", "parquet") from None
    return pyarrow.parquet


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(file for file in path.iterdir() if file.suffix.lower() == ENDING and file.name[0] != ".")


def _read(path: Path, only: str) -> Arrays:
    """Return the arrays of all files together."""
    parquet = package()
    parts: dict[str, list[npt.NDArray[Any]]] = {}
    names: list[str] = []
    row = 0
    for file in _files(path):
        try:
            # By file object: the package takes no name that is not UTF-8.
            with file.open("rb") as raw, parquet.ParquetFile(raw) as opened:
                wanted = _columns(opened.schema_arrow.names, only)
                if names and wanted != names:
                    raise DataError(f"{file} has other columns than {_files(path)[0].name}")
                names = wanted
                for batch in opened.iter_batches(batch_size=BLOCK, columns=wanted):
                    for name, values in _arrays(file, batch, row).items():
                        parts.setdefault(name, []).append(values)
                    row += batch.num_rows
        except (OSError, ValueError, TypeError, KeyError, NotImplementedError, OverflowError) as error:
            said = in_one_line(error)
            raise DataError(f"can't read {file}: {said}; is it complete?") from None
    try:
        found = named(path, {name: np.concatenate(values) for name, values in parts.items()})
    except ValueError as error:
        raise DataError(
            f"{path}: rows of x are of several lengths ({' '.join(str(error).split())})"
        ) from None
    if "sampling_rate" in found:
        found["sampling_rate"] = np.unique(found["sampling_rate"])
    return found


def _columns(there: Sequence[str], only: str) -> list[str]:
    """Return the columns to read, of those that are there."""
    called = {name: OTHER_NAMES.get(name.casefold(), name.casefold()) for name in there}
    if only:
        return [name for name, meant in called.items() if meant == only]
    small = [name for name, meant in called.items() if meant in SMALL]
    samples = [name for name, meant in called.items() if meant == "x"]
    return [*small, *(samples or sorted((name for name in there if name.isdigit()), key=int))]


def _arrays(file: Path, batch: Any, first: int) -> Arrays:
    """Return the arrays of some rows; ``first`` is the number of the first, for messages."""
    found: Arrays = {}
    numbered = []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if name.isdigit():
            numbered.append(_numbers(file, name, column.to_pylist(), first))
        elif OTHER_NAMES.get(name.casefold(), name.casefold()) == "x":
            found[name] = _samples(file, name, column, first)
        else:
            values = column.to_pylist()
            text = any(isinstance(value, str | bytes | type(None)) for value in values)
            found[name] = np.array([_text(value) for value in values]) if text else np.array(values)
    if numbered:
        found["x"] = np.stack(numbered, axis=1)
    return found


def _text(value: Any) -> str:
    return "" if value is None else decoded(value) if isinstance(value, bytes) else str(value)


def _samples(file: Path, name: str, column: Any, first: int) -> npt.NDArray[np.floating]:
    """Return a column of lists, ``(rows, samples)``, or of lists of lists, ``(rows, leads, samples)``."""
    if column.null_count:
        at = next(row for row, valid in enumerate(column.is_valid().to_pylist()) if not valid)
        raise DataError(f"{file} row {first + at}: {name} is empty")
    rows, shape = column, [len(column)]
    while hasattr(rows, "flatten") and rows.type.num_fields == 1:
        inner = rows.flatten()
        if inner.null_count and hasattr(inner, "flatten") and inner.type.num_fields == 1:
            raise DataError(f"{file}: a lead of {name} is empty in rows {first} to {first + len(column) - 1}")
        lengths = np.array(rows.value_lengths().to_pylist() if hasattr(rows, "value_lengths") else [0])
        if len(np.unique(lengths)) > 1:
            at = int(np.flatnonzero(lengths != lengths[0])[0])
            row = first + at * len(column) // max(1, len(rows))
            detail = f"{lengths[at]} values where row {first} has {lengths[0]}"
            raise DataError(f"{file} row {row}: {name} has {detail}: rows must be of one length")
        shape.append(len(inner) // max(1, len(rows)))
        rows = inner
    values = np.asarray(rows.to_numpy(zero_copy_only=False))
    if values.dtype.kind not in "fiu":
        raise DataError(f"{name} in {file} holds {column.type}, not lists of numbers")
    return values.reshape(shape)


def _numbers(file: Path, name: str, values: list[Any], first: int) -> npt.NDArray[np.floating]:
    try:
        return np.array([np.nan if value is None else value for value in values], np.float32)
    except (TypeError, ValueError):
        raise DataError(f"column {name} of {file} holds no numbers, from row {first} on") from None


class Parquet(Npz):
    """One Parquet file, or a folder of them."""

    @staticmethod
    def recognises(path: Path) -> bool:
        """Tell a file by its ending, a folder by such files right in it."""
        try:
            if path.is_dir():
                return bool(_files(path))
            return path.suffix.lower() == ENDING and path.is_file()
        except OSError:
            return False

    def load(self, only: str = "") -> Arrays:
        """Return the arrays, or the one that is wanted alone."""
        return _read(self.path, only)
