"""The cassettes that a command was given: opened one after the other, their damage told on standard error."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from ...core.differences import Tolerances
from ...core.errors import CassetteMissing, ConfigError
from ...shell.cassette_paths import missing_text, nearest
from ...shell.config_file import shown
from ...shell.store import Cassette
from ...shell.store.report import RecoveryReport
from ..terminal import warn

Function = TypeVar("Function", bound=Callable[..., Any])


def option(name: str, *names: str, **attributes: Any) -> Callable[[Function], Function]:
    """An option with its variable: `--text-similarity` is `SAGETAPE_TEXT_SIMILARITY`."""
    variable = "SAGETAPE_" + name.lstrip("-").split("/")[0].upper().replace("-", "_")
    return click.option(name, *names, envvar=variable, show_envvar=True, **attributes)


@contextmanager
def judged(flag: str) -> Iterator[None]:
    """What is wrong with the value of a flag is a matter of usage (2), not of the configuration (8)."""
    try:
        yield
    except ConfigError as error:
        raise click.BadParameter(str(error), param_hint=flag) from None


def cassettes_argument(function: Function) -> Function:
    """Adds CASSETTE... to a command."""
    return click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="CASSETTE...")(
        function
    )


def json_option(function: Function) -> Function:
    """Adds `--json` to a command."""
    return option("--json", "as_json", is_flag=True, help="Print JSON, one value a line.")(function)


def output_option(function: Function) -> Function:
    """Adds `--output` to a command that writes a cassette."""
    kind = click.Path(path_type=Path, dir_okay=False)
    return option("--output", "-o", type=kind, help="Write here and leave CASSETTE as it is.")(function)


def tolerance_options(function: Function) -> Function:
    """Adds the tolerances of a comparison; the command gets them as `tolerances`."""

    @functools.wraps(function)
    def with_tolerances(*args: Any, absolute: float, relative: float, text_similarity: float, **given: Any) -> Any:
        return function(*args, tolerances=Tolerances(absolute, relative, text_similarity), **given)

    share = click.FloatRange(0, 1)
    rows = (
        ("absolute", click.FloatRange(min=0), 0.0, "Numbers that are this near are equal."),
        ("relative", share, 0.0, "Numbers that are this near, as a share of the larger one, are equal."),
        ("text-similarity", share, 1.0, "Texts that have this share of their words in common are equal."),
    )
    decorated: Any = with_tolerances
    for name, kind, default, text in reversed(rows):
        decorated = option(f"--{name}", type=kind, default=default, show_default=True, help=text)(decorated)
    return cast(Function, decorated)


def check_present(path: Path) -> None:
    """Raises CassetteMissing for a cassette that is not there, with the same command over one that is."""
    if path.exists():
        return
    command = " ".join(["sagetape", *click.get_current_context().command_path.split()[1:]])
    near = nearest(path)
    example = shown(near) if near is not None else "CASSETTE"
    raise CassetteMissing(missing_text(path, instead=f"Name one that is there: {command} {example}"), path=str(path))


@contextmanager
def opened(path: Path) -> Iterator[Cassette]:
    """A cassette for reading; what is wrong with it is a warning, and what is intact is there. Raises CassetteError."""
    check_present(path)
    with Cassette.open(path) as cassette:
        yield cassette
        warn_of(cassette.report)


def warn_of(report: RecoveryReport) -> None:
    """What is wrong with a file, and what to do about it."""
    for line in (*report.lines(), report.remedy()):
        if line:
            warn(line)
