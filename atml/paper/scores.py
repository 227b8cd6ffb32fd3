"""How near signals that were read come to the true ones, lead by lead, as trials are judged by."""

from __future__ import annotations

import numpy as np

from atml.arrays import Float32
from atml.digitising.signal_rules import matched
from atml.metrics.waveform import FLOOR_DB, MOST_DB
from atml.paper.page_truth import RATE


def lead_decibels(true: Float32, read: Float32) -> Float32:
    """Return the decibels of each lead, ``(leads,)``; 0 for one that was not read, or is not there.

    A true lead that is 0 throughout, as that of an electrode that is off, counts as not there.

    Aligned as the rule `atml.digitising.signal_rules.kaggle2025` has it, and at most 60 dB.

    Example:
        >>> x = np.sin(np.arange(5000) / 40)[None].astype(np.float32)
        >>> lead_decibels(x, 0.9 * x).round(3).tolist(), lead_decibels(x, np.nan * x).tolist()
        ([20.0], [0.0])
    """
    found = [0.0 if lead is None or not lead.signal > 0 else lead.db for lead in matched(true, read, RATE)]
    return np.clip(found, FLOOR_DB, MOST_DB).astype(np.float32)
