"""This distribution's own entry points, read without `importlib.metadata`, which takes longer to load than they do.

It looks for `sagetape-*.dist-info/entry_points.txt` along `sys.path`, as an installer writes it (Python Packaging User
Guide, "Entry points specification"), and refuses to guess: what it does not find so is left to `importlib.metadata`.
"""

from __future__ import annotations

import os
import sys

DISTRIBUTION = "sagetape-"


def own_target(group: str, name: str) -> str | None:
    """`module:attribute` of one entry point of this distribution; None when it is not found in this way."""
    for folder in sys.path:
        if (text := _entry_points_of(folder or ".")) is not None:
            return _find(text, group, name)
    return None


def _entry_points_of(folder: str) -> str | None:
    try:
        names = [n for n in os.listdir(folder) if n.startswith(DISTRIBUTION) and n.endswith(".dist-info")]
        if len(names) != 1:
            return None  # none, or the leftovers of another version: the library knows which one counts
        with open(os.path.join(folder, names[0], "entry_points.txt"), encoding="utf-8") as file:
            return file.read()
    except OSError:
        return None  # a zip file, or a folder that is not there: `sys.path` may name either


def _find(text: str, group: str, name: str) -> str | None:
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line.strip("[]").strip()
        key, separator, target = line.partition("=")
        if separator and section == group and key.strip() == name:
            return target.strip()
    return None
