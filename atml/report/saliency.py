"""Which parts of a window a decision depends on: occlusion by a straight bridge.

A part some tenths of a second long is replaced by the straight line between its two ends, on all leads, and
the change of the margin is what that part was worth: margin of the window less margin without the part.
Slid over the whole window, every sample gets the mean over the parts that hold it. That is occlusion
(Zeiler and Fergus 2014, Visualizing and Understanding Convolutional Networks) with a bridge in place of a
grey square, because a jump would be a wave of its own. It needs the exported file alone, works for any
network, and gives the same for the same file and window.

Its limits: the network never saw a bridged window, and a QRS complex taken away is a pause as well;
where two parts carry the same information, taking away either changes nothing; with normalisation inside the
file, taking away the largest wave changes the size of all others. It shows what this file reacts to, not what
a physician should look at.
"""

from __future__ import annotations

import numpy as np

from atml.arrays import Float32, Floats, Int64
from atml.artifacts.model import ExportedModel, infer
from atml.metrics.predictions import Predictions

WIDTH = 0.16
"""s: about one QRS complex with its flanks, or an f wave."""

STRIDE = 0.04
"""s between the beginnings of two parts."""

ENDS = 0.012
"""s at either end of a part over which the end of its bridge is taken, so that one noisy sample is none."""

LIMITS = (
    "The colour is of the exported file, which was trained on every subject, on these too: how its margin"
    " changes when 0.16 s of the signal become a straight line (occlusion, after Zeiler and Fergus 2014). It"
    " shows what this file reacts to, not why, and nothing of what is clinically relevant."
)
"""What a reader of such a trace has to know."""


def bridged(x: Float32, start: int, width: int, ends: int) -> Float32:
    """Return a copy of ``x (leads, samples)`` with samples ``start`` to ``start + width`` on a line.

    The line joins the mean of the ``ends`` samples before it to that of those after it; at either end of the
    window, where there are none, it is level.
    """
    out = np.array(x, np.float32)
    stop = min(start + width, x.shape[-1])
    before, after = x[:, max(0, start - ends) : start], x[:, stop : stop + ends]
    left = before.mean(axis=1) if before.shape[1] else after.mean(axis=1)
    right = after.mean(axis=1) if after.shape[1] else left
    share = (np.arange(start, stop) - start + 1) / (stop - start + 1)
    out[:, start:stop] = left[:, None] + (right - left)[:, None] * share
    return out


def parts(samples: int, width: int, stride: int) -> Int64:
    """Return where parts begin, so that every sample is in one: the last ends with the window."""
    last = max(0, samples - width)
    return np.unique(np.append(np.arange(0, last + 1, stride), last)).astype(np.int64)


def margins(exported: ExportedModel, x: Float32, label: int) -> Floats:
    """Return the margin of class ``label`` in each window of ``x (n, leads, samples)``, ``(n,)``.

    It is the logit of the class less the largest other one.
    """
    logits = infer(exported.model, x)
    none = np.empty(0, np.int64), np.empty(0, np.str_)
    return Predictions(logits, *none, label).margin().astype(np.float64)


def saliency(exported: ExportedModel, x: Float32, label: int) -> tuple[float, Floats]:
    """Return the margin of one window ``x (leads, samples)`` and the saliency of its samples ``(samples,)``.

    Above 0 where the part speaks for class ``label``, below 0 where it speaks against it; in logits.

    Raises:
        ExportError: onnxruntime can't run the model, or the window does not fit it.
    """
    rate, samples = exported.task.sampling_rate, x.shape[-1]
    width, ends = max(2, min(round(WIDTH * rate), samples - 1)), max(1, round(ENDS * rate))
    starts = parts(samples, width, max(1, round(STRIDE * rate)))
    without = [bridged(x, int(start), width, ends) for start in starts]
    found = margins(exported, np.stack([np.asarray(x, np.float32), *without]), label)
    worth = found[0] - found[1:]
    total, often = np.zeros(samples), np.zeros(samples)
    for start, one in zip(starts, worth, strict=True):
        total[start : start + width] += one
        often[start : start + width] += 1
    return float(found[0]), total / often
