"""Compressed data inside bytes: gzip, zlib, deflate, zip, bzip2, xz, zstd; within a budget.

Decides where a compressed stream may start and yields what it holds, as far as it is whole; checksums are not asked,
because what a broken one holds is on the disk all the same. What is recognised and cannot be opened (more than the
budget or than `STREAMS_MAX` streams, an encrypted or unusual zip member, 7-Zip, RAR, LZ4, zstd without the extra) is
yielded as a layer without data, which the scan calls `unreadable`. It refuses to allocate more than its budget, and to
raise, whatever the bytes are.

Sources: RFC 1952 (gzip), RFC 1950 (zlib), RFC 1951 (deflate), RFC 8878 (zstd), PKWARE's APPNOTE (zip, of which npz is
one), https://tukaani.org/xz/xz-file-format.txt, and the magic numbers of bzip2, 7-Zip, RAR 5 and LZ4 frames.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, TypeAlias

from .values import valueclass

Decompress: TypeAlias = Callable[[bytes, int], bytes]
"""Decompresses to at most so many bytes of output. Raises `ValueError` when the input is not what it reads."""

OUTPUT_BYTES_MAX: Final = 64 * 1024 * 1024  # the largest answer (25 MiB, chunked) twice and a half
INPUT_SHARE: Final = 16  # reading costs, too: an empty deflate block has input and no output
SMALL_BYTES: Final = 4096  # less is searched for all magic numbers at once
PROBE_BYTES: Final = 256
PIECE_BYTES: Final = 64 * 1024
STREAMS_MAX: Final = 4096  # of one format in one place; more are not looked into, and said to be unreadable
RUN_BYTES: Final = 48  # of what was opened, enough to find it again in the document that holds it
XZ_MEMORY_BYTES: Final = 128 * 1024 * 1024  # what `xz -9` needs is half of it

_GZIP: Final = b"\x1f\x8b\x08"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_ZIP: Final = b"PK\x03\x04"
_BZIP2: Final = b"1AY&SY"  # behind `BZh` and a digit
_XZ: Final = b"\xfd7zXZ\x00"
_SEALED: Final = {b"7z\xbc\xaf\x27\x1c": "7-Zip", b"Rar!\x1a\x07": "RAR", b"\x04\x22\x4d\x18": "LZ4"}
_PARTS: Final = (b"\r\n\r\n", b"stream\r\n", b"stream\n")  # the bodies of multipart, the streams of PDF
_MAGIC = re.compile(b"|".join(map(re.escape, (_GZIP, _ZSTD, _ZIP, _BZIP2, _XZ, *_SEALED, *_PARTS))))
_ZIP_DEFLATED: Final = 8
_ZIP_METHODS: Final = frozenset((*range(1, 8), 9, 10, 14, 16, 18, 19, *range(94, 100)))  # APPNOTE 4.4.5
_ZIP_VERSION_MAX: Final = 63


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


def open_compressed(data: bytes, budget: Budget, *, zstd: Decompress | None) -> Iterator[Layer]:
    """zlib where the bytes start and where parts of multipart and PDF do, raw deflate as a whole, the rest anywhere."""
    view = memoryview(data)
    if len(data) < SMALL_BYTES and _MAGIC.search(data) is None:  # what base64 and hex decode to, by the thousand
        if _is_zlib(data, 0):
            yield from _inflated("zlib", view[2:], budget)
        yield from _open_deflate(view, budget)
        return
    for magic, name in _SEALED.items():
        if data.startswith(magic):
            yield Layer(name, None, data[:RUN_BYTES])
    for start in (0, *(place for mark in _PARTS for place in _ends(data, mark))):
        if _is_zlib(data, start):
            yield from _inflated("zlib", view[start + 2 :], budget)
    yield from _open_deflate(view, budget)
    for start in _starts(data, _GZIP):
        yield from _beyond("gzip", start) or _inflated("gzip", view[_gzip_data(data, start) :], budget)
    for start in _starts(data, _ZIP):
        yield from _beyond("zip", start) or _open_zip(data, start, budget)
    for start in _starts(data, _BZIP2):
        yield from _beyond("bzip2", start) or _open_bzip2(view, start - 4, budget)
    for start in _starts(data, _XZ):
        yield from _beyond("xz", start) or _open_xz(view[start:], budget)
    for start in _starts(data, _ZSTD):
        yield from _beyond("zstd", start) or _open_zstd(data[start:], budget, zstd)


def _starts(data: bytes, magic: bytes) -> Iterator[int]:
    """Where the magic number stands; -1 in place of the one that is too many."""
    start = data.find(magic)
    for _ in range(STREAMS_MAX):
        if start < 0:
            return
        yield start
        start = data.find(magic, start + len(magic))
    if start >= 0:
        yield -1


def _ends(data: bytes, mark: bytes) -> Iterator[int]:
    place = data.find(mark)
    while place >= 0:
        yield place + len(mark)
        place = data.find(mark, place + len(mark))


def _beyond(kind: str, start: int) -> list[Layer]:
    return [Layer(kind, None, b"more streams than are looked into")] if start < 0 else []


# --- deflate -------------------------------------------------------------------------------------------------------


def _is_zlib(data: bytes, start: int) -> bool:
    """RFC 1950 2.2: method 8, a window of at most 32 KiB, no dictionary, and a check by 31."""
    head = data[start : start + 2]
    return (
        len(head) == 2
        and head[0] & 15 == 8
        and head[0] < 128
        and not head[1] & 32
        and not (head[0] * 256 + head[1]) % 31
    )


def _gzip_data(data: bytes, start: int) -> int:
    """Where the deflate stream starts: behind ten bytes and what their flags announce; past the end for no gzip."""
    flags, at = (data[start + 3] if len(data) > start + 3 else 0xFF), start + 10
    if flags & 0xE0:
        return len(data)
    if flags & 4:
        at += 2 + int.from_bytes(data[at : at + 2], "little")
    for flag in (8, 16):  # a name, a comment
        if flags & flag:
            end = data.find(b"\x00", at)
            at = end + 1 if end >= 0 else len(data)
    return at + 2 if flags & 2 else at


def _open_zip(data: bytes, start: int, budget: Budget) -> Iterator[Layer]:
    """A member by its local header; what is stored plainly is read where it stands."""
    version, flags, method = (int.from_bytes(data[at : at + 2], "little") for at in (start + 4, start + 6, start + 8))
    name, extra = (int.from_bytes(data[at : at + 2], "little") for at in (start + 26, start + 28))
    at = start + 30 + name + extra
    if (version & 0xFF) > _ZIP_VERSION_MAX or at >= len(data):
        return  # four bytes that look like a member's and are not, or an empty one at the end
    if flags & 1 or method in _ZIP_METHODS:
        yield Layer("zip", None, data[start : start + RUN_BYTES])
    elif method == _ZIP_DEFLATED:
        yield from _inflated("zip", memoryview(data)[at:], budget)


def _open_deflate(data: memoryview, budget: Budget) -> Iterator[Layer]:
    """The whole as one raw deflate stream, which has no magic number: only when it ends with the bytes."""
    stream = zlib.decompressobj(-15)
    try:
        stream.copy().decompress(data[:PROBE_BYTES], PIECE_BYTES)  # which is enough for nearly everything to fail
        pieces = list(_pieces(stream, data, budget))
    except zlib.error:
        return
    if budget.output_bytes < 0:
        yield Layer("deflate", None, bytes(data[:RUN_BYTES]))
    elif stream.eof and not stream.unused_data and any(pieces):
        yield Layer("deflate", b"".join(pieces))


def _inflated(kind: str, data: memoryview, budget: Budget) -> Iterator[Layer]:
    """What a raw deflate stream holds, as far as the budget goes and as far as it is whole."""
    pieces: list[bytes] = []
    try:
        for piece in _pieces(zlib.decompressobj(-15), data, budget, is_patient=True):
            pieces.append(piece)
    except zlib.error:
        pass  # torn, or never a stream: what came before the fault is looked at all the same
    if budget.output_bytes < 0:
        yield Layer(kind, None, bytes(data[:RUN_BYTES]))
    elif any(pieces):
        yield Layer(kind, b"".join(pieces))


def _pieces(stream: Any, data: memoryview, budget: Budget, *, is_patient: bool = False) -> Iterator[bytes]:
    """The output piece by piece. `is_patient`: before a fault is raised, all that comes before it."""
    for start in range(0, len(data), PIECE_BYTES):
        rest: bytes | memoryview = data[start : start + PIECE_BYTES]
        if not budget.take(len(rest) // INPUT_SHARE):
            return
        while len(rest) and not stream.eof:
            before = stream.copy() if is_patient else None
            try:
                piece = stream.decompress(rest, 1 << 20)
            except zlib.error:
                yield from _crumbs(before, rest)
                raise
            if not budget.take(len(piece)):
                return
            yield piece
            rest = stream.unconsumed_tail
        if stream.eof:
            return


def _crumbs(stream: Any, rest: bytes | memoryview) -> Iterator[bytes]:
    """What a call that failed would have given for the bytes before the fault; raises where the fault is."""
    for place in range(len(rest) if stream is not None else 0):
        yield stream.decompress(rest[place : place + 1], PIECE_BYTES)


# --- others --------------------------------------------------------------------------------------------------------


def _open_bzip2(data: memoryview, start: int, budget: Budget) -> Iterator[Layer]:
    if start < 0 or bytes(data[start : start + 3]) != b"BZh":
        return
    yield from _streamed("bzip2", data[start:], budget, import_module("bz2").BZ2Decompressor)


def _open_xz(data: memoryview, budget: Budget) -> Iterator[Layer]:
    lzma = import_module("lzma")
    yield from _streamed("xz", data, budget, lambda: lzma.LZMADecompressor(memlimit=XZ_MEMORY_BYTES))


def _streamed(kind: str, data: memoryview, budget: Budget, make: Callable[[], Any]) -> Iterator[Layer]:
    """What `bz2` and `lzma` read; both keep what they have not read yet."""
    pieces: list[bytes] = []
    stream = make()
    start = 0
    try:
        while not stream.eof and (start < len(data) or not stream.needs_input):
            rest = data[start : start + PIECE_BYTES] if stream.needs_input else b""
            start += len(rest)
            pieces.append(stream.decompress(rest, 1 << 20))
            if not budget.take(len(pieces[-1]) + len(rest) // INPUT_SHARE):
                yield Layer(kind, None, bytes(data[:RUN_BYTES]))
                return
    except Exception as error:  # OSError of bz2, LZMAError of lzma: torn or not theirs, or more memory than allowed
        if "emory" in str(error):
            yield Layer(kind, None, bytes(data[:RUN_BYTES]))
            return
    if any(pieces):
        yield Layer(kind, b"".join(pieces))


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
