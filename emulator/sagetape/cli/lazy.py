"""A group of commands that are loaded when they are run: help and completion need their names and lines only.

Decides nothing about what commands mean. An entry point that cannot be loaded costs its own command, not the others.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click
from click.shell_completion import CompletionItem

from ..core.errors import ConfigError
from .commands import ENTRY_POINT_HELP, Entry
from .installed import own_target


class LazyGroup(click.Group):
    """A click group over a table of entries, and over the entry points of a group of packages if one is named."""

    def __init__(self, *args: Any, table: Mapping[str, Entry], entry_points: str = "", **options: Any) -> None:
        super().__init__(*args, **options)
        self.table = table
        self.entry_points = entry_points

    def entries(self) -> dict[str, Entry]:
        """All commands: the table's in its order, then those of other packages."""
        return {**self.table, **found_entries(self.entry_points)}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, in the order of the help."""
        return list(self.entries())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Loads a command. The table is asked first: its commands need no look at what is installed."""
        entry = self.entry(cmd_name)
        return load(cmd_name, entry) if entry else None

    def entry(self, name: str) -> Entry | None:
        """One command's, found the cheapest way: the table, our own distribution, then all that are installed."""
        if name in self.table:
            return self.table[name]
        if target := own_target(self.entry_points, name):
            return Entry(target, ENTRY_POINT_HELP.get(name, ""))
        return found_entries(self.entry_points).get(name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, with the nearest name for one that is none."""
        name = args[0]
        if not (ctx.resilient_parsing or name.startswith("-") or self.entry(name)):
            from ..shell.setting_kinds import sentence, suggestion  # only for a mistake: completion loads nothing

            text = sentence(f"No such command {name!r}{suggestion(name, self.entries())}")
            ctx.fail(f"{text} See all of them with: {ctx.command_path} --help")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The help's list, without loading anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in self.entries().items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names that complete what was typed, without loading anything."""
        found = [
            CompletionItem(name, help=entry.help)
            for name, entry in self.entries().items()
            if name.startswith(incomplete)
        ]
        return found + click.Command.shell_complete(self, ctx, incomplete)


def found_entries(group: str) -> dict[str, Entry]:
    """The commands that other installed packages offer under a group of entry points, sorted by name."""
    if not group:
        return {}
    from importlib.metadata import entry_points  # 30 ms, so only when asked for

    points = sorted(entry_points(group=group), key=lambda point: point.name)
    return {
        point.name: Entry(point.value, ENTRY_POINT_HELP.get(point.name, f"From {point.module}.")) for point in points
    }


def load(name: str, entry: Entry) -> click.Command:
    """The command of an entry. Raises ConfigError when its package is broken."""
    module, _, attribute = entry.target.partition(":")
    try:
        found = getattr(importlib.import_module(module, __package__), attribute)
    except (ImportError, AttributeError) as error:
        if module.startswith("."):
            raise  # ours: a defect, and no matter of what is installed
        raise ConfigError(
            f"The command {name} cannot be loaded from {entry.target}: {error}. "
            "The other commands work without it. Reinstall the package it comes from."
        ) from error
    assert isinstance(found, click.Command)
    return found
