"""The ten conditions that a page is labelled with, and which of them a heart has."""

from __future__ import annotations

import numpy as np

CONDITIONS = {
    "AF": "atrial fibrillation",
    "PVC": "premature ventricular contractions",
    "TACHY": "tachycardia, above 100 a minute",
    "BRADY": "bradycardia, below 60 a minute",
    "RBBB": "right bundle branch block",
    "LBBB": "left bundle branch block",
    "AVB1": "first-degree atrioventricular block, PR above 200 ms",
    "STE_ANT": "ST elevation, anterior",
    "STE_INF": "ST elevation, inferior",
    "STE_LAT": "ST elevation, lateral",
}
"""Short names, as columns of a table have them, and what they mean. A normal heart has none."""

APART = (
    {"TACHY", "BRADY"},
    {"RBBB", "LBBB"},
    {"AF", "AVB1"},  # without P waves there is no PR interval
    {"TACHY", "AVB1"},  # the P wave lies in the T wave before it, where nobody reads it
    {"LBBB", "STE_ANT"},  # the block alone moves the ST segment of these leads
    {"LBBB", "STE_INF"},
    {"LBBB", "STE_LAT"},
)
"""Conditions that no heart has together."""

NORMAL = 2
"""Normal hearts in a block of hearts that has each condition as the first once."""

MORE = (0.55, 0.33, 0.12)
"""Probabilities of no, one and two conditions beside the first."""


def compatible(conditions: frozenset[str]) -> bool:
    """Return whether one heart may have all of them.

    Example:
        >>> compatible(frozenset({"AF", "RBBB"})), compatible(frozenset({"AF", "AVB1"}))
        (True, False)
    """
    return not any(pair <= conditions for pair in APART)


def conditions_of(seed: int, heart: int) -> frozenset[str]:
    """Draw the conditions of a heart by its number; of 12 hearts in a row 2 are normal.

    The other ten have one condition each as their first, every one once, and up to two more. More hearts of
    the same seed don't change those before them.

    Example:
        >>> first = [conditions_of(0, heart) for heart in range(12)]
        >>> sum(not one for one in first), set().union(*first) == set(CONDITIONS)
        (2, True)
    """
    names = tuple(CONDITIONS)
    block, place = divmod(heart, len(names) + NORMAL)
    turn = int(np.random.default_rng([seed, 1, block]).permutation(len(names) + NORMAL)[place])
    if turn >= len(names):
        return frozenset()
    random = np.random.default_rng([seed, 2, heart])
    found = frozenset({names[turn]})
    wanted = 1 + int(random.choice(len(MORE), p=MORE))
    for other in random.permutation(len(names)):
        if len(found) < wanted and compatible(found | {names[other]}):
            found |= {names[other]}
    return found
