"""Bodies by content: the address of a body, and how it is stored.

Decides when a body stands inside its interaction, when it is compressed, and what may be inflated. Refuses to inflate
beyond the stated size, beyond a limit, or beyond a ratio that no honest writer uses: this module never writes what it
would refuse to read.
"""

from __future__ import annotations

import hashlib
import zlib
from typing import Any

from .framing import BODY, Buffer, frame
from .payload import RecordError, bin_header, member

INLINE_MAX_BYTES = 256
"""A body of its own costs about 90 bytes (frame, map, reference), so below this sharing it rarely pays."""
COMPRESS_MIN_BYTES = 2048
"""Starting deflate costs more than packing and writing a smaller record together."""
COMPRESS_NOW_MAX_BYTES = 256 * 1024
"""While recording, a larger body is written as it is, without a copy; `compact` compresses it."""
PROBE_BYTES = 4096
RATIO_MAX = 100
RATIO_FREE_BYTES = 2**20
"""Below this size any ratio is harmless."""
BODY_MAX_BYTES = 256 * 2**20

RAW, ZLIB = "raw", "zlib"
_MAPS = {RAW: b"\x83\xa5codec\xa3raw\xa4size", ZLIB: b"\x83\xa5codec\xa4zlib\xa4size"}


def address(body: Buffer) -> bytes:
    """The 16 bytes by which a body is known: BLAKE2b-128 of its content."""
    return hashlib.blake2b(body, digest_size=16).digest()


def body_record(digest: bytes, body: Buffer, *, compress_max_bytes: int = COMPRESS_NOW_MAX_BYTES) -> list[Buffer]:
    """The buffers of a body's record; an uncompressed body is passed on without a copy."""
    stored = body
    codec = RAW
    if COMPRESS_MIN_BYTES <= len(body) <= compress_max_bytes:
        packed = _compressed(body)
        if packed is not None:
            codec, stored = ZLIB, packed
    return frame(BODY, _head(codec, len(body), len(stored)), tail=stored, tag=digest)


def _head(codec: str, size: int, stored_bytes: int) -> bytes:
    """The map before its tail, packed by hand: it is the same for every body but for two numbers."""
    number = b"%c" % size if size < 128 else _packed(size)
    return _MAPS[codec] + number + b"\xa4data" + bin_header(stored_bytes)


def _packed(number: int) -> bytes:
    """The shortest msgpack integer, of 128 or more."""
    if number < 2**8:
        return b"\xcc%c" % number
    return b"\xcd" + number.to_bytes(2, "big") if number < 2**16 else b"\xce" + number.to_bytes(4, "big")


def _compressed(body: Buffer) -> bytes | None:
    """The body deflated, when that saves a quarter and stays under the ratio; a probe spares the attempt."""
    if len(body) > 4 * PROBE_BYTES:
        middle = len(body) // 2
        if len(zlib.compress(body[middle : middle + PROBE_BYTES], 1)) > PROBE_BYTES * 7 // 8:
            return None
    packed = zlib.compress(body, 1)
    if len(packed) > len(body) * 3 // 4 or _is_bomb(len(packed), len(body)):
        return None
    return packed


def _is_bomb(stored_bytes: int, raw_bytes: int) -> bool:
    return raw_bytes > RATIO_FREE_BYTES and raw_bytes > stored_bytes * RATIO_MAX


def restore(values: dict[str, Any], stored: Buffer, *, max_bytes: int = BODY_MAX_BYTES) -> Buffer:
    """A body from its record's map and tail: the tail itself when it is not compressed."""
    codec, size = member(values, "codec", str), member(values, "size", int)
    if size < 0 or size > max_bytes:
        raise RecordError(f"a body of {size} bytes; at most {max_bytes} are allowed")
    if codec == RAW:
        if len(stored) != size:
            raise RecordError(f"a body of {len(stored)} bytes that claims {size}")
        return stored
    if codec != ZLIB:
        raise RecordError(f"a body under the codec {codec[:20]!r}, which this version does not know")
    if _is_bomb(len(stored), size):
        raise RecordError(f"a body that claims to grow from {len(stored)} to {size} bytes, more than {RATIO_MAX} times")
    return _inflated(stored, size)


def _inflated(stored: Buffer, size: int) -> bytes:
    inflater = zlib.decompressobj()
    try:
        body = inflater.decompress(stored, size + 1)
    except zlib.error as error:
        raise RecordError(f"a body that does not inflate ({error})") from None
    if len(body) != size or not inflater.eof or inflater.unused_data:
        raise RecordError(f"a body that does not inflate to the {size} bytes that it claims")
    return body
