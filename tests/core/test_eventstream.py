"""Frames of the event stream: encode, decode, slice."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from uuid import UUID
from zlib import crc32

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given, settings
from hypothesis import strategies as st

from sagetape.core.eventstream import (
    PAYLOAD_MAX_BYTES,
    Frame,
    FrameError,
    Framer,
    decode,
    encode,
    exception,
    payload_part,
)
from sagetape.core.wire import EVENT_STREAM, Abort, End, Head, has_frames, is_event_stream

# A PayloadPart carrying {"a":1}\n, accepted by botocore 1.44.5; written out so that encoder and decoder cannot agree
# on a mistake.
KNOWN = bytes.fromhex(
    "0000007100000059b327ff460b3a6576656e742d7479706507000b5061796c6f6164506172740d3a636f6e74656e742d7479706507001861"
    "70706c69636174696f6e2f6f637465742d73747265616d0d3a6d6573736167652d747970650700056576656e747b2261223a317d0a29969631"
)


def raw_frame(block: bytes, payload: bytes = b"") -> bytes:
    """A frame around any header block, with right checksums."""
    prelude = struct.pack("!II", 16 + len(block) + len(payload), len(block))
    body = prelude + struct.pack("!I", crc32(prelude)) + block + payload
    return body + struct.pack("!I", crc32(body))


def test_part_is_byte_for_byte_the_known_frame() -> None:
    """The encoder gives the frame that botocore was seen to accept."""
    assert payload_part(b'{"a":1}\n') == KNOWN


def test_known_frame_opens_as_a_part() -> None:
    """The decoder reads headers and payload of the known frame."""
    frame = decode(KNOWN)
    assert (frame.payload, frame.is_part, frame.header(":event-type")) == (b'{"a":1}\n', True, "PayloadPart")


def test_exception_frame_is_what_botocore_reads_as_one() -> None:
    """botocore's own parser finds type and body; the order of members is that of the model's example."""
    buffer = EventStreamBuffer()
    buffer.add_data(exception("ModelStreamError", "broken", error_code="StreamBroken"))
    event = next(iter(buffer))
    assert event.headers[":exception-type"] == "ModelStreamError"
    assert event.headers[":message-type"] == "exception"
    assert event.payload == b'{"Message":"broken","ErrorCode":"StreamBroken"}'


def test_exception_without_code_has_only_a_message() -> None:
    """InternalStreamFailure has no ErrorCode member."""
    frame = decode(exception("InternalStreamFailure", "x" * 3000))
    assert frame.payload == b'{"Message":"' + b"x" * 2048 + b'"}'
    assert not frame.is_part


@given(st.binary(max_size=300))
def test_part_round_trips_through_us_and_botocore(payload: bytes) -> None:
    """Any payload comes back whole from our decoder and from botocore's."""
    buffer = EventStreamBuffer()
    buffer.add_data(payload_part(payload))
    assert decode(payload_part(payload)).payload == payload == next(iter(buffer)).payload


def test_every_header_type_is_read() -> None:
    """All ten types of the format decode to their values."""
    values = (
        (b"t\0", True),
        (b"f\1", False),
        (b"b\2\xff", -1),
        (b"s\3\x01\x00", 256),
        (b"i\4\xff\xff\xff\xfe", -2),
        (b"l\5" + bytes(7) + b"\x07", 7),
        (b"y\6\0\2\xff\0", b"\xff\0"),
        (b"x\7\0\2\xc3\xa9", "é"),
        (b"z\x08" + (1_700_000_000_123).to_bytes(8, "big"), datetime(2023, 11, 14, 22, 13, 20, 123000, UTC)),
        (b"u\x09" + bytes(range(16)), UUID(bytes=bytes(range(16)))),
    )
    block = b"".join(b"\1" + raw for raw, _ in values)
    assert [value for _, value in decode(raw_frame(block)).headers] == [value for _, value in values]


@pytest.mark.parametrize("length", range(len(KNOWN)))
def test_decode_refuses_a_frame_cut_at_any_length(length: int) -> None:
    """No beginning of a frame is taken for a frame."""
    with pytest.raises(FrameError):
        decode(KNOWN[:length])


def test_decode_refuses_trailing_bytes() -> None:
    """One frame is one frame."""
    with pytest.raises(FrameError, match="113 bytes, 114 are there"):
        decode(KNOWN + b"x")


@pytest.mark.parametrize("position", range(len(KNOWN)))
def test_decode_finds_every_flipped_bit_pattern(position: int) -> None:
    """A change in any byte is found by one of the two checksums."""
    damaged = bytearray(KNOWN)
    damaged[position] ^= 0x10
    with pytest.raises(FrameError):
        decode(bytes(damaged))


@pytest.mark.parametrize(
    ("block", "text"),
    [
        (b"\1a\x0a", "unknown"),
        (b"\1a\7\0\5ab", "behind the headers"),
        (b"\1a\7\0", "inside a header"),
        (b"\1a", "inside a header"),
        (b"\0\7\0\0", "empty or occurs twice"),
        (b"\1a\0\1a\0", "empty or occurs twice"),
        (b"\1\xff\0", "UTF-8"),
        (b"\1a\7\0\1\xff", "UTF-8"),
        (b"\1z\x08\x7f" + b"\xff" * 7, "timestamp"),
    ],
)
def test_decode_refuses_malformed_headers(block: bytes, text: str) -> None:
    """Right checksums do not excuse wrong headers; the text names the rule."""
    with pytest.raises(FrameError, match=text):
        decode(raw_frame(block))


@pytest.mark.parametrize(
    ("total", "headers"), [(15, 0), (20, 5), (2**31, 0), (PAYLOAD_MAX_BYTES + 17, 0), (200_000, 131_073)]
)
def test_decode_refuses_lengths_out_of_range_before_reading_on(total: int, headers: int) -> None:
    """Nothing is allocated on the word of a length."""
    prelude = struct.pack("!II", total, headers)
    with pytest.raises(FrameError, match="out of range"):
        decode(prelude + struct.pack("!I", crc32(prelude)) + bytes(8))


@pytest.mark.parametrize(
    "headers",
    [
        [("", "x")],
        [("n" * 256, "x")],
        [("n", "x" * 32_768)],
        [("n", "1"), ("n", "2")],
        [(f"n{number}", "x" * 32_000) for number in range(5)],
    ],
)
def test_encode_refuses_what_the_format_cannot_hold(headers: list[tuple[str, str]]) -> None:
    """Names, values and blocks over the format's limits are errors here and not at the reader."""
    with pytest.raises(FrameError):
        encode(headers, b"")


def test_encode_refuses_a_payload_over_24_mib() -> None:
    """botocore would refuse to read it."""
    with pytest.raises(FrameError):
        encode((), bytes(PAYLOAD_MAX_BYTES + 1))


# --- slicing ----------------------------------------------------------------------------------------------------

PARTS = [payload_part(b"one"), payload_part(b""), exception("ModelStreamError", "m"), payload_part(b"two" * 99)]


@settings(max_examples=50)
@given(st.lists(st.integers(1, 40), min_size=1))
def test_framer_gives_whole_frames_whatever_the_cuts(sizes: list[int]) -> None:
    """The frames do not depend on how the bytes arrive."""
    data, framer, found, at, turn = b"".join(PARTS), Framer(), [], 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        found += framer.feed(data[at : at + size])
        at, turn = at + size, turn + 1
    assert (found, framer.pending_bytes, framer.damage) == (PARTS, 0, None)


@pytest.mark.parametrize("length", range(1, len(PARTS[0])))
def test_framer_knows_that_a_stream_was_cut(length: int) -> None:
    """Bytes of a frame that never became whole are pending, and not given away."""
    framer = Framer()
    assert framer.feed(PARTS[0][:length]) == []
    assert framer.pending_bytes == length


def test_framer_passes_a_frame_with_a_bad_checksum_and_names_it() -> None:
    """The reader shall see what was sent; frames behind it are still found."""
    bad = PARTS[0][:-1] + bytes([PARTS[0][-1] ^ 1])
    framer = Framer()
    assert framer.feed(bad + PARTS[3]) == [bad, PARTS[3]]
    assert "message checksum" in (framer.damage or "")
    assert not framer.is_lost


def test_framer_is_lost_after_a_bad_prelude() -> None:
    """A length that cannot be trusted slices nothing; what came passes as it is."""
    bad = b"HTTP/1.1 200 OK" + PARTS[0]
    framer = Framer()
    assert framer.feed(PARTS[0]) + framer.feed(bad) == [PARTS[0], bad]
    assert framer.is_lost
    assert "prelude" in (framer.damage or "")


@given(st.binary(max_size=200))
def test_decode_raises_nothing_but_frame_errors(data: bytes) -> None:
    """Any bytes are a frame or a FrameError."""
    for candidate in (data, raw_frame(data)):
        try:
            assert isinstance(decode(candidate), Frame)
        except FrameError:
            pass  # the other half of the claim


@pytest.mark.parametrize(
    ("content_type", "is_one"),
    [
        (EVENT_STREAM, True),
        ("Application/VND.amazon.EventStream", True),
        (f"{EVENT_STREAM};v=1", True),
        (f" {EVENT_STREAM} ; v=1", True),
        (f"{EVENT_STREAM}-2", False),
        ("application/json", False),
        ("", False),
        (None, False),
    ],
)
def test_event_stream_is_told_by_its_media_type(content_type: str | None, is_one: bool) -> None:
    """In any case, with any parameters: every part of the project asks the same function."""
    head = Head(200, () if content_type is None else (("content-type", content_type),))
    assert is_event_stream(head) is is_one
    assert has_frames((head, End())) is is_one
    assert not has_frames((Abort("no head"),))
