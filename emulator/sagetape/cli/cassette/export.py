"""`sagetape cassette export`: interactions for other tools."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from ...core.meaning.comparison import counted
from ...shell.exporting import FORMATS, replacing_text
from ...shell.exporting import export as write_export
from ..progress import progress
from ..terminal import emit_json, tell
from .files import json_option, opened, option

STANDARD: Final = ("-", "/dev/stdout")
"""Names of standard output. `/dev/stdout` may be a file, which replacing would take from under its owner."""


@click.command()
@click.argument("path", type=click.Path(path_type=Path), metavar="CASSETTE")
@option(
    "--format", "format_name", type=click.Choice(FORMATS), default="jsonl", show_default=True, help="Of the output."
)
@option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file, or a FIFO or device that is there; standard output unless given, or -.",
)
@json_option
def export(path: Path, format_name: str, output: Path | None, as_json: bool) -> None:
    """Write the interactions of CASSETTE as JSON Lines, which lose nothing, or as an HTTP Archive.

    An answer that broke off says so in both. With -o a file is whole or not there.
    """
    with opened(path) as cassette, progress(path.name) as shown:
        if output is None or str(output) in STANDARD:
            write_export(cassette, sys.stdout, format_name=format_name, progress=shown)
            return
        if not output.parent.is_dir():
            text = f"there is no folder {output.parent}. Make it, or name another place."
            raise click.BadParameter(text, param_hint="-o")
        with replacing_text(output) as file:
            count = write_export(cassette, file, format_name=format_name, progress=shown)
    if as_json:
        emit_json({"cassette": str(path), "output": str(output), "format": format_name, "interactions": count})
    else:
        tell(f"{output}: {counted(count, 'interaction')} as {format_name}")
