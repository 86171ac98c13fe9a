"""JSON Lines: one JSON document per line, each by meaning (`json_text`); https://jsonlines.org.

Line ends (`\\n`, `\\r\\n`), a missing last one and blank lines do not count. Ignored paths start at each document. One
line that is not JSON makes the whole body unreadable.
"""

from __future__ import annotations

from ..paths import Path
from . import json_text
from .tree import Tree


def read(body: bytes, *, round_digits: int | None = None, ignored: tuple[Path, ...] = ()) -> Tree:
    """The list of the documents' trees. Raises Unreadable."""
    return [
        json_text.read(line, round_digits=round_digits, ignored=ignored)
        for line in body.split(b"\n")
        if line.strip(b" \t\r")
    ]
