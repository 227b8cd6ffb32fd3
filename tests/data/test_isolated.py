"""A reader that crashes takes a copy of the process with it, and nothing else."""

from __future__ import annotations

import ctypes
import os

import numpy as np
import pytest

from atml.data.isolated import Crashed, isolated


def test_what_is_read_comes_back_whole() -> None:
    made = np.arange(300_000, dtype=np.float32)  # more than a pipe holds
    np.testing.assert_array_equal(isolated(lambda: made * 2), made * 2)


def test_an_error_is_raised_here() -> None:
    def fails() -> None:
        raise ValueError("a bad file")

    with pytest.raises(ValueError, match="a bad file"):
        isolated(fails)


@pytest.mark.parametrize("end", [lambda: ctypes.string_at(0), os.abort, lambda: os._exit(0)])
def test_a_crash_ends_the_copy_alone(end: object) -> None:
    before = os.getpid()
    with pytest.raises(Crashed):
        isolated(end)  # type: ignore[arg-type]
    assert os.getpid() == before
