"""What other trials of a study reported at the same step, whoever ran them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from optuna.trial import FrozenTrial


class Peers:
    """Values by step. A finished trial is read once; with thousands of them that is most of the work."""

    def __init__(self) -> None:
        self._read: set[int] = set()
        self._values: dict[int, list[float]] = defaultdict(list)

    def at(self, step: int, trials: Sequence[FrozenTrial], but: int) -> list[float]:
        """Return what the trials of a search, but that one, reported at ``step``; repeats are no peers."""
        open_now: list[float] = []
        for trial in trials:
            if trial.number in self._read:
                continue
            ended = trial.state.is_finished()
            if ended:
                self._read.add(trial.number)
            if trial.user_attrs.get("role", "search") != "search":
                continue
            if ended:
                for at, value in trial.intermediate_values.items():
                    self._values[at].append(value)
            elif trial.number != but and step in trial.intermediate_values:
                open_now.append(trial.intermediate_values[step])
        return self._values[step] + open_now
