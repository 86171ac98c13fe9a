"""What is hidden inside bytes: base64, hex, percent-encoding, JSON strings, compressed data, event-stream frames.

Decides what the bytes may be an encoding of, and yields what they decode to, within a budget; the same is asked of
every result again (`core/secrets.py`). It refuses to judge what it finds, to allocate more than its budget, and to
raise, whatever the bytes are.

Sources: RFC 4648 (base64, base64url, hex), RFC 2045 (base64 in lines), RFC 3986 (percent-encoding), RFC 8259 (JSON),
RFC 1952 (gzip), RFC 1950 (zlib), RFC 8878 (zstd), PKWARE's APPNOTE (zip, of which npz is one), and the event-stream
format of `core/eventstream.py`.
"""

from __future__ import annotations

import re
import zlib
from binascii import Error as Base64Error
from binascii import a2b_base64, unhexlify
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, TypeAlias
from urllib.parse import unquote_to_bytes

from .eventstream import OVERHEAD_BYTES, FrameError, read_prelude
from .values import valueclass

Decompress: TypeAlias = Callable[[bytes, int], bytes]
"""Decompresses to at most so many bytes of output. Raises `ValueError` when the input is not what it reads."""

OUTPUT_BYTES_MAX: Final = 64 * 1024 * 1024  # the largest answer (25 MiB, chunked) twice and a half
PIECE_BYTES: Final = 64 * 1024
STREAMS_MAX: Final = 64  # compressed streams looked into per place
RUN_BYTES: Final = 48  # of an encoded run, enough to find it again in the document that holds it

_BASE64 = re.compile(rb"[A-Za-z0-9+/]{22,}(?:(?:\r?\n|\\r\\n|\\n)[A-Za-z0-9+/]+)*")  # 22: 16 bytes, the shortest secret
_BASE64URL = re.compile(rb"[A-Za-z0-9_-]{22,}")
_BREAK = re.compile(rb"\r?\n|\\r\\n|\\n")
_HEX_CLASSES: Final = bytes(1 if byte in b"0123456789abcdefABCDEF" else 0 for byte in range(256))
_HEX_RUN: Final = b"\x01" * 32
_HEX = re.compile(rb"[0-9a-fA-F]{32,}")
_ESCAPE = re.compile(rb"\\(?:u00([0-7][0-9a-fA-F])|([\"\\/bfnrt]))")  # no secret holds a character beyond ASCII
_PERCENT = re.compile(rb"%[2-7][0-9a-fA-F]")
_SHORT: Final = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_ZLIB_HEADS: Final = frozenset((0x7801, 0x785E, 0x789C, 0x78DA))  # RFC 1950, window of 32 KiB, the four levels
_GZIP: Final = b"\x1f\x8b\x08"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_ZIP: Final = b"PK\x03\x04"


@valueclass(frozen=True, slots=True)
class Layer:
    """One look inside."""

    kind: str
    """`base64`, `gzip`, ..."""
    data: bytes | None
    """What is in there; None when it could not be opened."""
    run: bytes = b""
    """The start of the encoded text, by which its place in a document is found."""


@dataclass(slots=True)
class Budget:
    """How many bytes may still be unpacked, over all layers of one scan."""

    output_bytes: int = OUTPUT_BYTES_MAX

    def take(self, size: int) -> bool:
        """Whether so many bytes may be looked at; they are spent then."""
        self.output_bytes -= size
        return self.output_bytes >= 0


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


# --- frames and compression ----------------------------------------------------------------------------------------


def open_binary(data: bytes, budget: Budget, *, zstd: Decompress | None) -> Iterator[Layer]:
    """Frames where the bytes start with them; gzip, zstd and zip wherever they start; zlib where the bytes do."""
    yield from open_frames(data)
    if len(data) > 2 and int.from_bytes(data[:2], "big") in _ZLIB_HEADS:
        yield from _inflated("zlib", memoryview(data), budget, wbits=15)
    for start in _starts(data, _GZIP):
        yield from _inflated("gzip", memoryview(data)[start:], budget, wbits=31)
    for start in _starts(data, _ZIP):
        yield from _inflated("zip", memoryview(data)[_zip_data(data, start) :], budget, wbits=-15)
    for start in _starts(data, _ZSTD):
        yield from _open_zstd(data[start:], budget, zstd)


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


def _starts(data: bytes, magic: bytes) -> Iterator[int]:
    start = data.find(magic)
    for _ in range(STREAMS_MAX):
        if start < 0:
            return
        yield start
        start = data.find(magic, start + len(magic))


def _zip_data(data: bytes, start: int) -> int:
    """Where a zip member's data starts: behind a local header of 30 bytes, its name and its extra field."""
    name, extra = data[start + 26 : start + 28], data[start + 28 : start + 30]
    return start + 30 + int.from_bytes(name, "little") + int.from_bytes(extra, "little")


def _inflated(kind: str, data: memoryview, budget: Budget, *, wbits: int) -> Iterator[Layer]:
    """What a deflate stream holds, as far as the budget goes and as far as it is whole."""
    pieces: list[bytes] = []
    try:
        for piece in _pieces(data, budget, wbits=wbits):
            pieces.append(piece)
    except zlib.error:
        pass  # torn, or never a stream: what came before the fault is looked at all the same
    if budget.output_bytes < 0:
        yield Layer(kind, None, bytes(data[:RUN_BYTES]))
    elif any(pieces):
        yield Layer(kind, b"".join(pieces))


def _pieces(data: memoryview, budget: Budget, *, wbits: int) -> Iterator[bytes]:
    stream = zlib.decompressobj(wbits)
    for start in range(0, len(data), PIECE_BYTES):
        rest: bytes | memoryview = data[start : start + PIECE_BYTES]
        while len(rest) and not stream.eof:
            piece = stream.decompress(rest, 1 << 20)
            if not budget.take(len(piece)):
                return
            yield piece
            rest = stream.unconsumed_tail
        if stream.eof:
            return


def _open_zstd(data: bytes, budget: Budget, zstd: Decompress | None) -> Iterator[Layer]:
    if zstd is None:
        yield Layer("zstd", None, data[:RUN_BYTES])
        return
    try:
        inside = zstd(data, max(budget.output_bytes, 0) + 1)
    except ValueError:
        return  # four bytes that look like zstd's magic number and are not
    yield Layer("zstd", inside if budget.take(len(inside)) else None, data[:RUN_BYTES])


def find_zstd() -> Decompress | None:
    """Python's own decompressor from 3.14 on, else the one of the extra `[zstd]`; None without either."""
    for name in ("compression.zstd", "backports.zstd"):
        try:
            module = import_module(name)
        except ImportError:
            continue  # not in this Python, or not installed
        return _decompress_with(module)
    return None


def _decompress_with(module: Any) -> Decompress:
    def decompress(data: bytes, limit: int) -> bytes:
        try:
            return bytes(module.ZstdDecompressor().decompress(data, limit))
        except module.ZstdError as error:
            raise ValueError(str(error)) from error

    return decompress
