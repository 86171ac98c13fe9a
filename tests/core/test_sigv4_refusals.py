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
    SHORT_TEXT,
    TEMPORARY,
    UNKNOWN,
    Made,
    add,
    bad,
    bits,
    check,
    drop,
    echo,
    edit,
    long_text,
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
NO_TOKEN = "Missing Authentication Token"
HOST_UNSIGNED = "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."
REGION = "Credential should be scoped to a valid region. "
SERVICE = "Credential should be scoped to correct service: 'sagemaker'. "
SCOPE_DATE = (
    "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != '20260115',"
    " from '20260115T120000Z'. "
)
FIVE_PARTS = "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{}'"
BAD_DATE = "Date must be in ISO-8601 'basic format'. Got '{}'. See http://en.wikipedia.org/wiki/ISO_8601"
LATE = "Signature expired: {} is now earlier than 20260115T115500Z (20260115T120000Z - 5 min.)"
EARLY = "Signature not yet current: {} is still later than 20260115T120500Z (20260115T120000Z + 5 min.)"
EXPIRED_301_S = LATE.format("20260115T115459Z")
TOKEN_INVALID = "The security token included in the request is invalid."
TOKEN_EXPIRED = "The security token included in the request is expired"
OWN_KEYS = ("Signature", "Credential", "SignedHeaders")

Text = str | Callable[[Made], str]
Row = tuple[str, Callable[[], Made], str, Text]


def no_equal_sign(made: Made) -> str:
    """What is said of a header whose parameters are not name=value."""
    lead = "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded with"
    return f"{lead} Base64): '{echo(made)}'."


def lacking(*names: str) -> Callable[[Made], str]:
    """What is said of a header without these parameters; without any, of a request without a date."""
    said = "".join(f"Authorization header requires '{name}' parameter. " for name in names)
    said = said or "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
    return lambda made: f"{said}(Hashed with SHA-256 and encoded with Base64) Authorization={echo(made)}"


def body_swapped(made: Made) -> str:
    """The long text where the signature fits the hash that is claimed: it shows the hash that the body has."""
    return long_text(made, payload=hashlib.sha256(made.body).hexdigest())


LACKS_ALL = lacking("Credential", "Signature", "SignedHeaders")


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
    ("body-bit-flipped", lambda: replace(make(), body=b"{|"), INVALID, long_text),
    ("body-appended", lambda: replace(make(), body=b"{} "), INVALID, long_text),
    ("body-emptied", lambda: replace(make(), body=b""), INVALID, long_text),
    ("body-added", lambda: replace(make(body=b""), body=b"{}"), INVALID, long_text),
    ("body-swapped-under-a-right-header", lambda: replace(make(extra=CLAIM), body=b"[]"), INVALID, body_swapped),
    ("body-hash-of-another", lambda: put(make(extra=CLAIM), "x-amz-content-sha256", "0" * 64), INVALID, long_text),
    ("body-hash-upper-case", unhashed(HASH.upper()), INVALID, SHORT_TEXT),
    ("body-hash-63-digits", unhashed(HASH[:63]), INVALID, SHORT_TEXT),
    ("body-hash-empty", unhashed(""), INVALID, SHORT_TEXT),
    ("body-hash-not-hex", unhashed("g" * 64), INVALID, SHORT_TEXT),
    ("body-hash-twice", lambda: make(extra=CLAIM * 2), INVALID, SHORT_TEXT),
    ("body-unsigned-payload", unhashed("UNSIGNED-PAYLOAD"), INVALID, SHORT_TEXT),
    (
        "body-unsigned-payload-header-real-hash-signed",
        lambda: make(extra=[("x-amz-content-sha256", "UNSIGNED-PAYLOAD")]),
        INVALID,
        SHORT_TEXT,
    ),
    ("body-unsigned-payload-without-header", lambda: make(payload="UNSIGNED-PAYLOAD"), INVALID, long_text),
    ("body-streaming", unhashed("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), INVALID, SHORT_TEXT),
    ("body-streaming-trailer", unhashed("STREAMING-UNSIGNED-PAYLOAD-TRAILER"), INVALID, SHORT_TEXT),
    ("body-streaming-events", unhashed("STREAMING-AWS4-HMAC-SHA256-EVENTS"), INVALID, SHORT_TEXT),
    ("body-streaming-ecdsa", unhashed("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"), INVALID, SHORT_TEXT),
]

HEADERS: list[Row] = [
    ("header-removed", lambda: drop(make(extra=MODEL), MODEL[0][0]), INVALID, SHORT_TEXT),
    ("header-changed", lambda: put(make(extra=MODEL), MODEL[0][0], "n"), INVALID, long_text),
    ("header-duplicated", lambda: add(make(extra=MODEL), *MODEL[0]), INVALID, long_text),
    ("header-emptied", lambda: put(make(extra=MODEL), MODEL[0][0], ""), INVALID, long_text),
    (
        "header-reordered-among-duplicates",
        lambda: add(drop(make(extra=[("A", "1"), ("A", "2")]), "A"), "A", "2,1"),
        INVALID,
        long_text,
    ),
    ("header-signed-and-absent", lambda: make(names=["absent", "host", "x-amz-date"]), INVALID, SHORT_TEXT),
    ("header-host-not-signed", lambda: make(names=["x-amz-date"]), INVALID, HOST_UNSIGNED),
    ("header-authority-for-host", lambda: make(names=[":authority", "x-amz-date"]), INVALID, HOST_UNSIGNED),
    ("header-names-empty", lambda: make(names=[]), INVALID, HOST_UNSIGNED),
    ("header-host-changed", lambda: put(make(), "Host", "127.0.0.1:7244"), INVALID, long_text),
    ("header-host-upper-case", lambda: put(make(host="localhost:1"), "Host", "LOCALHOST:1"), INVALID, long_text),
    ("header-host-with-443", lambda: put(make(host="h"), "Host", "h:443"), INVALID, long_text),
    ("header-host-without-port", lambda: put(make(), "Host", "127.0.0.1"), INVALID, long_text),
    ("header-host-twice", lambda: add(make(), "Host", "evil"), INVALID, long_text),
    ("header-host-missing", lambda: drop(make(), "Host"), INVALID, SHORT_TEXT),
    (
        "header-forwarded-host",
        lambda: add(put(make(), "Host", "p"), "X-Forwarded-Host", "127.0.0.1:7243"),
        INVALID,
        long_text,
    ),
    ("names-unsorted", lambda: make(names=["x-amz-date", "host"]), INVALID, SHORT_TEXT),
    ("names-upper-case", lambda: make(names=["Host", "X-Amz-Date"]), INVALID, SHORT_TEXT),
    ("names-duplicated", lambda: make(names=["host", "host", "x-amz-date"]), INVALID, SHORT_TEXT),
    ("names-with-authorization", lambda: make(names=["authorization", "host"]), INVALID, SHORT_TEXT),
    ("names-with-an-empty-one", lambda: make(names=["", "host"]), INVALID, SHORT_TEXT),
    ("names-with-a-space", lambda: edit(make(), "content-type;", "content-type ;"), INVALID, SHORT_TEXT),
    ("names-fewer-than-signed", lambda: edit(make(), "content-type;host", "host"), INVALID, long_text),
    ("names-more-than-signed", lambda: add(edit(make(), ";host", ";ha;host"), "ha", "1"), INVALID, long_text),
    ("header-line-break-inside", lambda: put(make(extra=MODEL), MODEL[0][0], "m\nx-evil:1"), INVALID, long_text),
]

AUTHORIZATION: list[Row] = [
    ("auth-none", lambda: drop(make(), "Authorization"), MISSING, NO_TOKEN),
    ("auth-empty", lambda: put(make(), "Authorization", ""), MISSING, NO_TOKEN),
    ("auth-bearer", lambda: put(make(), "Authorization", "Bearer abc"), INCOMPLETE, no_equal_sign),
    ("auth-bearer-alone", lambda: put(make(), "Authorization", "Bearer"), INCOMPLETE, LACKS_ALL),
    ("auth-basic", lambda: put(make(), "Authorization", "Basic dXNlcg"), INCOMPLETE, no_equal_sign),
    ("auth-basic-padded", lambda: put(make(), "Authorization", "Basic dXNlcg=="), INCOMPLETE, LACKS_ALL),
    ("auth-sigv2", lambda: put(make(), "Authorization", "AWS AKID:c2ln"), INCOMPLETE, no_equal_sign),
    ("auth-nul", lambda: put(make(), "Authorization", "\0"), INCOMPLETE, LACKS_ALL),
    ("auth-80-kb", lambda: put(make(), "Authorization", "AWS4-HMAC-SHA256 " + "a=b," * 20000), INCOMPLETE, no_equal_sign),
    ("auth-algorithm-alone", lambda: put(make(), "Authorization", "AWS4-HMAC-SHA256"), INCOMPLETE, LACKS_ALL),
    *[(f"auth-without-{p}", without(p), INCOMPLETE, lacking(p)) for p in OWN_KEYS],
    ("auth-without-date", lambda: drop(make(), "X-Amz-Date"), INCOMPLETE, lacking()),
    ("auth-trailing-comma", lambda: edit(make(), ", Signature=", ",, Signature="), INCOMPLETE, no_equal_sign),
    ("auth-twice-right-first", lambda: add(make(), "Authorization", "x"), INCOMPLETE, no_equal_sign),
    (
        "auth-twice-right-last",
        lambda: replace(make(), headers=[("authorization", "AWS4-HMAC-SHA256 A=b"), *make().headers]),
        INCOMPLETE,
        no_equal_sign,
    ),
    ("auth-twice-the-same", lambda: add(make(), "Authorization", bits(make())), INCOMPLETE, no_equal_sign),
    ("auth-joined", lambda: put(make(), "Authorization", f"{bits(make())},{bits(make())}"), INCOMPLETE, no_equal_sign),
    ("auth-header-and-query", lambda: sent(make(), presign().target), INVALID, "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."),
    ("auth-sigv4a", lambda: make(algorithm="AWS4-ECDSA-P256-SHA256"), INCOMPLETE, "Unsupported AWS 'algorithm': 'AWS4-ECDSA-P256-SHA256'."),
    ("auth-lower-case-algorithm", lambda: make(algorithm="aws4-hmac-sha256"), INCOMPLETE, "Unsupported AWS 'algorithm': 'aws4-hmac-sha256'."),
    ("signature-last-digit", lambda: bad(make()), INVALID, long_text),
    ("signature-63-digits", lambda: edit(make(), signature(make()), signature(make())[:63]), INVALID, long_text),
    ("signature-65-digits", lambda: edit(make(), signature(make()), signature(make()) + "0"), INVALID, long_text),
    ("signature-100000-digits", lambda: edit(make(), signature(make()), "0" * 100_000), INVALID, long_text),
    ("signature-not-hex", lambda: edit(make(), signature(make()), "z" * 64), INVALID, long_text),
    ("signature-not-ascii", lambda: edit(make(), signature(make()), "\xfc" * 64), INVALID, long_text),
    ("signature-upper-case", lambda: edit(make(), signature(make()), signature(make()).upper()), INVALID, long_text),
    ("signature-empty", lambda: edit(make(), signature(make()), ""), INVALID, long_text),
    ("signature-of-zeros", lambda: edit(make(), signature(make()), "0" * 64), INVALID, long_text),
    ("signature-duplicate-last-wrong", lambda: put(make(), "Authorization", bits(make()) + ", Signature=00"), INVALID, long_text),
    ("credential-4-parts", lambda: edit(make(), "/us-east-1", ""), INCOMPLETE, FIVE_PARTS.format("AKIDEXAMPLE/20260115/sagemaker/aws4_request")),
    ("credential-6-parts", lambda: edit(make(), "/us-east-1", "/a/us-east-1"), INCOMPLETE, FIVE_PARTS.format("AKIDEXAMPLE/20260115/a/us-east-1/sagemaker/aws4_request")),
    ("credential-two-slashes-at-end", lambda: edit(make(), "aws4_request", "aws4_request//"), INCOMPLETE, FIVE_PARTS.format("AKIDEXAMPLE/20260115/us-east-1/sagemaker/aws4_request//")),
    ("credential-key-empty", lambda: edit(make(), "=AKIDEXAMPLE/", "=/"), UNRECOGNIZED, TOKEN_INVALID),
    ("credential-empty", lambda: put(make(), "Authorization", "AWS4-HMAC-SHA256 Credential=, SignedHeaders=host, "
                                     "Signature=0"), INCOMPLETE, FIVE_PARTS.format("")),
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
    (
        "scope-terminator",
        scoped(end="aws4_Request"),
        INVALID,
        "Credential should be scoped with a valid terminator: 'aws4_request', not 'aws4_Request'. ",
    ),
    ("scope-date-yesterday", scoped(date="20260114"), INVALID, SCOPE_DATE.format("20260114")),
    ("scope-date-tomorrow", scoped(date="20260116"), INVALID, SCOPE_DATE.format("20260116")),
    ("scope-date-short", scoped(date="2026115"), INVALID, SCOPE_DATE.format("2026115")),
    ("scope-region-and-service", scoped(region="", service="s3"), INVALID, REGION + SERVICE),
    ("scope-before-unknown-key", scoped(region="", key=UNKNOWN), INVALID, REGION),
    ("scope-before-bad-signature", lambda: bad(scoped(region="")()), INVALID, REGION),
    ("scope-region-before-date", scoped(region="", date="20260114"), INVALID, REGION + SCOPE_DATE.format("20260114")),
    ("clock-before-scope", lambda: make(date=stamp(-301), scope=(None, "", "s3", "x")), INVALID, EXPIRED_301_S),
    ("clock-before-unknown-key", lambda: make(date=stamp(-301), key=UNKNOWN), INVALID, EXPIRED_301_S),
    ("clock-before-bad-signature", lambda: bad(make(date=stamp(-301))), INVALID, EXPIRED_301_S),
    (
        "syntax-before-clock",
        lambda: drop(edit(make(date=stamp(-301)), "Signature=", "x="), "x"),
        INCOMPLETE,
        lacking("Signature"),
    ),
]

KEYS_AND_TOKENS: list[Row] = [
    ("key-unknown", lambda: make(key=UNKNOWN), UNRECOGNIZED, TOKEN_INVALID),
    ("key-unknown-bad-signature", lambda: bad(make(key=UNKNOWN)), UNRECOGNIZED, TOKEN_INVALID),
    ("key-id-lower-case", lambda: make(key=replace(LONG, access_key_id="akidexample")), UNRECOGNIZED, TOKEN_INVALID),
    ("key-id-not-utf8", lambda: edit(make(), "AKIDEXAMPLE", "\xff\xfe"), UNRECOGNIZED, TOKEN_INVALID),
    ("secret-wrong", lambda: make(key=replace(LONG, secret_access_key="x")), INVALID, long_text),
    (
        "secret-with-a-space",
        lambda: make(key=replace(LONG, secret_access_key=LONG.secret_access_key + " ")),
        INVALID,
        long_text,
    ),
    (
        "secret-of-another-session",
        lambda: make(key=replace(TEMPORARY, secret_access_key="secret-of-another")),
        INVALID,
        long_text,
    ),
    ("token-missing", lambda: drop(make(key=TEMPORARY), "X-Amz-Security-Token"), UNRECOGNIZED, TOKEN_INVALID),
    (
        "token-missing-bad-signature",
        lambda: make(key=replace(TEMPORARY, session_token=None)),
        UNRECOGNIZED,
        TOKEN_INVALID,
    ),
    ("token-of-another-session", lambda: make(key=TEMPORARY, token=OTHER_SESSION.session_token), INVALID, long_text),
    ("token-unknown", lambda: make(key=TEMPORARY, token="foreign"), UNRECOGNIZED, TOKEN_INVALID),
    ("token-cut", lambda: make(key=TEMPORARY, token="token/of+a=sessio"), UNRECOGNIZED, TOKEN_INVALID),
    ("token-longer", lambda: make(key=TEMPORARY, token="token/of+a=session "[:-1] + "x"), UNRECOGNIZED, TOKEN_INVALID),
    ("token-upper-case", lambda: make(key=TEMPORARY, token="TOKEN/OF+A=SESSION"), UNRECOGNIZED, TOKEN_INVALID),
    ("token-not-ascii", lambda: put(make(key=TEMPORARY), "X-Amz-Security-Token", "\xfc"), UNRECOGNIZED, TOKEN_INVALID),
    (
        "token-twice",
        lambda: add(make(key=TEMPORARY), "X-Amz-Security-Token", "token/of+a=session"),
        UNRECOGNIZED,
        TOKEN_INVALID,
    ),
    ("token-on-a-long-term-key", lambda: make(token="token"), UNRECOGNIZED, TOKEN_INVALID),
    (
        "session-expired",
        lambda: make(key=EXPIRED),
        EXPIRED_TOKEN,
        TOKEN_EXPIRED,
    ),
    ("session-expired-bad-signature", lambda: bad(make(key=EXPIRED)), EXPIRED_TOKEN, TOKEN_EXPIRED),
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
    ("clock-301-s-late", lambda: make(date=stamp(-301)), INVALID, EXPIRED_301_S),
    ("clock-301-s-early", lambda: make(date=stamp(301)), INVALID, EARLY.format("20260115T120501Z")),
    ("clock-16-min-late", lambda: make(date=stamp(-960)), INVALID, LATE.format("20260115T114400Z")),
    ("clock-a-day-late", lambda: make(date=stamp(-86400)), INVALID, LATE.format("20260114T120000Z")),
    ("clock-a-day-early", lambda: make(date=stamp(86400)), INVALID, EARLY.format("20260116T120000Z")),
    ("clock-a-year-late", lambda: make(date=stamp(-86400 * 365)), INVALID, LATE.format("20250115T120000Z")),
    ("clock-a-year-early", lambda: make(date=stamp(86400 * 365)), INVALID, EARLY.format("20270115T120000Z")),
    ("date-changed", lambda: put(make(), "X-Amz-Date", stamp(1)), INVALID, long_text),
    ("date-twice", lambda: add(make(), "X-Amz-Date", stamp()), INCOMPLETE, BAD_DATE.format("20260115T120000Z,20260115T120000Z")),
    ("date-header-of-rfc-1123", lambda: make(date="Thu, 15 Jan 2026 12:00:00 GMT", date_header="Date", scope=("20260115", "us-east-1", "sagemaker", "aws4_request")), INCOMPLETE, BAD_DATE.format("Thu, 15 Jan 2026 12:00:00 GMT")),
    ("date-header-does-not-override", lambda: add(make(date=stamp(-999)), "Date", stamp()), INVALID, LATE.format("20260115T114321Z")),
    *[(f"date-malformed-{number}", dated(text.encode().decode("latin-1")), INCOMPLETE, BAD_DATE.format(text))
      for number, text in enumerate(MALFORMED_DATES)],
]  # fmt: skip

PATH = "/endpoints/e/invocations"
TARGET: list[Row] = [
    ("path-other-endpoint", lambda: sent(make(), "/endpoints/f/invocations"), INVALID, long_text),
    ("path-escaped-dots", lambda: sent(make(path="/endpoints/e"), "/endpoints/x/%2e%2e/e"), INVALID, long_text),
    ("path-escaped-letter", lambda: sent(make(path="/endpoints/m"), "/endpoints/%6d"), INVALID, long_text),
    ("path-escaped-slash", lambda: sent(make(), "/endpoints%2Fe/invocations"), INVALID, long_text),
    ("path-lower-case-escape", lambda: sent(make(path="/endpoints/a%3Ab"), "/endpoints/a%3ab"), INVALID, long_text),
    ("path-colon-for-escape", lambda: sent(make(path="/endpoints/a%3Ab"), "/endpoints/a:b"), INVALID, long_text),
    ("path-escape-for-colon", lambda: sent(make(path="/endpoints/a:b"), "/endpoints/a%3Ab"), INVALID, long_text),
    ("path-escaped-once", lambda: make(path="/endpoints/a%3Ab", signed_path="/endpoints/a%3Ab"), INVALID, long_text),
    ("path-dots-as-sent", lambda: make(path="/x/../e", signed_path="/x/../e"), INVALID, long_text),
    ("path-slashes-as-sent", lambda: make(path="//e", signed_path="//e"), INVALID, long_text),
    ("path-slash-at-end", lambda: sent(make(), PATH + "/"), INVALID, long_text),
    ("path-other-prefix", lambda: sent(make(path="/deck/a" + PATH), "/deck/b" + PATH), INVALID, long_text),
    ("path-prefix-not-signed", lambda: sent(make(), "/deck/a" + PATH), INVALID, long_text),
    ("path-bad-escape", lambda: make(path="/endpoints/%zz"), NO_BODY, ""),
    ("path-cut-escape", lambda: make(path="/endpoints/%4"), NO_BODY, ""),
    ("path-above-root", lambda: make(path="/../e", signed_path="/e"), NO_BODY, ""),
    ("path-above-root-later", lambda: make(path="/a/../../e", signed_path="/e"), NO_BODY, ""),
    ("path-none", lambda: sent(make(), "*"), NO_BODY, ""),
    ("path-authority-form", lambda: sent(make(), "127.0.0.1:7243"), NO_BODY, ""),
    ("path-above-root-unsigned", lambda: sent(drop(make(), "Authorization"), "/.."), NO_BODY, ""),
    ("method-changed", lambda: replace(make(), method="PUT"), INVALID, long_text),
    ("method-lower-case", lambda: replace(make(), method="post"), INVALID, long_text),
    ("method-with-a-line-break", lambda: replace(make(), method="POST\n/"), NO_BODY, ""),
    ("query-added", lambda: sent(make(), PATH + "?a=1"), INVALID, long_text),
    ("query-removed", lambda: sent(make(query="a=1"), PATH), INVALID, long_text),
    ("query-values-swapped", lambda: sent(make(query="a=1&b=2"), PATH + "?a=2&b=1"), INVALID, long_text),
    ("query-not-sorted", lambda: make(query="b=2&a=1", signed_query="b=2&a=1"), INVALID, long_text),
    ("query-prefix-order", lambda: make(query="a=2&a-b=1", signed_query="a-b=1&a=2"), INVALID, long_text),
    ("query-duplicate-dropped", lambda: sent(make(query="a=1&a=2"), PATH + "?a=1"), INVALID, long_text),
    ("query-empty-value-for-none", lambda: make(query="a", signed_query="a"), INVALID, long_text),
    ("query-cut-escape", lambda: make(query="a=%4"), BAD_QUERY, "Incomplete trailing escape % sequence"),
    ("query-bad-escape", lambda: make(query="a=%zq"), BAD_QUERY, "Illegal hex character in escape % pattern: %zq"),
]

NO_NUMBER = "X-Amz-Expires should be a number"
EXPIRES = [
    ("-1", "X-Amz-Expires must be non-negative"),
    ("604801", "X-Amz-Expires must be less than a week (in seconds) that is 604800"),
    *((text, NO_NUMBER) for text in ("", "1e3", "12.5", " 60", "\u0665", "9" * 40, "0x10")),
]
PRESIGNED: list[Row] = [
    *[(f"presigned-expires-{n}", lambda e=e: presign(expires=e), INCOMPLETE, text) for n, (e, text) in enumerate(EXPIRES)],
    ("presigned-expired", lambda: presign(date=stamp(-901)), INVALID, "Signature expired: 20260115T114459Z is now earlier "
     "than 20260115T114500Z (20260115T120000Z - 15 min.)"),
    ("presigned-future", lambda: presign(date=stamp(301)), INVALID, EARLY.format("20260115T120501Z")),
    ("presigned-without-expires-301-s", lambda: presign(date=stamp(-301), expires=None), INVALID, EXPIRED_301_S),
    ("presigned-signature-first-is-wrong", lambda: sent(presign(), presign().target.replace("?", "?X-Amz-Signature=0&")),
     INVALID, long_text),
    ("presigned-lower-case-name", lambda: sent(presign(), presign().target.replace("X-Amz-Al", "x-amz-al")), MISSING, NO_TOKEN),
    ("presigned-body-added", lambda: replace(presign(), body=b"{}"), INVALID, long_text),
    ("presigned-unsigned-payload", lambda: presign(payload="UNSIGNED-PAYLOAD"), INVALID, long_text),
    ("presigned-token-outside", lambda: sent(presign(TEMPORARY, is_token_outside=True), presign(
        TEMPORARY, is_token_outside=True).target + "&X-Amz-Security-Token=token%2Fof%2Ba%3Dsession"), INVALID, long_text),
    ("presigned-token-missing", lambda: presign(TEMPORARY, is_token_outside=True), UNRECOGNIZED, TOKEN_INVALID),
    ("presigned-two-tokens", lambda: add(presign(TEMPORARY), "X-Amz-Security-Token", "x"), UNRECOGNIZED, TOKEN_INVALID),
    ("presigned-parameter-added", lambda: sent(presign(), presign().target + "&a=1"), INVALID, long_text),
    ("presigned-host-changed", lambda: put(presign(), "Host", "g"), INVALID, long_text),
    ("presigned-date-malformed", lambda: presign(date="2026-01-15T12:00:00Z"), INCOMPLETE, BAD_DATE.format("2026-01-15T12:00:00Z")),
    ("presigned-unknown-key", lambda: presign(UNKNOWN), UNRECOGNIZED, TOKEN_INVALID),
    *[(f"presigned-without-{name}", lambda name=name: presign(drop=name), INCOMPLETE,
       f"AWS query-string parameters must include '{name}'. Re-examine the query-string parameters.")
      for name in ("X-Amz-Credential", "X-Amz-SignedHeaders", "X-Amz-Date")],
    ("presigned-without-signature", lambda: sent(presign(), presign().target.split("&X-Amz-Signature")[0]), INCOMPLETE,
     "AWS query-string parameters must include 'X-Amz-Signature'. Re-examine the query-string parameters."),
]  # fmt: skip

ROWS = [*BODY, *HEADERS, *AUTHORIZATION, *SCOPE, *KEYS_AND_TOKENS, *CLOCK, *TARGET, *PRESIGNED]


def refusal_of(made: Made, verifier: Verifier | None = None) -> CallerError:
    with pytest.raises(CallerError) as caught:
        check(made, verifier=verifier)
    return caught.value


@pytest.mark.parametrize(("build", "code", "text"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_request_is_refused(build: Callable[[], Made], code: str, text: Text) -> None:
    """Each is refused with AWS's type, status and whole text, on a fresh verifier and on one that knows the caller."""
    warm = Verifier(lambda key_id: KEYS.get(key_id, ()))
    for made in (make(), make(extra=MODEL), make(key=TEMPORARY), make(extra=CLAIM)):
        check(made, verifier=warm)
    for verifier in (None, warm):
        made = build()
        refusal = refusal_of(made, verifier)
        assert refusal.code == code
        assert refusal.status == (400 if code in (NO_BODY, BAD_QUERY) else 403)
        expected = text if isinstance(text, str) else text(made)
        assert expected == (json.loads(refusal.body)["message"] if code else refusal.body.decode())
        assert refusal.reason


def test_table_has_enough_rows() -> None:
    """At least a hundred different requests, each under its own name."""
    assert len({row[0] for row in ROWS}) == len(ROWS) >= 100
