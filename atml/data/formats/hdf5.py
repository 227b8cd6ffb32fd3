"""Windows in HDF5: the arrays of an ``.npz`` as data sets, and what MATLAB writes as version 7.3.

MATLAB's file is HDF5 behind 512 bytes, with every array transposed, text as numbers and cells as references.
Source: https://www.mathworks.com/help/matlab/import_export/mat-file-versions.html.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from atml.data.formats.npz import Arrays, Npz
from atml.data.text import decoded
from atml.errors import DataError, MissingExtraError, in_one_line

ENDINGS = (".h5", ".hdf5")

SIGNATURE = b"\x89HDF\r\n\x1a\n"
BEHIND = 512
"""Bytes before the signature in a file of MATLAB's."""

OTHER_NAMES = {
    **dict.fromkeys(("ecg", "signal", "signals", "windows"), "x"),
    **dict.fromkeys(("patient", "patient_id", "subject_id", "subjects"), "subject"),
    **dict.fromkeys(("recording", "record_id"), "record"),
    **dict.fromkeys(("fs", "rate", "frequency"), "sampling_rate"),
}
"""What the arrays are called by others -> what they are called here."""

_DAMAGED = (OSError, ValueError, KeyError, TypeError, RuntimeError, IndexError, AttributeError, OverflowError)


def package() -> Any:
    """Return the package h5py; raises MissingExtraError where it is not installed."""
    try:
        import h5py
    except ImportError:
        raise MissingExtraError("reading HDF5 and MATLAB's version 7.3", "hdf5") from None
    return h5py


def is_matlab(path: Path) -> bool:
    """Tell a file of MATLAB's version 7.3 by its first bytes; never raises."""
    try:
        with path.open("rb") as file:
            file.seek(BEHIND)
            return file.read(len(SIGNATURE)) == SIGNATURE
    except OSError:
        return False


def named(path: Path, arrays: Arrays) -> Arrays:
    """Give arrays the names that they have here; "label" is ``y`` or ``rhythm`` by its kind.

    Raises:
        DataError: Two arrays come to one name.
    """
    found: Arrays = {}
    for name, values in arrays.items():
        new = OTHER_NAMES.get(name.casefold(), name.casefold())
        if new in ("label", "labels"):
            new = "y" if values.dtype.kind in "iub" else "rhythm"
        if new in found:
            raise DataError(f"{path} holds {new!r} twice, also as {name!r}: leave one out")
        found[new] = values
    return found


def struct(path: Path, name: str = "data") -> npt.NDArray[Any] | None:
    """Return a struct array of MATLAB's, ``(n,)`` with objects in its fields; None where there is none.

    Raises:
        DataError: The file is damaged.
    """
    h5py = package()
    try:
        with h5py.File(path, "r") as file:
            group = file.get(name)
            if not isinstance(group, h5py.Group):
                return None
            fields = {field: _elements(file, group[field]) for field in group}
            lengths = {len(values) for values in fields.values()}
            if len(lengths) != 1:
                raise DataError(f"{name!r} in {path} has fields of several lengths: {sorted(lengths)}")
            found = np.zeros(lengths.pop(), [(field, object) for field in fields])
            for field, values in fields.items():
                for row, value in enumerate(values):
                    found[field][row] = value
            return found
    except _DAMAGED as error:
        raise _unreadable(path, error) from None


def _elements(file: Any, item: Any) -> list[Any]:
    """Return a field of each struct; of one alone the value itself is there, and no reference."""
    if _class(item) in ("", "struct") and item.dtype.kind == "O":
        return [_value(file, file[reference]) for reference in item[()].ravel(order="F")]
    return [_value(file, item)]


def _class(item: Any) -> str:
    found = item.attrs.get("MATLAB_class", b"")
    return found.decode() if isinstance(found, bytes) else str(found)


def _value(file: Any, item: Any) -> Any:
    """Return a value as `scipy.io.loadmat` would: text, an array, or an array of objects for a cell."""
    kind = _class(item)
    if item.attrs.get("MATLAB_empty", 0):
        return "" if kind == "char" else np.empty((0, 0))
    values = item[()]
    if kind == "char":
        rows = ["".join(map(chr, row)).rstrip() for row in np.atleast_2d(values.T).tolist()]
        return rows[0] if len(rows) == 1 else np.array(rows)
    if kind == "cell":
        cells = [_value(file, file[reference]) for reference in values.ravel(order="F")]
        found = np.empty(len(cells), object)
        found[:] = cells
        return found
    if values.dtype.kind == "O":
        raise ValueError(f"{item.name} is of MATLAB's class {kind or 'string'}, which is not read")
    return values.T


def _arrays(path: Path, only: str) -> Arrays:
    h5py = package()
    matlab = is_matlab(path)
    try:
        with h5py.File(path, "r") as file:
            found: Arrays = {
                name: np.asarray(value) for name, value in file.attrs.items() if np.ndim(value) == 0
            }
            for name, item in file.items():
                called = OTHER_NAMES.get(name.casefold(), name.casefold())
                if not isinstance(item, h5py.Dataset) or only not in ("", called):
                    continue
                found[name] = _of_matlab(file, item) if matlab else _plain(item)
    except _DAMAGED as error:
        raise _unreadable(path, error) from None
    return named(path, found)


def _plain(item: Any) -> npt.NDArray[Any]:
    """Return a data set; text as text, and a column as a row of its values."""
    values = np.asarray(item[()])
    if values.dtype.kind == "O":  # text of any length, as bytes
        told = [decoded(value) if isinstance(value, bytes) else str(value) for value in values.ravel()]
        values = np.array(told, np.str_).reshape(values.shape)
    return values.reshape(-1) if values.ndim == 2 and values.shape[1] == 1 else values


def _of_matlab(file: Any, item: Any) -> npt.NDArray[Any]:
    """Return a matrix or a cell of texts; a row or a column as its values."""
    values = np.asarray(_value(file, item))
    if values.dtype.kind == "O":
        values = np.array([str(value) for value in values.ravel()], np.str_)
    return values.reshape(-1) if values.ndim == 2 and 1 in values.shape and item.name != "/x" else values


def _unreadable(path: Path, error: Exception) -> DataError:
    if isinstance(error, DataError):
        return error
    said = in_one_line(error)
    return DataError(f"can't read {path}: {said}; is it complete?")


class Hdf5(Npz):
    """One HDF5 file, or one of MATLAB's version 7.3, with the arrays of an ``.npz``."""

    @staticmethod
    def recognises(path: Path) -> bool:
        """Tell it by its ending; a file of MATLAB's by the matrix ``x`` in it."""
        if not path.is_file():
            return False
        if path.suffix.lower() in ENDINGS:
            return True
        if path.suffix.lower() != ".mat" or not is_matlab(path):
            return False
        try:
            with package().File(path, "r") as file:
                return "x" in file and "data" not in file
        except (MissingExtraError, *_DAMAGED):  # told where it is opened as the struct
            return False

    def load(self, only: str = "") -> Arrays:
        """Return the arrays, or the one that is wanted alone."""
        return _arrays(self.path, only)
