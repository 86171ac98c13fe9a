"""`sagetape cassette edit`: interactions in the user's editor."""

from __future__ import annotations

import os
from pathlib import Path

import click

from ...shell.editing import FORMATS, edit_cassette, editor_command, run_editor
from ...shell.live_secrets import live_secrets
from ..terminal import emit, emit_json
from .consent import custom_option
from .files import check_present, json_option, option


@click.command()
@click.argument("path", type=click.Path(path_type=Path), metavar="CASSETTE")
@click.argument("numbers", nargs=-1, type=click.IntRange(min=0), metavar="[NUMBER...]")
@option("--format", "format_name", type=click.Choice(FORMATS), default="json", show_default=True, help="Of the text.")
@custom_option
@json_option
def edit(path: Path, numbers: tuple[int, ...], format_name: str, as_json: bool) -> None:
    """Open the interactions of CASSETTE, or those with a NUMBER, in $VISUAL or $EDITOR, and take over what is saved.

    Nothing is lost on the way: what is left alone stays the same to the byte. Keys are computed anew for requests that
    were changed. YAML needs the extra: pip install 'sagetape[yaml]'.
    """
    check_present(path)
    editor = run_editor(editor_command(os.environ))
    report = edit_cassette(path, numbers=numbers, format_name=format_name, live=live_secrets(), run_editor=editor)
    if as_json:
        counts = {"changed": report.changed, "added": report.added, "deleted": report.deleted}
        emit_json({"cassette": str(path), **counts})
    elif report.is_change:
        emit(f"{path}: {report.changed} changed, {report.added} added, {report.deleted} deleted")
    else:
        emit(f"{path}: unchanged")
