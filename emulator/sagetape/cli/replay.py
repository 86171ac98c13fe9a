"""`sagetape replay`: recorded answers, and the network is never touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .options import SectionedCommand, setting_options
from .serve import run_server

OF_RECORDING = (
    "mode",
    "record_to",
    "record_errors",
    "upstream",
    "allowed_upstreams",
    "upstream_ca",
    "durability",
    "cassettes",
)


@click.command(cls=SectionedCommand)
@click.argument("cassettes", nargs=-1, type=click.Path(path_type=Path), metavar="CASSETTE...")
@setting_options(without=OF_RECORDING)
@click.pass_context
def replay(ctx: click.Context, /, **flags: Any) -> None:
    """Serve recorded answers; a request that none of the CASSETTEs answers is a miss with its explanation."""
    ctx.exit(run_server("replay", flags, spelled={"cassettes": "CASSETTE"}))
