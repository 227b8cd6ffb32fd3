"""How `--help` is laid out: options in groups with headings, plain text that wraps at the terminal's width.

An option names its group by ``rich_help_panel``, the keyword that typer has for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

ARGUMENTS = "Arguments"
OTHER = "Output"
"""The group of ``--json``, ``--help`` and every option that names no group; it comes last."""

WIDTH = 100
"""Columns at most, however wide the terminal."""


F = TypeVar("F", bound=Callable[..., Any])


class Command(TyperCommand):
    """A command whose help lists its options in groups."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return "[OPTIONS]" and the arguments, as they are spelt in the help."""
        return ["[OPTIONS]", *(spelt for spelt, _ in grouped(self.get_params(ctx), ctx).get(ARGUMENTS, ()))]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments first, then each group of options in the order of its first option."""
        for heading, lines in grouped(self.get_params(ctx), ctx).items():
            with formatter.section(heading):
                formatter.write_dl(lines, col_max=34)


class Group(TyperGroup):
    """A command with commands of its own, in groups."""

    command_class = Command

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, which matter here, then the options."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                group = getattr(command, "rich_help_panel", None)
                heading = group if isinstance(group, str) else "Commands"
                groups.setdefault(heading, []).append((name, command.get_short_help_str(WIDTH)))
        longest = max(len(name) for lines in groups.values() for name, _ in lines)
        options = [line for lines in grouped(self.get_params(ctx), ctx).values() for line in lines]
        for heading, lines in {**groups, "Options": options}.items():
            with formatter.section(heading):
                # Padded to the longest name of all groups, so that their columns are in line.
                formatter.write_dl([(name.ljust(longest), text) for name, text in lines])


class Default(Group):
    """A group that runs its ``show`` command where none is named: ``atml best [STUDY]``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert ``show`` where the first word is no command."""
        if not args or args[0] not in {*self.commands, "--help"}:
            args = ["show", *args]
        return super().parse_args(ctx, args)


class Commands(typer.Typer):
    """A `typer.Typer` whose commands are `Command` and whose help is plain text."""

    def __init__(self, *, cls: type[TyperGroup] = Group, **settings: Any) -> None:
        super().__init__(
            cls=cls,
            rich_markup_mode=None,
            add_completion=False,
            pretty_exceptions_enable=False,
            context_settings={"max_content_width": WIDTH},
            **settings,
        )

    def command(self, name: str | None = None, **settings: Any) -> Callable[[F], F]:
        """Add a command, see `typer.Typer.command`."""
        ours = {"cls": Command, "context_settings": {"max_content_width": WIDTH}}
        return super().command(name, **{**ours, **settings})


def grouped(params: list[Any], ctx: Any) -> dict[str, list[tuple[str, str]]]:
    """Return the options of a command, as pairs of spelling and help, by heading."""
    groups: dict[str, list[tuple[str, str]]] = {ARGUMENTS: []}
    for param in params:
        record = param.get_help_record(ctx)
        if record is None:
            continue
        spelt, text = record
        heading = getattr(param, "rich_help_panel", None) or OTHER
        if param.param_type_name == "argument":
            heading, spelt = ARGUMENTS, param.metavar  # typer writes a type behind the name
        # It writes parentheses around a default in words, and before 0.29 a backslash before the bracket.
        text = re.sub(r"default: \((.*)\)(?=[;\]])", r"default: \1", text.replace("\\[", "["))
        groups.setdefault(heading, []).append((spelt, text))
    if OTHER in groups:
        groups[OTHER] = groups.pop(OTHER)
    return {heading: lines for heading, lines in groups.items() if lines}
