"""Reading that a damaged file may crash, done in a process of its own."""

from __future__ import annotations

import faulthandler
import os
import pickle
import warnings
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Crashed(Exception):
    """The process that read ended by a signal."""


def isolated(read: Callable[[], T]) -> T:
    """Return what ``read`` returns, or raise what it raises, computed in a forked copy of this process.

    A library in C may run into memory that is not its own where a file is damaged; that ends the copy alone.
    What is returned or raised has to be picklable. Where processes can't be forked it is called here.

    Raises:
        Crashed: the copy was ended by a signal.

    Example:
        >>> isolated(lambda: 2 + 2)
        4
    """
    if not hasattr(os, "fork"):
        return read()
    out, into = os.pipe()
    with warnings.catch_warnings():
        # The copy calls nothing but ``read`` and ends: locks of other threads are not waited for.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        _answer(read, into)
    os.close(into)
    try:
        with os.fdopen(out, "rb") as pipe:
            answer = pipe.read()
    finally:
        _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) or not answer:
        raise Crashed(f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else "no answer")
    found, error = pickle.loads(answer)
    if error is not None:
        raise error
    value: T = found
    return value


def _answer(read: Callable[[], object], into: int) -> None:
    """Write what ``read`` gives and end this process, whatever happens."""
    code = 1
    try:
        faulthandler.disable()
        try:
            answer = pickle.dumps((read(), None), protocol=5)
        except Exception as error:
            answer = pickle.dumps((None, error))
        with os.fdopen(into, "wb") as pipe:
            pipe.write(answer)
        code = 0
    finally:
        os._exit(code)
