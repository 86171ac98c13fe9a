"""What is hidden inside bytes: base64, hex, escapes and entities, wide text, compressed data, event-stream frames.

Decides what the bytes may be an encoding of, and yields what they decode to, within a budget; the same is asked of
every result again (`core/secrets.py`). It refuses to judge what it finds, to allocate more than its budget, and to
raise, whatever the bytes are.

Sources: RFC 4648 (base64, base64url, hex), RFC 2045 (base64 in lines), RFC 3986 (percent-encoding), RFC 8259 (JSON),
https://html.spec.whatwg.org/#character-references, `core/compression.py`, and the event-stream format of
`core/eventstream.py`. UTF-16 and UTF-32 are looked for without a byte order mark: a numpy array of `<U20` has none.
"""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64, unhexlify
from collections.abc import Iterator
from html import unescape
from typing import Final
from urllib.parse import unquote_to_bytes

from .compression import RUN_BYTES, Budget, Decompress, Layer, find_zstd, open_compressed
from .eventstream import OVERHEAD_BYTES, FrameError, read_prelude

__all__ = ["Budget", "Decompress", "Layer", "find_zstd", "is_unopened", "open_binary", "open_text"]

_BASE64 = re.compile(rb"[A-Za-z0-9+/]{22,}(?:(?:\r?\n|\\r\\n|\\n)[A-Za-z0-9+/]+)*")  # 22: 16 bytes, the shortest secret
_BASE64URL = re.compile(rb"[A-Za-z0-9_-]{22,}")
_BREAK = re.compile(rb"\r?\n|\\r\\n|\\n")
_HEX_CLASSES: Final = bytes(1 if byte in b"0123456789abcdefABCDEF" else 0 for byte in range(256))
_HEX_RUN: Final = b"\x01" * 32
_HEX = re.compile(rb"[0-9a-fA-F]{32,}")
_ESCAPE = re.compile(rb"\\(?:u00([0-7][0-9a-fA-F])|([\"\\/bfnrt]))")  # no secret holds a character beyond ASCII
_PERCENT = re.compile(rb"%[2-7][0-9a-fA-F]")
_SHORT: Final = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_RUN_CHARS: Final = 15
_WIDE_CLASSES: Final = bytes(1 if 32 <= byte < 127 else 0 if byte == 0 else 2 for byte in range(256))
_WIDE: Final = (
    (
        "UTF-16",
        b"\x01\x00" * _RUN_CHARS,
        (re.compile(rb"(?:[\t\r\n -~]\x00){8,}"), re.compile(rb"(?:\x00[\t\r\n -~]){8,}")),
    ),
    (
        "UTF-32",
        b"\x01\x00\x00\x00" * _RUN_CHARS,
        (re.compile(rb"(?:[\t\r\n -~]\x00{3}){8,}"), re.compile(rb"(?:\x00{3}[\t\r\n -~]){8,}")),
    ),
)
_ENTITY = re.compile(
    rb"&(?:#[0-9]{1,7};|#[xX][0-9a-fA-F]{1,6};|(?:quot|apos|amp|lt|gt|sol|equals|colon|lowbar|plus|nbsp);)"
)
_BACKSLASHES = re.compile(rb"\\+")
_TEXT = re.compile(rb"[\x09\x0a\x0d\x20-\x7e]{16}")


# --- text encodings ------------------------------------------------------------------------------------------------


def open_text(data: bytes) -> Iterator[Layer]:
    """Everything that text may be an encoding of, one level deep."""
    yield from open_escapes(data)
    yield from open_hex(data)
    yield from open_base64(data)


def open_base64(data: bytes) -> Iterator[Layer]:
    """Runs of base64 in both alphabets, whatever their padding, and over line ends."""
    for found in _BASE64.finditer(data):
        run = found[0]
        yield Layer(
            "base64", decode_base64(_BREAK.sub(b"", run) if b"\n" in run or b"\\" in run else run), run[:RUN_BYTES]
        )
    if b"-" in data or b"_" in data:
        for found in _BASE64URL.finditer(data):
            run = found[0]
            if b"-" in run or b"_" in run:
                yield Layer("base64url", decode_base64(run.replace(b"-", b"+").replace(b"_", b"/")), run[:RUN_BYTES])


def decode_base64(run: bytes) -> bytes:
    """The bytes of a run of the standard alphabet without padding; a stray last character is left out."""
    keep = len(run) - 1 if len(run) % 4 == 1 else len(run)
    try:
        return a2b_base64(run[:keep] + b"=" * (-keep % 4))
    except Base64Error:
        return b""  # a character outside the alphabet: nothing is encoded here


def open_hex(data: bytes) -> Iterator[Layer]:
    """Runs of hexadecimal digits; a run of odd length is read from both ends."""
    if _HEX_RUN not in data.translate(_HEX_CLASSES):
        return  # two passes in C, where the expression would be tried at every byte
    for found in _HEX.finditer(data):
        run = found[0]
        even = len(run) // 2 * 2
        yield Layer("hex", unhexlify(run[:even]), run[:RUN_BYTES])
        if even < len(run):
            yield Layer("hex", unhexlify(run[1:]), run[:RUN_BYTES])


def open_escapes(data: bytes) -> Iterator[Layer]:
    """The text behind JSON's escapes, and behind percent-encoding."""
    if b"\\" in data and (b"\\u00" in data or b"\\/" in data or b"\\\\" in data):
        yield Layer("JSON string", _ESCAPE.sub(_unescape, data))
    if b"%" in data and _PERCENT.search(data):
        yield Layer("percent-encoding", unquote_to_bytes(data))


def _unescape(found: re.Match[bytes]) -> bytes:
    digits, short = found.groups()
    return bytes((int(digits, 16),)) if digits is not None else _SHORT.get(short, short)


# --- text of other kinds, frames, compression ---------------------------------------------------------------------


def open_binary(data: bytes, budget: Budget, *, zstd: Decompress | None) -> Iterator[Layer]:
    """What is looked for in the whole: frames where the bytes start with them, wide text, entities, compression."""
    yield from open_frames(data)
    yield from open_wide(data)
    if b"&" in data and _ENTITY.search(data):
        yield Layer("HTML entities", _ENTITY.sub(_named, data))
    yield from open_compressed(data, budget, zstd=zstd)


def open_wide(data: bytes) -> Iterator[Layer]:
    """UTF-16 and UTF-32 in both orders, wherever they start: without the zeros they are ASCII, which secrets are."""
    if b"\x00" not in data:
        return
    classes = data.translate(_WIDE_CLASSES)
    for kind, sign, runs in _WIDE:
        if sign in classes:
            for run in runs:
                yield Layer(kind, b"\n".join(found.translate(None, b"\x00") for found in run.findall(data)))


def _named(found: re.Match[bytes]) -> bytes:
    return unescape(found[0].decode("ascii")).encode("utf-8", "replace")


def open_frames(data: bytes) -> Iterator[Layer]:
    """The payloads of the event-stream frames that the bytes start with, joined, whatever their message checksum."""
    payloads: list[bytes] = []
    view, start = memoryview(data), 0
    while len(data) - start >= OVERHEAD_BYTES:
        try:
            total, headers = read_prelude(view[start:])
        except FrameError:
            break
        payloads.append(data[start + 12 + headers : start + total - 4])
        start += total
    if payloads:
        yield Layer("event-stream frame", b"".join(payloads))


def is_unopened(layer: Layer) -> bool:
    """Whether a layer that nobody will look into may hold more, so that it must be told.

    Letters and digits read as base64 or hex nearly always: only a text, or what starts as compressed data does, counts.
    Rows of backslashes halve with every look: only escapes of characters count.
    """
    if layer.data is None:
        return True
    if layer.kind in ("base64", "base64url", "hex"):
        return _TEXT.search(layer.data) is not None or any(open_compressed(layer.data, Budget(), zstd=None))
    if layer.kind == "JSON string":
        return _ESCAPE.search(_BACKSLASHES.sub(rb"\\", layer.data).replace(b'\\"', b"")) is not None
    return True
