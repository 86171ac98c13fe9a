"""A second reader of cassettes, written from `cassettes/README.md` alone. It shares no code with the project."""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import Any

import msgpack

MARKER = bytes([0xC1, 0x54, 0x41, 0x50])


class Unreadable(Exception):
    """What the format does not allow."""


def frame(data: bytes, at: int) -> dict[str, Any] | None:
    if at + 40 > len(data) or data[at : at + 4] != MARKER:
        return None
    if struct.unpack_from("<I", data, at + 36)[0] != zlib.crc32(data[at : at + 36]):
        return None
    kind, mask = data[at + 4], data[at + 6]
    length, tail = struct.unpack_from("<II", data, at + 8)
    if tail > length or at + 40 + length > len(data):
        return None
    stored = data[at + 40 : at + 40 + length]
    is_whole = struct.unpack_from("<I", data, at + 32)[0] == zlib.crc32(stored)
    payload = bytes(byte ^ mask for byte in stored) if mask else stored
    return {
        "at": at,
        "kind": kind,
        "tag": data[at + 16 : at + 32],
        "payload": payload,
        "tail": tail,
        "end": at + 40 + length,
        "is_whole": is_whole,
    }


def frames(data: bytes) -> tuple[list[dict[str, Any]], list[int]]:
    """All intact frames, and the offsets at which something else stood."""
    found: list[dict[str, Any]] = []
    broken: list[int] = []
    at = 0
    while at < len(data):
        one = frame(data, at)
        if one is not None:
            found.append(one)
            at = one["end"]
            continue
        if found and found[-1]["end"] == at and MARKER in data[found[-1]["at"] + 40 : at]:
            at = found.pop()["at"]
        broken.append(at)
        at = data.find(MARKER, at + 1)
        while at >= 0 and frame(data, at) is None:
            at = data.find(MARKER, at + 1)
        if at < 0:
            break
    return found, broken


def refuse(*_: Any) -> Any:
    raise Unreadable("extension type")


def unique(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs) or not all(isinstance(key, str) for key, _ in pairs):
        raise Unreadable("keys")
    return dict(pairs)


def values(one: dict[str, Any]) -> dict[str, Any]:
    try:
        found = msgpack.unpackb(one["payload"], raw=False, ext_hook=refuse, object_pairs_hook=unique)
    except Exception as error:
        raise Unreadable(str(error)) from error
    if not isinstance(found, dict):
        raise Unreadable("not a map")
    return found


def bodies(found: list[dict[str, Any]]) -> dict[bytes, bytes]:
    kept = {}
    for one in found:
        if one["kind"] == 2 and one["is_whole"]:
            says = values(one)
            body = says["data"] if says["codec"] == "raw" else zlib.decompress(says["data"])
            if len(body) == says["size"] and hashlib.blake2b(body, digest_size=16).digest() == one["tag"]:
                kept[one["tag"]] = body
    return kept


def interactions(data: bytes) -> list[tuple[bytes, dict[str, Any]]]:
    """Interactions with their keys in recorded order; places of bodies replaced by the bodies."""
    found, _ = frames(data)
    stored = bodies(found)

    def resolved(place: Any) -> bytes:
        return place if isinstance(place, bytes) else stored[place[0]]

    kept: list[tuple[bytes, dict[str, Any]]] = []
    for one in found:
        if one["kind"] == 3:
            says = values(one)
            says["call"]["body"] = resolved(says["call"]["body"])
            says["steps"] = [[s[0], resolved(s[1])] if s[0] == "chunk" else s for s in says["steps"]]
            kept.append((one["tag"], says))
    return kept
