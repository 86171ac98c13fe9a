"""`sagetape cassette merge`: three-way merge of recordings, and the merge driver of git."""

from __future__ import annotations

from pathlib import Path

import click

from ...core.errors import CassetteError
from ...core.meaning.comparison import counted
from ...shell.merging import MergeReport, merge_cassettes
from ..progress import progress
from ..terminal import emit, emit_json, harmless, tell
from .consent import custom_option
from .files import json_option, option, output_option

CONFLICT = 1  # what git expects of a merge driver


@click.command()
@click.argument("base", type=click.Path(path_type=Path), metavar="BASE")
@click.argument("ours", type=click.Path(path_type=Path), metavar="OURS")
@click.argument("theirs", type=click.Path(path_type=Path), metavar="THEIRS")
@output_option
@option(
    "--favor",
    type=click.Choice(("ours", "theirs")),
    default="ours",
    show_default=True,
    help="Whose recording is kept where both changed the same.",
)
@option("--label", metavar="NAME", help="The name to show for OURS; git gives the path in the repository.")
@custom_option
@json_option
@click.pass_context
def merge(
    ctx: click.Context,
    /,
    base: Path,
    ours: Path,
    theirs: Path,
    output: Path | None,
    favor: str,
    label: str | None,
    as_json: bool,
) -> None:
    """Merge what was recorded on two sides since BASE, into OURS.

    Takes of one request, and recorded sessions, are never mixed. Ends with 1 after conflicts; the file is whole all the
    same, with the recording of one side wherever both changed. A BASE that is empty or missing counts as no recording;
    OURS and THEIRS must be whole cassettes, else nothing is written: 6, or a conflict (1) for git's driver (--label).
    """
    try:
        with progress(label or ours.name) as shown:
            report = merge_cassettes(base, ours, theirs, target=output or ours, favor=favor, progress=shown)
    except CassetteError as error:
        if label is None:
            raise
        # git takes what is above 128 for a broken driver and everything else for a conflict: the file stays unmerged.
        tell(f"CONFLICT in {harmless(label)}: {harmless(str(error))}")
        ctx.exit(CONFLICT)
    say(label or str(output or ours), report, as_json=as_json)
    ctx.exit(CONFLICT if report.conflicts else 0)


def say(name: str, report: MergeReport, *, as_json: bool) -> None:
    """The result; conflicts on standard error, as git shows them."""
    if as_json:
        conflicts = [{"what": one.what, "how": one.how, "kept": one.kept} for one in report.conflicts]
        emit_json(
            {"cassette": name, "interactions": report.interactions, "taken": report.taken, "conflicts": conflicts}
        )
        return
    emit(
        f"{harmless(name)}: {counted(report.interactions, 'interaction')}, "
        f"{counted(report.taken, 'change')} taken from theirs"
    )
    for conflict in report.conflicts:
        tell(f"CONFLICT in {harmless(name)}: {harmless(str(conflict))}")
