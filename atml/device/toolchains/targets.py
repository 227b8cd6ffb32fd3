"""What a model is compiled for: the processor, the flags that name it, and what emulates it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from atml.errors import ToolchainError

Emulator = Literal["none", "cortex-m", "user"]
"""Nothing; a bare Cortex-M (unicorn or qemu-system-arm); a process of another processor (qemu-user)."""


@dataclass(frozen=True)
class Target:
    """A processor to compile for.

    Attributes:
        name: How commands name it.
        title: How sentences name it.
        gcc: Program of GCC that compiles for it.
        gcc_flags: Flags that say which processor, for GCC.
        gcc_packages: Debian's packages that hold the compiler.
        zig_flags: The same flags for ``zig cc``.
        emulator: What runs its programs here.
        machine: Machine of qemu-system-arm, or program of qemu-user.
        flash: Where the linker puts code and constants; 0 for the C library's own layout.
        ram: Where the linker puts variables.
    """

    name: str
    title: str
    gcc: str
    gcc_flags: tuple[str, ...]
    gcc_packages: str
    zig_flags: tuple[str, ...]
    emulator: Emulator = "cortex-m"
    machine: str = ""
    flash: int = 0
    ram: int = 0x2000_0000

    @property
    def freestanding(self) -> bool:
        """Whether nothing but the model, its harness and the compiler's own functions is linked.

        Example:
            >>> TARGETS["cortex-m4"].freestanding, TARGETS["host"].freestanding
            (True, False)
        """
        return self.emulator != "none"


def _cortex_m(name: str, title: str, gcc: str, zig: str, machine: str) -> Target:
    return Target(
        name,
        title,
        "arm-none-eabi-gcc",
        ("-mthumb", *gcc.split()),
        "gcc-arm-none-eabi libnewlib-arm-none-eabi",
        ("-target", *zig.split()),
        "cortex-m",
        machine,
    )


ALL = (
    Target("host", "this machine", "gcc", (), "gcc", (), "none"),
    _cortex_m(
        "cortex-m0",
        "Cortex-M0 and M0+",
        "-mcpu=cortex-m0 -mfloat-abi=soft",
        "thumb-freestanding-eabi -mcpu=cortex_m0",
        # An M4 runs the instructions of an M0 as they are; the M0 of qemu has 16 KiB of RAM.
        "mps2-an386",
    ),
    _cortex_m(
        "cortex-m4",
        "Cortex-M4F",
        "-mcpu=cortex-m4 -mfloat-abi=hard -mfpu=fpv4-sp-d16",
        "thumb-freestanding-eabihf -mcpu=cortex_m4+vfp4d16sp",
        "mps2-an386",
    ),
    _cortex_m(
        "cortex-m7",
        "Cortex-M7 with single-precision FPU",
        "-mcpu=cortex-m7 -mfloat-abi=hard -mfpu=fpv5-sp-d16",
        "thumb-freestanding-eabihf -mcpu=cortex_m7+fp_armv8d16sp",
        "mps2-an500",
    ),
    Target(
        "loongarch64",
        "LoongArch64 without vector units",
        "loongarch64-linux-gnu-gcc",
        ("-march=loongarch64", "-mabi=lp64d"),
        "gcc-loongarch64-linux-gnu",
        # The processor that the compiler takes by itself has vectors, which qemu 7.2 lacks.
        ("-target", "loongarch64-freestanding-none", "-mcpu=generic_la64+f+d"),
        "user",
        "qemu-loongarch64",
        flash=0x1000_0000,
    ),
)

TARGETS: dict[str, Target] = {one.name: one for one in ALL}
"""Targets by name."""


def target_named(name: str) -> Target:
    """Return the target of a name.

    Raises:
        ToolchainError: None has that name; the message lists those there are.

    Example:
        >>> target_named("cortex-m4").title
        'Cortex-M4F'
    """
    if name not in TARGETS:
        raise ToolchainError(f"no such target: {name!r}; targets: {', '.join(TARGETS)}")
    return TARGETS[name]
