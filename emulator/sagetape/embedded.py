"""A cassette's answers for another program in this process: a server on a free port, found by its entry point.

Group `sagetape.embedded`, name `cassette`. What uses it speaks HTTP to `url` and imports nothing else from here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .core.errors import CassetteMissing
from .core.values import valueclass
from .emulator import Emulator
from .shell.cassette_paths import missing_text
from .shell.client_env import client_changes


@valueclass(frozen=True, slots=True)
class Embedded:
    """Where the cassette answers, and the environment of a program that shall ask there."""

    url: str
    environ: dict[str, str]
    """The variables that a program needs to ask there, with the development keys: they open nothing else."""


@contextmanager
def open_cassette(path: str | os.PathLike[str], *, mode: str = "none") -> Iterator[Embedded]:
    """Serves one cassette. `mode` is a record mode; those that record ask AWS.

    Raises CassetteError, which names the file and the remedy, or ConfigError.
    """
    upstream = () if mode == "none" else ("aws",)
    if mode == "none" and not Path(path).is_file():
        raise CassetteMissing(missing_text(Path(path)), path=str(path))
    places: dict[str, Any] = {"cassettes": (Path(path),)} if mode == "none" else {"record_to": Path(path)}
    with Emulator(mode=mode, upstream=upstream, **places) as emulator:
        changes = client_changes(emulator.url, os.environ, emulator.files, key=emulator.key, region=emulator.region)
        yield Embedded(emulator.url, {name: value for name, value in changes.items() if value is not None})
