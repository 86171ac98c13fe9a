"""The secrets that must not be in any file: those of this user's environment and of the configuration."""

from __future__ import annotations

import os
from pathlib import Path

from .keyring import keyring_for
from .settings import ServerSettings


def live_secrets() -> tuple[str, ...]:
    """Secret keys and tokens of this user, for the scan. Empty when there are none, or when they cannot be read."""
    return keyring_for(ServerSettings(), os.environ, home=Path.home()).live_secrets()
