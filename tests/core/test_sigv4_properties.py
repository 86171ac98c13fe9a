"""What holds for every request: no byte of it can change, order does not matter, nothing but a refusal is raised."""

from __future__ import annotations

import datetime
import hashlib
from typing import Any
from unittest import mock
from urllib.parse import quote, unquote_to_bytes

import botocore.auth
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st
from sigv4_requests import KEYS, LONG, NOW, TEMPORARY

from sagetape.core.errors import CallerError
from sagetape.core.signing import Key, is_of_signature, sign
from sagetape.core.sigv4 import Verifier
from sagetape.core.wire import RawHeaders

EXAMPLES = settings(max_examples=100, deadline=None, derandomize=True)
SHARED = Verifier(lambda key_id: KEYS.get(key_id, ()))
MOMENT = datetime.datetime.fromtimestamp(NOW, datetime.UTC)

segments = st.text(min_size=1, max_size=12).filter(lambda text: text not in (".", "..") and text.isprintable())
paths = st.lists(segments, max_size=4).map(lambda parts: "/" + "/".join(quote(part, safe="") for part in parts))
words = st.text(st.characters(codec="ascii", min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)
values = st.lists(words, max_size=3).map("  ".join)
names = st.sampled_from(["X-Amzn-SageMaker-Target-Model", "Accept", "Content-Type", "X-Amz-Custom", "A"])
queries = st.lists(st.tuples(words, words), max_size=4, unique_by=lambda pair: pair[0]).map(
    lambda pairs: "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in pairs)
)
requests = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["POST", "GET", "PUT"]),
        "path": paths,
        "query": queries,
        "headers": st.lists(st.tuples(names, values), max_size=4),
        "body": st.binary(max_size=40),
        "key": st.sampled_from([LONG, TEMPORARY]),
    }
)


def hash_of(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode()


def target_of(request: dict[str, Any]) -> bytes:
    return (request["path"] + (f"?{request['query']}" if request["query"] else "")).encode()


def signed_by_us(request: dict[str, Any], key: Key | None = None) -> RawHeaders:
    headers = ((b"Host", b"127.0.0.1:7243"), *((n.encode(), v.encode()) for n, v in request["headers"]))
    made = sign(
        request["method"],
        target_of(request),
        headers=headers,
        body_sha256_hex=hash_of(request["body"]),
        key=key or request["key"],
        region="us-east-1",
        now=NOW,
    )
    return (*headers, *made.headers)


def signed_by_botocore(request: dict[str, Any]) -> RawHeaders:
    made = AWSRequest(request["method"], "http://127.0.0.1:7243" + target_of(request).decode(), data=request["body"])
    for name, value in (("Host", "127.0.0.1:7243"), *request["headers"]):
        made.headers[name] = value
    key = request["key"]
    signer = SigV4Auth(
        Credentials(key.access_key_id, key.secret_access_key, key.session_token), "sagemaker", "us-east-1"
    )
    with mock.patch.object(botocore.auth, "get_current_datetime", return_value=MOMENT):
        signer.add_auth(made)
    return tuple((name.encode(), value.encode()) for name, value in made.headers.items())


def accepts(method: str, target: bytes, headers: RawHeaders, body: bytes, by: Verifier = SHARED) -> bool:
    try:
        by.begin(method, target, headers, NOW).finish(hash_of(body))
    except CallerError:
        return False
    return True


@EXAMPLES
@given(requests)
def test_botocores_signature_is_accepted(request: dict[str, Any]) -> None:
    """Whatever botocore signs, and sends as it signed it, verifies; by a fresh verifier and by an old one."""
    headers = signed_by_botocore(request)
    fresh = Verifier(lambda key_id: KEYS.get(key_id, ()))
    for by in (SHARED, fresh, fresh):
        assert accepts(request["method"], target_of(request), headers, request["body"], by)


@EXAMPLES
@given(requests)
def test_our_signature_is_botocores(request: dict[str, Any]) -> None:
    """The signer of forwarded requests adds exactly the headers that botocore adds."""
    added = {"Authorization", "X-Amz-Date", "X-Amz-Security-Token"}
    ours = {n.decode(): v for n, v in signed_by_us(request) if n.decode() in added}
    assert ours == {n.decode(): v for n, v in signed_by_botocore(request) if n.decode() in added}


@EXAMPLES
@given(requests, st.data())
def test_any_changed_byte_is_refused(request: dict[str, Any], data: st.DataObject) -> None:
    """One bit of the path, the query, a signed header, the signature's parts or the body: refused."""
    headers, target, body = list(signed_by_us(request)), target_of(request), request["body"]
    assert accepts(request["method"], target, tuple(headers), body)
    place = data.draw(st.sampled_from(["target", "body", *range(len(headers))]))
    if place == "target":
        target = flipped(target, data)
    elif place == "body":
        body = flipped(body or b"\0", data)
    else:
        name, value = headers[place]
        changed = flipped(value or b"\0", data)
        if changed.strip(b" \t\r\n") == value.strip(b" \t\r\n") or b" ".join(changed.split()) == b" ".join(
            value.split()
        ):
            return  # other white space signs alike
        headers[place] = name, changed
    if place == "target" and alike(target, target_of(request)):
        return
    assert not accepts(request["method"], target, tuple(headers), body)


def flipped(text: bytes, data: st.DataObject) -> bytes:
    at = data.draw(st.integers(0, len(text) - 1))
    return text[:at] + bytes([text[at] ^ data.draw(st.sampled_from([1, 2, 4, 8, 16, 32, 64, 128]))]) + text[at + 1 :]


def alike(target: bytes, other: bytes) -> bool:
    """Whether two targets are one by the rules: the case of an escape in the query, an escape for a plain character."""
    (path, _, query), (path2, _, query2) = target.partition(b"?"), other.partition(b"?")
    return path == path2 and pairs_of(query) == pairs_of(query2)


def pairs_of(query: bytes) -> list[tuple[bytes, bytes]]:
    parts = [part.partition(b"=") for part in query.split(b"&")] if query else []
    return sorted((unquote_to_bytes(name), unquote_to_bytes(value)) for name, _, value in parts)


@EXAMPLES
@given(requests, st.randoms(use_true_random=False))
def test_order_of_headers_and_query_does_not_matter(request: dict[str, Any], random: Any) -> None:
    """Headers (each name once) and query parameters in any order verify."""
    once = {**request, "headers": list({name: (name, value) for name, value in request["headers"]}.values())}
    headers, pairs = list(signed_by_us(once)), once["query"].split("&")
    random.shuffle(headers)
    random.shuffle(pairs)
    assert accepts(once["method"], target_of({**once, "query": "&".join(pairs)}), tuple(headers), once["body"])


@EXAMPLES
@given(requests, st.sampled_from(["another secret", ""]))
def test_another_secret_is_refused(request: dict[str, Any], secret: str) -> None:
    """Nobody passes without the secret."""
    key = request["key"]
    headers = signed_by_us(request, Key(key.access_key_id, secret, key.session_token))
    assert not accepts(request["method"], target_of(request), headers, request["body"])


raw_names = st.one_of(
    st.binary(max_size=8),
    st.sampled_from(
        [b"Authorization", b"x-amz-date", b"Date", b"host", b"x-amz-security-token", b"x-amz-content-sha256"]
    ),
)
raw_values = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([b"20260115T120000Z", b"AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host, Signature=0"]),
    st.builds(
        lambda *parts: (
            b"AWS4-HMAC-SHA256 Credential=%b/20260115/%b/sagemaker/aws4_request,SignedHeaders=%b,Signature=%b" % parts
        ),
        st.one_of(st.just(b"AKIDEXAMPLE"), st.binary(max_size=8)),
        st.one_of(st.just(b"us-east-1"), st.binary(max_size=8)),
        st.one_of(st.just(b"host"), st.binary(max_size=8).map(lambda text: b"host;" + text)),
        st.binary(max_size=70),
    ),
)
raw_targets = st.one_of(
    st.binary(max_size=60).map(lambda text: b"/" + text),
    st.binary(max_size=30),
    st.lists(
        st.tuples(
            st.sampled_from(
                [b"X-Amz-" + n for n in (b"Algorithm", b"Credential", b"Date", b"SignedHeaders", b"Signature")]
            ),
            st.one_of(st.just(b"20260115T120000Z"), st.just(b"host"), st.binary(max_size=20)),
        ),
        max_size=7,
    ).map(lambda pairs: b"/?X-Amz-Algorithm=AWS4-HMAC-SHA256&" + b"&".join(b"X-Amz-" + n + b"=" + v for n, v in pairs)),
)


@settings(max_examples=600, deadline=None, derandomize=True)
@given(
    st.one_of(st.just("POST"), st.text(max_size=5)),
    raw_targets,
    st.lists(st.tuples(raw_names, raw_values), max_size=6).map(tuple),
    st.sampled_from(["strict", "lenient", "off"]),
)
def test_nothing_but_a_refusal_is_raised(method: str, target: bytes, headers: RawHeaders, level: Any) -> None:
    """Any bytes: an identity or a CallerError whose answer can be written."""
    by = Verifier(lambda key_id: KEYS.get(key_id, ()), level=level)
    try:
        answer: object = by.begin(method, target, headers, NOW).finish(hash_of(b""))
    except CallerError as refusal:
        answer = refusal.script()
    assert answer


def test_signer_refuses_stale_signatures() -> None:
    """Headers of the caller's signature must be stripped before a request is signed anew."""
    for name in (b"Authorization", b"X-Amz-Date", b"x-amz-security-token", b"X-Amz-Content-SHA256", b"Date"):
        assert is_of_signature(name)
        with pytest.raises(ValueError, match="strip them"):
            sign("POST", b"/", headers=((b"host", b"h"), (name, b"x")), body_sha256_hex=hash_of(b""), key=LONG,
                 region="us-east-1", now=NOW)  # fmt: skip


def test_signer_needs_a_host() -> None:
    """A request without a host cannot be signed."""
    with pytest.raises(ValueError, match="host"):
        sign("POST", b"/", headers=(), body_sha256_hex=hash_of(b""), key=LONG, region="us-east-1", now=NOW)
