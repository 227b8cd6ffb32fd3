"""A bare Cortex-M in unicorn: the program in its memory, and calls of its functions."""

from __future__ import annotations

import importlib
import importlib.util
from collections import Counter, defaultdict
from typing import Any

import numpy as np

from atml.arrays import Float32, Int64
from atml.device.toolchains import harness
from atml.device.toolchains.building import Image
from atml.device.toolchains.profile import Profile, summed
from atml.errors import BuildError, ToolchainError, in_one_line

FLASH_SIZE = 0x40_0000
"""Bytes mapped for code and constants."""

BACK = FLASH_SIZE - 16
"""Address that a called function returns to; nothing is there."""

MODELS = {
    "cortex-m0": "UC_CPU_ARM_CORTEX_M0",
    "cortex-m4": "UC_CPU_ARM_CORTEX_M4",
    "cortex-m7": "UC_CPU_ARM_CORTEX_M7",
}


def available() -> bool:
    """Return whether unicorn is installed."""
    return importlib.util.find_spec("unicorn") is not None


def instructions(code: bytes) -> int:
    """Return how many Thumb instructions a piece of code holds: halfwords from 0xE800 begin one of 32 bits.

    Source: Armv7-M Architecture Reference Manual, A5.1.

    Example:
        >>> instructions(bytes.fromhex("00bf" "fff7fefffff7feff" "7047"))
        4
    """
    count = at = 0
    while at < len(code):
        at += 4 if code[at + 1] >= 0xE8 else 2
        count += 1
    return count


class Machine:
    """A Cortex-M that holds a program; its memory keeps its content from call to call.

    Args:
        image: What was built for a Cortex-M.
    """

    def __init__(self, image: Image) -> None:
        try:
            # Its types are not all there, so it comes in untyped.
            self.unicorn: Any = importlib.import_module("unicorn")
            self.arm: Any = importlib.import_module("unicorn.arm_const")
        except ImportError as error:
            raise ToolchainError("unicorn is not installed: pip install 'atml[device]'") from error
        self.image = image
        ram = image.target.ram
        self.stack = ram + harness.TOP
        bare = self.unicorn.UC_MODE_THUMB | self.unicorn.UC_MODE_MCLASS
        self.core: Any = self.unicorn.Uc(self.unicorn.UC_ARCH_ARM, bare)
        self.core.ctl_set_cpu_model(getattr(self.arm, MODELS[image.target.name]))
        self.core.mem_map(image.target.flash, FLASH_SIZE)
        self.core.mem_map(ram, harness.TOP)
        for address, content in image.elf.loaded():
            self.core.mem_write(address, content)
        if image.entry == "atml_push":
            self.call("atml_reset")

    def address(self, name: str) -> int:
        """Return where a function or variable is."""
        return self.image.elf.symbols[name].address

    def call(self, name: str, *arguments: int) -> int:
        """Call a function with up to four words and return the word that it returns, signed.

        Raises:
            BuildError: it does not come back: a fault, or an instruction that the processor lacks.
        """
        for place, word in enumerate(arguments):
            register = getattr(self.arm, f"UC_ARM_REG_R{place}")
            self.core.reg_write(register, word & 0xFFFF_FFFF)
        self.core.reg_write(self.arm.UC_ARM_REG_LR, BACK | 1)
        self.core.reg_write(self.arm.UC_ARM_REG_SP, self.stack)
        try:
            self.core.emu_start(self.address(name) | 1, BACK)
        except self.unicorn.UcError as error:
            at = self.core.reg_read(self.arm.UC_ARM_REG_PC)
            raise BuildError(
                f"{name} on {self.image.target.title} stops at {at:#x}: {in_one_line(error)}"
            ) from error
        word = int(self.core.reg_read(self.arm.UC_ARM_REG_R0))
        return word - 2**32 if word >= 2**31 else word

    def run(self, values: Float32) -> tuple[Float32, int]:
        """Return logits (classes,) and class of one window (leads, samples), or of a sample (leads, 1)."""
        given, kept = self.address("atml_harness_input"), self.address("atml_harness_logits")
        self.core.mem_write(given, np.ascontiguousarray(values, np.float32).tobytes())
        if self.image.entry == "atml_run":
            chosen = self.call("atml_run", given, kept)
        else:
            chosen = self.call("atml_push", given)
            kept = self.address("atml_logits")
        return np.frombuffer(bytes(self.core.mem_read(kept, 4 * self.image.classes)), np.float32), chosen


def run(image: Image, windows: Float32) -> tuple[Float32, Int64]:
    """Return logits (n, classes) and classes (n,) of windows (n, leads, samples)."""
    machine = Machine(image)
    answers = [machine.run(window) for window in windows]
    logits = np.array([one for one, _ in answers], np.float32).reshape(len(answers), image.classes)
    return logits, np.array([chosen for _, chosen in answers], np.int64)


def profile(image: Image, windows: Float32) -> Profile:
    """Return what the call for the last of ``windows`` executed: each block is counted, and its instructions.

    Code of an IT block counts whether its condition holds or not.
    """
    machine = Machine(image)
    times: Counter[tuple[int, int]] = Counter()

    def block(_core: Any, address: int, size: int, _data: Any) -> None:
        times[address, size] += 1

    for window in windows[:-1]:
        machine.run(window)
    # What was translated without the hook is translated again.
    machine.core.ctl_flush_tb()
    machine.core.hook_add(machine.unicorn.UC_HOOK_BLOCK, block)
    machine.run(windows[-1])
    runs: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for (address, size), count in times.items():
        code = bytes(machine.core.mem_read(address, size))
        runs[address].append((instructions(code), count))
    return summed(image.elf, runs)


def stack(image: Image, windows: Float32) -> int:
    """Return the most bytes of stack that a call for one of ``windows`` writes to, beside its caller's."""
    machine = Machine(image)
    machine.core.mem_write(machine.stack - harness.PAINTED, bytes([harness.PAINT]) * harness.PAINTED)
    for window in windows:
        machine.run(window)
    left = bytes(machine.core.mem_read(machine.stack - harness.PAINTED, harness.PAINTED))
    return len(left.lstrip(bytes([harness.PAINT])))
