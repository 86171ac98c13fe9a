"""`sagetape cassette scrub`: takes out of a cassette what should not have been recorded."""

from __future__ import annotations

from pathlib import Path

import click

from ...core.errors import SecretFound
from ...core.meaning.comparison import counted
from ...core.rules import ScrubRules
from ...shell.live_secrets import live_secrets
from ...shell.scrubbing import ScrubReport, scrub_cassette
from ..progress import progress
from ..terminal import emit, emit_json, warn
from .consent import custom_option
from .files import check_present, json_option, judged, option, output_option


def _account(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    if value is None or (len(value) == 12 and value.isascii() and value.isdecimal()):
        return value
    raise click.BadParameter("an account is twelve digits, such as 123456789012. Write them without dashes.")


@click.command()
@click.argument("path", type=click.Path(path_type=Path), metavar="CASSETTE")
@option("--header", "headers", multiple=True, metavar="NAME", help="A header or member whose value is removed.")
@option("--json-path", "json_paths", multiple=True, metavar="PATH", help="A place in JSON bodies, such as user.id.")
@option("--pattern", "patterns", multiple=True, metavar="REGEX", help="What matches in texts is removed.")
@option(
    "--account",
    metavar="ACCOUNT",
    callback=_account,
    help="The account that recorded; it becomes 000000000000 wherever it stands by itself in texts.",
)
@output_option
@custom_option
@json_option
@click.pass_context
def scrub(
    ctx: click.Context,
    /,
    path: Path,
    headers: tuple[str, ...],
    json_paths: tuple[str, ...],
    patterns: tuple[str, ...],
    account: str | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Apply the rules of CASSETTE and those given here to everything it holds, and write it anew.

    The rules are stored in it: later recordings and replays follow them too. Accounts in ARNs and in the names of
    buckets and registries, and principals and keys in ARNs, become stable stand-ins in any case, in the texts of
    requests and answers. Ends with 7 when the scan still finds a secret afterwards.
    """
    check_present(path)
    with judged("--header, --json-path or --pattern"):
        rules = ScrubRules(headers=headers, json_paths=json_paths, patterns=patterns)
    with progress(path.name) as shown:
        report = scrub_cassette(path, rules, account=account, live=live_secrets(), target=output, progress=shown)
    tell(output or path, report, as_json=as_json)
    ctx.exit(SecretFound.exit_code if report.remaining else 0)


def tell(path: Path, report: ScrubReport, *, as_json: bool) -> None:
    """What was done, and what is left."""
    if as_json:
        emit_json(
            {
                "cassette": str(path),
                "interactions": report.interactions,
                "changed": report.changed,
                "remaining": [
                    {"interaction": number, "kind": one.kind, "place": one.place, "fingerprint": one.fingerprint}
                    for number, one in report.remaining
                ],
            }
        )
        return
    emit(f"{path}: {report.changed} of {counted(report.interactions, 'interaction')} changed")
    for number, finding in report.remaining:
        warn(f"still there: {finding} (interaction {number})")
