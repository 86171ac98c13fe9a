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

# Every repetition is possessive: a hostile head costs one pass, whatever it is.
_HEAD = re.compile(
    rb"POST (/[A-Za-z0-9\-._~%/:@!$&'()*+,;=]*+) HTTP/1\.1"
    rb"((?:\r\n[!#$%&'*+\-.^_`|~0-9A-Za-z]++:[ \t]*+[\t -~]*+(?<![ \t]))++)\r\n\r\n"
)
_BEGUN = b"POST /"
_HEADER = re.compile(rb"\r\n([^:]++):[ \t]*+([^\r]*+)")
_LENGTH = re.compile(rb"[0-9]{1,12}")

_MEANING_MORE = frozenset((b"expect", b"sec-websocket-key1", b"te", b"trailer", b"transfer-encoding", b"upgrade"))
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
    if data.find(b"\r\n\r\n", 0, HEAD_MAX_BYTES) < 0:
        return None
    found = _HEAD.match(data)
    if found is None:
        return None
    target, block = found.groups()
    pairs = _HEADER.findall(block)
    fields = {name.lower(): value for name, value in pairs}
    length = fields.get(b"content-length")
    if length is None or b"host" not in fields or len(fields) != len(pairs) or len(pairs) > HEADERS_MAX:
        return None
    if _LENGTH.fullmatch(length) is None or not _MEANING_MORE.isdisjoint(fields):
        return None
    connection = fields.get(b"connection")
    if connection is not None and connection.lower() != b"keep-alive":
        return None
    return RequestHead(target.decode("ascii"), fields, found.end(), int(length))


def is_begun(data: bytes) -> bool:
    """Whether `data` is the first part of a head that may become plain when the rest is there."""
    return len(data) < HEAD_MAX_BYTES and data[:6] == _BEGUN[: len(data)] and b"\r\n\r\n" not in data
