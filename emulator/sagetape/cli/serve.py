"""`sagetape serve`: endpoints described in a file, each with its own upstream."""

from __future__ import annotations

from typing import Any

import click

from .options import SectionedCommand, setting_options, settings_from


def run_server(command: str, flags: dict[str, Any]) -> int:
    """Reads the settings, serves until told to stop, and returns the exit code."""
    settings = settings_from(command, flags)
    from ..shell.server import run  # the settings are judged before anything heavy is imported

    return run(settings)


@click.command(cls=SectionedCommand)
@setting_options()
@click.pass_context
def serve(ctx: click.Context, /, **flags: Any) -> None:
    """Serve the endpoints that sagetape.toml describes, and those of its cassettes.

    Prints one ready line on standard output. SIGTERM or Ctrl-C end it, a second one at once.
    """
    ctx.exit(run_server("serve", flags))
