"""Starts a server pinned to its core, waits for its ready line, ends it."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .machine import pinned

ROOT = Path(__file__).resolve().parents[2]
READY_S = 60.0


@dataclass(frozen=True, slots=True)
class Server:
    """A process that accepts connections."""

    pid: int
    port: int
    ready_s: float
    """From before the process was made until its ready line was read."""


def environment(home: str, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Nothing of the user's own settings: they would change what is measured."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "SAGETAPE_", "PYTHON"))}
    path = os.pathsep.join((str(ROOT / "emulator"), str(ROOT / "client"), str(ROOT)))
    return {**kept, "HOME": home, "PYTHONPATH": path, **(extra or {})}


def sagetape(*arguments: str) -> list[str]:
    """The command line of the product, from this checkout."""
    return [sys.executable, "-m", "sagetape", *arguments]


def floor(name: str) -> list[str]:
    """The command line of a floor."""
    return [sys.executable, str(Path(__file__).with_name("floors.py")), name]


def replaying(*cassettes: Path) -> list[str]:
    """A replay of cassettes, as a user starts it, on any free port."""
    return sagetape("replay", "--no-config", "--port", "0", *map(str, cassettes))


@contextlib.contextmanager
def started(command: Sequence[str], core: int, *, env: Mapping[str, str] | None = None) -> Iterator[Server]:
    """The server, until the block ends."""
    with tempfile.TemporaryDirectory() as home, open(Path(home) / "stderr", "w+") as errors:
        begun = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment(home, env),
            cwd=home,
            preexec_fn=pinned(core),
        )
        try:
            assert process.stdout is not None
            ready = process.stdout.readline().decode()
            took = time.perf_counter() - begun
            found = re.search(r"url=http://[^ ]*:(\d+)", ready)
            if found is None:
                process.wait(READY_S)
                errors.seek(0)
                raise RuntimeError(f"{' '.join(command)} did not start: {ready}{errors.read()}")
            yield Server(process.pid, int(found[1]), took)
        finally:
            process.terminate()
            process.wait(READY_S)
            process.stdout and process.stdout.close()
