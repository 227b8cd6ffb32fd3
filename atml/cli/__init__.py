"""The command line, one module a command: each parses, calls and prints.

What several commands share is in ``shared_options``. A command imports what it needs when it runs, so that
``atml --help`` answers at once.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

from atml.cli.annotate import annotate
from atml.cli.bench import bench
from atml.cli.best import best_app
from atml.cli.check import check
from atml.cli.compare import compare
from atml.cli.dashboard import dashboard
from atml.cli.data import data_app
from atml.cli.device import device_app
from atml.cli.digitize import digitize
from atml.cli.ec57 import ec57
from atml.cli.help_text import Commands
from atml.cli.predict import predict
from atml.cli.promote import promote
from atml.cli.reading_bar import reading_shown
from atml.cli.regions import regions_app
from atml.cli.report import report
from atml.cli.run import run as run_again
from atml.cli.score import score
from atml.cli.search import search
from atml.cli.serve import serve
from atml.cli.status import status
from atml.cli.study import studies_app
from atml.cli.tasks import tasks_app
from atml.cli.triton import triton
from atml.cli.usage import in_words, usage_error
from atml.cli.worker import worker
from atml.errors import AtmlError


def _version(asked: bool) -> None:
    if asked:
        from atml import __version__

        sys.stdout.write(f"atml {__version__}\n")
        raise typer.Exit


app = Commands(
    help="Turn a folder of labelled ECG into the smallest honest classifier for a device.",
    no_args_is_help=True,
)


@app.callback()
def _app(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None: ...


INTERRUPTED = 130
"""Exit code after Ctrl-C."""

SEARCHING, JUDGING, PREPARING = "Search", "Results", "Data, tasks and studies"
SERVING = "Models in use"

app.command(rich_help_panel=SEARCHING)(search)
app.command(rich_help_panel=SEARCHING)(worker)
app.command(rich_help_panel=SEARCHING)(status)
app.add_typer(best_app, name="best", rich_help_panel=JUDGING)
app.command(rich_help_panel=JUDGING)(score)
app.command(rich_help_panel=JUDGING)(predict)
app.command(rich_help_panel=JUDGING)(annotate)
app.command(rich_help_panel=JUDGING)(compare)
app.command(rich_help_panel=JUDGING)(promote)
app.command(rich_help_panel=JUDGING)(ec57)
app.command(rich_help_panel=JUDGING)(report)
app.command(rich_help_panel=JUDGING)(dashboard)
app.add_typer(device_app, name="device", rich_help_panel=JUDGING)
app.command(rich_help_panel=SERVING)(serve)
app.command(rich_help_panel=SERVING)(bench)
app.command(rich_help_panel=SERVING)(triton)
app.command(rich_help_panel=PREPARING)(digitize)
app.add_typer(data_app, name="data", rich_help_panel=PREPARING)
app.add_typer(tasks_app, name="tasks", rich_help_panel=PREPARING)
app.add_typer(studies_app, name="study", rich_help_panel=PREPARING)
app.add_typer(regions_app, name="regions", rich_help_panel=PREPARING)
app.command(rich_help_panel=PREPARING)(check)
app.command("run", rich_help_panel=PREPARING)(run_again)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0, 2 for a user's mistake, 1 for a fault of ours, 130 interrupted."""
    _with_streams()
    code = run(arguments)
    try:
        sys.stdout.flush()
    except OSError:
        # What it holds back goes nowhere: the interpreter would try again as it ends, and say so.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _with_streams() -> None:
    """See to it that something is there to write to, and that no letter is too much for it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # closed by whoever started it: the next file opened would get its number
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))
        # Characters that the terminal's encoding lacks are written as \x.. rather than raised as an error.
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code; errors go to standard error in one line."""
    try:
        try:
            with reading_shown():
                result = app(args=arguments, prog_name="atml", standalone_mode=False)
            sys.stdout.flush()
        except usage_error() as error:
            said = in_words(error, sys.argv[1:] if arguments is None else arguments)
            sys.stdout.flush()
            return _fail(said, 2) if said else 2
        except SystemExit:  # typer's, where nobody reads on: `atml ... | head`
            return 0
    except AtmlError as error:
        return _fail(str(error), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", INTERRUPTED)
    except Exception as error:
        code = _of_system(error)
        if code is None:
            with contextlib.suppress(OSError):
                traceback.print_exc()
            return _fail("this is a fault in atml, please report the lines above", 1)
        return code
    if result == INTERRUPTED:  # what typer makes of Ctrl-C
        return _fail("interrupted", INTERRUPTED)
    return result if isinstance(result, int) else 0


def _of_system(error: Exception) -> int | None:
    """Return the exit code of what the system refused, and say it; None where it is a fault of ours."""
    if isinstance(error, BrokenPipeError):
        return 0
    number, place = getattr(error, "errno", None), getattr(error, "filename", None)
    if number in (errno.ENOSPC, errno.EDQUOT):
        return _fail(f"the disk is full: {place or 'nothing more can be written'}; free some space", 2)
    if number in (errno.EACCES, errno.EROFS) and place is not None:
        return _fail(f"{place}: {os.strerror(number)}; check its permissions or name another place", 2)
    return None


def _fail(message: str, code: int) -> int:
    with contextlib.suppress(OSError):  # standard error is full, or nobody reads it
        sys.stderr.write(f"atml: {' '.join(message.split())}\n")
        sys.stderr.flush()
    return code
