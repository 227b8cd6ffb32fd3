"""What a task decides on, in words: windows that adjoin, single beats, or pictures of pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from atml.formatting import plural
from atml.tasks.task import MULTILABEL, WAVEFORM, Task

ECTOPIC = {"V": "VEB", "S": "SVEB"}
"""What beats of a class are called in the field: ventricular and supraventricular ectopic beats."""


@dataclass(frozen=True)
class Case:
    """What one decision is about, and what data call its kind.

    "window" and "rhythm", "beat" and "symbol", "page" and "label".
    """

    name: str
    kind: str

    @property
    def many(self) -> str:
        """Several of them."""
        return f"{self.name}s"

    @property
    def kinds(self) -> str:
        """Several kinds."""
        return f"{self.kind}s"

    def count(self, n: int) -> str:
        """Say how many."""
        return plural(n, self.name)


WINDOW, BEAT, PAGE = Case("window", "rhythm"), Case("beat", "symbol"), Case("page", "label")


def case_of(task: Task) -> Case:
    """Return what a task decides on.

    Example:
        >>> beats = Task(name="b", kind="multiclass", classes=("N", "S", "V"), sampling_rate=125, window=250,
        ...     after_beat=0.8)
        >>> case_of(beats).count(1200), case_of(beats).kind
        ('1,200 beats', 'symbol')
    """
    if task.picture is not None:
        return PAGE
    return BEAT if task.around_beats else WINDOW


def kind_in_words(task: Task) -> str:
    """Name what data call the kinds of what is decided on: "rhythm", "symbol", or "set of labels".

    Example:
        >>> kind_in_words(Task(name="p", kind="multilabel", classes=("AF", "PVC"), picture=(9, 9), leads=3))
        'set of labels'
    """
    return "set of labels" if task.kind == MULTILABEL else case_of(task).kind


def of_study(spec: Mapping[str, Any]) -> Case:
    """Return what the task of a study decides on, of the settings that the study keeps.

    Example:
        >>> of_study({"task": "pages", "window": None}).name, of_study({"task": "afib", "window": 5.0}).name
        ('page', 'window')
    """
    return PAGE if spec.get("window", 0.0) is None else WINDOW


def alike(task: Task) -> str:
    """Say what a network does that has learned nothing.

    Example:
        >>> alike(Task(name="p", kind="multilabel", classes=("AF", "PVC"), picture=(32, 40)))
        'assigns every page the same labels'
    """
    if task.kind == WAVEFORM:
        return "reads no lead of any page"
    what = "labels" if task.kind == MULTILABEL else "class"
    return f"assigns every {case_of(task).name} the same {what}"


def signal(task: Task) -> str:
    """Say what signal a decision is made from.

    Example:
        >>> beats = Task(name="b", kind="multiclass", classes=("N", "S", "V"), sampling_rate=125, window=250,
        ...     after_beat=0.8)
        >>> signal(beats)
        '2 s of ECG round it, 0.8 s of them after it'
    """
    if task.picture is not None:
        return "a picture of an ECG page"
    if task.after_beat is None:
        return f"{task.seconds:g} s of ECG"
    return f"{task.seconds:g} s of ECG round it, {task.after_beat:g} s of them after it"


def beat_at(task: Task) -> float | None:
    """Return the second of a window at which its beat lies; None where windows adjoin.

    Example:
        >>> beats = Task(name="b", kind="multiclass", classes=("N", "S", "V"), sampling_rate=100, window=250,
        ...     after_beat=0.8)
        >>> beat_at(beats)
        1.69
    """
    if task.after_beat is None:
        return None
    return (task.window - 1 - task.samples_after_beat) / task.sampling_rate


def short(name: str) -> str:
    """Return what the field calls a class of beats, its own name for others.

    Example:
        >>> short("V"), short("N")
        ('VEB', 'N')
    """
    return ECTOPIC.get(name, name)


def titled(name: str) -> str:
    """Name a class of beats as the field does.

    Example:
        >>> titled("V"), titled("N")
        ('VEB (V)', 'N')
    """
    return f"{ECTOPIC[name]} ({name})" if name in ECTOPIC else name


WHOLE = (
    "Figures out of fold are of beats that the detector finds and that match an annotated beat of a class of"
    " the task. Beats that it misses and detections where no beat is are not among them, nor are fusion and"
    " unknown beats"
)
"""What a reader of figures of single beats has to know; goes on with what judges whole recordings."""


def judges_whole(export: str = "EXPORT") -> str:
    """Name the command that judges whole recordings."""
    return f"`atml score {export} --data SET --rule ec57` judges whole recordings, with all of these"
