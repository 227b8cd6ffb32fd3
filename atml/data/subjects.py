"""Whether two names are one person: however spelled, within a set, and where several were opened together.

A set by itself names its subjects as it does ("418"); among several sets each name carries its set before a
slash ("vfdb/418"). Two names that both carry a set are compared whole, else by what follows the slash. Names
that differ in blanks, in letters that are not seen, in case, encoding or Unicode form alone are one person:
two people taken for one are in the same fold, one taken for two is on both sides of it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from atml.arrays import Strings
from atml.data import text

NOBODY = frozenset(("", "nan", "nat", "none", "null", "<na>", "na", "n/a", "#n/a", "?", "-"))
"""What stands where a subject is missing, as `person` has it: of numpy, pandas, R and tables."""


def person(name: str) -> str:
    """Return what all spellings of one name have in common.

    Example:
        >>> person(" Pe\u0301 ") == person("P\u00c9") == person("p\u00e9\u200b")
        True
    """
    plain = unicodedata.normalize("NFKC", text.name(name)).casefold()
    if not plain.isprintable():  # a mark of direction, a joiner or a NUL is not seen
        plain = "".join(
            one for one in plain if one.isspace() or unicodedata.category(one) not in ("Cc", "Cf")
        )
    return unicodedata.normalize("NFKC", " ".join(plain.split()))


def one_spelling(names: Strings) -> tuple[Strings, list[list[str]]]:
    """Give each person one spelling in ``names (n,)``; return them, and the spellings of whoever had several.

    The one is the first of them by sorting, without blanks around it and in composed form.
    """
    people, which = np.unique(names, return_inverse=True)
    groups: dict[str, list[str]] = {}
    for name in people.tolist():
        groups.setdefault(person(name), []).append(name)
    first = [text.name(groups[person(name)][0]) for name in people.tolist()]
    chosen = [unicodedata.normalize("NFC", name).strip() for name in first]
    several = [spellings for spellings in groups.values() if len(spellings) > 1]
    return np.array(chosen, np.str_)[which], several


def same_subject(first: str, second: str) -> bool:
    """Tell whether two names may mean one person.

    Example:
        >>> same_subject("418", "vfdb/418"), same_subject("mitdb/418", "vfdb/418")
        (True, False)
    """
    one, other = person(first), person(second)
    return one == other or one.endswith(f"/{other}") or other.endswith(f"/{one}")


def matching(names: Strings | Sequence[str], wanted: Iterable[str]) -> npt.NDArray[np.bool_]:
    """Tell which of ``names (n,)`` may mean a person in ``wanted``, by `same_subject`; ``(n,)`` of bool.

    Example:
        >>> matching(["418", "419"], ["vfdb/418"]).tolist()
        [True, False]
    """
    whole = {person(str(name)) for name in wanted}
    short = {ending for name in whole for ending in endings(name)}
    people, which = np.unique(np.asarray(names, np.str_), return_inverse=True)
    found = [_any(person(str(name)), whole, short) for name in people]
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
