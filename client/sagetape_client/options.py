"""The command line's options, read from the table of parameters, and the spellings PowerShell users type.

Click sees `--content-type`, `-c` and `-ContentType`; what differs from these in case alone, `-ContentType:text/csv`
`-Force:$true` and the cmdlet's aliases (`-AK`) are rewritten before click parses. An unknown long option is refused
with the nearest ones.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Any

import click

from .errors import ParameterError
from .parameters import TABLE, Parameter, fold

SWITCHES = frozenset(("PassThru", "Force", "WhatIf", "Confirm"))
REPEATED = frozenset(("Body", "ClientConfig"))
MEDIA_TYPES = (
    "application/json",
    "application/jsonlines",
    "application/x-npy",
    "application/octet-stream",
    "text/csv",
    "text/plain",
)
HELP = ("-h", "--help")
READINGS = ("parts", "text", "lines", "documents", "events")
SELECTIONS = (
    "*",
    "Body",
    "ContentType",
    "CustomAttributes",
    "InvokedProductionVariant",
    "NewSessionId",
    "ClosedSessionId",
)
_SPELT = re.compile(r"(--?)([A-Za-z][A-Za-z0-9-]+)(?:([:=])(.*))?", re.DOTALL)


def make_options() -> list[click.Parameter]:
    """Every option of `invoke`: the table's, then the command line's own."""
    return [
        click.Argument(["name"], required=False, metavar="[ENDPOINT_NAME | -]"),
        *(_option(parameter) for parameter in TABLE),
        *_own_options(),
    ]


def _option(parameter: Parameter) -> click.Option:
    spelt = [*parameter.flags]
    for name in dict.fromkeys((parameter.cmdlet or parameter.name, parameter.name)):
        spelt.append(f"-{name}")
    complete = {
        "Accept": MEDIA_TYPES,
        "ContentType": MEDIA_TYPES,
        "Select": SELECTIONS,
        "SessionId": ("NEW_SESSION",),
    }.get(parameter.name)
    more: dict[str, Any] = {}
    if complete:
        more["shell_complete"] = _completer(complete)
    if parameter.name == "ProfileName":
        more["shell_complete"] = _complete_profiles
    if parameter.name in ("RequestTTLSeconds", "InvocationTimeoutSeconds"):
        more["type"] = int
    if parameter.name in SWITCHES:
        return click.Option([*spelt, parameter.python], is_flag=True, help=parameter.text)
    is_repeated = parameter.name in REPEATED
    return click.Option([*spelt, parameter.python], multiple=is_repeated, help=parameter.text, **more)


def _own_options() -> list[click.Option]:
    path = click.Path(dir_okay=False)
    seconds = click.FloatRange(min=0)
    return [
        click.Option(["-o", "--output"], type=path, help="Write the answer to a file."),
        click.Option(["-q", "--query"], help="A JMESPath expression over the whole response."),
        click.Option(["--json", "as_json"], is_flag=True, help="The whole response as one JSON object."),
        click.Option(["--stream"], is_flag=True, help="InvokeEndpointWithResponseStream; print parts as they arrive."),
        click.Option(["--as", "reading"], type=click.Choice(READINGS), help="How to read a stream (default: parts)."),
        click.Option(
            ["--async", "is_async"], is_flag=True, help="InvokeEndpointAsync; print where the output will be."
        ),
        click.Option(
            ["--wait", "wait_s"], type=seconds, help="With --async: wait so many seconds for the output, print it."
        ),
        click.Option(
            ["--batch"],
            type=click.Path(allow_dash=True, dir_okay=False),
            help="JSON Lines of parameters; - for standard input.",
        ),
        click.Option(
            ["--concurrency"],
            type=click.IntRange(1, 256),
            default=8,
            show_default=True,
            help="With --batch: calls at once.",
        ),
        click.Option(["--resume"], is_flag=True, help="With --batch and --output: go on where a run was stopped."),
        click.Option(
            ["--at-most-once"],
            is_flag=True,
            help="With --resume: report calls whose answer a kill lost; never repeat them.",
        ),
        click.Option(["--cassette"], type=path, help="Answer from a recorded file, without a server."),
        click.Option(
            ["--read-timeout", "read_timeout_s"],
            type=seconds,
            default=70.0,
            show_default=True,
            help="Seconds of silence allowed.",
        ),
        click.Option(
            ["--connect-timeout", "connect_timeout_s"],
            type=seconds,
            default=10.0,
            show_default=True,
            help="Seconds to connect.",
        ),
        click.Option(
            ["--retries"], help="botocore's own repeating: standard, legacy, adaptive, or a number of attempts."
        ),
        click.Option(
            ["--wait-ready", "ready_timeout_s"],
            type=seconds,
            default=0.0,
            help="Keep asking a model that is loading, for so many seconds.",
        ),
        click.Option(["--secret-key-file"], type=path, help="Read the secret key from a file."),
        click.Option(["-v", "--verbose"], is_flag=True, help="Say on standard error where it went and the request id."),
    ]


class PowerShellCommand(click.Command):
    """A command that also takes its options as PowerShell spells them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            args = rewrite(args, self.params)
        except click.UsageError:
            if not ctx.resilient_parsing:  # completion reads words that are not finished
                raise
        return super().parse_args(ctx, args)


def rewrite(args: Sequence[str], params: Sequence[click.Parameter]) -> list[str]:
    """Arguments with every known spelling of an option made click's own. What follows `--` is left alone."""
    options = [p for p in params if isinstance(p, click.Option)]
    by_fold = {
        fold(name): (option, max(option.opts, key=_is_long))
        for option in options
        for name in option.opts
        if len(name) > 2
    }
    by_python = {option.name: option for option in options}
    for parameter in TABLE:
        for alias in parameter.aliases:
            option = by_python[parameter.python]
            by_fold.setdefault(fold(alias), (option, max(option.opts, key=_is_long)))
    exact = {name: option for option in options for name in option.opts}
    exact |= dict.fromkeys(HELP, click.Option(["--help"], is_flag=True))
    out: list[str] = []
    rest = iter(args)
    for token in rest:
        if token == "--":
            return [*out, token, *rest]
        words, takes_value = _rewrite_one(token, by_fold, exact)
        out.extend(words)
        if takes_value and (value := next(rest, None)) is not None:
            out.append(value)
    return out


def _is_long(name: str) -> tuple[bool, int]:
    return name.startswith("--"), len(name)


def _rewrite_one(
    token: str, by_fold: dict[str, tuple[click.Option, str]], exact: dict[str, click.Option]
) -> tuple[list[str], bool]:
    """The words for one token, and whether the next token is its value."""
    match = _SPELT.fullmatch(token)
    found = by_fold.get(fold(match.group(2))) if match else None
    if match is None or found is None:
        option = exact.get(token)
        if match is not None and option is None and (match.group(1) == "--" or token[:2] not in exact):
            raise click.UsageError(_unknown(match.group(1) + match.group(2), by_fold))
        return [token], option is not None and not option.is_flag
    option, name = found
    separator, value = match.group(3), match.group(4)
    if separator is None:
        return [name], not option.is_flag
    if option.is_flag:
        return ([name] if _truth(token, value) else []), False
    return [name, value], False


def _unknown(spelt: str, by_fold: dict[str, tuple[click.Option, str]]) -> str:
    near = difflib.get_close_matches(fold(spelt), by_fold, n=3, cutoff=0.6)  # nearest first
    names = list(dict.fromkeys(by_fold[name][1] for name in near))
    hint = f"Did you mean {' or '.join(names)}?" if names else "--help lists them all."
    return f"There is no option {spelt}. {hint}"


def _truth(token: str, value: str) -> bool:
    words = {"$true": True, "true": True, "1": True, "$false": False, "false": False, "0": False}
    if value.lower() not in words:
        raise click.UsageError(f"{token}: {value!r} is neither $true nor $false. Leave the value out to switch it on.")
    return words[value.lower()]


def _completer(words: Sequence[str]) -> Any:
    return lambda ctx, param, incomplete: [word for word in words if word.lower().startswith(incomplete.lower())]


def _complete_profiles(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Profile names from the shared files, read without botocore."""
    import configparser
    import os

    names = set()
    places = (("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"), ("AWS_CONFIG_FILE", "~/.aws/config"))
    for variable, default in places:
        parser = configparser.RawConfigParser(strict=False)
        try:
            parser.read(os.path.expanduser(os.environ.get(variable, default)))
        except (configparser.Error, OSError, UnicodeDecodeError):
            continue  # completion says nothing rather than fail over a file that botocore will name
        names |= {
            s.removeprefix("profile ") for s in parser.sections() if not s.startswith(("services ", "sso-session "))
        }
    return sorted(name for name in names if name.startswith(incomplete))


def read_config(pairs: Sequence[str]) -> dict[str, Any] | None:
    """`--client-config KEY=VALUE`: a value is JSON where it can be, else text."""
    import json

    config: dict[str, Any] = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator:
            raise ParameterError(
                f"--client-config {pair!r} has no '='. Write it as --client-config max_pool_connections=50."
            )
        try:
            config[key] = json.loads(value)
        except ValueError:  # text needs no quotes in a shell
            config[key] = value
    return config or None
