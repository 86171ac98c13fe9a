"""A progress bar for long work: on a terminal, on standard error, and only when the work takes longer than a second."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TextIO

import click

PATIENCE_S: Final = 1.0  # https://clig.dev: what is done sooner needs no bar


class Progress:
    """Called with what is done and the whole; `finish` leaves the terminal clean."""

    def __init__(self, label: str, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._label, self._stream, self._clock = label, stream, clock
        self._since = clock()
        self._bar: Any = None

    def __call__(self, done: int, whole: int) -> None:
        if self._bar is None:
            if self._clock() - self._since < PATIENCE_S or not self._stream.isatty():
                return
            self._bar = click.progressbar(length=whole, label=self._label, file=self._stream)
            self._bar.__enter__()
        self._bar.update(done - self._bar.pos)

    def finish(self) -> None:
        """Ends the bar's line, if there is one."""
        if self._bar is not None:
            self._bar.render_finish()


@contextmanager
def progress(label: str) -> Iterator[Progress]:
    """A bar under this name, ended however the block ends."""
    shown = Progress(label, sys.stderr)
    try:
        yield shown
    finally:
        shown.finish()
