"""What a built model computes, how many instructions it takes, and how much stack."""

from __future__ import annotations

from typing import Literal

import numpy as np

from atml.arrays import Float32, Int64
from atml.device.toolchains import cortex_m, qemu
from atml.device.toolchains.building import Image
from atml.device.toolchains.profile import Profile
from atml.device.toolchains.targets import Target
from atml.errors import InputError, ToolchainError

Emulator = Literal["unicorn", "qemu"]


def emulator_for(target: Target, emulator: Emulator | None = None) -> str:
    """Return what runs programs of a target here: ``native``, ``unicorn`` or ``qemu``; unicorn comes first.

    Raises:
        ToolchainError: nothing does; the message has the commands that install it.

    Example:
        >>> from atml.device.toolchains.targets import TARGETS
        >>> emulator_for(TARGETS["host"])
        'native'
    """
    if target.emulator == "none":
        return "native"
    if target.emulator == "cortex-m" and emulator != "qemu" and cortex_m.available():
        return "unicorn"
    if emulator != "unicorn" and qemu.program_for(target) is not None:
        return "qemu"
    if emulator == "unicorn" and target.emulator != "cortex-m":
        raise ToolchainError(f"unicorn does not run programs of {target.title}; take qemu")
    raise ToolchainError(qemu.missing(target))


def run(image: Image, windows: Float32, *, emulator: Emulator | None = None) -> tuple[Float32, Int64]:
    """Run a model on windows and return its logits (n, classes), the bits as computed, and its classes (n,).

    Args:
        image: What `atml.device.toolchains.building.build` returned.
        windows: float32 (n, leads, samples), as the ONNX file takes them; for a program that calls
            ``atml_push`` samples (n, leads), and each has its logits and its class or ``ATML_WAIT``.
        emulator: ``unicorn`` or ``qemu``; None for unicorn where it is there. A Cortex-M0 has qemu first,
            which is ten times as fast at functions that stand in for an FPU.

    Raises:
        InputError: windows of another shape than the model takes.
        ToolchainError: nothing here runs programs of that target.
        BuildError: the program does not run to its end.
    """
    inputs = _inputs(image, windows)
    if emulator is None and image.target.name == "cortex-m0" and qemu.program_for(image.target):
        emulator = "qemu"
    if emulator_for(image.target, emulator) == "unicorn":
        return cortex_m.run(image, inputs)
    logits, classes, _ = qemu.ran(image, inputs)
    return logits, classes


def profile(image: Image, windows: Float32, *, emulator: Emulator | None = None) -> Profile:
    """Count what the model executes for a window, by function and by block.

    Every instruction of a block that runs counts. Where Thumb code skips some by an IT instruction these
    count too: the processor spends their cycle all the same.

    Args:
        image: What was built.
        windows: One window (leads, samples), or several as for `run`: the call for the last is counted, so
            that ``atml_push`` can be counted where it decides.
        emulator: ``unicorn`` or ``qemu``; None for unicorn where it is there.

    Raises:
        InputError: windows of another shape; the host, whose instructions nothing here counts.
        ToolchainError: nothing here runs programs of that target.
        BuildError: the program does not run to its end.
    """
    if not image.target.freestanding:
        raise InputError(f"instructions are counted under emulation, not on {image.target.title}")
    inputs = _inputs(image, windows)
    if emulator_for(image.target, emulator) == "unicorn":
        return cortex_m.profile(image, inputs)
    return qemu.profile(image, inputs)


def count(image: Image, windows: Float32, *, emulator: Emulator | None = None) -> int:
    """Return how many instructions the model takes for a window; see `profile`."""
    return profile(image, windows, emulator=emulator).instructions


def stack(image: Image, windows: Float32 | None = None, *, emulator: Emulator | None = None) -> int:
    """Return the most bytes of stack that a call of the model writes to, beside its caller's.

    The stack is painted and looked over afterwards. Where qemu or this machine runs the program, its first
    128 bytes stay unpainted: 128 then means 128 or less.

    Args:
        image: What was built.
        windows: As for `profile`; None for one call with zeros.
        emulator: As for `profile`.

    Raises:
        InputError: windows of another shape; a processor whose stack pointer the harness can't read.
    """
    inputs = _inputs(
        image, np.zeros((1, image.leads, image.samples), np.float32) if windows is None else windows
    )
    if emulator_for(image.target, emulator) == "unicorn":
        return cortex_m.stack(image, inputs)
    used = qemu.ran(image, inputs, painted=True)[2]
    if used < 0:
        raise InputError(f"the stack can't be painted on {image.target.title}; take an emulated target")
    return used


def _inputs(image: Image, windows: Float32) -> Float32:
    """Return what the calls take one by one: (n, leads, samples)."""
    shaped = windows
    if windows.ndim == 2:
        shaped = windows[None] if image.entry == "atml_run" else windows[:, :, None]
    if shaped.ndim != 3 or not len(shaped) or shaped.shape[1:] != (image.leads, image.samples):
        takes = f"(n, {image.leads}, {image.samples})"
        raise InputError(f"an array of shape {windows.shape} for {image.entry}; the model takes {takes}")
    return shaped
