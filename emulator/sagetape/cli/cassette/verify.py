"""`sagetape cassette verify`: integrity. Whether the answers still hold is asked by `sagetape verify`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from ...core.errors import CassetteDamaged, CassetteError, CassetteMissing
from ...shell.cassette_paths import missing_text
from ...shell.store.report import RecoveryReport
from ...shell.store.verification import verify as verify_file
from ..terminal import complain, emit, emit_json, painted, warn
from .files import cassettes_argument, json_option


@click.command()
@cassettes_argument
@json_option
@click.pass_context
def verify(ctx: click.Context, /, paths: tuple[Path, ...], as_json: bool) -> None:
    """Check every byte of each CASSETTE against its checksums; ends with 6 when one is damaged. Changes nothing."""
    sound = [check(path, as_json=as_json) for path in paths]
    ctx.exit(0 if all(sound) else CassetteDamaged.exit_code)


def check(path: Path, *, as_json: bool) -> bool:
    """Checks one cassette and prints its verdict; whether it is sound."""
    try:
        if not path.exists():
            raise CassetteMissing(missing_text(path), path=str(path))
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
