"""Taking over what processes that are gone left behind.

A running trial of theirs waits again, with its parameters, its number and so its seed. One whose process went
down with it for the third time is ended instead: a config that takes a machine along must not take them all.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import optuna
from optuna.trial import FrozenTrial

from atml.storage.ownership import HOLDER
from atml.storage.slots import STALE_S

if TYPE_CHECKING:
    from atml.storage import Store

LOSSES = 2
"""Times that a trial is put back after the process that had it went down."""

LOST, FAILURE, CRASHED = "lost", "failure", "crashed"
"""User attributes of a trial: how often it was put back so, and why it came to nothing. And the constraint of
one that is not tried any more."""

_GONE = "the process that had it went down"


class Recovery:
    """What one process saw of trials that nobody signed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._unsigned: dict[int, float] = {}

    def __call__(self, name: str, say: Callable[[str], None]) -> list[int]:
        """Take over what the dead hold of a study; return the numbers of trials that run no more."""
        store = self._store
        # A process registers before it claims or asks, so who lives is read after what is held: whoever
        # holds something seen here and is not among the living by then is dead.
        seen = {t._trial_id: t.user_attrs.get(HOLDER) for t in store._running(name)}
        taken = {(slot, token) for slot, token, _ in store.slots.of(name)}
        alive = store.slots.alive()
        # The dead change nothing any more: read again, things are as they were left. A process that ended
        # well in between has told its trials by now.
        left = [
            trial
            for trial in store._running(name)
            if trial._trial_id in seen
            and seen[trial._trial_id] == trial.user_attrs.get(HOLDER)
            and trial.user_attrs.get(HOLDER) not in alive
            and self._given_up(trial, others=bool(alive - {store.token}))
        ]
        numbers = self._take_over(name, left, say) if left else []
        # Not what one that lives after all has taken since.
        self.free(name, [s for s in store.slots.of(name) if s[:2] in taken and s[1] not in alive])
        return numbers

    def free(self, name: str, held: list[tuple[int, str, int | None]]) -> None:
        """Free those of ``held`` slots that count no result, or one that another slot counts."""
        store = self._store
        # Read after the slots: a slot names only trials that are there.
        ended = {t.number for t in store.trials(name) if t.finished}
        # A trial put back by a process that died before it freed the slot may fill another one by now.
        named = Counter(number for _, _, number in store.slots.of(name)) if held else Counter()
        for slot, token, number in held:
            if number not in ended or named[number] > 1:
                store.slots.release(name, slot, token)
                named[number] -= 1

    def _given_up(self, trial: FrozenTrial, *, others: bool) -> bool:
        """Whether nobody can still be about to sign a trial: earlier versions of atml did so after asking.

        Told by this process's own clock: that of the machine which asked may show another time.
        """
        if trial.user_attrs.get(HOLDER) is not None or not others:
            return True
        since = self._unsigned.setdefault(trial._trial_id, time.monotonic())
        return time.monotonic() - since > STALE_S

    def _take_over(self, name: str, left: list[FrozenTrial], say: Callable[[str], None]) -> list[int]:
        store = self._store
        slotted = {number for _, _, number in store.slots.of(name)}
        again = {t.marks.get("again") for t in store.trials(name) if t.marks}
        numbers = []
        for trial in left:
            losses = int(trial.user_attrs.get(LOST, 0))
            role = trial.user_attrs.get("role", "search")
            try:
                if role != "search" or trial.number in again:
                    # A repeat is begun anew; of the other, a successor was queued before the end came.
                    store.fail(trial._trial_id, _GONE)
                elif losses >= LOSSES and trial.number in slotted:
                    store.fail(trial._trial_id, f"{_GONE}, {losses + 1} times", tried=True)
                    say(
                        f"trial {trial.number} is not tried again: {_GONE} {losses + 1} times, by its config"
                        " perhaps"
                    )
                else:
                    with store.errors():
                        store._storage.set_trial_user_attr(trial._trial_id, LOST, losses + 1)
                    if not store.put_back(trial._trial_id, holder=trial.user_attrs.get(HOLDER)):
                        continue
            except optuna.exceptions.UpdateFinishedTrialError:
                continue
            numbers.append(trial.number)
        return numbers
