"""What is known about callers that signed before: derived keys, split header lists, ready-made formats.

Decides nothing about a request. A grant is kept under the exact text of the Authorization header up to the signature,
and the session token beside it, so that a second request of the same caller needs no parsing and no key derivation.
A verdict is never kept: the signature of every request is computed.
"""

from __future__ import annotations

from collections.abc import Callable
from hmac import compare_digest
from operator import itemgetter
from typing import TypeVar

from .canonical import WHITE_SPACE, canonical_value
from .signing import Key, derive_key
from .values import valueclass

REMEMBERED_MAX = 1024
HARMLESS_MAX = 128  # names of unsigned headers remembered as of no concern, and the length of each
COVERED = frozenset((b"x-amz-date", b"x-amz-content-sha256"))  # part of what is signed, listed or not


_K = TypeVar("_K")
_V = TypeVar("_V")


@valueclass(frozen=True, slots=True)
class Identity:
    """Who called, once the signature was accepted."""

    access_key_id: str
    region: str
    is_temporary: bool
    warnings: tuple[str, ...] = ()
    """What strict AWS services would not like, or what `lenient` let pass; one sentence each."""


class Grant:
    """One caller with one list of signed headers on one day."""

    __slots__ = (
        "access_key_id",
        "date",
        "expires",
        "harmless",
        "identity",
        "known",
        "layout",
        "names",
        "others",
        "scope",
        "state",
        "values",
    )

    def __init__(self, usable: tuple[Key, ...], *, known: tuple[Key, ...], scope: bytes, signed_headers: bytes) -> None:
        """`usable`: the keys whose token the caller sent. Raises nothing for any bytes."""
        self.date, region, service = scope.split(b"/")[:3]
        self.state, *self.others = (
            derive_key(key.secret_access_key, self.date, region=region, service=service) for key in usable
        )
        key = usable[0]
        self.known = known
        """Every key of this id when the grant was made, to see when the keys change."""
        self.access_key_id = key.access_key_id
        self.expires = min((key.expires for key in usable if key.expires is not None), default=None)
        self.scope = scope
        self.names = tuple(signed_headers.split(b";"))
        self.harmless: set[bytes] = set()
        """Names of headers that `unsigned` has looked at and found of no concern."""
        lines = b"".join([name.replace(b"%", b"%%") + b":%b\n" for name in self.names])
        self.layout = lines + b"\n" + signed_headers.replace(b"%", b"%%") + b"\n"
        self.values = _getter(self.names)
        is_temporary = key.session_token is not None
        self.identity = Identity(key.access_key_id, region.decode("utf-8", "replace"), is_temporary)

    def has_made(self, signature: bytes, text_to_sign: bytes) -> bool:
        """Whether one of the keys (all but always there is one) makes this signature; compared in constant time."""
        if compare_digest(self.state.sign(text_to_sign).hex().encode(), signature):
            return True
        return any(compare_digest(state.sign(text_to_sign).hex().encode(), signature) for state in self.others)

    def head(self, line: bytes, fields: dict[bytes, bytes]) -> bytes:
        """The canonical request up to the payload line. `line` is what `canonical_line` makes of method, path, query.

        Raises KeyError for a signed header that was not sent.
        """
        values = self.values(fields)
        # White space is rare in header values, and one look at all of them is cheaper than a look at each.
        joined = b"".join(values)
        if len(joined.translate(None, WHITE_SPACE)) != len(joined):
            values = tuple([canonical_value(value) for value in values])
        return line + self.layout % values

    def unsigned(self, fields: dict[bytes, bytes]) -> tuple[str, ...]:
        """Headers that belong to the call and that the signature leaves out."""
        signed = set(self.names) | COVERED
        left_out = {n for n in fields if n not in signed and n.startswith((b"x-amz-", b"x-amzn-sagemaker-"))}
        if len(self.harmless) < HARMLESS_MAX:
            self.harmless.update(name for name in fields if name not in left_out and len(name) < HARMLESS_MAX)
        return tuple(sorted(name.decode("latin-1") for name in left_out))


def _getter(names: tuple[bytes, ...]) -> Callable[[dict[bytes, bytes]], tuple[bytes, ...]]:
    if len(names) > 1:
        return itemgetter(*names)
    return lambda fields: (fields[names[0]],)


class Grants(dict[tuple[bytes, bytes | None], Grant]):
    """Grants by the Authorization header up to the signature, and the session token."""

    def __repr__(self) -> str:  # the keys hold session tokens
        return f"<{len(self)} grants>"


def remember(known: dict[_K, _V], key: _K, value: _V) -> None:
    """Keep a value that follows from its key alone; of 1,024 the oldest goes first."""
    if len(known) >= REMEMBERED_MAX:
        del known[next(iter(known))]
    known[key] = value
