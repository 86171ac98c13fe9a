"""Frames of `application/vnd.amazon.eventstream`: encode, decode, and slice a byte stream into whole frames.

Decides what a well-formed frame is and where one ends. Refuses to wait, to merge or split frames, and to repair one:
a frame whose message checksum is wrong is passed on as it came (its reader shall see what AWS sent), and after a wrong
prelude checksum nothing can be sliced any more, because the length itself is in doubt.

A frame: u32 total length, u32 headers length, u32 CRC-32 of those eight bytes, headers, payload, u32 CRC-32 of all
before. A header: u8 name length, name, u8 type, value. Source: the "Amazon Event Stream" specification of Smithy
(https://smithy.io/2.0/aws/amazon-eventstream.html); limits as in botocore's `eventstream.py`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias
from uuid import UUID
from zlib import crc32

from .errors import MESSAGE_MAX, compact_json
from .values import valueclass

HEADERS_MAX_BYTES: Final = 128 * 1024  # Smithy event stream specification; botocore _MAX_HEADERS_LENGTH
PAYLOAD_MAX_BYTES: Final = 24 * 1024 * 1024  # botocore _MAX_PAYLOAD_LENGTH; Smithy allows no more either
VALUE_MAX_BYTES: Final = 32767  # Smithy event stream specification, string and byte array headers
OVERHEAD_BYTES: Final = 16  # prelude 12, message checksum 4

HeaderValue: TypeAlias = bool | int | bytes | str | datetime | UUID
FrameHeaders: TypeAlias = tuple[tuple[str, HeaderValue], ...]

PART_HEADERS: Final = (
    (":event-type", "PayloadPart"),  # botocore sagemaker-runtime 2017-05-13, shape ResponseStream
    (":content-type", "application/octet-stream"),
    (":message-type", "event"),
)


class FrameError(ValueError):
    """These bytes are not one whole, well-formed frame. The text says which rule they break."""


@valueclass(frozen=True, slots=True)
class Frame:
    """One decoded frame."""

    headers: FrameHeaders
    payload: bytes

    def header(self, name: str) -> HeaderValue | None:
        """A header's value by its exact name; None when absent."""
        return dict(self.headers).get(name)

    @property
    def is_part(self) -> bool:
        """Whether this is a part of the model's answer, and not an exception."""
        return self.header(":message-type") == "event" and self.header(":event-type") == "PayloadPart"


def encode(headers: Sequence[tuple[str, str]], payload: bytes | memoryview) -> bytes:
    """One frame with string headers. Raises FrameError where a limit of the format is passed."""
    block = b"".join(map(encode_header, headers))
    if len({name for name, _ in headers}) < len(headers):
        raise FrameError("a header name occurs twice; each may occur once in a frame")
    if len(block) > HEADERS_MAX_BYTES or len(payload) > PAYLOAD_MAX_BYTES:
        raise FrameError(
            f"{len(block)} bytes of headers and {len(payload)} of payload; 131072 and 25165824 are allowed"
        )
    prelude = struct.pack("!II", OVERHEAD_BYTES + len(block) + len(payload), len(block))
    body = b"".join((prelude, struct.pack("!I", crc32(prelude)), block, payload))
    return body + struct.pack("!I", crc32(body))


def encode_header(header: tuple[str, str]) -> bytes:
    """A string header (type 7)."""
    name, value = (text.encode() for text in header)
    if not 1 <= len(name) <= 255 or len(value) > VALUE_MAX_BYTES:
        raise FrameError(f"header name of {len(name)} and value of {len(value)} bytes; 1 to 255 and 32767 are allowed")
    return struct.pack("!B", len(name)) + name + struct.pack("!BH", 7, len(value)) + value


def payload_part(data: bytes | memoryview) -> bytes:
    """A part of the model's answer as one frame."""
    return encode(PART_HEADERS, data)


def exception(kind: str, message: str, *, error_code: str | None = None) -> bytes:
    """The frame that ends a stream with `ModelStreamError` or `InternalStreamFailure`.

    `error_code` is `ModelInvocationTimeExceeded` or `StreamBroken` (botocore, shape ModelStreamError); the message is
    cut to what a Message may hold.
    """
    members = {"Message": message[:MESSAGE_MAX]}
    if error_code is not None:
        members["ErrorCode"] = error_code
    headers = ((":exception-type", kind), (":content-type", "application/json"), (":message-type", "exception"))
    return encode(headers, compact_json(members))


# --- decoding ---------------------------------------------------------------------------------------------------


def decode(data: bytes | memoryview) -> Frame:
    """Open exactly one whole frame. Raises FrameError on anything else, trailing bytes included."""
    view = memoryview(data)
    total, headers_bytes = read_prelude(view)
    if total != len(view):
        raise FrameError(f"the frame says {total} bytes, {len(view)} are there")
    checksum = struct.unpack("!I", view[-4:])[0]
    if crc32(view[:-4]) != checksum:
        raise FrameError(f"message checksum 0x{checksum:08x} is not that of its bytes, 0x{crc32(view[:-4]):08x}")
    headers = decode_headers(view[12 : 12 + headers_bytes])
    return Frame(headers, bytes(view[12 + headers_bytes : -4]))


def read_prelude(view: memoryview) -> tuple[int, int]:
    """Total and headers length in bytes, checked; `view` begins with a frame and holds at least 12 bytes of it."""
    if len(view) < 12:
        raise FrameError(f"{len(view)} bytes are no prelude, which has 12")
    total, headers_bytes, checksum = struct.unpack_from("!III", view)
    if crc32(view[:8]) != checksum:
        raise FrameError(f"prelude checksum 0x{checksum:08x} is not that of its bytes, 0x{crc32(view[:8]):08x}")
    payload_bytes = total - headers_bytes - OVERHEAD_BYTES
    if payload_bytes < 0 or payload_bytes > PAYLOAD_MAX_BYTES or headers_bytes > HEADERS_MAX_BYTES:
        raise FrameError(f"lengths out of range: {total} bytes in all, {headers_bytes} of headers")
    return total, headers_bytes


def decode_headers(block: memoryview) -> FrameHeaders:
    """All headers of a frame, in order, values by their type."""
    headers: dict[str, HeaderValue] = {}
    at = 0
    try:
        while at < len(block):
            name_end = at + 1 + block[at]
            name = str(block[at + 1 : name_end], "utf-8")
            value, at = decode_value(block, name_end)
            if not name or name in headers:
                raise FrameError(f"header name {name!r} is empty or occurs twice")
            headers[name] = value
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise FrameError(f"headers end inside a header or are not UTF-8: {error}") from error
    return tuple(headers.items())


def decode_value(block: memoryview, at: int) -> tuple[HeaderValue, int]:
    """The value whose type byte is at `at`, and where it ends."""
    kind = block[at]
    if kind in (6, 7):
        start = at + 3
        end = start + struct.unpack_from("!H", block, at + 1)[0]
        size = end - start
    else:
        start, size = at + 1, FIXED_BYTES.get(kind, -1)
        end = start + size
    if size < 0 or end > len(block):
        raise FrameError(f"header type {kind} is unknown" if size < 0 else "a header's value ends behind the headers")
    return READERS[kind](block[start:end]), end


def read_integer(raw: memoryview) -> int:
    return int.from_bytes(raw, "big", signed=True)


def read_timestamp(raw: memoryview) -> datetime:
    try:
        return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=read_integer(raw))
    except OverflowError as error:
        raise FrameError(f"timestamp out of range: {read_integer(raw)} ms") from error


FIXED_BYTES: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
READERS: Final[dict[int, Callable[[memoryview], HeaderValue]]] = {
    0: lambda raw: True,
    1: lambda raw: False,
    2: read_integer,
    3: read_integer,
    4: read_integer,
    5: read_integer,
    6: bytes,
    7: lambda raw: str(raw, "utf-8"),
    8: read_timestamp,
    9: lambda raw: UUID(bytes=bytes(raw)),
}


# --- slicing ----------------------------------------------------------------------------------------------------


class Framer:
    """Slices bytes as they arrive into whole frames, whatever their boundaries on the wire.

    `feed` returns the frames that became whole, unchanged. `damage` is None, or says what was wrong with the first bad
    frame. `is_lost` is true once a prelude cannot be trusted: from then on `feed` returns what arrives as it is.
    """

    __slots__ = ("_buffer", "damage", "is_lost")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.damage: str | None = None
        self.is_lost = False

    @property
    def pending_bytes(self) -> int:
        """Bytes of a frame that is not whole yet. Not zero at the end of a stream: it was cut."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes; give the frames they complete."""
        self._buffer += data
        frames: list[bytes] = []
        while len(self._buffer) >= 12:
            size = self._next_size()
            if len(self._buffer) < size:
                break
            frames.append(self._cut(size))
        return frames

    def _next_size(self) -> int:
        if not self.is_lost:
            try:
                return read_prelude(memoryview(bytes(self._buffer[:12])))[0]
            except FrameError as error:
                self.damage = self.damage or str(error)
                self.is_lost = True
        return len(self._buffer)

    def _cut(self, size: int) -> bytes:
        frame = bytes(self._buffer[:size])
        del self._buffer[:size]
        if self.damage is None:
            try:
                decode(frame)
            except FrameError as error:
                self.damage = str(error)
        return frame
