"""The command line, run in the test's own process: what it starts are processes all the same.

A new interpreter takes seconds to load the libraries, and so does what its workers are forked from.
Tests of what a process does, its signals, its end, its terminal, start one (`tests.search.conftest.command`).
"""

from __future__ import annotations

import contextlib
import io
import subprocess
from pathlib import Path

from atml import cli


def run(where: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run ``atml`` in a folder, with nothing to read and its output kept."""
    words = [str(argument) for argument in arguments]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(where), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.run(words)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())
