"""Event-stream frames are read as botocore reads them, whatever the boundaries, and damage is named."""

from __future__ import annotations

import random

import pytest
from botocore.eventstream import EventStreamBuffer

from sagetape_client.eventstream import FRAME_MAX_BYTES, FrameError, FrameReader
from tests.client.standin import frame

# The part `{"a":1}\n` as a whole frame; accepted by botocore's parser.
KNOWN = bytes.fromhex(
    "0000007100000059b327ff460b3a6576656e742d7479706507000b5061796c6f6164506172740d3a636f6e74656e742d747970650700"
    "186170706c69636174696f6e2f6f637465742d73747265616d0d3a6d6573736167652d747970650700056576656e747b2261223a317d"
    "0a29969631"
)


def test_frame_known_bytes_are_read() -> None:
    """A frame known byte for byte gives its headers and payload."""
    (read,) = FrameReader().feed(KNOWN)
    assert read.payload == b'{"a":1}\n'
    assert read.headers == {
        ":event-type": "PayloadPart",
        ":content-type": "application/octet-stream",
        ":message-type": "event",
    }


@pytest.mark.parametrize("seed", range(20))
def test_frames_are_read_as_botocore_reads_them(seed: int) -> None:
    """Random frames cut anywhere give botocore's payloads and headers."""
    dice = random.Random(seed)
    data = b"".join(frame(dice.randbytes(dice.randint(0, 300)), {"h": "é" * dice.randint(0, 9)}) for _ in range(8))
    reader, oracle = FrameReader(), EventStreamBuffer()
    ours, at = [], 0
    while at < len(data):
        step = dice.randint(1, 40)
        ours += reader.feed(data[at : at + step])
        at += step
    oracle.add_data(data)
    assert [(m.payload, m.headers) for m in oracle] == [(f.payload, f.headers) for f in ours]
    assert reader.pending_bytes == 0


def test_frame_one_byte_at_a_time_is_one_frame() -> None:
    """Byte by byte the frame appears with its last byte."""
    reader = FrameReader()
    counts = [len(reader.feed(KNOWN[i : i + 1])) for i in range(len(KNOWN))]
    assert [0] * (len(KNOWN) - 1) + [1] == counts


@pytest.mark.parametrize("at", range(len(KNOWN)))
def test_frame_every_flipped_bit_is_found(at: int) -> None:
    """One flipped bit anywhere never gives a frame."""
    damaged = bytearray(KNOWN)
    damaged[at] ^= 0x10
    with pytest.raises(FrameError):
        FrameReader().feed(bytes(damaged))


def test_frame_length_is_checked_before_it_is_kept() -> None:
    """A frame that claims more than any may have is refused at its prelude."""
    import struct
    import zlib

    prelude = struct.pack(">II", FRAME_MAX_BYTES + 1, 0)
    with pytest.raises(FrameError, match="claims"):
        FrameReader().feed(prelude + struct.pack(">I", zlib.crc32(prelude)))


def test_frame_error_names_the_offset() -> None:
    """The second frame's damage is named by its place in the stream."""
    damaged = bytearray(KNOWN + KNOWN)
    damaged[-1] ^= 1
    with pytest.raises(FrameError, match=f"byte {len(KNOWN)}"):
        FrameReader().feed(bytes(damaged))
