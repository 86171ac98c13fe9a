"""`X-Sagetape-Source`: who gave an answer, in a header that only `--explain` adds.

Says one word; the journal has the rest. AWS sends no such header, so without the setting there is none.
"""

from __future__ import annotations

from typing import Final

SHOWN: Final = {"recorded": b"cassette", "live": b"upstream", "fault": b"fault"}
"""By a journal entry's source; every other answer is the emulator's own."""
EMULATOR: Final = b"emulator"


def explained(block: bytes, source: str) -> bytes:
    """A header block with one more header at its end."""
    return b"%bX-Sagetape-Source: %b\r\n\r\n" % (block[:-2], SHOWN.get(source, EMULATOR))
