"""The cassettes that a command was given: opened one after the other, their damage told on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from ...core.errors import CassetteMissing
from ...shell.cassette_paths import missing_text
from ...shell.store import Cassette
from ..terminal import warn

Function = TypeVar("Function", bound=Callable[..., Any])


def cassettes_argument(function: Function) -> Function:
    """Adds CASSETTE... to a command."""
    return click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="CASSETTE...")(
        function
    )


def json_option(function: Function) -> Function:
    """Adds `--json` to a command."""
    return click.option(
        "--json",
        "as_json",
        is_flag=True,
        envvar="SAGETAPE_JSON",
        show_envvar=True,
        help="Print JSON, one value a line.",
    )(function)


@contextmanager
def opened(path: Path) -> Iterator[Cassette]:
    """A cassette for reading; what is wrong with it is a warning, and what is intact is there. Raises CassetteError."""
    if not path.exists():
        raise CassetteMissing(missing_text(path), path=str(path))
    with Cassette.open(path) as cassette:
        yield cassette
        for line in cassette.report.lines():
            warn(line)
