"""The requests of `tests/golden/wire/refusals.json`: every way in which a signature is refused, and how it is asked.

The server's wall clock stands still, keys and Host are fixed: so moments, canonical strings and signatures in the
texts are the same in every run. Run as a program it writes the answers anew; what it writes is reviewed against the
evidence beside each case.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from tests.core.sigv4_requests import (
    EXPIRED,
    KEYS,
    NOW,
    TEMPORARY,
    UNKNOWN,
    Made,
    add,
    bad,
    bits,
    drop,
    edit,
    make,
    presign,
    put,
    sent,
    stamp,
)
from tests.shell.wire_cases import readable

from sagetape import Emulator
from sagetape.shell.player import Dates

Cases: TypeAlias = dict[str, tuple[str, Callable[[], Made]]]

GOLDEN = Path(__file__).parents[1] / "golden" / "wire" / "refusals.json"
HOST = "localhost"  # without a port, which the signed text would repeat
PATH = "/endpoints/e/invocations"
CREDENTIALS = [
    {
        "access_key_id": key.access_key_id,
        "secret_access_key": key.secret_access_key,
        **({"session_token": key.session_token} if key.session_token else {}),
        **({"expires": datetime.fromtimestamp(key.expires, UTC)} if key.expires else {}),
    }
    for keys in KEYS.values()
    for key in keys
]


@contextmanager
def server(**settings: Any) -> Iterator[Emulator]:
    """A replay of nothing, for one region, at noon of 2026-01-15 for good."""
    with Emulator(credentials=CREDENTIALS, regions=("us-east-1",), seed=7, **settings) as emulator:
        app = emulator.thread.running.app

        def stop_the_clock() -> None:
            app.wall = lambda: NOW
            app.dates = Dates(app.wall)

        emulator.on_loop(stop_the_clock)
        yield emulator


def local(**options: Any) -> Made:
    return make(host=HOST, **options)


def presigned(*arguments: Any, **options: Any) -> Made:
    """A presigned request to this host; `presign` signs for another, which is seen last."""
    return put(presign(*arguments, **options), "Host", HOST)


def scoped(region: str = "us-east-1", service: str = "sagemaker", **more: Any) -> Made:
    """Signed rightly, for this scope."""
    return local(scope=(more.pop("date", None), region, service, more.pop("end", "aws4_request")), **more)


def bare(authorization: str) -> Made:
    """A request with this Authorization header."""
    return put(local(), "Authorization", authorization)


def ask(port: int, made: Made) -> bytes:
    """One request on a connection that stays open, as every SDK sends it; the whole answer."""
    lines = [f"{made.method} {made.target} HTTP/1.1", *(f"{name}: {value}" for name, value in made.headers)]
    head = "\r\n".join([*lines, f"Content-Length: {len(made.body)}"])
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
        sock.sendall(head.encode("latin-1") + b"\r\n\r\n" + made.body)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += received(sock)
        length = int(answer.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
        while len(answer.partition(b"\r\n\r\n")[2]) < length:
            answer += received(sock)
    return answer


def received(sock: socket.socket) -> bytes:
    data = sock.recv(65536)
    assert data, "the connection ended inside an answer"
    return data


DYNALITE = "mhart/dynalite, tests that can be pointed at AWS"
RUNTIME_MISMATCH = "SageMaker Runtime: DavidMuller/aws-requests-auth#33; OpenSearch, with the final line: "
RUNTIME_MISMATCH += "awslabs/aws-sigv4-proxy#90; token masked: ours"
SHORT_MISMATCH = "aws-beam/aws-erlang#161 (Bedrock); justincormack/argmin, sts_oracle.rs"
EXPIRED_SIGNATURE = "403 on rest-json: serverless/serverless#27, aws-samples/bedrock-access-gateway#163"
SCOPE = "justincormack/argmin, sts_oracle.rs (region and service at once)"
TOKEN = "rest-json 403: anthropics/claude-code#2260, badslug/Paw-AWSSignature4DynamicValue#5"
TOKEN_CASES = f"{TOKEN}; token before signature: justincormack/argmin, sts_oracle.rs"
EXPIRES = "ours, in the words of S3: what SageMaker says is not public"

# name: (evidence, request). A path that climbs above the root is no case: here it is an unknown path, 404, before that.
CASES: Cases = {
    "path with a bad escape": (
        "dacut/scratchstack-aws-signature: 400 without a body",
        lambda: sent(local(), "/endpoints/%zz/invocations"),
    ),
    "query with a cut escape": (
        "dacut/scratchstack-aws-signature, texts of the query front ends",
        lambda: sent(local(), f"{PATH}?a=%4"),
    ),
    "query with a bad escape": (
        "dacut/scratchstack-aws-signature, texts of the query front ends",
        lambda: sent(local(), f"{PATH}?a=%zq"),
    ),
    "header and query": (f"{DYNALITE}, and mhart/kinesalite's", lambda: sent(local(), presign().target)),
    "nothing": (
        "SageMaker Runtime, headers and 42 bytes: aws/amazon-sagemaker-examples#290",
        lambda: drop(local(), "Authorization"),
    ),
    "bearer token": (
        "awslabs/time-addressable-media-store#8; the hash is of the whole header value",
        lambda: bare("Bearer abc"),
    ),
    "two authorizations": (
        "ours: which of them counts on AWS is not settled; words of awslabs/time-addressable-media-store#8",
        lambda: add(local(), "Authorization", bits(local())),
    ),
    "bearer token with an equal sign": (
        "versity/versitygw, IAM errors of 2026; order: mhart/dynalite",
        lambda: bare("Bearer abc="),
    ),
    **{
        f"no {name}": (
            "versity/versitygw, IAM errors of 2026; order: mhart/dynalite",
            lambda name=name: bare(
                "AWS4-HMAC-SHA256 "
                + ", ".join(p for p in bits(local()).split(" ", 1)[1].split(", ") if not p.startswith(f"{name}="))
            ),
        )
        for name in ("Credential", "Signature", "SignedHeaders")
    },
    "no date": (f"{DYNALITE}; echo: versity/versitygw", lambda: drop(local(), "X-Amz-Date")),
    "no date and no parameters": (
        f"{DYNALITE}; echo: versity/versitygw",
        lambda: drop(bare("AWS4-HMAC-SHA256"), "X-Amz-Date"),
    ),
    "presigned with the algorithm alone": (
        DYNALITE,
        lambda: sent(presigned(), f"{PATH}?X-Amz-Algorithm=AWS4-HMAC-SHA256"),
    ),
    **{
        f"presigned without {name}": (DYNALITE, lambda name=name: presigned(drop=name))
        for name in ("X-Amz-Credential", "X-Amz-SignedHeaders", "X-Amz-Date")
    },
    "presigned without X-Amz-Signature": (
        DYNALITE,
        lambda: sent(presigned(), presign().target.partition("&X-Amz-Signature")[0]),
    ),
    "presigned, seconds negative": (EXPIRES, lambda: presigned(expires="-1")),
    "presigned, seconds no number": (EXPIRES, lambda: presigned(expires="1e3")),
    "presigned, seconds more than a week": (EXPIRES, lambda: presigned(expires="604801")),
    "date in another form": (
        "mhart/dynalite; dacut/scratchstack-aws-signature",
        lambda: local(date="2026-01-15T12:00:00Z", scope=("20260115", "us-east-1", "sagemaker", "aws4_request")),
    ),
    "301 seconds late": (EXPIRED_SIGNATURE, lambda: local(date=stamp(-301))),
    "presigned, a second after its end": (
        f"{EXPIRED_SIGNATURE}; minutes of the URL: ours",
        lambda: presigned(date=stamp(-901)),
    ),
    "301 seconds early": (
        "403: glacier-cli#36, Roomba980#118; awsbeats#48",
        lambda: local(date=stamp(301)),
    ),
    "host not signed": (
        "versity/versitygw, dacut/scratchstack-aws-signature and mhart/dynalite agree",
        lambda: local(names=["x-amz-date"]),
    ),
    "another algorithm": (
        "mhart/dynalite, dacut/scratchstack-aws-signature",
        lambda: local(algorithm="AWS4-ECDSA-P256-SHA256"),
    ),
    "credential of four parts": (
        "mhart/dynalite, dacut/scratchstack-aws-signature, versity/versitygw",
        lambda: edit(local(), "/us-east-1", ""),
    ),
    "scope of another region": (SCOPE, lambda: scoped("eu-west-1")),
    "scope of another service": ("'sagemaker': aws/aws-sdk-go#1836", lambda: scoped(service="sagemaker-runtime")),
    "scope with another end": ("mhart/dynalite", lambda: scoped(end="aws4")),
    "scope of another date": ("mhart/dynalite", lambda: scoped(date="20260114")),
    "scope wrong in all its parts": (
        f"{SCOPE}; order of the others: mhart/dynalite",
        lambda: scoped("eu-west-1", "s3", end="aws4", date="20260114"),
    ),
    "key unknown": (TOKEN, lambda: local(key=UNKNOWN)),
    "token missing": (TOKEN_CASES, lambda: drop(local(key=TEMPORARY), "X-Amz-Security-Token")),
    "token of nobody": (TOKEN_CASES, lambda: local(key=TEMPORARY, token="foreign")),
    "token on a key without one": (f"inferred from {TOKEN}", lambda: local(token="foreign")),
    "session expired": (
        "rest-json 403: cloudquery/cq-provider-aws#1171; justincormack/argmin, sts_oracle.rs",
        lambda: local(key=EXPIRED),
    ),
    "session expired and signature wrong": (
        "expiry before the signature: justincormack/argmin, sts_oracle.rs",
        lambda: bad(local(key=EXPIRED)),
    ),
    "signature wrong": (RUNTIME_MISMATCH, lambda: bad(local())),
    "signature wrong, of a session": (RUNTIME_MISMATCH, lambda: bad(local(key=TEMPORARY))),
    "presigned for another host": (RUNTIME_MISMATCH, lambda: presigned()),
    "unsigned payload": (
        f"403 InvalidSignatureException of a Lambda function URL; {SHORT_MISMATCH}",
        lambda: local(extra=[("x-amz-content-sha256", "UNSIGNED-PAYLOAD")], payload="UNSIGNED-PAYLOAD"),
    ),
    "signed header absent": (
        f"ours: that no such list can be signed; {SHORT_MISMATCH}",
        lambda: local(names=["absent", "host", "x-amz-date"]),
    ),
}
SHORT_CASES: Cases = {
    "signature wrong, short text": (SHORT_MISMATCH, lambda: bad(local())),
}


def asked(cases: Cases, **settings: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """What one server says to these cases, one after the other."""
    with server(**settings) as emulator:
        port = int(emulator.base_url.rpartition(":")[2])
        for name, (evidence, build) in cases.items():
            yield name, {"evidence": evidence, **readable(ask(port, build()), keeps_date=True)}


def all_answers() -> dict[str, Any]:
    """Every case, each asked of the server that it is about."""
    return {**dict(asked(CASES)), **dict(asked(SHORT_CASES, mismatch_text="short"))}


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(all_answers(), indent=1) + "\n")
