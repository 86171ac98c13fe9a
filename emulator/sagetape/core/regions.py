"""Which regions of some bytes are worth reading for secrets.

Reading with a dozen regular expressions is slow; most bodies are numbers or binary. This module decides, with a few
passes in C, which regions can hold a secret in any text form. It refuses to leave out more than
that: every pattern of `core/secrets.py` and every text encoding of `core/unwrap.py` needs a run of 20 characters out of
an alphabet of 69, and letters in it. What a pattern needs around its run (`-----BEGIN` before a key's first line,
`eyJ...` before a token's longer part) stands within the margin.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

MARGIN_BYTES: Final = 192
STEP_BYTES: Final = 256  # a region has at least this length, which bounds their number
RUN_CHARS_MIN: Final = 20  # an AWS access key id; base64 of the shortest live secret has 22

_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_=-\\%"
_CLASSES: Final = bytes(1 if byte in _ALPHABET else 0 for byte in range(256))
_RUN: Final = b"\x01" * RUN_CHARS_MIN
_DIGITS: Final = bytes(1 if byte in b"0123456789eE" else 0 for byte in range(256))
_LONG_DIGITS: Final = b"\x01" * 32  # no number is that long; `ASIA` and digits are, as hexadecimal digits
_NUMBERS: Final = b"0123456789.,+-eE[] \r\n\t;"


def find_regions(data: bytes) -> Iterator[bytes]:
    """Slices, in order and without overlap, that together hold everything worth reading."""
    for start, end in _spans(data):
        region = data[start:end]
        if (
            region[:STEP_BYTES].translate(None, _NUMBERS)
            or region.translate(None, _NUMBERS)
            or _LONG_DIGITS in region.translate(_DIGITS)
        ):
            yield region


def _spans(data: bytes) -> Iterator[tuple[int, int]]:
    """The runs with their margins; those that touch are one."""
    classes = data.translate(_CLASSES)
    found = classes.find(_RUN)
    if found < 0:
        return
    start, end = max(found - MARGIN_BYTES, 0), 0
    while found >= 0:
        if found - MARGIN_BYTES > end and end:
            yield start, end
            start = found - MARGIN_BYTES
        run_end = classes.find(b"\x00", found)
        resume = max(found + STEP_BYTES, len(data) if run_end < 0 else run_end)
        end = min(resume + MARGIN_BYTES, len(data))
        found = classes.find(_RUN, resume)  # a run cut here is shorter than the margin, or found again
    yield start, end
