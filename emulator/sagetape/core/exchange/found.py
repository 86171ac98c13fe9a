"""What a reader of another tool's recording finds: a call with its answer, or the reason why there is none."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from ..values import valueclass
from ..wire import Call, Interaction, Script


@valueclass(frozen=True, slots=True)
class Found:
    """One call and its answer, not yet scrubbed."""

    call: Call
    script: Script
    at: float | None = None
    """Unix time in seconds; None when the recording does not say."""
    synthetic: bool = False
    recorded: Interaction | None = None
    """A whole interaction of ours, with its own provenance: then the rest is its call and answer."""


@valueclass(frozen=True, slots=True)
class Skipped:
    """An entry that is not imported."""

    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


class Unusable(ValueError):
    """An entry that cannot be read; its text becomes the reason of a `Skipped`."""


def mapping(value: Any, name: str) -> Mapping[str, Any]:
    """A value that must be an object. Raises Unusable."""
    if not isinstance(value, Mapping):
        raise Unusable(f"{name} is not an object")
    return value


def items(value: Any, name: str) -> list[Any]:
    """A value that must be a list. Raises Unusable."""
    if not isinstance(value, list):
        raise Unusable(f"{name} is not a list")
    return value


def text(value: Any, name: str) -> str:
    """A value that must be a text; bytes of another tool's are read as UTF-8. Raises Unusable."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if not isinstance(value, str):
        raise Unusable(f"{name} is not a text")
    return value


def number(value: Any, name: str) -> int:
    """A value that must be a whole number, or a text of digits as YAML has it. Raises Unusable."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Unusable(f"{name} is not a whole number")
    return value


def data(value: Any, name: str, *, encoding: str = "") -> bytes:
    """A body: bytes, or text in UTF-8 or base64; nothing for None. Raises Unusable.

    Text in an encoding that is not known is no body: served as it stands, it would be a wrong answer.
    """
    if encoding.lower() not in ("", "base64"):
        raise Unusable(f"{name} has the encoding {encoding[:40]!r}; base64, or none, is known")
    if value is None:
        return b""
    if isinstance(value, bytes):
        return value
    written = text(value, name)
    try:
        if encoding.lower() == "base64":
            return base64.b64decode("".join(written.split()), validate=True)
        return written.encode("utf-8", "surrogateescape")
    except (binascii.Error, ValueError) as error:
        raise Unusable(f"{name} is not {encoding[:40] or 'text'}: {error}") from None


def moment(value: Any) -> float | None:
    """Unix time of an ISO or HTTP date; None when it is neither."""
    if not isinstance(value, str) or len(value) > 64:
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        try:
            parsed = parsedate_to_datetime(value)
        except (ValueError, IndexError, TypeError):
            return None  # not said in a form that is known: the time of the import stands for it
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
