"""Which leads are meant: by name or number, with alternatives."""

from __future__ import annotations

from collections.abc import Sequence


class NoLead(LookupError):
    """None of the leads is meant by ``entry``."""

    def __init__(self, entry: str) -> None:
        super().__init__(entry)
        self.entry = entry


def meant(names: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Return the number of the lead that each entry means, no lead twice.

    An entry is a name or a number, or several with commas between, of which the first that is there is taken;
    a name is meant before a number. Raises NoLead for an entry that means none.

    Example:
        >>> meant(["MLII", "V5"], ["ECG,V5", "0"])
        [1, 0]
    """
    chosen: list[int] = []
    for entry in wanted:
        options = [option.strip() for option in entry.split(",")]
        numbers = [at for option in options for at in _matching(names, option) if at not in chosen]
        if not numbers:
            raise NoLead(entry)
        chosen.append(numbers[0])
    return chosen


def _matching(names: Sequence[str], option: str) -> list[int]:
    named = [at for at, name in enumerate(names) if name.casefold() == option.casefold()]
    if named or not (option.isascii() and option.isdigit()):
        return named
    return [int(option)] if int(option) < len(names) else []
