"""The commands. Each handler parses, calls and prints; what a command needs is imported when it runs.

::

    search, status, best    searching.py
    worker, run             working.py
    regions                 regions.py
    score, data, tasks      looking.py
    report                  reporting.py
    study                   studies.py
    dashboard               viewing.py
    compare                 comparing.py
    what they share         options.py
"""

from __future__ import annotations

import errno
import sys
import traceback

import typer

from atml.cli.comparing import compare
from atml.cli.looking import data_app, score, tasks_app
from atml.cli.regions import regions_app
from atml.cli.reporting import report
from atml.cli.searching import best_app, search, status
from atml.cli.studies import studies_app
from atml.cli.viewing import dashboard
from atml.cli.working import run as run_again
from atml.cli.working import worker
from atml.errors import AtmlError

# The root of typer's own errors has no public name of its own across its versions.
_Usage: type[Exception] = typer.BadParameter.__mro__[2]

app = typer.Typer(
    help="Turn a folder of labelled ECG into the smallest honest classifier for a device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (search, status, score, compare, report, dashboard):
    app.command()(command)
app.command()(worker)
app.command("run")(run_again)
app.add_typer(best_app, name="best")
app.add_typer(regions_app, name="regions")
app.add_typer(data_app, name="data")
app.add_typer(tasks_app, name="tasks")
app.add_typer(studies_app, name="study")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0, 2 for a user's mistake, 1 for a fault of ours, 130 interrupted."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code; errors go to standard error in one line."""
    try:
        result = app(args=arguments, prog_name="atml", standalone_mode=False)
    except AtmlError as error:
        return _fail(str(error), error.exit_code)
    except _Usage as error:
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "atml"
        return _fail(f"{error.format_message()} (see `{path} --help`)", 2)  # type: ignore[attr-defined]
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", 130)
    except BrokenPipeError:
        return 0
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return _fail(
            f"the disk is full: {error.filename or 'nothing more can be written'}; free some space", 2
        )
    except Exception:
        traceback.print_exc()
        return _fail("this is a fault in atml, please report the lines above", 1)
    return result if isinstance(result, int) else 0


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"atml: {' '.join(message.split())}\n")
    return code
