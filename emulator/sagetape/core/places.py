"""Where something was found: a chain from the outside in, told as `response body, JSON path $.a.b, base64, gzip`.

The chain is made while scanning and told only when there is something to tell, because nearly always there is not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from .values import valueclass

JSON_BYTES_MAX: Final = 8 * 1024 * 1024  # larger documents are told without a path
VALUES_MAX: Final = 200_000


@valueclass(frozen=True, slots=True)
class Place:
    """Some bytes, what they are, and the place they were unwrapped from."""

    name: str
    data: bytes
    inside: Place | None = None
    run: bytes = b""
    """The start of the encoded text in the outer place."""

    @property
    def depth(self) -> int:
        """How many layers were opened to get here."""
        return 0 if self.inside is None else self.inside.depth + 1

    def describe(self, text: bytes = b"") -> str:
        """The chain, with the JSON path of the text (or of the run that was opened) in every place that is JSON."""
        outer = "" if self.inside is None else self.inside.describe(self.run) + ", "
        path = find_json_path(self.data, text) if text else ""
        return f"{outer}{self.name}{', JSON path ' + path if path else ''}"


def find_json_path(data: bytes, text: bytes) -> str:
    """The path of the first string that holds the text, in the form `$.a[0].b`; empty when there is none."""
    if len(data) > JSON_BYTES_MAX or data[:1] not in (b"{", b"["):
        return ""
    try:
        document = json.loads(data)
        wanted = json.loads(b'"' + text + b'"') if b"\\" in text else text.decode()
    except (ValueError, RecursionError):
        return ""  # not JSON: the place is told without a path
    for path, value in _walk(document):
        if wanted in value:
            return path
    return ""


def _walk(document: object) -> Iterator[tuple[str, str]]:
    """Every string of a document with its path, names of members too; without recursion."""
    waiting: list[tuple[str, object]] = [("$", document)]
    for _ in range(VALUES_MAX):
        if not waiting:
            return
        path, value = waiting.pop()
        if isinstance(value, str):
            yield path, value
        elif isinstance(value, list):
            waiting += [(f"{path}[{i}]", inner) for i, inner in enumerate(value) if not isinstance(inner, int | float)]
        elif isinstance(value, dict):
            waiting += [(f"{path}.{name[:64]}", inner) for name, inner in value.items()]
            yield from ((f"{path} (a member's name)", name) for name in value)
