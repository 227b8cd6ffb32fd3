"""What a supervisor does all along: it says that it lives, and takes over what dead ones left."""

from __future__ import annotations

import time

from atml.searching.progress import View
from atml.storage import Store

RECOVER_S = 15.0
"""Seconds between two looks for what the dead left."""


class Supervisor:
    """Call it as often as you like; it does something when something is due."""

    def __init__(self, store: Store, name: str, view: View) -> None:
        self._store, self._name, self._view = store, name, view
        self._due = time.monotonic() + RECOVER_S
        store.slots.beat()

    def __call__(self) -> None:
        """Say that this process lives; now and then take over what others left."""
        self._store.slots.beat()
        if time.monotonic() >= self._due:
            self.take_over()

    def take_over(self) -> None:
        """Put back what processes that are gone left behind, and say so."""
        back = self._store.recover(self._name, self._view.say)
        self._due = time.monotonic() + RECOVER_S
        if back:
            numbers = ", ".join(map(str, back))
            self._view.say(f"put back {len(back)} trial(s) that another run left: {numbers}")
