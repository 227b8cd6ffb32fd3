"""The C of a model, compiled for a target together with the harness that runs it."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from atml.device.toolchains import harness
from atml.device.toolchains.compilers import LAYOUT_FLAGS, MODEL_FLAGS, Compiler, compiler_for, environment
from atml.device.toolchains.elf_file import ElfFile, Sections
from atml.device.toolchains.targets import Target, target_named
from atml.errors import BuildError, ExportError, in_one_line


@dataclass(frozen=True, eq=False)
class Image:
    """A program for a target; its folder goes when the image does, unless it was named.

    Attributes:
        target: What it was compiled for.
        compiler: Name and version of the compiler.
        folder: Where it lies, with the objects it was linked from.
        entry: Function of the model that is called, ``atml_run`` or ``atml_push``.
        leads: Leads of a window.
        samples: Samples a lead that one call takes: a window, or 1.
        classes: Classes, as many as logits.
    """

    target: Target
    compiler: str
    folder: Path
    entry: str
    leads: int
    samples: int
    classes: int

    @property
    def path(self) -> Path:
        """The program."""
        return self.folder / "atml.elf"

    @cached_property
    def elf(self) -> ElfFile:
        """The program as an ELF file; raises BuildError where this machine has programs of another format."""
        return ElfFile(self.path)

    @cached_property
    def model(self) -> Sections:
        """Sizes of everything in model.c, before the linker leaves out what is not called."""
        return ElfFile(self.folder / "model.o").sections()

    @cached_property
    def linked(self) -> Sections:
        """Sizes of the program without its harness: what ``entry`` needs, the compiler's functions included.

        For the host the start-up of the C library and the harness are in it too.
        """
        return self.elf.sections()


def build(
    sources: Path,
    target: str,
    *,
    compiler: str | None = None,
    flags: Sequence[str] = (),
    entry: Literal["atml_run", "atml_push"] = "atml_run",
    folder: Path | None = None,
) -> Image:
    """Compile ``model.c`` and a harness for a target and link them.

    Args:
        sources: Folder with ``model.c`` and ``model.h``.
        target: A name of `atml.device.toolchains.targets.TARGETS`.
        compiler: ``zig``, ``gcc`` or ``clang``; None for the first one here.
        flags: More flags for ``model.c`` and the linker, such as ``-fsanitize=undefined``.
        entry: What the program calls: ``atml_run`` with windows, or ``atml_push`` with samples, one by one.
        folder: Where program and objects go; None for a temporary folder.

    Raises:
        ExportError: there is no model.c or model.h, or its sizes can't be read.
        ToolchainError: no such target or compiler, or it is not installed.
        BuildError: the compiler refuses; the message has its first complaint.
    """
    aim = target_named(target)
    leads, window, classes = _sizes(sources)
    chosen = compiler_for(aim, compiler)
    if folder is None:
        where = Path(tempfile.mkdtemp(prefix="atml-device-"))
    else:
        where = folder
        where.mkdir(parents=True, exist_ok=True)
    try:
        _compile(sources.resolve(), aim, chosen, where, tuple(flags), entry)
        image = Image(aim, chosen.version, where, entry, leads, window if entry == "atml_run" else 1, classes)
    except BaseException:
        if folder is None:
            shutil.rmtree(where, ignore_errors=True)
        raise
    if folder is None:
        weakref.finalize(image, shutil.rmtree, where, ignore_errors=True)
    return image


def _sizes(sources: Path) -> tuple[int, int, int]:
    for name in ("model.c", "model.h"):
        if not (sources / name).is_file():
            raise ExportError(f"no {name} in {sources}; the folder device/ of an export has one")
    header = (sources / "model.h").read_text(encoding="utf-8")
    found = []
    for name in ("ATML_LEADS", "ATML_WINDOW", "ATML_CLASSES"):
        stated = re.search(rf"^#define\s+{name}\s+(\d+)\b", header, re.MULTILINE)
        if not stated:
            raise ExportError(f"{sources / 'model.h'} does not define {name}")
        found.append(int(stated[1]))
    return found[0], found[1], found[2]


def _compile(
    sources: Path,
    target: Target,
    compiler: Compiler,
    where: Path,
    flags: tuple[str, ...],
    entry: str,
) -> None:
    include = ["-I", str(sources)]
    if not compiler.own_headers:
        (where / "include").mkdir(exist_ok=True)
        (where / "include/string.h").write_text(harness.STRING_H, encoding="utf-8")
        include += ["-isystem", str(where / "include")]
    (where / "harness.c").write_text(harness.source(target, entry), encoding="utf-8")
    command = list(compiler.command)
    model = [*MODEL_FLAGS, *LAYOUT_FLAGS, *flags, *include]
    _called([*command, *model, "-c", str(sources / "model.c"), "-o", "model.o"], where)
    _called([*command, "-std=c99", "-O2", *include, "-c", "harness.c", "-o", "harness.o"], where)
    link = [*compiler.link, *flags]
    if target.freestanding:
        (where / "atml.ld").write_text(harness.linker_script(target), encoding="utf-8")
        link += ["-Wl,-T,atml.ld", "-Wl,--gc-sections"]
    _called([*command, "harness.o", "model.o", *link, "-o", "atml.elf"], where)


def _called(command: list[str], where: Path) -> None:
    # What zig keeps of this program goes with the folder; what it builds once for a target stays.
    env = {**environment(), "ZIG_LOCAL_CACHE_DIR": str(where / "zig")}
    try:
        done = subprocess.run(command, cwd=where, capture_output=True, text=True, check=False, env=env)
    except OSError as error:
        raise BuildError(f"{command[0]} can't be started: {in_one_line(error)}") from error
    if done.returncode:
        # A linker's own complaints come before the compiler's, that it failed.
        said = [line for line in done.stderr.splitlines() if re.search("error|undefined|cannot find", line)]
        first = (said or done.stderr.splitlines() or [f"exit code {done.returncode}"])[0]
        raise BuildError(f"{' '.join(command[:3])} ... refuses: {' '.join(first.split())}")
