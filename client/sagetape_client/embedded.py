"""A cassette's answers without a server of one's own: the embedded emulator, found by its entry point.

Group `sagetape.embedded`, name `cassette`: a callable `open_cassette(path, *, mode="none")` giving a context manager
whose value has `url` and `environ` (development keys). This package imports nothing of it by name.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from .errors import CassetteError, InvokeError

GROUP, NAME = "sagetape.embedded", "cassette"


def open_cassette(path: str) -> AbstractContextManager[Any]:
    """The embedded emulator on one cassette. Raises CassetteError when it is not installed."""
    from importlib.metadata import entry_points

    found = list(entry_points(group=GROUP, name=NAME))
    if not found:
        raise CassetteError(
            f"{path} cannot be played: no emulator is installed here (no entry point {NAME!r} in group {GROUP!r})."
            " Install `sagetape`, or start `sagetape replay` elsewhere and give its URL with --endpoint-url."
        )
    player: AbstractContextManager[Any] = found[0].load()(path, mode="none")
    return player


def translate(error: Exception, path: str) -> InvokeError:
    """An embedded emulator's own failure, with the exit code it names."""
    failure = CassetteError(f"{path} cannot be played: {error}")
    failure.exit_code = getattr(error, "exit_code", CassetteError.exit_code)
    return failure
