"""Makes the golden vectors of this folder with botocore's signers at a frozen time.

    python tests/golden/sigv4/generate.py

`vectors.json` has one request per case name of the suites published with aws-c-auth, botocore and smithy-rs (the
requests are our own), signed for two services, as a header and, where botocore can, as a presigned URL. `wire.json`
holds what boto3 put on a loopback socket for odd names, bodies, header values, keys and hosts.
"""

from __future__ import annotations

import datetime
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import quote, urlsplit

import boto3
import botocore.auth
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

HERE = Path(__file__).parent
KEY_ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"  # of AWS's own documentation
TOKEN = "AQoDYXdzEXAMPLE/of+a/session//token=="
NOW = datetime.datetime(2015, 8, 30, 12, 36, 0, tzinfo=datetime.UTC)
HOST = "example.amazonaws.com"
FORM = [("Content-Type", "application/x-www-form-urlencoded")]
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

# name: method, path and query, headers, body, how
CASES: dict[str, tuple[str, str, list[tuple[str, str]], bytes, str]] = {
    "get-header-key-duplicate": ("GET", "/", [("My-Header1", v) for v in ("value2", "value2", "value1")], b"", ""),
    "get-header-value-multiline": ("GET", "/", [("My-Header1", "value1\n  value2\n     value3")], b"", ""),
    "get-header-value-order": ("GET", "/", [("My-Header1", f"value{n}") for n in (4, 1, 3, 2)], b"", ""),
    "get-header-value-trim": ("GET", "/", [("My-Header1", " value1"), ("My-Header2", ' "a   b   c"')], b"", ""),
    "get-relative": ("GET", "/example/..", [], b"", ""),
    "get-relative-normalized": ("GET", "/models/..", [], b"", ""),
    "get-relative-unnormalized": ("GET", "/models/..", [], b"", "unnormalized"),
    "get-relative-relative": ("GET", "/example1/example2/../..", [], b"", ""),
    "get-relative-relative-normalized": ("GET", "/a/b/../..", [], b"", ""),
    "get-relative-relative-unnormalized": ("GET", "/a/b/../..", [], b"", "unnormalized"),
    "get-slash": ("GET", "//", [], b"", ""),
    "get-slash-normalized": ("GET", "//", [], b"", ""),
    "get-slash-unnormalized": ("GET", "//", [], b"", "unnormalized"),
    "get-slash-dot-slash": ("GET", "/./", [], b"", ""),
    "get-slash-dot-slash-normalized": ("GET", "/./", [], b"", ""),
    "get-slash-dot-slash-unnormalized": ("GET", "/./", [], b"", "unnormalized"),
    "get-slash-pointless-dot": ("GET", "/./example", [], b"", ""),
    "get-slash-pointless-dot-normalized": ("GET", "/./models", [], b"", ""),
    "get-slash-pointless-dot-unnormalized": ("GET", "/./models", [], b"", "unnormalized"),
    "get-slashes": ("GET", "//example//", [], b"", ""),
    "get-slashes-normalized": ("GET", "//models//", [], b"", ""),
    "get-slashes-unnormalized": ("GET", "//models//", [], b"", "unnormalized"),
    "get-space": ("GET", "/example space/", [], b"", ""),
    "get-space-normalized": ("GET", "/two words/", [], b"", ""),
    "get-space-unnormalized": ("GET", "/two words/", [], b"", "unnormalized, alike"),
    "get-unreserved": ("GET", "/" + LETTERS, [], b"", ""),
    "get-utf8": ("GET", "/\u1234", [], b"", ""),
    "get-vanilla": ("GET", "/", [], b"", ""),
    "get-vanilla-empty-query-key": ("GET", "/?Param1=value1", [], b"", ""),
    "get-vanilla-query": ("GET", "/?", [], b"", ""),
    "get-vanilla-query-order-encoded": ("GET", "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1", [], b"", ""),
    "get-vanilla-query-order-key": ("GET", "/?Param1=value2&Param1=Value1", [], b"", ""),
    "get-vanilla-query-order-key-case": ("GET", "/?Param2=value2&Param1=value1", [], b"", ""),
    "get-vanilla-query-order-value": ("GET", "/?Param1=value2&Param1=value1", [], b"", ""),
    "get-vanilla-query-unreserved": ("GET", f"/?{LETTERS}={LETTERS}", [], b"", ""),
    "get-vanilla-utf8-query": ("GET", "/?%E1%88%B4=bar", [], b"", ""),
    "get-vanilla-ut8-query": ("GET", "/?%C3%BC=bar", [], b"", ""),
    "get-vanilla-with-session-token": ("GET", "/", [], b"", "token"),
    "get-percent-double-encoded": ("GET", "/foo/%3Cbar%3E/baz%3Aqux", [], b"", ""),
    "get-percent-single-encoded": ("GET", "/foo/%3Cbar%3E/baz%3Aqux", [], b"", "single"),
    "double-url-encode": ("GET", "/models/arn%3Aaws%3Asagemaker%3Aone%2Ftwo", [], b"", ""),
    "post-header-key-case": ("POST", "/", [], b"", ""),
    "post-header-key-sort": ("POST", "/", [("My-Header1", "value1")], b"", ""),
    "post-header-value-case": ("POST", "/", [("My-Header1", "VALUE1")], b"", ""),
    "post-sts-header-after": ("POST", "/", [], b"", "token after"),
    "post-sts-header-before": ("POST", "/", [], b"", "token"),
    "post-unsigned-payload": ("POST", "/", [], b"body", "unsigned"),
    "post-vanilla": ("POST", "/", [], b"", ""),
    "post-vanilla-empty-query-value": ("POST", "/?Param1=", [], b"", ""),
    "post-vanilla-query": ("POST", "/?Param1=value1", [], b"", ""),
    "post-vanilla-query-nonunreserved": ("POST", "/?%40%23%24%25%5E=%2B%2F%2C%3F&a=%3D", [], b"", ""),
    "post-vanilla-query-space": ("POST", "/?p%20aram=val%20ue", [], b"", ""),
    "post-x-www-form-urlencoded": ("POST", "/", FORM, b"Param1=value1", ""),
    "post-x-www-form-urlencoded-parameters": (
        *("POST", "/", [("Content-Type", "application/x-www-form-urlencoded; charset=utf8")], b"Param1=value1"),
        "",
    ),
}


class Recorder:
    """Keeps what a signer of botocore computes on its way, and how it writes a path."""

    how = ""
    seen: dict[str, str]

    def canonical_request(self, request: Any) -> str:
        text = super().canonical_request(request)  # type: ignore[misc]
        return str(self.seen.setdefault("canonical_request", text))

    def string_to_sign(self, request: Any, canonical_request: str) -> str:
        text = super().string_to_sign(request, canonical_request)  # type: ignore[misc]
        return str(self.seen.setdefault("string_to_sign", text))

    def signature(self, string_to_sign: str, request: Any) -> str:
        return str(self.seen.setdefault("signature", super().signature(string_to_sign, request)))  # type: ignore[misc]

    def _normalize_url_path(self, path: str) -> str:
        if "unnormalized" in self.how:
            return quote(path, safe="/~")
        return path if "single" in self.how else str(super()._normalize_url_path(path))  # type: ignore[misc]


class HeaderRecorder(Recorder, SigV4Auth): ...


class QueryRecorder(Recorder, SigV4QueryAuth): ...


def sign(name: str, service: str, form: str) -> dict[str, Any]:
    """One vector."""
    method, target, headers, body, how = CASES[name]
    token = TOKEN if "token" in how and "after" not in how else None
    request = AWSRequest(method, f"https://{HOST}{target}", data=body)
    for key, value in [("Host", HOST), *headers]:
        request.headers[key] = value
    if "unsigned" in how.split():
        request.context["payload_signing_enabled"] = False
    kind = HeaderRecorder if form == "header" else QueryRecorder
    signer = kind(Credentials(KEY_ID, SECRET, token), service, "us-east-1")
    signer.how, signer.seen = how, {}
    with mock.patch.object(botocore.auth, "get_current_datetime", return_value=NOW):
        signer.add_auth(request)
    if "after" in how:
        request.headers["X-Amz-Security-Token"] = TOKEN
    split = urlsplit(request.url)
    wire = split.path + (f"?{split.query}" if split.query or target.endswith("?") else "")
    refused = how in ("unnormalized", "single", "unsigned")
    return {
        "name": name,
        "form": form,
        "service": service,
        "token": TOKEN if "token" in how else None,
        "method": method,
        "target": wire.encode().decode("latin-1"),
        "headers": [[key, value.encode().decode("latin-1")] for key, value in request.headers.items()],
        "body": body.decode(),
        **signer.seen,
        "verdict": "InvalidSignatureException" if refused else "accepted",
    }


def vectors() -> Iterator[dict[str, Any]]:
    for service in ("service", "sagemaker"):
        for name, (_, _, headers, body, how) in CASES.items():
            yield sign(name, service, "header")
            if how in ("", "token") and not body and not headers:
                yield sign(name, service, "query")


# --- what boto3 puts on a socket --------------------------------------------------------------------------------

NAMES = [
    *(
        "plain",
        "a:b",
        "a/b",
        "a%2Fb",
        "a%3Ab",
        "a b",
        "a+b",
        "a&b",
        "a=b",
        "a?b",
        "a#b",
        "a%b",
        "a%zzb",
        "~a",
        "a_b.c-d",
    ),
    *(".", "..", "...", "a/../b", "a//b", "ü", "\u1234", "\U0001f600", "a;b", "a,b", "a@b", "a$b", "a!b", "a*b", "(a)"),
    *("'a'", '"a"', "a|b", "[a]", "{a}", "a\\b", "a^b", "`a`", "<a>", "arn:aws:sagemaker:us-east-1:1:endpoint/x"),
]
BODIES = [b"", b"{}", b"\x00\xff" * 40, "ü\u1234".encode(), b"a" * 5000, b"line\r\nline\n"]
ATTRIBUTES = [
    *(
        "one two",
        "one  two   three",
        "tab\there",
        "a,b",
        "a;b=c",
        '"quoted   text"',
        "ü\u1234",
        "100%",
        "a: b",
        "trail-",
    ),
    *("%41", "x" * 1000),
]
OTHERS = [
    {"Accept": "a/b"},
    {"ContentType": "text/csv; charset=utf-8"},
    {"TargetModel": "a b/c.tar.gz"},
    {"SessionId": "s"},
]


def calls() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Label, operation and arguments of each capture."""
    for name in NAMES:
        yield f"name {name}", "invoke_endpoint", {"EndpointName": name, "Body": b"x"}
    for number, body in enumerate(BODIES):
        yield f"body {number}", "invoke_endpoint", {"EndpointName": "e", "Body": body}
    for text in ATTRIBUTES:
        yield f"attribute {text[:20]}", "invoke_endpoint", {"EndpointName": "e", "Body": b"", "CustomAttributes": text}
    for more in OTHERS:
        yield f"member {next(iter(more))}", "invoke_endpoint", {"EndpointName": "e", "Body": b"", **more}
    yield "stream", "invoke_endpoint_with_response_stream", {"EndpointName": "e", "Body": b"x"}
    yield "async", "invoke_endpoint_async", {"EndpointName": "e", "InputLocation": "s3://bucket/key"}


def serve(listener: socket.socket, captured: list[tuple[bytes, bytes]]) -> None:
    """Read one request per connection, keep head and body, and answer with an empty 200."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:  # closed: the captures are done
            return
        with connection:
            data = b""
            while b"\r\n\r\n" not in data:
                data += connection.recv(65536)
            head, _, body = data.partition(b"\r\n\r\n")
            length = next((int(x[15:]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-length:")), 0)
            while len(body) < length:
                body += connection.recv(65536)
            captured.append((head, body))
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def capture(host: str, token: str | None, wanted: list[tuple[str, str, dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    captured: list[tuple[bytes, bytes]] = []
    threading.Thread(target=serve, args=(listener, captured), daemon=True).start()
    shown = f"[{host}]" if ":" in host else host
    client = boto3.client(
        "sagemaker-runtime",
        endpoint_url=f"http://{shown}:{listener.getsockname()[1]}",
        region_name="us-east-1",
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=SECRET,
        aws_session_token=token,
        config=Config(retries={"total_max_attempts": 1}),
    )
    for label, operation, arguments in wanted:
        try:
            getattr(client, operation)(**arguments)
        except Exception as error:
            print(f"{label}: {type(error).__name__}: {error}")
        if captured:
            head, body = captured.pop()
            yield {"name": f"{label} @{host}{' temporary' if token else ''}", "token": token, **raw(head, body)}
    listener.close()


def raw(head: bytes, body: bytes) -> dict[str, Any]:
    line, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = line.split(" ", 2)
    headers = [[name, value.strip(" \t")] for name, _, value in (text.partition(":") for text in lines)]
    return {"method": method, "target": target, "headers": headers, "body": body.decode("latin-1")}


def wire() -> Iterator[dict[str, Any]]:
    with mock.patch.object(botocore.auth, "get_current_datetime", return_value=NOW):
        yield from capture("127.0.0.1", None, list(calls()))
        few = [call for call in calls() if call[0] in ("name plain", "name a:b", "body 1", "stream", "async")]
        yield from capture("127.0.0.1", TOKEN, few)
        yield from capture("::1", None, few)


def write(name: str, rows: list[dict[str, Any]]) -> None:
    lines = ",\n".join(json.dumps(row, ensure_ascii=True) for row in rows)
    (HERE / name).write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    print(name, len(rows))


if __name__ == "__main__":
    write("vectors.json", list(vectors()))
    write("wire.json", list(wire()))
