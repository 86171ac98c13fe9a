"""Bytes as the most readable value that gives exactly the same bytes back.

`{"json": value}` when writing the value compactly gives the body; with `"style": "python"` when Python's own
`json.dumps` does; `{"text": ...}` when it is other UTF-8; else `{"base64": ...}`. Which one holds is tried, not
guessed, so nothing is ever lost: a body whose spacing or numbers would change is shown as its text. Refuses, on the way
back, any other shape.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from ..errors import SagetapeError

JSON_MAX_BYTES: Final = 4 * 2**20  # larger documents are no pleasure to edit as values; they stay text

STYLES: Final[Mapping[str, Callable[[Any], str]]] = {
    "compact": lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False),
    "python": lambda value: json.dumps(value, allow_nan=False),
}
"""How a JSON value was written: by JavaScript, Rust and AWS, or by Python's `json.dumps` as it is."""


class DocumentError(SagetapeError):
    """An edited document is not one that can be stored. The text says where and what would do."""

    exit_code = 8


def body_of(data: bytes | memoryview) -> dict[str, Any]:
    """The plain form of some bytes."""
    body = bytes(data)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode("ascii")}
    if text[:1] in ("{", "[") and len(body) <= JSON_MAX_BYTES:
        return _as_json(text) or {"text": text}
    return {"text": text}


def _as_json(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
        for style, write in STYLES.items():
            if write(value) == text and json.dumps(value, ensure_ascii=False).encode("utf-8"):
                return {"json": value} if style == "compact" else {"json": value, "style": style}
    except (ValueError, RecursionError):
        return None  # no JSON, or with lone surrogates, which no document can hold: its text is shown
    return None


def body_from(form: Any, place: str) -> bytes:
    """The bytes of a plain form. Raises DocumentError."""
    match form:
        case {"text": str(text), **rest} if not rest:
            return _encoded(text, place)
        case {"base64": str(text), **rest} if not rest:
            return _decoded(text, place)
        case {"json": value, **rest} if not rest:
            return _written(value, STYLES["compact"], place)
        case {"json": value, "style": str(style), **rest} if not rest and style in STYLES:
            return _written(value, STYLES[style], place)
    raise DocumentError(
        f'{place} is no body. Write {{"text": "..."}}, {{"json": ...}} (with "style": "python" for Python\'s spacing) '
        'or {"base64": "..."}.'
    )


def _written(value: Any, write: Callable[[Any], str], place: str) -> bytes:
    try:
        return _encoded(write(value), place)
    except (ValueError, TypeError, RecursionError) as error:
        raise DocumentError(f"{place} cannot be written as JSON ({error}). Write plain JSON values only.") from None


def _encoded(text: str, place: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DocumentError(f"{place} holds half a character ({error}). Give such bytes as base64.") from None


def _decoded(text: str, place: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise DocumentError(f"{place} is not base64 ({error}). Give plain words as text.") from None
