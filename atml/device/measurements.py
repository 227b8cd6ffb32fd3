"""What people measured on boards, which narrows every further estimate for them.

Kept for each user, not in an export: a measurement says how fast a board is, whatever network ran on it. The
file is ``$ATML_CONFIG/measurements.json``, or ``$XDG_CONFIG_HOME/atml/`` or ``~/.config/atml/``.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from atml.device.boards import Board
from atml.errors import InputError, in_one_line
from atml.metrics import Interval

SPREAD = 0.06
"""Standard deviation of the logarithm of cycles an instruction between networks on one board, that of the
formula for instructions included: our own judgement, until three measurements or more show a larger one."""


@dataclass(frozen=True)
class Measurement:
    """One latency that a person measured.

    Attributes:
        board: Name of the board.
        milliseconds: Time of one `atml_run`.
        instructions: What the estimate counts for that network on the board's processor.
        network: What ran, as sentences name it.
        format: Its format, "f32" for one.
        compiler: The compiler that the instructions are counted for.
    """

    board: str
    milliseconds: float
    instructions: int
    network: str
    format: str
    compiler: str

    def cycles(self, board: Board) -> float:
        """Return the cycles an instruction that it shows."""
        return self.milliseconds * 1e3 * board.megahertz / self.instructions


def place() -> Path:
    """Return the file that holds measurements; it need not exist."""
    if named := os.environ.get("ATML_CONFIG"):
        return Path(named) / "measurements.json"
    base = os.environ.get("XDG_CONFIG_HOME")
    try:
        return (Path(base) if base else Path.home() / ".config") / "atml" / "measurements.json"
    except RuntimeError as error:  # no home
        raise InputError(
            "there is no home folder to keep measurements in; set ATML_CONFIG to a folder"
        ) from error


def read(file: Path | None = None) -> list[Measurement]:
    """Return all measurements, the first made first; none where there is no file, or no home for one.

    Raises:
        InputError: the file is damaged.
    """
    try:
        file = file or place()
    except InputError:
        return []
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"{file} can't be read: {in_one_line(error)}") from error
    try:
        return [Measurement(**one) for one in json.loads(text)["measurements"]]
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{file} is damaged ({in_one_line(error)}); delete it and enter your measurements again"
        ) from error


def add(one: Measurement, file: Path | None = None) -> list[Measurement]:
    """Keep a measurement and return all of its board; the same network measured again replaces itself.

    Raises:
        InputError: a time that is not above 0, or a file that can't be read or written.
    """
    if not (math.isfinite(one.milliseconds) and one.milliseconds > 0):
        raise InputError(f"{one.milliseconds:g} ms is not a measurement; give a number above 0")
    file = file or place()
    same = (one.board, one.network, one.format)
    kept = [other for other in read(file) if (other.board, other.network, other.format) != same]
    found = [*kept, one]
    text = json.dumps({"measurements": [asdict(each) for each in found]}, indent=1) + "\n"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_name(f"{file.name}.{os.getpid()}")
        new.write_text(text, encoding="utf-8")
        new.replace(file)
    except OSError as error:
        raise InputError(
            f"{file} can't be written: {in_one_line(error)}; set ATML_CONFIG to a folder"
        ) from error
    return [each for each in found if each.board == one.board]


def cycles(board: Board, measured: Sequence[Measurement] = ()) -> Interval:
    """Return cycles an instruction on a board: its own range, or what was measured there.

    With n measurements the middle is their geometric mean, and a further network lies within two standard
    deviations ``s * sqrt(1 + 1 / n)`` of the logarithm, where ``s`` is `SPREAD` or, of three measurements or
    more, their own spread if that is larger.

    Example:
        >>> from atml.device.boards import BOARDS
        >>> one = Measurement("l432kc", 50.0, 2_000_000, "a network", "f32", "zig")
        >>> found = cycles(BOARDS["l432kc"], [one])
        >>> found.value, round(found.low, 2), round(found.high, 2)
        (2.0, 1.69, 2.37)
    """
    found = [one.cycles(board) for one in measured if one.board == board.name]
    if not found:
        low, likely, high = board.cycles
        return Interval(likely, low, high)
    logs = np.log(found)
    spread = max(SPREAD, float(logs.std(ddof=1)) if len(logs) > 2 else 0.0)
    middle, half = float(logs.mean()), 2 * spread * math.sqrt(1 + 1 / len(logs))
    return Interval(round(math.exp(middle), 12), math.exp(middle - half), math.exp(middle + half))
