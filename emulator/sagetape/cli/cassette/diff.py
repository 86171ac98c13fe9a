"""`sagetape cassette diff`: what changed between two recordings, by meaning."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ...core.differences import Tolerances, describe
from ...core.matching import MatchRules
from ...core.merging import Change, Kept, compare_recordings
from ...shell.renewal import matcher_for, rekeyed
from ...shell.store import Cassette
from ..progress import progress
from ..terminal import emit, emit_json, harmless, painted
from .consent import custom_option
from .files import json_option, opened, tolerance_options

SIGNS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}
DIFFERENCES_SHOWN = 5
DIFFERS = 3


@click.command()
@click.argument("old", type=click.Path(path_type=Path), metavar="OLD")
@click.argument("new", type=click.Path(path_type=Path), metavar="NEW")
@tolerance_options
@custom_option
@json_option
@click.pass_context
def diff(ctx: click.Context, /, old: Path, new: Path, tolerances: Tolerances, as_json: bool) -> None:
    """Compare two cassettes by meaning: what was added, removed, answered differently. Ends with 3 when they differ.

    When and how fast something was recorded is no difference. Requests are matched by the rules of OLD.
    """
    with opened(old) as before, opened(new) as after, progress("comparing") as shown:
        changes = compare_recordings(
            recording(before, shown),
            aligned(after, before, shown),
            reading=MatchRules.from_dict(before.settings.match).answer_reading(),
            tolerances=tolerances,
        )
    if as_json:
        emit_json({"old": str(old), "new": str(new), "is_same": not changes, "changes": list(map(described, changes))})
    else:
        for change in changes:
            for line in lines(change):
                emit(line)
        if not changes:
            emit("no difference in meaning")
    ctx.exit(DIFFERS if changes else 0)


def recording(cassette: Cassette, shown: Any) -> list[Kept]:
    """All interactions that can be read."""
    numbers = list(cassette.numbers())
    found = []
    for done, number in enumerate(numbers):
        found.append(Kept(cassette.read(number), cassette.key(number)))
        shown(done + 1, len(numbers))
    return found


def aligned(cassette: Cassette, other: Cassette, shown: Any) -> list[Kept]:
    """The same under the match rules of another cassette."""
    found = recording(cassette, shown)
    if cassette.settings.match == other.settings.match:
        return found
    return rekeyed(found, matcher_for(other.settings.match))


def lines(change: Change) -> list[str]:
    """One change for a person."""
    sign, colour = SIGNS[change.kind]
    take = f" (take {change.take + 1})" if change.take else ""
    said = [painted(f"{sign} {harmless(change.what)}{take}", colour, sys.stdout)]
    said += [f"    {harmless(describe(one))}" for one in change.differences[:DIFFERENCES_SHOWN]]
    left = len(change.differences) - DIFFERENCES_SHOWN
    return said + ([f"    ... {left} more differences"] if left > 0 else [])


def described(change: Change) -> dict[str, Any]:
    """One change for a machine."""
    return {
        "kind": change.kind,
        "what": change.what,
        "take": change.take,
        "key": kept.key.hex() if (kept := change.old or change.new) is not None else None,
        "differences": [
            {"place": one.place, "old": one.recorded, "new": one.actual, "note": one.note, "distance": one.distance}
            for one in change.differences
        ],
    }
