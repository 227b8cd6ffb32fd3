"""Trials and slots of processes that are gone, made free again.

A running trial of such a process is requeued with its parameters, its number and so its seed. The third time
that a process goes down with a trial, the trial is ended instead: its config may bring down every machine.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import optuna
from optuna.trial import FrozenTrial

from atml.storage.optuna_internals import trial_id
from atml.storage.ownership import HOLDER
from atml.storage.slots import STALE_S
from atml.storage.stored_trials import StoredTrials
from atml.training.records import Role

LOSSES = 2
"""Times that a trial is requeued after the process that held it went down."""

LOST = "lost"
"""User attribute of a trial: how often that happened."""

_GONE = "the process that ran it ended unexpectedly"


class Recovery:
    """Requeues for one process, which remembers since when it has seen a trial without a holder."""

    def __init__(self, store: StoredTrials) -> None:
        self._store = store
        self._unsigned: dict[int, float] = {}

    def __call__(self, name: str, say: Callable[[str], None]) -> list[int]:
        """Requeue the trials of dead processes; return the numbers of those that no longer run."""
        store = self._store
        # A process registers before it claims a slot or asks for a trial. So the living are read after what
        # is held: a holder seen here that is not among the living by then is dead.
        seen = {trial_id(t): t.user_attrs.get(HOLDER) for t in store.running(name)}
        taken = {(slot, token) for slot, token, _ in store.slots.of(name)}
        alive = store.slots.alive()
        # The dead change nothing any more, so a second reading shows what they left. A process that ended
        # properly in between has finished its trials by now.
        left = [
            trial
            for trial in store.running(name)
            if trial_id(trial) in seen
            and seen[trial_id(trial)] == trial.user_attrs.get(HOLDER)
            and trial.user_attrs.get(HOLDER) not in alive
            and self._given_up(trial, others=bool(alive - {store.token}))
        ]
        numbers = self._requeue(name, left, say) if left else []
        # Only slots seen above: a process that is alive after all may have claimed others since.
        self.free(name, [s for s in store.slots.of(name) if s[:2] in taken and s[1] not in alive])
        return numbers

    def free(self, name: str, held: list[tuple[int, str, int | None]]) -> None:
        """Free those ``held`` slots whose trial has no result, or has one that another slot counts."""
        store = self._store
        # Read after the slots, so that every trial that a slot names is among them.
        ended = {t.number for t in store.trials(name) if t.finished}
        # A trial requeued by a process that died before it freed the slot may fill another slot by now.
        named = Counter(number for _, _, number in store.slots.of(name)) if held else Counter()
        for slot, token, number in held:
            if number not in ended or named[number] > 1:
                store.slots.release(name, slot, token)
                named[number] -= 1

    def _given_up(self, trial: FrozenTrial, *, others: bool) -> bool:
        """Whether no process can still be about to become the holder of a trial.

        Earlier versions of atml signed a trial some time after they asked for it. This process measures that
        time itself, since the clock of the other machine may be wrong.
        """
        if trial.user_attrs.get(HOLDER) is not None or not others:
            return True
        since = self._unsigned.setdefault(trial_id(trial), time.monotonic())
        return time.monotonic() - since > STALE_S

    def _requeue(self, name: str, left: list[FrozenTrial], say: Callable[[str], None]) -> list[int]:
        store = self._store
        slotted = {number for _, _, number in store.slots.of(name)}
        again = {t.marks.get("again") for t in store.trials(name) if t.marks}
        numbers = []
        for trial in left:
            losses = int(trial.user_attrs.get(LOST, 0))
            role = trial.user_attrs.get("role", Role.SEARCH)
            try:
                if role != Role.SEARCH or trial.number in again:
                    # A finalist gets a new repeat. The other trial has a queued successor already.
                    store.fail(trial_id(trial), _GONE)
                elif losses >= LOSSES and trial.number in slotted:
                    store.fail(trial_id(trial), f"{_GONE}, {losses + 1} times", tried=True)
                    say(
                        f"trial {trial.number} is not tried again: {_GONE} {losses + 1} times, perhaps"
                        " because of its config"
                    )
                else:
                    with store.errors():
                        store._storage.set_trial_user_attr(trial_id(trial), LOST, losses + 1)
                    if not store.requeue(trial_id(trial), holder=trial.user_attrs.get(HOLDER)):
                        continue
            except optuna.exceptions.UpdateFinishedTrialError:
                continue
            numbers.append(trial.number)
        return numbers
