"""`--allow-custom` of the commands that compute keys: which code a cassette's match rules may name."""

from __future__ import annotations

import functools
from typing import Any, cast

import click

from ...shell.custom import allowing
from .files import Function


def custom_option(function: Function) -> Function:
    """Adds `--allow-custom` to a command, which runs under it; the variable of the setting allows the same."""

    @functools.wraps(function)
    def with_consent(*args: Any, allowed_custom: tuple[str, ...], **given: Any) -> Any:
        with allowing(allowed_custom):
            return function(*args, **given)

    added = click.option(
        "--allow-custom",
        "allowed_custom",
        multiple=True,
        metavar="MODULE:FUNCTION",
        help="Function that the match rules of a cassette may name; also from SAGETAPE_ALLOWED_CUSTOM, by commas.",
    )
    return cast(Function, added(with_consent))
