"""The C of an export compiled for a target, run there under emulation, and compared with what was judged."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from atml.arrays import Float32
from atml.artifacts.export import RELATIVE, TOLERANCE
from atml.artifacts.model import infer
from atml.data.synthetic.beat_shapes import heart, render
from atml.data.synthetic.generator import noise
from atml.data.synthetic.rhythms import fibrillation, sinus
from atml.device import integer_interpreter, interpreter
from atml.device.program import Program
from atml.device.quantised import Quantised
from atml.errors import ParityError
from atml.tasks.task import Task

if TYPE_CHECKING:
    from atml.device.toolchains.building import Image

HOST_WINDOWS, EMULATED_WINDOWS = 1024, 32
"""Windows that are compared on this machine, and under emulation, which is hundreds of times slower."""


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a check found on one target.

    ``apart`` is the largest difference of a logit from onnxruntime, ``flipped`` how many of the ``windows``
    it decides otherwise, ``other_bits`` how many logits of the first `EMULATED_WINDOWS` are not those of the
    interpreter to the last bit.
    ``instructions`` are of one window and ``stack`` is in bytes; None where nothing here counts them. The
    sizes are of the linked program without its harness, in bytes.
    """

    target: str
    title: str
    compiler: str
    windows: int
    apart: float
    flipped: int
    other_bits: int
    instructions: int | None
    stack: int | None
    flash: int | None
    ram: int | None
    limit: float = TOLERANCE

    @property
    def passed(self) -> bool:
        """Whether the C decides as the file that was judged, and computes what the interpreter does."""
        return self.apart <= self.limit and self.flipped == 0 and self.other_bits == 0

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return {**self.__dict__, "passed": self.passed}


def windows(task: Task, count: int, seed: int = 0) -> Float32:
    """Make windows ``(count, leads, samples)`` in mV to compare on: made ECG, noise, and what is neither.

    Half are sinus rhythm and fibrillation of made hearts, the others noise of amplitudes from a thousandth to
    a hundred times as large, with an offset, and one flat window.
    """
    random = np.random.default_rng(seed)
    x = random.normal(size=(count, task.leads, task.window))
    x += random.normal(size=(count, task.leads, 1))
    x *= 10.0 ** random.uniform(-3, 2, (count, 1, 1))
    seconds = task.window / task.sampling_rate
    for place in range(0, count, 2):
        who = heart(random, task.leads)
        rhythm = sinus if place % 4 else fibrillation
        activity = rhythm(random, who, seconds, task.window)
        x[place] = render(activity, who, task.window, task.sampling_rate, random)
        x[place] += noise(random, task.leads, task.window, task.sampling_rate)
    if count > 1:
        x[1] = 0.25
    return np.asarray(x, np.float32)


def check(
    program: Program | Quantised,
    model: bytes,
    sources: dict[str, bytes],
    x: Float32,
    target: str,
    *,
    compiler: str | None = None,
) -> Checked:
    """Compile the C of a program for a target and compare it on windows ``x (n, leads, samples)``.

    Args:
        program: What the C was written of.
        model: The ONNX file that it has to agree with; of a program in integers, which has none, the
            interpreter's logits stand for it.
        sources: The C by name of file.
        x: Windows; on a target that is emulated the first `EMULATED_WINDOWS` of them are used.
        target: A name of `atml.device.toolchains.targets.TARGETS`.
        compiler: See `atml.device.toolchains.building.build`.

    Raises:
        ToolchainError: no such target, no compiler or nothing that runs its programs; with what to install.
        BuildError: the compiler refuses the C.
    """
    from atml.device.toolchains.building import build
    from atml.device.toolchains.emulation import run

    with tempfile.TemporaryDirectory(prefix="atml-check-") as place:
        for name in ("model.c", "model.h"):
            (Path(place) / name).write_bytes(sources[name])
        image = build(Path(place), target, compiler=compiler)
    if image.target.freestanding:
        x = x[:EMULATED_WINDOWS]
    found, called = run(image, x)
    if isinstance(program, Quantised):
        expected = exact = integer_interpreter.run(program, x)
    else:
        expected, exact = infer(model, x), interpreter.run(program, x[:EMULATED_WINDOWS])
    usable = np.asarray(np.isfinite(expected).all(1), np.bool_)
    apart = np.abs(found[usable] - expected[usable])
    limit = np.maximum(TOLERANCE, RELATIVE * np.abs(expected[usable]))
    flipped = called != np.where(usable, interpreter.labels(program, expected), -1)
    instructions, stack, flash, ram = _measured(image, x[0])
    return Checked(
        target=target,
        title=image.target.title,
        compiler=image.compiler,
        windows=len(x),
        apart=float(apart.max(initial=0.0)),
        limit=float(limit.max(initial=TOLERANCE)),
        flipped=int(flipped.sum()),
        other_bits=int(np.sum((found[: len(exact)] != exact)[usable[: len(exact)]])),
        instructions=instructions,
        stack=stack,
        flash=flash,
        ram=ram,
    )


def _measured(image: Image, window: Float32) -> tuple[int | None, int | None, int | None, int | None]:
    """Return instructions, stack, flash and RAM of a program; None for those of this machine."""
    from atml.device.toolchains.emulation import count, stack

    if not image.target.freestanding:
        return None, None, None, None
    sizes = image.linked
    return count(image, window), stack(image, window), sizes.flash, sizes.ram


def demand(found: Checked) -> None:
    """Raise ParityError where a check did not pass, in one line that says what is apart."""
    if found.passed:
        return
    raise ParityError(
        f"on {found.title} the C and the model disagree: logits by up to {found.apart:.3g} (limit"
        f" {found.limit:g}), {found.flipped} of {found.windows} labels, {found.other_bits} logits in their"
        " last bits"
    )
