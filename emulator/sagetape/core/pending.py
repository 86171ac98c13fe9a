"""The second half of a verification: what waits for the body.

Decides whether the signature fits the hash of the body that arrived. Refuses to remember: a `Pending` is one request,
used once. Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.
"""

from __future__ import annotations

from binascii import hexlify
from dataclasses import replace
from hashlib import sha256
from hmac import compare_digest

from . import auth_refusals as refusals
from .canonical import ALGORITHM
from .errors import CallerError
from .grants import Grant, Identity
from .mismatch import Evidence, explain
from .signing import string_to_sign


class Pending:
    """A request whose head was accepted; its body is still to come. Use once."""

    __slots__ = ("_claimed", "_evidence", "_grant", "_head", "_identity", "_is_long", "_level")

    def __init__(
        self, identity: Identity, grant: Grant, head: bytes, evidence: Evidence, level: str, is_long: bool, /
    ) -> None:
        # By position: one is made for each request, and names would be a tenth of its cost.
        self._identity = identity
        self._grant = grant
        self._head = head
        self._evidence = evidence
        self._level = level
        self._is_long = is_long
        self._claimed: bytes | None = None

    def claim(self, body_sha256_hex: bytes) -> None:
        """Verify the signature at once with the hash that the caller stated; only the hash is left for `finish`."""
        if not self._has_signed(body_sha256_hex):
            raise self._refusal(body_sha256_hex)
        self._claimed = body_sha256_hex

    def finish(self, body_sha256_hex: bytes) -> Identity:
        """Verify with the hash of the real body, 64 lower-case hexadecimal digits. Raises CallerError on a mismatch."""
        if self._claimed is None:
            if self._has_signed(body_sha256_hex):
                return self._identity
        elif self._claimed == body_sha256_hex:
            return self._identity
        refusal = self._refusal(body_sha256_hex)
        if self._level == "strict":
            raise refusal
        return replace(self._identity, warnings=(*self._identity.warnings, refusals.as_warning(refusal)))

    def _has_signed(self, body_sha256_hex: bytes) -> bool:
        # Written out (`Grant.has_made`, `string_to_sign`): calls are a quarter of what a verification costs.
        grant, (_, _, _, timestamp, signature) = self._grant, self._evidence
        digest = hexlify(sha256(self._head + body_sha256_hex).digest())
        text = b"\n".join((ALGORITHM, timestamp, grant.scope, digest))
        if compare_digest(hexlify(grant.state.sign(text)), signature):
            return True
        return bool(grant.others) and grant.has_made(signature, text)

    def _refusal(self, body_sha256_hex: bytes) -> CallerError:
        if self._claimed is not None:
            reason = (
                "the body is not the one that was signed: its SHA-256 is not x-amz-content-sha256; send it unchanged"
            )
        else:
            reason = explain(self._evidence, grant=self._grant, body_sha256_hex=body_sha256_hex)
        canonical = self._head + body_sha256_hex if self._is_long else None
        digest = sha256(self._head + body_sha256_hex).hexdigest()
        text = string_to_sign(self._evidence[3], self._grant.scope, digest)
        return refusals.mismatch(reason, canonical=canonical, text_to_sign=text)


class Settled(Pending):
    """Nothing is left to verify: `off`, or a refusal that `lenient` turned into a warning."""

    __slots__ = ()

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    def finish(self, body_sha256_hex: bytes) -> Identity:
        return self._identity
