"""`sagetape cassette scan`: secrets in cassette files; the same search that guards the recording."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ...core.errors import SecretFound
from ...core.meaning.comparison import counted
from ...shell.live_secrets import live_secrets
from ...shell.scanning import Found, scan_cassette
from ...shell.store import Cassette
from ..progress import progress
from ..terminal import emit, emit_json, harmless
from .files import cassettes_argument, check_present, json_option, judged, option


@click.command()
@cassettes_argument
@option(
    "--allow",
    "allowed",
    multiple=True,
    metavar="FINGERPRINT",
    help="A finding that is no secret; it is stored in each CASSETTE and never reported again.",
)
@json_option
@click.pass_context
def scan(ctx: click.Context, /, paths: tuple[Path, ...], allowed: tuple[str, ...], as_json: bool) -> None:
    """Look for secrets in each CASSETTE, in whatever they are encoded; ends with 7 when there is one.

    Looked for are the credentials of this environment and the patterns of access keys, tokens and private keys, in
    bodies, headers, notes and everything else that is in the file. What is found is never printed.
    """
    check_fingerprints(allowed)
    live = live_secrets()
    found_any = False
    for path in paths:
        check_present(path)
        allow(path, allowed)
        with progress(path.name) as shown:
            found = scan_cassette(path, live=live, progress=shown)
        found_any = found_any or bool(found)
        tell(path, found, as_json=as_json)
    ctx.exit(SecretFound.exit_code if found_any else 0)


def check_fingerprints(allowed: tuple[str, ...]) -> None:
    """Raises BadParameter for what is no fingerprint."""
    from ...core.rules import ScrubRules

    with judged("--allow"):
        ScrubRules(allowed=allowed)


def allow(path: Path, fingerprints: tuple[str, ...]) -> None:
    """Stores false alarms in the cassette."""
    if fingerprints:
        with Cassette.open(path, writable=True) as cassette:
            cassette.allow(fingerprints)


def tell(path: Path, found: list[Found], *, as_json: bool) -> None:
    """The verdict about one cassette."""
    if as_json:
        emit_json(described(path, found))
        return
    emit(f"{path}: {counted(len(found), 'finding')}" if found else f"{path}: no secrets found")
    for one in found:
        emit(f"  {harmless(line(one))}")
    if found:
        emit("  Remove them: sagetape cassette scrub. Allow a false alarm: sagetape cassette scan --allow FINGERPRINT")


def line(one: Found) -> str:
    """One finding for a person."""
    shown = f" {one.finding.excerpt}" if one.finding.excerpt else ""
    return f"{one.finding.kind}{shown} in {one.where}, {one.finding.place} (fingerprint {one.finding.fingerprint})"


def described(path: Path, found: list[Found]) -> dict[str, Any]:
    """The findings for a machine."""
    return {
        "cassette": str(path),
        "is_clean": not found,
        "findings": [
            {
                "kind": one.finding.kind,
                "interaction": one.number,
                "where": one.where,
                "place": one.finding.place,
                "excerpt": one.finding.excerpt,
                "fingerprint": one.finding.fingerprint,
            }
            for one in found
        ],
    }
