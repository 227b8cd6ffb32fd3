"""Compilers that are installed here, and how each one is called for a target."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from atml.data import cache
from atml.device.toolchains.targets import Target
from atml.errors import ToolchainError

NAMES = ("zig", "gcc", "clang")
"""Names that compilers are asked for by."""

OLDEST_ZIG = (0, 17)
"""Older ones are passed over: 0.14 gives wrong bits on a Cortex-M0 and lacks the LoongArch64 of `targets`."""

MODEL_FLAGS = ("-std=c99", "-O2", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror")
"""What a model is compiled with, everywhere."""

LAYOUT_FLAGS = (
    *("-ffunction-sections", "-fdata-sections", "-fomit-frame-pointer"),
    *("-fno-asynchronous-unwind-tables", "-fno-unwind-tables"),
)
"""What keeps unused functions and tables out of a program, as builds for devices do."""


@dataclass(frozen=True)
class Compiler:
    """One compiler for one target.

    Attributes:
        name: ``zig``, ``gcc`` or ``clang``.
        command: The program with what names the target.
        link: Flags for the step that links.
        own_headers: Whether it brings the headers of a C library.
    """

    name: str
    command: tuple[str, ...]
    link: tuple[str, ...]
    own_headers: bool

    @property
    def version(self) -> str:
        """Name and version, ``gcc 12.2.1``."""
        ask = ("version",) if self.name == "zig" else ("-dumpfullversion", "-dumpversion")
        return f"{self.name} {_said((self.command[0], *ask))}"


def environment() -> dict[str, str]:
    """Return the environment to start a compiler in: zig keeps what it builds once in atml's cache."""
    return {"ZIG_GLOBAL_CACHE_DIR": str(cache.root(None) / "zig"), **os.environ}


def compiler_for(target: Target, name: str | None = None) -> Compiler:
    """Return the compiler called ``name``, or the first one here: zig, then GCC, and clang for this machine.

    For this machine its own compilers come first, as people here use them.

    Raises:
        ToolchainError: it is not here, or there is none of that name.
    """
    if name is not None and name not in NAMES:
        raise ToolchainError(f"no such compiler: {name!r}; compilers: {', '.join(NAMES)}")
    order = NAMES if target.freestanding else ("gcc", "clang", "zig")
    for one in order if name is None else (name,):
        if found := _FINDERS[one](target):
            return found
    if name == "clang" and target.freestanding:
        raise ToolchainError(f"clang compiles for this machine alone; for {target.title} take zig or gcc")
    wanted = f"no {name}" if name else "no C compiler"
    ways = {
        "zig": "pip install 'atml[device]' (zig)",
        "gcc": f"apt-get install {target.gcc_packages}",
        "clang": "apt-get install clang",
    }
    shown = [ways[one] for one in ((name,) if name else ("zig", "gcc"))]
    raise ToolchainError(f"{wanted} for {target.title} here: {', or '.join(shown)}")


def _zig(target: Target) -> Compiler | None:
    packaged = importlib.util.find_spec("ziglang")
    # What `python -m ziglang` starts.
    found = (
        shutil.which("zig", path=str(Path(packaged.origin).parent)) if packaged and packaged.origin else None
    )
    program = found or shutil.which("zig")
    if program is None or not _recent(_said((program, "version"))):
        return None
    # Without an optimisation level it would check for undefined behaviour and end the program there.
    command = (program, "cc", "-fno-sanitize=undefined", *target.zig_flags)
    return Compiler("zig", command, (), not target.freestanding)


def _recent(version: str) -> bool:
    stated = re.match(r"(\d+)\.(\d+)", version)
    return stated is not None and (int(stated[1]), int(stated[2])) >= OLDEST_ZIG


def _gcc(target: Target) -> Compiler | None:
    if not shutil.which(target.gcc):
        return None
    link: tuple[str, ...] = ("-nostartfiles", "-static") if target.freestanding else ()
    if target.emulator == "cortex-m":
        # The C library is a package of its own; GCC gives the bare name of a file that it can't find.
        if _said((target.gcc, "-print-file-name=nano.specs")) == "nano.specs":
            return None
        link += ("--specs=nano.specs",)
    return Compiler("gcc", (target.gcc, *target.gcc_flags), link, True)


def _clang(target: Target) -> Compiler | None:
    if target.freestanding or not shutil.which("clang"):
        return None
    return Compiler("clang", ("clang",), (), True)


_FINDERS = {"zig": _zig, "gcc": _gcc, "clang": _clang}


@functools.cache
def _said(command: tuple[str, ...]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
    return done.stdout.strip() or "of unknown version"
