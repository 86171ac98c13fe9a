"""Requests as boto3 sends them, signed beforehand: ready to be written to a socket.

Their signatures differ because their times do: seconds of the window that the server accepts. Made with the product's
own signer, which golden vectors hold to botocore's.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence

from sagetape.core.signing import Key, sign

KEY = Key("test", "test")  # one of the pairs that a replay knows without any set-up
SPREAD_S = 120  # before and after now: well inside the window of 300 s while a case runs
AGENT = b"Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/linux#6.1 md/arch#x86_64 lang/python#3.13.1 md/pyimpl#CPython"
TARGET = b"/endpoints/churn/invocations"
JSON_TYPE = "application/json"


def body_of(number: int, size: int = 1024) -> bytes:
    """A JSON body of this size, another one for each number."""
    head = json.dumps({"id": number, "inputs": ""}).encode()[:-2]
    return head + b"x" * (size - len(head) - 2) + b'"}'


def request(port: int, body: bytes, *, digest: bytes, content_type: str, now: float) -> bytes:
    """One request, head and body."""
    host = b"127.0.0.1:%d" % port
    headers = (
        (b"Host", host),
        (b"Accept-Encoding", b"identity"),
        (b"Content-Type", content_type.encode()),
        (b"Accept", b"application/json"),
        (b"User-Agent", AGENT),
    )
    signed = (headers[0], headers[2], headers[3])
    made = sign("POST", TARGET, headers=signed, body_sha256_hex=digest, key=KEY, region="us-east-1", now=now)
    call_id = str(uuid.UUID(int=random.getrandbits(128), version=4)).encode()
    rest = ((b"amz-sdk-invocation-id", call_id), (b"amz-sdk-request", b"attempt=1"))
    lines = b"".join(b"%b: %b\r\n" % pair for pair in (*headers, *made.headers, *rest))
    return b"POST %b HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n%b" % (TARGET, lines, len(body), body)


def requests(port: int, bodies: Sequence[bytes], count: int, *, content_type: str = JSON_TYPE) -> list[bytes]:
    """`count` requests over the bodies in turn, no two signatures alike while times last."""
    digests = [hashlib.sha256(body).hexdigest().encode() for body in bodies]
    now = int(time.time())
    times = itertools.cycle(range(now - SPREAD_S, now + SPREAD_S))
    made: list[bytes] = []
    while len(made) < count:
        second = next(times)
        for body, digest in zip(bodies, digests, strict=True):
            made.append(request(port, body, digest=digest, content_type=content_type, now=second))
    random.Random(7).shuffle(made)
    return made[:count]


def batches(items: Iterable[bytes], size: int) -> Iterator[list[bytes]]:
    """Lists of up to `size` items."""
    source = iter(items)
    while batch := list(itertools.islice(source, size)):
        yield batch
