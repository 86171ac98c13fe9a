"""multipart: parts in order, each with its headers and its body by the part's own content type; RFC 2046, 5.1.

The boundary does not count, nor do preamble, epilogue, order, case of names and spacing of a part's headers. Refused:
no or a wrong boundary parameter, no closing delimiter, a part without its empty line, too many parts, parts within
parts beyond `DEPTH_MAX`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from .reading import Reading, Understood
from .tree import Tree, Unreadable

PARTS_MAX = 1_000
DEPTH_MAX = 3
_BOUNDARY = re.compile(r";\s*+boundary=(?:\"([^\"\\]{1,70})\"|([^\s\";]{1,70}))\s*+(?=;|\Z)", re.ASCII | re.IGNORECASE)
_PADDING = b" \t"


def without_boundary(content_type: str) -> str:
    """The content type without its boundary parameter."""
    return _BOUNDARY.sub("", content_type)


def read(
    body: bytes,
    content_type: str,
    reading: Reading,
    *,
    understand: Callable[[str | None, bytes, Reading], Understood],
) -> Tree:
    """The list of parts: an object of `headers` and of the body under its kind. Raises Unreadable."""
    found = _BOUNDARY.search(content_type)
    if found is None or reading.depth >= DEPTH_MAX:
        raise Unreadable("no boundary in the content type" if found is None else "parts within parts within parts")
    boundary = (found[1] or found[2]).encode("utf-8", "replace")
    inner = replace(reading, depth=reading.depth + 1)
    return [_part(data, inner, understand) for data in split(body, boundary)]


def split(body: bytes, boundary: bytes) -> list[bytes]:
    """The parts between the delimiters, headers included. Raises Unreadable."""
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary, PARTS_MAX + 2)
    parts: list[bytes] = []
    for piece in pieces[1:]:
        if piece.startswith(b"--"):
            return parts
        padding, line_end, part = piece.partition(b"\r\n")
        if not line_end or padding.strip(_PADDING) or len(parts) == PARTS_MAX:
            break
        parts.append(part)
    raise Unreadable("the delimiters of the multipart body do not fit, or there are too many")


def _part(
    data: bytes, reading: Reading, understand: Callable[[str | None, bytes, Reading], Understood]
) -> dict[str, Tree]:
    # A part without headers begins with its empty line.
    head, empty, body = (b"\r\n" + data).partition(b"\r\n\r\n")
    if not empty:
        raise Unreadable("a part has no empty line after its headers")
    headers = _headers(head)
    content_type = next((value for name, value in headers if name == "content-type"), None)
    kind, tree, _ = understand(content_type, body, reading)
    kept = sorted([name, without_boundary(value)] for name, value in headers)
    return {"headers": kept, kind: tree}


def _headers(head: bytes) -> list[tuple[str, str]]:
    try:
        lines = head.decode("utf-8").split("\r\n")
    except UnicodeDecodeError as error:
        raise Unreadable("a part's headers are not UTF-8") from error
    pairs = (line.partition(":") for line in lines if line)
    return [(name.strip().lower(), value.strip()) for name, _, value in pairs]
