"""The one way to write a tuple of projections as bytes, and the sixteen bytes that stand for it.

Every value is written with its type and its length, so no two different tuples give the same bytes. The form does not
depend on process, Python version or hash seed. Changing it makes every recorded key useless; golden digests hold it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from decimal import Decimal

KEY_BYTES = 16


def key_of(text: str) -> bytes:
    """The key of a tuple's canonical text."""
    return hashlib.blake2b(
        text.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES, person=b"sagetape.key"
    ).digest()


def written(value: Hashable) -> str:
    """A projection's value as text. Raises TypeError for a type that has no one stable form."""
    if value is None:
        return "~"
    if isinstance(value, str):
        return f"s{len(value)}:{value}"
    if isinstance(value, bytes):
        return f"b{len(value)}:{value.hex()}"
    if isinstance(value, bool):
        return "T" if value else "F"
    if isinstance(value, (int, float, Decimal)):
        return _number(value)
    if isinstance(value, tuple):
        return f"t{len(value)}:{''.join(map(written, value))}"
    if isinstance(value, frozenset):
        return f"f{len(value)}:{''.join(sorted(map(written, value)))}"
    raise TypeError(
        f"{type(value).__name__} has no stable form; use None, bool, int, float, str, bytes or tuples of them"
    )


def _number(value: int | float | Decimal) -> str:
    text = f"{type(value).__name__[0]}{value!r}" if isinstance(value, float) else f"{type(value).__name__[0]}{value}"
    return f"n{len(text)}:{text}"
