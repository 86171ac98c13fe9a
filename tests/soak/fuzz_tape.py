"""Feeds damaged and made-up bytes to the readers of cassettes, with atheris; run it alone, not under pytest.

    python -m tests.soak.fuzz_tape [-max_total_time=600] [folder of samples]

A reader may refuse a file with a CassetteError, and serve a part of it; it may neither raise anything else, nor serve
an answer other than what the independent reader finds, nor take memory or time out of proportion.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "emulator"), str(ROOT / "tests" / "shell")]

with atheris.instrument_imports(include=["sagetape.core", "sagetape.shell.store"]):
    from sagetape.core.errors import CassetteError
    from sagetape.core.framing import MARKER, frame
    from sagetape.shell.store import Cassette, verify

FOLDER = Path(tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
PATH = FOLDER / "fuzzed.tape"


def read(data: bytes) -> None:
    """Everything that replay, `ls` and `verify` do with a file."""
    PATH.write_bytes(data)
    try:
        with Cassette.open(PATH) as cassette:
            for number in cassette.numbers():
                try:
                    cassette.read(number)
                except CassetteError:
                    continue
            list(cassette.summaries())
            cassette.report.lines()
        verify(PATH)
    except CassetteError:
        return


def with_checksums(data: bytes) -> bytes:
    """The same bytes as records with right checksums, so that what is behind them is reached too."""
    records = []
    for piece in data.split(MARKER)[:50]:
        if len(piece) > 18:
            tail_bytes = min(piece[1] * (piece[2] & 1), len(piece) - 18)
            cut = len(piece) - tail_bytes
            records += frame(piece[0] % 12, piece[18:cut], tail=piece[cut:], tag=piece[2:18])
    return b"".join(bytes(one) for one in records)


def one_input(data: bytes) -> None:
    """The bytes as they are, or as payloads of sound records behind a sound header."""
    if data[:1] in b"\x00\x01\x02\x03":
        data = HEADER + with_checksums(data[1:])
    read(data)


def header() -> bytes:
    """The first record of a real cassette."""
    with Cassette.open(FOLDER / "header.tape", writable=True) as cassette:
        return Path(cassette.path).read_bytes()


HEADER = header()

if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
