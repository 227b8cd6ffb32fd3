"""The folder ``device/`` of an export on disk: written whole, in place of an earlier one, and read back."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atml.artifacts.backends import onnx_w8
from atml.artifacts.model import MODEL, ExportedModel
from atml.device import ranges_file
from atml.device.checking import HOST_WINDOWS, Checked, check, demand, windows
from atml.device.folder import FOLDER, contents
from atml.device.formats import format_named
from atml.device.program import F32, W8, Program
from atml.device.quantised import W8A8, Quantised
from atml.device.reading import read
from atml.device.toolchains.targets import target_named
from atml.errors import BuildError, ExportError, InputError, ToolchainError

LONGEST_HOP_S = 86_400
"""Most seconds between two decisions of a stream."""


@dataclass(frozen=True)
class Wanted:
    """What C is asked for: the ``target``, the ``format``, and seconds from decision to decision.

    Raises InputError for a target, a format or a time that can't be, before anything is trained for it.
    """

    target: str
    format: str = F32
    hop_s: float | None = None

    def __post_init__(self) -> None:
        target_named(self.target)
        format_named(self.format)
        if self.hop_s is not None and not 0 < self.hop_s <= LONGEST_HOP_S:
            raise InputError(
                f"--hop {self.hop_s:g} is no time between two decisions: give seconds above 0, at most"
                f" {LONGEST_HOP_S:,}"
            )


@dataclass(frozen=True)
class DeviceModel:
    """An export in one format: the ONNX file ``model`` and the program that was read from it.

    A program in integers has no ONNX form; its ``model`` is the one in float32.
    """

    exported: ExportedModel
    model: bytes
    program: Program | Quantised


def in_format(exported: ExportedModel, name: str = F32) -> DeviceModel:
    """Return an export in a format.

    Raises:
        InputError: no such format; the message lists them.
        ExportError: the network has no form on a device, or the export no ranges for `W8A8`.
    """
    model = exported.model
    if format_named(name) == W8A8:
        return DeviceModel(exported, model, ranges_file.quantised(exported))
    if name == W8:
        model = onnx_w8.quantised(model, {"weights": W8, "float_sha256": exported.sha256})
    return DeviceModel(exported, model, read(model, exported.config, exported.task))


def files(
    found: DeviceModel, *, target: str, hop: int, facts: Mapping[str, Any] | None = None
) -> dict[str, bytes]:
    """Return the files of ``device/`` by name; ``hop`` is in samples, ``facts`` go into its report.json."""
    model = None if isinstance(found.program, Quantised) else found.model
    return contents(found.program, found.exported, target=target, hop=hop, facts=facts, model=model)


def write(folder: Path, content: Mapping[str, bytes]) -> Path:
    """Write ``device/`` into an export's folder, whole, in place of an earlier one; return where it is.

    Raises:
        ExportError: it can't be written; an earlier one is left as it was.
    """
    place = folder / FOLDER
    aside: Path | None = None
    try:
        aside = Path(tempfile.mkdtemp(prefix=f".{FOLDER}-", dir=folder))
        new, old = aside / "new", aside / "old"
        new.mkdir()
        for name, data in content.items():
            (new / name).write_bytes(data)
        with contextlib.suppress(FileNotFoundError):
            place.rename(old)
        try:
            new.rename(place)
        except OSError:
            if old.exists():
                old.rename(place)
            raise
    except OSError as error:
        raise ExportError(f"{place} can't be written: {error.strerror or error}") from error
    finally:
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)
    return place


def write_checked(exported: ExportedModel, wanted: Wanted) -> str:
    """Write ``device/`` into an export's folder, checked here where that can be, and say so in one line.

    Raises:
        InputError: a hop below one sample, or any for windows round beats.
        ParityError: the C and the model disagree; nothing is written.
        ExportError: the network has no form on a device, or the folder can't be written.
    """
    assert exported.folder is not None, "an export in a study has a folder"
    task = exported.task
    if wanted.hop_s is not None and task.around_beats:
        raise InputError(
            f"--hop {wanted.hop_s:g} is the time between two decisions, and task {task.name!r} decides on"
            " every beat: leave it out"
        )
    found = in_format(exported, wanted.format)
    hop = task.window if wanted.hop_s is None else round(wanted.hop_s * task.sampling_rate)
    made = files(found, target=wanted.target, hop=hop)
    x = windows(task, HOST_WINDOWS)
    checks: list[Checked] = []
    unchecked: list[str] = []
    for name in dict.fromkeys(("host", wanted.target)):
        try:
            checks.append(check(found.program, found.model, made, x, name))
        except (ToolchainError, BuildError) as error:
            unchecked.append(f"not checked on {name}: {error}")
            continue
        demand(checks[-1])
    facts = {"checked": [one.to_dict() for one in checks], "unchecked": unchecked}
    place = write(exported.folder, files(found, target=wanted.target, hop=hop, facts=facts))
    of = "its reference in numpy" if isinstance(found.program, Quantised) else MODEL
    said = [f"on {one.title} the decisions of {of} on {one.windows:,} windows" for one in checks]
    return f"wrote {place} ({found.program.format}): {'; '.join([*said, *unchecked])}"
