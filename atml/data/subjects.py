"""Whether two names are one person: within a set, and where several sets were opened together.

A set by itself names its subjects as it does ("418"); among several sets each name carries its set before a
slash ("vfdb/418"). Two names that both carry a set are compared whole, else by what follows the slash.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from atml.arrays import Strings


def same_subject(first: str, second: str) -> bool:
    """Tell whether two names may mean one person.

    Example:
        >>> same_subject("418", "vfdb/418"), same_subject("mitdb/418", "vfdb/418")
        (True, False)
    """
    return first == second or first.endswith(f"/{second}") or second.endswith(f"/{first}")


def matching(names: Strings | Sequence[str], wanted: Iterable[str]) -> npt.NDArray[np.bool_]:
    """Tell which of ``names (n,)`` may mean a person in ``wanted``, by `same_subject`; ``(n,)`` of bool.

    Example:
        >>> matching(["418", "419"], ["vfdb/418"]).tolist()
        [True, False]
    """
    whole = {str(name) for name in wanted}
    short = {ending for name in whole for ending in endings(name)}
    people, which = np.unique(np.asarray(names, np.str_), return_inverse=True)
    found = [_any(str(name), whole, short) for name in people]
    return np.asarray(found, np.bool_)[which]


def _any(name: str, whole: Collection[str], short: Collection[str]) -> bool:
    return name in short or any(ending in whole for ending in endings(name))


def endings(name: str) -> list[str]:
    """Return the name, and what follows each slash in it.

    Example:
        >>> endings("vfdb/418")
        ['vfdb/418', '418']
    """
    parts = name.split("/")
    return ["/".join(parts[at:]) for at in range(len(parts))]
