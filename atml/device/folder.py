"""The folder ``device/`` of an export: a model as C, a demo, a Makefile, and what they are in words and JSON.

Files that are the same for every model, and the words of the README, lie in ``c/project``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from atml import __version__
from atml.artifacts import card_kind
from atml.artifacts.json_file import fields_of
from atml.artifacts.model import METRICS, MODEL, ExportedModel
from atml.device import c, readme
from atml.device.program import Program
from atml.device.quantised import Quantised
from atml.device.toolchains.compilers import MODEL_FLAGS
from atml.device.toolchains.targets import TARGETS, target_named
from atml.formatting import plural, utf8
from atml.tasks import targets

FOLDER, REPORT, README, MAIN, MAKEFILE = "device", "report.json", readme.NAME, "main.c", "Makefile"

RATES = ("sensitivity", "specificity", "balanced accuracy")
"""Rates that a card begins with."""


def contents(
    program: Program | Quantised,
    exported: ExportedModel,
    *,
    target: str,
    hop: int,
    facts: Mapping[str, Any] | None = None,
    model: bytes | None = None,
) -> dict[str, bytes]:
    """Return the files of an export's ``device/`` by name.

    Args:
        program: What is written, read from the export (`atml.device.reading.read`).
        exported: The export that it comes from; its figures are read where its folder is there.
        target: What it is for, a name of `atml.device.toolchains.targets.TARGETS`.
        hop: Samples from one decision of a stream to the next.
        facts: Further entries of `REPORT`: sizes, an estimate, what was checked.
        model: The ONNX file of the program, which then lies beside the C; None where it has none.

    Raises:
        ConfigError: A hop below one sample.
        ToolchainError: No such target.

    Example:
        ``contents(read(found.model, found.config, found.task), found, target="cortex-m4", hop=250)`` of an
        export ``found`` has the names Makefile, README, main.c, model.c, model.h and report.json.
    """
    task, aim = exported.task, target_named(target)
    figures = _figures(exported)
    card = _card(program, exported, figures)
    written = c.write(
        program,
        sampling_rate=task.sampling_rate,
        hop=hop,
        classes=task.classes,
        head=card,
        after=task.samples_after_beat if task.around_beats else None,
    )
    files = {name: utf8(text) for name, text in written.items()}
    files[MAIN] = utf8(readme.project_file(MAIN, readme.kind_of(task)))
    files[MAKEFILE] = utf8(_makefile())
    files[README] = utf8(readme.render(program, exported, card, aim, hop, facts or {}))
    report = _report(program, exported, figures, target, hop) | dict(facts or {})
    if model is not None:
        files[MODEL] = model
    report["files"] = {name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)}
    text = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False)
    return files | {REPORT: utf8(f"{text}\n")}


def written_format(exported: ExportedModel) -> str | None:
    """Return the format that ``device/`` of an export has its model in; None where no C of it is there."""
    if exported.folder is None:
        return None
    read = fields_of(exported.folder / FOLDER / REPORT)
    found = read.get("format") if _of(read.get("model"), "sha256") == exported.sha256 else None
    return found if isinstance(found, str) else None


def _figures(exported: ExportedModel) -> dict[str, float]:
    """Return the figures out of fold by name; {} of a file that travels alone, and of damaged ones."""
    read = {} if exported.folder is None else fields_of(exported.folder / METRICS)
    rates, intervals = (read.get(key) for key in ("rates", "intervals"))
    named = {name: _number(_of(_of(rates, name), "value")) for name in RATES}
    subject = card_kind.of(exported.task).SUBJECT_FIGURE
    named[subject] = _number(_of(_of(intervals, "F"), "value"))
    named["objective"] = _number(read.get("value"))
    return {name: value for name, value in named.items() if value is not None}


def _of(fields: Any, key: str) -> Any:
    return fields.get(key) if isinstance(fields, dict) else None


def _number(value: Any) -> float | None:
    """Return a number that is one."""
    return float(value) if isinstance(value, int | float) and np.isfinite(value) else None


def _card(program: Program | Quantised, exported: ExportedModel, figures: Mapping[str, float]) -> list[str]:
    """Say in a few lines what a model is, what it reached, and what it is not."""
    task = exported.task
    kind = card_kind.of(task)
    lines = [
        f"{task.name}: decides {kind.decides(task)}.",
        f"Takes {plural(task.leads, 'lead')} at {task.sampling_rate} Hz, windows of"
        f" {plural(task.window, 'sample')} in mV; {kind.wins(task)}.",
        f"Study {exported.study!r}, trial {exported.trial}, whose {MODEL} has the SHA-256"
        f" {exported.sha256[:16]}; written by atml {__version__}, weights {program.format}.",
        f"Decision, part of the last biases: {targets.of(task).describe_decision(exported.offsets)}.",
        f"Trained on {exported.data_name}, fingerprint {exported.data_fingerprint[:16]}.",
    ]
    if figures:
        found = ", ".join(f"{name} {value:.3f}" for name, value in figures.items())
        lines.append(f"Out of fold, of the float model: {found}.")
    else:
        lines.append(f"Its figures are in the export's {METRICS}, which was not there.")
    if exported.synthetic:
        lines.append("SYNTHETIC DATA: trained on generated ECG only, unfit for any real recording.")
    if exported.unqualified:
        lines.append(f"UNQUALIFIED, below the gate of its objective: {'; '.join(exported.unqualified)}.")
    return [*lines, "Not a medical device, and not validated for any clinical use."]


def _report(
    program: Program | Quantised, exported: ExportedModel, figures: Mapping[str, float], target: str, hop: int
) -> dict[str, Any]:
    task = exported.task
    return {
        "atml": __version__,
        "target": target,
        "format": program.format,
        "study": exported.study,
        "trial": exported.trial,
        "model": {"file": f"../{MODEL}", "sha256": exported.sha256, "bytes": exported.size_bytes},
        "task": task.name,
        "classes": list(task.classes),
        "positive": task.positive,
        "leads": task.leads,
        "window": task.window,
        "sampling_rate": task.sampling_rate,
        "unit": "mV",
        "amplitude": None if exported.amplitude is None else list(exported.amplitude),
        "offsets": list(exported.offsets),
        "stream": (
            {"after_beat": task.samples_after_beat}
            if task.around_beats
            else {"hop": hop, "merge": 0, "shortest": 0}
        ),
        "parameters": program.parameters,
        "macs": program.macs,
        "data": {
            "name": exported.data_name,
            "fingerprint": exported.data_fingerprint,
            "synthetic": exported.synthetic,
        },
        "figures": {"source": "out of fold, of the float model", **figures},
        "unqualified": list(exported.unqualified),
        "medical_device": False,
    }


def _makefile() -> str:
    """Return a Makefile that compiles for this computer and for every board."""
    boards = [one for one in TARGETS.values() if one.freestanding]
    each = "".join(
        f"{one.name}: TOOLS = {one.gcc.removesuffix('gcc')}\n{one.name}: CORE = {' '.join(one.gcc_flags)}\n"
        for one in boards
    )
    return readme.filled_in(
        MAKEFILE,
        boards=" ".join(one.name for one in boards),
        flags=" ".join((*MODEL_FLAGS, "-ffunction-sections", "-fdata-sections")),
        each=each,
    )
