"""What is decided, from what signal."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is decided, from what signal.

    ``classes[i]`` is the name of label ``i``; ``positive`` is the label that sensitivity is about.
    ``sampling_rate`` is in Hz, ``window`` in samples.
    """

    name: str
    classes: tuple[str, ...]
    positive: int
    sampling_rate: int
    window: int
    leads: int = 1

    @property
    def seconds(self) -> float:
        """Length of one window in seconds."""
        return self.window / self.sampling_rate
