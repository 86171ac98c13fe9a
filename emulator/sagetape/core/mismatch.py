"""Says why a signature probably does not fit, by trying what signers commonly get wrong.

Decides one sentence for people. Never accepts anything: it is asked only after a request was refused.

Source of the mistakes: a path escaped once (BerriAI/litellm#15788, higress#3590), the body left out,
`UNSIGNED-PAYLOAD`, a host that a proxy or an endpoint override changed (DavidMuller/aws-requests-auth#33).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from .canonical import EMPTY_SHA256, canonical_line, canonical_path, canonical_query, parse_query, split_target
from .grants import Grant
from .signing import string_to_sign

Evidence: TypeAlias = tuple[str, bytes, dict[bytes, bytes], bytes, bytes]
"""The head of a request, kept until its body has arrived: method, target, fields, timestamp, signature."""


class _Variant(NamedTuple):
    reason: str
    path: bytes
    query: bytes
    host: bytes
    payload: bytes


def explain(evidence: Evidence, *, grant: Grant, body_sha256_hex: bytes) -> str:
    """One sentence: the mistake whose correction would make the signature fit, else what was signed."""
    for variant in _variants(evidence, grant, body_sha256_hex):
        if _fits(variant, evidence, grant):
            return variant.reason
    names = ", ".join(name.decode("latin-1") for name in grant.names)
    return (
        f"either the secret of {grant.access_key_id} differs from the emulator's, or one of the signed parts"
        f" changed after signing: method, path, query, body, headers {names}; compare the canonical"
        f" string with the caller's"
    )


def _variants(evidence: Evidence, grant: Grant, payload: bytes) -> Iterator[_Variant]:
    _, target, fields, _, _ = evidence
    raw_path, raw_query = split_target(target)
    path = canonical_path(raw_path)
    pairs = [pair for pair in parse_query(raw_query) if pair[0] != b"X-Amz-Signature"]
    query = canonical_query(pairs)
    host = fields.get(b"host", b"")
    once = "the signature fits the path escaped once; SageMaker takes the sent path escaped again (%3A becomes %253A)"
    yield _Variant(once, raw_path, query, host, payload)
    if query:
        yield _Variant("the signature fits without the query; sign the query too", path, b"", host, payload)
        yield _Variant(
            "the signature fits the query in the order sent; sort it by name", path, raw_query, host, payload
        )
    yield _Variant(
        "the signature fits an empty body; sign the SHA-256 of the body sent", path, query, host, EMPTY_SHA256
    )
    unsigned = "the signature fits UNSIGNED-PAYLOAD, which SageMaker does not take; sign the SHA-256 of the body"
    yield _Variant(unsigned, path, query, host, b"UNSIGNED-PAYLOAD")
    for other in _hosts(host, grant):
        seen, signed = host.decode("latin-1"), other.decode("latin-1")
        reason = f"the signature fits host {signed}, the request came with {seen}; sign the Host header that is sent"
        yield _Variant(reason, path, query, other, payload)


def _hosts(host: bytes, grant: Grant) -> Iterator[bytes]:
    name, _, port = host.partition(b":")
    region = grant.scope.split(b"/")[1]
    yield name
    yield host.lower()
    yield name + b":443"
    yield b"runtime.sagemaker." + region + b".amazonaws.com"
    for local in (b"localhost", b"127.0.0.1", b"[::1]"):
        yield local
        yield local + b":" + port


def _fits(variant: _Variant, evidence: Evidence, grant: Grant) -> bool:
    method, _, fields, timestamp, signature = evidence
    fields = {**fields, b"host": variant.host}
    canonical = grant.head(canonical_line(method, variant.path, variant.query), fields) + variant.payload
    text = string_to_sign(timestamp, grant.scope, hashlib.sha256(canonical).hexdigest())
    return grant.has_made(signature, text)
