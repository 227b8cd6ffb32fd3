"""Which parts of a page a label depends on: occlusion by the page's own paper.

A square is painted in the median colour of the page, and the change of the label's logit is what that part
was worth: the logit of the page less that without the part. Slid over the page by half its size, each part of
it gets the mean over the squares that hold it (Zeiler and Fergus 2014, Visualizing and Understanding
Convolutional Networks). It needs the exported file alone.

Its limits are those of `atml.report.saliency`: where two parts carry the same information, and twelve leads
repeat each other, taking away either changes little.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from atml.arrays import Floats
from atml.artifacts.model import ExportedModel, infer

SIDE = 0.16
"""Side of a square as a share of the page's height, about one lead's row."""

BATCH = 32

LIMITS = (
    "The colour is of the exported file, which was trained on every subject, on these too: how the logit of"
    " the label changes when a square of the page is painted over in the colour of its paper (occlusion,"
    " after Zeiler and Fergus 2014). It shows what this file reacts to, not why; leads repeat each other, so"
    " that what one lead tells may weigh little."
)
"""What a reader of such a picture has to know."""


def saliency(exported: ExportedModel, x: npt.NDArray[np.generic], label: int) -> tuple[float, Floats]:
    """Return the logit of ``label`` on one page ``x (3, rows, columns)``, and what each part adds to it.

    The parts are ``(down, across)``, half a square high and wide each; above 0 where one speaks for the
    label.

    Raises:
        ExportError: onnxruntime can't run the model, or the page does not fit it.
    """
    page = np.asarray(x, np.float32)
    _, rows, columns = page.shape
    step = max(1, round(rows * SIDE / 2))
    down, across = max(2, round(rows / step)), max(2, round(columns / step))
    tops = np.linspace(0, rows, down + 1).round().astype(int)
    lefts = np.linspace(0, columns, across + 1).round().astype(int)
    paper = np.median(page.reshape(3, -1), axis=1).astype(np.float32)
    places = [(i, j) for i in range(down - 1) for j in range(across - 1)]
    own = float(infer(exported.model, page[None])[0, label])
    total, often = np.zeros((down, across)), np.zeros((down, across))
    for at in range(0, len(places), BATCH):
        some = places[at : at + BATCH]
        without = np.repeat(page[None], len(some), axis=0)
        for one, (i, j) in zip(without, some, strict=True):
            one[:, tops[i] : tops[i + 2], lefts[j] : lefts[j + 2]] = paper[:, None, None]
        worth = own - infer(exported.model, without)[:, label].astype(np.float64)
        for (i, j), found in zip(some, worth, strict=True):
            total[i : i + 2, j : j + 2] += found
            often[i : i + 2, j : j + 2] += 1
    return own, total / often
