"""`sagetape serve`: endpoints described in a file, each with its own upstream."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Container, Mapping
from typing import Any, Final

import click

from .options import SectionedCommand, setting_options, settings_from
from .terminal import warn

THREADS_S: Final = 1.0  # what functions' own threads get to end, after the drain


def end_soon(code: int, before: Container[threading.Thread]) -> None:
    """Sees to it that the process ends, whatever users' functions left running.

    Python waits at its end for threads of an executor (`asyncio.to_thread`, a ThreadPoolExecutor) and for those that
    are no daemons; everything is written and said by now. `before`: threads that were there first, which are not ours.
    """

    def left() -> bool:
        current = threading.current_thread()
        return any(thread not in before and thread is not current for thread in threading.enumerate())

    def end() -> None:
        if left():
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    if left():
        timer = threading.Timer(THREADS_S, end)
        timer.daemon = True
        timer.start()


def run_server(command: str, flags: dict[str, Any], *, spelled: Mapping[str, str] | None = None) -> int:
    """Reads the settings, serves until told to stop, and returns the exit code."""
    settings = settings_from(command, flags, spelled=spelled)
    for doubt in settings.doubts:
        warn(doubt)
    from ..shell.server import run  # the settings are judged before anything heavy is imported

    before = frozenset(threading.enumerate())
    code = run(settings)
    end_soon(code, before)
    return code


@click.command(cls=SectionedCommand)
@setting_options()
@click.pass_context
def serve(ctx: click.Context, /, **flags: Any) -> None:
    """Serve the endpoints that sagetape.toml describes, and those of its cassettes.

    Prints one ready line on standard output. SIGTERM or Ctrl-C end it, a second one at once.
    """
    ctx.exit(run_server("serve", flags))
