"""Tests that run again after a failure (pytest-rerunfailures): only the last attempt is recorded.

A cassette is only appended to, so what it was before an attempt is its beginning.
"""

from __future__ import annotations

import os
from pathlib import Path


class Attempt:
    """The last test of this process that recorded a cassette of its own, and what that cassette was before."""

    def __init__(self) -> None:
        self._test = ""
        self._path = Path()
        self._size: int | None = None

    def rewind(self, test: str) -> Path | None:
        """Takes back what the test recorded, when it begins again before another did; its file."""
        if test != self._test:
            return None
        self._test = ""
        if self._size is None:
            self._path.unlink(missing_ok=True)
        elif self._path.exists():
            os.truncate(self._path, self._size)
        return self._path

    def begin(self, test: str, path: Path) -> None:
        """A test is about to record into its own cassette."""
        self._test, self._path = test, path
        self._size = path.stat().st_size if path.exists() else None
