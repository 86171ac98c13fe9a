"""A second signer, written with `hmac` alone so that a mistake of the verifier is not made twice, and ways to spoil.

Everything happens at noon of 2026-01-15 UTC unless asked otherwise.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, unquote

from botocore.utils import normalize_url_path

from sagetape.core.sigv4 import Identity, Key, Verifier

NOW = 1_768_478_400  # 2026-01-15T12:00:00Z
LONG = Key("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
TEMPORARY = Key("ASIDEXAMPLE", "secret-of-a-session", "token/of+a=session", NOW + 3600.0)
OTHER_SESSION = Key("ASIDEXAMPLE", "secret-of-another", "token/of+another=session", NOW + 3600.0)
EXPIRED = Key("ASIDOLD", "secret-of-old", "token-of-old", NOW - 5.0)
KEYS = {"AKIDEXAMPLE": (LONG,), "ASIDEXAMPLE": (TEMPORARY, OTHER_SESSION), "ASIDOLD": (EXPIRED,)}
UNKNOWN = Key("AKIDNOBODY", "secret-of-nobody")

Headers = list[tuple[str, str]]


@dataclass
class Made:
    """A signed request, still to be spoiled."""

    target: str
    headers: Headers
    body: bytes
    method: str = "POST"


def stamp(offset_s: int = 0) -> str:
    return datetime.datetime.fromtimestamp(NOW + offset_s, datetime.UTC).strftime("%Y%m%dT%H%M%SZ")


def signature_of(secret: str, text: str, scope: list[str]) -> str:
    key = ("AWS4" + secret).encode()
    for part in scope:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode("latin-1"), hashlib.sha256).hexdigest()


def make(
    *,
    key: Key = LONG,
    path: str = "/endpoints/e/invocations",
    signed_path: str | None = None,
    query: str = "",
    signed_query: str | None = None,
    extra: Headers | None = None,
    host: str = "127.0.0.1:7243",
    body: bytes = b"{}",
    payload: str | None = None,
    date: str | None = None,
    date_header: str = "X-Amz-Date",
    scope: tuple[str | None, str, str, str] = (None, "us-east-1", "sagemaker", "aws4_request"),
    names: list[str] | None = None,
    algorithm: str = "AWS4-HMAC-SHA256",
    token: str | None = None,
) -> Made:
    """A request signed as asked for, right or wrong."""
    date = stamp() if date is None else date
    headers: Headers = [("Host", host), (date_header, date), ("Content-Type", "application/json"), *(extra or [])]
    token = key.session_token if token is None else token
    if token:
        headers.append(("X-Amz-Security-Token", token))
    fields: dict[str, list[str]] = {}
    for name, value in headers:
        fields.setdefault(name.lower(), []).append(" ".join(value.split()))
    listed = sorted(fields) if names is None else names
    block = "".join(f"{name}:{','.join(fields.get(name.lower(), ['']))}\n" for name in listed)
    digest = hashlib.sha256(body).hexdigest() if payload is None else payload
    signed_path = quote(path, safe="/-_.~") if signed_path is None else signed_path
    signed_query = "&".join(sorted(query.split("&"))) if signed_query is None else signed_query
    canonical = "\n".join(("POST", signed_path, signed_query, block, ";".join(listed), digest))
    parts = [scope[0] or date[:8], *scope[1:]]
    hashed = hashlib.sha256(canonical.encode("latin-1")).hexdigest()
    signature = signature_of(key.secret_access_key, "\n".join((algorithm, date, "/".join(parts), hashed)), parts)
    credential = "/".join((key.access_key_id, *parts))
    value = f"{algorithm} Credential={credential}, SignedHeaders={';'.join(listed)}, Signature={signature}"
    return Made(path + (f"?{query}" if query else ""), [*headers, ("Authorization", value)], body)


def presign(key: Key = LONG, *, expires: str | None = "900", date: str | None = None, **more: Any) -> Made:
    """A presigned request with an empty body; `drop`, `method`, `add`, `payload` change it before it is signed."""
    date = stamp() if date is None else date
    parts = [date[:8], "us-east-1", "sagemaker", "aws4_request"]
    pairs = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": "/".join((key.access_key_id, *parts)),
        "X-Amz-Date": date,
        "X-Amz-SignedHeaders": "host",
    }
    if expires is not None:
        pairs["X-Amz-Expires"] = expires
    if key.session_token and not more.get("is_token_outside"):
        pairs["X-Amz-Security-Token"] = key.session_token
    pairs.pop(more.get("drop", ""), None)
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='-_.~')}" for name, value in sorted(pairs.items()))
    payload = more.get("payload", hashlib.sha256(b"").hexdigest())
    canonical = "\n".join(("POST", "/endpoints/e/invocations", query, "host:h\n", "host", payload))
    text = "\n".join(("AWS4-HMAC-SHA256", date, "/".join(parts), hashlib.sha256(canonical.encode()).hexdigest()))
    signature = signature_of(key.secret_access_key, text, parts)
    return Made(f"/endpoints/e/invocations?{query}&X-Amz-Signature={signature}", [("Host", "h")], b"")


def check(made: Made, now: float = NOW, verifier: Verifier | None = None) -> Identity:
    verifier = verifier or Verifier(lambda key_id: KEYS.get(key_id, ()))
    headers = tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in made.headers)
    pending = verifier.begin(made.method, made.target.encode("latin-1"), headers, now)
    return pending.finish(hashlib.sha256(made.body).hexdigest().encode())


# --- what a refusal says of it --------------------------------------------------------------------------------------

SHORT_TEXT = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key"
    " and signing method. Consult the service documentation for details."
)


def long_text(made: Made, *, payload: str | None = None) -> str:
    """The text about a signature that does not fit: what should have been signed, session tokens masked.

    Written anew from what was sent, the path normalised by botocore; `payload` is the last line, where it is another.
    """
    stated, query = claim_of(made)
    path = quote(normalize_url_path(made.target.partition("?")[0]), safe="/-_.~", encoding="latin-1")
    names, fields = stated["SignedHeaders"], values_of(made)
    block = "".join(f"{name}:{fields[name]}\n" for name in names.split(";"))
    digest = payload or fields.get("x-amz-content-sha256") or hashlib.sha256(made.body).hexdigest()
    canonical = "\n".join((made.method, path, query, block, names, digest))
    hashed = hashlib.sha256(canonical.encode("latin-1")).hexdigest()
    for token in (TEMPORARY.session_token, OTHER_SESSION.session_token):
        canonical = canonical.replace(str(token), "***").replace(quote(str(token), safe=""), "***")
    scope = stated["Credential"].partition("/")[2]
    return (
        f"{SHORT_TEXT}\n\nThe Canonical String for this request should have been\n'{canonical}'"
        f"\n\nThe String-to-Sign should have been\n'AWS4-HMAC-SHA256\n{stated['Date']}\n{scope}\n{hashed}'\n"
    )


def claim_of(made: Made) -> tuple[dict[str, str], str]:
    """What a request says of its signature, and its canonical query without that signature."""
    sent = [pair.partition("=") for pair in made.target.partition("?")[2].split("&") if pair]
    pairs = [(unquote(name, "latin-1"), unquote(value, "latin-1")) for name, _, value in sent]
    kept = sorted((quote(n, safe="-_.~"), quote(v, safe="-_.~")) for n, v in pairs if n != "X-Amz-Signature")
    query = "&".join(f"{name}={value}" for name, value in kept)
    if "Authorization" not in dict(made.headers):
        return {name.removeprefix("X-Amz-"): value for name, value in pairs}, query
    parts = [part.strip().partition("=") for part in bits(made).partition(" ")[2].split(",")]
    return {"Date": values_of(made)["x-amz-date"], **{name: value for name, _, value in parts}}, query


def values_of(made: Made) -> dict[str, str]:
    """Header values as they are signed, by lower-case name."""
    fields: dict[str, list[str]] = {}
    for name, value in made.headers:
        fields.setdefault(name.lower(), []).append(" ".join(value.split()))
    return {name: ",".join(values) for name, values in fields.items()}


def echo(made: Made) -> str:
    """How Authorization headers are repeated: Base64 of their SHA-256."""
    stated = ",".join(value for name, value in made.headers if name.lower() == "authorization")
    return base64.b64encode(hashlib.sha256(stated.encode("latin-1")).digest()).decode()


# --- ways to spoil a request after it was signed ----------------------------------------------------------------


def put(made: Made, name: str, value: str) -> Made:
    """Change the value of a header."""
    changed = [(n, value if n.lower() == name.lower() else v) for n, v in made.headers]
    return replace(made, headers=changed)


def drop(made: Made, name: str) -> Made:
    return replace(made, headers=[(n, v) for n, v in made.headers if n.lower() != name.lower()])


def add(made: Made, name: str, value: str) -> Made:
    return replace(made, headers=[*made.headers, (name, value)])


def edit(made: Made, old: str, new: str) -> Made:
    """Change the Authorization header."""
    value = dict(made.headers)["Authorization"]
    assert old in value
    return put(made, "Authorization", value.replace(old, new))


def sent(made: Made, target: str) -> Made:
    return replace(made, target=target)


def signature(made: Made) -> str:
    return dict(made.headers)["Authorization"].rsplit("=", 1)[1]


def bad(made: Made) -> Made:
    """The same with the last digit of its signature changed."""
    old = signature(made)
    return edit(made, old, old[:-1] + ("0" if old[-1] != "0" else "1"))


def bits(made: Made) -> str:
    return dict(made.headers)["Authorization"]
