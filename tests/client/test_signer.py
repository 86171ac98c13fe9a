"""Our signer and botocore's give one signature."""

from __future__ import annotations

import random
import string
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sagetape_client.signer import Keys, host_of, remove_dot_segments, sign

STAMP_S = 1_767_225_600.0  # 2026-01-01T00:00:00Z


def theirs(url: str, headers: list[tuple[str, str]], body: bytes, *, keys: Keys, region: str) -> str:
    """botocore's Authorization for the same request at the same time."""
    request = AWSRequest("POST", url, data=body)
    for name, value in headers:
        request.headers[name] = value
    request.context["timestamp"] = "20260101T000000Z"
    request.headers["X-Amz-Date"] = "20260101T000000Z"
    if keys.session_token:
        request.headers["X-Amz-Security-Token"] = keys.session_token
    signer = SigV4Auth(Credentials(keys.access_key, keys.secret_key, keys.session_token), "sagemaker", region)
    signature = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    names = signer.signed_headers(signer.headers_to_sign(request))
    return f"AWS4-HMAC-SHA256 Credential={signer.scope(request)}, SignedHeaders={names}, Signature={signature}"


def a_request(dice: random.Random) -> tuple[str, list[tuple[str, str]], bytes]:
    """A request as odd as the service's members allow, and odder."""
    endpoint = "".join(dice.choices(string.ascii_letters + "-._~ /é%", k=dice.randint(1, 20)))
    host = dice.choice(
        ["http://127.0.0.1:7243", "https://runtime.sagemaker.eu-west-1.amazonaws.com", "http://[::1]:80"]
    )
    prefix = dice.choice(["", "/deck/a%20b"])
    url = f"{host}{prefix}/endpoints/{quote(endpoint, safe='-._~')}/invocations"
    kinds = ["Custom-Attributes", "Target-Model", "Session-Id"]
    names = ["Content-Type", "Accept", "User-Agent", *(f"X-Amzn-SageMaker-{kind}" for kind in kinds)]
    values = ["", " a  b ", "text/csv; charset=utf-8", "k=v, k=w", "x" * 300, "naïve"]
    headers = [(name, dice.choice(values)) for name in dice.sample(names, k=dice.randint(0, 5))]
    return url, headers, dice.randbytes(dice.randint(0, 500))


@pytest.mark.parametrize("seed", range(200))
def test_signature_is_botocores(seed: int) -> None:
    """On random requests, with and without a token, every signature equals botocore's."""
    dice = random.Random(seed)
    url, headers, body = a_request(dice)
    token = dice.choice([None, "token/+="])
    keys = Keys("AKIDEXAMPLE", "secret/+key", token)
    region = dice.choice(["us-east-1", "eu-west-1"])
    added = dict(sign("POST", url, headers=headers, body=body, keys=keys, region=region, now=STAMP_S))
    assert theirs(url, headers, body, keys=keys, region=region) == added["Authorization"]


def test_secret_is_not_in_repr() -> None:
    """Keys print without their secret and token."""
    assert "hush" not in repr(Keys("AKID", "hush", "hush"))


@pytest.mark.parametrize(
    ("path", "clean"),
    [("/a/./b", "/a/b"), ("/a/../b", "/b"), ("//a//b/", "/a/b/"), ("/..", "/"), ("/", "/")],
)
def test_dot_segments_are_removed(path: str, clean: str) -> None:
    """Paths are normalised as RFC 3986 says and AWS asks."""
    assert clean == remove_dot_segments(path)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://Example.COM:80/", "example.com"),
        ("https://h:443", "h"),
        ("http://[::1]:7243", "[::1]:7243"),
        ("https://h:80", "h:80"),
    ],
)
def test_host_leaves_the_schemes_own_port_out(url: str, host: str) -> None:
    """The Host header names the port only when it is not the default."""
    assert host == host_of(url)
