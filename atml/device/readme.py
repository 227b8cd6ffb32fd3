"""The README of ``device/``: what its files are, how to use them, and what was found out about them here."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from atml.artifacts import card_kind
from atml.artifacts.model import MODEL, ExportedModel
from atml.data import soundness
from atml.device import c
from atml.device.c import beats
from atml.device.c.fragments import chosen
from atml.device.program import F32, W8, Program
from atml.device.quantised import W8A8, Quantised
from atml.device.toolchains.targets import Target
from atml.formatting import listed, plural
from atml.tasks.task import Task

NAME = "README"

PROJECT = Path(c.__file__).parent / "project"
"""Where the demo lies, and templates of the README and of the Makefile."""

DAY, WIDTH = 86_400, 110

LICENCE = """MIT License: whoever has these files may use, copy, modify, merge, publish, distribute,
sublicense and sell them, provided that this notice stays with them. Copyright (c) 2026 The atml authors.
They are provided "as is", without warranty of any kind, express or implied; in no event shall the authors be
liable for any claim, damages or other liability that arises from them or their use."""


ONNX = "  model.onnx        the same network as ONNX, from which the C was written\n"

SAME = {
    F32: "else the class that onnxruntime gives for model.onnx.",
    W8: "else the class that onnxruntime gives for the model.onnx beside this file, which has weights in 8"
    " bits.",
    W8A8: "else the class. ONNX has no form for this format: the C has the bits of a reference in numpy, and"
    " on some windows another class than the export's model.onnx, which is in float32.",
}
"""What ``atml_run`` returns on a usable window, by format."""

PREDICTED = {
    F32: "These are the decisions and the events of `atml predict --step {}`",
    W8: "These are the decisions and the events of `atml predict` with the model.onnx beside this file and"
    " `--step {}`,",
    W8A8: "But for windows that the two formats decide otherwise, these are the decisions and the events of"
    " `atml predict --step {}`",
}
"""What decides as the stream does, by format."""

BEATS_PREDICTED = {
    F32: "These are the beats of `atml annotate`",
    W8: "These are the beats of `atml annotate` with the model.onnx beside this file",
    W8A8: "But for beats that the two formats decide otherwise, these are the beats of `atml annotate`",
}
"""The same for windows round beats."""


ADJOINING, AROUND_BEATS = "ADJOINING", "AROUND_BEATS"
"""Which lines of a file of `PROJECT`, and of ``runtime/``, a model takes: by the kind of its windows."""


def kind_of(task: Task) -> str:
    """Return `ADJOINING` or `AROUND_BEATS`, as the windows of a task are."""
    return AROUND_BEATS if task.around_beats else ADJOINING


def project_file(name: str, kind: str = ADJOINING) -> str:
    """Return a file of `PROJECT` with the lines of a kind of windows."""
    return chosen((PROJECT / name).read_text(encoding="utf-8"), {kind})


def filled_in(name: str, kind: str = ADJOINING, **words: str) -> str:
    """Return a template of `PROJECT` with its words."""
    return Template(project_file(name, kind)).substitute(words)


def render(
    program: Program | Quantised,
    exported: ExportedModel,
    card: Sequence[str],
    aim: Target,
    hop: int,
    facts: Mapping[str, Any],
) -> str:
    """Write the README; ``card`` are paragraphs on the model, ``facts`` what else the report says."""
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
        "card": "\n\n".join(card),
        "window": f"{task.window}",
        "leads": leads,
        "rate": f"{task.sampling_rate}",
        "layout": ", lead after lead" if several else "",
        "amplitude": amplitude,
        "wins": card_kind.of(task).wins(task),
        "each": f"{leads} (sample[0], sample[1], ...)" if several else "the lead",
        "onnx": "" if program.format == W8A8 else ONNX,
        "same": SAME[program.format],
        "predicted": PREDICTED[program.format].format(f"{hop / task.sampling_rate:g}"),
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
        "detector": "",
        "beat": "",
        "step": "",
        "data": exported.data_name,
        "board": aim.name if aim.freestanding else "cortex-m4",
        "checks": "\n".join(_checks(facts, program.format)),
        "licence": LICENCE,
    }
    if task.around_beats:
        after, rate = task.samples_after_beat, task.sampling_rate
        words["predicted"] = BEATS_PREDICTED[program.format]
        words |= {"after": f"{after}", "after_s": f"{after / rate:g}"}
        words["beat"] = f"; {after} samples of each lead come after the beat that is decided"
        words["detector"] = f", and about {beats.ram(after, rate):,} those of the detector of beats"
    source = (program.program if isinstance(program, Quantised) else program).input
    if source.beat is not None:
        rows = 4 * (source.channels * source.samples + 2 * source.beat.reach)
        words["step"] = (
            f", beside the {source.leads * source.beat.operations:,} operations that compare it with its beat"
            f" and whose rows take {rows:,} bytes of RAM"
        )
    return _wrapped(filled_in(NAME, kind_of(task), **words))


def _checks(facts: Mapping[str, Any], form: str) -> list[str]:
    """Say what compiling and running it came to, by target (`atml.device.checking.Checked`)."""
    lines = []
    of = "the reference in numpy" if form == W8A8 else MODEL
    for one in facts.get("checked", ()):
        lines.append(
            f"{one['title']}, compiled by {one['compiler']}: the decisions of {of} on"
            f" {plural(one['windows'], 'window')}, every logit to within {one['apart']:.1g}"
        )
        sizes = [
            f"{one[name]:,} {words}"
            for name, words in (
                ("flash", "bytes of flash"),
                ("ram", "bytes of RAM"),
                ("stack", "bytes of stack"),
                ("instructions", "instructions a window"),
            )
            if one[name] is not None
        ]
        lines += [f"atml_run takes {listed(sizes)}"] if sizes else []
    lines += facts.get("unchecked", ())
    lines = lines or ["nothing was compiled here"]
    return [textwrap.fill(line, WIDTH, initial_indent="  ", subsequent_indent="    ") for line in lines]


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
