"""`sagetape cassette verify`: integrity. Whether the answers still hold is asked by `sagetape verify`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
from ..terminal import complain, emit, emit_json, painted, warn
from .files import cassettes_argument, check_present, json_option, opened, option

DOUBTFUL: Final = 3  # a failed check


@click.command()
@cassettes_argument
@option("--strict", is_flag=True, help="End with 3 where an answer may be right only by luck, as a strict replay does.")
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
        with bar(path) as progress:
            report = verify_file(path, progress=progress)
    except CassetteError as error:
        fail(path, error, as_json=as_json)
        return False
    if as_json:
        emit_json(described(path, report))
    else:
        state = painted("sound", "green", sys.stdout) if report.is_sound else painted("DAMAGED", "red", sys.stdout)
        emit(f"{path}: {state}")
        for line in report.lines():
            warn(line)
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


@contextmanager
def bar(path: Path) -> Iterator[Callable[[int, int], object] | None]:
    """A progress bar on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    with click.progressbar(length=path.stat().st_size, label=path.name, file=sys.stderr) as shown:
        yield lambda done, _whole: shown.update(done - shown.pos)
