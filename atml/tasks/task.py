"""What is decided, from what signal."""

from __future__ import annotations

from dataclasses import dataclass

BINARY, MULTICLASS = "binary", "multiclass"
"""Kinds of targets that come with atml; `atml.tasks.targets.TARGETS` has all."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is decided, from what signal.

    ``classes[i]`` is the name of label ``i``. ``kind`` names the kind of target (`atml.tasks.targets`): a
    "binary" task has a ``positive`` label, the one that sensitivity is about; a "multiclass" task has none.
    ``sampling_rate`` is in Hz, ``window`` in samples.

    Example:
        >>> classes = ("N", "AF", "O")
        >>> Task(name="rhythm", kind="multiclass", classes=classes, sampling_rate=100, window=900).seconds
        9.0
    """

    name: str
    classes: tuple[str, ...]
    positive: int | None = None
    sampling_rate: int
    window: int
    leads: int = 1
    kind: str = BINARY

    @property
    def seconds(self) -> float:
        """Length of one window in seconds."""
        return self.window / self.sampling_rate
