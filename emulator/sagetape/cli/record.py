"""`sagetape record`: forward, answer, and keep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .options import SectionedCommand, setting_options
from .serve import run_server


@click.command(cls=SectionedCommand)
@click.argument("record_to", type=click.Path(path_type=Path), metavar="CASSETTE")
@setting_options(without=("record_to",))
@click.pass_context
def record(ctx: click.Context, /, **flags: Any) -> None:
    """Ask --upstream what CASSETTE does not hold yet, answer, and keep the answer.

    The mode is new_episodes unless --mode says otherwise: nothing known is asked twice, nothing is lost.
    """
    ctx.exit(run_server("record", flags, spelled={"record_to": "CASSETTE"}))
