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
    ``sampling_rate`` is in Hz, ``window`` in samples. Windows of most tasks adjoin; where ``after_beat`` is
    given, each lies round one beat, and ends that many seconds after it.

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
    after_beat: float | None = None

    @property
    def seconds(self) -> float:
        """Length of one window in seconds."""
        return self.window / self.sampling_rate

    @property
    def around_beats(self) -> bool:
        """Whether each window lies round one beat, whose class is asked for."""
        return self.after_beat is not None

    @property
    def samples_after_beat(self) -> int:
        """Samples of a window that come after its beat, which is the one before them.

        Raises:
            ValueError: Windows of the task are not cut round beats.
        """
        if self.after_beat is None:
            raise ValueError(f"windows of task {self.name!r} are not cut round beats")
        return round(self.after_beat * self.sampling_rate)
