"""What is decided, from what signal."""

from __future__ import annotations

from dataclasses import dataclass

BINARY, MULTICLASS, MULTILABEL, WAVEFORM = "binary", "multiclass", "multilabel", "waveform"
"""Kinds of targets that come with atml; `atml.tasks.targets.TARGETS` has all."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is decided, from what signal.

    ``classes[i]`` is the name of label ``i``. ``kind`` names the kind of target (`atml.tasks.targets`): a
    "binary" task has a ``positive`` label, the one that sensitivity is about; a "multiclass" task has none.
    ``sampling_rate`` is in Hz, ``window`` in samples. Windows of most tasks adjoin; where ``after_beat`` is
    given, each lies round one beat, and ends that many seconds after it.

    A "multilabel" task has any number of its classes true at once: a label is a set of them, written as the
    bits of a whole number (`atml.tasks.targets.multilabel`). Of a "waveform" task the classes are the leads
    of an ECG, which are read back from its picture (`atml.tasks.targets.waveform`).

    Where ``picture`` is given, rows and columns in pixels, what is decided on is a picture and no signal:
    ``leads`` counts its colours (red, green and blue), and it has no rate and no window.

    Example:
        >>> classes = ("N", "AF", "O")
        >>> Task(name="rhythm", kind="multiclass", classes=classes, sampling_rate=100, window=900).seconds
        9.0
        >>> Task(name="p", kind="multilabel", classes=("AF", "PVC"), picture=(192, 256), leads=3).shape
        (3, 192, 256)
    """

    name: str
    classes: tuple[str, ...]
    positive: int | None = None
    sampling_rate: int = 0
    window: int = 0
    leads: int = 1
    kind: str = BINARY
    after_beat: float | None = None
    picture: tuple[int, int] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what one decision is made of: (leads, samples), or (colours, rows, columns) of pixels."""
        return (self.leads, self.window) if self.picture is None else (self.leads, *self.picture)

    @property
    def sets(self) -> bool:
        """Whether a label is a set of classes, written as bits."""
        return self.kind in (MULTILABEL, WAVEFORM)

    @property
    def seconds(self) -> float:
        """Length of one window in seconds.

        Raises:
            ValueError: The task is about pictures.
        """
        if self.picture is not None:
            raise ValueError(f"task {self.name!r} is about pictures, which have no length in time")
        return self.window / self.sampling_rate

    @property
    def window_s(self) -> float | None:
        """Length of one window in seconds, None of pictures: what a search may be asked to change."""
        return None if self.picture is not None else self.seconds

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
