"""Starts a model container in a process of its own: `with running("digits") as url: ...`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parents[2]
END_WITHIN_S = 10


@contextmanager
def running(name: str, *options: str) -> Iterator[str]:
    """The base URL of `tests/models/<name>.py`, ended on the way out. Raises RuntimeError when it does not start."""
    command = [sys.executable, "-m", f"tests.models.{name}", "--port", "0", *options]
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True)
        try:
            yield ready_url(process, name, errors)
        finally:
            end(process)


def end(process: subprocess.Popen[str]) -> None:
    """Ask the process to end, and end it if it does not."""
    process.terminate()
    try:
        process.communicate(timeout=END_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def ready_url(process: subprocess.Popen[str], name: str, errors: TextIO) -> str:
    """The URL of the ready line."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if line.startswith("ready url="):
        return line.removeprefix("ready url=").strip()
    process.wait(timeout=END_WITHIN_S)
    errors.seek(0)
    text = errors.read()[-2000:]
    raise RuntimeError(f"container {name} ended before it was ready, with {process.returncode}: {text}")
