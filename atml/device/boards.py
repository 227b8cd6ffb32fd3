"""Boards that an estimate is made for: processor, clock, memory, and cycles an instruction.

Nobody measured these boards for atml. Cycles an instruction are a range that a person's measurement narrows
(`atml.device.measurements`): what the core's manual says of loads, taken branches and floats, plus what the
flash makes it wait. Sizes and clocks are from the makers' datasheets, named at each board.
"""

from __future__ import annotations

from dataclasses import dataclass

from atml.errors import InputError


@dataclass(frozen=True)
class Board:
    """A board, or a microcontroller.

    Attributes:
        name: How commands name it.
        title: How sentences name it.
        target: Name of its processor in `atml.device.toolchains.targets.TARGETS`.
        megahertz: Clock.
        flash_kib: Flash that holds code and weights; for a board with an operating system, its memory.
        ram_kib: RAM.
        cycles: Cycles an instruction: the least, the likely and the most.
        why: Where the cycles come from.
    """

    name: str
    title: str
    target: str
    megahertz: float
    flash_kib: float
    ram_kib: float
    cycles: tuple[float, float, float]
    why: str

    @property
    def wide(self) -> bool:
        """Whether an address takes eight bytes."""
        return self.target == "loongarch64"


BOARDS: dict[str, Board] = {
    one.name: one
    for one in (
        # STM32L432KC datasheet DS11451 and manual RM0394: 4 wait states at 80 MHz behind ST's ART cache (1 KB
        # for code, 256 B for data), 48 + 16 KB SRAM. The L4 scores 3.42 CoreMark a MHz at 80 MHz, as the core
        # does without wait states (3.40): code runs from the cache, weights that stream past it wait.
        Board(
            "l432kc",
            "STM32L432KC (ICCAD 2022 and 2023)",
            "cortex-m4",
            80,
            256,
            64,
            (1.40, 1.60, 2.20),
            "a table of its cycles gives 1.42 to 1.46 without wait states; weights from flash wait",
        ),
        # STM32F303K8 datasheet DS9866 and manual RM0316: 12 KB SRAM and 4 KB CCM; 64 MHz is what its internal
        # oscillator reaches, 72 MHz needs one outside. 2 wait states behind a prefetch buffer, no cache.
        Board(
            "f303k8",
            "STM32F303K8 at 64 MHz (72 with an outside clock)",
            "cortex-m4",
            64,
            64,
            16,
            (1.50, 2.00, 2.90),
            "as any Cortex-M4, and 2 wait states behind a prefetch buffer that branches and weights empty",
        ),
        # Loongson 2K0500: one LA264 core of LoongArch at 500 MHz, two instructions a cycle, 32 KB caches for
        # code and data, DDR3 memory and Linux on the contest's board. Nothing is published on its latencies.
        Board(
            "2k0500",
            "Loongson 2K0500 (IESD 2024)",
            "loongarch64",
            500,
            512 * 1024,
            512 * 1024,
            (0.70, 1.20, 2.20),
            "a core of two instructions a cycle; four chains of float additions wait for their own results",
        ),
        # RP2040 datasheet: two Cortex-M0+ at 133 MHz (one is used), 264 KB SRAM, code from a 2 MB serial
        # flash behind a 16 KB cache.
        Board(
            "rp2040",
            "RP2040 (Raspberry Pi Pico), one Cortex-M0+",
            "cortex-m0",
            133,
            2048,
            264,
            (1.20, 1.40, 2.10),
            "loads and taken branches take 2 cycles, calls 3 (Cortex-M0+ manual, 3.3); serial flash, cached",
        ),
        # STM32G071RB datasheet DS12232 and manual RM0444: 128 KB flash, 36 KB SRAM, 64 MHz, 2 wait states
        # with prefetch and a cache of 16 bytes.
        Board(
            "g071rb",
            "STM32G071RB, Cortex-M0+",
            "cortex-m0",
            64,
            128,
            36,
            (1.30, 1.65, 2.40),
            "loads and taken branches are 2 cycles, calls 3 (Cortex-M0+ manual, 3.3); 2 wait states",
        ),
        # STM32F746NG datasheet DS10916 and manual RM0385: 1 MB flash, 320 KB SRAM, 216 MHz, 7 wait states
        # behind ART and caches of 4 KB for code and data.
        Board(
            "f746ng",
            "STM32F746NG, Cortex-M7",
            "cortex-m7",
            216,
            1024,
            320,
            (0.60, 0.90, 1.60),
            "two instructions a cycle at best (5.0 CoreMark a MHz, the M4 3.4); caches of 4 KB, 7 waits",
        ),
    )
}
"""Boards by name."""


def board_named(name: str) -> Board:
    """Return the board of a name, in whatever case.

    Raises:
        InputError: none has that name; the message lists those there are.

    Example:
        >>> board_named("L432KC").megahertz
        80
    """
    found = BOARDS.get(name.lower())
    if found is None:
        raise InputError(f"no such board: {name!r}; boards: {', '.join(BOARDS)}")
    return found
