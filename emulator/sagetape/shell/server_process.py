"""A server in a process of its own, for the length of one command: start, ready line, stop, verdict.

Decides nothing about settings: the arguments are those of the command line, and what is wrong with them is said by the
server's own process on standard error, which is passed on line by line.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from .host_os import abandoning_signal, apart_options, stop_signal

PROGRAM: Final = (sys.executable, "-m", "sagetape")
PACKAGE_PARENT: Final = Path(__file__).resolve().parents[2]
STOP_GRACE_S: Final = 30.0  # beyond any drain: the server stops by itself long before


class NotReady(Exception):
    """The server ended before it was ready; its own message has been passed on. Holds its exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the server ended with {code} before it was ready")
        self.code = code


@dataclass(slots=True)
class ServerProcess:
    """A server that is ready."""

    process: subprocess.Popen[str]
    ready: dict[str, Any]
    """The fields of the ready line."""
    errors: threading.Thread
    summary: dict[str, Any] = field(default_factory=dict)
    """The fields of the last line, once it has ended."""

    @property
    def url(self) -> str:
        return str(self.ready["url"])

    def stop(self, *, abandons: bool = False) -> int:
        """Asks it to end, waits, and returns its exit code. `abandons`: what it recorded anew replaces nothing."""
        number = abandoning_signal() if abandons else stop_signal()
        if self.process.poll() is None:
            if number is None:
                self.process.kill()
            else:
                self.process.send_signal(number)
        try:
            code = self.process.wait(STOP_GRACE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.errors.join(STOP_GRACE_S)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code


def start_server(arguments: Sequence[str], *, pass_on: Callable[[str], None]) -> ServerProcess:
    """Starts `sagetape <arguments>` and waits until it is ready; `pass_on` gets each line of its log. NotReady else."""
    own = ("--json", "--exit-with-parent", f"--parent-pid={os.getpid()}")
    process = subprocess.Popen(
        [*PROGRAM, arguments[0], *own, *arguments[1:]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=importable(os.environ),
        **apart_options(),  # Ctrl-C is the command's; the server is stopped after it
    )
    assert process.stdout is not None
    assert process.stderr is not None
    summary: dict[str, Any] = {}
    errors = threading.Thread(target=copy_lines, args=(process.stderr, pass_on, summary), daemon=True)
    errors.start()
    line = process.stdout.readline()
    if not line:
        process.stdout.close()
        code = process.wait()
        errors.join(STOP_GRACE_S)
        raise NotReady(code or 1)
    return ServerProcess(process, json.loads(line), errors, summary)


def importable(environ: Any) -> dict[str, str]:
    """The environment with this package first on the path, so that the server is the same version as its starter."""
    others = environ.get("PYTHONPATH")
    path = os.pathsep.join([str(PACKAGE_PARENT), *([others] if others else [])])
    return {**environ, "PYTHONPATH": path}


def copy_lines(source: IO[str], pass_on: Callable[[str], None], summary: dict[str, Any]) -> None:
    """Passes lines on until the end, but for the summary, which is kept."""
    with source:
        for line in source:
            if line.startswith('{"event": "ended"'):
                summary.update(json.loads(line))
            else:
                pass_on(line.rstrip("\n"))
