"""The frames of `application/vnd.amazon.eventstream`, read as they arrive.

Pure and incremental: bytes in, whole frames out, whatever the boundaries. Both checksums are checked, and every length
before anything is kept. It reads headers of type string, which is all this service sends; other types are skipped by
their length. Source: AWS docs "Event stream encoding"; smithy.io "Amazon Event Stream specification".
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

PRELUDE = struct.Struct(">III")
CRC = struct.Struct(">I")
OVERHEAD_BYTES = PRELUDE.size + CRC.size
HEADERS_MAX_BYTES = 131_072  # event stream specification: 128 KiB of headers
FRAME_MAX_BYTES = 25_165_824 + HEADERS_MAX_BYTES + OVERHEAD_BYTES  # botocore.eventstream: 24 MiB of payload

_STRING, _BYTES = 7, 6
_FIXED_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}  # event stream specification, header value types


class FrameError(ValueError):
    """The bytes are not a frame. `code` is `BadChecksum` or `BadFrame`."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Frame:
    """One message: its string headers and its payload."""

    headers: dict[str, str]
    payload: bytes


class FrameReader:
    """Feed it bytes, get the frames that are complete."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.offset = 0
        """Bytes of the stream before the frame that is being read."""

    @property
    def pending_bytes(self) -> int:
        """Bytes of a frame that has begun and not ended."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Frame]:
        """Frames completed by these bytes. Raises FrameError at the first that is wrong."""
        self._buffer += data
        frames = []
        while (size := self._frame_size()) is not None and len(self._buffer) >= size:
            frames.append(self._take(size))
        return frames

    def _frame_size(self) -> int | None:
        if len(self._buffer) < PRELUDE.size:
            return None
        total, headers, checksum = PRELUDE.unpack_from(self._buffer)
        if zlib.crc32(self._buffer[:8]) != checksum:
            raise FrameError("BadChecksum", f"the prelude at byte {self.offset} does not match its checksum.")
        if total > FRAME_MAX_BYTES or headers > HEADERS_MAX_BYTES or headers + OVERHEAD_BYTES > total:
            raise FrameError(
                "BadFrame", f"the frame at byte {self.offset} claims {total} bytes, {headers} of them headers."
            )
        return int(total)

    def _take(self, size: int) -> Frame:
        raw = bytes(self._buffer[:size])
        (checksum,) = CRC.unpack_from(raw, size - CRC.size)
        if zlib.crc32(raw[: -CRC.size]) != checksum:
            raise FrameError("BadChecksum", f"the frame at byte {self.offset} does not match its checksum.")
        del self._buffer[:size]
        headers_bytes = PRELUDE.unpack_from(raw)[1]
        end = PRELUDE.size + headers_bytes
        try:
            headers = _read_headers(raw[PRELUDE.size : end])
        except (IndexError, KeyError, struct.error, UnicodeDecodeError) as error:
            raise FrameError("BadFrame", f"the headers of the frame at byte {self.offset} cannot be read.") from error
        self.offset += size
        return Frame(headers, raw[end : -CRC.size])


def _read_headers(raw: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    at = 0
    while at < len(raw):
        name_end = at + 1 + raw[at]
        name, kind = raw[at + 1 : name_end].decode("utf-8"), raw[name_end]
        at = name_end + 1
        if kind in (_STRING, _BYTES):
            (length,) = struct.unpack_from(">H", raw, at)
            value, at = raw[at + 2 : at + 2 + length], at + 2 + length
            if len(value) != length:
                raise IndexError(name)
            if kind == _STRING:
                headers[name] = value.decode("utf-8")
        else:
            at += _FIXED_SIZES[kind]
    return headers
