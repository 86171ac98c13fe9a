"""A secret is found wherever it hides, an innocent is not, and no bytes raise."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import random
import struct
import uuid
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagetape.core.eventstream import payload_part
from sagetape.core.secrets import Scanner, find_patterns, fingerprint
from sagetape.core.wire import EVENT_STREAM, Call, Chunk, End, Head, Interaction, Pause, Provenance, Script, whole

LIVE = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzzzSECRET"
KEY_TEXT = "-----BEGIN RSA PRIVATE KEY-----\n" + ("MIIEpAIBAAKCAQEA" * 4 + "\n") * 3 + "-----END RSA PRIVATE KEY-----"
SECRETS = {
    "live secret": LIVE,
    "AKIA": "AKIAQ3EGJ5XVWZ4TDN2A",
    "ASIA": "ASIA1234567890123456",
    "signature": "Signature=" + hashlib.sha256(b"x").hexdigest(),
    "session token": "IQoJb3JpZ2luX2VjE" + "Qk7Zp9+/aB" * 20,
    "authorization": "AWS4-HMAC-SHA256 Credential=AKIDQ3EGJ5XVWZ4TDN2A/20260115/us-east-1/sagemaker/aws4_request",
    "sagemaker key": "sagemaker-api-key-c2FnZW1ha2VyLmFtYXpvbmF3cy5jb20vP0E",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "private key": KEY_TEXT,
    "github": "ghp_" + "aB3dE6gH9j" * 3 + "kL2nP5",
    "hugging face": "hf_" + "AbCdEfGhIjKlMnOpQrStUvWxYzAbCdEfGh",
    "anthropic": "sk-ant-api03-" + "Zy8xW7vU6t" * 4,
    "slack": "xoxb-123456789012-abcdefABCDEF123456",
    "google": "AIza" + "SyA1bC2dE3fG4hI5jK6lM7nO8pQ9rS0tU1v",
    "gitlab": "glpat-" + "a1B2c3D4e5F6g7H8i9J0",
}


def escaped(text: str) -> bytes:
    return ('{"a": {"b": "' + "".join(f"\\u{ord(c):04x}" for c in text) + '"}}').encode()


def zipped(text: str) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = packer.compress(text.encode()) + packer.flush()
    header = struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 20, 0, 8, 0, 0, 0, len(body), len(text), 5, 0)
    return header + b"a.npy" + body


PLACES: dict[str, Callable[[str], bytes]] = {
    "raw": lambda s: f"please use {s} for it".encode(),
    "json": lambda s: json.dumps({"a": [1, {"b": s}]}).encode(),
    "base64": lambda s: b"x: " + base64.b64encode(s.encode()),
    "base64 without padding": lambda s: base64.b64encode(b"??" + s.encode()).rstrip(b"="),
    "base64url": lambda s: b"x: " + base64.urlsafe_b64encode(b"\xff\xfe\xfb" + s.encode()),
    "base64 in lines": lambda s: base64.encodebytes(b"prefix of some length " * 4 + s.encode()),
    "base64 in base64": lambda s: base64.b64encode(base64.b64encode(s.encode())),
    "hex": lambda s: s.encode().hex().encode(),
    "hex of odd length": lambda s: b"a" + s.encode().hex().encode(),
    "gzip": lambda s: gzip.compress(s.encode()),
    "gzip inside other bytes": lambda s: b"\r\n\r\n\x00" + gzip.compress(s.encode()) + b"\x00",
    "gzip and base64 in JSON": lambda s: json.dumps(
        {"v": base64.b64encode(gzip.compress(s.encode())).decode()}
    ).encode(),
    "base64 in gzip": lambda s: gzip.compress(base64.b64encode(s.encode())),
    "zlib": lambda s: zlib.compress(s.encode()),
    "zip": zipped,
    "escapes": escaped,
    "escaped twice": lambda s: json.dumps({"inner": escaped(s).decode()}).encode(),
    "percent": lambda s: "".join(f"%{ord(c):02X}" for c in s).encode(),
    "frame": lambda s: payload_part(s.encode()),
    "two frames": lambda s: payload_part(s.encode()[:9]) + payload_part(s.encode()[9:]),
    "base64 in a frame": lambda s: payload_part(base64.b64encode(s.encode())),
    "among numbers": lambda s: b"[" + b"0.1234567890123456, " * 4000 + f'"{s}"'.encode() + b", 0.5" * 4000 + b"]",
    "among random bytes": lambda s: random.Random(3).randbytes(50_001) + s.encode() + b"\x00" * 50_000,
}


def interaction(script: Script, **members: str) -> Interaction:
    call = Call("InvokeEndpoint", "e", members, b"{}", b"")
    return Interaction(call, script, Provenance(0.0, "aws", "1"))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("secret", SECRETS)
def test_scan_finds_a_secret_in_a_hiding_place(secret: str, place: str) -> None:
    """Every kind of secret, in every hiding place."""
    found = Scanner([LIVE]).scan(PLACES[place](SECRETS[secret]), place="request body")
    assert found, (secret, place)
    assert all(f.place.startswith("request body") and SECRETS[secret] not in str(f) for f in found)


@pytest.mark.parametrize("secret", SECRETS)
def test_scan_finds_a_secret_in_headers_and_attributes(secret: str) -> None:
    """A member, a header of the answer, and the place is told."""
    text = SECRETS[secret].replace("\n", " ")
    scanner = Scanner([LIVE])
    asked = scanner.scan_interaction(interaction(whole(200, (), b"ok"), CustomAttributes=text))
    answered = scanner.scan_interaction(interaction(whole(200, (("X-Amzn-SageMaker-Custom-Attributes", text),), b"ok")))
    assert {f.place for f in asked} == {"request member CustomAttributes"}
    assert {f.place for f in answered} == {"response header X-Amzn-SageMaker-Custom-Attributes"}


@pytest.mark.parametrize("framed", [False, True], ids=["chunks", "frames"])
@pytest.mark.parametrize("secret", SECRETS)
def test_scan_finds_a_secret_cut_by_stream_parts(secret: str, framed: bool) -> None:
    """One byte in each part, with pauses between."""
    parts = [bytes([b]) for b in f"say {SECRETS[secret]} now".encode()]
    steps = [s for p in parts for s in (Pause(0.1), Chunk(payload_part(p) if framed else p))]
    head = Head(200, (("Content-Type", EVENT_STREAM if framed else "text/plain"),))
    found = Scanner([LIVE]).scan_interaction(interaction((head, *steps, End())))
    assert found
    assert found[0].place.startswith("response body")


def innocents() -> dict[str, bytes]:
    draw = random.Random(7)
    floats = struct.pack("<3000f", *(draw.gauss(0, 1) for _ in range(3000)))
    numbers = [draw.gauss(0, 1e-5) for _ in range(3000)]
    return {
        "embeddings as base64": json.dumps({"e": base64.b64encode(floats).decode()}).encode(),
        "floats": floats,
        "npy": b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (3000,), }".ljust(128)
        + floats,
        "numbers": json.dumps({"embedding": numbers, "model": "text-embedding-ada-002-v2"}).encode(),
        "ids": json.dumps([str(uuid.UUID(int=draw.getrandbits(128))) for _ in range(300)]).encode(),
        "twelve digits": b'{"balance": 123456789012, "n": "999988887777"}',
        "hashes": json.dumps([hashlib.sha256(bytes([i])).hexdigest() for i in range(200)]).encode(),
        "development pairs": b'{"key": "test", "secret": "testing"}',
        "text": (
            "The AKIA prefix, the ASIA region, Signature= and eyJ in a text; -----BEGIN CERTIFICATE----- " * 50
        ).encode(),
        "image": random.Random(5).randbytes(200_000),
    }


@pytest.mark.parametrize("name", innocents())
def test_scan_leaves_innocents_alone(name: str) -> None:
    """What models really say."""
    assert Scanner([LIVE, "test", "testing", "shortsecret"]).scan(innocents()[name], place="body") == []


def test_scan_allows_a_false_alarm_by_its_fingerprint() -> None:
    """A fingerprint silences that text and no other."""
    body = f"{SECRETS['AKIA']} {SECRETS['ASIA']}".encode()
    first, second = Scanner().scan(body, place="body")
    allowed = Scanner(allowed=frozenset({first.fingerprint})).scan(body, place="body")
    assert allowed == [second]


def test_finding_tells_the_path_and_hides_the_secret() -> None:
    """Layers from the outside in, with the JSON path."""
    body = json.dumps({"a": {"b": [base64.b64encode(LIVE.encode()).decode()]}}).encode()
    (found,) = Scanner([LIVE]).scan(body, place="response body")
    assert found.place == "response body, JSON path $.a.b[0], base64"
    assert found.fingerprint == fingerprint(LIVE.encode())
    assert found.excerpt == f"wJal*** ({len(LIVE)} bytes)"


def test_scan_refuses_zstd_without_the_extra_and_reads_it_with() -> None:
    """Without a decompressor the body is unreadable; with one it is read."""
    body = b"\x28\xb5\x2f\xfd" + b"rest of a frame"
    (found,) = Scanner().scan(body, place="body")
    assert (found.kind, found.place) == ("unreadable", "body, zstd")
    (found,) = Scanner([LIVE], zstd=lambda data, limit: LIVE.encode()[:limit]).scan(body, place="body")
    assert (found.kind, found.place) == ("live secret", "body, zstd")


def test_scan_takes_a_bomb_for_unreadable() -> None:
    """100 MiB out of 100 KiB are not unpacked, and not called clean."""
    packer = zlib.compressobj(9)
    bomb = b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(100)), packer.flush()])
    assert {f.kind for f in Scanner().scan(bomb, place="body")} == {"unreadable"}


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.sampled_from([b"", b"\x1f\x8b\x08", b"PK\x03\x04", b"\x78\x9c", b"{", b"\\u00"]))
def test_scan_never_raises(data: bytes, start: bytes) -> None:
    """Any bytes, also behind the magic numbers."""
    Scanner([LIVE]).scan(start + data, place="body")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.binary(max_size=300), st.sampled_from(sorted(SECRETS)))
def test_scan_finds_a_live_secret_among_any_bytes(before: bytes, after: bytes, kind: str) -> None:
    """What stands around it does not matter."""
    secret = SECRETS[kind]
    assert Scanner([secret]).scan(before + b" " + secret.encode() + b" " + after, place="body")


@pytest.mark.parametrize(
    "hostile", [b"eyJ" * 700_000, b"eyJ" + b"a" * 20 + b".eyJ" * 500_000, b"-----BEGIN " * 190_000]
)
def test_scan_is_linear_in_hostile_bytes(hostile: bytes) -> None:
    """Two megabytes that start a token at every third byte: a quadratic search would take minutes."""
    assert list(find_patterns(hostile)) == []


def test_pattern_is_found_wherever_it_stands() -> None:
    """At the start, behind another's beginning, twice; never in the middle of a longer word."""
    token = b"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0." + b"s" * 20
    for before in (b"", b" ", b"eyJeyJ.", b"eyJhbGci.eyJ ", b"x."):
        assert (("JSON web token", token)) in list(find_patterns(before + token))
    assert [text for _, text in find_patterns(token + b" " + token)] == [token, token]
    key = b"AKIA" + b"IOSFODNN7EXAMPLE"
    assert list(find_patterns(b"-" + key + b"," + key)) == [("AWS access key id", key)] * 2
    assert list(find_patterns(b"x" + key)) == []
