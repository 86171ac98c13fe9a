"""Reads the head of a plain request: the one every SDK sends, of which there is nothing to be discussed.

Decides whether a head is plain, and says then what it holds. Refuses everything that two parsers could read in two
ways, or that means more than it says (a repeated header, a body without Content-Length, chunks, Expect, another
method, a byte that is not printable ASCII): it is None here and goes to aiohttp's parser, which has the last word on
it. What is plain here, that parser reads the same; a property test holds the two together.
Source: RFC 9112, sections 3, 5 and 6, of which this is a small part.
"""

from __future__ import annotations

import re
from typing import NamedTuple

HEAD_MAX_BYTES = 8192  # request line and headers; 8,190 is aiohttp's limit for one of them
HEADERS_MAX = 100  # aiohttp's limit is 128
LENGTH_DIGITS_MAX = 12

_BEGUN = b"POST /"
_LINE = re.compile(rb"POST (/[A-Za-z0-9\-._~%/:@!$&'()*+,;=]*+) HTTP/1\.1")
_PRINTABLE = bytes(range(32, 127))
_TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"  # RFC 9110, 5.6.2

_MEANING_MORE = frozenset((b"", b"expect", b"sec-websocket-key1", b"te", b"trailer", b"transfer-encoding", b"upgrade"))
"""Headers that change how a message is read, or what follows it."""


class RequestHead(NamedTuple):
    """The head of a plain POST request over HTTP/1.1."""

    target: str
    """The request target as on the request line: a path without a query."""
    fields: dict[bytes, bytes]
    """Header values by lower-case name; none was sent twice."""
    size_bytes: int
    """Of the head, its empty line included."""
    body_bytes: int


def read_head(data: bytes) -> RequestHead | None:
    """The plain head with which `data` begins; None for any other, and for one that is not all there."""
    size_bytes = data.find(b"\r\n\r\n", 0, HEAD_MAX_BYTES) + 4
    if size_bytes < 4:
        return None
    head = data[: size_bytes - 2]
    line, *lines = head[:-2].split(b"\r\n")
    found = _LINE.fullmatch(line)
    # One look at all lines is cheaper than a look at each: nothing but printable ASCII and the ends of the lines, one
    # space before each value and none behind it.
    if found is None or head.translate(None, _PRINTABLE) != b"\r\n" * (len(lines) + 1):
        return None
    if b" \r\n" in head or b":  " in head:
        return None
    fields = {}
    for header in lines:
        name, colon, value = header.partition(b": ")
        if not colon:
            return None
        fields[name.lower()] = value
    length = fields.get(b"content-length")
    if length is None or b"host" not in fields or len(fields) != len(lines) or len(lines) > HEADERS_MAX:
        return None
    if not length.isdigit() or len(length) > LENGTH_DIGITS_MAX or b"".join(fields).translate(None, _TOKEN):
        return None
    connection = fields.get(b"connection", b"keep-alive")
    if not _MEANING_MORE.isdisjoint(fields) or connection.lower() != b"keep-alive":
        return None
    return RequestHead(found[1].decode("ascii"), fields, size_bytes, int(length))


def is_begun(data: bytes) -> bool:
    """Whether `data` is the first part of a head that may become plain when the rest is there."""
    return len(data) < HEAD_MAX_BYTES and data[:6] == _BEGUN[: len(data)] and b"\r\n\r\n" not in data
