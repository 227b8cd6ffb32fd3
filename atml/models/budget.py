"""What a model costs on a device, and what the device has room for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a model costs on a device, known before training.

    ``parameters`` are trained, ``fixed`` are stored but not trained (batch-norm statistics); ``macs``
    are multiply-accumulates for one window; ``size_bytes`` is the exported ONNX file; ``peak_bytes`` is
    the largest sum of activations alive at once, float32. In a search for a board ``latency_ms`` is what a
    window takes on it, by the middle of its estimate, ``flash_bytes`` and ``board_ram_bytes`` are what its C
    takes there, stack included.
    """

    parameters: int
    fixed: int
    macs: int
    size_bytes: int
    peak_bytes: int
    latency_ms: float | None = None
    flash_bytes: int | None = None
    board_ram_bytes: int | None = None

    @property
    def board(self) -> tuple[float, float] | None:
        """Milliseconds a window and KiB of flash on the board that it was estimated for."""
        if self.latency_ms is None or self.flash_bytes is None:
            return None
        return self.latency_ms, self.flash_bytes / 1024


LIMITS = ("size_kib", "macs", "ram_kib", "operators", "latency_ms", "flash_kib", "board_ram_kib")
"""Names of the constraints that a budget makes."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a device has room for; None where it does not matter.

    ``size_kib`` of exported file, ``macs`` for one window, ``ram_kib`` of activations alive at once, and the
    ONNX ``operators`` that its runtime knows. ``latency_ms``, ``flash_kib`` and ``board_ram_kib`` are of the
    estimate for ``board``, a name of `atml.device.boards.BOARDS`, "" for none. With the ``format`` "w8" the
    file is that with weights of 8 bits.
    """

    size_kib: float
    macs: float | None = None
    ram_kib: float | None = None
    operators: frozenset[str] | None = None
    latency_ms: float | None = None
    flash_kib: float | None = None
    board_ram_kib: float | None = None
    board: str = ""
    format: str = "f32"
    measured: tuple[Mapping[str, Any], ...] = ()
    """Measurements of the board as the study began: all its trials are estimated by the same."""

    @classmethod
    def of_spec(cls, spec: Mapping[str, Any], operators: frozenset[str] | None = None) -> Budget:
        """Return the budget of a study, from its settings; studies of earlier versions have fewer."""
        return cls(
            size_kib=spec.get("max_size_kib", math.inf),
            macs=spec.get("max_macs"),
            ram_kib=spec.get("max_ram_kib"),
            operators=operators,
            latency_ms=spec.get("latency_ms"),
            flash_kib=spec.get("flash_kib"),
            board_ram_kib=spec.get("board_ram_kib"),
            board=spec.get("board") or "",
            format=spec.get("format") or "f32",
            measured=tuple(spec.get("measured") or ()),
        )

    def excess(self, cost: Cost, used: frozenset[str] = frozenset()) -> dict[str, float]:
        """Return by how much a model is over each limit that is set: at or below 0 it keeps it.

        ``used`` are the operators of its graph; each that the device lacks counts 1.
        """
        over = {"size_kib": cost.size_bytes / 1024 - self.size_kib}
        if self.macs is not None:
            over["macs"] = cost.macs - self.macs
        if self.ram_kib is not None:
            over["ram_kib"] = cost.peak_bytes / 1024 - self.ram_kib
        if self.operators is not None:
            over["operators"] = float(len(used - self.operators))
        for name, taken in self._on_board(cost).items():
            most = getattr(self, name)
            if most is not None and taken is not None:
                over[name] = taken - most
        return over

    @staticmethod
    def _on_board(cost: Cost) -> dict[str, float | None]:
        flash, ram = cost.flash_bytes, cost.board_ram_bytes
        return {
            "latency_ms": cost.latency_ms,
            "flash_kib": None if flash is None else flash / 1024,
            "board_ram_kib": None if ram is None else ram / 1024,
        }

    def broken(self, cost: Cost, used: frozenset[str] = frozenset()) -> str:
        """Say which limits a model breaks, "" where it keeps all."""
        words = {
            "size_kib": f"{cost.size_bytes / 1024:.1f} KiB",
            "macs": f"{cost.macs:,} MACs",
            "ram_kib": f"{cost.peak_bytes / 1024:.1f} KiB of RAM",
            "operators": f"needs {', '.join(sorted(used - (self.operators or used)))}",
            **{
                name: f"{taken or 0:.3g} {unit} on the board"
                for (name, taken), unit in zip(
                    self._on_board(cost).items(), ("ms", "KiB of flash", "KiB of RAM"), strict=True
                )
            },
        }
        return ", ".join(words[name] for name, over in self.excess(cost, used).items() if over > 0)

    def describe(self) -> str:
        """Say the limits in words."""
        of = f" as {self.format}" if self.format != "f32" else ""
        words = [f"at most {self.size_kib:g} KiB{of}"] if self.size_kib < math.inf else ["a file of any size"]
        if self.macs is not None:
            words.append(f"{self.macs:,.0f} MACs a window")
        if self.ram_kib is not None:
            words.append(f"{self.ram_kib:g} KiB of RAM")
        if self.operators is not None:
            words.append(f"{len(self.operators)} operators")
        if self.latency_ms is not None:
            words.append(f"{self.latency_ms:g} ms a window on the board")
        if self.flash_kib is not None:
            words.append(f"{self.flash_kib:g} KiB of its flash")
        if self.board_ram_kib is not None:
            words.append(f"{self.board_ram_kib:g} KiB of its RAM")
        if self.board:
            words.append(f"estimated for {self.board}")
        return ", ".join(words)
