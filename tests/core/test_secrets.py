"""A secret is found wherever it hides, an innocent is not, and no bytes raise."""

from __future__ import annotations

import base64
import bz2
import gzip
import hashlib
import html
import io
import json
import lzma
import random
import struct
import uuid
import zipfile
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagetape.core.eventstream import payload_part
from sagetape.core.labels import find_labelled
from sagetape.core.secrets import Scanner, find_patterns, fingerprint
from sagetape.core.wire import EVENT_STREAM, Call, Chunk, End, Head, Interaction, Pause, Provenance, Script, whole

LIVE = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzzzSECRET"
KEY_TEXT = "-----BEGIN RSA PRIVATE KEY-----\n" + ("MIIEpAIBAAKCAQEA" * 4 + "\n") * 3 + "-----END RSA PRIVATE KEY-----"
AWS_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYzzzzzzSECR"
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
    "npm": "npm_" + "aB3" * 12,
    "pypi": "pypi-AgEIcHlwaS5vcmcCJDAwMDAwMDAw",
    "stripe live": "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "stripe restricted": "rk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "stripe test": "sk_test_" + "a" * 24,
    "repetitive hugging face": "hf_" + "a" * 34,
    "short session token": "FwoGZXIvYXdzEBY" + "Qk7Zp9aB" * 6,
    "session token of any kind": 'aws_session_token = "Qk7Zp9/+aBq8Zr1VvK0xT7mJ3nWb6L"',
    "token in a query": "x-amz-security-token=Qk7Zp9%2FaBq8Zr1VvK0xT7mJ3nWb6L",
    "old presigned URL": "AWSAccessKeyId=ABCD&Signature=vjbyPxybdZaNmGa%2ByT272YEAiv4%3D&Expires=1",
    "AWS key in JSON": json.dumps({"SecretAccessKey": AWS_KEY}),
    "AWS key in a file": f"aws_secret_access_key = {AWS_KEY}",
    "AWS key in the environment": f"export AWS_SECRET_ACCESS_KEY={AWS_KEY}",
    "AWS key in quotes": f"AWS_SECRET_ACCESS_KEY='{AWS_KEY}'",
    "AWS key in YAML": f"secretAccessKey: {AWS_KEY}",
    "AWS key in XML": f"<SecretAccessKey>{AWS_KEY}</SecretAccessKey>",
    "AWS key in JSON in JSON": json.dumps(json.dumps({"SecretAccessKey": AWS_KEY})),
    "AWS key without entropy": "aws_secret_access_key=" + "a" * 40,
    "bearer": "Authorization: Bearer q8Zr1VvK0xT7mJ3nWb6LsYp2Hc9Dg4Ef",
    "bearer alone": "bearer 9f8e7d6c5b4a39281706f5e4d3c2b1a0",
    "basic": "Authorization: Basic YWRtaW46UzNjcjN0UGFzc3cwcmQ=",
    "login in a URL": "postgres://admin:S3cr3tPassw0rd@db",
    "login without a user": "redis://:correcthorse@cache:6379/0",
    "password": '"password": "S3cr3tPassw0rd"',
    "password in the environment": "DB_PASSWORD=S3cr3t-Passw0rd",
    "API key": '"api_key": "q8Zr1VvK0xT7mJ3nWb6L"',
    "API key of hexadecimal digits": "OPENAI_API_KEY: 9f8e7d6c5b4a39281706f5e4d3c2b1a0",
    "API key that is a UUID": "x-api-key: a81bc81b-dead-4e5d-abff-90865d1e13b1",
    "client secret": "client_secret=q8Zr1VvK0xT7mJ3nWb6LsYp2Hc9Dg4Ef",
    "access token": '"access_token":"q8Zr1VvK0xT7mJ3nWb6LsYp2Hc9Dg4Ef"',
}


def npy(text: str) -> bytes:
    """`numpy.save` of an array of one text, `<U...`."""
    header = f"{{'descr': '<U{len(text)}', 'fortran_order': False, 'shape': (1,), }}".ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + text.encode("utf-32-le")


def archived(data: bytes, method: int) -> bytes:
    """A zip file of one member."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("arr_0.npy", data)
    return file.getvalue()


def parts(*bodies: bytes) -> bytes:
    """A multipart body."""
    opened = b"".join(b"--x\r\nContent-Disposition: form-data\r\n\r\n" + body + b"\r\n" for body in bodies)
    return opened + b"--x--\r\n"


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def nested(data: bytes, levels: int, *, wrap: Callable[[bytes], bytes]) -> bytes:
    for _ in range(levels):
        data = wrap(data)
    return data


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
    "UTF-16": lambda s: s.encode("utf-16"),
    "UTF-16 among Chinese": lambda s: f"\u5bc6\u7801 {s} \u5bc6".encode("utf-16-be"),
    "UTF-32": lambda s: s.encode("utf-32-be"),
    "npy": npy,
    "npz": lambda s: archived(npy(s), zipfile.ZIP_STORED),
    "compressed npz": lambda s: archived(npy(s), zipfile.ZIP_DEFLATED),
    "zip of bzip2": lambda s: archived(s.encode(), zipfile.ZIP_BZIP2),
    "gzip in multipart": lambda s: parts(b"first", gzip.compress(s.encode())),
    "zlib in multipart": lambda s: parts(b"first", zlib.compress(s.encode())),
    "gzip with a wrong checksum": lambda s: gzip.compress(s.encode())[:-8] + bytes(8),
    "gzip with a name, torn": lambda s: (
        b"\x1f\x8b\x08\x08" + bytes(6) + b"name\x00" + deflated(s.encode() + b" " + bytes(range(99)))[:-9]
    ),
    "raw deflate": lambda s: deflated(s.encode()),
    "bzip2": lambda s: bz2.compress(s.encode()),
    "xz": lambda s: lzma.compress(s.encode()),
    "entities": lambda s: "".join(f"&#{ord(c)};" if i % 2 else f"&#x{ord(c):x};" for i, c in enumerate(s)).encode(),
    "entities of XML": lambda s: f"<m>{html.escape(s)}</m>".encode(),
    "base64, seven deep": lambda s: nested(s.encode(), 7, wrap=base64.b64encode),
    "gzip, seven deep": lambda s: nested(s.encode(), 7, wrap=gzip.compress),
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
def test_scan_finds_every_secret_in_a_hiding_place(place: str) -> None:
    """Every kind of secret, in every hiding place."""
    scanner = Scanner([LIVE])
    found = {name: scanner.scan(PLACES[place](secret), place="request body") for name, secret in SECRETS.items()}
    assert [name for name, findings in found.items() if not findings] == []
    told = [(f, SECRETS[name]) for name, findings in found.items() for f in findings]
    assert all(f.place.startswith("request body") and secret not in str(f) for f, secret in told)
    assert "unreadable" not in {f.kind for f, _ in told}


@pytest.mark.parametrize("secret", SECRETS)
def test_scan_finds_a_secret_in_headers_and_attributes(secret: str) -> None:
    """A member, a header of the answer, and the place is told."""
    text = SECRETS[secret].replace("\n", " ")
    scanner = Scanner([LIVE])
    asked = scanner.scan_interaction(interaction(whole(200, (), b"ok"), CustomAttributes=text))
    answered = scanner.scan_interaction(interaction(whole(200, (("X-Amzn-SageMaker-Custom-Attributes", text),), b"ok")))
    assert {f.place.split(", ")[0] for f in asked} == {"request member CustomAttributes"}
    assert {f.place.split(", ")[0] for f in answered} == {"response header X-Amzn-SageMaker-Custom-Attributes"}


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


PROSE = (
    """
Your password: required. Password must have 8 characters: password: min8chars. secret: the secret key is 42 words long.
Set api_key="YOUR_API_KEY", OPENAI_API_KEY=sk-..., token = "<your token>"; Authorization: Bearer YOUR_ACCESS_TOKEN_1.
headers = {"Authorization": f"Bearer {token}"}; curl -H "Authorization: Bearer ${TOKEN}" https://api.example.com/v1/x@y
password = os.environ["DB_PASSWORD_2"]; password=config.db2_pass; password: str = Field(...); self.password1 = password1
password = get_password2(); {"password": "password123", "user": "admin"}; pwd: /home/user1/projects/x2; PWD=/srv/app2
postgresql://user:password@localhost/db; mysql://{user}:{password}@{host}/x; https://username:your_password@github.com/x
http://localhost:8080/a@b, ftp://example.org:21/me@here; Basic information about Mathematics
eos_token: "<|endoftext|>", tokenizer: bert-base-uncased, token: tokenizer_v2_large_128k_2024, tokens: 1234567890123456
AWS_SECRET_ACCESS_KEY=test aws_secret_access_key = YOUR_SECRET_ACCESS_KEY aws_session_token=testing
def sign(secret_key: bytes, access_key_id: str) -> str: return hmac.new(secret_key, access_key_id.encode()).hexdigest()
a&amp;b &lt;p&gt; 50% off, 100%25, C:\\new\\table, hf_hub, npm_config_registry, sk_test, pypi-server, ghp_, xoxb-
The bearer of this letter, bearer authentication-scheme-number-2, account: savings, private key: kept-in-a-safe-place-1
"""
    * 3
)


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
        "small integers": struct.pack("<900i", *(draw.randrange(32, 127) for _ in range(900))),
        "prose": PROSE.encode(),
        "prose in UTF-16": PROSE.encode("utf-16"),
        "prose in JSON": json.dumps({"choices": [{"message": {"content": PROSE}}]}).encode(),
        "prose in gzip": gzip.compress(PROSE.encode()),
        "generated text with tokens": json.dumps(
            [{"token": {"id": i, "text": f"a{i}", "logprob": -0.5, "special": False}} for i in range(300)]
        ).encode(),
        "null values": b'{"password": null, "api_key": null, "token": "", "secret": false, "access_token": 12345678}',
        "pages": b'{"next_token": "q8Zr1VvK0xT7mJ3nWb6LsYp2Hc9Dg4", "page_token": "9f8e7d6c5b4a39281706f5e4d3c2b1a0"}',
        "request token": b'{"client_token": "a81bc81b-dead-4e5d-abff-90865d1e13b1", "token": "'
        + str(uuid.UUID(int=5)).encode()
        + b'"}',
        "hashes with labels": b'{"etag": "9f8e7d6c5b4a39281706f5e4d3c2b1a0", "sha256": "'
        + hashlib.sha256(b"y").hexdigest().encode()
        + b'"}',
        "picture in JSON": json.dumps(
            {"image": base64.b64encode(random.Random(6).randbytes(90_000)).decode()}
        ).encode(),
        "data URL": b'{"url": "data:image/png;base64,' + base64.b64encode(random.Random(8).randbytes(900)) + b'"}',
        "drawing of backslashes": json.dumps({"art": "\\" * 600 + "|" * 40}).encode(),
        "npz of numbers": archived(floats, zipfile.ZIP_DEFLATED),
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


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (nested(SECRETS["AKIA"].encode(), 9, wrap=base64.b64encode), "body" + ", base64" * 9),
        (nested(b"x" * 1000, 20, wrap=gzip.compress), "body" + ", gzip" * 9),
        (nested(b"nothing that matters", 12, wrap=lambda d: d.hex().encode()), "body" + ", hex" * 9),
        ((b"\x1f\x8b\x08" + bytes(7) + b"\x03\x00" + bytes(8)) * 4097, "body, gzip"),
        (b"PK\x03\x04" + struct.pack("<HHHHHIIIHH", 20, 1, 8, 0, 0, 0, 9, 9, 1, 0) + b"a" + bytes(40), "body, zip"),
        (archived(b"x" * 90, zipfile.ZIP_LZMA), "body, zip"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(40), "body, 7-Zip"),
        (b"Rar!\x1a\x07\x01\x00" + bytes(40), "body, RAR"),
        (b"\x04\x22\x4d\x18" + bytes(40), "body, LZ4"),
        (bz2.compress(bytes(100 << 20)), "body, bzip2"),
    ],
    ids=["base64", "gzip", "hex", "streams", "encrypted", "lzma", "7z", "rar", "lz4", "bomb"],
)
def test_scan_tells_what_it_did_not_open(data: bytes, place: str) -> None:
    """Deeper than the limit, more streams than the limit, formats that it cannot open: never silent."""
    found = Scanner().scan(data, place="body")
    assert {f.kind for f in found} == {"unreadable"}
    assert found[0].place == place


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=400),
    st.sampled_from([b"", b"\x1f\x8b\x08", b"PK\x03\x04", b"\x78\x9c", b"BZh91AY&SY", b"&#6", b"{", b"\\u00"]),
)
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


@pytest.mark.parametrize("text", ["secret", "password=", "token: ", "://", "basic ", 'api_key":"', "bearer a", "&#6"])
def test_search_for_labels_is_linear_in_hostile_bytes(text: str) -> None:
    """A row of labels, of values without an end behind them, and of both among zeros."""
    row = text.encode() * (200_000 // len(text))
    for hostile in (row, row + b"a" * 200_000, row.replace(b"=", b"\x00"), b"x" * 500_000 + row):
        list(find_labelled(hostile))


def test_pattern_is_found_wherever_it_stands() -> None:
    """At the start, behind another's beginning, twice; never in the middle of a longer word."""
    token = b"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0." + b"s" * 20
    for before in (b"", b" ", b"eyJeyJ.", b"eyJhbGci.eyJ ", b"x."):
        assert (("JSON web token", token)) in list(find_patterns(before + token))
    assert [text for _, text in find_patterns(token + b" " + token)] == [token, token]
    key = b"AKIA" + b"IOSFODNN7EXAMPLE"
    assert list(find_patterns(b"-" + key + b"," + key)) == [("AWS access key id", key)] * 2
    assert list(find_patterns(b"x" + key)) == []
