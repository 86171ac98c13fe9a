"""The msgpack inside a record: one map with text keys, and at most one large value at its end, the tail.

Refuses extension types (timestamps too), keys that are not text, duplicate keys, bytes after the map, bad UTF-8, and
every length above its limit, before anything of that length is allocated. Each call has a fresh unpacker, because one
that failed must not be used again (GHSA-6v7p-g79w-8964).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import msgpack

from .framing import Buffer

HEAD_MAX_BYTES = 16 * 2**20
"""Of a payload without its tail: 50 MB of nil unpack to 474 MB, so the part that is unpacked is kept small."""
PACK_BYTES = 2048
ARRAY_MAX_ITEMS = 2**20
MAP_MAX_ITEMS = 65_536

_EMPTY_BIN = b"\xc4\x00"


class RecordError(ValueError):
    """A payload is not what the format says. Without a place: whoever knows the file adds it."""


def pack(values: Mapping[str, Any]) -> bytes:
    """A map as the payload of a record without a tail."""
    # The default buffer of 256 KiB would be mapped and unmapped for every record.
    packed: bytes = msgpack.Packer(use_bin_type=True, buf_size=PACK_BYTES).pack(values)
    if len(packed) > HEAD_MAX_BYTES:
        raise RecordError(f"a record of {len(packed)} bytes besides its bodies; at most {HEAD_MAX_BYTES} are allowed")
    return packed


def pack_before_tail(values: Mapping[str, Any], name: str, *, tail_bytes: int) -> bytes:
    """A map whose last value, `name`, is a bin of `tail_bytes` bytes that follow: everything before these bytes."""
    return pack({**values, name: b""})[: -len(_EMPTY_BIN)] + bin_header(tail_bytes)


def bin_header(length: int) -> bytes:
    """The shortest msgpack header of a bin of this many bytes."""
    if length < 2**8:
        return b"\xc4" + length.to_bytes(1, "big")
    if length < 2**16:
        return b"\xc5" + length.to_bytes(2, "big")
    return b"\xc6" + length.to_bytes(4, "big")


def unpack(payload: Buffer, *, tail_bytes: int = 0) -> dict[str, Any]:
    """The map of a payload, bounded. With a tail, its last value is the empty bytes; the tail is never copied."""
    head_bytes = len(payload) - tail_bytes
    if head_bytes > HEAD_MAX_BYTES:
        raise RecordError(f"{head_bytes} bytes to unpack; at most {HEAD_MAX_BYTES} are allowed")
    if not tail_bytes:
        return _unpack(payload)
    head, header = bytes(payload[:head_bytes]), bin_header(tail_bytes)
    if not head.endswith(header):
        raise RecordError("the tail is not announced as the last value")
    values = _unpack(head[: -len(header)] + _EMPTY_BIN)
    if not values or next(reversed(values.values())) != b"":
        raise RecordError("the tail is not the last value of the map")
    return values


def _unpack(payload: Buffer) -> dict[str, Any]:
    size = len(payload)
    try:
        values = msgpack.unpackb(
            payload,
            raw=False,
            strict_map_key=True,
            timestamp=0,
            ext_hook=_refuse_extension,
            object_pairs_hook=_unique_pairs,
            max_str_len=size,
            max_bin_len=size,
            max_array_len=min(size, ARRAY_MAX_ITEMS),
            max_map_len=min(size, MAP_MAX_ITEMS),
            max_ext_len=0,
        )
    except RecordError:
        raise
    except (ValueError, msgpack.UnpackException, RecursionError) as error:
        raise RecordError(f"not valid msgpack ({type(error).__name__}: {str(error)[:120]})") from None
    if not isinstance(values, dict):
        raise RecordError(f"a {type(values).__name__} where a map must be")
    return values


def _refuse_extension(code: int, _data: bytes) -> NoReturn:
    raise RecordError(f"msgpack extension type {code} is not allowed")


def _unique_pairs(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise RecordError("a map with a duplicate key")
    for key in values:
        if type(key) is not str:
            raise RecordError("a map with a key that is not text")
    return values


def member(values: Mapping[str, Any], name: str, kind: type | tuple[type, ...]) -> Any:
    """One value of a map, of this type; a boolean is never a number."""
    value = values.get(name)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise RecordError(f"`{name}` is {'missing' if name not in values else 'a ' + type(value).__name__}")
    return value
