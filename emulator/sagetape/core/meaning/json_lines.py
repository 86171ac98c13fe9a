"""JSON Lines: one JSON document per line, each by meaning (`json_text`); https://jsonlines.org.

Line ends (`\\n`, `\\r\\n`), a missing last one and blank lines do not count. Ignored paths start at each document. One
line that is not JSON makes the whole body unreadable.
"""

from __future__ import annotations

from . import json_text
from .reading import Reading
from .tree import Tree, Unreadable

LINES_MAX = 200_000  # about a second; a body of more lines than that is compared as bytes


def read(body: bytes, content_type: str, reading: Reading) -> Tree:
    """The list of the documents' trees. Raises Unreadable."""
    if body.count(b"\n") >= LINES_MAX:
        raise Unreadable(f"more than {LINES_MAX:,} lines")
    return [json_text.read(line, content_type, reading) for line in body.split(b"\n") if line.strip(b" \t\r")]
