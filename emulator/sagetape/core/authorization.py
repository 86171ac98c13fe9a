"""What a request claims about its signature: read from the Authorization header, or from the query (presigned).

Decides only whether the claim is complete and well formed. Refuses two claims in one request, and every payload mode
but a hash. Whether a claim is true is decided in `core/sigv4.py`.

Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-authentication-methods.html; which of two equal
parameters counts (last in the header, first in the query): github.com/dacut/scratchstack-aws-signature.
"""

from __future__ import annotations

import re
from dataclasses import field
from itertools import pairwise

from . import auth_refusals as refusals
from .canonical import ALGORITHM, canonical_query
from .values import valueclass

EXPIRES_MAX_S = 604_800  # seven days: docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html

_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")  # RFC 9110 token, without capital letters
_REQUIRED = (b"Credential", b"Signature", b"SignedHeaders")
_REQUIRED_IN_QUERY = (
    b"X-Amz-Algorithm",
    b"X-Amz-Credential",
    b"X-Amz-Signature",
    b"X-Amz-SignedHeaders",
    b"X-Amz-Date",
)


@valueclass(frozen=True, slots=True)
class Claim:
    """A signature as the request states it. Nothing in it is verified."""

    algorithm: bytes
    credential: bytes
    signed_headers: bytes
    signature: bytes = field(repr=False)
    timestamp: bytes
    token: bytes | None = field(repr=False)
    query: bytes = field(repr=False)
    """The canonical query, without the signature itself."""
    expires_s: int | None = None
    """How long a presigned URL says it is valid; None in the header form."""


def read_claim(fields: dict[bytes, bytes], pairs: list[tuple[bytes, bytes]], *, is_twice: bool) -> Claim:
    """The one claim of a request. Raises CallerError when there is none, more than one, or it is incomplete."""
    authorization = fields.get(b"authorization")
    in_query = any(name == b"X-Amz-Algorithm" for name, _ in pairs)
    if authorization is not None and in_query:
        raise refusals.both_forms()
    if in_query:
        return _from_query(fields, pairs)
    if not authorization:
        raise refusals.missing_token()
    if is_twice:
        raise refusals.two_headers(authorization)
    return _from_header(authorization, fields, pairs)


def _from_header(authorization: bytes, fields: dict[bytes, bytes], pairs: list[tuple[bytes, bytes]]) -> Claim:
    algorithm, _, rest = authorization.strip().partition(b" ")
    found: dict[bytes, bytes] = {}
    for part in rest.split(b",") if rest.strip() else ():
        name, equal, value = part.strip().partition(b"=")
        if not equal or b" " in name:
            raise refusals.not_key_value(authorization)
        found[name] = value
    timestamp = fields.get(b"x-amz-date", fields.get(b"date"))
    missing = [name.decode() for name in _REQUIRED if name not in found]
    if missing or timestamp is None:
        raise refusals.incomplete_header(missing + ["Date"] * (timestamp is None), authorization)
    return Claim(
        algorithm,
        found[b"Credential"],
        found[b"SignedHeaders"],
        found[b"Signature"],
        timestamp,
        fields.get(b"x-amz-security-token") or None,
        canonical_query(pairs),
    )


def _from_query(fields: dict[bytes, bytes], pairs: list[tuple[bytes, bytes]]) -> Claim:
    found: dict[bytes, bytes] = {}
    for name, value in pairs:
        found.setdefault(name, value)
    missing = [name.decode() for name in _REQUIRED_IN_QUERY if name not in found]
    if missing:
        raise refusals.incomplete_query(missing)
    expires = found.get(b"X-Amz-Expires")
    return Claim(
        found[b"X-Amz-Algorithm"],
        found[b"X-Amz-Credential"],
        found[b"X-Amz-SignedHeaders"],
        found[b"X-Amz-Signature"],
        found[b"X-Amz-Date"],
        _one_token(found.get(b"X-Amz-Security-Token"), fields.get(b"x-amz-security-token") or None),
        canonical_query([pair for pair in pairs if pair[0] != b"X-Amz-Signature"]),
        None if expires is None else _seconds(expires),
    )


def _one_token(in_query: bytes | None, in_header: bytes | None) -> bytes | None:
    if in_query is not None and in_header is not None and in_query != in_header:
        raise refusals.invalid_token("the session token in the query is not the one in the header; send one")
    return in_header if in_query is None else in_query


def _seconds(value: bytes) -> int:
    if not value.isdigit() or len(value) > 20:
        negative = value[:1] == b"-" and value[1:].isdigit()
        text = "X-Amz-Expires must be non-negative" if negative else "X-Amz-Expires should be a number"
        raise refusals.bad_expires(text, value)
    if int(value) > EXPIRES_MAX_S:
        text = "X-Amz-Expires must be less than a week (in seconds) that is 604800"
        raise refusals.bad_expires(text, value)
    return int(value)


def flaw_of(signed_headers: bytes) -> str:
    """Why a list of signed headers can match no signature of AWS's; empty when it can."""
    names = signed_headers.split(b";")
    if b"authorization" in names:
        return "SignedHeaders names authorization, which holds the signature itself; leave it out"
    if any(_NAME.fullmatch(name) is None for name in names):
        return "SignedHeaders must be header names in lower case with ; between them"
    if any(left >= right for left, right in pairwise(names)):
        return "SignedHeaders must be sorted, each name once"
    return ""


def payload_flaw(claimed: bytes) -> str:
    """Why `x-amz-content-sha256` cannot be accepted; empty when it is a hash."""
    if len(claimed) == 64 and not claimed.translate(None, b"0123456789abcdef"):
        return ""
    if claimed.startswith((b"UNSIGNED-PAYLOAD", b"STREAMING-")):
        kind = claimed.decode("utf-8", "replace")[:60]
        return f"x-amz-content-sha256 is {kind}, which SageMaker Runtime does not take; sign the SHA-256 of the body"
    return "x-amz-content-sha256 must be the SHA-256 of the body, 64 lower-case hexadecimal digits"


@valueclass(frozen=True, slots=True)
class Scope:
    """The five parts of a Credential."""

    access_key_id: str
    date: bytes
    region: bytes
    service: bytes
    terminator: bytes

    @property
    def signed(self) -> bytes:
        """The scope as it stands in the string to sign."""
        return b"/".join((self.date, self.region, self.service, self.terminator))


def split_credential(credential: bytes) -> Scope | None:
    """The parts of a Credential; None when there are not five. One slash at the end is ignored, as on AWS."""
    parts = credential.removesuffix(b"/").split(b"/")
    return Scope(parts[0].decode("utf-8", "replace"), *parts[1:]) if len(parts) == 5 else None


def is_supported(algorithm: bytes) -> bool:
    return algorithm == ALGORITHM
