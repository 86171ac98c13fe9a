"""`sagetape cassette import`: takes in what other tools recorded."""

from __future__ import annotations

import time
from pathlib import Path

import click

from ...core.errors import SecretFound
from ...core.exchange import FORMATS
from ...core.rules import ScrubRules
from ...shell.importing import ImportOrder, ImportReport, import_into
from ...shell.live_secrets import live_secrets
from ..progress import progress
from ..terminal import emit, emit_json, warn
from .consent import custom_option
from .files import json_option, judged, option

REASONS_SHOWN = 20
NOTHING = 3  # a failed check: nothing could be imported


@click.command(name="import")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@option("--output", "-o", required=True, type=click.Path(path_type=Path), metavar="CASSETTE", help="Made, or added to.")
@option("--format", "format_name", type=click.Choice(list(FORMATS)), help="Found out from each file unless given.")
@option("--endpoint", metavar="NAME", default="", help="For data capture and moto, which may not name one.")
@option("--member", "members", multiple=True, metavar="NAME=VALUE", help="Added to calls without it: Accept=text/csv.")
@option("--allow", "allowed", multiple=True, metavar="FINGERPRINT", help="A finding that is no secret.")
@custom_option
@json_option
@click.pass_context
def import_(
    ctx: click.Context,
    /,
    paths: tuple[Path, ...],
    output: Path,
    format_name: str | None,
    endpoint: str,
    members: tuple[str, ...],
    allowed: tuple[str, ...],
    as_json: bool,
) -> None:
    """Take the SageMaker calls of FILE... into a cassette: vcrpy's YAML and JSON, HAR, data capture, moto, JSON Lines.

    They are scrubbed, scanned and keyed as a recording is; other calls are left out and counted. A folder stands for
    its *.jsonl files. Importing a file again changes nothing. Ends with 7 when a secret kept something out, with 3 when
    there was nothing to import.
    """
    with judged("--allow"):
        ScrubRules(allowed=allowed)
    order = ImportOrder(
        paths=paths,
        target=output,
        format_name=format_name or "",
        endpoint=endpoint,
        members=dict(map(named_value, members)),
        live_secrets=live_secrets(),
        allowed=allowed,
    )
    with progress("importing") as shown:
        report = import_into(order, now=time.time, progress=shown)
    tell(output, report, as_json=as_json)
    ctx.exit(SecretFound.exit_code if report.secrets else 0 if report.imported or report.known else NOTHING)


def named_value(text: str) -> tuple[str, str]:
    """`Accept=text/csv` as a pair. Raises BadParameter: usage."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise click.BadParameter(f"{text!r} is no NAME=VALUE. Write Accept=application/json.", param_hint="--member")
    return name, value


def tell(path: Path, report: ImportReport, *, as_json: bool) -> None:
    """What was taken in, and what not."""
    if as_json:
        emit_json(
            {
                "cassette": str(path),
                "files": report.files,
                "imported": report.imported,
                "known": report.known,
                "skipped": [{"file": file, "where": one.where, "reason": one.reason} for file, one in report.skipped],
                "secrets": [
                    {"file": file, "kind": one.kind, "place": one.place, "fingerprint": one.fingerprint}
                    for file, one in report.secrets
                ],
            }
        )
        return
    emit(
        f"{path}: {report.imported} imported, {report.known} known already, {len(report.skipped)} left out, "
        f"from {report.files} file{'' if report.files == 1 else 's'}"
    )
    for file, one in report.skipped[:REASONS_SHOWN]:
        warn(f"{file}, {one}")
    if len(report.skipped) > REASONS_SHOWN:
        warn(f"{len(report.skipped) - REASONS_SHOWN} more were left out; --json lists all")
    for file, finding in report.secrets:
        warn(f"{file}: not imported: {finding}. Allow a false alarm with --allow {finding.fingerprint}")
