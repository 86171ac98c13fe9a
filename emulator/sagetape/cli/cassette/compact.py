"""`sagetape cassette compact`: writes a cassette anew, in canonical order."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ...core.matching import MatchRules
from ...core.meaning.comparison import counted
from ...core.wire import Interaction
from ...shell.renewal import matcher_for
from ...shell.store import Cassette, CompactReport
from ...shell.store import compact as compact_file
from ..progress import progress
from ..terminal import emit, emit_json, warn
from .files import check_present, json_option, judged, option, output_option


@click.command()
@click.argument("path", type=click.Path(path_type=Path), metavar="CASSETTE")
@output_option
@option("--salvage", is_flag=True, help="Leave out what is damaged instead of refusing.")
@option("--match", "match_text", metavar="JSON", help='New match rules, such as \'{"ignore_paths": ["id"]}\'.')
@json_option
def compact(path: Path, output: Path | None, salvage: bool, match_text: str | None, as_json: bool) -> None:
    """Write CASSETTE anew: in canonical order, every body once and compressed where it pays.

    The new file takes the old one's place when it is whole; Ctrl-C leaves the old one.
    """
    check_present(path)
    with progress(path.name) as shown:
        report = compact_file(path, output, salvage=salvage, progress=shown, **rule_change(path, match_text))
    tell(output or path, report, as_json=as_json)


def rule_change(path: Path, match_text: str | None) -> dict[str, Any]:
    """The header with other match rules, and what computes the keys under them; nothing when none are given."""
    if match_text is None:
        return {}
    try:
        given = json.loads(match_text)
    except (ValueError, RecursionError) as error:
        text = f"{error}: this is not JSON. Write a table of match rules, such as {{}}."
        raise click.BadParameter(text, param_hint="--match") from None
    if not isinstance(given, dict):
        text = 'this is not a table. Write one, such as {"ignore_paths": ["id"]}.'
        raise click.BadParameter(text, param_hint="--match")
    with judged("--match"):
        rules = MatchRules.from_dict(given).as_dict()
    matcher = matcher_for(rules, allowed=rules.get("custom", ()))  # the user names them here

    def rekey(one: Interaction) -> bytes:
        return matcher.key(one.call)

    with Cassette.open(path) as cassette:
        settings = replace(cassette.settings, match=rules)
    return {"settings": settings, "rekey": rekey}


def tell(path: Path, report: CompactReport, *, as_json: bool) -> None:
    """What became of the file."""
    if as_json:
        emit_json(
            {
                "cassette": str(path),
                "before_bytes": report.before_bytes,
                "after_bytes": report.after_bytes,
                "kept": report.kept_count,
                "lost": [str(place) for place in report.lost],
            }
        )
        return
    emit(
        f"{path}: {report.before_bytes} bytes before, {report.after_bytes} now; "
        f"{counted(report.kept_count, 'interaction')} kept"
    )
    for place in report.lost:
        warn(f"lost: {place}")
