"""Names of several labels in one: "AF+RBBB", "none", and "AF+PVC?" where nobody knows of the last."""

from __future__ import annotations

from collections.abc import Callable, Mapping

JOINT, UNKNOWN, NONE = "+", "?", "none"
"""Between names, behind one of which nobody knows whether it is true, and what stands for no name."""

Label = Callable[[str], int | None]


def joined(labels: Mapping[str, int | None], known: Mapping[str, int]) -> str:
    """Return one name for the labels of a page: 1, 0, or None where nobody knows.

    Args:
        labels: Of a page, by name.
        known: The names that the task asks about, in its order; others are passed over.

    Example:
        >>> joined({"RBBB": 1, "AF": 1, "HYP": 1, "PVC": 0}, {"AF": 1, "PVC": 2, "RBBB": 4})
        'AF+RBBB'
        >>> joined({"AF": 0, "PVC": None}, {"AF": 1, "PVC": 2}), joined({"AF": 0}, {"AF": 1})
        ('PVC?', 'none')
    """
    true = [name for name in known if labels.get(name)]
    told = {known[name] for name in true}
    true += [name + UNKNOWN for name in known if labels.get(name, 0) is None and known[name] not in told]
    return JOINT.join(true) or NONE


def of_sets(label: Label) -> Label:
    """Return what a task says of joined names, from what it says of each by itself where it says no more.

    Example:
        >>> both = of_sets({"AF": 1, "PVC": 2}.get)
        >>> both("AF+PVC"), both("none"), both("AF+PVC?"), both("AF+HYP")
        (3, 0, None, None)
    """

    def of(name: str) -> int | None:
        parts = name.split(JOINT)
        if any(part.endswith(UNKNOWN) for part in parts):
            return None
        if (whole := label(name)) is not None:
            return whole
        if name in (NONE, ""):
            return 0
        bits = 0
        for part in parts:
            if (bit := label(part)) is None:
                return None
            bits |= bit
        return bits

    return of
