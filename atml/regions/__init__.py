"""Regions of a search space in which hardly any config qualifies: learnt, in words, with their evidence.

::

    space      parameters and the distribution Q, learnt from ``suggest``    space.py
    boxes      "cell = gru and learning_rate in [0.02, 0.1]"                 box.py
    families   which boxes are put to the test                               family.py
    evidence   the sequential test, and what counts                          evidence.py
    ledger     what a study keeps                                            ledger.py
    judging    how each box stands                                           judging.py
    bounds     what that means for the next trial                            bounds.py
    files      JSON and ``avoid.txt``                                        files.py

Nothing here trains, stores or samples a trial: pure functions over trial records.
"""

from atml.errors import RegionError
from atml.regions.bounds import Bounds
from atml.regions.box import Box, Choice, Interval, parse
from atml.regions.ledger import Ledger, begin, lift, nominate, update
from atml.regions.sequential_test import Outcome, outcomes
from atml.regions.space import Draft, Space, learn
from atml.regions.verdicts import Region, judge, renew, row

__all__ = [
    "Bounds",
    "Box",
    "Choice",
    "Draft",
    "Interval",
    "Ledger",
    "Outcome",
    "Region",
    "RegionError",
    "Space",
    "begin",
    "judge",
    "learn",
    "lift",
    "nominate",
    "outcomes",
    "parse",
    "renew",
    "row",
    "update",
]
