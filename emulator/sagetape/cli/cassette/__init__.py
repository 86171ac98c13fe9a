"""`sagetape cassette`: look into cassette files and work on them, one module per command."""

from __future__ import annotations

import click

from ..commands import CASSETTE_COMMANDS
from ..lazy import LazyGroup


@click.group(cls=LazyGroup, table=CASSETTE_COMMANDS)
def cassette() -> None:
    """Look into cassette files and work on them. No command here needs a server or a network."""
