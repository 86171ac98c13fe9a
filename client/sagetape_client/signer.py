"""Signature Version 4 for SageMaker Runtime: which headers to add to one request.

Pure: it returns headers and touches nothing. It signs what botocore signs: the path encoded a second time after dot
segments are removed, every header but the hop-by-hop ones, runs of spaces folded. It knows no streaming payloads,
no presigned URLs, no SigV4a. Written from AWS's "Create a signed AWS API request"; the emulator's verifier is other
code, and both are checked against botocore on random requests.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

Pairs = Sequence[tuple[str, str]]

SERVICE = "sagemaker"  # signingName, botocore sagemaker-runtime 2017-05-13
ALGORITHM = "AWS4-HMAC-SHA256"

# botocore.auth.SIGNED_HEADERS_BLACKLIST: headers that a proxy may change on the way.
UNSIGNED = frozenset(
    [
        "baggage",
        "connection",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "traceparent",
        "tracestate",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "x-amzn-trace-id",
    ]
)


@dataclass(frozen=True, slots=True)
class Keys:
    """What signs. The secret and the token stay out of `repr`, so that no traceback shows them."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


def sign(
    method: str, url: str, *, headers: Pairs, body: bytes, keys: Keys, region: str, now: float
) -> list[tuple[str, str]]:
    """The headers to add: `X-Amz-Date`, the token when there is one, `Authorization`.

    `url` is as it is sent, already percent-encoded; `now` is Unix time in seconds.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    added = [("X-Amz-Date", stamp)]
    if keys.session_token:
        added.append(("X-Amz-Security-Token", keys.session_token))
    signed = _signed_headers(url, [*headers, *added])
    names = ";".join(signed)
    canonical = canonical_request(method, url, signed=signed, body=body)
    scope = f"{stamp[:8]}/{region}/{SERVICE}/aws4_request"
    digest = hashlib.sha256(canonical.encode("utf-8")).hexdigest()
    signature = _signature(keys.secret_key, scope, f"{ALGORITHM}\n{stamp}\n{scope}\n{digest}")
    value = f"{ALGORITHM} Credential={keys.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    return [*added, ("Authorization", value)]


def canonical_request(method: str, url: str, *, signed: dict[str, str], body: bytes) -> str:
    """The canonical request, in the words of AWS's documentation."""
    parts = urlsplit(url)
    path = quote(remove_dot_segments(parts.path), safe="/~")
    query = "&".join(sorted(parts.query.split("&"))) if parts.query else ""
    lines = [method, path, query, *(f"{name}:{value}" for name, value in signed.items()), ""]
    return "\n".join([*lines, ";".join(signed), hashlib.sha256(body).hexdigest()])


def host_of(url: str) -> str:
    """The `Host` header: lower case, the port only when it is not the scheme's own."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return host if parts.port in (None, default) else f"{host}:{parts.port}"


def remove_dot_segments(path: str) -> str:
    """RFC 3986 section 5.2.4, and runs of slashes folded to one, as AWS's other services have it."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    last = "/" if path.endswith("/") and kept else ""
    return "/" + "/".join(kept) + last


def _signed_headers(url: str, headers: Pairs) -> dict[str, str]:
    folded: dict[str, str] = {"host": host_of(url)}
    for name, value in headers:
        lower = name.lower()
        if lower not in UNSIGNED and lower != "host":
            text = " ".join(value.split())
            folded[lower] = f"{folded[lower]},{text}" if lower in folded else text
    return dict(sorted(folded.items()))


def _signature(secret: str, scope: str, text: str) -> str:
    key = ("AWS4" + secret).encode("utf-8")
    for part in (*scope.split("/"), text):
        key = hmac.new(key, part.encode("utf-8"), hashlib.sha256).digest()
    return key.hex()
