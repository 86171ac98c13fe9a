"""`sagetape cassette verify`: integrity. Whether the answers still hold is asked by `sagetape verify`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import click

from ...core.errors import CassetteDamaged, CassetteError
from ...core.guard import Guard
from ...shell.library import Shelf
from ...shell.recorders import repeated_keys
from ...shell.renewal import matcher_for
from ...shell.store.report import RecoveryReport
from ...shell.store.verification import verify as verify_file
from ..progress import progress
from ..terminal import complain, emit, emit_json, painted, warn
from .consent import custom_option
from .files import cassettes_argument, check_present, json_option, opened, option, warn_of

DOUBTFUL: Final = 3  # a failed check


@click.command()
@cassettes_argument
@option("--strict", is_flag=True, help="End with 3 where an answer may be right only by luck, as a strict replay does.")
@custom_option
@json_option
@click.pass_context
def verify(ctx: click.Context, /, paths: tuple[Path, ...], strict: bool, as_json: bool) -> None:
    """Check every byte of each CASSETTE against its checksums; ends with 6 when one is damaged. Changes nothing."""
    sound = [check(path, as_json=as_json) for path in paths]
    if not all(sound):
        ctx.exit(CassetteDamaged.exit_code)
    doubts = [text for path in paths for text in doubts_about(path)] if strict else []
    for text in doubts:
        warn(text)
    ctx.exit(DOUBTFUL if doubts else 0)


def doubts_about(path: Path) -> list[str]:
    """What the wrong-answer guard says about every key of a cassette that has several takes."""
    with opened(path) as cassette:
        shelf = Shelf([cassette])
        guard = Guard(matcher_for(cassette.settings.match), shelf)
        return [text for key, takes in repeated_keys(shelf) for text in guard.look(key, takes)]


def check(path: Path, *, as_json: bool) -> bool:
    """Checks one cassette and prints its verdict; whether it is sound."""
    try:
        check_present(path)
        with progress(path.name) as shown:
            report = verify_file(path, progress=shown)
    except CassetteError as error:
        fail(path, error, as_json=as_json)
        return False
    if as_json:
        emit_json(described(path, report))
    else:
        state = painted("sound", "green", sys.stdout) if report.is_sound else painted("DAMAGED", "red", sys.stdout)
        emit(f"{path}: {state}")
        warn_of(report)
    return report.is_sound


def fail(path: Path, error: CassetteError, *, as_json: bool) -> None:
    """Says that a file could not be checked at all."""
    if as_json:
        emit_json({"cassette": str(path), "is_sound": False, "problems": [str(error)]})
    else:
        complain(str(error))


def described(path: Path, report: RecoveryReport) -> dict[str, Any]:
    """A verdict for a machine; offsets in bytes."""
    return {
        "cassette": str(path),
        "is_sound": report.is_sound,
        "problems": report.lines(),
        "damaged": [{"offset": place.offset, "end": place.end, "reason": place.reason} for place in report.damaged],
        "torn_at": report.torn_at,
    }
