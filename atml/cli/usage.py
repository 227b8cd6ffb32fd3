"""What is wrong with a command line, in one line that quotes the value and names the way out."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Any

import typer


def usage_error() -> type[Exception]:
    """Return the class of typer's errors about a command line, which has no public name.

    Read in typer 0.29, which keeps a copy of click, and in click 8, which earlier versions of typer import.
    """
    return next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")


def in_words(error: Any, arguments: Sequence[str]) -> str:
    """Say what is wrong with ``arguments``; "" where the help, which is printed then, says all."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stdout.write(f"{error.format_message()}\n")
        return ""
    path = context.command_path if context else "atml"
    message = str(error.format_message()).rstrip(".")
    if not message:
        return ""
    found = (
        _value(error, message, arguments) or _command(context, message, arguments) or _extra(context, message)
    )
    message = message[:1].lower() + message[1:]
    return f"{found or message} (see `{path} --help`)"


def _value(error: Any, message: str, arguments: Sequence[str]) -> str:
    """Name an option, the value that it got, and what the value must be (see `atml.cli.values`)."""
    names = [str(name) for name in getattr(getattr(error, "param", None), "opts", ())]
    given = [
        value if equals else follows
        for (name, equals, value), follows in zip(
            (argument.partition("=") for argument in arguments), [*arguments[1:], ""], strict=True
        )
        if name in names
    ]
    plain = re.search("must be .*", message)
    return f"{names[-1]} {given[-1]}: {plain[0]}" if given and plain else ""


def _command(context: Any, message: str, arguments: Sequence[str]) -> str:
    """Name the command that was meant where two words are swapped, else the commands there are."""
    unknown = re.match(r"No such command '(.*?)'", message)
    commands = getattr(getattr(context, "command", None), "commands", {})
    if unknown is None or not commands:
        return ""
    word = unknown[1]
    for name, command in commands.items():
        if name in arguments and word in getattr(command, "commands", {}):
            return f"no command '{word}'; did you mean `{context.command_path} {name} {word}`?"
    if "Did you mean" in message:
        return ""
    return f"no command '{word}'; there are {', '.join(sorted(commands))}"


def _extra(context: Any, message: str) -> str:
    """Name the command or the option that a word may have been meant for."""
    extra = re.match(r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)", message)
    above: Any = getattr(context, "parent", None)
    if extra and extra[1] in getattr(getattr(above, "command", None), "commands", {}):
        return f"'{extra[1]}' comes before the study; did you mean `{above.command_path} {extra[1]}`?"
    return f"'{extra[1]}' is not an option; write for example --task NAME or --study NAME" if extra else ""
