"""Regions of a search space in which hardly any config learns, each in words and with its evidence.

::

    values             how parameter values are compared and written
    box                "cell = gru and learning_rate in [0.02, 0.1]"
    space              the parameters and their distribution Q, learnt from ``suggest``
    candidates         which boxes are tested
    sequential_test    the test, and which trials count
    claims             what a region claims, and the rate that it is tested at
    ledger             what a study keeps
    verdicts           the status of each box
    bounds             what the statuses mean for the next trial
    region_files       regions.json and avoid.txt

Nothing here trains, stores or samples a trial: these are pure functions over trial records.
"""

from atml.errors import RegionError
from atml.regions.bounds import Bounds
from atml.regions.box import Box, Choice, Interval, parse
from atml.regions.candidates import declare
from atml.regions.claims import BaseRate, Claim
from atml.regions.ledger import Ledger, begin, lift, nominate, update
from atml.regions.sequential_test import Outcome, outcomes
from atml.regions.space import Draft, Space, learn
from atml.regions.verdicts import Region, Status, judge, meaning, renew, row

# fmt: off
__all__ = [
    "BaseRate", "Bounds", "Box", "Choice", "Claim", "Draft", "Interval", "Ledger", "Outcome", "Region",
    "RegionError", "Space", "Status", "begin", "declare", "judge", "learn", "lift", "meaning", "nominate",
    "outcomes", "parse", "renew", "row", "update",
]
# fmt: on
