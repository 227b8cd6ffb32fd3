"""ELF files: the sizes of their sections, what they load, and where their symbols are.

Layouts: System V ABI, chapters 4 and 5; 32 and 64 bits, little-endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from atml.errors import BuildError

NOBITS, SYMBOLS, FUNCTION = 8, 2, 2
WRITE, ALLOCATED, EXECUTABLE = 1, 2, 4

# Tables to unwind by, which C on a device does not use.
UNWINDING = (".eh_frame", ".ARM.ex", ".note", ".gnu.build")


@dataclass(frozen=True)
class Sections:
    """Bytes of code, constants, variables with a first value, and variables that begin as 0.

    Example:
        >>> one = Sections(text=700, rodata=512, data=0, bss=264)
        >>> one.flash, one.ram
        (1212, 264)
    """

    text: int = 0
    rodata: int = 0
    data: int = 0
    bss: int = 0

    @property
    def flash(self) -> int:
        """Bytes of flash: code, constants and the first values of variables."""
        return self.text + self.rodata + self.data

    @property
    def ram(self) -> int:
        """Bytes of static RAM, without the stack."""
        return self.data + self.bss


@dataclass(frozen=True)
class Symbol:
    """Where a name is, how many bytes it takes, and whether it is a function."""

    name: str
    address: int
    size: int
    function: bool


@dataclass(frozen=True)
class Header:
    """One section: its name, its type and flags, and its place in the file."""

    name: str
    kind: int
    flags: int
    offset: int
    size: int
    link: int


class ElfFile:
    """An ELF file that was read; raises BuildError for anything else."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.raw = path.read_bytes()
        if self.raw[:4] != b"\x7fELF" or self.raw[5] != 1:
            raise BuildError(f"{path} is no little-endian ELF file")
        self.wide = self.raw[4] == 2

    @cached_property
    def headers(self) -> list[Header]:
        """Every section, in the order of the file."""
        start = struct.unpack_from("<Q", self.raw, 40)[0] if self.wide else self._word(32)
        entry, count, names = struct.unpack_from("<3H", self.raw, 58 if self.wide else 46)
        layout = "<2I4Q2I2Q" if self.wide else "<10I"
        found = [struct.unpack_from(layout, self.raw, start + i * entry) for i in range(count)]
        return [
            Header(self._text(found[names][4] + one[0]), one[1], one[2], one[4], one[5], one[6])
            for one in found
        ]

    @cached_property
    def symbols(self) -> dict[str, Symbol]:
        """Symbols by name; of two local ones with one name, the later."""
        layout = struct.Struct("<IBBHQQ" if self.wide else "<IIIBBH")
        found: dict[str, Symbol] = {}
        for table in self.headers:
            if table.kind != SYMBOLS:
                continue
            names = self.headers[table.link].offset
            for at in range(table.offset, table.offset + table.size, layout.size):
                if self.wide:
                    name, info, _, _, address, size = layout.unpack_from(self.raw, at)
                else:
                    name, address, size, info, _, _ = layout.unpack_from(self.raw, at)
                if text := self._text(names + name):
                    found[text] = Symbol(text, address, size, info & 15 == FUNCTION)
        return found

    def loaded(self) -> list[tuple[int, bytes]]:
        """Return what is loaded before the program begins: addresses and bytes."""
        if self.wide:
            start = struct.unpack_from("<Q", self.raw, 32)[0]
            entry, count = struct.unpack_from("<2H", self.raw, 54)
        else:
            start = self._word(28)
            entry, count = struct.unpack_from("<2H", self.raw, 42)
        found = []
        for at in range(start, start + entry * count, entry):
            if self.wide:
                kind, _, offset, address, _, size = struct.unpack_from("<2I4Q", self.raw, at)
            else:
                kind, offset, address, _, size = struct.unpack_from("<5I", self.raw, at)
            if kind == 1 and size:
                found.append((address, self.raw[offset : offset + size]))
        return found

    def sections(self, without: str = ".harness") -> Sections:
        """Return the sizes of what is loaded, but for unwind tables and sections named ``without...``."""
        sizes = {"text": 0, "rodata": 0, "data": 0, "bss": 0}
        for one in self.headers:
            if not one.flags & ALLOCATED or one.name.startswith((without, *UNWINDING)):
                continue
            if one.flags & WRITE:
                sizes["bss" if one.kind == NOBITS else "data"] += one.size
            else:
                sizes["text" if one.flags & EXECUTABLE else "rodata"] += one.size
        return Sections(**sizes)

    def _word(self, at: int) -> int:
        return int(struct.unpack_from("<I", self.raw, at)[0])

    def _text(self, at: int) -> str:
        return self.raw[at : self.raw.index(b"\0", at)].decode("utf-8", "replace")
