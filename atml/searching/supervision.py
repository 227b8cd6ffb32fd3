"""What a process that works on a study does all along: beat, and recover trials of dead processes."""

from __future__ import annotations

import time

from atml.searching.progress import View
from atml.storage import Store

RECOVER_S = 15.0
"""Seconds between two recoveries."""


class Supervisor:
    """Beats and recovers when that is due; call it as often as you like."""

    def __init__(self, store: Store, name: str, view: View) -> None:
        self._store, self._name, self._view = store, name, view
        self._due = time.monotonic() + RECOVER_S
        store.slots.beat()

    def __call__(self) -> None:
        """Beat, and recover every `RECOVER_S` seconds."""
        self._store.slots.beat()
        if time.monotonic() >= self._due:
            self.recover()

    def recover(self) -> None:
        """Requeue the trials of dead processes, and print a line about it."""
        requeued = self._store.recover(self._name, self._view.say)
        self._due = time.monotonic() + RECOVER_S
        if requeued:
            numbers = ", ".join(map(str, requeued))
            self._view.say(f"requeued {len(requeued)} trial(s) that an earlier run left behind: {numbers}")
