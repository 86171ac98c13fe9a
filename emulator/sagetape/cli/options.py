"""Options made from the table of settings, and the settings made from what was given.

Decides how a row looks as a flag. Variables are only named in the help here: they are read in one place, for every way
in (`shell/resolution.py`).
"""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from ..shell.setting_kinds import Choice, Kind, Several
from ..shell.setting_rows import ANSWERS, CALLERS, FLAG, LIMITS, LISTENING, PROCESS, STRICT_LIMITS, TIME, Row

Function = TypeVar("Function", bound=Callable[..., Any])

SECTIONS: Mapping[str, tuple[Row, ...]] = {
    "Answers": ANSWERS,
    "Listening": LISTENING,
    "Callers": CALLERS,
    "Time and chance": TIME,
    "Limits": (*LIMITS, STRICT_LIMITS),
    "Process": PROCESS,
}


WRITTEN = "sagetape.written"
"""Key of `Context.meta`: the flags of settings as they were written, by field."""


class KindType(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.4 on only
    """A kind of setting as click wants it."""

    name = "setting"

    def __init__(self, kind: Kind) -> None:
        self.kind = kind

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:
        return self.kind.metavar

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self.kind.from_text(value)
        except ValueError as error:
            return self.fail(str(error), param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        """The names of a choice."""
        from click.shell_completion import CompletionItem

        names = self.kind.names if isinstance(self.kind, Choice) else ()
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


class SettingOption(click.Option):
    """A flag of a setting. It names its variable in the help and does not read it."""

    def __init__(self, *args: Any, section: str = "", **options: Any) -> None:
        super().__init__(*args, **options)
        self.section = section

    def get_error_hint(self, ctx: click.Context | None) -> str:
        """The flag alone: what a variable holds is judged elsewhere, so it is never the source of an error here."""
        return click.Parameter.get_error_hint(self, ctx)

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        return None

    def consume_value(self, ctx: click.Context, opts: Mapping[str, Any]) -> Any:
        """As click's; what was written is kept too, for a command that passes it on."""
        value, source = super().consume_value(ctx, opts)
        if source is ParameterSource.COMMANDLINE:
            ctx.meta.setdefault(WRITTEN, {})[self.name] = value
        return value, source


class SectionedCommand(click.Command):
    """A command whose many options are shown under headings."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click's, with the nearest option where one letter was read out of `-cassette`."""
        words = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if error.possibilities or error.option_name.startswith("--"):
                raise
            word = next((word for word in words if word.startswith(error.option_name)), error.option_name)
            name = word.lstrip("-").lower().partition("=")[0]
            names = {option[2:] for parameter in self.get_params(ctx) for option in parameter.opts}
            near = difflib.get_close_matches(name, sorted(names), n=1)
            ctx.fail(f"No such option {word!r}{f'; did you mean --{near[0]}?' if near else '.'}")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        found: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            if record := parameter.get_help_record(ctx):
                found.setdefault(getattr(parameter, "section", "") or "Options", []).append(record)
        for section, records in found.items():
            with formatter.section(section):
                formatter.write_dl(records)


def option_of(row: Row, section: str) -> SettingOption:
    """The click option of one row."""
    shared: dict[str, Any] = {
        "section": section,
        "envvar": row.variable,
        "show_envvar": True,
        "help": row.help + default_text(row),
        "default": None,
    }
    if row.is_switch:
        return SettingOption([f"{row.option}/--no-{row.option[2:]}", row.name], **shared)
    kind = row.kind.kind if isinstance(row.kind, Several) else row.kind
    return SettingOption([row.option, row.name], type=KindType(kind), multiple=row.is_several, **shared)


def default_text(row: Row) -> str:
    """The default in words, where there is one worth a word."""
    from ..shell.settings import ServerSettings

    found = [item.default for item in dataclasses.fields(ServerSettings) if item.name == row.name]
    if not found or found[0] in (None, (), dataclasses.MISSING) or isinstance(found[0], bool):
        return ""
    value = found[0]
    shown = " ".join(value) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else str(value)
    return f"  [default: {shown}]"


def setting_options(*, without: Iterable[str] = ()) -> Callable[[Function], Function]:
    """Adds the options of all settings but some to a command."""
    left_out = frozenset(without)

    def add(function: Function) -> Function:
        options = [
            option_of(row, section)
            for section, rows in SECTIONS.items()
            for row in rows
            if row.name not in left_out and FLAG in row.sources
        ]
        known = getattr(function, "__click_params__", [])
        function.__click_params__ = [*reversed(options), *known]  # type: ignore[attr-defined]
        return config_options(function)

    return add


def config_options(function: Function) -> Function:
    """Adds `--config` and `--no-config`."""
    file = click.option(
        "--config",
        type=click.Path(path_type=Path),
        envvar="SAGETAPE_CONFIG",
        show_envvar=True,
        help="Configuration file; without it sagetape.toml or pyproject.toml here or in a folder above.",
    )
    switch = click.option(
        "--no-config", is_flag=True, envvar="SAGETAPE_NO_CONFIG", show_envvar=True, help="Read no configuration file."
    )
    return file(switch(function))


def given(flags: Mapping[str, Any]) -> dict[str, Any]:
    """The flags that were given, read; a list that is empty was not."""
    return {name: value for name, value in flags.items() if value not in (None, ())}


def settings_from(command: str, flags: Mapping[str, Any], *, spelled: Mapping[str, str] | None = None) -> Any:
    """The settings of a command from its parameters; `spelled`: fields by other names than their flags.

    Raises what `settings_for` raises.
    """
    from ..shell.resolution import settings_for

    values = given(flags)
    config = values.pop("config", None)
    uses_config = not values.pop("no_config", False)
    return settings_for(
        command,
        values,
        environ=os.environ,
        folder=Path.cwd(),
        config=config,
        uses_config=uses_config,
        spelled=spelled,
    )
