"""Labels of pages without a network: signals are traced, and figures of them weighed.

Used by ``pages.py --traced FILE``. What reads pages for `atml digitize` reads each at its own size; of the
signals are taken: heart rate, how irregular RR intervals are, widths of QRS complexes, the P wave and how
long before the QRS complex it comes, ST levels, and the shape of QRS in V1, I and V6. A logistic regression
weighs them.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from atml.arrays import Bools, Float32, Floats, Int64, Strings
from atml.data.dataset import Dataset
from atml.digitising.digitiser import RATE, digitise
from atml.ecg import qrs
from atml.errors import DataError
from atml.pages.picture_file import read
from atml.pages.twelve_leads import LEADS

BEFORE, AFTER = round(0.32 * RATE), round(0.45 * RATE)
"""Samples of a beat before and after its R peak."""


def figures(signal: Float32) -> Floats:
    """Return figures of ``signal (12, samples)`` in mV at 500 Hz, NaN where a page does not tell.

    Example:
        >>> len(figures(np.full((12, 5000), np.nan, np.float32)))
        34
    """
    longest = int(np.isfinite(signal).sum(axis=1).argmax())
    rhythm = signal[longest][np.isfinite(signal[longest])]
    beats = qrs.detect(rhythm, RATE) if len(rhythm) > 2 * RATE else np.empty(0, np.int64)
    rr = np.diff(beats) / RATE
    found = [np.nan] * 5
    if len(rr) >= 2:
        steps = np.abs(np.diff(rr)) if len(rr) > 2 else np.array([0.0])
        mean = rr.mean()
        found = [60 / mean, rr.std() / mean, steps.mean() / mean, rr.min() / np.median(rr), len(rr)]
    each = [_of_lead(lead) for lead in signal]
    table = np.array(each)  # (12, 5): width, widest, P height, PR, ST
    at = {name: i for i, name in enumerate(LEADS)}
    told = [column[np.isfinite(column)] for column in table.T]
    found += [float(np.median(column)) if len(column) else np.nan for column in told]
    found.append(float(told[1].max()) if len(told[1]) else np.nan)
    found += [table[at[name], 4] for name in LEADS]  # ST levels, one a lead
    for name in ("V1", "I", "V6"):
        found += list(_shape(signal[at[name]]))
    found += [table[at["II"], 2], table[at["II"], 3]]
    return np.array(found, np.float64)


def _beats(lead: Float32) -> list[Float32]:
    """Cut a lead into its beats, each level before the P wave taken off; those that lie whole within it."""
    there = np.flatnonzero(np.isfinite(lead))
    if len(there) < 2 * RATE:
        return []
    x = lead[there[0] : there[-1] + 1]
    x = np.interp(np.arange(len(x)), np.flatnonzero(np.isfinite(x)), x[np.isfinite(x)]).astype(np.float32)
    cut = [x[one - BEFORE : one + AFTER] for one in qrs.detect(x, RATE) if BEFORE <= one <= len(x) - AFTER]
    return [beat - np.median(beat[:30]) for beat in cut]


def _of_lead(lead: Float32) -> list[float]:
    """Return the median width of QRS in ms, the widest, height of P in mV, PR in ms, and ST level in mV."""
    beats = _beats(lead)
    if not beats:
        return [np.nan] * 5
    widths = [_width(beat) for beat in beats]
    mean = np.median(beats, axis=0)
    near = mean[BEFORE - round(0.28 * RATE) : BEFORE - round(0.07 * RATE)]
    level = float(np.median(mean[BEFORE - round(0.07 * RATE) : BEFORE - round(0.05 * RATE)]))
    p = int(near.argmax())
    st = mean[BEFORE + round(0.09 * RATE) : BEFORE + round(0.13 * RATE)]
    apart = (len(near) - p) / RATE + 0.07
    height, raised = float(near[p] - np.median(near)), float(st.mean()) - level
    return [float(np.median(widths)), max(widths), height, 1000 * apart, raised]


def _width(beat: Float32) -> float:
    """Return for how many ms round the R peak the signal is steep."""
    part = beat[BEFORE - round(0.1 * RATE) : BEFORE + round(0.14 * RATE)]
    steep = np.abs(np.convolve(np.diff(part), np.ones(5) / 5, "same"))
    above = np.flatnonzero(steep > 0.2 * steep.max())
    return 1000 * (above[-1] - above[0]) / RATE if len(above) else np.nan


def _shape(lead: Float32) -> tuple[float, float, float]:
    """Return the highest and the lowest of QRS in mV, and the mean of its last third."""
    beats = _beats(lead)
    if not beats:
        return np.nan, np.nan, np.nan
    part = np.median(beats, axis=0)[BEFORE - 35 : BEFORE + 50]
    return float(part.max()), float(part.min()), float(part[-35:].mean())


def _read(file: Path) -> Floats:
    try:
        return figures(digitise(read(file)).signal)
    except DataError:  # refused: nothing is known of the page
        return figures(np.full((len(LEADS), RATE * 10), np.nan, np.float32))


def kept(file: Path, dataset: Dataset, sets: Sequence[Path]) -> Floats:
    """Measure the pages of ``sets``, as ``dataset`` has them: ``(n, figures)``; ``file`` keeps them."""
    assert dataset.record is not None
    names = [str(name).rpartition("/")[2] for name in dataset.record]
    assert len(set(names)) == len(names), "two sets have pages of the same name"
    known = {}
    if file.is_file():
        with np.load(file) as before:
            known = dict(zip(before["name"].tolist(), before["figures"], strict=True))
    left = [path for path in pictures(sets) if path.parent.name in set(names) - set(known)]
    known |= zip((path.parent.name for path in left), measured(left), strict=True)
    figures_of = np.array([known[name] for name in names])
    np.savez(file, name=names, figures=figures_of)
    return figures_of


def pictures(sets: Sequence[Path]) -> list[Path]:
    """Return the pictures of sets that `atml data make pages` wrote."""
    return [path for folder in sets for path in sorted(folder.glob("*/*_dirty.png"))]


def measured(files: Sequence[Path], processes: int = 2) -> Floats:
    """Read pictures: ``(n, figures)``."""
    with ProcessPoolExecutor(processes) as pool:
        return np.array(list(pool.map(_read, files, chunksize=8)))


def scores(x: Floats, true: Bools, subject: Strings, inside: Int64, outside: Int64) -> tuple[Floats, Floats]:
    """Fit a regression a label to pages ``inside``; log odds of these, out of fold, and of ``outside``."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    known = np.where(np.isfinite(x), x, np.nanmedian(x[inside], axis=0))
    every = np.column_stack([known, known**2, np.log(np.abs(known) + 1e-3), ~np.isfinite(x)])
    own, theirs = np.zeros((len(inside), true.shape[1])), np.zeros((len(outside), true.shape[1]))
    for label in range(true.shape[1]):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=3000))
        y = true[inside, label]
        own[:, label] = cross_val_predict(
            model, every[inside], y, groups=subject[inside], cv=GroupKFold(4), method="decision_function"
        )
        theirs[:, label] = model.fit(every[inside], y).decision_function(every[outside])
    return own, theirs
