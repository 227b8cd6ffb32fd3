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
        windows: float32 (n, leads, samples), as the ONNX file takes them.
        emulator: ``unicorn`` or ``qemu``; None for unicorn where it is there.

    Raises:
        InputError: windows of another shape than the model takes.
        ToolchainError: nothing here runs programs of that target.
        BuildError: the program does not run to its end.
    """
    _fits(image, windows)
    if emulator_for(image.target, emulator) == "unicorn":
        return cortex_m.run(image, windows)
    logits, classes, _ = qemu.ran(image, windows)
    return logits, classes


def profile(image: Image, window: Float32, *, emulator: Emulator | None = None) -> Profile:
    """Count what one `atml_run` of a window (leads, samples) executes, by function and by block.

    Every instruction of a block that runs counts. Where Thumb code skips some by an IT instruction these
    count too: the processor spends their cycle all the same.

    Raises:
        InputError: a window of another shape; the host, whose instructions nothing here counts.
        ToolchainError: nothing here runs programs of that target.
        BuildError: the program does not run to its end.
    """
    if not image.target.freestanding:
        raise InputError(
            f"instructions are counted under emulation, not on {image.target.title}; take a target"
        )
    _fits(image, window[None])
    if emulator_for(image.target, emulator) == "unicorn":
        return cortex_m.profile(image, window)
    return qemu.profile(image, window)


def count(image: Image, window: Float32, *, emulator: Emulator | None = None) -> int:
    """Return how many instructions one `atml_run` of a window (leads, samples) takes; see `profile`."""
    return profile(image, window, emulator=emulator).instructions


def stack(image: Image, window: Float32 | None = None, *, emulator: Emulator | None = None) -> int:
    """Return how many bytes of stack one `atml_run` writes to, beside its caller's.

    The stack is painted and looked over afterwards. Where qemu or this machine runs the program, its first
    128 bytes stay unpainted: 128 then means 128 or less.

    Args:
        image: What was built.
        window: The window (leads, samples) to run; None for one of zeros.
        emulator: As for `run`.

    Raises:
        InputError: a window of another shape; a processor whose stack pointer the harness can't read.
    """
    if window is None:
        window = np.zeros((image.leads, image.window), np.float32)
    _fits(image, window[None])
    if emulator_for(image.target, emulator) == "unicorn":
        return cortex_m.stack(image, window)
    used = qemu.ran(image, window[None])[2]
    if used < 0:
        raise InputError(f"the stack can't be painted on {image.target.title}; take an emulated target")
    return used


def _fits(image: Image, windows: Float32) -> None:
    if windows.shape[1:] != (image.leads, image.window):
        raise InputError(
            f"windows of shape {windows.shape}; the model takes (n, {image.leads}, {image.window})"
        )
