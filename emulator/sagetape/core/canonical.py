"""The canonical form of a request, as Signature Version 4 defines it for every service but S3.

Decides how the bytes of a request become the text that is signed: path, query, header values, timestamp. Works on
bytes as they are on the wire; nothing is decoded before it is signed. Refuses to guess: a path that cannot be read
raises `MalformedTarget`, and no alternative host, path or header is ever tried.

Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html, and what botocore
(`botocore/auth.py`) puts on the wire. That AWS escapes the raw path once more (`%3A` becomes `%253A`) was seen in an
error text of a rest-json service: github.com/continuedev/continue/issues/9297.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from urllib.parse import unquote_to_bytes

from .wire import HeaderPairs

ALGORITHM = b"AWS4-HMAC-SHA256"
TERMINATOR = b"aws4_request"
EMPTY_SHA256 = b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

_UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"  # RFC 3986, 2.3
_PATH_SAFE = _UNRESERVED + b"/"
_PATH_ESCAPES = tuple(bytes([b]) if b in _PATH_SAFE else b"%%%02X" % b for b in range(256))
_QUERY_ESCAPES = tuple(bytes([b]) if b in _UNRESERVED else b"%%%02X" % b for b in range(256))
_ABSOLUTE = re.compile(rb"[A-Za-z][A-Za-z0-9+.\-]*://[^/?#]*")
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})(.{0,2})", re.DOTALL)
WHITE_SPACE = b" \t\r\n"
_SPACES = re.compile(rb"[ \t\r\n]+")
_TIMESTAMP = re.compile(rb"([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})Z")


class MalformedTarget(ValueError):
    """The path has a broken escape, climbs above the root, or is no path at all."""


class MalformedQuery(ValueError):
    """The query has a broken escape; the message is AWS's text for it."""


def split_target(target: bytes) -> tuple[bytes, bytes]:
    """Path and query of a request target; scheme and authority of the absolute form are not signed."""
    if not target.startswith(b"/"):
        absolute = _ABSOLUTE.match(target)
        if absolute is None:
            raise MalformedTarget("the request target does not begin with a slash")
        target = target[absolute.end() :]
    path, _, query = target.partition(b"?")
    return path, query


def canonical_path(path: bytes) -> bytes:
    """The path with dot segments and double slashes resolved, then escaped once more, byte by byte.

    Dot segments are looked for in the raw text: `%2e%2e` is a name like any other.
    """
    if not path.translate(None, _PATH_SAFE) and b"//" not in path and b"/." not in path and path:
        return path
    if _BAD_ESCAPE.search(path):
        raise MalformedTarget("the path holds a % that two hexadecimal digits do not follow")
    return escape_path(resolve_dots(path))


def canonical_line(method: str, path: bytes, query: bytes) -> bytes:
    """The first three lines of a canonical request, of canonical parts."""
    return b"%b\n%b\n%b\n" % (method.encode(), path, query)


def escape_path(path: bytes) -> bytes:
    """Every byte outside the unreserved set and the slash as `%XX`, the percent sign too."""
    return b"".join([_PATH_ESCAPES[byte] for byte in path])


def resolve_dots(path: bytes) -> bytes:
    """The path without empty, `.` and `..` segments; one slash at the end stays."""
    kept: list[bytes] = []
    for segment in path.split(b"/"):
        if segment == b"..":
            if not kept:
                raise MalformedTarget("the path climbs above the root with '..'")
            kept.pop()
        elif segment not in (b"", b"."):
            kept.append(segment)
    tail = b"/" if kept and path.endswith(b"/") else b""
    return b"/" + b"/".join(kept) + tail


def parse_query(query: bytes) -> list[tuple[bytes, bytes]]:
    """Names and values, decoded, in the order received. A plus sign is a plus sign."""
    if not query:
        return []
    broken = _BAD_ESCAPE.search(query)
    if broken:
        raise MalformedQuery(_escape_complaint(broken.group(1)))
    pairs = (part.partition(b"=") for part in query.split(b"&"))
    return [(unquote_to_bytes(name), unquote_to_bytes(value)) for name, _, value in pairs]


def _escape_complaint(rest: bytes) -> str:
    # The texts of AWS's query front ends, as github.com/dacut/scratchstack-aws-signature records them.
    if len(rest) < 2:
        return "Incomplete trailing escape % sequence"
    return f"Illegal hex character in escape % pattern: %{rest.decode('latin-1')}"


def canonical_query(pairs: list[tuple[bytes, bytes]]) -> bytes:
    """Sorted by escaped name, then escaped value, as tuples: `a` comes before `a-b` whatever their values are."""
    return b"&".join([name + b"=" + value for name, value in sorted((_escape(n), _escape(v)) for n, v in pairs)])


def _escape(text: bytes) -> bytes:
    return b"".join([_QUERY_ESCAPES[byte] for byte in text])


def canonical_value(value: bytes) -> bytes:
    """A header value, trimmed, each run of spaces, tabs or folded lines being one space.

    Tabs count as spaces because botocore sends them unchanged and signs a space.
    """
    return _SPACES.sub(b" ", value).strip(b" ")


def fields_of(headers: HeaderPairs) -> dict[bytes, bytes]:
    """Header values by lower-case name; values of a name sent more than once joined with a comma, as they came."""
    fields = {name.lower(): value for name, value in headers}
    if len(fields) != len(headers):
        fields = {}
        for name, value in headers:
            key, trimmed = name.lower(), value.strip(b" \t\r\n")
            fields[key] = fields[key] + b"," + trimmed if key in fields else trimmed
    return fields


def parse_timestamp(text: bytes) -> int | None:
    """Unix seconds of `YYYYMMDDTHHMMSSZ`; None for any other form, or a moment that does not exist."""
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(group) for group in match.groups())
    try:
        return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())
    except ValueError:  # the thirtieth of February, hour 24, year 0
        return None


def format_timestamp(unix_s: float) -> str:
    """`YYYYMMDDTHHMMSSZ` of Unix seconds, cut to the whole second."""
    return datetime.fromtimestamp(int(unix_s), UTC).strftime("%Y%m%dT%H%M%SZ")
