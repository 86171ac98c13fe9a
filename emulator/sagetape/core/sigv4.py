"""Verifies Signature Version 4 as the front end of SageMaker Runtime does.

Decides whether a request was signed by a key that the emulator knows, in the order in which AWS looks: syntax, clock,
scope, key and token, expired session, signature. Refuses to guess: the Host header counts as received, the path as
its raw bytes, a claimed body hash only if the body has it. It keeps derived keys, never verdicts.

Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html; the order was asked of AWS in 2026 by
justincormack/argmin (sts_oracle.rs). Routing must refuse or resolve dot segments as `canonical_path` does: the names
`.` and `..` sign another path than they send.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Literal
from urllib.parse import unquote_to_bytes

from . import auth_refusals as refusals
from .authorization import Claim, Scope, flaw_of, is_supported, payload_flaw, read_claim, split_credential
from .canonical import (
    TERMINATOR,
    MalformedQuery,
    MalformedTarget,
    canonical_line,
    canonical_path,
    fields_of,
    format_timestamp,
    parse_query,
    parse_timestamp,
    split_target,
)
from .errors import CallerError
from .grants import Grant, Grants, Identity, remember
from .keyring import usable_keys
from .mismatch import Evidence
from .pending import Pending, Settled
from .signing import Key
from .wire import HeaderPairs

__all__ = ["Identity", "Key", "Level", "MismatchText", "Pending", "Verifier"]

Level = Literal["strict", "lenient", "off"]
MismatchText = Literal["long", "short"]

WINDOW_S = (
    300  # five minutes on today's JSON front ends (serverless/serverless#27, aws-samples/bedrock-access-gateway#163)
)
PATH_MAX_BYTES = 512
_SIGNATURE_LAST = re.compile(rb"[ ,]Signature=\Z")
NO_PAIRS: list[tuple[bytes, bytes]] = []
_CREDENTIAL = re.compile(rb"Credential=([^/,\s]*)/[^/,\s]*/([^/,\s]*)/")
_METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, token
_REGION = re.compile(rb"[a-z0-9-]{1,64}")
_AWS_HOST = re.compile(rb"runtime(?:-fips)?\.sagemaker(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws\.com|api\.aws)")


class Verifier:
    """Verifies requests against the keys that `find_keys` knows.

    `find_keys` gives every key of an access key id; it is asked for each request, so keys may come and go.
    `regions` None takes any region that agrees with an AWS host name in the request. `window_s` is the clock window in
    seconds, both edges included. `level` `lenient` checks form, scope and clock, and turns what `strict` would refuse
    after that into warnings; `off` checks nothing. `must_sign_all` refuses `x-amz-*` and `x-amzn-sagemaker-*`
    headers that were left unsigned, which AWS serves. `keys_hint` is what a caller with an unknown key is told to try.
    """

    def __init__(
        self,
        find_keys: Callable[[str], Sequence[Key]],
        *,
        service: str = "sagemaker",
        regions: frozenset[str] | None = None,
        window_s: int = WINDOW_S,
        mismatch_text: MismatchText = "long",
        level: Level = "strict",
        must_sign_all: bool = False,
        keys_hint: str = refusals.KEYS_HINT,
    ) -> None:
        self._find_keys = find_keys
        self._service = service.encode()
        self._regions = regions
        self._window_s = window_s
        self._is_long = mismatch_text == "long"
        self._level = level
        self._must_sign_all = must_sign_all
        self._keys_hint = keys_hint if level == "strict" else ""
        self._grants = Grants()
        self._instants: dict[bytes, int] = {}
        self._lines: dict[bytes, bytes] = {}
        """Canonical lines of POST requests without a query, by target."""

    def begin(
        self,
        method: str,
        target: bytes,
        headers: HeaderPairs,
        now: float,
        *,
        fields: dict[bytes, bytes] | None = None,
    ) -> Pending:
        """Check everything that needs no body. `target` and `headers` as received, `now` in Unix seconds.

        `fields` are `fields_of(headers)`, of a caller who has them already. Raises CallerError with AWS's answer, and
        nothing else, whatever the bytes are.
        """
        if self._level == "off":
            return Settled(_unverified(target, headers))
        if fields is None:
            fields = fields_of(headers)
        line, pairs = self._lines.get(target), NO_PAIRS
        if line is None or method != "POST":
            line, pairs = self._read_target(method, target)
        grant = None if pairs else self._recall(fields, now)
        if grant is None:
            return self._begin_anew(method, target, headers, now=now, fields=fields, line=line, pairs=pairs)
        evidence = method, target, fields, fields[b"x-amz-date"], fields[b"authorization"][-64:]
        try:
            return self._open(grant, evidence, line)
        except CallerError as refusal:
            return self._unless_strict(refusal, grant.identity)

    def _begin_anew(
        self,
        method: str,
        target: bytes,
        headers: HeaderPairs,
        *,
        now: float,
        fields: dict[bytes, bytes],
        line: bytes,
        pairs: list[tuple[bytes, bytes]],
    ) -> Pending:
        """The long way, of a caller who is not known: every check, in AWS's order."""
        claim = read_claim(fields, pairs, is_twice=_is_twice(headers, b"authorization"))
        self._check_clock(claim, now)
        scope = self._check_scope(claim, fields.get(b"host", b""))
        identity = _claimed_identity(scope, claim)
        if pairs:
            line = line[:-1] + claim.query + b"\n"
        evidence = method, target, fields, claim.timestamp, claim.signature
        try:
            grant = self._admit(claim, scope, authorization=fields.get(b"authorization", b""), now=now)
            return self._open(grant, evidence, line)
        except CallerError as refusal:
            return self._unless_strict(refusal, identity)

    def _unless_strict(self, refusal: CallerError, identity: Identity) -> Pending:
        if self._level == "strict":
            raise refusal
        return Settled(replace(identity, warnings=(refusals.as_warning(refusal),)))

    def _read_target(self, method: str, target: bytes) -> tuple[bytes, list[tuple[bytes, bytes]]]:
        """The canonical line without its query, and the decoded query; a plain line is remembered."""
        if _METHOD.fullmatch(method) is None:
            raise refusals.malformed_target("the method is not a token")
        try:
            raw_path, query = split_target(target)
            path, pairs = canonical_path(raw_path), parse_query(query)
        except MalformedTarget as fault:
            raise refusals.malformed_target(str(fault)) from None
        except MalformedQuery as fault:
            raise refusals.malformed_query(str(fault)) from None
        line = canonical_line(method, path, b"")
        if not pairs and method == "POST" and len(target) <= PATH_MAX_BYTES:
            remember(self._lines, target, line)
        return line, pairs

    def _recall(self, fields: dict[bytes, bytes], now: float) -> Grant | None:
        """A grant made before, if it still holds; None at the slightest doubt, and the long way gives the answer."""
        authorization, timestamp = fields.get(b"authorization"), fields.get(b"x-amz-date")
        if authorization is None or timestamp is None:
            return None
        grant = self._grants.get((authorization[:-64], fields.get(b"x-amz-security-token") or None))
        if grant is None:
            return None
        issued = self._instants.get(timestamp)
        if issued is None and (issued := self._instant(timestamp)) is None:
            return None
        if timestamp[:8] != grant.date or abs(int(now) - issued) > self._window_s:
            return None
        if grant.expires is not None and grant.expires <= now:
            return None
        known = self._find_keys(grant.access_key_id)
        if known != grant.known and tuple(known) != grant.known:
            return None
        if self._regions is None and fields.get(b"host", b"").startswith(b"runtime"):
            return None
        return grant

    def _instant(self, timestamp: bytes) -> int | None:
        """Unix seconds of a timestamp, remembered: most requests share one with the request before."""
        issued = parse_timestamp(timestamp)
        if issued is not None:
            remember(self._instants, timestamp, issued)
        return issued

    def _check_clock(self, claim: Claim, now: float) -> None:
        issued = parse_timestamp(claim.timestamp)
        if issued is None:
            raise refusals.bad_date(claim.timestamp)
        now_s, date = int(now), claim.timestamp.decode()
        allowed_s = self._window_s if claim.expires_s is None else claim.expires_s
        if now_s - issued > allowed_s:
            limit, late_s = format_timestamp(now_s - allowed_s), now_s - issued - allowed_s
            raise refusals.expired_signature(
                date, limit=limit, now=format_timestamp(now_s), allowed_s=allowed_s, late_s=late_s
            )
        if issued - now_s > self._window_s:
            limit, early_s = format_timestamp(now_s + self._window_s), issued - now_s - self._window_s
            raise refusals.early_signature(
                date, limit=limit, now=format_timestamp(now_s), allowed_s=self._window_s, early_s=early_s
            )

    def _check_scope(self, claim: Claim, host: bytes) -> Scope:
        """Host signed, algorithm, five parts, and what the parts say; the order is mhart/dynalite's of AWS."""
        if b"host" not in claim.signed_headers.lower().split(b";"):
            raise refusals.host_not_signed()
        if not is_supported(claim.algorithm):
            raise refusals.other_algorithm(claim.algorithm)
        scope = split_credential(claim.credential)
        if scope is None:
            raise refusals.bad_credential(claim.credential)
        faults = [*self._region_faults(scope.region, host), *_scope_faults(scope, self._service, claim.timestamp)]
        if faults:
            raise refusals.bad_scope([said for said, _ in faults], [reason for _, reason in faults])
        return scope

    def _region_faults(self, region: bytes, host: bytes) -> Iterator[tuple[str, str]]:
        shown = region[:64].decode("utf-8", "replace")
        if self._regions is not None:
            valid, wanted = shown in self._regions, " or ".join(sorted(self._regions))
        else:
            in_host = _AWS_HOST.match(host)
            wanted = in_host[1].decode() if in_host else "a name like us-east-1"
            valid = in_host[1] == region if in_host else _REGION.fullmatch(region) is not None
        if not valid:
            yield (
                "Credential should be scoped to a valid region.",
                f"the region of the signature is {shown!r}, expected {wanted}; set AWS_REGION or the emulator's region",
            )

    def _admit(self, claim: Claim, scope: Scope, *, authorization: bytes, now: float) -> Grant:
        """Key, token and expiry; then a grant, kept for the next request when it is of the usual form."""
        flaw = flaw_of(claim.signed_headers)
        keys = tuple(self._find_keys(scope.access_key_id))
        usable = usable_keys(keys, claim.token, access_key_id=scope.access_key_id, now=now, hint=self._keys_hint)
        if flaw:
            raise refusals.mismatch(flaw)
        grant = Grant(usable, known=keys, scope=scope.signed, signed_headers=claim.signed_headers)
        prefix = authorization[:-64]
        if _SIGNATURE_LAST.search(prefix) and len(claim.signature) == 64 and authorization.endswith(claim.signature):
            remember(self._grants, (prefix, claim.token), grant)
        return grant

    def _open(self, grant: Grant, evidence: Evidence, line: bytes) -> Pending:
        """The canonical request up to its last line; with a claimed hash, the signature too."""
        fields = evidence[2]
        claimed = fields.get(b"x-amz-content-sha256")
        try:
            head = grant.head(line, fields)
        except KeyError as absent:
            name = absent.args[0].decode("latin-1")
            raise refusals.mismatch(f"SignedHeaders names {name}, which the request does not have; send it") from None
        if claimed is None and grant.harmless.issuperset(fields):
            return Pending(grant.identity, grant, head, evidence, self._level, self._is_long)
        if claimed is not None and (flaw := payload_flaw(claimed)):
            raise refusals.mismatch(flaw)
        unsigned = () if grant.harmless.issuperset(fields) else grant.unsigned(fields)
        if unsigned and self._must_sign_all:
            raise refusals.mismatch(f"unsigned headers: {', '.join(unsigned)}; sign them, or allow unsigned headers")
        identity = replace(grant.identity, warnings=_unsigned_warnings(unsigned)) if unsigned else grant.identity
        pending = Pending(identity, grant, head, evidence, self._level, self._is_long)
        if claimed is not None:
            pending.claim(claimed)
        return pending


def _unverified(target: bytes, headers: HeaderPairs) -> Identity:
    """Key id and region as stated, unchecked, for texts and ARNs; empty when nothing is stated."""
    stated = b" ".join([value for name, value in headers if name.lower() == b"authorization"])
    found = _CREDENTIAL.search(stated) or _CREDENTIAL.search(unquote_to_bytes(target))
    if found is None:
        return Identity("", "", False)
    return Identity(found[1].decode("utf-8", "replace"), found[2].decode("utf-8", "replace"), False)


def _claimed_identity(scope: Scope, claim: Claim) -> Identity:
    return Identity(scope.access_key_id, scope.region.decode("utf-8", "replace"), claim.token is not None)


def _is_twice(headers: HeaderPairs, name: bytes) -> bool:
    return sum(key.lower() == name for key, _ in headers) > 1


def _scope_faults(scope: Scope, service: bytes, timestamp: bytes) -> Iterator[tuple[str, str]]:
    """What is wrong with service, terminator and date: AWS's sentence and ours, for each."""
    if scope.service != service:
        wanted = service.decode()
        yield (
            f"Credential should be scoped to correct service: '{wanted}'.",
            f"the service of the signature is {_shown(scope.service)!r}; sign for {wanted!r}",
        )
    if scope.terminator != TERMINATOR:
        shown = _shown(scope.terminator)
        yield (
            f"Credential should be scoped with a valid terminator: 'aws4_request', not '{shown}'.",
            f"the scope of the signature ends with {shown!r}; it must end with 'aws4_request'",
        )
    if scope.date != timestamp[:8]:
        dates = f"'{_shown(scope.date)}' != '{_shown(timestamp[:8])}'"
        yield (
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP:"
            f" {dates}, from '{_shown(timestamp)}'.",
            f"the date of the scope and of X-Amz-Date differ: {dates}; derive the key from the date sent",
        )


def _shown(value: bytes) -> str:
    return value[:64].decode("utf-8", "replace")


def _unsigned_warnings(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"header {name} was not signed; anybody on the way could have added it" for name in names)
