"""How often the parts of a program ran."""

from __future__ import annotations

import bisect
from collections import Counter
from dataclasses import dataclass

from atml.device.toolchains.elf_file import ElfFile


@dataclass(frozen=True)
class Profile:
    """What one `atml_run` executed.

    Attributes:
        instructions: How many instructions; skipped ones of an IT block count, as they take their cycle too.
        functions: Instructions by function, the most first.
        blocks: Instructions of each block of straight code and how often it ran, by its address.
    """

    instructions: int
    functions: dict[str, int]
    blocks: dict[int, tuple[int, int]]


def summed(elf: ElfFile, runs: dict[int, list[tuple[int, int]]]) -> Profile:
    """Return the profile of blocks that ran: by address, pairs of instructions and times.

    An emulator may cut the same code at different places; such blocks are one here, of the longest length.
    """
    functions = sorted((one.address & ~1, one.name) for one in elf.symbols.values() if one.function)
    starts = [address for address, _ in functions]
    by_function: Counter[str] = Counter()
    blocks: dict[int, tuple[int, int]] = {}
    for address, pairs in runs.items():
        at = bisect.bisect_right(starts, address) - 1
        name = functions[at][1] if at >= 0 else "?"
        by_function[name] += sum(length * times for length, times in pairs)
        blocks[address] = (max(length for length, _ in pairs), sum(times for _, times in pairs))
    return Profile(by_function.total(), dict(by_function.most_common()), blocks)
