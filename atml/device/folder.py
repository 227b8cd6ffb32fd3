"""The folder ``device/`` of an export: a model as C, a demo, a Makefile, and what they are in words and JSON.

Files that are the same for every model, and the words of the README, lie in ``c/project``.
"""

from __future__ import annotations

import hashlib
import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from atml import __version__
from atml.artifacts import card_kind
from atml.artifacts.json_file import fields_of
from atml.artifacts.model import METRICS, MODEL, ExportedModel
from atml.data import soundness
from atml.device import c
from atml.device.program import Program
from atml.device.toolchains.compilers import MODEL_FLAGS
from atml.device.toolchains.targets import TARGETS, Target, target_named
from atml.formatting import plural
from atml.tasks import targets

FOLDER, REPORT, README, MAIN, MAKEFILE = "device", "report.json", "README", "main.c", "Makefile"

PROJECT = Path(c.__file__).parent / "project"
"""Where `MAIN` lies as it is written, and templates of `README` and `MAKEFILE`."""

RATES = ("sensitivity", "specificity", "balanced accuracy")
"""Rates that a card begins with."""

DAY, WIDTH = 86_400, 110

LICENCE = """MIT License: whoever has these files may use, copy, modify, merge, publish, distribute,
sublicense and sell them, provided that this notice stays with them. Copyright (c) 2026 The atml authors.
They are provided "as is", without warranty of any kind, express or implied; in no event shall the authors be
liable for any claim, damages or other liability that arises from them or their use."""


def contents(
    program: Program,
    exported: ExportedModel,
    *,
    target: str,
    hop: int,
    facts: Mapping[str, Any] | None = None,
) -> dict[str, bytes]:
    """Return the files of an export's ``device/`` by name.

    Args:
        program: What is written, read from the export (`atml.device.reading.read`).
        exported: The export that it comes from; its figures are read where its folder is there.
        target: What it is for, a name of `atml.device.toolchains.targets.TARGETS`.
        hop: Samples from one decision of a stream to the next.
        facts: Further entries of `REPORT`: sizes, an estimate, what was checked.

    Raises:
        ConfigError: A hop below one sample.
        ToolchainError: No such target.

    Example:
        ``contents(read(found.model, found.config, found.task), found, target="cortex-m4", hop=250)`` of an
        export ``found`` has the names Makefile, README, main.c, model.c, model.h and report.json.
    """
    task, aim = exported.task, target_named(target)
    figures = _figures(exported)
    written = c.write(
        program,
        sampling_rate=task.sampling_rate,
        hop=hop,
        classes=task.classes,
        head=_card(program, exported, figures),
    )
    files = {name: text.encode() for name, text in written.items()}
    files[MAIN] = (PROJECT / MAIN).read_bytes()
    files[MAKEFILE] = _makefile().encode()
    files[README] = _readme(program, exported, figures, aim, hop).encode()
    report = _report(program, exported, figures, target, hop) | dict(facts or {})
    report["files"] = {name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)}
    text = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False)
    return files | {REPORT: f"{text}\n".encode()}


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


def _card(program: Program, exported: ExportedModel, figures: Mapping[str, float]) -> list[str]:
    """Say in a few lines what a model is, what it reached, and what it is not."""
    task = exported.task
    kind = card_kind.of(task)
    lines = [
        f"{task.name}: decides {kind.decides(task)}.",
        f"Takes {plural(task.leads, 'lead')} at {task.sampling_rate} Hz, windows of"
        f" {plural(task.window, 'sample')} in mV; {kind.wins(task)}.",
        f"Study {exported.study!r}, trial {exported.trial}, {MODEL} of SHA-256 {exported.sha256[:16]};"
        f" written by atml {__version__}, weights {program.format}.",
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
    program: Program, exported: ExportedModel, figures: Mapping[str, float], target: str, hop: int
) -> dict[str, Any]:
    task = exported.task
    return {
        "atml": __version__,
        "target": target,
        "format": program.format,
        "study": exported.study,
        "trial": exported.trial,
        "model": {"file": MODEL, "sha256": exported.sha256, "bytes": exported.size_bytes},
        "task": task.name,
        "classes": list(task.classes),
        "positive": task.positive,
        "leads": task.leads,
        "window": task.window,
        "sampling_rate": task.sampling_rate,
        "unit": "mV",
        "amplitude": None if exported.amplitude is None else list(exported.amplitude),
        "offsets": list(exported.offsets),
        "stream": {"hop": hop, "merge": 0, "shortest": 0},
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
    return _filled_in(
        MAKEFILE,
        boards=" ".join(one.name for one in boards),
        flags=" ".join((*MODEL_FLAGS, "-ffunction-sections", "-fdata-sections")),
        each=each,
    )


def _filled_in(name: str, **words: str) -> str:
    """Return a template of `PROJECT` with its words."""
    return Template((PROJECT / name).read_text(encoding="utf-8")).substitute(words)


def _readme(
    program: Program, exported: ExportedModel, figures: Mapping[str, float], aim: Target, hop: int
) -> str:
    task = exported.task
    leads, positive = plural(task.leads, "lead"), task.positive
    title = f"{task.name} on a device"
    several = task.leads > 1
    amplitude = ""
    if exported.amplitude is not None:
        low, middle, high = exported.amplitude
        amplitude = (
            f"; of the training's windows 98% range over {low:g} to {high:g}, {middle:g} at the median"
        )
    words = {
        "title": title,
        "line": "=" * len(title),
        "card": "\n\n".join(_card(program, exported, figures)),
        "window": f"{task.window}",
        "leads": leads,
        "rate": f"{task.sampling_rate}",
        "layout": ", lead after lead" if several else "",
        "amplitude": amplitude,
        "wins": card_kind.of(task).wins(task),
        "each": f"{leads} (sample[0], sample[1], ...)" if several else "the lead",
        "columns": "the leads side by side, with a comma or a blank between" if several else "one number",
        "hop": f"{hop}",
        "hop_s": f"{hop / task.sampling_rate:g}",
        "seconds": f"{task.seconds:g}",
        "flat": f"{soundness.FLAT:.0%}",
        "still": f"{soundness.STILL:g}",
        "saturated": f"{soundness.SATURATED:.0%}",
        "rail": f"{soundness.RAIL:g}",
        "events": "every class has its own" if positive is None else f"only {task.classes[positive]} has any",
        "wraps": f"{2**32 / task.sampling_rate / DAY:.0f}",
        "parameters": f"{program.parameters:,}",
        "form": program.format,
        "macs": f"{program.macs:,}",
        "ring": f"{4 * task.leads * task.window:,} bytes",
        "data": exported.data_name,
        "board": aim.name if aim.freestanding else "cortex-m4",
        "licence": LICENCE,
    }
    return _wrapped(_filled_in(README, **words))


def _wrapped(text: str) -> str:
    r"""Break the lines of paragraphs anew; those with a line that is set in stay as they are.

    Example:
        >>> print(_wrapped("one\ntwo\n\n  a\n  b"), end="")
        one two
        <BLANKLINE>
          a
          b
    """
    parts = text.rstrip().split("\n\n")
    kept = [part if "\n  " in f"\n{part}" or "==" in part else textwrap.fill(part, WIDTH) for part in parts]
    return "\n\n".join(kept) + "\n"
