"""Requests that must be refused, each with the error that AWS gives; a row is one request."""
# ruff: noqa: E501 - a row of a table is a line

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sigv4_requests import (
    EXPIRED,
    KEYS,
    LONG,
    OTHER_SESSION,
    TEMPORARY,
    UNKNOWN,
    Made,
    add,
    bad,
    bits,
    check,
    drop,
    edit,
    make,
    presign,
    put,
    sent,
    signature,
    stamp,
)

from sagetape.core.errors import CallerError
from sagetape.core.sigv4 import Verifier

HASH = hashlib.sha256(b"{}").hexdigest()
CLAIM = [("x-amz-content-sha256", HASH)]
MODEL = [("X-Amzn-SageMaker-Target-Model", "m")]
INVALID, INCOMPLETE = "InvalidSignatureException", "IncompleteSignatureException"
MISSING, UNRECOGNIZED = "MissingAuthenticationTokenException", "UnrecognizedClientException"
EXPIRED_TOKEN, BAD_QUERY, NO_BODY = "ExpiredTokenException", "MalformedQueryString", ""
MISMATCH = "The request signature we calculated does not match"
REGION = "Credential should be scoped to a valid region. "
SERVICE = "Credential should be scoped to correct service: 'sagemaker'. "
TOKEN_INVALID = "The security token included in the request is invalid."
OWN_KEYS = ("Signature", "Credential", "SignedHeaders")

Row = tuple[str, Callable[[], Made], str, str]


def unhashed(literal: str) -> Callable[[], Made]:
    return lambda: make(extra=[("x-amz-content-sha256", literal)], payload=literal)


def without(part: str) -> Callable[[], Made]:
    """The Authorization header without one of its parameters."""

    def build() -> Made:
        made = make()
        scheme, _, rest = bits(made).partition(" ")
        kept = [text for text in rest.split(", ") if not text.startswith(part + "=")]
        return put(made, "Authorization", f"{scheme} {', '.join(kept)}")

    return build


BODY: list[Row] = [
    ("body-bit-flipped", lambda: replace(make(), body=b"{|"), INVALID, MISMATCH),
    ("body-appended", lambda: replace(make(), body=b"{} "), INVALID, MISMATCH),
    ("body-emptied", lambda: replace(make(), body=b""), INVALID, MISMATCH),
    ("body-added", lambda: replace(make(body=b""), body=b"{}"), INVALID, MISMATCH),
    ("body-swapped-under-a-right-header", lambda: replace(make(extra=CLAIM), body=b"[]"), INVALID, MISMATCH),
    ("body-hash-of-another", lambda: put(make(extra=CLAIM), "x-amz-content-sha256", "0" * 64), INVALID, MISMATCH),
    ("body-hash-upper-case", unhashed(HASH.upper()), INVALID, MISMATCH),
    ("body-hash-63-digits", unhashed(HASH[:63]), INVALID, MISMATCH),
    ("body-hash-empty", unhashed(""), INVALID, MISMATCH),
    ("body-hash-not-hex", unhashed("g" * 64), INVALID, MISMATCH),
    ("body-hash-twice", lambda: make(extra=CLAIM * 2), INVALID, MISMATCH),
    ("body-unsigned-payload", unhashed("UNSIGNED-PAYLOAD"), INVALID, MISMATCH),
    (
        "body-unsigned-payload-header-real-hash-signed",
        lambda: make(extra=[("x-amz-content-sha256", "UNSIGNED-PAYLOAD")]),
        INVALID,
        MISMATCH,
    ),
    ("body-unsigned-payload-without-header", lambda: make(payload="UNSIGNED-PAYLOAD"), INVALID, MISMATCH),
    ("body-streaming", unhashed("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), INVALID, MISMATCH),
    ("body-streaming-trailer", unhashed("STREAMING-UNSIGNED-PAYLOAD-TRAILER"), INVALID, MISMATCH),
    ("body-streaming-events", unhashed("STREAMING-AWS4-HMAC-SHA256-EVENTS"), INVALID, MISMATCH),
    ("body-streaming-ecdsa", unhashed("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"), INVALID, MISMATCH),
]

HEADERS: list[Row] = [
    ("header-removed", lambda: drop(make(extra=MODEL), MODEL[0][0]), INVALID, MISMATCH),
    ("header-changed", lambda: put(make(extra=MODEL), MODEL[0][0], "n"), INVALID, MISMATCH),
    ("header-duplicated", lambda: add(make(extra=MODEL), *MODEL[0]), INVALID, MISMATCH),
    ("header-emptied", lambda: put(make(extra=MODEL), MODEL[0][0], ""), INVALID, MISMATCH),
    (
        "header-reordered-among-duplicates",
        lambda: add(drop(make(extra=[("A", "1"), ("A", "2")]), "A"), "A", "2,1"),
        INVALID,
        MISMATCH,
    ),
    ("header-signed-and-absent", lambda: make(names=["absent", "host", "x-amz-date"]), INVALID, MISMATCH),
    ("header-host-not-signed", lambda: make(names=["x-amz-date"]), INVALID, "'Host' or ':authority' must be"),
    ("header-authority-for-host", lambda: make(names=[":authority", "x-amz-date"]), INVALID, "'Host' or ':auth"),
    ("header-names-empty", lambda: make(names=[]), INVALID, "'Host' or ':authority' must be"),
    ("header-host-changed", lambda: put(make(), "Host", "127.0.0.1:7244"), INVALID, MISMATCH),
    ("header-host-upper-case", lambda: put(make(host="localhost:1"), "Host", "LOCALHOST:1"), INVALID, MISMATCH),
    ("header-host-with-443", lambda: put(make(host="h"), "Host", "h:443"), INVALID, MISMATCH),
    ("header-host-without-port", lambda: put(make(), "Host", "127.0.0.1"), INVALID, MISMATCH),
    ("header-host-twice", lambda: add(make(), "Host", "evil"), INVALID, MISMATCH),
    ("header-host-missing", lambda: drop(make(), "Host"), INVALID, MISMATCH),
    ("header-forwarded-host", lambda: add(put(make(), "Host", "p"), "X-Forwarded-Host", "127.0.0.1:7243"), INVALID, ""),
    ("names-unsorted", lambda: make(names=["x-amz-date", "host"]), INVALID, MISMATCH),
    ("names-upper-case", lambda: make(names=["Host", "X-Amz-Date"]), INVALID, MISMATCH),
    ("names-duplicated", lambda: make(names=["host", "host", "x-amz-date"]), INVALID, MISMATCH),
    ("names-with-authorization", lambda: make(names=["authorization", "host"]), INVALID, MISMATCH),
    ("names-with-an-empty-one", lambda: make(names=["", "host"]), INVALID, MISMATCH),
    ("names-with-a-space", lambda: edit(make(), "content-type;", "content-type ;"), INVALID, MISMATCH),
    ("names-fewer-than-signed", lambda: edit(make(), "content-type;host", "host"), INVALID, MISMATCH),
    ("names-more-than-signed", lambda: add(edit(make(), ";host", ";ha;host"), "ha", "1"), INVALID, MISMATCH),
    ("header-line-break-inside", lambda: put(make(extra=MODEL), MODEL[0][0], "m\nx-evil:1"), INVALID, MISMATCH),
]

AUTHORIZATION: list[Row] = [
    ("auth-none", lambda: drop(make(), "Authorization"), MISSING, "Missing Authentication Token"),
    ("auth-empty", lambda: put(make(), "Authorization", ""), MISSING, "Missing Authentication Token"),
    ("auth-bearer", lambda: put(make(), "Authorization", "Bearer abc"), INCOMPLETE, "Invalid key=value pair"),
    ("auth-bearer-alone", lambda: put(make(), "Authorization", "Bearer"), INCOMPLETE, "requires 'Credential'"),
    ("auth-basic", lambda: put(make(), "Authorization", "Basic dXNlcg"), INCOMPLETE, "Invalid key=value pair"),
    ("auth-basic-padded", lambda: put(make(), "Authorization", "Basic dXNlcg=="), INCOMPLETE, "requires 'Credential'"),
    ("auth-sigv2", lambda: put(make(), "Authorization", "AWS AKID:c2ln"), INCOMPLETE, "Invalid key=value pair"),
    ("auth-nul", lambda: put(make(), "Authorization", "\0"), INCOMPLETE, "requires 'Credential'"),
    ("auth-80-kb", lambda: put(make(), "Authorization", "AWS4-HMAC-SHA256 " + "a=b," * 20000), INCOMPLETE, "Invalid key"),
    ("auth-algorithm-alone", lambda: put(make(), "Authorization", "AWS4-HMAC-SHA256"), INCOMPLETE, "requires 'Cred"),
    *[(f"auth-without-{p}", without(p), INCOMPLETE, f"requires '{p}' parameter. (Hashed") for p in OWN_KEYS],
    ("auth-without-date", lambda: drop(make(), "X-Amz-Date"), INCOMPLETE, "either a 'X-Amz-Date' or a 'Date' header. "),
    ("auth-trailing-comma", lambda: edit(make(), ", Signature=", ",, Signature="), INCOMPLETE, "Invalid key=value"),
    ("auth-twice-right-first", lambda: add(make(), "Authorization", "x"), INCOMPLETE, "Invalid key=value pair"),
    (
        "auth-twice-right-last",
        lambda: replace(make(), headers=[("authorization", "AWS4-HMAC-SHA256 A=b"), *make().headers]),
        INCOMPLETE,
        "Invalid key=value pair",
    ),
    ("auth-twice-the-same", lambda: add(make(), "Authorization", bits(make())), INCOMPLETE, "Invalid key=value pair"),
    ("auth-joined", lambda: put(make(), "Authorization", f"{bits(make())},{bits(make())}"), INCOMPLETE, "Invalid key"),
    ("auth-header-and-query", lambda: sent(make(), presign().target), INVALID, "Found both 'X-Amz-Algorithm'"),
    ("auth-sigv4a", lambda: make(algorithm="AWS4-ECDSA-P256-SHA256"), INCOMPLETE, "Unsupported AWS 'algorithm': 'AWS4-E"),
    ("auth-lower-case-algorithm", lambda: make(algorithm="aws4-hmac-sha256"), INCOMPLETE, "Unsupported AWS 'algorithm'"),
    ("signature-last-digit", lambda: bad(make()), INVALID, MISMATCH),
    ("signature-63-digits", lambda: edit(make(), signature(make()), signature(make())[:63]), INVALID, MISMATCH),
    ("signature-65-digits", lambda: edit(make(), signature(make()), signature(make()) + "0"), INVALID, MISMATCH),
    ("signature-100000-digits", lambda: edit(make(), signature(make()), "0" * 100_000), INVALID, MISMATCH),
    ("signature-not-hex", lambda: edit(make(), signature(make()), "z" * 64), INVALID, MISMATCH),
    ("signature-not-ascii", lambda: edit(make(), signature(make()), "\xfc" * 64), INVALID, MISMATCH),
    ("signature-upper-case", lambda: edit(make(), signature(make()), signature(make()).upper()), INVALID, MISMATCH),
    ("signature-empty", lambda: edit(make(), signature(make()), ""), INVALID, MISMATCH),
    ("signature-of-zeros", lambda: edit(make(), signature(make()), "0" * 64), INVALID, MISMATCH),
    ("signature-duplicate-last-wrong", lambda: put(make(), "Authorization", bits(make()) + ", Signature=00"), INVALID, ""),
    ("credential-4-parts", lambda: edit(make(), "/us-east-1", ""), INCOMPLETE, "exactly 5 slash-delimited elements"),
    ("credential-6-parts", lambda: edit(make(), "/us-east-1", "/a/us-east-1"), INCOMPLETE, "exactly 5 slash-delim"),
    ("credential-two-slashes-at-end", lambda: edit(make(), "aws4_request", "aws4_request//"), INCOMPLETE, "exactly 5"),
    ("credential-key-empty", lambda: edit(make(), "=AKIDEXAMPLE/", "=/"), UNRECOGNIZED, TOKEN_INVALID),
    ("credential-empty", lambda: put(make(), "Authorization", "AWS4-HMAC-SHA256 Credential=, SignedHeaders=host, "
                                     "Signature=0"), INCOMPLETE, "exactly 5"),
]  # fmt: skip


def scoped(
    *,
    date: str | None = None,
    region: str = "us-east-1",
    service: str = "sagemaker",
    end: str = "aws4_request",
    **more: Any,
) -> Callable[[], Made]:
    """Signed rightly for a wrong scope."""
    return lambda: make(scope=(date, region, service, end), **more)


SCOPE: list[Row] = [
    ("scope-region-upper-case", scoped(region="US-EAST-1"), INVALID, REGION),
    ("scope-region-empty", scoped(region=""), INVALID, REGION),
    ("scope-service-runtime", scoped(service="sagemaker-runtime"), INVALID, SERVICE),
    ("scope-service-host-name", scoped(service="runtime.sagemaker"), INVALID, SERVICE),
    ("scope-service-execute-api", scoped(service="execute-api"), INVALID, SERVICE),
    ("scope-service-upper-case", scoped(service="SageMaker"), INVALID, SERVICE),
    ("scope-service-empty", scoped(service=""), INVALID, SERVICE),
    ("scope-terminator", scoped(end="aws4_Request"), INVALID, "valid terminator: 'aws4_request', not 'aws4_Request'. "),
    ("scope-date-yesterday", scoped(date="20260114"), INVALID, "'20260114' != '20260115', from '20260115T120000Z'. "),
    ("scope-date-tomorrow", scoped(date="20260116"), INVALID, "'20260116' != '20260115'"),
    ("scope-date-short", scoped(date="2026115"), INVALID, "'2026115' != '20260115'"),
    ("scope-region-and-service", scoped(region="", service="s3"), INVALID, REGION + SERVICE),
    ("scope-before-unknown-key", scoped(region="", key=UNKNOWN), INVALID, REGION),
    ("scope-before-bad-signature", lambda: bad(scoped(region="")()), INVALID, REGION),
    ("scope-region-before-date", scoped(region="", date="20260114"), INVALID, REGION),
    ("clock-before-scope", lambda: make(date=stamp(-301), scope=(None, "", "s3", "x")), INVALID, "Signature expired"),
    ("clock-before-unknown-key", lambda: make(date=stamp(-301), key=UNKNOWN), INVALID, "Signature expired"),
    ("clock-before-bad-signature", lambda: bad(make(date=stamp(-301))), INVALID, "Signature expired"),
    (
        "syntax-before-clock",
        lambda: drop(edit(make(date=stamp(-301)), "Signature=", "x="), "x"),
        INCOMPLETE,
        "'Signature'",
    ),
]

KEYS_AND_TOKENS: list[Row] = [
    ("key-unknown", lambda: make(key=UNKNOWN), UNRECOGNIZED, TOKEN_INVALID),
    ("key-unknown-bad-signature", lambda: bad(make(key=UNKNOWN)), UNRECOGNIZED, TOKEN_INVALID),
    ("key-id-lower-case", lambda: make(key=replace(LONG, access_key_id="akidexample")), UNRECOGNIZED, TOKEN_INVALID),
    ("key-id-not-utf8", lambda: edit(make(), "AKIDEXAMPLE", "\xff\xfe"), UNRECOGNIZED, TOKEN_INVALID),
    ("secret-wrong", lambda: make(key=replace(LONG, secret_access_key="x")), INVALID, MISMATCH),
    (
        "secret-with-a-space",
        lambda: make(key=replace(LONG, secret_access_key=LONG.secret_access_key + " ")),
        INVALID,
        "",
    ),
    (
        "secret-of-another-session",
        lambda: make(key=replace(TEMPORARY, secret_access_key="secret-of-another")),
        INVALID,
        "",
    ),
    ("token-missing", lambda: drop(make(key=TEMPORARY), "X-Amz-Security-Token"), UNRECOGNIZED, TOKEN_INVALID),
    ("token-missing-bad-signature", lambda: make(key=replace(TEMPORARY, session_token=None)), UNRECOGNIZED, ""),
    ("token-of-another-session", lambda: make(key=TEMPORARY, token=OTHER_SESSION.session_token), INVALID, MISMATCH),
    ("token-unknown", lambda: make(key=TEMPORARY, token="foreign"), UNRECOGNIZED, TOKEN_INVALID),
    ("token-cut", lambda: make(key=TEMPORARY, token="token/of+a=sessio"), UNRECOGNIZED, TOKEN_INVALID),
    ("token-longer", lambda: make(key=TEMPORARY, token="token/of+a=session "[:-1] + "x"), UNRECOGNIZED, TOKEN_INVALID),
    ("token-upper-case", lambda: make(key=TEMPORARY, token="TOKEN/OF+A=SESSION"), UNRECOGNIZED, TOKEN_INVALID),
    ("token-not-ascii", lambda: put(make(key=TEMPORARY), "X-Amz-Security-Token", "\xfc"), UNRECOGNIZED, TOKEN_INVALID),
    ("token-twice", lambda: add(make(key=TEMPORARY), "X-Amz-Security-Token", "token/of+a=session"), UNRECOGNIZED, ""),
    ("token-on-a-long-term-key", lambda: make(token="token"), UNRECOGNIZED, TOKEN_INVALID),
    (
        "session-expired",
        lambda: make(key=EXPIRED),
        EXPIRED_TOKEN,
        "The security token included in the request is expired",
    ),
    ("session-expired-bad-signature", lambda: bad(make(key=EXPIRED)), EXPIRED_TOKEN, "is expired"),
    ("session-expired-wrong-token", lambda: make(key=EXPIRED, token="x"), UNRECOGNIZED, TOKEN_INVALID),
]


def dated(text: str) -> Callable[[], Made]:
    return lambda: make(date=text, scope=(text[:8].replace(",", ""), "us-east-1", "sagemaker", "aws4_request"))


MALFORMED_DATES = [
    *("", "2026-01-15T12:00:00Z", "20260115T120000", "20260115t120000z", "20260115T120000+0000", "20260115 120000Z"),
    *("20260115T120000.0Z", "20260230T120000Z", "20261315T120000Z", "20260115T240000Z", "20260115T120060Z"),
    *("00000115T120000Z", " 20260115T12000Z", "2026011\u0665T120000Z", "+2026115T120000Z", "2026_115T120000Z"),
    *("Thu, 15 Jan 2026 12:00:00 GMT", "1768478400", "20260115T120000Z, 20260115T120000Z", "20260115T120000ZZ"),
]

CLOCK: list[Row] = [
    ("clock-301-s-late", lambda: make(date=stamp(-301)), INVALID, "Signature expired: 20260115T115459Z is now earlier than "
     "20260115T115500Z (20260115T120000Z - 5 min.)"),
    ("clock-301-s-early", lambda: make(date=stamp(301)), INVALID, "Signature not yet current: 20260115T120501Z is still "
     "later than 20260115T120500Z (20260115T120000Z + 5 min.)"),
    ("clock-16-min-late", lambda: make(date=stamp(-960)), INVALID, "Signature expired"),
    ("clock-a-day-late", lambda: make(date=stamp(-86400)), INVALID, "Signature expired"),
    ("clock-a-day-early", lambda: make(date=stamp(86400)), INVALID, "Signature not yet current"),
    ("clock-a-year-late", lambda: make(date=stamp(-86400 * 365)), INVALID, "Signature expired"),
    ("clock-a-year-early", lambda: make(date=stamp(86400 * 365)), INVALID, "Signature not yet current"),
    ("date-changed", lambda: put(make(), "X-Amz-Date", stamp(1)), INVALID, MISMATCH),
    ("date-twice", lambda: add(make(), "X-Amz-Date", stamp()), INCOMPLETE, "Date must be in ISO-8601 'basic format'. Got"),
    ("date-header-of-rfc-1123", lambda: make(date="Thu, 15 Jan 2026 12:00:00 GMT", date_header="Date", scope=("20260115", "us-east-1", "sagemaker", "aws4_request")), INCOMPLETE, "Date m"),
    ("date-header-does-not-override", lambda: add(make(date=stamp(-999)), "Date", stamp()), INVALID, "Signature expired"),
    *[(f"date-malformed-{number}", dated(text.encode().decode("latin-1")), INCOMPLETE, "Date must be in ISO-8601 'basic")
      for number, text in enumerate(MALFORMED_DATES)],
]  # fmt: skip

PATH = "/endpoints/e/invocations"
TARGET: list[Row] = [
    ("path-other-endpoint", lambda: sent(make(), "/endpoints/f/invocations"), INVALID, MISMATCH),
    ("path-escaped-dots", lambda: sent(make(path="/endpoints/e"), "/endpoints/x/%2e%2e/e"), INVALID, MISMATCH),
    ("path-escaped-letter", lambda: sent(make(path="/endpoints/m"), "/endpoints/%6d"), INVALID, MISMATCH),
    ("path-escaped-slash", lambda: sent(make(), "/endpoints%2Fe/invocations"), INVALID, MISMATCH),
    ("path-lower-case-escape", lambda: sent(make(path="/endpoints/a%3Ab"), "/endpoints/a%3ab"), INVALID, MISMATCH),
    ("path-colon-for-escape", lambda: sent(make(path="/endpoints/a%3Ab"), "/endpoints/a:b"), INVALID, MISMATCH),
    ("path-escape-for-colon", lambda: sent(make(path="/endpoints/a:b"), "/endpoints/a%3Ab"), INVALID, MISMATCH),
    ("path-escaped-once", lambda: make(path="/endpoints/a%3Ab", signed_path="/endpoints/a%3Ab"), INVALID, MISMATCH),
    ("path-dots-as-sent", lambda: make(path="/x/../e", signed_path="/x/../e"), INVALID, MISMATCH),
    ("path-slashes-as-sent", lambda: make(path="//e", signed_path="//e"), INVALID, MISMATCH),
    ("path-slash-at-end", lambda: sent(make(), PATH + "/"), INVALID, MISMATCH),
    ("path-other-prefix", lambda: sent(make(path="/deck/a" + PATH), "/deck/b" + PATH), INVALID, MISMATCH),
    ("path-prefix-not-signed", lambda: sent(make(), "/deck/a" + PATH), INVALID, MISMATCH),
    ("path-bad-escape", lambda: make(path="/endpoints/%zz"), NO_BODY, ""),
    ("path-cut-escape", lambda: make(path="/endpoints/%4"), NO_BODY, ""),
    ("path-above-root", lambda: make(path="/../e", signed_path="/e"), NO_BODY, ""),
    ("path-above-root-later", lambda: make(path="/a/../../e", signed_path="/e"), NO_BODY, ""),
    ("path-none", lambda: sent(make(), "*"), NO_BODY, ""),
    ("path-authority-form", lambda: sent(make(), "127.0.0.1:7243"), NO_BODY, ""),
    ("path-above-root-unsigned", lambda: sent(drop(make(), "Authorization"), "/.."), NO_BODY, ""),
    ("method-changed", lambda: replace(make(), method="PUT"), INVALID, MISMATCH),
    ("method-lower-case", lambda: replace(make(), method="post"), INVALID, MISMATCH),
    ("method-with-a-line-break", lambda: replace(make(), method="POST\n/"), NO_BODY, ""),
    ("query-added", lambda: sent(make(), PATH + "?a=1"), INVALID, MISMATCH),
    ("query-removed", lambda: sent(make(query="a=1"), PATH), INVALID, MISMATCH),
    ("query-values-swapped", lambda: sent(make(query="a=1&b=2"), PATH + "?a=2&b=1"), INVALID, MISMATCH),
    ("query-not-sorted", lambda: make(query="b=2&a=1", signed_query="b=2&a=1"), INVALID, MISMATCH),
    ("query-prefix-order", lambda: make(query="a=2&a-b=1", signed_query="a-b=1&a=2"), INVALID, MISMATCH),
    ("query-duplicate-dropped", lambda: sent(make(query="a=1&a=2"), PATH + "?a=1"), INVALID, MISMATCH),
    ("query-empty-value-for-none", lambda: make(query="a", signed_query="a"), INVALID, MISMATCH),
    ("query-cut-escape", lambda: make(query="a=%4"), BAD_QUERY, "Incomplete trailing escape % sequence"),
    ("query-bad-escape", lambda: make(query="a=%zq"), BAD_QUERY, "Illegal hex character in escape % pattern: %zq"),
]

EXPIRES = ["", "-1", "604801", "1e3", "12.5", " 60", "\u0665", "9" * 40, "0x10"]
PRESIGNED: list[Row] = [
    *[(f"presigned-expires-{n}", lambda e=e: presign(expires=e), INCOMPLETE, "X-Amz-Expires") for n, e in enumerate(EXPIRES)],
    ("presigned-expired", lambda: presign(date=stamp(-901)), INVALID, "Signature expired: 20260115T114459Z is now earlier "
     "than 20260115T114500Z (20260115T120000Z - 15 min.)"),
    ("presigned-future", lambda: presign(date=stamp(301)), INVALID, "Signature not yet current"),
    ("presigned-without-expires-301-s", lambda: presign(date=stamp(-301), expires=None), INVALID, "Signature expired"),
    ("presigned-signature-first-is-wrong", lambda: sent(presign(), presign().target.replace("?", "?X-Amz-Signature=0&")),
     INVALID, MISMATCH),
    ("presigned-lower-case-name", lambda: sent(presign(), presign().target.replace("X-Amz-Al", "x-amz-al")), MISSING, ""),
    ("presigned-body-added", lambda: replace(presign(), body=b"{}"), INVALID, MISMATCH),
    ("presigned-unsigned-payload", lambda: presign(payload="UNSIGNED-PAYLOAD"), INVALID, MISMATCH),
    ("presigned-token-outside", lambda: sent(presign(TEMPORARY, is_token_outside=True), presign(
        TEMPORARY, is_token_outside=True).target + "&X-Amz-Security-Token=token%2Fof%2Ba%3Dsession"), INVALID, MISMATCH),
    ("presigned-token-missing", lambda: presign(TEMPORARY, is_token_outside=True), UNRECOGNIZED, TOKEN_INVALID),
    ("presigned-two-tokens", lambda: add(presign(TEMPORARY), "X-Amz-Security-Token", "x"), UNRECOGNIZED, TOKEN_INVALID),
    ("presigned-parameter-added", lambda: sent(presign(), presign().target + "&a=1"), INVALID, MISMATCH),
    ("presigned-host-changed", lambda: put(presign(), "Host", "g"), INVALID, MISMATCH),
    ("presigned-date-malformed", lambda: presign(date="2026-01-15T12:00:00Z"), INCOMPLETE, "Date must be in ISO-8601"),
    ("presigned-unknown-key", lambda: presign(UNKNOWN), UNRECOGNIZED, TOKEN_INVALID),
    *[(f"presigned-without-{name}", lambda name=name: presign(drop=name), INCOMPLETE,
       f"AWS query-string parameters must include '{name}'. Re-examine the query-string parameters.")
      for name in ("X-Amz-Credential", "X-Amz-SignedHeaders", "X-Amz-Date")],
    ("presigned-without-signature", lambda: sent(presign(), presign().target.split("&X-Amz-Signature")[0]), INCOMPLETE,
     "must include 'X-Amz-Signature'. "),
]  # fmt: skip

ROWS = [*BODY, *HEADERS, *AUTHORIZATION, *SCOPE, *KEYS_AND_TOKENS, *CLOCK, *TARGET, *PRESIGNED]


def refusal_of(made: Made, verifier: Verifier | None = None) -> CallerError:
    with pytest.raises(CallerError) as caught:
        check(made, verifier=verifier)
    return caught.value


@pytest.mark.parametrize(("build", "code", "text"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_request_is_refused(build: Callable[[], Made], code: str, text: str) -> None:
    """Each is refused with AWS's type, status and text, on a fresh verifier and on one that knows the caller."""
    warm = Verifier(lambda key_id: KEYS.get(key_id, ()))
    for made in (make(), make(extra=MODEL), make(key=TEMPORARY), make(extra=CLAIM)):
        check(made, verifier=warm)
    for verifier in (None, warm):
        refusal = refusal_of(build(), verifier)
        assert refusal.code == code
        assert refusal.status == (400 if code in (NO_BODY, BAD_QUERY) else 403)
        assert text in (json.loads(refusal.body)["message"] if refusal.body else "")
        assert refusal.reason


def test_table_has_enough_rows() -> None:
    """At least a hundred different requests, each under its own name."""
    assert len({row[0] for row in ROWS}) == len(ROWS) >= 100
