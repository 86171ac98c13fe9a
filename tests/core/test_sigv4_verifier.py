"""Requests that must pass, the verifier's settings, its reasons, and that it tells no secret."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sigv4_requests import (
    KEYS,
    LONG,
    NOW,
    OTHER_SESSION,
    TEMPORARY,
    UNKNOWN,
    Made,
    add,
    bad,
    bits,
    check,
    drop,
    make,
    presign,
    put,
    sent,
    signature,
    stamp,
)

from sagetape.core.errors import CORAL_SUFFIX, CallerError
from sagetape.core.grants import REMEMBERED_MAX
from sagetape.core.sigv4 import Key, Level, Verifier
from sagetape.core.wire import head_of

HASH = hashlib.sha256(b"{}").hexdigest()
MODEL = ("X-Amzn-SageMaker-Target-Model", "m")
PATH = "/endpoints/e/invocations"


def verifier(**settings: Any) -> Verifier:
    return Verifier(lambda key_id: KEYS.get(key_id, ()), **settings)


def refusal_of(made: Made, *, now: float = NOW, by: Verifier | None = None) -> CallerError:
    with pytest.raises(CallerError) as caught:
        check(made, now, by)
    return caught.value


def reordered(made: Made) -> Made:
    """The parameters of the Authorization header in another order, without spaces after the commas."""
    scheme, _, rest = bits(made).partition(" ")
    return put(made, "Authorization", f"{scheme} {','.join(reversed(rest.split(', ')))}")


PASSING: dict[str, Callable[[], Made]] = {
    "plain": make,
    "user-agent-signed": lambda: make(extra=[("User-Agent", "Boto3/1")]),
    "content-length-signed": lambda: make(extra=[("Content-Length", "2"), ("Accept-Encoding", "gzip")]),
    "connection-and-expect-signed": lambda: make(extra=[("Connection", "close"), ("Expect", "100-continue")]),
    "host-and-date-only": lambda: make(names=["host", "x-amz-date"]),
    "host-only": lambda: make(names=["host"]),
    "host-without-port": lambda: make(host="127.0.0.1"),
    "host-upper-case": lambda: make(host="LOCALHOST:7243"),
    "host-ipv6": lambda: make(host="[::1]:7243"),
    "content-hash-signed": lambda: make(extra=[("x-amz-content-sha256", HASH)]),
    "content-hash-unsigned": lambda: add(make(), "X-Amz-Content-SHA256", HASH),
    "parameters-permuted": lambda: reordered(make()),
    "commas-without-space": lambda: put(make(), "Authorization", bits(make()).replace(", ", ",")),
    "parameter-twice-last-right": lambda: put(
        make(), "Authorization", bits(make()).replace(" Cr", " Signature=0, Cr", 1)
    ),
    "parameter-unknown": lambda: put(make(), "Authorization", bits(make()) + ", Foo=bar"),
    "credential-slash-at-end": lambda: put(make(), "Authorization", bits(make()).replace("request,", "request/,")),
    "header-names-in-another-case": lambda: replace(make(), headers=[(n.swapcase(), v) for n, v in make().headers]),
    "unsigned-headers": lambda: add(add(make(), "amz-sdk-request", "attempt=1"), "Accept", "*/*"),
    "empty-header-signed": lambda: make(extra=[("X-Amzn-SageMaker-Custom-Attributes", "")]),
    "tab-in-header": lambda: make(extra=[("X-Amzn-SageMaker-Custom-Attributes", "a\tb  c")]),
    "utf8-in-header": lambda: make(extra=[("X-Amzn-SageMaker-Custom-Attributes", "ü".encode().decode("latin-1"))]),
    "percent-in-a-header-name": lambda: make(extra=[("X-100%b", "%b")]),
    "duplicates-in-order": lambda: make(extra=[("A", "2"), ("A", "1 ")]),
    "clock-300-s-late": lambda: make(date=stamp(-300)),
    "clock-299-s-late": lambda: make(date=stamp(-299)),
    "clock-300-s-early": lambda: make(date=stamp(300)),
    "date-header-in-basic-format": lambda: make(date_header="Date"),
    "date-overridden-by-x-amz-date": lambda: add(make(), "Date", "Mon, 01 Jan 2001 00:00:00 GMT"),
    "temporary": lambda: make(key=TEMPORARY),
    "temporary-of-another-session": lambda: make(key=OTHER_SESSION),
    "temporary-token-unsigned": lambda: make(key=TEMPORARY, names=["host", "x-amz-date"]),
    "token-empty-on-a-long-term-key": lambda: add(make(), "X-Amz-Security-Token", ""),
    "absolute-form": lambda: sent(make(), f"http://somewhere.test:1{PATH}"),
    "absolute-form-without-path": lambda: sent(make(path="/"), "http://somewhere.test"),
    "deck-prefix": lambda: make(path="/deck/a" + PATH),
    "dot-segments": lambda: make(path="/endpoints/./invocations", signed_path="/endpoints/invocations"),
    "escaped-dots-are-a-name": lambda: make(path="/endpoints/%2e%2e", signed_path="/endpoints/%252e%252e"),
    "query-permuted": lambda: sent(make(query="a=1&a-b=2&a=3", signed_query="a=1&a=3&a-b=2"), PATH + "?a-b=2&a=3&a=1"),
    "query-name-order": lambda: make(query="a=2&a-b=1", signed_query="a=2&a-b=1"),
    "query-without-value": lambda: make(query="a", signed_query="a="),
    "query-equals-in-value": lambda: make(query="a=b=c", signed_query="a=b%3Dc"),
    "query-lower-case-escape": lambda: make(query="a=%3a", signed_query="a=%3A"),
    "query-plus": lambda: make(query="a=b+c", signed_query="a=b%2Bc"),
    "query-empty": lambda: sent(make(), PATH + "?"),
    "query-amz-parameter-without-algorithm": lambda: make(query="X-Amz-Date=1"),
    "presigned": presign,
    "presigned-899-s-ago": lambda: presign(date=stamp(-900)),
    "presigned-for-a-week": lambda: presign(expires="604800", date=stamp(-604800)),
    "presigned-for-no-time": lambda: presign(expires="0"),
    "presigned-without-expires": lambda: presign(expires=None, date=stamp(-300)),
    "presigned-temporary": lambda: presign(TEMPORARY),
    "presigned-token-in-a-header": lambda: add(
        presign(TEMPORARY, is_token_outside=True), "X-Amz-Security-Token", str(TEMPORARY.session_token)
    ),
    "presigned-signature-in-front": lambda: sent(presign(), "{0}?{2}&{1}".format(*_parts(presign()))),
    "presigned-second-signature-after": lambda: sent(presign(), presign().target + "&X-Amz-Signature=0"),
}


def _parts(made: Made) -> tuple[str, str, str]:
    path, _, query = made.target.partition("?")
    rest, _, last = query.rpartition("&")
    return path, rest, last


@pytest.mark.parametrize("build", PASSING.values(), ids=PASSING.keys())
def test_request_is_accepted(build: Callable[[], Made]) -> None:
    """Unusual and valid: accepted, and accepted again (a replay inside the window is valid on AWS)."""
    one = verifier()
    for _ in range(3):
        assert check(build(), verifier=one).region == "us-east-1"


def test_key_is_derived_for_the_day_of_the_request() -> None:
    """Around midnight the scope's date is the request's, not the server's."""
    day = datetime.datetime(2026, 1, 16, tzinfo=datetime.UTC).timestamp()
    offset_s = int(day) - NOW
    assert check(make(date=stamp(offset_s - 60)), day + 60).region == "us-east-1"
    assert check(make(date=stamp(offset_s + 60)), day - 60).region == "us-east-1"


@pytest.mark.parametrize(("window_s", "minutes"), [(900, "15"), (60, "1"), (90, "1.5")])
def test_window_is_a_setting(window_s: int, minutes: str) -> None:
    """The edge is inside, one second more is not, and the text names the window."""
    one = verifier(window_s=window_s)
    assert check(make(date=stamp(-window_s)), verifier=one)
    refusal = refusal_of(make(date=stamp(-window_s - 1)), by=one)
    assert f"- {minutes} min.)".encode() in refusal.body
    assert "1 s older" in refusal.reason


def test_region_must_be_configured() -> None:
    """With regions given, another is refused, and the reason names the right one."""
    one = verifier(regions=frozenset({"eu-west-1"}))
    refusal = refusal_of(make(), by=one)
    assert json.loads(refusal.body) == {"message": "Credential should be scoped to a valid region. "}
    assert "eu-west-1" in refusal.reason
    assert check(make(scope=(None, "eu-west-1", "sagemaker", "aws4_request")), verifier=one).region == "eu-west-1"


@pytest.mark.parametrize("host", ["runtime.sagemaker.eu-west-1.amazonaws.com", "runtime.sagemaker.eu-west-1.api.aws"])
def test_region_must_agree_with_an_aws_host(host: str) -> None:
    """Without regions, any passes, unless the request itself names another one in its host."""
    made = make(host=host, scope=(None, "eu-west-1", "sagemaker", "aws4_request"))
    assert check(made).region == "eu-west-1"
    one = verifier()
    assert check(make(), verifier=one)
    assert "eu-west-1" in refusal_of(make(host=host), by=one).reason


def test_refusal_is_written_as_aws_writes_it() -> None:
    """Status, type with the suffix of AWS's front end, content type, and 42 bytes of body."""
    refusal = refusal_of(drop(make(), "Authorization"))
    head = head_of(refusal.script())
    assert head is not None
    assert (head.status, head.header("Content-Type")) == (403, "application/json")
    assert head.header("x-amzn-ErrorType") == "MissingAuthenticationTokenException" + CORAL_SUFFIX
    assert refusal.body == b'{"message":"Missing Authentication Token"}'


def test_unreadable_path_is_answered_without_a_body() -> None:
    """400, no type, no body, as AWS does before it looks at a signature."""
    head = head_of(refusal_of(sent(make(), "/%zz")).script())
    assert head is not None
    assert (head.status, head.header("x-amzn-ErrorType"), head.header("Content-Type")) == (400, None, None)


def test_short_text_is_a_setting() -> None:
    """`short` answers the sentence alone: 192 bytes, as in public records."""
    assert len(refusal_of(bad(make()), by=verifier(mismatch_text="short")).body) == 192


def test_long_text_is_capped() -> None:
    """A canonical request of 100 KB is not sent back."""
    made = bad(make(extra=[("A", "x" * 100_000)]))
    assert len(refusal_of(made).body) == 192


def test_unsigned_call_headers_are_warned_about() -> None:
    """AWS serves a modelled header that was left unsigned; the identity carries a warning, with and without memory."""
    one = verifier()
    for _ in range(2):
        assert check(make(), verifier=one).warnings == ()
        (warning,) = check(add(make(), *MODEL), verifier=one).warnings
        assert "x-amzn-sagemaker-target-model" in warning


def test_unsigned_call_headers_are_refused_on_demand() -> None:
    """`must_sign_all` refuses them and names them; those of the SDK's own bookkeeping stay allowed."""
    one = verifier(must_sign_all=True)
    assert check(add(make(), "amz-sdk-request", "attempt=1"), verifier=one)
    assert "x-amzn-sagemaker-target-model" in refusal_of(add(make(), *MODEL), by=one).reason


LENIENT: dict[str, tuple[Callable[[], Made], str]] = {
    "unknown-key": (lambda: make(key=UNKNOWN), "not known to the emulator"),
    "wrong-secret": (lambda: make(key=replace(LONG, secret_access_key="x")), "secret of AKIDEXAMPLE differs"),
    "body-changed": (lambda: replace(make(), body=b"[]"), "differs"),
    "body-of-another-hash": (lambda: replace(make(extra=[("x-amz-content-sha256", HASH)]), body=b"[]"), "not the one"),
    "early-signature": (lambda: bad(make(extra=[("x-amz-content-sha256", HASH)])), "differs"),
    "token-unknown": (lambda: make(key=TEMPORARY, token="x"), "session token"),
}


@pytest.mark.parametrize(("build", "text"), LENIENT.values(), ids=LENIENT.keys())
def test_lenient_warns_instead(build: Callable[[], Made], text: str) -> None:
    """What `strict` refuses for key or signature, `lenient` lets pass: the warning says that it did."""
    identity = check(build(), verifier=verifier(level="lenient"))
    assert any(text in warning for warning in identity.warnings)
    reason = refusal_of(build()).reason.partition("; run `sagetape env`")[0]
    assert f"accepted (--auth lenient) although {reason}" in identity.warnings
    assert "--auth lenient`" not in "".join(identity.warnings)


@pytest.mark.parametrize("level", ["strict", "lenient"])
def test_unsigned_request_is_told_of_off_at_every_level(level: Level) -> None:
    """`lenient` refuses it too, so it is no advice."""
    reason = refusal_of(drop(make(), "Authorization"), by=verifier(level=level)).reason
    assert "--auth off" in reason
    assert "lenient" not in reason


def test_unknown_key_is_told_which_keys_are_known() -> None:
    """By whoever made the verifier: what is known differs from server to server."""
    assert refusal_of(make(key=UNKNOWN), by=verifier(keys_hint="use yours")).reason.endswith("; use yours")


@pytest.mark.parametrize("build", [lambda: drop(make(), "Authorization"), lambda: make(date=stamp(-301)),
                                   lambda: make(scope=(None, "us-east-1", "s3", "aws4_request"))])  # fmt: skip
def test_lenient_refuses_form_clock_and_scope(build: Callable[[], Made]) -> None:
    """Syntax, clock and scope are checked as `strict` does."""
    assert refusal_of(build(), by=verifier(level="lenient")).body == refusal_of(build()).body


@pytest.mark.parametrize("build", [lambda: make(key=UNKNOWN, date="x"), lambda: Made("/%zz", [("A", "\xff")], b"")])
def test_off_checks_nothing(build: Callable[[], Made]) -> None:
    """Anything passes, without a warning."""
    assert check(build(), verifier=verifier(level="off")).warnings == ()


def test_off_still_reads_key_and_region() -> None:
    """Texts and ARNs need the region that the caller stated, in a header or a presigned URL."""
    for made in (make(key=UNKNOWN), presign(UNKNOWN)):
        identity = check(made, verifier=verifier(level="off"))
        assert (identity.access_key_id, identity.region) == ("AKIDNOBODY", "us-east-1")


REASONS: dict[str, tuple[Callable[[], Made], tuple[str, ...]]] = {
    "key": (lambda: make(key=UNKNOWN), ("not known to the emulator", "sagetape env", "--auth lenient", "AKIDNOBODY")),
    "absent": (lambda: make(names=["absent", "host"]), ("names absent",)),
    "seconds": (lambda: make(date=stamp(-307)), ("7 s older than the 300 s",)),
    "seconds-early": (lambda: make(date=stamp(342)), ("42 s further",)),
    "service": (lambda: make(scope=(None, "us-east-1", "s3", "aws4_request")), ("service", "'s3'", "'sagemaker'")),
    "escaped-once": (lambda: make(path="/a%3Ab", signed_path="/a%3Ab"), ("escaped once",)),
    "empty-body": (lambda: replace(make(body=b""), body=b"{}"), ("empty body",)),
    "unsigned-payload": (lambda: make(payload="UNSIGNED-PAYLOAD"), ("UNSIGNED-PAYLOAD",)),
    "host-port": (lambda: put(make(host="127.0.0.1"), "Host", "127.0.0.1:7243"), ("host 127.0.0.1,", "127.0.0.1:7243")),
    "host-aws": (
        lambda: put(make(host="runtime.sagemaker.us-east-1.amazonaws.com"), "Host", "127.0.0.1:7243"),
        ("fits host runtime.sagemaker.us-east-1.amazonaws.com",),
    ),
    "query-unsigned": (lambda: sent(make(), PATH + "?a=1"), ("without the query",)),
    "query-order": (lambda: make(query="b=1&a=2", signed_query="b=1&a=2"), ("order sent",)),
    "expired": (lambda: make(key=KEYS["ASIDOLD"][0]), ("expired 5 s ago",)),
    "token-missing": (lambda: drop(make(key=TEMPORARY), "X-Amz-Security-Token"), ("was not sent",)),
    "token-too-many": (lambda: make(token="t"), ("not temporary",)),
    "other": (lambda: bad(make()), ("secret of AKIDEXAMPLE", "headers content-type, host, x-amz-date")),
}


@pytest.mark.parametrize(("build", "texts"), REASONS.values(), ids=REASONS.keys())
def test_reason_says_what_differs(build: Callable[[], Made], texts: tuple[str, ...]) -> None:
    """The reason names the header, the part of the scope, the seconds or the signer's mistake."""
    reason = refusal_of(build()).reason
    assert all(text in reason for text in texts), reason


def test_secrets_are_told_to_nobody() -> None:
    """Neither answers nor reasons nor representations hold a secret, a token or the right signature."""
    one, good = verifier(), make(key=TEMPORARY)
    secrets = [TEMPORARY.secret_access_key, str(TEMPORARY.session_token), signature(good), "token%2Fof"]
    refusals = [
        refusal_of(made, by=one)
        for made in (
            bad(good),
            replace(good, body=b"x"),
            replace(presign(TEMPORARY), body=b"x"),
            make(key=TEMPORARY, token="token/of+a=sessio"),
            make(key=TEMPORARY, extra=[("Cookie", "token/of+a=session")], body=b"1", payload="0" * 64),
        )
    ]
    shown = [repr(r) + str(r) + r.reason + repr(r.script()) for r in refusals] + [
        repr(KEYS),
        repr(one),
        repr(vars(one)),
    ]
    assert not [secret for secret in secrets for text in shown if secret in text]
    assert b"x-amz-security-token:***" in refusals[0].body


def test_changed_keys_count_at_once() -> None:
    """A key that was removed or replaced is refused on the next request, though its caller is remembered."""
    keys = [LONG]
    one = Verifier(lambda _: keys)
    assert check(make(), verifier=one)
    keys[:] = [replace(LONG, secret_access_key="new")]
    assert refusal_of(make(), by=one).code == "InvalidSignatureException"
    keys.append(LONG)
    assert check(make(), verifier=one)
    keys.clear()
    assert refusal_of(make(), by=one).code == "UnrecognizedClientException"


def test_session_expires_while_its_caller_is_remembered() -> None:
    """Expiry is looked at on every request."""
    short = replace(TEMPORARY, expires=NOW + 10.0)
    one = Verifier(lambda _: (short,))
    made = make(key=short)
    assert check(made, NOW + 9, one).is_temporary
    assert refusal_of(made, now=NOW + 10, by=one).code == "ExpiredTokenException"


def test_memory_is_bounded() -> None:
    """More callers than are remembered: all of them pass, before and after the oldest were forgotten."""
    keys = {f"K{number}": (Key(f"K{number}", "s"),) for number in range(REMEMBERED_MAX + 3)}
    one = Verifier(lambda key_id: keys[key_id])
    requests = [make(key=key, path=f"/p{index}") for index, (key,) in enumerate(keys.values())]
    for made in (*requests, requests[0], requests[-1]):
        assert check(made, verifier=one)


def test_claimed_hash_is_verified_before_the_body() -> None:
    """With x-amz-content-sha256 a wrong signature is refused by `begin`, before any byte of the body."""
    made = bad(make(extra=[("x-amz-content-sha256", HASH)]))
    headers = tuple((name.encode(), value.encode()) for name, value in made.headers)
    with pytest.raises(CallerError, match="InvalidSignatureException"):
        verifier().begin("POST", made.target.encode(), headers, NOW)


def test_two_secrets_under_one_id_both_pass() -> None:
    """Keys that share id and token are all tried."""
    second = replace(LONG, secret_access_key="second")
    one = Verifier(lambda _: (LONG, second))
    for key in (LONG, second, LONG):
        assert check(make(key=key), verifier=one).access_key_id == "AKIDEXAMPLE"
