"""What a failing test says is to be done: a command that runs as it is printed, an argument that this plugin reads."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest

from ..shell.cassette_paths import missing_text
from .parallel import alone_option

FINGERPRINT: Final = re.compile(r"\(fingerprint (\w+)\)")


def record_command(item: pytest.Item, *, mode: str) -> str:
    """The command that records a test, for a shell in the folder in which pytest was started."""
    _, separator, names = item.nodeid.partition("::")
    test = shlex.quote(f"{from_start(item.config, item.path)}{separator}{names}")
    return f"pytest --sagetape-record={mode}{alone_option(item)} {test}"


def from_start(config: pytest.Config, path: Path) -> str:
    """A path as it is written in the folder in which pytest was started."""
    try:
        return Path(os.path.relpath(path, config.invocation_params.dir)).as_posix()
    except ValueError:  # on another drive
        return path.as_posix()


def how_to_record(item: pytest.Item, *, shown: str, mode: str, is_ci: bool) -> str:
    """The command, and where it is to be run; `shown` is the cassette."""
    command = record_command(item, mode=mode)
    if not is_ci:
        return f"Record it:  {command}"
    return (
        "This is a CI job (the variable CI is set), where nothing is recorded. Was the file committed? If there is "
        f"none yet, record it on your own machine and commit {shown}:  {command}\n"
        "(A job that is there to record needs --sagetape-record-in-ci as well.)"
    )


def missing(path: Path, item: pytest.Item, *, first: Path, shown: str, is_ci: bool) -> str:
    """A cassette that is not there: which, what is, and what to do."""
    found = missing_text(path).partition(" Record it with:")[0]
    if path == first:
        return f"{found} {how_to_record(item, shown=shown, mode='once', is_ci=is_ci)}"
    return (
        f"{found} It is not the first cassette of this test, so recording the test does not make it: only the first "
        f"({first.name}) is recorded into. Record {path.name} with a test that names it first, or leave it out here."
    )


def allowing(failures: Iterable[str]) -> str:
    """How a test allows what only looks like a secret; empty where none was found."""
    found = dict.fromkeys(mark for text in failures for mark in FINGERPRINT.findall(text))
    if not found:
        return ""
    listed = ", ".join(f'"{mark}"' for mark in found)
    return (
        "\nIf it is a secret, have it removed by a rule of the marker: scrub={...} with headers, json_paths or "
        f'patterns. If it is none, allow it there: @pytest.mark.sagetape(scrub={{"allowed": [{listed}]}}). '
        "(No test reads sagetape.toml.)"
    )
