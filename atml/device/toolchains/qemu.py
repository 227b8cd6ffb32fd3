"""Programs run as processes: on this machine, in qemu-user, and on a bare Cortex-M of qemu-system-arm."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from atml.arrays import Float32, Int64
from atml.device.toolchains import harness
from atml.device.toolchains.building import Image
from atml.device.toolchains.profile import Profile, summed
from atml.device.toolchains.targets import Target
from atml.errors import BuildError, ToolchainError

TRACE = ("-d", "in_asm,exec,nochain")
"""Flags that make qemu write down each block when it is translated and each time it runs."""

# `0x00000044:  b580       push ...` and `Trace 0: 0x7f1c [00000000/0000000010000034/...] name`
LINE = re.compile(rb"0x([0-9a-f]+):")
RAN = re.compile(rb"Trace [^\[]*\[[0-9a-f]+/([0-9a-f]+)/")


def program_for(target: Target) -> list[str] | None:
    """Return the emulator of a target and its first arguments: [] for this machine, None where none is."""
    if target.emulator == "none":
        return []
    if target.emulator == "user":
        for name in (target.machine, f"{target.machine}-static"):
            if found := shutil.which(name):
                return [found]
        return None
    found = shutil.which("qemu-system-arm")
    if not found:
        return None
    quiet = ["-nographic", "-monitor", "none", "-serial", "none"]
    files = ["-semihosting-config", "enable=on,target=native"]
    return [found, "-M", target.machine, *quiet, *files, "-kernel"]


def ran(image: Image, windows: Float32, *, painted: bool = False) -> tuple[Float32, Int64, int]:
    """Return logits (n, classes), classes (n,), and the most bytes of ``painted`` stack; -1 is unknown."""
    with tempfile.TemporaryDirectory(prefix="atml-device-") as name:
        folder = Path(name)
        command, source, sink = _prepared(image, windows, folder, painted=painted)
        with source, sink:
            process = subprocess.run(
                command, cwd=folder, stdin=source, stdout=sink, stderr=subprocess.PIPE, check=False
            )
        said = process.stderr.decode("utf-8", "replace").split("\n")
        raw = (folder / harness.ANSWERS).read_bytes() if (folder / harness.ANSWERS).exists() else b""
    a_window = 4 * image.classes + 4
    if process.returncode or len(raw) != len(windows) * a_window + 4:
        shown = " ".join(said[0].split()) or f"exit code {process.returncode}"
        raise BuildError(f"the program for {image.target.title} does not run to its end: {shown}")
    rows = np.frombuffer(raw[:-4], np.float32).reshape(len(windows), image.classes + 1)
    chosen = np.ascontiguousarray(rows[:, -1]).view(np.int32).astype(np.int64)
    return rows[:, :-1].copy(), chosen, int(np.frombuffer(raw[-4:], np.int32)[0])


def _prepared(
    image: Image, windows: Float32, folder: Path, *, painted: bool = False
) -> tuple[list[str], BinaryIO, BinaryIO]:
    """Return the command that runs a program, with the files for its standard input and output."""
    program = program_for(image.target)
    if program is None:
        raise ToolchainError(missing(image.target))
    flag = np.array([painted], np.int32).tobytes()
    (folder / harness.WINDOWS).write_bytes(flag + np.ascontiguousarray(windows, np.float32).tobytes())
    # A Cortex-M opens both files by itself.
    answers = "stdout" if image.target.emulator == "cortex-m" else harness.ANSWERS
    command = [*program, str(image.path.resolve())]
    return command, (folder / harness.WINDOWS).open("rb"), (folder / answers).open("wb")


def missing(target: Target) -> str:
    """Return the line that says how an emulator for a target is installed."""
    ways = "apt-get install qemu-user"
    if target.emulator == "cortex-m":
        ways = "pip install 'atml[device]' (unicorn), or apt-get install qemu-system-arm"
    return f"no emulator for {target.title} here: {ways}"


def profile(image: Image, windows: Float32) -> Profile:
    """Return what the call for the last of ``windows`` executed, from a trace of qemu.

    The trace of a call begins where the function is entered and ends where its caller goes on.
    """
    with tempfile.TemporaryDirectory(prefix="atml-device-") as name:
        command, source, sink = _prepared(image, windows, Path(name))
        command[1:1] = TRACE
        with source, sink:
            # The trace comes by standard error, which the program does not write to.
            process = subprocess.Popen(command, cwd=name, stdin=source, stdout=sink, stderr=subprocess.PIPE)
            assert process.stderr is not None
            try:
                entry = image.elf.symbols[image.entry].address & ~1
                times = counted(process.stderr, entry, len(windows))
            finally:
                process.kill()
                process.stderr.close()
                process.wait()
    runs: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for (address, length), count in times.items():
        runs[address].append((length, count))
    return summed(image.elf, runs)


def counted(trace: Iterable[bytes], entry: int, call: int = 1) -> Counter[tuple[int, int]]:
    """Return how often each block ran in one call, by address and instructions.

    Args:
        trace: Lines that qemu writes.
        entry: Address of the function.
        call: Which call of it, counted from 1.

    Raises:
        BuildError: the trace ends before the call does.

    Example:
        >>> block = [b"IN: main", b"0x00000010:  f7ff fffe  bl 0x20", b"Trace 0: 0x7f [0/10/0/0] main"]
        >>> block += [b"IN: atml_run", b"0x00000020:  2001 movs r0, #1", b"0x00000022:  4770 bx lr"]
        >>> block += [b"Trace 0: 0x7f [0/20/0/0] atml_run", b"IN: main", b"0x00000014:  4770 bx lr"]
        >>> counted([*block, b"Trace 0: 0x7f [0/14/0/0] main"], 0x20)
        Counter({(32, 2): 1})
    """
    lengths: dict[int, int] = {}
    ends: dict[int, int] = {}
    times: Counter[tuple[int, int]] = Counter()
    translated = before = at = back = -1
    for line in trace:
        if line.startswith(b"Trace"):
            before, at = at, int(RAN.match(line)[1], 16)  # type: ignore[index]
            if back < 0 and at == entry:
                back, call = ends[before], call - 1
            elif at == back:
                if not call:
                    return times
                back = -1
            if back >= 0 and not call:
                times[at, lengths[at]] += 1
        elif line.startswith(b"IN:"):
            translated = -1
        elif line.startswith(b"Stopped execution of TB chain before") and back >= 0 and not call:
            times[at, lengths[at]] -= 1
        elif line.startswith(b"0x") and (found := LINE.match(line)):
            address = int(found[1], 16)
            if translated < 0:
                translated, lengths[address] = address, 0
            lengths[translated] += 1
            # A call takes four bytes, on Thumb and on LoongArch.
            ends[translated] = address + 4
    raise BuildError("qemu's trace ends before the call does; versions 7.2 to 10 are known to work")
