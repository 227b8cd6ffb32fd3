"""Everything atml raises on purpose.

::

    AtmlError                    a fault of ours                              exit code 1
    |-- ParityError              onnxruntime and torch disagree on an export
    |-- BuildError               the C of a model does not compile, or does not run to its end
    |-- Stopped                  Ctrl-C or SIGTERM; the study is whole        exit code 130
    |   `-- Interrupted          ... of the library: a KeyboardInterrupt too
    `-- InputError               what a person gave can't be used             exit code 2
        |-- DataError            a folder, archive or file of ECG
        |-- ConfigError          a ModelConfig that says something impossible
        |   `-- ShapeError       ... its layers leave no signal to look at
        |-- TaskFileError        a file in search_spaces/ or objectives/
        |-- RegionError          a region of a search space, or a file of them
        |-- StudyError           a study, or the database that holds it
        |-- MissingExtraError    an optional package that is not installed
        |-- ToolchainError       a target, or a compiler or emulator that is not installed
        `-- ExportError          an export folder or an ONNX file

The message is one line that quotes the value and names the way out; the command line prints it as
it is and exits with ``exit_code``.
"""

from __future__ import annotations


def in_one_line(error: BaseException) -> str:
    r"""Return what an error of a library says, in one line; its kind where it says nothing.

    Example:
        >>> in_one_line(ValueError("bad\n  header")), in_one_line(EOFError())
        ('bad header', 'EOFError')
    """
    return " ".join(str(error).split()) or type(error).__name__


class AtmlError(Exception):
    """Root of everything that atml raises on purpose; ``exit_code`` is that of the command line.

    Example:
        >>> try:
        ...     raise DataError("no such folder: DIR")
        ... except AtmlError as error:
        ...     print(error, error.exit_code)
        no such folder: DIR 2
    """

    exit_code = 1


class ParityError(AtmlError):
    """An exported file does not compute what the trained model computes."""


class BuildError(AtmlError):
    """The C of a model does not compile, or its program does not run to its end."""


class Stopped(AtmlError):
    """A signal asked atml to stop; running trials were requeued first."""

    exit_code = 130


class Interrupted(Stopped, KeyboardInterrupt):
    """What the library raises for `Stopped`.

    Python raises a KeyboardInterrupt where Ctrl-C comes before there is anything to requeue, and
    ``except KeyboardInterrupt`` catches both.
    """


class InputError(AtmlError):
    """What a person gave can't be used; the message says which value and what to do."""

    exit_code = 2


class DataError(InputError):
    """A folder, archive or file of ECG can't be used."""

    def __init__(self, message: object = "") -> None:
        # Names in damaged lists may hold anything, ends of lines too: they are shown as Python writes them.
        super().__init__(
            "".join(repr(c)[1:-1] if ord(c) < 32 or 127 <= ord(c) < 160 else c for c in str(message))
        )


class ConfigError(InputError):
    """A ModelConfig holds an unknown key or an impossible value."""


class ShapeError(ConfigError):
    """The layers of a ModelConfig leave no signal: a bad config, not a crash."""


class TaskFileError(InputError):
    """A file in search_spaces/ or objectives/ can't be found, loaded or used."""


class RegionError(InputError):
    """A region, or a file of them, can't be used."""


class StudyError(InputError):
    """A study, or the database that holds it, can't be used as asked."""


class ExportError(InputError):
    """An export folder or ONNX file is missing, damaged or not ours."""


class ToolchainError(InputError):
    """No such target, or no compiler or emulator for it; the message has the commands that install one."""


class MissingExtraError(InputError):
    """A package of an extra is not installed; the message is the command that installs it."""

    def __init__(self, what: str, extra: str) -> None:
        """Say that ``what`` needs the packages of ``extra``."""
        super().__init__(f"{what} needs a package that is not installed: pip install 'atml[{extra}]'")
