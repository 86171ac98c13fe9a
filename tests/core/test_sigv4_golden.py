"""The verifier against golden vectors made with botocore, stage by stage, and against what boto3 puts on the wire."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from sagetape.core.canonical import format_timestamp, parse_timestamp
from sagetape.core.errors import CallerError
from sagetape.core.signing import Key, derive_key
from sagetape.core.sigv4 import Identity, Verifier
from sagetape.core.wire import RawHeaders

GOLDEN = Path(__file__).parents[1] / "golden" / "sigv4"
VECTORS: list[dict[str, Any]] = json.loads((GOLDEN / "vectors.json").read_text("utf-8"))
WIRE: list[dict[str, Any]] = json.loads((GOLDEN / "wire.json").read_text("utf-8"))
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
NOW = 1_440_938_160.0  # 2015-08-30T12:36:00Z, the moment of AWS's published suite
ACCEPTED = [vector for vector in VECTORS if vector["verdict"] == "accepted"]
REFUSED = [vector for vector in VECTORS if vector["verdict"] != "accepted"]


def named(vectors: list[dict[str, Any]]) -> Any:
    ids = [f"{v['name']}-{v.get('form', 'wire')}-{v.get('service', 'sagemaker')}" for v in vectors]
    return pytest.mark.parametrize("vector", vectors, ids=ids)


def headers_of(vector: dict[str, Any]) -> RawHeaders:
    return tuple((name.encode(), value.encode("latin-1")) for name, value in vector["headers"])


def verify(vector: dict[str, Any], secret: str = SECRET, level: Any = "strict") -> Identity:
    key = Key("AKIDEXAMPLE", secret, vector["token"])
    verifier = Verifier(lambda _: (key,), service=vector.get("service", "sagemaker"), level=level)
    target = vector["target"].encode("latin-1")
    pending = verifier.begin(vector["method"], target, headers_of(vector), NOW)
    return pending.finish(hashlib.sha256(vector["body"].encode("latin-1")).hexdigest().encode())


def long_text(vector: dict[str, Any]) -> tuple[str, str]:
    """Canonical request and string to sign, as the refusal under another secret prints them."""
    with pytest.raises(CallerError) as caught:
        verify(vector, "another secret")
    message = json.loads(caught.value.body)["message"]
    canonical = message.split("should have been\n'", 1)[1].split("'\n\nThe String-to-Sign", 1)[0]
    return canonical, message.rsplit("should have been\n'", 1)[1].removesuffix("'\n")


def masked(vector: dict[str, Any]) -> str:
    text: str = vector["canonical_request"]
    if vector["token"] is None:
        return text
    for secret in (vector["token"], quote(vector["token"], safe="-_.~")):
        text = text.replace(secret, "***")
    return text


@named(ACCEPTED)
def test_canonical_request_is_botocores(vector: dict[str, Any]) -> None:
    """Stage 1: the canonical request, read from the text of a refusal, is the one that botocore signed."""
    assert long_text(vector)[0] == masked(vector)


@named(ACCEPTED)
def test_string_to_sign_is_botocores(vector: dict[str, Any]) -> None:
    """Stage 2: timestamp, scope and hash."""
    assert long_text(vector)[1] == vector["string_to_sign"]


@named(VECTORS)
def test_signature_of_the_string_is_botocores(vector: dict[str, Any]) -> None:
    """Stage 3: key derivation and HMAC, from botocore's own string to sign."""
    state = derive_key(SECRET, b"20150830", region=b"us-east-1", service=vector["service"].encode())
    assert state.sign(vector["string_to_sign"].encode()).hex() == vector["signature"]


@named(ACCEPTED)
def test_vector_is_accepted(vector: dict[str, Any]) -> None:
    """Stage 4: the verdict."""
    identity = verify(vector)
    assert (identity.access_key_id, identity.region) == ("AKIDEXAMPLE", "us-east-1")
    assert identity.is_temporary == (vector["token"] is not None)


@named(REFUSED)
def test_vector_of_another_rule_is_refused(vector: dict[str, Any]) -> None:
    """Paths that were not normalised, paths escaped once, and unsigned payloads are S3's rules, not SageMaker's."""
    with pytest.raises(CallerError) as caught:
        verify(vector)
    assert caught.value.code == vector["verdict"]


@named(ACCEPTED)
def test_vector_of_another_service_is_refused(vector: dict[str, Any]) -> None:
    """A signature for one service is none for another; the service is named."""
    with pytest.raises(CallerError) as caught:
        verify({**vector, "service": "sagemaker" if vector["service"] == "service" else "service"})
    assert b"correct service: '" in caught.value.body


# Three signatures that AWS published with its suite; they tie these vectors to it.
@pytest.mark.parametrize(
    ("name", "signature"),
    [
        ("get-vanilla", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("get-vanilla-query-order-key-case", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
        ("post-x-www-form-urlencoded", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"),
    ],
)
def test_vector_has_the_published_signature(name: str, signature: str) -> None:
    """Where our request is the published one, so is its signature."""
    (vector,) = [v for v in VECTORS if (v["name"], v["form"], v["service"]) == (name, "header", "service")]
    assert vector["signature"] == signature


@named(WIRE)
def test_wire_capture_is_accepted(vector: dict[str, Any]) -> None:
    """What boto3 puts on a socket verifies, whatever the endpoint is called."""
    assert verify(vector).warnings == ()


@named(WIRE)
def test_wire_capture_is_refused_with_another_body(vector: dict[str, Any]) -> None:
    """One byte more in the body, and the signature no longer fits."""
    with pytest.raises(CallerError, match="InvalidSignatureException"):
        verify({**vector, "body": vector["body"] + "x"})


@named([vector for vector in WIRE if "%" in vector["target"]])
def test_wire_capture_is_refused_when_unescaped_once(vector: dict[str, Any]) -> None:
    """An alias of the path (an escape more, or one less) is another path."""
    for alias in (vector["target"].replace("%", "%25"), vector["target"].lower()):
        if alias != vector["target"]:
            with pytest.raises(CallerError, match="InvalidSignatureException"):
                verify({**vector, "target": alias})


@named(WIRE[:1])
def test_absolute_form_is_verified_by_its_path(vector: dict[str, Any]) -> None:
    """A request line as sent to a forward proxy verifies: scheme and authority are not signed."""
    assert verify({**vector, "target": "http://127.0.0.1:7243" + vector["target"]}).region == "us-east-1"


def test_captures_cover_what_is_promised() -> None:
    """At least 28 odd names, temporary keys, an IPv6 host and three operations were captured."""
    names = [vector["name"] for vector in WIRE]
    assert sum(name.startswith("name ") and name.endswith("@127.0.0.1") for name in names) >= 28
    assert any(name.endswith("temporary") for name in names)
    assert any(value.startswith("[::1]:") for vector in WIRE for name, value in vector["headers"] if name == "Host")
    assert {vector["target"].rsplit("/", 1)[1] for vector in WIRE} == {
        *("invocations", "invocations-response-stream", "async-invocations")
    }


@pytest.mark.parametrize("text", ["20150830T123600Z", "20240229T235959Z", "19700101T000000Z", "99991231T235959Z"])
def test_timestamp_is_read_as_it_is_written(text: str) -> None:
    """Parsing and writing a moment are each other's inverse."""
    moment = parse_timestamp(text.encode())
    assert moment is not None
    assert format_timestamp(moment) == text
