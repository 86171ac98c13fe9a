"""The command line: `main` is the whole of it; what each command does is in the module of its name.

Imports nothing heavy: a command is loaded when it is run, so that `--help`, `--version` and completion answer at once.
"""

from __future__ import annotations

from .root import main

__all__ = ["main"]
