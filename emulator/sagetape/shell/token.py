"""The token that writes of the admin API carry: new for every run unless the environment gives one.

128 bits from the system: it cannot be guessed, and nothing of it is in a URL or in a log.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ..core.errors import ConfigError
from .ready import Mark, mark_of, scratch_of, unwritten_file

VARIABLE: Final = "SAGETAPE_TOKEN"
TOKEN_BYTES: Final = 16
LENGTH_MIN: Final = 16  # characters of a token that somebody else chose
LENGTH_MAX: Final = 256


def new_token() -> str:
    """128 bits as hexadecimal digits."""
    return secrets.token_hex(TOKEN_BYTES)


def token_from(environ: Mapping[str, str]) -> str:
    """The token in SAGETAPE_TOKEN, else a new one. Raises ConfigError for one that can be guessed or not be sent."""
    given = environ.get(VARIABLE)
    if not given:
        return new_token()
    if not LENGTH_MIN <= len(given) <= LENGTH_MAX or not given.isascii() or not given.isprintable() or " " in given:
        raise ConfigError(
            f"{VARIABLE} is no token: it must be {LENGTH_MIN} to {LENGTH_MAX} printable ASCII characters without "
            f"spaces. Set it to the output of: openssl rand -hex {TOKEN_BYTES}"
        )
    return given


def file_with_token(path: Path, token: str) -> Mark:
    """Writes the token where only its owner reads it. Raises ConfigError where that cannot be done."""
    scratch = scratch_of(path)
    try:
        scratch.unlink(missing_ok=True)
        # Made anew and never followed: whoever could put a link or an open file there would read the token.
        fd = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
        with os.fdopen(fd, "w") as file:
            file.write(f"{token}\n")
            file.flush()
            mark = mark_of(os.fstat(file.fileno()))
        scratch.replace(path)
    except OSError as error:
        raise unwritten_file("--token-file", path, error) from None
    return mark
