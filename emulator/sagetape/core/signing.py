"""Keys of Signature Version 4, and the emulator's own signer for requests that it sends on.

Decides which headers make a forwarded request valid under the emulator's credentials. Refuses to change what it
signs: the path, the headers and the body's hash are signed exactly as given, and must be sent exactly so. Headers of
the caller's own signature must be gone before (`is_of_signature` names them).

Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import field
from typing import Protocol

from .canonical import (
    ALGORITHM,
    TERMINATOR,
    canonical_path,
    canonical_query,
    canonical_value,
    fields_of,
    format_timestamp,
    parse_query,
    split_target,
)
from .values import valueclass
from .wire import RawHeaders

# Names a signer leaves out because hops between may change them (botocore/auth.py, SIGNED_HEADERS_BLACKLIST).
UNSIGNED = frozenset(
    (
        *(b"baggage", b"connection", b"expect", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"te"),
        *(b"traceparent", b"tracestate", b"trailer", b"transfer-encoding", b"upgrade", b"user-agent"),
        *(b"x-amzn-trace-id", b"content-length"),
    )
)
_OF_SIGNATURE = frozenset(
    (
        *(b"authorization", b"date", b"x-amz-date", b"x-amz-security-token", b"x-amz-content-sha256"),
        b"x-amz-region-set",
    )
)


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...
    def copy(self) -> _Hash: ...


@valueclass(frozen=True, slots=True)
class Key:
    """A pair of keys, temporary when it has a token. `expires` is in Unix seconds; None never expires."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    expires: float | None = None


class KeyState:
    """A derived signing key, held as the two hash states an HMAC starts from (RFC 2104).

    Copying two SHA-256 states costs less than half of what any keyed HMAC object of the standard library costs.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, signing_key: bytes) -> None:
        block = signing_key.ljust(64, b"\0")
        self._inner: _Hash = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer: _Hash = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def sign(self, text: bytes) -> bytes:
        """The 32 bytes of HMAC-SHA256 over the string to sign."""
        inner = self._inner.copy()
        inner.update(text)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()


def derive_key(secret: str, date: bytes, *, region: bytes, service: bytes) -> KeyState:
    """The signing key of one day, region and service; `date` is `YYYYMMDD`."""
    key = b"AWS4" + secret.encode("utf-8", "surrogatepass")
    for part in (date, region, service, TERMINATOR):
        key = hmac.digest(key, part, "sha256")
    return KeyState(key)


def string_to_sign(timestamp: bytes, scope: bytes, canonical_sha256_hex: str) -> bytes:
    """The four lines that are signed."""
    return b"AWS4-HMAC-SHA256\n%b\n%b\n%b" % (timestamp, scope, canonical_sha256_hex.encode())


def is_of_signature(name: bytes) -> bool:
    """Whether a header (any case) belongs to a signature and must not survive into a request that is signed anew."""
    return name.lower() in _OF_SIGNATURE


@valueclass(frozen=True, slots=True)
class Signature:
    """What was signed, step by step, and the headers to add to the request."""

    canonical_request: bytes = field(repr=False)
    string_to_sign: bytes = field(repr=False)
    headers: RawHeaders = field(repr=False)


def sign(
    method: str,
    target: bytes,
    *,
    headers: RawHeaders,
    body_sha256_hex: bytes,
    key: Key,
    region: str,
    now: float,
    service: str = "sagemaker",
) -> Signature:
    """Sign a request that will be sent exactly as given, plus the headers returned.

    `headers` must hold `host` and none that `is_of_signature`; `now` is Unix seconds at the time of sending (sign each
    retry anew). The returned headers are `X-Amz-Date`, `X-Amz-Security-Token` for a temporary key, and
    `Authorization`. Raises ValueError when the host is missing or a stale signature header is there, and
    `MalformedTarget` or `MalformedQuery` for a target that AWS could not read.
    """
    fields = fields_of(headers)
    if b"host" not in fields or not _OF_SIGNATURE.isdisjoint(fields):
        raise ValueError("sign() needs a host header and none of an earlier signature; strip them before signing")
    timestamp = format_timestamp(now).encode()
    added = [(b"X-Amz-Date", timestamp)]
    if key.session_token is not None:
        added.append((b"X-Amz-Security-Token", key.session_token.encode("utf-8", "surrogatepass")))
    fields.update((name.lower(), value) for name, value in added)
    names = sorted(fields.keys() - UNSIGNED)
    canonical = _canonical_request(method, target, fields=fields, names=names, body_sha256_hex=body_sha256_hex)
    scope = b"/".join((timestamp[:8], region.encode(), service.encode(), TERMINATOR))
    text = string_to_sign(timestamp, scope, hashlib.sha256(canonical).hexdigest())
    state = derive_key(key.secret_access_key, timestamp[:8], region=region.encode(), service=service.encode())
    credential = key.access_key_id.encode("utf-8", "surrogatepass") + b"/" + scope
    parts = (b"Credential=" + credential, b"SignedHeaders=" + b";".join(names))
    signed = b", ".join((*parts, b"Signature=" + state.sign(text).hex().encode()))
    added.append((b"Authorization", ALGORITHM + b" " + signed))
    return Signature(canonical, text, tuple(added))


def _canonical_request(
    method: str, target: bytes, *, fields: dict[bytes, bytes], names: list[bytes], body_sha256_hex: bytes
) -> bytes:
    path, query = split_target(target)
    block = b"".join([name + b":" + canonical_value(fields[name]) + b"\n" for name in names])
    query = canonical_query(parse_query(query))
    return b"\n".join((method.encode(), canonical_path(path), query, block, b";".join(names), body_sha256_hex))
