"""A pool of processes for benchmarks that train: each begins afresh, and ends when its parent does."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import multiprocessing.connection
import os
import threading
from collections.abc import Callable
from typing import Any


def pool(
    processes: int, begin: Callable[..., None] | None = None, *given: Any
) -> concurrent.futures.ProcessPoolExecutor:
    """Return a pool of so many; each calls ``begin(*given)`` first.

    A parent that is killed can't tell its processes, and those would train on for minutes.
    """
    fresh = multiprocessing.get_context("spawn")
    return concurrent.futures.ProcessPoolExecutor(processes, fresh, _begin, (begin, given))


def _begin(begin: Callable[..., None] | None, given: tuple[Any, ...]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if begin is not None:
        begin(*given)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    multiprocessing.connection.wait([parent.sentinel])
    os._exit(1)
