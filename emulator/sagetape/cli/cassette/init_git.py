"""`sagetape cassette init-git`: cassettes in `git diff` and `git merge`."""

from __future__ import annotations

from pathlib import Path

import click

from ...shell.git_setup import init_git as set_up
from ..terminal import emit, emit_json, harmless
from .files import json_option


@click.command(name="init-git")
@click.argument("folder", type=click.Path(path_type=Path), default=".", metavar="[FOLDER]")
@json_option
def init_git(folder: Path, as_json: bool) -> None:
    """Let `git diff` show cassettes as text and `git merge` merge them, in the repository of FOLDER.

    .gitattributes is for everybody: commit it. The commands are set in this clone's own configuration, because git runs
    none that a repository brings along; every clone runs this once.
    """
    report = set_up(folder)
    if as_json:
        emit_json(
            {
                "repository": str(report.repository),
                "attributes": str(report.attributes),
                "is_attribute_new": report.is_attribute_new,
                "configured": report.configured,
            }
        )
        return
    emit(
        f"{report.attributes}: {'a line for *.tape added; commit it' if report.is_attribute_new else 'as it should be'}"
    )
    for name, value in report.configured.items():
        emit(f"git config {name} = {harmless(value)}")
