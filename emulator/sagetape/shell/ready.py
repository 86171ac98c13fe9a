"""How a server says that it is ready: one line on standard output, and its port in a file.

Decides nothing about what is said. Whether the files can be written is found out before anything listens, so that a
wrong path leaves no cassette behind and no program waiting.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.errors import ConfigError

if TYPE_CHECKING:
    from .settings import ServerSettings


class Mark(NamedTuple):
    """What tells a file from any other that has its name later."""

    device: int
    inode: int
    changed_ns: int


def mark_of(status: os.stat_result) -> Mark:
    """The mark of an open file, once it is written; a rename leaves it as it is."""
    return Mark(status.st_dev, status.st_ino, status.st_mtime_ns)


def remove_own(path: Path, mark: Mark) -> None:
    """Removes a file that this process wrote; one that a later server has put in its place is that server's."""
    with contextlib.suppress(FileNotFoundError):
        if mark_of(path.stat()) == mark:
            path.unlink()


def check_files(settings: ServerSettings) -> None:
    """Raises ConfigError for a port file or a token file that cannot be written when the server is ready."""
    for flag, path in (("--port-file", settings.port_file), ("--token-file", settings.token_file)):
        if path is None:
            continue
        scratch = scratch_of(path)
        try:
            if path.is_dir():
                raise IsADirectoryError(None, "it is a folder")
            scratch.unlink(missing_ok=True)
            scratch.touch(mode=0o600, exist_ok=False)  # made anew and never followed: a link may lie in wait there
            scratch.unlink()
        except OSError as error:
            raise unwritten_file(flag, path, error) from None


def scratch_of(path: Path) -> Path:
    """Where a file is written before it takes its name: beside it, and no other process's."""
    return path.with_name(f"{path.name}.{os.getpid()}")


def unwritten_file(flag: str, path: Path, error: OSError) -> ConfigError:
    """Why a file that tells others about the server could not be written."""
    return ConfigError(
        f"{flag} {path} cannot be written: {error.strerror}. Name a file in a folder that you may write to."
    )


def unwritten_output(error: OSError) -> ConfigError:
    """Why standard output could not be written."""
    return ConfigError(
        f"Standard output cannot be written: {error.strerror}. Lead it to a terminal, to a program that reads it, or "
        "to a file with room."
    )


def write_port_file(path: Path, port: int) -> Mark:
    """Writes the port, whole under its name or not at all. Raises ConfigError."""
    scratch = scratch_of(path)
    try:
        scratch.unlink(missing_ok=True)
        with open(scratch, "x", encoding="ascii") as file:
            file.write(f"{port}\n")
            file.flush()
            mark = mark_of(os.fstat(file.fileno()))
        scratch.replace(path)
    except OSError as error:
        raise unwritten_file("--port-file", path, error) from None
    return mark


def say_ready(fields: Mapping[str, Any], *, as_json: bool) -> None:
    """The ready line. Raises ConfigError when nobody can read it: whoever waits for it would wait for ever."""
    if as_json:
        line = json.dumps({"event": "ready", **fields})
    else:
        line = "sagetape ready " + " ".join(f"{key}={value}" for key, value in fields.items())
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except OSError as error:
        close_output()
        raise unwritten_output(error) from None


def close_output() -> None:
    """Sends what is left for standard output nowhere: Python flushes it at its end and would complain once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
