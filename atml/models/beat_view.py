"""The input step "beat": a window becomes its beat compared with its surroundings.

Which class a beat is of shows in how it differs from its neighbours: it comes early or late, and has their
shape and size or another one. People differ more in shape than classes do, and a small network that sees
the signal alone learns the people it is trained on. This step puts the comparison in front of it: how alike
each moment is to the beat, how large it is beside the beat, and what the beat itself looks like. A gain, an
offset, and for the first two the electrodes exchanged, change nothing.

All is additions, products, quotients, maxima and roots in an order fixed here, so that C repeats them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from atml.ecg.beats import STEP_S
from atml.errors import ConfigError, ShapeError
from atml.tasks.task import Task

CHANNELS = 3
"""Rows that the step makes of one lead: likeness, size, shape."""

ALIKE_S = 0.1
"""Half the stretch of slopes that is compared, in s: a wide QRS complex."""

HIDDEN_S = 0.13
"""Within this of the beat, in s, likeness and size are 0: that it is like itself tells nothing."""

BEFORE_S, AFTER_S = 0.2, 0.3
"""The beat's own shape: from its P wave to its T wave, in s from the beat."""

ALIKE_GAIN = 2.0
"""What likeness, from -1 to 1, is multiplied by."""

FLOOR = 0.15
"""Slopes below this share of the largest of the window count as this large: noise is like nothing."""

LARGEST = 4.0
"""Slopes are at most this many times the beat's own."""

EPSILON = 1e-6
"""Added to divisors: a flat line becomes zeros."""


@dataclass(frozen=True)
class BeatPlan:
    """The step's places and widths, in samples of a window of ``window`` at the task's rate.

    ``beat`` is the place of the beat, ``step`` half the span of a slope and the distance of the ``taps``
    slopes that are compared, ``hidden`` how far the beat itself is hidden, ``before`` and ``after`` how far
    its own shape reaches.
    """

    window: int
    beat: int
    step: int
    taps: int
    hidden: int
    before: int
    after: int

    @property
    def reach(self) -> int:
        """Samples from the middle of what is compared to its end."""
        return self.taps // 2 * self.step

    @property
    def own(self) -> int:
        """Samples of the beat's own shape."""
        return self.before + self.after + 1

    @property
    def operations(self) -> int:
        """Additions, products, quotients and comparisons for one lead of one window."""
        return self.window * (4 * self.taps + 7) + 5 * self.own

    def file_bytes(self, leads: int) -> int:
        """Bytes of the step's nodes and constants in an ONNX file, fitted and rounded up."""
        return 3200 + 4 * self.taps**2 + 250 * (leads > 1)


def beat_plan(task: Task) -> BeatPlan:
    """Work out the step's places and widths for a task.

    Raises:
        ConfigError: A task whose windows are not cut round beats.
        ShapeError: A window that has no room for its beat's own shape.

    Example:
        >>> classes = ("N", "S", "V")
        >>> beats = Task(name="b", classes=classes, sampling_rate=125, window=438, after_beat=1.2)
        >>> beat_plan(beats).beat
        287
    """
    if not task.around_beats:
        raise ConfigError(
            f"normalise='beat' is for windows round beats; those of task {task.name!r} are not"
            " (its file gives no after_beat)"
        )
    rate = task.sampling_rate
    step = max(1, round(STEP_S * rate))
    plan = BeatPlan(
        window=task.window,
        beat=task.window - task.samples_after_beat - 1,
        step=step,
        taps=2 * max(1, round(ALIKE_S * rate / step)) + 1,
        hidden=round(HIDDEN_S * rate),
        before=round(BEFORE_S * rate),
        after=round(AFTER_S * rate),
    )
    before, after = max(plan.before, plan.hidden, plan.reach), max(plan.after, plan.hidden, plan.reach)
    if plan.beat < before or plan.beat + after >= plan.window:
        raise ShapeError(
            f"normalise='beat' needs {before} samples before a beat and {after} after it; windows of task"
            f" {task.name!r} have {plan.beat} and {task.samples_after_beat}"
        )
    return plan


def beat_view(x: Tensor, plan: BeatPlan) -> Tensor:
    """Turn ``(n, leads, samples)`` into ``(n, 3 * leads, samples)``, the three rows of a lead together.

    - Likeness: `ALIKE_GAIN` times the cosine between the slopes about each sample and those about the beat.
    - Size: how large the slopes about each sample are beside those about the beat, at most `LARGEST`.
    - Shape: the beat from `BEFORE_S` before it to `AFTER_S` after it, minus its mean over its standard
      deviation, and 0 elsewhere.

    Likeness and size are 0 within `HIDDEN_S` of the beat.

    Example:
        >>> classes = ("N", "S", "V")
        >>> beats = Task(name="b", classes=classes, sampling_rate=125, window=438, after_beat=1.2)
        >>> x = torch.zeros(1, 1, 438)
        >>> x[..., [187, 287, 387]] = torch.tensor([1.0, 1.0, -0.5])
        >>> rows = beat_view(x, beat_plan(beats))
        >>> [[round(v, 3) for v in row] for row in rows[0, :2, [187, 287, 387]].tolist()]
        [[2.0, 0.0, -2.0], [1.0, 0.0, 0.5]]
    """
    n, leads, samples = x.shape
    lead = x.reshape(n * leads, samples)
    slope = F.pad(lead[:, 2 * plan.step :] - lead[:, : -2 * plan.step], (plan.step, plan.step))
    about = F.pad(slope, (plan.reach, plan.reach))
    beat = slope[:, plan.beat - plan.reach : plan.beat + plan.reach + 1 : plan.step]
    product, power = torch.zeros_like(slope), torch.zeros_like(slope)
    for tap in range(plan.taps):
        part = about[:, tap * plan.step : tap * plan.step + samples]
        product = product + part * beat[:, tap : tap + 1]
        power = power + part * part
    size = power.sqrt()
    own = size[:, plan.beat : plan.beat + 1] + EPSILON
    least = size.amax(1, keepdim=True) * FLOOR + EPSILON
    alike = product / (own * torch.maximum(size, least)) * ALIKE_GAIN
    size = (size / own).clamp(max=LARGEST)
    seen = torch.ones_like(lead[:1])
    seen[:, plan.beat - plan.hidden : plan.beat + plan.hidden + 1] = 0
    shape = lead[:, plan.beat - plan.before : plan.beat + plan.after + 1] - lead[:, plan.beat : plan.beat + 1]
    shape = shape - shape.mean(1, keepdim=True)
    shape = shape / ((shape * shape).mean(1, keepdim=True).sqrt() + EPSILON)
    shape = F.pad(shape, (plan.beat - plan.before, samples - plan.beat - plan.after - 1))
    return torch.stack([alike * seen, size * seen, shape], 1).reshape(n, CHANNELS * leads, samples)
