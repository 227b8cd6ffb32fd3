"""What a model costs on a device, and what the device has room for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a model costs on a device, known before training.

    ``parameters`` are trained, ``fixed`` are stored but not trained (batch-norm statistics); ``macs``
    are multiply-accumulates for one window; ``size_bytes`` is the exported ONNX file; ``peak_bytes`` is
    the largest sum of activations alive at once, float32.
    """

    parameters: int
    fixed: int
    macs: int
    size_bytes: int
    peak_bytes: int


LIMITS = ("size_kib", "macs", "ram_kib", "operators")
"""Names of the constraints that a budget makes."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a device has room for; None where it does not matter.

    ``size_kib`` of exported file, ``macs`` for one window, ``ram_kib`` of activations alive at once, and the
    ONNX ``operators`` that its runtime knows.
    """

    size_kib: float
    macs: float | None = None
    ram_kib: float | None = None
    operators: frozenset[str] | None = None

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
        return over

    def broken(self, cost: Cost, used: frozenset[str] = frozenset()) -> str:
        """Say which limits a model breaks, "" where it keeps all."""
        words = {
            "size_kib": f"{cost.size_bytes / 1024:.1f} KiB",
            "macs": f"{cost.macs:,} MACs",
            "ram_kib": f"{cost.peak_bytes / 1024:.1f} KiB of RAM",
            "operators": f"needs {', '.join(sorted(used - (self.operators or used)))}",
        }
        return ", ".join(words[name] for name, over in self.excess(cost, used).items() if over > 0)

    def describe(self) -> str:
        """Say the limits in words."""
        words = [f"at most {self.size_kib:g} KiB"]
        if self.macs is not None:
            words.append(f"{self.macs:,.0f} MACs a window")
        if self.ram_kib is not None:
            words.append(f"{self.ram_kib:g} KiB of RAM")
        if self.operators is not None:
            words.append(f"{len(self.operators)} operators")
        return ", ".join(words)
