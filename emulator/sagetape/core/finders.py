"""Finders that need no memory: credentials in texts, places in JSON, a user's patterns.

Each takes a body and yields what to put where (`core/edits.py`); none ever raises, whatever the bytes are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from .edits import Edit
from .paths import Path, find_spans
from .rules import SCRUBBED

WINDOW_BYTES: Final = 65_536
OVERLAP_BYTES: Final = 4_096  # the longest match that is found wherever it stands

_MASKED = re.compile(
    rb"(?i)(?:x-amz-security-token|x-amz-credential|x-amz-signature|authorization|cookie)[\\\"']{0,3}[:=][ \\\"']{0,3}"
    rb"((?!\*\*\*)(?:(?:bearer|basic|token|digest|negotiate)[ \t]+)?[^\s\\\"'&,;]+(?: Credential=[^\s\\\"'&,;]+)?)"
    rb"|\b(?:Credential|Signature)=((?!\*\*\*)[^\s\\\"'&,;]+)"
    rb"|(?<![A-Za-z0-9])((?:AKIA|ASIA)[A-Z0-9]{16})(?![A-Za-z0-9])"
)
_MASK = b"***"


def find_credentials(body: bytes) -> Iterator[Edit]:
    """Values that the long texts of authentication errors repeat."""
    for found in _MASKED.finditer(body):
        group = found.lastindex or 0
        yield Edit(found.start(group), found.end(group), _MASK)


def find_path(path: Path, body: bytes) -> Iterator[Edit]:
    """The values at a path of a JSON document, or of each line of JSON Lines."""
    text = body.decode("utf-8", "surrogateescape")
    new = f'"{SCRUBBED}"'.encode()
    spans = find_spans(text, path)
    if not spans and "\n" in text:
        offset = 0
        for line in text.splitlines(keepends=True):
            spans += [(offset + start, offset + end) for start, end in find_spans(line.strip("\r\n"), path)]
            offset += len(line)
    for start, end in _in_bytes(text, spans):
        yield Edit(start, end, new)


def find_pattern(pattern: re.Pattern[str], body: bytes) -> Iterator[Edit]:
    """The matches of a user's pattern, outside of what was scrubbed already, in windows of 64 KiB."""
    text = body.decode("utf-8", "surrogateescape")
    spans = [span for start, end in _unscrubbed(text) for span in _matches(pattern, text, start=start, end=end)]
    for start, end in _in_bytes(text, spans):
        yield Edit(start, end, SCRUBBED.encode())


def _unscrubbed(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    while (found := text.find(SCRUBBED, start)) >= 0:
        yield start, found
        start = found + len(SCRUBBED)
    yield start, len(text)


def _matches(pattern: re.Pattern[str], text: str, *, start: int, end: int) -> Iterator[tuple[int, int]]:
    while start < end:
        window = min(start + WINDOW_BYTES, end)
        resume = window if window == end else window - OVERLAP_BYTES
        for found in pattern.finditer(text, start, window):
            if found.start() >= resume or found.start() == found.end():
                break
            yield found.span()
            resume = max(resume, found.end())
        start = resume


def _in_bytes(text: str, spans: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Positions in characters as positions in the encoded bytes."""
    if text.isascii():
        yield from spans
        return
    chars = bytes_ = 0
    for start, end in sorted(spans):
        bytes_ += len(text[chars:start].encode("utf-8", "surrogateescape"))
        length = len(text[start:end].encode("utf-8", "surrogateescape"))
        yield bytes_, bytes_ + length
        chars, bytes_ = end, bytes_ + length
