"""A batch as a command: its input and output, its journal, its bar, and what Ctrl-C means.

The calls themselves are `batch`'s. Here the files are opened, the terminal is looked at, and the exit code is found:
130 after Ctrl-C, else that of the first line that failed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Any, BinaryIO

from . import batch, inputs, journal, printing
from .cli import CTRL_C, say
from .errors import ParameterError
from .inputs import Options
from .invoker import Client
from .parameters import canonical
from .progress import Bar


def ask_batch(client: Client, options: Options) -> int:
    """A batch from JSON Lines, with a bar, a journal and a summary."""
    if options["verbose"]:
        say(f"asking {inputs.where(client)}")
    with ExitStack() as stack:
        if options["output"]:
            stack.enter_context(inputs.naming(options["output"]))
        plan = _plan(options, stack)
        stop = threading.Event()
        with _interruptible(stop):
            summary = batch.run(client, plan, stop)
        if plan.bar is not None:
            plan.bar.clear()
        if plan.journal is not None:
            plan.journal.close(is_finished=not summary.is_interrupted)
    text = json.dumps(summary.as_dict()) if options["as_json"] else summary.text()
    sys.stderr.write(text + "\n")
    return CTRL_C if summary.is_interrupted else summary.exit_code


def _plan(options: Options, stack: ExitStack) -> batch.Plan:
    output = options["output"]
    progressed = journal.read_progress(output) if options["resume"] else journal.Progressed()
    if output and not options["resume"] and os.path.exists(journal.journal_path(output)):
        raise ParameterError(
            f"{journal.journal_path(output)} stands from a run that was stopped."
            " Go on with --resume, or remove it to begin again."
        )
    lines, total = _batch_input(options["batch"], stack)
    out = printing.standard_output()
    if output:
        out = stack.enter_context(_opened(output, appends=options["resume"]))
    defaults = inputs.members_of(options)
    if options["body"]:
        defaults["body"] = inputs.body_of(options)
    kept = None
    if output:
        kept = journal.Journal(journal.journal_path(output))
        stack.callback(kept.close, is_finished=False)
    plan = batch.Plan(
        lines,
        out,
        canonical(defaults),
        concurrency=options["concurrency"],
        journal=kept,
        progressed=progressed,
        repeats_lost=not options["at_most_once"],
    )
    if sys.stderr.isatty() and (output or not sys.stdout.isatty()):  # answers on a terminal show the progress
        plan.bar = Bar(sys.stderr, total=total, started_s=plan.monotonic())
    return plan


def _opened(path: str, *, appends: bool) -> BinaryIO:
    return open(path, "ab" if appends else "wb")


def _batch_input(path: str, stack: ExitStack) -> tuple[Iterable[tuple[int, str]], int | None]:
    """Numbered lines without the empty ones, and how many there are when that can be counted."""
    if path == "-":
        return _numbered(sys.stdin.buffer), None
    try:
        with open(path, "rb") as file:
            total = sum(1 for line in file if line.strip())
        return _numbered(stack.enter_context(open(path, "rb"))), total
    except OSError as error:
        raise ParameterError(
            f"The batch {path!r} cannot be read: {error.strerror}. Check the path and its permissions."
        ) from error


def _numbered(file: BinaryIO) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(file, start=1):
        if line.strip():
            yield number, line.decode("utf-8", "replace")  # what is not UTF-8 fails as JSON, by its number


class _interruptible:
    """While it lasts, the first Ctrl-C sets `stop` and the second leaves at once."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._before: Any = None

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._interrupt)

    def __exit__(self, *exc: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _interrupt(self, *_: object) -> None:
        if self._stop.is_set():
            os._exit(CTRL_C)  # threads wait on sockets; the journal is unbuffered and whole
        self._stop.set()
        sys.stderr.write("\nstopping after the calls that are on their way; Ctrl-C again leaves at once\n")
        sys.stderr.flush()
