"""What an official rule answers with."""

from __future__ import annotations

from dataclasses import dataclass

from atml.metrics import Confusion, Counts, SubjectRow


@dataclass(frozen=True, kw_only=True)
class Score:
    """Figures of one model on one test set under one rule.

    ``f_beta`` and ``g`` are what the rule calls F and G. ``points`` and ``total`` are None unless a measured
    latency (ms) and size (KiB) were given. ``subjects`` come worst first.
    """

    rule: str
    f_beta: float
    g: float
    good: float
    """A subject counts for G when its F-beta is above this."""
    pooled: Confusion
    counts: Counts
    subjects: tuple[SubjectRow, ...]
    latency_ms: float | None = None
    size_kib: float | None = None
    points: dict[str, float] | None = None
    """What each of "F", "G", "latency" and "size" adds to the total."""
    total: float | None = None
    best: float
    """The largest total that the rule's text allows for."""
